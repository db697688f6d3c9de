"""One frame of outcomes that says of each query, in every row of it, what `queries` says once."""

from collections.abc import Sequence

from bandit_service.evaluation.columns import Columns

_OF_QUERIES = "task", "prompt"


def queries_of(outcomes: Columns) -> Columns:
    """Each query once, in the order of their first rows.

    A task or prompt that is unknown in some rows of a query is what its other rows say. Raises
    BadTable where two of them say different things.
    """
    asked = outcomes.ids("query_id")
    first: dict[str, int] = {}
    for place, query in enumerate(asked):
        first.setdefault(query, place)
    told = {name: _told(outcomes, asked, name) for name in _OF_QUERIES if name in outcomes}
    cells = {name: [texts.get(query) for query in first] for name, texts in told.items()}
    rows = [outcomes.rows[place] for place in first.values()]
    return Columns(outcomes.source, {"query_id": list(first), **cells}, rows)


def _told(outcomes: Columns, asked: Sequence[str], name: str) -> dict[str, str]:
    """What is known of each query: a row's text, the same in all rows that have one."""
    texts, first = outcomes.texts(name), dict[str, int]()
    for place, (query, text) in enumerate(zip(asked, texts, strict=True)):
        if text and texts[earlier := first.setdefault(query, place)] != text:
            what = f"query {query!r} has another {name} than in row {outcomes.rows[earlier]}"
            raise outcomes.bad(place, what)
    return {query: texts[place] for query, place in first.items()}
