"""What the commands that call a server have in common: how to reach it, and --json."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bandit_service.cli.options import AsJson

if TYPE_CHECKING:
    import grpc

TIMEOUT_SECONDS = 10.0

_Server = Annotated[str, typer.Option(envvar="BANDIT_SERVER", help="host:port, or unix:path.")]
_Ca = Annotated[
    Path | None, typer.Option(help="CA of the server, a PEM file. [default: well-known CAs]")
]
_Cert = Annotated[Path | None, typer.Option(help="Our own certificate, if the server asks.")]
_Key = Annotated[Path | None, typer.Option(help="Its key, a PEM file.")]
_Insecure = Annotated[bool, typer.Option("--insecure", help="No TLS, even to another machine.")]


@dataclass(frozen=True)
class Service:
    """A server to call, with the stubs of both services."""

    channel: "grpc.Channel"
    as_json: bool

    @property
    def policies(self) -> Any:
        from bandit_service.rpc.pb.policy_pb2_grpc import PolicyServiceStub

        return PolicyServiceStub(self.channel)

    @property
    def routing(self) -> Any:
        from bandit_service.rpc.pb.routing_pb2_grpc import RoutingServiceStub

        return RoutingServiceStub(self.channel)


def calling(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command the options below, and a `Service` as its first argument.

    A call that fails raises BanditRpcError.
    """

    def options(
        *,
        server: _Server = "127.0.0.1:7070",
        tls_ca: _Ca = None,
        tls_cert: _Cert = None,
        tls_key: _Key = None,
        insecure: _Insecure = False,
        as_json: AsJson = False,
    ) -> None: ...

    @functools.wraps(command)
    def run(**given: Any) -> None:
        import grpc

        as_json, server = given.pop("as_json"), given.pop("server")
        tls = (given.pop("tls_ca"), given.pop("tls_cert"), given.pop("tls_key"))
        channel = connect(server, *tls, insecure=given.pop("insecure"))
        with channel:
            try:
                command(Service(channel, as_json), **given)
            except grpc.RpcError as error:
                raise _told(error, server) from None

    own = list(inspect.signature(command).parameters.values())[1:]
    shared = list(inspect.signature(options).parameters.values())
    # A file that is given instead of flags can make arguments optional: order is no concern.
    both = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own + shared]
    run.__signature__ = inspect.Signature(both)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in both}
    del run.__wrapped__
    return run


def _told(error: Any, server: str) -> Exception:
    """What the server says; or, where nobody says anything, that."""
    import grpc

    from bandit_service.client.errors import BanditRpcError, from_rpc

    failed = from_rpc(error)
    if failed.code is not grpc.StatusCode.UNAVAILABLE or failed.reason:
        return failed
    return BanditRpcError(
        failed.code,
        f"no server answers at {server} ({failed.message}); start one with `bandit-service serve`, "
        "or name it with --server",
    )


def connect(
    server: str, ca: Path | None, cert: Path | None, key: Path | None, *, insecure: bool
) -> "grpc.Channel":
    """TLS, save on this machine without a CA. Raises InvalidField for files of no use."""
    from bandit_service.client.channel import open_channel

    return open_channel(server, credentials(server, ca, cert, key, insecure=insecure))


def credentials(
    server: str, ca: Path | None, cert: Path | None, key: Path | None, *, insecure: bool
) -> "grpc.ChannelCredentials | None":
    """None where no TLS is needed. Raises InvalidField for files of no use."""
    import grpc

    from bandit_service.client.channel import is_local

    if insecure or (is_local(server) and not (ca or cert or key)):
        return None
    return grpc.ssl_channel_credentials(_content(ca), _content(key), _content(cert))


def _content(path: Path | None) -> bytes | None:
    from bandit_service.errors import InvalidField

    try:
        return None if path is None else path.read_bytes()
    except OSError as error:
        raise InvalidField(str(path), f"cannot be read: {error.strerror}") from error
