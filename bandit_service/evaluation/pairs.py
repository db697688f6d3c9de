"""Verdicts on two answers to one query, from the columns of the normal form."""

from collections.abc import Iterable

from bandit_service.evaluation.columns import Columns
from bandit_service.evaluation.table import OutcomeTable, Pair
from bandit_service.evaluation.validation import distinct, positions


def verdicts_of(pairs: Columns, queries: Columns) -> list[Pair]:
    """All of them. Raises BadTable."""
    ids = distinct(queries, "query_id")
    asked = pairs.ids("query_id")
    positions(pairs, "query_id", ids)
    winners = pairs.ids("winner")
    for place, winner in enumerate(winners):
        if winner not in ("a", "b", "tie"):
            raise pairs.bad(place, f"winner is {winner!r}, expected a, b or tie")
    sides = list(zip(pairs.ids("model_a"), pairs.ids("model_b"), strict=True))
    for place, (first, second) in enumerate(sides):
        if first == second:
            raise pairs.bad(place, f"model {first!r} is compared with itself")
    rows = zip(asked, sides, winners, strict=True)
    return [Pair(query, first, second, winner) for query, (first, second), winner in rows]


def known_to(table: OutcomeTable, pairs: Iterable[Pair]) -> tuple[Pair, ...]:
    """Those on queries and arms of the table: some may have been left out for want of outcomes."""
    queries, arms = set(table.query_ids), set(table.arm_names)
    return tuple(p for p in pairs if p.query_id in queries and {p.model_a, p.model_b} <= arms)
