"""What is old goes, what is needed stays, and nobody counts wrong: against plain Python."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import text

from bandit_service.draw import new_ids
from bandit_service.model import Decision, JournalEntry, Limits, StoredPolicy, smallest_id
from bandit_service.ports import Store
from bandit_service.store import open_store, pruning
from bandit_service.store.engine import open_engine
from tests.builders import SECRET, a_config, a_decision, a_feedback_event, a_revision
from tests.store.records import a_learned, a_policy, a_recorded, an_outcome

DAY = 86_400.0
SPAN, COUNT = 100, 300  # days, decisions
# Partitions begin in the future of the migration, so that is where these decisions were made.
BEGIN = time.time() + 14 * DAY
NOW = BEGIN + SPAN * DAY


class Past:
    """Decisions of a hundred days, half of them with a request id, and feedback on every third,
    of two policies; a third one was deleted, and a fourth has been silent for long."""

    def __init__(self, store: Store) -> None:
        random = Random(7)
        self.policies = [a_policy(store, name) for name in ("one", "two", "deleted", "silent")]
        moments = sorted(random.uniform(BEGIN, NOW) for _ in range(COUNT))
        self.decisions = [self._decision(n, at) for n, at in enumerate(moments)]
        self.told: dict[int, list[tuple[str, float]]] = {}  # by policy: feedback id, time
        with store.write() as transaction:
            transaction.add_decisions(self.decisions)
            for policy in self.policies[:2]:
                self._tell(transaction, policy)
            transaction.delete_policy(self.policies[2].id, NOW)

    def _decision(self, number: int, at: float) -> Decision:
        which = 3 if number == 4 else number % 3
        return a_decision(
            id=new_ids(1, at)[0],
            policy_id=self.policies[which].id,
            create_time=at,
            request_id=f"r{number}" if number % 2 else None,
        )

    def _tell(self, transaction: object, policy: StoredPolicy) -> None:
        mine = [one for one in self.decisions if one.policy_id == policy.id]
        told = [(one, one.create_time + DAY) for one in mine[::3]]
        entries = [JournalEntry(1, a_revision(a_config()))]
        entries += [
            JournalEntry(n, a_feedback_event(feedback_id=one.id, decision_id=one.id, time=at))
            for n, (one, at) in enumerate(told, 2)
        ]
        transaction.lock_head(policy.id)  # type: ignore[attr-defined]
        transaction.append(  # type: ignore[attr-defined]
            policy.id,
            entries,
            [a_recorded(one.id, n) for n, (one, _) in enumerate(told, 2)],
            [an_outcome(decision_id=one.id) for one, _ in told],
            [a_learned(decision_id=one.id) for one, _ in told],
        )
        self.told[policy.id] = [(one.id, at) for one, at in told]

    def newest(self) -> set[str]:
        """The last decision of each policy that lives."""
        living = {one.id for one in self.policies} - {self.policies[2].id}
        return {max(d.id for d in self.decisions if d.policy_id == one) for one in living}


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Not the shared one: partitions go."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/test.db"
    url: str = request.getfixturevalue("postgres_databases")("migrated")
    return url


@pytest.fixture
def store(store_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr("bandit_service.store.pruning.BATCH", 7)
    store = open_store(store_url)
    # Five weeks at once would be one partition.
    for days in range(14, SPAN, 28):
        store.make_partitions(BEGIN + days * DAY)
    yield store
    store.close()


def everything(url: str) -> dict[str, list[tuple[object, ...]]]:
    """Every row of the tables that are pruned, by their keys."""
    keys = {
        "decision": "id",
        "outcome": "decision_id",
        "learned": "decision_id",
        "route_request": "request_id",
        "recorded_feedback": "policy_id, feedback_id",
        "journal": "policy_id, position",
    }
    engine = open_engine(url)
    with engine.connect() as connection:
        found = {
            table: [tuple(row) for row in connection.execute(text(f"SELECT {key} FROM {table}"))]  # noqa: S608
            for table, key in keys.items()
        }
    engine.dispose()
    return {table: sorted(rows) for table, rows in found.items()}


def ids(rows: list[tuple[object, ...]]) -> set[object]:
    return {one[-1] for one in rows}


def whole_weeks(url: str, moment: float) -> float:
    """Partitions go as a whole, so up to a Monday; rows go one by one."""
    if url.startswith("sqlite"):
        return moment
    day = datetime.fromtimestamp(moment, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return (day - timedelta(days=day.weekday())).timestamp()


def test_decisions_go_with_all_that_came_of_them(store: Store, store_url: str) -> None:
    past, before = Past(store), NOW - 60.5 * DAY

    store.prune(Limits(decisions_before=before), dry_run=False)

    left, bound = everything(store_url), smallest_id(whole_weeks(store_url, before))
    young = {one.id for one in past.decisions if one.id >= bound}
    told = {one for told in past.told.values() for one, _ in told}
    assert 100 < len(young) < 250
    assert ids(left["decision"]) == young | past.newest()
    assert past.newest() - young, "of the silent policy"
    assert ids(left["outcome"]) == ids(left["learned"]) == young & told
    exact = smallest_id(before)
    asked = {one.request_id for one in past.decisions if one.id >= exact and one.request_id}
    assert ids(left["route_request"]) == asked
    assert len(left["recorded_feedback"]) == len(told)
    assert len(left["journal"]) == len(told) + 2


def test_the_clock_of_a_silent_policy_is_kept(store: Store, store_url: str) -> None:
    past = Past(store)
    silent = past.policies[3].id
    clock = store.last_clock(silent)

    for days in (60, 30, 1):
        store.prune(Limits(decisions_before=NOW - days * DAY), dry_run=False)

    assert store.last_clock(silent) == clock is not None
    # And goes when there is a later one.
    store.log_decisions([a_decision(id=new_ids(1, NOW)[0], policy_id=silent, clock=2e9)])
    store.prune(Limits(decisions_before=NOW - DAY), dry_run=False)
    last = [one.id for one in past.decisions if one.policy_id == silent]
    assert store.last_clock(silent) == 2e9
    assert ids(everything(store_url)["decision"]).isdisjoint(last)


def test_feedback_ids_go_by_the_time_of_their_events(store: Store, store_url: str) -> None:
    past, before = Past(store), NOW - 40 * DAY

    store.prune(Limits(feedback_ids_before=before), dry_run=False)

    left = everything(store_url)
    expected = {
        (policy, one) for policy, told in past.told.items() for one, at in told if at >= before
    }
    assert 20 < len(expected) < 60
    assert set(left["recorded_feedback"]) == expected
    assert len(left["decision"]) == COUNT


@pytest.mark.parametrize(("days", "reach"), [(40, 15), (40, 1000), (99, 1000), (0, 3)])
def test_the_journal_goes_up_to_the_checkpoint_and_the_moment_and_keeps_revisions(
    store: Store, store_url: str, days: int, reach: int
) -> None:
    past, before = Past(store), NOW - days * DAY
    one, two = (policy.id for policy in past.policies[:2])

    store.prune(Limits(journal_before=before, journal={one: reach}), dry_run=False)

    expected = [(one, 1)]
    expected += [
        (one, position)
        for position, (_, at) in enumerate(past.told[one], 2)
        if at >= before or position > reach
    ]
    expected += [(two, position) for position in range(1, len(past.told[two]) + 2)]
    assert everything(store_url)["journal"] == expected
    assert store.last_revisions().keys() == {one, two}


ALL = Limits(
    decisions_before=NOW - 30 * DAY,
    feedback_ids_before=NOW - 30 * DAY,
    journal_before=NOW - 30 * DAY,
    journal={1: 10, 2: 5},
)


def test_a_dry_run_tells_what_would_go_and_leaves_it(store: Store, store_url: str) -> None:
    Past(store)
    before = everything(store_url)

    told = store.prune(ALL, dry_run=True)

    assert everything(store_url) == before
    done = store.prune(ALL, dry_run=False)
    assert {(one.table, one.partition) for one in done} == {
        (one.table, one.partition) for one in told
    }
    after = everything(store_url)
    counted = {table: len(before[table]) - len(after[table]) for table in before}
    assert min(counted.values()) > 0
    exact = {one.table: one.rows for one in told if one.partition is None}
    exact |= {one.table: one.rows for one in done if one.partition is None}
    tables = (
        before
        if store_url.startswith("sqlite")
        else before.keys() - {"decision", "outcome", "learned"}
    )
    assert {table: exact[table] for table in tables} == {table: counted[table] for table in tables}


def test_what_has_gone_is_gone_and_no_limit_takes_nothing(store: Store, store_url: str) -> None:
    Past(store)
    before = everything(store_url)
    assert store.prune(Limits(), dry_run=False) == []
    assert everything(store_url) == before

    assert store.prune(ALL, dry_run=False) != []
    after = everything(store_url)

    assert store.prune(ALL, dry_run=False) == []
    assert everything(store_url) == after


class BrokenOff(Exception):
    """As if the process had ended there."""


def test_whatever_was_broken_off_left_nothing_half_known(
    store: Store, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    past = Past(store)
    told = {one for told in past.told.values() for one, _ in told}
    steps = {"left": 0}

    def breaking(step: Callable[..., None]) -> Callable[..., None]:
        def run(*given: object) -> None:
            if not steps["left"]:
                raise BrokenOff
            steps["left"] -= 1
            step(*given)

        return run

    for name in ("_delete", "_drop_partitions"):
        step = getattr(pruning._Pruner, name)
        monkeypatch.setattr(pruning._Pruner, name, breaking(step))
    sizes = []
    for allowed in range(10):
        steps["left"] = allowed
        try:
            store.prune(Limits(decisions_before=NOW - 30 * DAY), dry_run=False)
        except BrokenOff:
            left = everything(store_url)
            sizes.append(len(left["route_request"]) + len(left["outcome"]))
            kept = ids(left["decision"])
            held = {one.request_id: one.id for one in past.decisions if one.request_id}
            assert {held[str(one)] for one in ids(left["route_request"])} <= kept
            assert (kept & told) - past.newest() <= ids(left["outcome"])
            assert (kept & told) - past.newest() <= ids(left["learned"])

    assert len(set(sizes)) >= 3, "it did break off in between"


def test_several_may_prune_while_others_write(store: Store, store_url: str) -> None:
    past = Past(store)
    stores = [open_store(store_url) for _ in range(3)]
    fresh = [a_decision(id=new_ids(1, NOW)[0], policy_id=1) for _ in range(60)]

    def write(decisions: list[Decision]) -> None:
        for one in decisions:
            store.log_decisions([one])

    with ThreadPoolExecutor(4) as pool:
        writing = pool.submit(write, fresh)
        for one in list(pool.map(lambda each: each.prune(ALL, False), stores)):
            assert isinstance(one, list)
        writing.result()

    kept = ids(everything(store_url)["decision"])
    assert {one.id for one in fresh} <= kept
    bound = smallest_id(whole_weeks(store_url, NOW - 30 * DAY))
    assert (
        kept - {one.id for one in fresh} - past.newest()
        == {one.id for one in past.decisions if one.id >= bound} - past.newest()
    )
    for each in stores:
        each.close()


def test_a_store_without_policies_has_no_revisions(store: Store) -> None:
    assert store.last_revisions() == {}
    with store.write() as transaction:
        transaction.create_policy("chat", SECRET, NOW)
    assert store.last_revisions() == {}
