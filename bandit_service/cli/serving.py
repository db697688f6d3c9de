"""The commands around a server: to run one, to see one at work, to make its database ready."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

DATABASE = "sqlite:///path or postgresql://user@host/database. [default: ./bandit.db]"


def serve(
    context: typer.Context,
    listen: Annotated[
        str | None, typer.Option(help="host:port or unix:path. [default: 127.0.0.1:7070]")
    ] = None,
    database: Annotated[str | None, typer.Option(help=DATABASE)] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate, a PEM file.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its key, a PEM file.")] = None,
    tls_client_ca: Annotated[
        Path | None, typer.Option(help="Let in only clients with a certificate of this CA.")
    ] = None,
    insecure: Annotated[
        bool | None, typer.Option("--insecure", help="Listen without TLS beyond this machine.")
    ] = None,
    policy: Annotated[
        list[Path] | None,
        typer.Option(help="YAML of a policy to create if its name is not there. Repeatable."),
    ] = None,
    metrics_listen: Annotated[
        str | None, typer.Option(help="host:port of a page for Prometheus. [default: none]")
    ] = None,
    checkpoint_seconds: Annotated[
        float | None,
        typer.Option(help="Checkpoint what has changed after so long. [default: 60]"),
    ] = None,
    checkpoint_events: Annotated[
        int | None,
        typer.Option(help="And at once after so many events. [default: 10000]"),
    ] = None,
    checkpoint_key: Annotated[
        Path | None,
        typer.Option(help="File of keys, one a line, that checkpoints are sealed with."),
    ] = None,
    log_level: Annotated[
        str | None, typer.Option(help="debug, info, warning or error. [default: info]")
    ] = None,
    log_format: Annotated[
        str | None, typer.Option(help="json or text. [default: text on a terminal, else json]")
    ] = None,
    replica: Annotated[
        str | None, typer.Option(help="Its name among replicas. [default: host and process id]")
    ] = None,
    degraded: Annotated[
        bool | None,
        typer.Option(
            "--degraded/--no-degraded",
            help="Route from memory while the database is away. [default: degraded]",
        ),
    ] = None,
    degraded_after_seconds: Annotated[
        float | None, typer.Option(help="How long to wait for it first. [default: 0.5]")
    ] = None,
    buffered_decisions: Annotated[
        int | None, typer.Option(help="Most that are kept for it. [default: 10000]")
    ] = None,
    buffered_megabytes: Annotated[
        int | None, typer.Option(help="Most memory that they take. [default: 64]")
    ] = None,
    token_keys: Annotated[
        Path | None, typer.Option(help="Keys that sign decision tokens. [default: no tokens]")
    ] = None,
    require_token: Annotated[
        bool | None, typer.Option("--require-token", help="Refuse feedback without a token.")
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
    # Options are called what settings are called; those that nobody gave are None.
    given = {name: _text(value) for name, value in context.params.items() if name != "policy"}
    policies = tuple(read_policy(path) for path in policy or ())
    settings = settings_of(**given, policies=policies)
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


def migrate(database: Annotated[str | None, typer.Option(help=DATABASE)] = None) -> None:
    """Bring the tables of a database to this version. An SQLite file is made if there is none.

    The database can be set as BANDIT_DATABASE too.
    """
    from bandit_service.store import migrate as bring_up_to_date

    # Nothing listens here, so how a server would is not to be refused.
    settings = settings_of(database=database, insecure=True)

    typer.echo(f"the database is at revision {bring_up_to_date(settings.database)}")


def settings_of(**flags: Any) -> Any:
    """From BANDIT_* and flags. Raises InvalidField."""
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


def _text(value: Any) -> Any:
    """Settings know no paths."""
    return str(value) if isinstance(value, Path) else value
