"""What is printed: protobuf's JSON for programs, tables for people."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import typer


def as_json(message: Any) -> None:
    """With the proto's field names; fields with presence only where they are set."""
    from google.protobuf.json_format import MessageToJson

    text = MessageToJson(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    typer.echo(text)


STDOUT = "-"  # where a file can be named

# A column this narrow is not broken where there is room, and a wider one is left so much of it.
NARROW, ROOM, GAP = 25, 12, 2
UNBOUNDED = 240


def write_json(found: Any, where: str) -> None:
    """All of it, into a file; `STDOUT` prints it. Raises InvalidField if it cannot be written."""
    import msgspec

    from bandit_service.errors import InvalidField

    text = msgspec.json.format(msgspec.json.encode(found), indent=2).decode()
    if where == STDOUT:
        typer.echo(text)
        return
    try:
        Path(where).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise InvalidField(where, f"cannot be written: {error.strerror}") from error


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], width: int | None = None) -> None:
    """Names, in the first column, are never broken, nor what is short. None is printed as a dash.

    `width` is of the terminal; a file or a pipe has none to fit into.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    listed = list(rows)
    if width is None and not sys.stdout.isatty():
        width = UNBOUNDED
    console = Console(highlight=False, markup=False, width=width)
    whole = _kept_whole(columns, listed, console.width)
    made = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 0, 0, 1))
    for at, column in enumerate(columns):
        is_number = any(isinstance(row[at], int | float) for row in listed)
        made.add_column(
            column, overflow="fold", no_wrap=at in whole, justify="right" if is_number else "left"
        )
    for row in listed:
        made.add_row(*(cell(value) for value in row))
    console.print(made)


def without_empty(
    columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> tuple[list[str], list[list[Any]]]:
    """The columns that hold something, for `table`; None is nothing."""
    listed = list(rows)
    kept = [at for at in range(len(columns)) if any(row[at] is not None for row in listed)]
    return [columns[at] for at in kept], [[row[at] for at in kept] for row in listed]


def _kept_whole(columns: Sequence[str], rows: Sequence[Sequence[Any]], width: int) -> set[int]:
    """The columns that are not broken: the first, and of the narrow ones those that fit."""
    widths = [
        max([len(column), *(len(cell(row[at])) for row in rows)])
        for at, column in enumerate(columns)
    ]
    left = width - widths[0] - sum(min(wide, ROOM) for wide in widths[1:]) - GAP * len(columns)
    whole = {0}
    for at in sorted(range(1, len(columns)), key=widths.__getitem__):
        left -= max(widths[at] - ROOM, 0)
        if widths[at] <= NARROW and left >= 0:
            whole.add(at)
    return whole


def facts(pairs: Iterable[tuple[str, Any]]) -> None:
    """One a line, those that are unknown left out."""
    known = [(name, value) for name, value in pairs if value is not None and value != ""]
    width = max((len(name) for name, _ in known), default=0)
    for name, value in known:
        typer.echo(f"{name:<{width}}  {cell(value)}")


def cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def optional(message: Any, field: str) -> Any:
    """The field's value; None where it is not set."""
    return getattr(message, field) if message.HasField(field) else None


def word(enum: Any, prefix: str, value: int) -> str:
    """An enum's value as users write it: MODE_ACT is `act`."""
    known = enum.DESCRIPTOR.values_by_number.get(value)
    return known.name.removeprefix(prefix + "_").lower() if known else str(value)
