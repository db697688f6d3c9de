"""The meter's own gRPC server, beside the GPUs."""

import grpc
from grpc_health.v1 import health_pb2_grpc  # type: ignore[import-untyped,unused-ignore]
from grpc_reflection.v1alpha import reflection  # type: ignore[import-untyped,unused-ignore]

from bandit_service.rpc.energy_handlers import EnergyHandlers, Meter
from bandit_service.rpc.guard import register
from bandit_service.rpc.pb import energy_pb2
from bandit_service.rpc.server import OPTIONS, Health, bind
from bandit_service.rpc.tls import TlsFiles
from bandit_service.watching import UNWATCHED

SERVICE = energy_pb2.DESCRIPTOR.services_by_name["EnergyService"]


def build_meter_server(
    meter: Meter, *, listen: str, tls: TlsFiles | None = None, insecure: bool = False
) -> tuple[grpc.aio.Server, Health, int]:
    """A server that holds its port, but has not started; its health; and the port.

    Raises ListenRefused, in one sentence for the operator.
    """
    server = grpc.aio.server(options=OPTIONS)
    register(server, SERVICE, EnergyHandlers(meter), UNWATCHED)
    health = Health([SERVICE])
    health_pb2_grpc.add_HealthServicer_to_server(health.servicer, server)
    names = [SERVICE.full_name, reflection.SERVICE_NAME]
    reflection.enable_server_reflection(names, server)
    return server, health, bind(server, listen, tls, insecure)
