"""What is printed: protobuf's JSON for programs, tables for people."""

from collections.abc import Iterable, Sequence
from typing import Any

import typer


def as_json(message: Any) -> None:
    """With the proto's field names; fields with presence only where they are set."""
    from google.protobuf.json_format import MessageToJson

    text = MessageToJson(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    typer.echo(text)


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], width: int | None = None) -> None:
    """Names, in the first column, are never broken. None is printed as a dash.

    `width` is of the terminal, unless it is known.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    listed = list(rows)
    made = Table(box=SIMPLE_HEAD, pad_edge=False)
    for at, column in enumerate(columns):
        is_number = any(isinstance(row[at], int | float) for row in listed)
        made.add_column(
            column, overflow="fold", no_wrap=at == 0, justify="right" if is_number else "left"
        )
    for row in listed:
        made.add_row(*(cell(value) for value in row))
    Console(highlight=False, markup=False, width=width).print(made)


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
