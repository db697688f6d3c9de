"""Looks whether a server would run here, and changes nothing."""

import importlib.metadata
import os
import platform
import socket
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from bandit_service import __version__
from bandit_service.cli import output
from bandit_service.cli.options import AsJson

_PACKAGES = ("grpcio", "protobuf", "numpy", "sqlalchemy", "wordllama")
_HEALTH_SECONDS = 2.0


@dataclass(frozen=True)
class Finding:
    """`fail` keeps a server from running here; `warn` may be meant so."""

    check: str
    state: Literal["ok", "warn", "fail"]
    detail: str


def doctor(
    listen: Annotated[str | None, typer.Option(help="As for serve.")] = None,
    database: Annotated[str | None, typer.Option(help="As for serve.")] = None,
    tls_cert: Annotated[str | None, typer.Option(help="As for serve.")] = None,
    tls_key: Annotated[str | None, typer.Option(help="As for serve.")] = None,
    tls_client_ca: Annotated[str | None, typer.Option(help="As for serve.")] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="As for serve.")] = False,
    metrics_listen: Annotated[str | None, typer.Option(help="As for serve.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check that a server can run here. Changes nothing; exits with 1 if something fails."""
    import json

    findings = list(
        _examine(
            listen=listen,
            database=database,
            tls_cert=tls_cert,
            tls_key=tls_key,
            tls_client_ca=tls_client_ca,
            insecure=insecure or None,
            metrics_listen=metrics_listen,
        )
    )
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        rows = [(each.check, each.state, each.detail) for each in findings]
        output.table(("check", "state", "detail"), rows)
    raise typer.Exit(int(any(finding.state == "fail" for finding in findings)))


def _examine(**flags: Any) -> Iterator[Finding]:
    from bandit_service.errors import BanditError
    from bandit_service.settings import Settings

    yield _versions()
    yield _guarded("embedding", _embedding)
    yield _guarded("energy", _energy)
    try:
        settings = Settings.read(os.environ, **flags)
    except BanditError as error:
        yield Finding("settings", "fail", str(error))
        return
    yield Finding("settings", "ok", f"listen on {settings.listen}")
    yield _guarded("database", lambda: _database(settings.database, settings.checkpoint_key))
    yield _guarded("address", lambda: _address(settings.listen))
    if shown := settings.metrics_listen:
        holder = "a server that runs, or another program, may hold it"
        yield _guarded("metrics", lambda: _port("metrics", shown, holder))
    if settings.tls_cert:
        yield _guarded("tls", lambda: _tls(settings))
    if settings.token_keys:
        yield _guarded("tokens", lambda: _tokens(settings.token_keys))


def _guarded(check: str, look: Callable[[], Finding]) -> Finding:
    """A doctor reports what goes wrong, whatever it is, and goes on."""
    try:
        return look()
    except Exception as error:  # noqa: BLE001
        return Finding(check, "fail", " ".join(str(error).split()) or type(error).__name__)


def _versions() -> Finding:
    found = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES)
    return Finding(
        "versions",
        "ok",
        f"bandit-service {__version__}, Python {platform.python_version()}, {found}",
    )


def _embedding() -> Finding:
    from bandit_service.features.embedding import embed

    dimensions = embed(["Is anybody there?"], 64).shape[1]
    return Finding("embedding", "ok", f"loads offline, {dimensions} dimensions")


def _energy() -> Finding:
    """Never more than a warning: a router needs no meter."""
    from bandit_service.energy.sensors import find

    found = find()
    told = "; ".join(f"{each.device}: {each.method or each.trouble}" for each in found)
    if any(each.method for each in found):
        return Finding("energy", "ok", told)
    return Finding("energy", "ok", f"no meter here, which a router does not need ({told})")


def _database(url: str, checkpoint_key: str) -> Finding:
    from bandit_service.errors import OlderSchema
    from bandit_service.store.engine import is_sqlite, open_engine
    from bandit_service.store.schema import check_schema

    engine = open_engine(url)
    try:
        check_schema(engine)
    except OlderSchema as older:
        if not is_sqlite(engine):
            return Finding("database", "fail", str(older))
        folder = Path(str(engine.url.database)).resolve().parent
        if not os.access(folder, os.W_OK):
            return Finding("database", "fail", f"{folder} cannot be written to")
        verb = "made" if older.facts["found"] == "none" else "brought up to date"
        return Finding("database", "ok", f"{engine.url.database} will be {verb} at the start")
    finally:
        engine.dispose()
    entries, policies, newer = _journals(url, checkpoint_key)
    if newer:
        return Finding("database", "warn", "; ".join(newer))
    detail = f"schema of this version; {policies} policies, {entries} journal entries, all readable"
    return Finding("database", "ok", detail)


def _journals(url: str, checkpoint_key: str) -> tuple[int, int, list[str]]:
    """Reads every journal as a start would; the number of entries and of policies, and what a
    newer version has written."""
    from bandit_service.app import shape_of
    from bandit_service.checkpoints import Seal, read_keys
    from bandit_service.engine import Registry
    from bandit_service.journal import Journal
    from bandit_service.store import open_store

    store, registry = open_store(url), Registry()
    try:
        seal = Seal(read_keys(Path(checkpoint_key)) if checkpoint_key else ())
        Journal(store, registry, shape_of, now=time.time, seal=seal).load()
    finally:
        store.close()
    engines = registry.by_id.values()
    newer = [str(why) for why in registry.stopped.values()]
    return sum(engine.position for engine in engines), len(engines), newer


def _address(listen: str) -> Finding:
    if status := _health(listen):
        return Finding("address", "ok" if status == "SERVING" else "warn", f"a server is {status}")
    if listen.startswith("unix:"):
        return Finding("address", "ok", "no server answers there yet")
    return _port("address", listen, "a server with TLS, or another program, may hold it")


def _port(check: str, listen: str, holder: str) -> Finding:
    host, _, port = listen.rpartition(":")
    family, kind, protocol, _, address = socket.getaddrinfo(
        host.strip("[]"), int(port), type=socket.SOCK_STREAM
    )[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            return Finding(check, "warn", f"{error.strerror}; {holder}")
    return Finding(check, "ok", "free")


def _health(listen: str) -> str:
    """What a server without TLS says of itself there; empty where none answers."""
    import grpc
    from grpc_health.v1 import (  # type: ignore[import-untyped,unused-ignore]
        health_pb2,
        health_pb2_grpc,
    )

    with grpc.insecure_channel(listen) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=_HEALTH_SECONDS)
        except grpc.RpcError:
            return ""
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))


def _tls(settings: Any) -> Finding:
    from bandit_service.rpc.tls import TlsFiles, credentials

    key = Path(settings.tls_key)
    ca = Path(settings.tls_client_ca) if settings.tls_client_ca else None
    credentials(TlsFiles(cert=Path(settings.tls_cert), key=key, client_ca=ca))
    if key.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return Finding("tls", "warn", f"others can use the key too: chmod 600 {key}")
    return Finding("tls", "ok", "certificate and key belong together; the key is private")


def _tokens(path: str) -> Finding:
    from bandit_service.tokens import KeyFile

    keys = KeyFile(Path(path)).keys
    return Finding("tokens", "ok", f"key {keys.signing.id} signs, of {len(keys)} that verify")
