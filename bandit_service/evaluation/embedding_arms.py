"""Arms of a table with embeddings made from a few of its queries; tasks are the categories."""

from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace

from bandit_service.errors import BadTable, InvalidField
from bandit_service.evaluation.contexts import contexts_of
from bandit_service.evaluation.table import OutcomeTable, Rows
from bandit_service.model import Arm
from policies import ccft
from policies.policy import Array


def embedded_arms(
    table: OutcomeTable,
    *,
    way: str = "excel_mask",
    labelled: int = 20,
    seed: int = 0,
    cost_weight: float = 0.5,
    top: int = 3,
    projected: bool = True,
) -> tuple[Arm, ...]:
    """The table's arms, each with an embedding of its contexts' dimension.

    `labelled` queries of every task, drawn by the seed, are all that is looked at; see
    `ccft.embeddings` for the other settings. Raises BadTable for a table that lacks tasks, or
    outcomes of all arms; InvalidField for a setting.
    """
    if labelled < 2:
        raise InvalidField("labelled", f"must be at least 2 queries a task, not {labelled}")
    if not 0.0 <= cost_weight <= 1e3:
        raise InvalidField("cost_weight", f"must be from 0 to 1000, not {cost_weight:g}")
    names, rows = labelled_rows(table, labelled, seed)
    contexts = contexts_of(table.rows(np.concatenate(rows))).matrix
    categories = np.repeat(np.arange(len(names)), [len(some) for some in rows])
    costs = _means(table.cost_usd, rows)
    try:
        known = ccft.Labelled(
            contexts,
            categories,
            _means(table.quality, rows),
            None if np.isnan(costs).any() else costs,
        )
        made = ccft.embeddings(
            known,
            way,  # type: ignore[arg-type]  # what it may be, embeddings checks
            cost_weight=cost_weight,
            top=top,
            projected=projected,
        )
    except ValueError as wrong:
        raise InvalidField("embedding", str(wrong)) from wrong
    pairs = zip(table.arms, made.tolist(), strict=True)
    return tuple(replace(arm, embedding=tuple(vector)) for arm, vector in pairs)


def labelled_rows(
    table: OutcomeTable, labelled: int, seed: int
) -> tuple[tuple[str, ...], list[Rows]]:
    """Tasks, and rows of each that all arms answered. Raises BadTable for fewer than two tasks."""
    names = tuple(sorted(set(table.tasks) - {""}))
    answered, tasks = table.offered.all(axis=1), np.array(table.tasks)
    rng, kept = np.random.default_rng(seed), {}
    for name in names:
        rows = np.flatnonzero(answered & (tasks == name))
        if len(rows) >= 2:
            kept[name] = np.sort(rng.permutation(rows)[:labelled])
    if len(kept) < 2:
        raise BadTable(
            table.name,
            f"has {len(kept)} tasks with two queries that all arms answered: embeddings of arms "
            "are made from labelled categories, so fill the column task of queries",
        )
    return tuple(kept), list(kept.values())


def _means(values: Array, rows: Sequence[Rows]) -> Array:
    """Mean of each arm over each task's rows, (C, K); NaN where one is unknown."""
    return np.stack([values[some].mean(axis=0) for some in rows])
