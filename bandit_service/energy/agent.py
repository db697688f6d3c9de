"""The meter: devices are watched, calls announced, and every settled call reported.

The same object serves as a library inside the application, and behind `bandit-service meter`. Its
methods never wait for a driver or for a network: they take a lock that is held for microseconds.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from bandit_service.energy.accounts import Tally, accounts_of
from bandit_service.energy.attribution import Attribution
from bandit_service.energy.calls import Call
from bandit_service.energy.configuration import MeterConfig
from bandit_service.energy.records import Sensor, Window
from bandit_service.energy.sensors import open_sensor
from bandit_service.energy.watching import Watch
from bandit_service.errors import ArmNotMetered
from bandit_service.model import CallEnergy, EnergyAccounts, EnergySource

log = logging.getLogger(__name__)

STOP_SECONDS = 2.0


def steady_clock() -> Callable[[], float]:
    """Seconds since the epoch as of now, that do not jump when the system's clock is set."""
    offset = time.time() - time.monotonic()
    return lambda: offset + time.monotonic()


@dataclass
class Delivery:
    """What became of reports to the service."""

    sent: int = 0
    waiting: int = 0
    lost: int = 0


@dataclass
class MeterAgent:
    """Measures calls.

    report       gets every settled call, on a thread of the agent; must not block
    delivery     what `accounts` says of the reports
    open_sensor  how devices are opened; see `sensors`

    Use it as a context manager, or call `start` and `stop`.
    """

    config: MeterConfig
    report: Callable[[CallEnergy], None] = lambda call: None
    delivery: Callable[[], Delivery] = Delivery
    open_sensor: Callable[[str], Sensor] = open_sensor
    clock: Callable[[], float] = field(default_factory=steady_clock)

    def __post_init__(self) -> None:
        devices = self.config.devices()
        idle = {device: self.config.idle_watts.get(device) for device in devices}
        declared = {
            name: arm.joules_per_output_token
            for name, arm in self.config.arms.items()
            if arm.joules_per_output_token is not None
        }
        self._attribution = Attribution(idle, self.config.settle_seconds, declared)
        self._tally = Tally()
        self._lock = threading.Lock()
        self._start_time = self.clock()
        self._watches = {
            device: Watch(device, self.open_sensor, self._add, self.clock, self.config.tick_seconds)
            for device in devices
        }
        self._over = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="meter keeper", daemon=True)

    def __enter__(self) -> "MeterAgent":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begins to watch. Devices that cannot be read are tried again and again."""
        for watch in self._watches.values():
            watch.start()
        self._keeper.start()

    def stop(self) -> None:
        """Ends the threads. Calls that are not settled yet stay unmeasured."""
        self._over.set()
        for watch in self._watches.values():
            watch.stop(STOP_SECONDS)
        self._keeper.join(STOP_SECONDS)

    def start_call(
        self,
        call_id: str,
        decision_id: str,
        arm: str,
        input_tokens: int | None = None,
        token: bytes = b"",
    ) -> None:
        """A call to an arm begins now. A repeat changes nothing.

        `token` came with the decision: it is told with the joules.

        Raises ArmNotMetered, IdReused, TooManyCalls.
        """
        where = self.config.arms.get(arm)
        if where is None:
            raise ArmNotMetered(arm)
        with self._lock:
            begun = self.clock()
            self._attribution.start(
                Call(call_id, decision_id, arm, where.devices, begun, input_tokens, token=token)
            )

    def report_tokens(
        self, call_id: str, output_tokens: int, input_tokens: int | None = None
    ) -> None:
        """The call has written `output_tokens` so far, from its start.

        Raises CallNotFound, or InvalidField for fewer than before.
        """
        with self._lock:
            done = self._attribution.tell(call_id, self.clock(), output_tokens, input_tokens)
        self._settled(done)

    def end_call(
        self,
        call_id: str,
        output_tokens: int | None = None,
        input_tokens: int | None = None,
        first_token_seconds: float | None = None,
    ) -> None:
        """The call is over, well or not. Its joules are reported once they are known.

        Raises as `report_tokens`.
        """
        with self._lock:
            done = self._attribution.end(
                call_id, self.clock(), output_tokens, input_tokens, first_token_seconds
            )
        self._settled(done)

    def accounts(self) -> EnergyAccounts:
        """Where all joules went until now."""
        with self._lock:
            accounts = accounts_of(
                self.config, self._attribution, self._tally, self._watches, self._start_time
            )
        delivery = self.delivery()
        return msgspec.structs.replace(
            accounts,
            time=self.clock(),
            reports_sent=delivery.sent,
            reports_waiting=delivery.waiting,
            reports_lost=delivery.lost,
        )

    def _add(self, window: Window) -> None:
        with self._lock:
            done = self._attribution.add(window, self.clock())
        self._settled(done)

    def _keep(self) -> None:
        """Devices that block bring no windows, so somebody else has to look at the time."""
        blocked: set[str] = set()
        while not self._over.wait(self.config.tick_seconds):
            with self._lock:
                done = self._attribution.expire(self.clock())
            self._settled(done)
            now_blocked = {device for device, watch in self._watches.items() if watch.is_blocked()}
            for device in now_blocked - blocked:
                log.warning("%s: %s", device, self._watches[device].trouble())
            blocked = now_blocked

    def _settled(self, calls: list[CallEnergy]) -> None:
        for call in calls:
            settled = self._or_declared(call)
            with self._lock:
                self._tally.add(settled)
            if settled.energy_joules is None:
                log.info("the energy of call %s is not known: %s", settled.call_id, settled.why)
            self.report(settled)

    def _or_declared(self, call: CallEnergy) -> CallEnergy:
        """What the configuration declares, where nothing was measured."""
        declared = self.config.arms[call.arm].joules_per_output_token
        if call.energy_joules is not None or declared is None or call.output_tokens is None:
            return call
        return msgspec.structs.replace(
            call,
            energy_joules=declared * call.output_tokens,
            energy_source=EnergySource.ESTIMATED,
            is_declared=True,
        )
