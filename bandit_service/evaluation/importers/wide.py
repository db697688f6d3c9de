"""A wide table, one row a query and a few columns an arm, with a map that says which is which.

The map as YAML:

    query_id: id                 # a column
    task: subject                # a column; may be left out, as may `prompt`
    prompt: question
    arms:
      small:                     # the arm's name
        quality: small_score     # a column
        cost_usd: small_cost     # a column; so are input_tokens, output_tokens, latency_seconds
        energy_joules: small_j   # and energy_joules; each may be left out
        scale: {least: 1, most: 10}            # of the quality column; 0 to 1 if left out
        input_usd_per_million_tokens: 0.1      # numbers, as is output_usd_per_million_tokens
        declared_joules_per_output_token: 0.3
"""

import re
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bandit_service.errors import BadTable
from bandit_service.evaluation import files
from bandit_service.evaluation.columns import Columns
from bandit_service.evaluation.table import Array, OutcomeTable
from bandit_service.evaluation.validation import distinct, usable
from bandit_service.model import Arm, Config

_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>[^`]*)`")
_MEASURED = ("cost_usd", "latency_seconds", "energy_joules", "input_tokens", "output_tokens")


class Scale(Config, frozen=True):
    """What the least and the most of a quality column mean: they become 0 and 1."""

    least: float
    most: float


class ArmColumns(Config, frozen=True):
    """Where the table keeps one arm, and what it is known to cost."""

    quality: str
    cost_usd: str | None = None
    latency_seconds: str | None = None
    energy_joules: str | None = None
    input_tokens: str | None = None
    output_tokens: str | None = None
    scale: Scale = Scale(least=0.0, most=1.0)
    input_usd_per_million_tokens: float | None = None
    output_usd_per_million_tokens: float | None = None
    declared_joules_per_output_token: float | None = None


class WideMap(Config, frozen=True):
    """Which column of a wide table is what."""

    query_id: str
    arms: dict[str, ArmColumns]
    task: str | None = None
    prompt: str | None = None


def read(source: Path, wide_map: WideMap) -> OutcomeTable:
    """From a CSV or Parquet file. Raises BadTable."""
    return tabulate(named(source), files.read(source), wide_map)


def named(source: Path) -> str:
    """A file's name as that of a set, without its endings."""
    return source.name.partition(".")[0] or source.name


def checked_map(mapping: dict[str, Any], source: str) -> WideMap:
    """What a YAML file says. Raises BadTable, which names the place and what is known there."""
    try:
        made = msgspec.convert(mapping, WideMap)
    except msgspec.ValidationError as error:
        raise BadTable(source, _explained(str(error))) from None
    for name, arm in made.arms.items():
        if not arm.scale.least < arm.scale.most:
            raise BadTable(source, f"arms.{name}.scale: least must be below most")
    if not made.arms:
        raise BadTable(source, "arms: expected at least one")
    return made


def tabulate(name: str, columns: Columns, wide_map: WideMap) -> OutcomeTable:
    """Raises BadTable for columns that are not there, and for cells out of range."""
    ids = distinct(columns, wide_map.query_id)
    arms = wide_map.arms.values()

    def gathered(field: str) -> Array:
        """(n, K)"""
        return np.column_stack([_numbers(columns, getattr(arm, field)) for arm in arms])

    prompts = _texts(columns, wide_map.prompt)
    measured: dict[str, Any] = {field: gathered(field) for field in _MEASURED}
    table = OutcomeTable(
        name=name,
        query_ids=tuple(ids),
        tasks=_texts(columns, wide_map.task),
        arms=tuple(_arm(name, arm) for name, arm in wide_map.arms.items()),
        quality=np.column_stack([_quality(columns, arm) for arm in arms]),
        prompts=prompts if any(prompts) else None,
        **measured,
    )
    return usable(table, columns.source)


def _quality(columns: Columns, arm: ArmColumns) -> Array:
    columns.require(arm.quality)
    scores = columns.numbers(arm.quality, least=arm.scale.least, most=arm.scale.most)
    return (scores - arm.scale.least) / (arm.scale.most - arm.scale.least)


def _numbers(columns: Columns, name: str | None) -> Array:
    if name is None:
        return np.full(len(columns), np.nan)
    columns.require(name)
    return columns.numbers(name)


def _texts(columns: Columns, name: str | None) -> tuple[str, ...]:
    if name is None:
        return ("",) * len(columns)
    columns.require(name)
    return tuple(columns.texts(name))


def _arm(name: str, arm: ArmColumns) -> Arm:
    return Arm(
        name=name,
        input_usd_per_million_tokens=arm.input_usd_per_million_tokens,
        output_usd_per_million_tokens=arm.output_usd_per_million_tokens,
        declared_joules_per_output_token=arm.declared_joules_per_output_token,
    )


def _explained(message: str) -> str:
    """msgspec's words, with the place in front, and for an unknown key the known ones."""
    what, _, path = message.partition(" - at `$")
    where = path.rstrip("`").lstrip(".")
    if unknown := _UNKNOWN.fullmatch(what):
        kind = ArmColumns if where == "arms[...]" else Scale if where.endswith("scale") else WideMap
        known = ", ".join(kind.__struct_fields__)
        what = f"no such key {unknown['name']!r}; there are {known}"
    what = what.replace("`", "")
    return f"{where}: {what}" if where else what
