"""A meter in a few words, for sums that can be done by hand."""

from bandit_service.energy.attribution import Attribution
from bandit_service.energy.calls import Call
from bandit_service.energy.records import NANOJOULES, Window
from bandit_service.model import CallEnergy


class House:
    """A meter whose devices idle at 10 W unless told otherwise; windows of one second."""

    def __init__(self, *devices: str, idle: float | None = 10.0, patience: float = 100.0) -> None:
        self.devices = devices or ("a",)
        self.meter = Attribution(dict.fromkeys(self.devices, idle), patience)
        self.settled: dict[str, CallEnergy] = {}

    def start(self, name: str, at: float, *devices: str, arm: str = "m", **given) -> None:
        self.meter.start(Call(name, f"d-{name}", arm, devices or self.devices, at, **given))

    def tell(self, name: str, at: float, tokens: int) -> None:
        self._note(self.meter.tell(name, at, tokens))

    def end(self, name: str, at: float, tokens: int | None = None, **given) -> None:
        self._note(self.meter.end(name, at, tokens, **given))

    def window(
        self, start: float, joules: float | None, device: str = "a", seconds: float = 1.0, **given
    ) -> None:
        amount = None if joules is None else round(joules * NANOJOULES)
        window = Window(device, start, start + seconds, amount, **given)
        self._note(self.meter.add(window, window.end))

    def expire(self, now: float) -> None:
        self._note(self.meter.expire(now))

    def _note(self, done: list[CallEnergy]) -> None:
        self.settled |= {call.call_id: call for call in done}

    def books(self, device: str = "a") -> tuple[float, float, float, float]:
        books = self.meter.books[device]
        amounts = books.total, books.given, books.idle, books.unclaimed
        return tuple(amount / NANOJOULES for amount in amounts)  # type: ignore[return-value]
