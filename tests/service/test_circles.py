"""Two replicas write what each other's tokens speak of, and never wait for each other in a circle.

After an outage each has decisions of its own to write, and gets feedback on the other's, which it
makes of their tokens. Postgres ends a circle by failing one of the two, after a second.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import psycopg
import pytest

from bandit_service import failpoints
from bandit_service.configuration import updated
from bandit_service.errors import BanditError
from bandit_service.hearing import Hearing
from bandit_service.model import Decision, Recorded, Submission
from bandit_service.revising import revise
from bandit_service.store import open_store
from bandit_service.store.sql_store import SqlTransaction
from bandit_service.tokens.signing import Keys, read, sign
from bandit_service.work import DecisionJob, FeedbackJob
from tests.builders import NOW, a_config, a_decision, a_submission
from tests.faults.replica import Replica, ask, create
from tests.patience import PATIENCE
from tests.service.test_tokens import HORIZON, House

TOGETHER = 2.0  # seconds that one waits at a place for the other, which may never get there
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


class Listening(Hearing):
    """Keeps what it was told of transactions that came to nothing."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.failures: list[Exception] = []

    def commit_failed(self, writer: Any, error: Exception) -> None:
        self.failures.append(error)
        super().commit_failed(writer, error)


@pytest.fixture
def url(postgres_databases: Callable[[str], str]) -> str:
    return postgres_databases("migrated")


@pytest.fixture
def replicas(url: str) -> Iterator[list[Replica]]:
    stores = [open_store(url) for _ in range(2)]
    create(Replica(stores[0], lambda: NOW), a_config())
    yield [Replica(store, lambda: NOW, Listening) for store in stores]
    for store in stores:
        store.close()
    with psycopg.connect(url) as connection:  # their servers have told what they have counted
        assert connection.execute(DEADLOCKS).fetchone() == (0,)


def with_token(keys: Keys, decision: Decision, name: str) -> Submission:
    claim = read(sign(decision, keys, 2 * HORIZON), keys, NOW)
    return a_submission(decision_id=decision.id, feedback_id=name, success=True, claims=(claim,))


def tell(replica: Replica, kept: list[Decision], told: Submission, is_again: bool) -> list[Any]:
    """Both get into the writer's next transaction; what is answered, sooner or later."""
    answers: list[Any] = []
    replica._submit(DecisionJob(kept, answers.append, answers.append, is_again), answers.append)
    replica._submit(FeedbackJob([told], answers.extend, answers.append), answers.append)
    return answers


def wait_at(place: threading.Barrier) -> None:
    with suppress(threading.BrokenBarrierError):  # the other waits for what this one holds
        place.wait(TOGETHER)


def write_together(replicas: list[Replica], monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """Each writer waits at a place of its first transaction until the other is there too."""
    here, been = threading.Barrier(2), threading.local()

    def wait(reached: str) -> None:
        if reached == place and not getattr(been, "there", False):
            been.there = True
            wait_at(here)

    monkeypatch.setattr(failpoints, "hit", wait)
    with ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(replica.write) for replica in replicas]:
            done.result(PATIENCE)
    monkeypatch.undo()
    for replica in replicas:
        replica.settle()


@pytest.mark.parametrize("is_again", [True, False], ids=["kept through an outage", "just made"])
def test_decisions_and_feedback_on_the_others_decisions(
    replicas: list[Replica], url: str, monkeypatch: pytest.MonkeyPatch, is_again: bool
) -> None:
    keys = House("k1").keys
    made = [a_decision(id=f"d{number}", degraded=is_again) for number in range(2)]
    answers = [
        tell(replica, [mine], with_token(keys, others, f"f{mine.id}"), is_again)
        for replica, mine, others in zip(replicas, made, made[::-1], strict=True)
    ]

    write_together(replicas, monkeypatch, "after_decisions")

    check_nobody_failed(replicas, answers)
    store = replicas[0].store
    assert [store.decision(one.id) for one in made] == made
    told = [one.event.feedback_id for one in store.events(1, 1, 100)]  # type: ignore[union-attr]
    assert sorted(told) == ["fd0", "fd1"]


def check_nobody_failed(replicas: list[Replica], answers: list[list[Any]]) -> None:
    for replica, answered in zip(replicas, answers, strict=True):
        assert replica._journal._hearing.failures == []  # type: ignore[attr-defined]
        assert not [one for one in answered if isinstance(one, BanditError)]
        assert [one.duplicate for one in answered if isinstance(one, Recorded)] == [False]


def test_feedback_that_one_of_them_needs_to_read_on_for(
    replicas: list[Replica], monkeypatch: pytest.MonkeyPatch
) -> None:
    """To know the revision of a token is no reason to lock a journal before a row is written."""
    behind, ahead = replicas
    ask(ahead, lambda a: ahead.change(lambda b: revise(b, 1, "", updated({"floor": 0.5})), a))
    keys, lost = House("k1").keys, a_decision(id="lost", revision=2, position=2)
    answers: list[list[Any]] = [[], []]
    for replica, answered in zip(replicas, answers, strict=True):
        told = with_token(keys, lost, f"f{len(answered)}{replica is ahead}")
        replica._submit(FeedbackJob([told], answered.extend, answered.append), answered.append)
    lock, here = SqlTransaction.lock_head, threading.Barrier(2)

    def locked(self: SqlTransaction, policy_id: int) -> int:
        """One waits with the lock for the other, which is about to ask for it."""
        if threading.current_thread().name == "ahead":
            wait_at(here)
            return lock(self, policy_id)
        found = lock(self, policy_id)
        wait_at(here)
        return found

    monkeypatch.setattr(SqlTransaction, "lock_head", locked)
    threads = [
        threading.Thread(target=behind.write, name="behind"),
        threading.Thread(target=ahead.write, name="ahead"),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    monkeypatch.undo()
    for replica in replicas:
        replica.settle()

    check_nobody_failed(replicas, answers)
