"""The callers' own vectors, from the columns of the normal form."""

import numpy as np

from bandit_service.errors import BadTable
from bandit_service.evaluation.columns import Columns
from bandit_service.evaluation.table import Array
from bandit_service.evaluation.validation import distinct, positions
from bandit_service.features import LARGEST_MAGNITUDE


def vectors_of(contexts: Columns, ids: list[str]) -> Array:
    """(n, d) in the order of the queries, as policies take them. Raises BadTable."""
    distinct(contexts, "query_id")
    rows = positions(contexts, "query_id", ids)
    names = [name for name in contexts.cells if name != "query_id"]
    if not names:
        raise BadTable(contexts.source, "needs columns of numbers beside query_id")
    vectors = np.full((len(ids), len(names)), np.nan)
    for at, name in enumerate(names):
        numbers = contexts.numbers(name, least=-LARGEST_MAGNITUDE, most=LARGEST_MAGNITUDE)
        if np.isnan(numbers).any():
            place = int(np.flatnonzero(np.isnan(numbers))[0])
            raise contexts.bad(place, f"{name} is unknown, expected {len(names)} numbers a query")
        vectors[rows, at] = numbers
    lacking = np.flatnonzero(np.isnan(vectors[:, 0]))
    if lacking.size:
        raise BadTable(contexts.source, f"has no vector of query {ids[lacking[0]]!r}")
    return vectors
