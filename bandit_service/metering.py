"""The meter as a program: an agent that watches devices, a server that applications tell of their
calls, and a client that sends the joules to the router. Or, within an application, without the
server."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator

from bandit_service.client import BanditRpcError, Choice, Client, Usage
from bandit_service.energy.agent import MeterAgent
from bandit_service.energy.configuration import MeterConfig
from bandit_service.energy.reporting import Away, EnergyReport, Refused, Reporter
from bandit_service.rpc import server as rpc
from bandit_service.rpc.meter_server import build_meter_server
from bandit_service.rpc.tls import TlsFiles

log = logging.getLogger(__name__)

DRAIN_SECONDS = 5.0


@contextlib.contextmanager
def metering(config: MeterConfig, client: Client | None) -> Iterator[MeterAgent]:
    """An agent that watches, and that sends what it finds to the client's router, if there is one.

    At the end, reports that wait are sent, for at most DRAIN_SECONDS.
    """
    if client is None:
        with MeterAgent(config) as agent:
            yield agent
        return
    reporter = Reporter(sender(client))
    reporter.start()
    try:
        with MeterAgent(config, reporter.add, lambda: reporter.delivery) as agent:
            yield agent
    finally:
        reporter.stop(DRAIN_SECONDS)


async def run_meter(
    config: MeterConfig,
    client: Client | None,
    *,
    listen: str,
    tls: TlsFiles | None = None,
    insecure: bool = False,
) -> int:
    """Meters until SIGTERM or SIGINT. Returns the exit code.

    client  of the router that gets the joules; None: they stay in the meter's own accounts

    Raises ListenRefused.
    """
    stop = rpc.told_to_stop(asyncio.get_running_loop())
    with metering(config, client) as agent:
        server, health, port = build_meter_server(agent, listen=listen, tls=tls, insecure=insecure)
        await rpc.start(server, health)
        await health.serving()
        host = listen.rpartition(":")[0]
        devices = len(config.devices())
        print(f"metering on {host}:{port} ({devices} devices)", flush=True)  # noqa: T201 - scripts wait for this line
        await stop.wait()
        await rpc.stop(server, health, DRAIN_SECONDS)
    return 0


def sender(client: Client) -> Callable[[EnergyReport], None]:
    """Sends reports as usage; fields that the application tells of the same call stay."""

    def send(report: EnergyReport) -> None:
        usage = Usage(energy_joules=report.energy_joules, energy_source=report.energy_source.value)
        try:
            client.feedback(
                Choice(report.decision_id, report.arm, token=report.token),
                arm=report.arm,
                usage=usage,
                source="check",
                feedback_id=report.feedback_id,
            )
        except BanditRpcError as error:
            raise (Refused if error.callers else Away)(str(error)) from error

    return send
