"""What a meter has to be told: which arm runs on which devices."""

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from bandit_service.errors import InvalidField

LONGEST_NAME = 128


class ArmDevices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where an arm's calls run.

    devices                  UUIDs of GPUs, or `rapl:0` for a socket; all that serve one call
    joules_per_output_token  taken, as an estimate, where no device can be read; and how dear a
                             token is beside other arms' on a device, until that is learned
    """

    devices: tuple[str, ...] = ()
    joules_per_output_token: float | None = None


class MeterConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The meter's own configuration.

    arms            by the name that calls are started under
    idle_watts      by device; those left out are calibrated while no call runs
    tick_seconds    between two readings of an energy counter
    settle_seconds  how long a call's joules wait for the tokens of the others

    Raises InvalidField for what makes no sense.
    """

    arms: dict[str, ArmDevices]
    idle_watts: dict[str, float] = {}
    tick_seconds: float = 0.5
    settle_seconds: float = 120.0

    def __post_init__(self) -> None:
        if not self.arms:
            raise InvalidField("arms", "name at least one, and its devices")
        for name, arm in self.arms.items():
            _check_arm(name, arm)
        for device, watts in self.idle_watts.items():
            _number(f"idle_watts.{device}", watts, 0.0, 100_000.0)
            if device not in self.devices():
                raise InvalidField(f"idle_watts.{device}", "no arm runs on this device")
        # The counters themselves move only every 100 ms.
        _number("tick_seconds", self.tick_seconds, 0.1, 60.0)
        _number("settle_seconds", self.settle_seconds, 1.0, 3600.0)

    def devices(self) -> list[str]:
        """Each one once, as first named."""
        return list(dict.fromkeys(d for arm in self.arms.values() for d in arm.devices))

    @classmethod
    def read(cls, mapping: Mapping[str, Any], source: str) -> "MeterConfig":
        """From YAML. Raises InvalidField, which names `source`."""
        try:
            return msgspec.convert(mapping, cls)
        except InvalidField as error:
            raise InvalidField(source, str(error)) from None
        except msgspec.ValidationError as error:
            cause = error.__cause__ if isinstance(error.__cause__, InvalidField) else error
            raise InvalidField(source, str(cause).replace("`", "").replace("$.", "")) from None


def _check_arm(name: str, arm: ArmDevices) -> None:
    where = f"arms.{name}"
    if not name or len(name) > LONGEST_NAME:
        raise InvalidField(where, f"a name has 1 to {LONGEST_NAME} characters")
    if not arm.devices and arm.joules_per_output_token is None:
        raise InvalidField(where, "give its devices, or joules_per_output_token, or both")
    if len(set(arm.devices)) < len(arm.devices) or not all(arm.devices):
        raise InvalidField(f"{where}.devices", "name each device once")
    if arm.joules_per_output_token is not None:
        _number(f"{where}.joules_per_output_token", arm.joules_per_output_token, 0.0, 1e6)


def _number(field: str, value: float, least: float, most: float) -> None:
    if not (math.isfinite(value) and least <= value <= most):
        raise InvalidField(field, f"must be from {least:g} to {most:g}, not {value:g}")
