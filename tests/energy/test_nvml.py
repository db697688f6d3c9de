"""What the real pynvml makes of a driver, and what the meter makes of that."""

import sys
import types

import pynvml
import pytest

from bandit_service.energy import nvml
from bandit_service.energy.records import Unreadable
from bandit_service.energy.sensors import find
from bandit_service.model import EnergySource
from tests.energy.stand_in import (
    GPU_IS_LOST,
    NO_PERMISSION,
    NOT_SUPPORTED,
    StandIn,
    put_in_place,
)

JOULE, WATT = 1_000_000_000, 1_000_000_000


def test_the_counter_is_the_first_choice(driver: StandIn) -> None:
    driver[0].energy_mj = 5_000

    sensor = nvml.open_device("GPU-a")

    assert (sensor.method, sensor.source) == ("energy_counter", EnergySource.MEASURED)
    assert (sensor.device, sensor.name) == ("GPU-a", "Stand-in 9000")
    assert sensor.read() == 5 * JOULE
    driver.add_joules(2.5)
    assert sensor.read() == 7.5 * JOULE
    assert not sensor.is_power
    sensor.close()


@pytest.mark.parametrize(
    ("refused", "method", "watts"),
    [
        (["energy"], "instant_power", 186),
        (["energy", "instant"], "average_power", 185),
        (["energy", "instant", "average"], "power_usage", 100),
    ],
)
@pytest.mark.parametrize("code", [NOT_SUPPORTED, NO_PERMISSION])
def test_what_is_refused_gives_way_to_the_next(driver, refused, method, watts, code) -> None:
    driver[0].instant_mw, driver[0].average_mw, driver[0].usage_mw = 186_000, 185_000, 100_000
    for name in refused:
        setattr(driver[0], f"{name}_code", code)

    sensor = nvml.open_device("GPU-a")

    assert (sensor.method, sensor.source) == (method, EnergySource.SAMPLED)
    assert sensor.read() == watts * WATT
    assert sensor.is_power
    assert len(sensor.refusals) == len(refused)
    sensor.close()


def test_a_missing_symbol_gives_way_too(driver: StandIn, old: None) -> None:
    sensor = nvml.open_device("GPU-a")

    assert sensor.method == "instant_power"
    assert sensor.refusals == ("energy_counter: NVML says function not found",)
    sensor.close()


def test_a_device_that_refuses_everything_is_unreadable_and_let_go(driver: StandIn) -> None:
    for name in ("energy", "instant", "average", "usage"):
        setattr(driver[0], f"{name}_code", NOT_SUPPORTED)

    with pytest.raises(Unreadable, match=r"neither energy nor power.*power_usage: NVML says not"):
        nvml.open_device("GPU-a")

    assert driver.state.opened == 0


def test_a_lost_gpu_is_no_reason_to_try_another_way(driver: StandIn) -> None:
    sensor = nvml.open_device("GPU-a")
    driver[0].lost = 1

    with pytest.raises(Unreadable, match="gpu is lost; the GPU has left the bus"):
        sensor.read()
    with pytest.raises(Unreadable, match="gpu is lost"):
        nvml.open_device("GPU-a")
    assert nvml.open_device("GPU-b").method == "energy_counter"


@pytest.mark.parametrize(
    ("mig", "code", "partitioned"), [(1, 0, True), (0, 0, False), (1, 3, False)]
)
def test_mig_is_seen(driver: StandIn, mig: int, code: int, partitioned: bool) -> None:
    driver[0].mig, driver[0].mig_code = mig, code

    assert nvml.open_device("GPU-a").is_partitioned is partitioned


def test_unknown_uuids_and_unknown_codes_are_told(driver: StandIn) -> None:
    with pytest.raises(Unreadable, match="not found; `bandit-service energy devices` lists"):
        nvml.open_device("GPU-z")
    driver.state.init_code = 77
    with pytest.raises(Unreadable, match="NVML says error 77"):
        nvml.open_device("GPU-a")


def test_every_device_is_found_with_the_way_it_is_read(driver: StandIn, tmp_path) -> None:
    driver[1].energy_code = NOT_SUPPORTED
    driver[1].mig = 1

    found = find(tmp_path)

    assert [(f.device, f.method, f.source, f.is_partitioned) for f in found] == [
        ("GPU-a", "energy_counter", "measured", False),
        ("GPU-b", "instant_power", "sampled", True),
        ("rapl", "", "unmeasured", False),
    ]
    assert driver.state.opened == 0


def test_without_a_library_it_says_what_to_install(tmp_path, monkeypatch) -> None:
    def no_library(name):
        raise OSError(f"{name}: cannot open shared object file")

    put_in_place(None)
    monkeypatch.setattr(pynvml, "CDLL", no_library)

    with pytest.raises(Unreadable, match="library not found; install the NVIDIA driver"):
        nvml.devices()
    assert [(f.device, f.source) for f in find(tmp_path)] == [
        ("nvml", "unmeasured"),
        ("rapl", "unmeasured"),
    ]


def test_the_old_pynvml_package_is_refused(monkeypatch) -> None:
    shadow = types.ModuleType("pynvml")
    shadow.__file__ = "/site-packages/pynvml/__init__.py"
    monkeypatch.setitem(sys.modules, "pynvml", shadow)

    with pytest.raises(Unreadable, match=r"/site-packages/pynvml/.*pip uninstall pynvml"):
        nvml.devices()


def test_without_the_binding_it_says_so(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)

    with pytest.raises(Unreadable, match="pip install nvidia-ml-py"):
        nvml.open_device("GPU-a")


def test_the_codes_used_here_are_those_of_the_driver() -> None:
    assert NOT_SUPPORTED == pynvml.NVML_ERROR_NOT_SUPPORTED
    assert NO_PERMISSION == pynvml.NVML_ERROR_NO_PERMISSION
    assert GPU_IS_LOST == pynvml.NVML_ERROR_GPU_IS_LOST
