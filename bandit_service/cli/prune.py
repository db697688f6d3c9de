"""The command that lets old decisions, feedback ids and journal entries go."""

import json
import os
import time
from typing import Annotated

import typer

from bandit_service.cli import output
from bandit_service.cli.options import AsJson, Database


def prune(
    database: Database = None,
    keep_decisions_days: Annotated[
        int | None, typer.Option(help="Days to keep decisions for; 0 is for ever. [default: 0]")
    ] = None,
    keep_journal_days: Annotated[
        int | None, typer.Option(help="Days to keep learned feedback for. [default: 0]")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would go.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let old decisions go, with what came of them. Works beside a service that serves.

    Never before the longest feedback horizon of all policies and a day have passed, and of the
    journal nothing that is not in every kept checkpoint. Options can be set as
    BANDIT_KEEP_DECISIONS_DAYS, and so on.
    """
    from bandit_service import retention
    from bandit_service.settings import Settings
    from bandit_service.store import open_store

    settings = Settings.read(
        os.environ,
        database=database,
        insecure=True,  # nothing listens here
        keep_decisions_days=keep_decisions_days,
        keep_journal_days=keep_journal_days,
    )
    keep = retention.Keep(settings.keep_decisions_days, settings.keep_journal_days)
    store = open_store(settings.database, settings.partition_days)
    try:
        held = retention.oldest_checkpoints(store)
        pruned = retention.prune(store, keep, time.time(), held, dry_run)
    finally:
        store.close()
    if as_json:
        rows = [
            {"table": one.table, "partition": one.partition, "rows": one.rows, "bytes": one.bytes}
            for one in pruned
        ]
        typer.echo(json.dumps({"dry_run": dry_run, "pruned": rows}, indent=2))
    elif pruned:
        rows_of = ((one.table, one.partition, one.rows, one.bytes) for one in pruned)
        output.table(("table", "partition", "rows", "bytes"), rows_of)
    else:
        typer.echo("nothing to let go")
