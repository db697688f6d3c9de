"""The commands around a server: to run one, to see one at work, to make its database ready."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

_DATABASE = "sqlite:///path or postgresql://user@host/database. [default: ./bandit.db]"


def serve(
    listen: Annotated[
        str | None, typer.Option(help="host:port or unix:path. [default: 127.0.0.1:7070]")
    ] = None,
    database: Annotated[str | None, typer.Option(help=_DATABASE)] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate, a PEM file.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its key, a PEM file.")] = None,
    tls_client_ca: Annotated[
        Path | None, typer.Option(help="Let in only clients with a certificate of this CA.")
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Listen without TLS beyond this machine.")
    ] = False,
    policy: Annotated[
        list[Path] | None,
        typer.Option(help="YAML of a policy to create if its name is not there. Repeatable."),
    ] = None,
    log_level: Annotated[
        str | None, typer.Option(help="debug, info, warning or error. [default: info]")
    ] = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Every option but --policy can be set as an environment variable too: BANDIT_LISTEN,
    BANDIT_DATABASE, BANDIT_TLS_CERT, and so on.
    """
    # Before numpy is loaded. Its products here are small, and a thread of BLAS that waits for
    # another one costs milliseconds where the product takes microseconds.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from bandit_service import failpoints
    from bandit_service.cli.policy_yaml import read_policy

    failpoints.arm(os.environ.get(failpoints.VARIABLE, ""))
    settings = _settings(
        listen=listen,
        database=database,
        tls_cert=_text(tls_cert),
        tls_key=_text(tls_key),
        tls_client_ca=_text(tls_client_ca),
        insecure=insecure or None,
        log_level=log_level,
        policies=tuple(read_policy(path) for path in policy or ()),
    )
    raise typer.Exit(_run(settings))


def demo(
    queries: Annotated[int, typer.Option(min=1, max=1000, help="How many to route.")] = 1000,
    algorithm: Annotated[str, typer.Option(help="The algorithm.")] = "hierarchical_thompson",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    database: Annotated[
        Path | None, typer.Option(help="SQLite file to keep. [default: a temporary one]")
    ] = None,
) -> None:
    """Start a server, route real queries, give feedback, kill it, and see what it still knows."""
    from bandit_service.demo import run_demo

    raise typer.Exit(
        run_demo(queries=queries, algorithm=algorithm, as_json=as_json, database=database)
    )


def migrate(database: Annotated[str | None, typer.Option(help=_DATABASE)] = None) -> None:
    """Bring the tables of a database to this version. An SQLite file is made if there is none.

    The database can be set as BANDIT_DATABASE too.
    """
    from bandit_service.store import migrate as bring_up_to_date

    # Nothing listens here, so how a server would is not to be refused.
    settings = _settings(database=database, insecure=True)

    typer.echo(f"the database is at revision {bring_up_to_date(settings.database)}")


def _settings(**flags: Any) -> Any:
    from bandit_service.settings import Settings

    return Settings.read(os.environ, **flags)


def _run(settings: Any) -> int:
    import asyncio

    from bandit_service.app import serve as run_server

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(run_server(settings))


def _loop_factory() -> Any:
    try:
        import uvloop
    except ImportError:  # not for Windows
        return None
    return uvloop.new_event_loop


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
