"""All that can be metered here, whatever it is read through."""

from dataclasses import dataclass
from pathlib import Path

from bandit_service.energy import nvml, rapl
from bandit_service.energy.records import Sensor, Unreadable


@dataclass(frozen=True, slots=True)
class Finding:
    """A device and how it can be read; or, in `trouble`, why not."""

    device: str
    name: str = ""
    method: str = ""
    source: str = "unmeasured"
    is_partitioned: bool = False
    refusals: tuple[str, ...] = ()
    trouble: str = ""


def open_sensor(device: str, sysfs: Path = rapl.SYSFS) -> Sensor:
    """By UUID for a GPU, as `rapl:0` for a socket. Raises Unreadable."""
    if device.startswith(rapl.PREFIX):
        return rapl.open_device(device, sysfs)
    return nvml.open_device(device)


def find(sysfs: Path = rapl.SYSFS) -> list[Finding]:
    """Every device here. A kind of which nothing can be said is one finding with its trouble."""
    found = []
    for kind, listed in (("nvml", nvml.devices), ("rapl", lambda: rapl.devices(sysfs))):
        try:
            names = listed()
        except Unreadable as error:
            found.append(Finding(kind, trouble=str(error)))
            continue
        found += [_probed(device, name, sysfs) for device, name in names]
        if not names:
            found.append(Finding(kind, trouble="there are none here"))
    return found


def _probed(device: str, name: str, sysfs: Path) -> Finding:
    try:
        sensor = open_sensor(device, sysfs)
    except Unreadable as error:
        return Finding(device, name, trouble=str(error))
    sensor.close()
    return Finding(
        device=device,
        name=name,
        method=sensor.method,
        source=sensor.source.value,
        is_partitioned=sensor.is_partitioned,
        refusals=sensor.refusals,
    )
