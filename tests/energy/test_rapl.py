"""RAPL, on a folder that poses as sysfs."""

import os
from pathlib import Path

import pytest

from bandit_service.energy import rapl
from bandit_service.energy.records import Unreadable
from bandit_service.energy.sensors import find, open_sensor
from bandit_service.model import EnergySource


@pytest.fixture
def sysfs(tmp_path: Path) -> Path:
    """Two sockets, one of them with a part."""
    for folder, name in (
        ("intel-rapl:0", "package-0"),
        ("intel-rapl:0:0", "core"),
        ("intel-rapl:1", "package-1"),
    ):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "name").write_text(f"{name}\n")
        (tmp_path / folder / "energy_uj").write_text("5000000\n")
        (tmp_path / folder / "max_energy_range_uj").write_text("262143328850\n")
    return tmp_path


def test_sockets_are_found_and_their_parts_are_not(sysfs: Path) -> None:
    assert rapl.devices(sysfs) == [("rapl:0", "package-0"), ("rapl:1", "package-1")]


def test_a_socket_is_read_in_nanojoules(sysfs: Path) -> None:
    sensor = open_sensor("rapl:1", sysfs)

    assert sensor.read() == 5_000_000_000
    assert sensor.wraps_at == 262_143_328_850_000
    assert (sensor.name, sensor.method, sensor.source) == (
        "package-1",
        "rapl",
        EnergySource.ESTIMATED,
    )


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match=r"intel-rapl:0 does not exist; this machine"):
        rapl.open_device("rapl:0", tmp_path)
    assert rapl.devices(tmp_path / "nowhere") == []


@pytest.mark.parametrize("text", ["", "lots", "-5", "1e9", "\N{SUPERSCRIPT TWO}"])
def test_what_is_no_number_is_told(sysfs: Path, text: str) -> None:
    (sysfs / "intel-rapl:0" / "energy_uj").write_text(text)

    with pytest.raises(Unreadable, match=r"energy_uj holds .*, not a number"):
        rapl.open_device("rapl:0", sysfs)


def test_a_file_that_may_not_be_read_comes_with_a_remedy(
    sysfs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_text = Path.read_text

    def refused(path: Path, *given, **named) -> str:
        if path.name == "energy_uj":  # root may read whatever its mode is
            raise PermissionError(13, "Permission denied", str(path))
        return read_text(path, *given, **named)

    monkeypatch.setattr(Path, "read_text", refused)

    with pytest.raises(Unreadable, match=r"energy_uj may not be read; run the meter as root"):
        rapl.open_device("rapl:0", sysfs)
    rapls = [f for f in find(sysfs) if f.device.startswith("rapl")]
    assert [(f.name, f.source) for f in rapls] == [
        ("package-0", "unmeasured"),
        ("package-1", "unmeasured"),
    ]
    assert all("root" in f.trouble for f in rapls)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file; the test above stands in")
def test_the_kernels_own_refusal_is_the_same(sysfs: Path) -> None:
    (sysfs / "intel-rapl:0" / "energy_uj").chmod(0)

    with pytest.raises(Unreadable, match="run the meter as root"):
        rapl.open_device("rapl:0", sysfs)
