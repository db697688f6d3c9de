"""What `energy watch` looks at: the devices of this machine, or the accounts of a meter."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from bandit_service.cli import output

if TYPE_CHECKING:
    import grpc


def local(seconds: float) -> Iterator[dict[str, Any]]:
    """Each device's power since the look before, and its joules since the first.

    Raises NoMeter where no device can be read.
    """
    from bandit_service.energy.agent import MeterAgent
    from bandit_service.energy.configuration import ArmDevices, MeterConfig
    from bandit_service.energy.sensors import find
    from bandit_service.errors import NoMeter

    found = find()
    readable = tuple(each.device for each in found if each.method)
    if not readable:
        raise NoMeter([f"{each.device}: {each.trouble}" for each in found])
    config = MeterConfig(arms={"here": ArmDevices(readable)}, tick_seconds=min(seconds, 0.5))
    with MeterAgent(config) as agent:
        before: dict[str, tuple[float, float]] = {}
        while True:
            time.sleep(seconds)
            accounts = agent.accounts()
            look = []
            for each in accounts.devices:
                was_time, was_joules = before.get(each.device, (accounts.start_time, 0.0))
                passed = accounts.time - was_time
                watts = (each.total_joules - was_joules) / passed if not each.trouble else None
                before[each.device] = accounts.time, each.total_joules
                look.append(
                    {
                        "device": each.device,
                        "name": each.name,
                        "source": None if each.source is None else each.source.value,
                        "watts": watts,
                        "joules": each.total_joules,
                        "void_seconds": each.void_seconds,
                        "trouble": each.trouble,
                    }
                )
            yield {"time": accounts.time, "devices": look}


def remote(channel: "grpc.Channel", seconds: float, timeout: float) -> Iterator[dict[str, Any]]:
    """Everything that a meter answers, as its proto names it. Raises BanditRpcError."""
    import grpc
    from google.protobuf.json_format import MessageToDict

    from bandit_service.client.errors import from_rpc
    from bandit_service.rpc.pb import energy_pb2, energy_pb2_grpc

    stub = energy_pb2_grpc.EnergyServiceStub(channel)
    while True:
        try:
            answer = stub.GetEnergy(energy_pb2.GetEnergyRequest(), timeout=timeout)
        except grpc.RpcError as error:
            raise from_rpc(error) from None
        yield MessageToDict(
            answer, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )
        time.sleep(seconds)


def print_look(look: dict[str, Any]) -> None:
    if "arms" not in look:
        output.table(
            ("device", "name", "source", "watts", "joules", "remarks"),
            [
                (d["device"], d["name"], d["source"], d["watts"], d["joules"], d["trouble"])
                for d in look["devices"]
            ],
        )
        return
    output.table(
        ("device", "joules", "calls", "idle", "unclaimed", "open", "idle W", "remarks"),
        [
            (
                d["device"],
                d["total_joules"],
                d["calls_joules"],
                d["idle_joules"],
                d["unclaimed_joules"],
                d["open_joules"],
                d.get("idle_watts"),
                d["trouble"],
            )
            for d in look["devices"]
        ],
    )
    output.table(
        ("arm", "source", "calls", "joules"),
        [row for arm in look["arms"] for row in _of_arm(arm)],
    )


def _of_arm(arm: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    """A row a source; int64 are strings in protobuf's JSON."""
    for each in arm["sources"]:
        source = each["source"].removeprefix("ENERGY_SOURCE_").lower()
        yield arm["arm"], source, int(each["calls"]), each["energy_joules"]
    if int(arm["declared_calls"]):
        yield arm["arm"], "declared", int(arm["declared_calls"]), arm["declared_joules"]
    if int(arm["unmeasured_calls"]):
        yield arm["arm"], "unmeasured", int(arm["unmeasured_calls"]), None
