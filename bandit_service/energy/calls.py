"""One metered call: when it ran, where, and which tokens it worked on when."""

from bisect import bisect_left
from dataclasses import dataclass, field

from bandit_service.energy.records import NANOJOULES
from bandit_service.errors import InvalidField
from bandit_service.model import CallEnergy, EnergySource

_WORST = (EnergySource.MEASURED, EnergySource.SAMPLED, EnergySource.ESTIMATED)
# Windows are added to floats of seconds since the epoch, which know microseconds.
_SLACK_SECONDS = 1e-5


@dataclass(slots=True)
class Call:
    """A call, from its start until it is settled.

    times, outputs  output tokens so far, at each time they were told of; spread evenly between
    first_token     seconds since the epoch; input tokens are spread from the start until then
    missing         devices whose windows do not cover the call yet
    covered         seconds of the call in windows that are not void, by device
    why             why its energy will not be known
    token           that came with the decision; empty if none was told
    """

    call_id: str
    decision_id: str
    arm: str
    devices: tuple[str, ...]
    start: float
    input_tokens: int | None = None
    output_tokens: int | None = None
    end: float | None = None
    first_token: float | None = None
    times: list[float] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    missing: set[str] = field(default_factory=set)
    covered: dict[str, float] = field(default_factory=dict)
    nanojoules: int = 0
    idle_nanojoules: int = 0
    source: EnergySource = EnergySource.MEASURED
    why: str = ""
    token: bytes = b""

    def __post_init__(self) -> None:
        self.times, self.outputs = [self.start], [0]
        self.missing = set(self.devices)
        self.covered = dict.fromkeys(self.devices, 0.0)

    def tell(self, now: float, output_tokens: int) -> None:
        """`output_tokens` so far. Raises InvalidField for fewer than before."""
        if output_tokens < self.outputs[-1]:
            raise InvalidField(
                "output_tokens",
                f"{output_tokens} is fewer than the {self.outputs[-1]} told before",
            )
        if output_tokens == 1 and self.output_tokens is None:
            self.first_token = now
        self.output_tokens = output_tokens
        if now == self.times[-1] and len(self.times) > 1:
            self.outputs[-1] = output_tokens
        else:
            self.times.append(now)
            self.outputs.append(output_tokens)

    def finish(self, now: float, first_token_seconds: float | None = None) -> None:
        """The call is over. When the first token came is only news if no tokens were told of."""
        self.end = now
        if first_token_seconds is not None and len(self.times) == 1:
            self.first_token = min(self.start + first_token_seconds, now)
            self.times[0] = self.first_token

    def known_at(self, time: float) -> bool:
        """Whether the tokens worked on until `time` are known, or never will be."""
        return self.end is not None or self.times[-1] >= time

    def overlaps(self, start: float, end: float) -> bool:
        return self.start < end and (self.end is None or self.end > start)

    def seconds_in(self, start: float, end: float) -> float:
        last = end if self.end is None else min(end, self.end)
        return max(0.0, last - max(start, self.start))

    def tokens_in(self, start: float, end: float) -> tuple[float, float] | None:
        """Input and output tokens worked on; None where that is not known.

        Input tokens that nobody told of count as none: by default they weigh nothing.
        """
        if self.output_tokens is None or not self.known_at(end):
            return None
        read = (self.input_tokens or 0) * (self._read_by(end) - self._read_by(start))
        return read, self._written_by(end) - self._written_by(start)

    def blame(self, source: EnergySource) -> None:
        """No better source than this one from now on."""
        self.source = max(self.source, source, key=_WORST.index)

    def settled(self) -> CallEnergy:
        assert self.end is not None
        self._check_cover(self.end - self.start)
        known = not self.why
        return CallEnergy(
            call_id=self.call_id,
            decision_id=self.decision_id,
            arm=self.arm,
            devices=self.devices,
            start=self.start,
            end=self.end,
            energy_joules=self.nanojoules / NANOJOULES if known else None,
            energy_source=self.source if known else None,
            idle_joules=self.idle_nanojoules / NANOJOULES if known else None,
            output_tokens=self.output_tokens,
            why=self.why,
            token=self.token,
        )

    def _check_cover(self, seconds: float) -> None:
        if self.why:
            return
        if not self.devices:
            self.why = "no device is named for the arm"
        elif seconds <= 0.0:
            self.why = "it took no time"
        for device in self.devices:
            if self.covered[device] < seconds - _SLACK_SECONDS:
                self.why = f"{device} was not read for all of it"

    def _read_by(self, time: float) -> float:
        """Share of the input read by then."""
        first = self.start if self.first_token is None else self.first_token
        if first <= self.start:  # not known, so at once
            return float(time > self.start)
        return min(max((time - self.start) / (first - self.start), 0.0), 1.0)

    def _written_by(self, time: float) -> float:
        after = bisect_left(self.times, time)
        if after == 0:
            return 0.0
        if after == len(self.times):
            return float(self.outputs[-1])
        earlier, later = self.times[after - 1], self.times[after]
        share = (time - earlier) / (later - earlier)
        return self.outputs[after - 1] + share * (self.outputs[after] - self.outputs[after - 1])
