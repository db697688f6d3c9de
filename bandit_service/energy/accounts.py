"""Sums over calls, devices and arms, as they are shown."""

from collections import Counter, defaultdict
from collections.abc import Mapping

from bandit_service.energy.attribution import Attribution
from bandit_service.energy.books import DeviceBooks
from bandit_service.energy.configuration import MeterConfig
from bandit_service.energy.records import NANOJOULES
from bandit_service.energy.watching import Watch
from bandit_service.model import (
    ArmAccount,
    CallEnergy,
    DeviceAccount,
    EnergyAccounts,
    EnergySource,
)

Key = tuple[str, EnergySource]


class Tally:
    """What settled calls took, by arm and source; declared and unmeasured ones apart."""

    def __init__(self) -> None:
        self.joules: defaultdict[Key, float] = defaultdict(float)
        self.calls: Counter[Key] = Counter()
        self.declared_joules: defaultdict[str, float] = defaultdict(float)
        self.declared_calls: Counter[str] = Counter()
        self.unmeasured_calls: Counter[str] = Counter()

    def add(self, call: CallEnergy) -> None:
        if call.energy_joules is None or call.energy_source is None:
            self.unmeasured_calls[call.arm] += 1
        elif call.is_declared:
            self.declared_joules[call.arm] += call.energy_joules
            self.declared_calls[call.arm] += 1
        else:
            self.joules[call.arm, call.energy_source] += call.energy_joules
            self.calls[call.arm, call.energy_source] += 1


def accounts_of(
    config: MeterConfig,
    attribution: Attribution,
    tally: Tally,
    watches: Mapping[str, Watch],
    start_time: float,
) -> EnergyAccounts:
    return EnergyAccounts(
        start_time=start_time,
        time=start_time,
        devices=tuple(
            _device(books, watches[device]) for device, books in attribution.books.items()
        ),
        arms=tuple(_arm(arm, config, attribution, tally) for arm in config.arms),
    )


def _device(books: DeviceBooks, watch: Watch) -> DeviceAccount:
    sensor = watch.sensor
    waiting = books.total - books.given - books.idle - books.unclaimed
    return DeviceAccount(
        device=books.device,
        name="" if sensor is None else sensor.name,
        method="" if sensor is None else sensor.method,
        source=None if sensor is None else sensor.source,
        total_joules=books.total / NANOJOULES,
        calls_joules=books.given / NANOJOULES,
        idle_joules=books.idle / NANOJOULES,
        unclaimed_joules=books.unclaimed / NANOJOULES,
        open_joules=waiting / NANOJOULES,
        idle_watts=books.idle_power.watts,
        void_seconds=books.void_seconds,
        is_partitioned=sensor is not None and sensor.is_partitioned,
        trouble=watch.trouble(),
    )


def _arm(arm: str, config: MeterConfig, attribution: Attribution, tally: Tally) -> ArmAccount:
    devices = config.arms[arm].devices
    fitted = [attribution.books[device].weights.fitted.get(arm) for device in devices]
    known = [pair for pair in fitted if pair is not None]
    complete = bool(known) and len(known) == len(devices)
    return ArmAccount(
        arm=arm,
        devices=devices,
        joules={s.value: tally.joules[arm, s] for s in EnergySource if tally.calls[arm, s]},
        calls={s.value: tally.calls[arm, s] for s in EnergySource if tally.calls[arm, s]},
        metered_joules=sum(attribution.books[d].by_arm.get(arm, 0) for d in devices) / NANOJOULES,
        declared_joules=tally.declared_joules[arm],
        declared_calls=tally.declared_calls[arm],
        unmeasured_calls=tally.unmeasured_calls[arm],
        calls_under_way=sum(call.arm == arm for call in attribution.calls.values()),
        joules_per_input_token=sum(a for a, _ in known) if complete else None,
        joules_per_output_token=sum(b for _, b in known) if complete else None,
    )
