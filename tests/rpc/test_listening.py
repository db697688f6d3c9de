"""Where the server listens, and to whom."""

import contextlib
import shutil
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from bandit_service.rpc.server import Health, ListenRefused, build_server, start, stop
from bandit_service.rpc.tls import TlsFiles
from tests.patience import PATIENCE
from tests.rpc.certificates import Pair, a_certificate, an_authority, openssl
from tests.rpc.fakes import FakeUseCases


@dataclass(frozen=True)
class Certificates:
    authority: Pair
    stranger: Pair
    server: Pair
    second_server: Pair
    client: Pair
    strangers_client: Pair


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder = tmp_path_factory.mktemp("certificates")
    authority, stranger = an_authority(folder, "authority"), an_authority(folder, "stranger")
    return Certificates(
        authority=authority,
        stranger=stranger,
        server=a_certificate(folder, "server", authority),
        second_server=a_certificate(folder, "second", authority),
        client=a_certificate(folder, "client", authority),
        strangers_client=a_certificate(folder, "intruder", stranger),
    )


def build(listen="127.0.0.1:0", *, health=None, **options):
    use_cases = FakeUseCases()
    return build_server(*[use_cases] * 3, health=health or Health(), listen=listen, **options)


@contextlib.asynccontextmanager
async def serving(**options):
    """The port of a server."""
    health = Health()
    server, port = build(health=health, **options)
    await start(server, health)
    yield port
    await stop(server, health, grace=0)


async def ask(channel: grpc.aio.Channel) -> grpc.StatusCode:
    """What a call on a new connection ends with."""
    async with channel:
        try:
            await health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), timeout=PATIENCE
            )
        except grpc.aio.AioRpcError as error:
            return error.code()
    return grpc.StatusCode.OK


def secure(port: int, root: Pair, client: Pair | None = None) -> grpc.aio.Channel:
    credentials = grpc.ssl_channel_credentials(
        root.cert.read_bytes(),
        client.key.read_bytes() if client else None,
        client.cert.read_bytes() if client else None,
    )
    return grpc.aio.secure_channel(f"127.0.0.1:{port}", credentials)


def plain(port: int) -> grpc.aio.Channel:
    return grpc.aio.insecure_channel(f"127.0.0.1:{port}")


def files(pair: Pair, client_ca: Path | None = None) -> TlsFiles:
    return TlsFiles(pair.cert, pair.key, client_ca)


async def test_tls_serves_who_trusts_its_authority_and_nobody_in_plain_text(certificates):
    async with serving(tls=files(certificates.server)) as port:
        assert await ask(secure(port, certificates.authority)) is grpc.StatusCode.OK
        assert await ask(secure(port, certificates.stranger)) is grpc.StatusCode.UNAVAILABLE
        assert await ask(plain(port)) is grpc.StatusCode.UNAVAILABLE


async def test_mutual_tls_serves_only_callers_that_its_authority_signed(certificates):
    root = certificates.authority
    tls = files(certificates.server, client_ca=root.cert)
    async with serving(tls=tls) as port:
        assert await ask(secure(port, root, certificates.client)) is grpc.StatusCode.OK
        assert await ask(secure(port, root)) is grpc.StatusCode.UNAVAILABLE
        intruder = secure(port, root, certificates.strangers_client)
        assert await ask(intruder) is grpc.StatusCode.UNAVAILABLE


def seen(port: int) -> bytes:
    """The certificate that the server shows on a new connection."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection,
        context.wrap_socket(connection) as secured,
    ):
        shown = secured.getpeercert(binary_form=True)
    assert shown is not None
    return shown


def der(pair: Pair) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pair.cert.read_text())


def copy(pair: Pair, into: TlsFiles) -> None:
    shutil.copy(pair.cert, into.cert)
    shutil.copy(pair.key, into.key)


async def test_new_certificates_are_shown_without_a_restart(certificates, tmp_path):
    tls = TlsFiles(tmp_path / "cert.pem", tmp_path / "key.pem")
    copy(certificates.server, tls)
    async with serving(tls=tls) as port:
        assert seen(port) == der(certificates.server)

        copy(certificates.second_server, tls)

        assert seen(port) == der(certificates.second_server)
        assert await ask(secure(port, certificates.authority)) is grpc.StatusCode.OK


async def test_half_replaced_certificates_are_not_used_until_they_are_whole(
    certificates, tmp_path, caplog
):
    tls = TlsFiles(tmp_path / "cert.pem", tmp_path / "key.pem")
    copy(certificates.server, tls)
    async with serving(tls=tls) as port:
        shutil.copy(certificates.second_server.cert, tls.cert)
        assert seen(port) == der(certificates.server)
        assert "of no use yet" in caplog.text

        tls.key.unlink()
        assert seen(port) == der(certificates.server)

        shutil.copy(certificates.second_server.key, tls.key)
        assert seen(port) == der(certificates.second_server)


async def test_certificates_of_no_use_stop_the_start(certificates, tmp_path):
    mixed = TlsFiles(certificates.server.cert, certificates.second_server.key)
    with pytest.raises(ListenRefused, match=r"cannot serve TLS: .*second\.key"):
        build(tls=mixed)

    with pytest.raises(ListenRefused, match=r"cannot serve TLS: .*missing\.pem: No such file"):
        build(tls=TlsFiles(tmp_path / "missing.pem", certificates.server.key))

    with pytest.raises(ListenRefused, match="cannot serve TLS"):
        build(tls=files(certificates.server, client_ca=certificates.server.key))


async def test_a_key_with_a_password_is_refused_rather_than_asked_about(certificates, tmp_path):
    locked = tmp_path / "locked.key"
    key = certificates.server.key
    openssl("ec", "-aes256", "-passout", "pass:x", "-in", key, "-out", locked)

    with pytest.raises(ListenRefused, match="has a password"):
        build(tls=TlsFiles(certificates.server.cert, locked))


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", ":0", "10.1.2.3:0", "example.org:0"])
async def test_plain_text_is_refused_where_other_machines_can_listen(listen):
    with pytest.raises(ListenRefused, match="no TLS") as refused:
        build(listen)

    assert "\n" not in str(refused.value)


async def test_plain_text_to_other_machines_can_be_allowed_explicitly():
    async with serving(listen="0.0.0.0:0", insecure=True) as port:
        assert await ask(plain(port)) is grpc.StatusCode.OK


async def test_other_machines_may_call_over_tls(certificates):
    async with serving(listen="0.0.0.0:0", tls=files(certificates.server)) as port:
        assert await ask(secure(port, certificates.authority)) is grpc.StatusCode.OK


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "localhost:0", "127.1.2.3:0"])
async def test_plain_text_is_served_on_this_machine(listen):
    async with serving(listen=listen) as port:
        assert port > 0


async def test_a_unix_socket_is_on_this_machine(tmp_path):
    async with serving(listen=f"unix:{tmp_path}/socket"):
        channel = grpc.aio.insecure_channel(f"unix:{tmp_path}/socket")
        assert await ask(channel) is grpc.StatusCode.OK


@pytest.mark.parametrize("listen", ["", "localhost", "50051", "::1:50051", "127.0.0.1:65536"])
async def test_what_is_no_address_is_refused(listen):
    with pytest.raises(ListenRefused, match=r"is no address: write host:port"):
        build(listen)


async def test_a_second_server_on_the_same_port_is_refused():
    async with serving() as port:
        with pytest.raises(ListenRefused, match=f"cannot listen on 127.0.0.1:{port}: it is in use"):
            build(f"127.0.0.1:{port}")
