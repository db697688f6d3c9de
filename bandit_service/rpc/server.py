"""The gRPC server: where it listens, to whom, and what it says of its health."""

import asyncio
import ipaddress
import re
import signal
import socket
from collections.abc import Sequence

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped,unused-ignore]
from grpc_health.v1.health import aio as health_aio  # type: ignore[import-untyped,unused-ignore]
from grpc_reflection.v1alpha import reflection  # type: ignore[import-untyped,unused-ignore]

from bandit_service.rpc.guard import register
from bandit_service.rpc.handlers import (
    Administration,
    FeedbackDesk,
    PolicyHandlers,
    Routing,
    RoutingHandlers,
)
from bandit_service.rpc.pb import policy_pb2, routing_pb2
from bandit_service.rpc.tls import BadCertificates, TlsFiles, credentials
from bandit_service.watching import UNWATCHED, CallWatch

SERVICES: Sequence[ServiceDescriptor] = (
    routing_pb2.DESCRIPTOR.services_by_name["RoutingService"],
    policy_pb2.DESCRIPTOR.services_by_name["PolicyService"],
)

OPTIONS = (
    # By default a second server on the port starts without a word and takes half the calls.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", 4 * 1024 * 1024),
    # One limit: between a soft and a hard one, calls are refused at random.
    ("grpc.max_metadata_size", 8 * 1024),
    ("grpc.absolute_max_metadata_size", 8 * 1024),
    # A caller that vanished is noticed within 80 s; by default it takes two hours.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    # Callers may look after their connections as well, though not more often than this.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
)

_HOST_AND_PORT = re.compile(r"(?:\[(?P<bracketed>[^\]]*)\]|(?P<plain>[^:]*)):(?P<port>\d{1,5})")


class ListenRefused(ValueError):
    """The server will not, or cannot, listen as it was told to."""


class Health:
    """What grpc.health.v1 answers, for the whole server ("") and for each service."""

    def __init__(self, services: Sequence[ServiceDescriptor] = SERVICES) -> None:
        self.servicer = health_aio.HealthServicer()
        self._names = ("", *(service.full_name for service in services))

    async def not_serving(self) -> None:
        await self._set(health_pb2.HealthCheckResponse.NOT_SERVING)

    async def serving(self) -> None:
        await self._set(health_pb2.HealthCheckResponse.SERVING)

    async def _set(self, status: health_pb2.HealthCheckResponse.ServingStatus) -> None:
        for name in self._names:
            await self.servicer.set(name, status)


def build_server(
    routing: Routing,
    feedback: FeedbackDesk,
    administration: Administration,
    *,
    health: Health,
    listen: str,
    tls: TlsFiles | None = None,
    insecure: bool = False,
    with_reflection: bool = False,
    watch: CallWatch = UNWATCHED,
) -> tuple[grpc.aio.Server, int]:
    """A server that holds its port, but has not started.

    Raises ListenRefused, in one sentence for the operator.
    """
    server = grpc.aio.server(options=OPTIONS)
    routing_service, policy_service = SERVICES
    register(server, routing_service, RoutingHandlers(routing, feedback, watch), watch)
    register(server, policy_service, PolicyHandlers(administration), watch)
    health_pb2_grpc.add_HealthServicer_to_server(health.servicer, server)
    if with_reflection:
        names = [service.full_name for service in SERVICES]
        reflection.enable_server_reflection([*names, reflection.SERVICE_NAME], server)
    return server, bind(server, listen, tls, insecure)


def check_listen(listen: str) -> None:
    """Raises ListenRefused if a TCP address is in use, or not one of this machine.

    For those who have something to do before they bind that should not be done in vain.
    """
    match = _HOST_AND_PORT.fullmatch(listen)
    if match is None:
        return
    host, port = match["bracketed"] or match["plain"] or "", int(match["port"])
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
    except OSError as error:
        raise _not_to_be_had(listen) from error


def check_tls(tls: TlsFiles) -> None:
    """Raises ListenRefused if the files cannot be read or do not belong together."""
    try:
        credentials(tls)
    except BadCertificates as error:
        raise ListenRefused(f"cannot serve TLS: {error}") from error


async def start(server: grpc.aio.Server, health: Health) -> None:
    """Answers calls. Balancers are told to wait until `health.serving()`."""
    await health.not_serving()
    await server.start()


def told_to_stop(loop: asyncio.AbstractEventLoop) -> asyncio.Event:
    """Set by SIGTERM or SIGINT. To be called first of all, so that a server which is stopped while
    it starts, or just as it says that it listens, drains and closes like any other."""
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    return told


async def stop(server: grpc.aio.Server, health: Health, grace: float) -> None:
    """Sends balancers elsewhere, takes no new calls, and gives the others `grace` seconds."""
    await health.not_serving()
    await server.stop(grace)


def bind(server: grpc.aio.Server, listen: str, tls: TlsFiles | None, insecure: bool) -> int:
    """The port. Raises ListenRefused, as for what others could read in passing."""
    is_local = _is_local(listen)
    if tls is None and not (is_local or insecure):
        raise ListenRefused(
            f"{listen} can be reached from other machines, and there is no TLS: give a "
            "certificate and a key, or allow plain text explicitly"
        )
    try:
        if tls is None:
            return server.add_insecure_port(listen)
        return server.add_secure_port(listen, credentials(tls))
    except BadCertificates as error:
        raise ListenRefused(f"cannot serve TLS: {error}") from error
    except RuntimeError as error:
        raise _not_to_be_had(listen) from error


def _not_to_be_had(listen: str) -> ListenRefused:
    return ListenRefused(f"cannot listen on {listen}: it is in use, or no address of this machine")


def _is_local(listen: str) -> bool:
    """Whether only this machine can reach an address, as far as the address itself tells."""
    if listen.startswith(("unix:", "unix-abstract:")):
        return True
    match = _HOST_AND_PORT.fullmatch(listen)
    if match is None or int(match["port"]) > 65_535:
        raise ListenRefused(f"{listen!r} is no address: write host:port, or [host]:port for IPv6")
    host = match["bracketed"] or match["plain"] or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
