"""NVIDIA devices through NVML: what each can be asked, found out by asking.

Sources in order: the energy counter (millijoules since the driver was loaded, Volta and later),
the instant power (field 186), the average power (field 185), and the power usage of old drivers.
Capability is probed by calling, never by architecture: a guest of a vGPU may refuse what its board
can do. https://docs.nvidia.com/deploy/nvml-api
"""

import contextlib
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from bandit_service.energy.records import Sensor, Unreadable
from bandit_service.model import EnergySource

NANO_PER_MILLI = 1_000_000
BOARD = 0  # the scope of a power field: the GPU itself, not the module around it

# The driver's answers that mean "not this way", after which another way is tried.
_REFUSALS = ("NOT_SUPPORTED", "FUNCTION_NOT_FOUND", "NO_PERMISSION", "INVALID_ARGUMENT", "NO_DATA")

_REMEDIES = {
    "LIBRARY_NOT_FOUND": "install the NVIDIA driver, or give the container access to it",
    "DRIVER_NOT_LOADED": "load the NVIDIA driver",
    "NO_PERMISSION": "let this user read the device files, or run the meter as another one",
    "LIB_RM_VERSION_MISMATCH": "the driver was updated while it was loaded: restart the machine",
    "GPU_IS_LOST": "the GPU has left the bus: it needs a reset",
    "NOT_FOUND": "`bandit-service energy devices` lists those there are",
    "INVALID_ARGUMENT": "`bandit-service energy devices` lists those there are",
}

# NVML counts how often it was opened, and begins afresh only when all have closed it. pynvml's
# own count is not safe against two threads at once.
_opening = threading.Lock()


def devices() -> list[tuple[str, str]]:
    """(UUID, name) of every NVIDIA device. Raises Unreadable where there is no NVML."""
    nvml = _open()
    try:
        found = range(_asked(nvml, nvml.nvmlDeviceGetCount))
        handles = [_asked(nvml, nvml.nvmlDeviceGetHandleByIndex, index) for index in found]
        return [
            (
                str(_asked(nvml, nvml.nvmlDeviceGetUUID, handle)),
                str(_asked(nvml, nvml.nvmlDeviceGetName, handle)),
            )
            for handle in handles
        ]
    finally:
        _close(nvml)


def open_device(uuid: str) -> Sensor:
    """The best way of reading one device. Raises Unreadable, with what was tried."""
    nvml = _open()
    try:
        handle = _asked(nvml, nvml.nvmlDeviceGetHandleByUUID, uuid.encode())
        method, source, read, refusals = _best(nvml, handle)
        return Sensor(
            device=uuid,
            name=str(_asked(nvml, nvml.nvmlDeviceGetName, handle)),
            method=method,
            source=source,
            read=read,
            is_power=source is EnergySource.SAMPLED,
            is_partitioned=_is_partitioned(nvml, handle),
            refusals=refusals,
            close=partial(_close, nvml),
        )
    except BaseException:
        _close(nvml)
        raise


def _open() -> Any:
    try:
        import pynvml
    except ImportError as error:
        raise Unreadable(f"pynvml cannot be imported ({error})", _INSTALL) from error
    if not hasattr(pynvml, "_nvmlGetFunctionPointer"):
        raise Unreadable(
            f"{pynvml.__file__} is the old `pynvml` package, which hides NVIDIA's nvidia-ml-py",
            "pip uninstall pynvml && pip install --force-reinstall nvidia-ml-py",
        )
    with _opening:
        _asked(pynvml, pynvml.nvmlInit)
    return pynvml


_INSTALL = "pip install nvidia-ml-py"


def _close(nvml: Any) -> None:
    with _opening, contextlib.suppress(nvml.NVMLError):  # one that is gone cannot be closed
        nvml.nvmlShutdown()


def _best(nvml: Any, handle: Any) -> tuple[str, EnergySource, Callable[[], int], tuple[str, ...]]:
    ways: tuple[tuple[str, EnergySource, Callable[[], int]], ...] = (
        (
            "energy_counter",
            EnergySource.MEASURED,
            partial(_milli, nvml, nvml.nvmlDeviceGetTotalEnergyConsumption, handle),
        ),
        (
            "instant_power",
            EnergySource.SAMPLED,
            partial(_milli, nvml, _power_field, nvml, handle, nvml.NVML_FI_DEV_POWER_INSTANT),
        ),
        (
            "average_power",
            EnergySource.SAMPLED,
            partial(_milli, nvml, _power_field, nvml, handle, nvml.NVML_FI_DEV_POWER_AVERAGE),
        ),
        (
            "power_usage",
            EnergySource.SAMPLED,
            partial(_milli, nvml, nvml.nvmlDeviceGetPowerUsage, handle),
        ),
    )
    refusals: list[str] = []
    for method, source, read in ways:
        try:
            read()
        except _Refused as refused:
            refusals.append(f"{method}: {refused}")
        else:
            return method, source, read, tuple(refusals)
    raise Unreadable("the device tells neither energy nor power (" + "; ".join(refusals) + ")")


class _Refused(Unreadable):
    """Not this way; another may do."""


def _milli(nvml: Any, function: Callable[..., int], *arguments: Any) -> int:
    """A reading in thousandths of a joule or watt, as billionths."""
    return NANO_PER_MILLI * int(_asked(nvml, function, *arguments))


def _power_field(nvml: Any, handle: Any, field: int) -> int:
    """Milliwatts. Each field has a return code of its own."""
    (found,) = nvml.nvmlDeviceGetFieldValues(handle, [(field, BOARD)])
    if found.nvmlReturn:
        raise nvml.NVMLError(found.nvmlReturn)
    return int(found.value.uiVal)


def _is_partitioned(nvml: Any, handle: Any) -> bool:
    try:
        current, _ = _asked(nvml, nvml.nvmlDeviceGetMigMode, handle)
    except _Refused:
        return False  # most boards know of no MIG
    return bool(current == nvml.NVML_DEVICE_MIG_ENABLE)


def _asked(nvml: Any, function: Callable[..., Any], *arguments: Any) -> Any:
    """The driver's answer; every error of its is Unreadable."""
    try:
        return function(*arguments)
    except nvml.NVMLError as error:
        code = _code(nvml, error.value)
        kind = _Refused if code in _REFUSALS else Unreadable
        why = f"NVML says {code.lower().replace('_', ' ')}"
        raise kind(why, _REMEDIES.get(code, "")) from error


def _code(nvml: Any, number: int) -> str:
    """NOT_SUPPORTED for 3, as in the driver's header; the number where it is a new one."""
    names = [
        name.removeprefix("NVML_ERROR_")
        for name in dir(nvml)
        if name.startswith("NVML_ERROR_") and getattr(nvml, name) == number
    ]
    return names[0] if names else f"error {number}"
