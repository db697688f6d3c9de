"""The command that meters beside the GPUs."""

from pathlib import Path
from typing import Annotated, Any

import typer

_LISTEN = "host:port or unix:path for applications to announce their calls to."


def meter(
    config: Annotated[Path, typer.Option(help="YAML: the devices of each arm.")],
    listen: Annotated[str, typer.Option(help=_LISTEN)] = "127.0.0.1:7071",
    server: Annotated[
        str | None,
        typer.Option(envvar="BANDIT_SERVER", help="The router that gets the joules, host:port."),
    ] = None,
    tls_ca: Annotated[Path | None, typer.Option(help="CA of the router, a PEM file.")] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Our own certificate.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its key.")] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="No TLS to the router, even on another machine.")
    ] = False,
    listen_tls_cert: Annotated[
        Path | None, typer.Option(help="Certificate to listen with, a PEM file.")
    ] = None,
    listen_tls_key: Annotated[Path | None, typer.Option(help="Its key, a PEM file.")] = None,
    listen_tls_client_ca: Annotated[
        Path | None, typer.Option(help="Let in only applications with a certificate of this CA.")
    ] = None,
    listen_insecure: Annotated[
        bool, typer.Option("--listen-insecure", help="Listen without TLS beyond this machine.")
    ] = False,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
) -> None:
    """Meter the calls that applications announce, and send their joules to the router.

    Runs beside the GPUs, until SIGTERM or Ctrl-C. Without --server the joules stay here, for
    `energy watch --meter`. Needs no GPU to start: what cannot be read is tried again and again,
    and calls are unmeasured meanwhile.
    """
    import asyncio
    import contextlib
    import logging

    from bandit_service.metering import run_meter
    from bandit_service.settings import LOG_LEVELS

    if log_level not in LOG_LEVELS:
        raise typer.BadParameter(f"--log-level: must be one of {', '.join(LOG_LEVELS)}")
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("bandit_service").setLevel(log_level.upper())
    read = read_meter_config(config)
    tls = _listening(listen_tls_cert, listen_tls_key, listen_tls_client_ca)
    client = None if server is None else _client(server, tls_ca, tls_cert, tls_key, insecure)
    with client or contextlib.nullcontext():
        code = asyncio.run(
            run_meter(read, client, listen=listen, tls=tls, insecure=listen_insecure)
        )
    raise typer.Exit(code)


def _listening(cert: Path | None, key: Path | None, client_ca: Path | None) -> Any:
    """What to listen with; None without TLS. Raises InvalidField."""
    from bandit_service.errors import InvalidField
    from bandit_service.rpc.tls import TlsFiles

    if (cert is None) != (key is None):
        raise InvalidField(
            "listen_tls_cert, listen_tls_key", "one goes with the other; only one is given"
        )
    if cert is None or key is None:
        if client_ca is not None:
            raise InvalidField(
                "listen_tls_client_ca", "needs listen_tls_cert and listen_tls_key too"
            )
        return None
    return TlsFiles(cert, key, client_ca)


def read_meter_config(path: Path) -> Any:
    """Raises InvalidField, which names the file."""
    from bandit_service.cli.policy_yaml import read_mapping
    from bandit_service.energy.configuration import MeterConfig

    return MeterConfig.read(read_mapping(path), str(path))


def _client(
    server: str, ca: Path | None, cert: Path | None, key: Path | None, insecure: bool
) -> Any:
    from bandit_service.cli.connection import credentials
    from bandit_service.client import Client

    given = credentials(server, ca, cert, key, insecure=insecure)
    return Client(server, credentials=given, insecure=insecure)
