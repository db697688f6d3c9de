"""`bandit-service checkpoint …`: on the database itself, with or without a server."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bandit_service.cli import exits, output
from bandit_service.cli.options import AsJson, Database

if TYPE_CHECKING:
    from bandit_service.checkpoints import Operations
    from bandit_service.model import Checkpoint

app = typer.Typer(
    help="Verified copies of what policies have learned, on the database itself.",
    no_args_is_help=True,
)

Key = Annotated[
    Path | None, typer.Option(help="File of keys, as the server has. [BANDIT_CHECKPOINT_KEY]")
]
Policies = Annotated[
    list[str] | None, typer.Option("--policy", help="Only this one. Repeatable. [default: all]")
]
Id = Annotated[int, typer.Argument(help="As `checkpoint list` shows it.")]


@app.command()
def create(
    policy: Policies = None,
    pin: Annotated[bool, typer.Option("--pin", help="Keep it whatever its age.")] = False,
    database: Database = None,
    checkpoint_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Fold the journal of each policy to its end, and store what that gives."""
    with _opened(database, checkpoint_key) as operations:
        made = {one.id for one in operations.create(policy or (), pinned=pin)}
        rows = [(p.name, one) for p, one in operations.listed(policy or ()) if one.id in made]
    _show(rows, as_json)


@app.command("list")
def list_(
    policy: Policies = None,
    database: Database = None,
    checkpoint_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """List the checkpoints, the newest first.

    The status is `usable` once it was read back and found good, `writing` until then (or where
    that was interrupted), and `withdrawn` where `restore` put it aside.
    """
    with _opened(database, checkpoint_key) as operations:
        rows = [(identity.name, one) for identity, one in operations.listed(policy or ())]
    _show(rows, as_json)


@app.command()
def verify(
    policy: Policies = None,
    against_journal: Annotated[
        bool, typer.Option("--against-journal", help="Fold each journal, and compare.")
    ] = False,
    database: Database = None,
    checkpoint_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Read every checkpoint that a start might use, as a start would.

    A journal is folded from zero. Where retention has let its beginning go, it is folded from the
    oldest checkpoint that is good; of that one, only the seal is verified, and it is said so.

    Ends with code 7 if one is bad; a server leaves it aside by itself, and says so.
    """
    with _opened(database, checkpoint_key) as operations:
        verdicts = operations.verify(policy or (), against_journal=against_journal)
    if as_json:
        rows = [{"wrong": one.wrong, "compared_with": one.compared or None} for one in verdicts]
        pairs = zip(verdicts, rows, strict=True)
        _print_json([_facts(one.policy, one.checkpoint) | row for one, row in pairs])
    else:
        columns = ("checkpoint", "policy", "position", "verdict", "compared with")
        shown = len(columns) if against_journal else -1
        output.table(
            columns[:shown],
            [
                (one.id, v.policy, one.position, v.wrong or "good", v.compared)[:shown]
                for v, one in ((v, v.checkpoint) for v in verdicts)
            ],
        )
    if any(verdict.wrong for verdict in verdicts):
        raise typer.Exit(exits.PRECONDITION)


@app.command()
def restore(
    checkpoint: Annotated[int | None, typer.Argument(help="As `checkpoint list` shows it.")] = None,
    from_zero: Annotated[
        str | None,
        typer.Option(metavar="POLICY", help="Instead: fold this policy's whole journal."),
    ] = None,
    database: Database = None,
    checkpoint_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Make a checkpoint the one that the next start begins from.

    The newer ones of its policy are withdrawn. No feedback is lost: the journal stays as it is,
    and what was learned after the checkpoint is folded in again from there. It is for newer
    checkpoints that are suspected of being wrong; those that are merely damaged are left aside
    anyway. Stop the service first: one that runs goes on with what it has in memory, so this is
    refused.
    """
    if (checkpoint is None) == (from_zero is None):
        raise typer.BadParameter("name a checkpoint, or --from-zero a policy")
    with _opened(database, checkpoint_key) as operations:
        if checkpoint is not None:
            done = operations.restore(checkpoint)
        else:
            assert from_zero is not None
            done = operations.restore_from_zero(from_zero)
    facts = {
        "policy": done.policy,
        "checkpoint": done.checkpoint.id if done.checkpoint else None,
        "withdrawn": [one.id for one in done.withdrawn],
        "position": done.position,
        "state_hash": done.state_hash,
    }
    if as_json:
        _print_json(facts)
        return
    start = f"checkpoint {done.checkpoint.id}" if done.checkpoint else "zero"
    withdrawn = ", ".join(str(one.id) for one in done.withdrawn) or "none"
    output.facts([("policy", done.policy), ("starts from", start), ("withdrawn", withdrawn),
                  ("position", done.position), ("state hash", done.state_hash)])  # fmt: skip


@app.command()
def pin(
    checkpoint: Id,
    undo: Annotated[bool, typer.Option("--undo", help="Let it go when its time comes.")] = False,
    database: Database = None,
    checkpoint_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Keep a checkpoint whatever its age."""
    with _opened(database, checkpoint_key) as operations:
        operations.pin(checkpoint, not undo)
        rows = [(p.name, one) for p, one in operations.listed() if one.id == checkpoint]
    _show(rows, as_json)


@contextmanager
def _opened(database: str | None, key: Path | None) -> Iterator["Operations"]:
    from bandit_service.app import shape_of
    from bandit_service.checkpoints import Keeper, Operations, Seal, read_keys
    from bandit_service.settings import Settings
    from bandit_service.store import open_existing

    # Nothing listens here, so how a server would is not to be refused.
    settings = Settings.read(
        os.environ,
        database=database,
        checkpoint_key=None if key is None else str(key),
        insecure=True,
    )
    keys = read_keys(Path(settings.checkpoint_key)) if settings.checkpoint_key else ()
    store = open_existing(settings.database)
    try:
        with _progress() as progress:
            yield Operations(store, Keeper(store.checkpoints, Seal(keys)), shape_of, progress)
    finally:
        store.close()


@contextmanager
def _progress() -> Iterator[Callable[[str, int], None]]:
    """How far the journals have been folded, on a terminal's standard error."""
    if not sys.stderr.isatty():
        yield lambda name, position: None
        return
    from rich.console import Console

    with Console(stderr=True).status("reading") as status:
        yield lambda name, position: status.update(f"{name}: {position:,} events folded")


def _show(rows: Sequence[tuple[str, "Checkpoint"]], as_json: bool) -> None:
    if as_json:
        _print_json([_facts(policy, one) for policy, one in rows])
        return
    output.table(
        ("checkpoint", "policy", "position", "time", "bytes", "status", "pinned"),
        [(one.id, policy, one.position, _moment(one), one.size, one.status.value, one.pinned)
         for policy, one in rows],
    )  # fmt: skip


def _facts(policy: str, one: "Checkpoint") -> dict[str, Any]:
    return {
        "id": one.id,
        "policy": policy,
        "position": one.position,
        "create_time": _moment(one),
        "bytes": one.size,
        "status": one.status.value,
        "pinned": one.pinned,
        "fold_version": one.fold_version,
        "sha256": one.sha256.hex(),
    }


def _moment(one: "Checkpoint") -> str:
    return f"{datetime.fromtimestamp(one.create_time, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _print_json(found: Any) -> None:
    import json

    typer.echo(json.dumps(found, indent=2))
