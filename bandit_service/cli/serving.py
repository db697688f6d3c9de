"""The commands around a server: to run one, to see one at work, to make its database ready."""

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from bandit_service.cli import serving_options as options
from bandit_service.cli.options import AsJson, Database, database_url


def serve(
    context: typer.Context,
    listen: options.Listen = None,
    database: Database = None,
    tls_cert: options.TlsCert = None,
    tls_key: options.TlsKey = None,
    tls_client_ca: options.TlsClientCa = None,
    insecure: options.Insecure = None,
    policy: options.Policy = None,
    metrics_listen: options.MetricsListen = None,
    checkpoint_seconds: options.CheckpointSeconds = None,
    checkpoint_events: options.CheckpointEvents = None,
    checkpoint_key: options.CheckpointKey = None,
    log_level: options.LogLevel = None,
    log_format: options.LogFormat = None,
    replica: options.Replica = None,
    degraded: options.Degraded = None,
    degraded_after_seconds: options.DegradedAfterSeconds = None,
    buffered_decisions: options.BufferedDecisions = None,
    buffered_megabytes: options.BufferedMegabytes = None,
    token_keys: options.TokenKeys = None,
    require_token: options.RequireToken = None,
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
    from bandit_service.settings import Settings

    failpoints.arm(os.environ.get(failpoints.VARIABLE, ""))
    # Options are called what settings are called; those that nobody gave are None.
    given = {name: _text(value) for name, value in context.params.items() if name != "policy"}
    policies = tuple(read_policy(path) for path in policy or ())
    raise typer.Exit(_run(Settings.read(os.environ, **given, policies=policies)))


def demo(
    queries: Annotated[int, typer.Option(min=1, max=1000, help="How many to route.")] = 1000,
    algorithm: Annotated[str, typer.Option(help="The algorithm.")] = "hierarchical_thompson",
    as_json: AsJson = False,
    database: Annotated[
        Path | None, typer.Option(help="SQLite file to keep. [default: a temporary one]")
    ] = None,
) -> None:
    """Start a server, route real queries, give feedback, kill it, and see what it still knows."""
    from bandit_service.demo import run_demo

    raise typer.Exit(
        run_demo(queries=queries, algorithm=algorithm, as_json=as_json, database=database)
    )


def migrate(database: Database = None, as_json: AsJson = False) -> None:
    """Bring the tables of a database to this version. An SQLite file is made if there is none.

    The database can be set as BANDIT_DATABASE too.
    """
    from bandit_service.store import migrate as bring_up_to_date

    revision = bring_up_to_date(database_url(database))
    if as_json:
        typer.echo(json.dumps({"revision": revision}))
    else:
        typer.echo(f"the database is at revision {revision}")


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
