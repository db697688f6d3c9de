"""The books of one device: every nanojoule of a window goes to a call, to idle, or to nobody."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, pairwise
from math import fsum

from bandit_service.energy.calls import Call
from bandit_service.energy.idle import IdlePower
from bandit_service.energy.records import NANOJOULES, Window
from bandit_service.energy.weights import TokenWeights
from bandit_service.model import EnergySource


class DeviceBooks:
    """Windows of one device, divided among its calls once their tokens are known.

    total = calls + idle + unclaimed + what `pending` windows hold, exactly, in nanojoules.
    """

    def __init__(
        self,
        device: str,
        idle_watts: float | None = None,
        declared: Mapping[str, float] | None = None,
    ) -> None:
        self.device = device
        self.calls: dict[str, Call] = {}  # that are not covered by settled windows yet
        self.pending: deque[Window] = deque()
        self.idle_power = IdlePower(idle_watts)
        self.weights = TokenWeights(declared)
        self.by_arm: dict[str, int] = {}
        self.total = self.given = self.idle = self.unclaimed = 0
        self.void_seconds = 0.0
        self.settled_until = float("-inf")

    def add(self, window: Window) -> None:
        self.pending.append(window)
        if window.nanojoules is not None:
            self.total += window.nanojoules

    def settle(self, give_up_before: float) -> list[Call]:
        """Divides the windows that can be, in order. Calls that are covered now leave.

        Windows that end before `give_up_before` are divided by what is known.
        """
        while self.pending:
            window = self.pending[0]
            there = [c for c in self.calls.values() if c.overlaps(window.start, window.end)]
            known = all(call.known_at(window.end) for call in there)
            if not known and window.end > give_up_before:
                break
            self.pending.popleft()
            self.settled_until = window.end
            self._divide(window, there)
        return self._covered()

    def _covered(self) -> list[Call]:
        done = [
            call
            for call in self.calls.values()
            if call.end is not None and call.end <= self.settled_until
        ]
        for call in done:
            del self.calls[call.call_id]
            call.missing.discard(self.device)
        return done

    def _divide(self, window: Window, there: Sequence[Call]) -> None:
        seconds = window.end - window.start
        active = [call.seconds_in(window.start, window.end) for call in there]
        if window.nanojoules is None:
            self.void_seconds += seconds
            for call in there:
                call.why = call.why or f"{self.device}: {window.why}"
            return
        idle, above = self._without_idle(window.nanojoules, seconds, bool(there))
        self.idle += idle
        weights = self._shares(window, there, active, above)
        if not any(weights):
            self.unclaimed += above
        else:
            self.given += above
            self._give(there, parts(above, weights))
        # Idle is shared by time, for who wants to know; it stays in its own account.
        resting = max(0.0, seconds - fsum(active))
        idle_parts = parts(idle, [*active, resting]) if any(active) else [0] * len(there)
        for call, ran, share in zip(there, active, idle_parts, strict=False):
            call.covered[self.device] += ran
            call.idle_nanojoules += share
            call.blame(self._source(window, there))

    def _without_idle(self, nanojoules: int, seconds: float, busy: bool) -> tuple[int, int]:
        """The idle part, and what is above it."""
        if not busy:
            self.idle_power.learn(nanojoules / NANOJOULES, seconds)
        watts = self.idle_power.watts
        if watts is None:
            return (0, nanojoules) if busy else (nanojoules, 0)
        idle = min(nanojoules, round(watts * seconds * NANOJOULES))
        return idle, nanojoules - idle

    def _shares(
        self, window: Window, there: Sequence[Call], active: list[float], above: int
    ) -> list[float]:
        """By tokens; by time where not all calls tell theirs, or none worked on any."""
        tokens = [call.tokens_in(window.start, window.end) for call in there]
        known = [each for each in tokens if each is not None]
        if len(known) < len(there) or not there:
            return active
        weights = self.weights.of({call.arm for call in there})
        shares = [
            weights[call.arm][0] * read + weights[call.arm][1] * written
            for call, (read, written) in zip(there, known, strict=True)
        ]
        self._learn(above, min(window.end - window.start, fsum(active)), there, known)
        return shares if any(shares) else active

    def _learn(
        self,
        above: int,
        seconds: float,
        there: Sequence[Call],
        tokens: Iterable[tuple[float, float]],
    ) -> None:
        by_arm: dict[str, tuple[float, float]] = {}
        for call, (read, written) in zip(there, tokens, strict=True):
            before = by_arm.get(call.arm, (0.0, 0.0))
            by_arm[call.arm] = before[0] + read, before[1] + written
        self.weights.learn(above / NANOJOULES, seconds, by_arm)

    def _give(self, there: Sequence[Call], shares: Sequence[int]) -> None:
        for call, share in zip(there, shares, strict=True):
            call.nanojoules += share
            self.by_arm[call.arm] = self.by_arm.get(call.arm, 0) + share

    def _source(self, window: Window, there: Sequence[Call]) -> EnergySource:
        """A share of a total is an estimate, as is a total with the idle draw in it."""
        if len(there) > 1 or window.is_partitioned or self.idle_power.watts is None:
            return EnergySource.ESTIMATED
        return window.source


def parts(amount: int, weights: Sequence[float]) -> list[int]:
    """`amount` in whole parts in proportion to `weights` (>= 0, not all 0), none lost.

    Each part is off by less than one, because the borders between parts are rounded.

    >>> parts(10, [1.0, 1.0, 1.0]), parts(7, [0.0, 2.0])
    ([3, 4, 3], [0, 7])
    """
    sums = list(accumulate(weights))
    borders = [0, *(round(amount * (each / sums[-1])) for each in sums[:-1]), amount]
    return [after - before for before, after in pairwise(borders)]
