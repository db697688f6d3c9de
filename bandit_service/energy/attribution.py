"""Who took the joules: calls that ran at the same time share what their devices took.

Pure: calls and windows in, settled calls out; the caller says what time it is. A window is divided
once the tokens that its calls worked on in it are known: at their next report, or at their end.
So a call is settled once its last window is, which may be after the end of a longer one.
"""

from collections.abc import Iterable, Mapping
from itertools import chain

from bandit_service.energy.books import DeviceBooks
from bandit_service.energy.calls import Call
from bandit_service.energy.records import Window
from bandit_service.errors import CallNotFound, IdReused, TooManyCalls
from bandit_service.model import CallEnergy

MOST_CALLS = 10_000  # at once
LONGEST_CALL_SECONDS = 3600.0  # of a call that is never ended


class Attribution:
    """Devices with their books, and the calls that are not settled yet.

    devices         their idle watts; None: to be learned
    settle_seconds  how long a window waits for the tokens of its calls, and a call for its
                    windows, before what is known has to do
    declared        joules per output token by arm: first weights of calls that share a device
    """

    def __init__(
        self,
        devices: Mapping[str, float | None],
        settle_seconds: float,
        declared: Mapping[str, float] | None = None,
    ) -> None:
        self.books = {
            device: DeviceBooks(device, idle, declared) for device, idle in devices.items()
        }
        self.calls: dict[str, Call] = {}
        self._patience = settle_seconds

    def start(self, call: Call) -> None:
        """Raises TooManyCalls, or IdReused for an id that is in use by another call."""
        known = self.calls.get(call.call_id)
        if known is not None:
            same = (known.decision_id, known.arm) == (call.decision_id, call.arm)
            if same and known.end is None:
                return
            raise IdReused("call_id", call.call_id)
        if len(self.calls) >= MOST_CALLS:
            raise TooManyCalls(MOST_CALLS)
        self.calls[call.call_id] = call
        for device in call.devices:
            self.books[device].calls[call.call_id] = call

    def tell(
        self, call_id: str, now: float, output_tokens: int, input_tokens: int | None = None
    ) -> list[CallEnergy]:
        """The call has written so many tokens until now. Returns what is settled thereby.

        Raises CallNotFound, or InvalidField for fewer tokens than before.
        """
        call = self._running(call_id)
        call.tell(now, output_tokens)
        if input_tokens is not None:
            call.input_tokens = input_tokens
        return self._settle(call.devices, now)

    def end(
        self,
        call_id: str,
        now: float,
        output_tokens: int | None = None,
        input_tokens: int | None = None,
        first_token_seconds: float | None = None,
    ) -> list[CallEnergy]:
        """The call is over. Tokens that are not given stay what they were. Raises as `tell`."""
        call = self._running(call_id)
        told = call.output_tokens if output_tokens is None else output_tokens
        if told is not None and told < call.outputs[-1]:
            call.tell(now, told)  # refuses it
        call.finish(now, first_token_seconds)
        if told is not None:
            call.tell(now, told)
        if input_tokens is not None:
            call.input_tokens = input_tokens
        return [*self._closed([call]), *self._settle(call.devices, now)]

    def add(self, window: Window, now: float) -> list[CallEnergy]:
        self.books[window.device].add(window)
        return self._settle((window.device,), now)

    def expire(self, now: float) -> list[CallEnergy]:
        """Gives up on calls that nobody ended, and on windows that did not come."""
        late = []
        for call in self.calls.values():
            if call.end is None and now - call.start > LONGEST_CALL_SECONDS:
                call.why = call.why or "it was never ended"
                call.finish(now)
            if call.end is not None and now - call.end > self._patience:
                late.append(call)
        settled = self._settle(self.books, now)
        for call in late:
            for device in call.missing:
                call.why = call.why or f"{device} was not read for all of it"
                del self.books[device].calls[call.call_id]
            call.missing.clear()
        return [*settled, *self._closed(late)]

    def _running(self, call_id: str) -> Call:
        call = self.calls.get(call_id)
        if call is None or call.end is not None:
            raise CallNotFound(call_id)
        return call

    def _settle(self, devices: Iterable[str], now: float) -> list[CallEnergy]:
        covered = (self.books[device].settle(now - self._patience) for device in devices)
        return self._closed(chain.from_iterable(covered))

    def _closed(self, candidates: Iterable[Call]) -> list[CallEnergy]:
        """Those that no device has anything more to say about."""
        done = []
        for call in candidates:
            if call.end is not None and not call.missing and call.call_id in self.calls:
                del self.calls[call.call_id]
                done.append(call.settled())
        return done
