"""Calls and their queries on the way to a decision, and queries turned into contexts."""

import asyncio
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from bandit_service.engine import PolicyEngine
from bandit_service.errors import BanditError, WrongContext
from bandit_service.features import FeatureMap
from bandit_service.model import Query, Routed

Answer = Routed | BanditError


class Call:
    """Queries that came together and are answered together.

    `until`, by the event loop's clock, is when an answer has to be out; `is_hurried` says that
    the caller's own deadline wants it so soon.
    """

    __slots__ = ("answers", "future", "is_hurried", "missing", "queries", "until")

    def __init__(
        self, queries: Sequence[Query], future: "asyncio.Future[list[Answer]]", until: float
    ) -> None:
        self.queries = queries
        self.future = future
        self.until = until
        self.is_hurried = False
        self.answers: list[Answer | None] = [None] * len(queries)
        self.missing = len(queries)

    def items(self) -> "Iterator[Item]":
        """Those that have no answer yet."""
        for place, query in enumerate(self.queries):
            if self.answers[place] is None:
                yield Item(self, place, query)

    def settle(self, place: int, answer: Answer) -> None:
        if self.answers[place] is None:
            self.answers[place] = answer
            self.missing -= 1
            if not self.missing and not self.future.done():
                self.future.set_result(self.answers)  # type: ignore[arg-type]

    def fail(self, error: Exception) -> None:
        """For what should not happen: whoever waits hears of it, and of nothing else."""
        if not self.future.done():
            self.future.set_exception(error)


class Item(msgspec.Struct, gc=False):
    """One query of a call. `is_blind` says that its session could not be looked up."""

    call: Call
    place: int
    query: Query
    is_blind: bool = False

    def settle(self, answer: Answer) -> None:
        self.call.settle(self.place, answer)


def fitting(items: list[Item], engine: PolicyEngine, feature_map: FeatureMap) -> Iterator[Item]:
    """The items whose context the policy can read; the others are told."""
    vector = engine.config.features.vector
    wanted = "text" if vector is None else f"a vector of {vector.dimension} numbers"
    width = 8 * (feature_map.dim - 1)
    for item in items:
        query = item.query
        if vector is None and query.text is None:
            item.settle(WrongContext("context", f"need {wanted}, got a vector"))
        elif vector is not None and query.vector is None:
            item.settle(WrongContext("context", f"need {wanted}, got text"))
        elif query.vector is not None and len(query.vector) != width:
            item.settle(
                WrongContext("context", f"need {wanted}, got {len(query.vector) // 8} numbers")
            )
        else:
            yield item


def contexts_of(
    items: list[Item], feature_map: FeatureMap
) -> tuple[list[Item], NDArray[np.float64]]:
    """The items that have a context, and the contexts (n, d); the others are told."""
    if not items:
        return [], np.empty((0, feature_map.dim))
    try:
        return items, read(items, feature_map)
    except BanditError as error:
        if len(items) == 1:
            items[0].settle(error)
            return [], np.empty((0, feature_map.dim))
    # One bad query may not fail the others.
    pairs = [contexts_of([item], feature_map) for item in items]
    kept = [item for good, _ in pairs for item in good]
    return kept, np.concatenate([contexts for _, contexts in pairs])


def read(items: list[Item], feature_map: FeatureMap) -> NDArray[np.float64]:
    """The contexts, (n, d). Raises WrongContext."""
    queries = [item.query for item in items]
    if queries[0].vector is not None:
        joined = b"".join(query.vector or b"" for query in queries)
        return feature_map.from_vectors(np.frombuffer(joined).reshape(len(queries), -1))
    texts = [query.text or "" for query in queries]
    return feature_map.from_texts(texts, [query.labels for query in queries])


def waves(items: list[Item]) -> list[list[int]]:
    """Indices in turns such that no session comes twice in one: the second query of a
    session has to see the arm of the first."""
    found: list[list[int]] = []
    turns: dict[str, int] = {}
    for index, item in enumerate(items):
        session = item.query.session
        turn = turns.get(session, 0) if session else 0
        if session:
            turns[session] = turn + 1
        if turn == len(found):
            found.append([])
        found[turn].append(index)
    return found


def settle_all(items: list[Item], answer: Answer) -> None:
    for item in items:
        item.settle(answer)


def fail_all(items: list[Item], error: Exception) -> None:
    for item in items:
        item.call.fail(error)
