"""Where the service is, and how to get there safely."""

from collections.abc import Sequence
from typing import Any

import grpc

DEFAULT_SERVER = "127.0.0.1:7070"

OPTIONS: Sequence[tuple[str, Any]] = (
    # gRPC waits a second before it dials again, which is all the time that a route call has.
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # Where there are several replicas, each gets its share, and those that are away none. By
    # default all calls go to the first one that answers.
    ("grpc.service_config", '{"loadBalancingConfig": [{"round_robin": {}}]}'),
)

_LOOPBACK = ("localhost", "[::1]", "::1")


def open_channel(server: str, credentials: grpc.ChannelCredentials | None = None) -> grpc.Channel:
    """A blocking channel. See `check_server` for which ones may go without credentials."""
    if credentials is None:
        return grpc.insecure_channel(server, options=OPTIONS)
    return grpc.secure_channel(server, credentials, options=OPTIONS)


def open_aio_channel(
    server: str, credentials: grpc.ChannelCredentials | None = None
) -> grpc.aio.Channel:
    """The same for asyncio. Belongs to the event loop that is running."""
    if credentials is None:
        return grpc.aio.insecure_channel(server, options=OPTIONS)
    return grpc.aio.secure_channel(server, credentials, options=OPTIONS)


def check_server(server: str, credentials: grpc.ChannelCredentials | None, insecure: bool) -> None:
    """Raises ValueError where queries would cross a network in the clear, unasked."""
    if credentials is None and not insecure and not is_local(server):
        raise ValueError(
            f"{server} is not on this machine: give credentials (TLS), or insecure=True to send "
            "queries unencrypted"
        )


def is_local(server: str) -> bool:
    """True for loopback addresses and Unix sockets, which no other machine can listen to."""
    if server.startswith(("unix:", "unix-abstract:")):
        return True
    scheme, _, addresses = server.partition(":")
    if scheme in ("ipv4", "ipv6"):  # a list, as in ipv4:host:port,host:port
        return all(is_local(address) for address in addresses.split(","))
    address = server.rpartition("/")[2]  # as in dns:///host:port
    host = address.rpartition(":")[0] or address
    octets = host.split(".")
    is_127 = len(octets) == 4 and octets[0] == "127" and all(part.isdigit() for part in octets)
    return is_127 or host in _LOOPBACK
