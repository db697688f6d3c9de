"""The command that writes a policy's log to a file."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bandit_service.cli import output
from bandit_service.cli.options import AsJson, Database, database_url
from bandit_service.cli.replay import watched

if TYPE_CHECKING:
    from bandit_service.evaluation.logs.rows import Batch

_MOMENT = "Seconds since the epoch, or ISO 8601 (UTC unless it says otherwise)."


def export(
    policy: Annotated[str, typer.Argument(metavar="POLICY", help="Whose decisions.")],
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Name ending in .parquet, .jsonl or .jsonl.gz.")
    ],
    database: Database = None,
    since: Annotated[str, typer.Option(metavar="TIME", help=_MOMENT)] = "",
    until: Annotated[str, typer.Option(metavar="TIME", help=f"Excluded. {_MOMENT}")] = "",
    columns: Annotated[
        str, typer.Option(metavar="NAMES", help="Only these, between commas; without it, all.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Write decisions, their probabilities and what came of them to a file that `replay` reads.

    Reads the database itself, a page at a time; a server may be running on it. docs/evaluation.md
    has the schema.
    """
    from bandit_service.errors import InvalidField
    from bandit_service.evaluation.logs import stored
    from bandit_service.evaluation.logs.exporting import check_columns, write
    from bandit_service.store import open_log_reader

    wanted = check_columns([name.strip() for name in columns.split(",") if name.strip()])
    first, last = moment("--since", since, stored.ALWAYS[0]), moment(
        "--until", until, stored.ALWAYS[1]
    )  # fmt: skip
    if first >= last:
        raise InvalidField("--since", "is not before --until")
    reader = open_log_reader(database_url(database))
    try:
        with watched("decisions written") as progress:
            batches = _counted(stored.batches(reader, policy, first, last), progress)
            count = write(batches, file, wanted)
    finally:
        reader.close()
    if as_json:
        import msgspec

        said = {"policy": policy, "file": str(file), "decisions": count}
        typer.echo(msgspec.json.encode(said).decode())
    else:
        output.facts([("policy", policy), ("file", str(file)), ("decisions", f"{count:,}")])


def moment(option: str, text: str, otherwise: float) -> float:
    """Seconds since the epoch. Raises InvalidField."""
    from bandit_service.errors import InvalidField
    from bandit_service.evaluation.moments import seconds_of

    try:
        return seconds_of(text) if text else otherwise
    except ValueError as error:
        raise InvalidField(option, str(error)) from None


def _counted(
    batches: "Iterator[Batch]", progress: Callable[[int], None] | None
) -> "Iterator[Batch]":
    for batch in batches:
        yield batch
        if progress is not None:
            progress(len(batch))
