"""A GPU driver that does as it is told: a C library for the real pynvml, or an object in its place.

Both live off the same memory-mapped file, so a test advances the counters of a meter in this
process or in another one. The object is for machines without a C compiler.

    python -m tests.energy.stand_in ...    runs `bandit-service ...` with the object in place
"""

import ctypes
import mmap
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pynvml

VARIABLE = "STAND_IN_NVML"
SOURCE = Path(__file__).with_name("nvml.c")
COMPILER = shutil.which("gcc") or shutil.which("cc")

NOT_SUPPORTED, NO_PERMISSION, GPU_IS_LOST = 3, 4, 15
UNINITIALIZED, INVALID_ARGUMENT, NOT_FOUND = 1, 2, 6


class Device(ctypes.Structure):
    _fields_ = (
        ("energy_mj", ctypes.c_uint64),
        *((name, ctypes.c_uint32) for name in ("instant_mw", "average_mw", "usage_mw")),
        *(
            (f"{name}_code", ctypes.c_int32)
            for name in ("energy", "instant", "average", "usage", "mig")
        ),
        ("mig", ctypes.c_uint32),
        ("lost", ctypes.c_uint32),
        ("uuid", ctypes.c_char * 96),
        ("name", ctypes.c_char * 96),
    )


class State(ctypes.Structure):
    _fields_ = (
        ("count", ctypes.c_uint32),
        ("init_code", ctypes.c_int32),
        ("blocked", ctypes.c_uint32),
        ("waiting", ctypes.c_uint32),
        ("opened", ctypes.c_uint32),
        ("unused", ctypes.c_uint32),
        ("devices", Device * 4),
    )


class StandIn:
    """The state, as a test sees it."""

    def __init__(self, path: Path, uuids: tuple[str, ...] = ("GPU-a", "GPU-b")) -> None:
        self.path = path
        path.write_bytes(bytes(ctypes.sizeof(State)))
        self.state = state_at(path)
        self.state.count = len(uuids)
        for device, uuid in zip(self.state.devices, uuids, strict=False):
            device.uuid, device.name = uuid.encode(), b"Stand-in 9000"
            device.energy_mj = 123_456_789  # it has been running for a while

    def __getitem__(self, index: int) -> Device:
        device: Device = self.state.devices[index]
        return device

    def add_joules(self, joules: float, index: int = 0) -> None:
        self[index].energy_mj += round(joules * 1000)


def state_at(path: Path) -> State:
    with path.open("r+b") as file:
        return State.from_buffer(mmap.mmap(file.fileno(), 0))


def compiled(folder: Path, *flags: str) -> Path:
    """A folder to put on LD_LIBRARY_PATH, with the library in it."""
    assert COMPILER
    folder.mkdir(exist_ok=True)
    library = folder / "libnvidia-ml.so.1"
    command = [COMPILER, "-shared", "-fPIC", "-Wl,-soname,libnvidia-ml.so.1", *flags]
    subprocess.run([*command, "-o", library, SOURCE], check=True, timeout=60)
    return folder


def put_in_place(library: Any) -> None:
    """Makes pynvml use it in this process; None takes it out again."""
    pynvml.nvmlLib = library
    pynvml._nvmlGetFunctionPointer_cache.clear()
    pynvml._nvmlLib_refcount = 0


class PythonLibrary:
    """The same as nvml.c. Arguments arrive as ctypes made them: `byref(x)._obj` is x."""

    def __init__(self, *, without_counter: bool = False) -> None:
        self._state: State | None = None
        self._path = ""
        self._without_counter = without_counter

    def __getattribute__(self, name: str) -> Any:
        if name == "nvmlDeviceGetTotalEnergyConsumption" and self._without_counter:
            raise AttributeError(name)
        return super().__getattribute__(name)

    @property
    def state(self) -> State:
        path = os.environ[VARIABLE]
        if self._state is None or self._path != path:
            self._state, self._path = state_at(Path(path)), path
        return self._state

    def _enter(self, device: Device | None = None) -> int:
        state = self.state
        if state.blocked:
            state.waiting += 1
            while state.blocked:
                time.sleep(0.001)
            state.waiting -= 1
        if not state.opened:
            return UNINITIALIZED
        return GPU_IS_LOST if device is not None and device.lost else 0

    def _device(self, handle: Any) -> Device:
        """A handle holds the index plus one, because null is none."""
        number = ctypes.cast(handle, ctypes.c_void_p).value or 0
        device: Device = self.state.devices[number - 1]
        return device

    def _hand_out(self, index: int, handle: Any) -> None:
        ctypes.cast(handle, ctypes.POINTER(ctypes.c_void_p))[0] = index + 1

    def nvmlInitWithFlags(self, _flags: Any) -> int:
        if self.state.init_code:
            return int(self.state.init_code)
        self.state.opened += 1
        return 0

    def nvmlShutdown(self) -> int:
        if not self.state.opened:
            return UNINITIALIZED
        self.state.opened -= 1
        return 0

    def nvmlDeviceGetCount_v2(self, count: Any) -> int:
        count._obj.value = self.state.count
        return self._enter()

    def nvmlDeviceGetHandleByIndex_v2(self, index: Any, handle: Any) -> int:
        if index.value >= self.state.count:
            return INVALID_ARGUMENT
        self._hand_out(index.value, handle)
        return self._enter()

    def nvmlDeviceGetHandleByUUID(self, uuid: Any, handle: Any) -> int:
        for index in range(self.state.count):
            if self.state.devices[index].uuid == uuid.value:
                self._hand_out(index, handle)
                return self._enter(self.state.devices[index])
        return NOT_FOUND

    def nvmlDeviceGetUUID(self, handle: Any, text: Any, _length: Any) -> int:
        text.value = self._device(handle).uuid
        return self._enter()

    def nvmlDeviceGetName(self, handle: Any, text: Any, _length: Any) -> int:
        text.value = self._device(handle).name
        return self._enter(self._device(handle))

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: Any, millijoules: Any) -> int:
        device = self._device(handle)
        code = self._enter(device)
        millijoules._obj.value = device.energy_mj
        return code or int(device.energy_code)

    def nvmlDeviceGetPowerUsage(self, handle: Any, milliwatts: Any) -> int:
        device = self._device(handle)
        code = self._enter(device)
        milliwatts._obj.value = device.usage_mw
        return code or int(device.usage_code)

    def nvmlDeviceGetFieldValues(self, handle: Any, _count: Any, values: Any) -> int:
        device = self._device(handle)
        if code := self._enter(device):
            return code
        for value in values._obj:
            name = {185: "average", 186: "instant"}[value.fieldId]
            value.nvmlReturn = getattr(device, f"{name}_code")
            value.value.uiVal = getattr(device, f"{name}_mw")
        return 0

    def nvmlDeviceGetMigMode(self, handle: Any, current: Any, pending: Any) -> int:
        device = self._device(handle)
        code = self._enter(device)
        current._obj.value = pending._obj.value = device.mig
        return code or int(device.mig_code)


if __name__ == "__main__":
    from bandit_service.cli import main

    put_in_place(PythonLibrary())
    sys.argv[0] = "bandit-service"
    main()
