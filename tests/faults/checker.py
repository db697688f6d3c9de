"""Opens the database after a test and compares it with what the clients were told.

Reads the tables with statements of its own; the learned state is folded again from the journal
by a fresh engine, and the counts are made again from the outcomes, which no fold has touched.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import create_engine, text

from bandit_service.engine import PolicyEngine
from bandit_service.model import Decision, FeedbackEvent, Query
from bandit_service.ports import Store
from bandit_service.rpc.pb import routing_pb2 as pb
from bandit_service.store import open_store
from tests.builders import shape_of
from tests.faults.clients import Acknowledged
from tests.patience import wait_until

EFFECTS = {value: name.removeprefix("EFFECT_").lower() for name, value in pb.Effect.items()}
# As the documentation ranks them: who is believed first, and which kind is finer.
RANKS = ("expert", "user", "check", "judge", "implicit")
KINDS = ("score", "success")


@dataclass
class Verdict:
    """What was found. `lost` and `twice` are asserted to be 0 unless the caller asks not to."""

    acknowledged: int
    lost: int
    twice: int
    position: int
    state_hash: str


def check(url: str, told: Acknowledged, policy_id: int = 1, may_lose: bool = False) -> Verdict:
    """All that has to hold of the database, whatever was killed. Raises AssertionError."""
    rows = _Rows(url)
    head = rows.one("SELECT head FROM policy_head WHERE policy_id = :p", p=policy_id)
    positions = rows.column(
        "SELECT position FROM journal WHERE policy_id = :p ORDER BY 1", policy_id
    )
    assert positions == list(range(1, head + 1)), "the journal has gaps, or its head is elsewhere"
    recorded = {
        r[0]: (r[1], r[2])
        for r in rows.all(
            "SELECT feedback_id, position, effect FROM recorded_feedback WHERE policy_id = :p",
            p=policy_id,
        )
    }
    store = open_store(url)
    try:
        twice = _each_once(store, policy_id, recorded)
        lost = _lost(rows, told, recorded, policy_id)
        engine = fold(store, policy_id)
    finally:
        store.close()
    _recount(rows, engine)
    rows.close()
    assert twice == 0, f"{twice} pieces of feedback took effect twice"
    assert may_lose or not lost, f"{len(lost)} lost: {lost[:5]}"
    return Verdict(told.count(), len(lost), twice, head, engine.state_hash())


def wait_until_stored(url: str, told: Acknowledged) -> None:
    """What was answered from memory gets into the log by itself, flagged. AssertionError if not."""
    rows = _Rows(url)

    def all_are() -> bool:
        found = rows.all("SELECT id FROM decision WHERE degraded")
        rows.end()
        return {one for (one,) in found} >= told.degraded

    try:
        wait_until(all_are, "what was answered from memory is stored, flagged as degraded")
    finally:
        rows.close()


def fold(store: Store, policy_id: int = 1, until: int | None = None) -> PolicyEngine:
    """The state of a policy, from nothing, one entry after another."""
    (identity,) = [one for one in store.policies() if one.id == policy_id]
    engine = PolicyEngine(identity, shape_of)
    while page := store.events(policy_id, engine.position, 1_000):
        for entry in page:
            if until is not None and entry.position > until:
                return engine
            engine.apply(entry)
    return engine


def rederive(url: str, wanted: Iterable[str], policy_id: int = 1) -> int:
    """Decides again, from the state at each decision's position; returns how many it looked at.

    The same arm exactly, the same probabilities to 1e-9, which sum to 1 within 1e-12.
    """
    store = open_store(url)
    try:
        found = [store.decision(one) for one in wanted]
        decisions = sorted((d for d in found if d is not None), key=lambda d: d.position)
        engine = fold(store, policy_id, until=0)
        for decision in decisions:
            if engine.position < decision.position:
                after = decision.position - engine.position
                for entry in store.events(policy_id, engine.position, after):
                    engine.apply(entry)
            _same_again(engine, decision)
    finally:
        store.close()
    return len(decisions)


def _same_again(engine: PolicyEngine, decision: Decision) -> None:
    query = Query(policy="chat", request_id=decision.request_id or "")
    context = np.frombuffer(decision.context)[None, :]
    (again,) = engine.decide([query], context, decision.create_time, [decision.id])
    assert isinstance(again, Decision)
    chances = np.frombuffer(decision.probabilities)
    np.testing.assert_allclose(np.frombuffer(again.probabilities), chances, rtol=0, atol=1e-9)
    assert (again.arm, again.revision) == (decision.arm, decision.revision)
    assert abs(chances.sum() - 1.0) < 1e-12
    assert decision.propensity == chances[decision.arm] > 0.0


class _Rows:
    def __init__(self, url: str) -> None:
        url = url.replace("postgresql://", "postgresql+psycopg://")
        self._engine = create_engine(url)
        self._connection = self._engine.connect()

    def all(self, statement: str, **values: object) -> Sequence[Any]:
        return self._connection.execute(text(statement), values).fetchall()

    def one(self, statement: str, **values: object) -> Any:
        ((value,),) = self.all(statement, **values)
        return value

    def column(self, statement: str, policy_id: int) -> list[Any]:
        return [value for (value,) in self.all(statement, p=policy_id)]

    def end(self) -> None:
        """The next statement sees what has been committed meanwhile."""
        self._connection.rollback()

    def close(self) -> None:
        self._connection.close()
        self._engine.dispose()


def _each_once(store: Store, policy_id: int, recorded: dict[str, Any]) -> int:
    """How many feedback ids are in the journal more than once; they are those recorded."""
    seen: Counter[str] = Counter()
    lessons: dict[tuple[str, int], float | None] = {}
    position = 0
    while page := store.events(policy_id, position, 1_000):
        for entry in page:
            position, event = entry.position, entry.event
            if isinstance(event, FeedbackEvent):
                seen[event.feedback_id] += 1
                assert recorded[event.feedback_id] == (position, event.effect.value)
                for lesson in event.lessons:  # what it replaces is what stood before
                    key = event.decision_id, lesson.arm
                    assert lessons.get(key) == lesson.old, f"{key}: {lesson.old} did not stand"
                    lessons[key] = lesson.new
    assert seen.keys() == recorded.keys()
    return sum(count - 1 for count in seen.values())


def _lost(
    rows: _Rows, told: Acknowledged, recorded: dict[str, tuple[int, str]], policy_id: int
) -> list[str]:
    lost = []
    stored = {r[0]: r[1:] for r in rows.all("SELECT id, request_id, arm, propensity FROM decision")}
    slots = dict(enumerate(("small", "middle", "large")))
    for key, choice in told.choices.items():
        answers = [choice, *told.decided_again.get(key, ())]
        rows_of = [stored.get(each.decision_id) for each in answers]
        wanted = [(each.arm, each.propensity) for each in answers]
        if [row and (slots[row[1]], row[2]) for row in rows_of] != wanted:
            lost.append(key)
            continue
        holding = [row[0] for row in rows_of if row is not None]
        request_id = None if key == choice.decision_id else key
        assert sorted(holding, key=str) == sorted(
            [request_id, *[None] * (len(answers) - 1)], key=str
        ), f"{key} is held by {holding}"
    for feedback_id, (_, answer) in told.feedback.items():
        if recorded.get(feedback_id) != (answer.position, EFFECTS[answer.effect]):
            lost.append(feedback_id)
    asked = rows.column("SELECT request_id FROM route_request WHERE policy_id = :p", policy_id)
    held = Counter(row[0] for row in stored.values() if row[0] is not None)
    assert set(held.values()) <= {1}, "a request id has more than one decision"
    assert held.keys() == set(asked)
    return lost


def _recount(rows: _Rows, engine: PolicyEngine) -> None:
    """Calls, failures, costs and qualities of each arm, from the outcomes that stand."""
    arms = len(engine.names)
    heard: set[tuple[str, int]] = set()
    failed: set[tuple[str, int]] = set()
    costs: dict[tuple[str, int], tuple[int, float]] = {}
    values: dict[tuple[str, int], tuple[tuple[int, int], float]] = {}
    for decision, arm, kind, source, position, value, cost in rows.all(
        "SELECT decision_id, arm, kind, source, position, value, cost_usd FROM outcome"
    ):
        key = decision, arm
        heard.add(key)
        if kind == "failure":
            failed.add(key)
        elif kind == "usage" and cost is not None:
            costs[key] = max(costs.get(key, (0, 0.0)), (position, cost))
        elif kind in KINDS:
            rank = (RANKS.index(source), KINDS.index(kind))
            values[key] = min(values.get(key, ((99, 99), 0.0)), (rank, value))
    _equal(engine.calls.failures, arms, ((arm, 1.0) for _, arm in failed))
    _equal(engine.calls.counts[:, 0], arms, ((arm, 1.0) for _, arm in costs))
    _equal(engine.calls.totals[:, 0], arms, ((k[1], c) for k, (_, c) in costs.items()))
    _equal(engine.calls.qualities[:, 1], arms, ((arm, 1.0) for _, arm in values))
    _equal(engine.calls.qualities[:, 0], arms, ((k[1], v) for k, (_, v) in values.items()))
    _equal(engine.calls.calls, arms, ((arm, 1.0) for _, arm in heard))


def _equal(sums: Any, arms: int, wanted: Iterable[tuple[int, float]]) -> None:
    np.testing.assert_allclose(sums, _summed(arms, wanted), rtol=1e-9, atol=1e-9)


def _summed(arms: int, wanted: Iterable[tuple[int, float]]) -> Any:
    total = np.zeros(arms)
    for arm, value in wanted:
        total[arm] += value
    return total
