"""What passes between the parts of the meter."""

from collections.abc import Callable
from dataclasses import dataclass

from bandit_service.model import EnergySource

NANOJOULES = 1_000_000_000  # a joule


class Unreadable(Exception):
    """A device gives no reading: what was tried, why it failed, what may help."""

    def __init__(self, why: str, remedy: str = "") -> None:
        super().__init__(f"{why}; {remedy}" if remedy else why)


@dataclass(frozen=True, slots=True)
class Sensor:
    """An open device: the best way of reading it that it did not refuse.

    method          energy_counter, instant_power, average_power, power_usage or rapl
    source          measured for a counter, sampled for power, estimated for a counter that
                    covers more than what calls run on
    read            nanojoules since some beginning, or for power nanowatts: joules times
                    seconds come out alike. Raises Unreadable
    is_power        whether `read` gives power, to be summed over time
    wraps_at        nanojoules after which a counter begins again; None: it never does
    is_partitioned  MIG: the numbers are of the whole board
    refusals        what better ways said
    close           lets go of the driver
    """

    device: str
    name: str
    method: str
    source: EnergySource
    read: Callable[[], int]
    is_power: bool = False
    wraps_at: int | None = None
    is_partitioned: bool = False
    refusals: tuple[str, ...] = ()
    close: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Window:
    """What one device took from `start` to `end`. A device's windows leave no gap.

    nanojoules is None where that is not known, and `why` says why. `is_partitioned`: of a
    board that may serve others too.
    """

    device: str
    start: float
    end: float
    nanojoules: int | None
    source: EnergySource = EnergySource.MEASURED
    is_partitioned: bool = False
    why: str = ""
