"""Processors through RAPL, as Linux shows it below /sys/class/powercap.

Microjoules of a whole socket, wrapping at `max_energy_range_uj`. Whatever runs on the socket is in
them, so what is given to a call is always an estimate. Since 2020 (CVE-2020-8694) only root may
read them; most virtual machines have none.
"""

from functools import partial
from pathlib import Path

from bandit_service.energy.records import Sensor, Unreadable
from bandit_service.model import EnergySource

SYSFS = Path("/sys/class/powercap")
PREFIX = "rapl:"
NANO_PER_MICRO = 1_000


def devices(sysfs: Path = SYSFS) -> list[tuple[str, str]]:
    """(`rapl:0`, its name) of every socket; none where there is no such thing."""
    found = sorted(sysfs.glob("intel-rapl:*"), key=lambda path: path.name)
    return [
        (PREFIX + path.name.partition(":")[2], _text(path / "name"))
        for path in found
        if path.name.count(":") == 1  # those with two are parts of one: cores, memory
    ]


def open_device(device: str, sysfs: Path = SYSFS) -> Sensor:
    """Raises Unreadable: no such socket, no permission, or no number."""
    folder = sysfs / f"intel-rapl:{device.removeprefix(PREFIX)}"
    if not folder.is_dir():
        raise Unreadable(f"{folder} does not exist", "this machine does not show its RAPL counters")
    read = partial(_microjoules, folder / "energy_uj")
    read()
    return Sensor(
        device=device,
        name=_text(folder / "name"),
        method="rapl",
        source=EnergySource.ESTIMATED,
        read=read,
        wraps_at=_microjoules(folder / "max_energy_range_uj"),
    )


def _microjoules(path: Path) -> int:
    """What the file holds, in nanojoules."""
    text = _text(path)
    if not text.isascii() or not text.isdecimal():
        raise Unreadable(f"{path} holds {text[:40]!r}, not a number")
    return NANO_PER_MICRO * int(text)


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except PermissionError as error:
        raise Unreadable(
            f"{path} may not be read", "run the meter as root, or give it CAP_DAC_READ_SEARCH"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise Unreadable(f"{path} cannot be read ({error})") from error
