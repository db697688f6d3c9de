"""Checks that every way to a table shares: names that must be known, and what is left to use."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bandit_service.errors import BadTable
from bandit_service.evaluation.columns import Columns
from bandit_service.evaluation.table import OutcomeTable


def distinct(columns: Columns, name: str) -> list[str]:
    """(r,) texts, none empty and none there twice. Raises BadTable."""
    texts = columns.ids(name)
    first: dict[str, int] = {}
    for place, text in enumerate(texts):
        if (earlier := first.setdefault(text, place)) != place:
            raise columns.bad(
                place, f"{name} {text!r} stands in row {columns.rows[earlier]} already"
            )
    return texts


def positions(columns: Columns, name: str, known: Sequence[str]) -> NDArray[np.intp]:
    """(r,) where each text stands in `known`. Raises BadTable for one that does not."""
    place_of = {text: place for place, text in enumerate(known)}
    found = [place_of.get(text, -1) for text in columns.ids(name)]
    if -1 in found:
        place = found.index(-1)
        what = f"{name} {columns.texts(name)[place]!r} is not among the {len(known)} known ones"
        raise columns.bad(place, what)
    return np.array(found, dtype=np.intp)


def usable(table: OutcomeTable, source: str) -> OutcomeTable:
    """Only queries and arms of which some quality is known; `notes` tell what was left out.

    Raises BadTable, which names `source`, if nothing is left.
    """
    answered, tried = table.offered.any(axis=1), table.offered.any(axis=0)
    if not answered.any():
        counts = f"{len(table)} queries and {len(table.arms)} arms"
        raise BadTable(source, f"is an empty set: {counts}, but no known quality")
    notes = list(table.notes)
    if not answered.all():
        lost = np.count_nonzero(~answered)
        notes.append(f"{lost} of {len(table)} queries are left out: no quality is known")
        table = table.rows(np.flatnonzero(answered))
    if not tried.all():
        unused = ", ".join(table.arm_names[slot] for slot in np.flatnonzero(~tried))
        notes.append(f"arms left out, as no quality is known: {unused}")
        table = with_arms(table, np.flatnonzero(tried))
    return replace(table, notes=tuple(notes))


def with_arms(table: OutcomeTable, slots: NDArray[np.intp]) -> OutcomeTable:
    return replace(
        table,
        arms=tuple(table.arms[slot] for slot in slots),
        quality=table.quality[:, slots],
        cost_usd=table.cost_usd[:, slots],
        latency_seconds=table.latency_seconds[:, slots],
        energy_joules=table.energy_joules[:, slots],
        input_tokens=table.input_tokens[:, slots],
        output_tokens=table.output_tokens[:, slots],
        expected=None if table.expected is None else table.expected[:, slots],
    )
