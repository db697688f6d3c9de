"""Several stores on one database at once, as several replicas are."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain, product
from threading import Barrier
from typing import TypeVar

import pytest

from bandit_service.errors import PolicyExists
from bandit_service.model import Decision, StoredPolicy
from bandit_service.ports import Store
from bandit_service.store import open_store
from tests.builders import NOW, SECRET, a_decision
from tests.store.records import a_policy, append

T = TypeVar("T")

REPLICAS = 3
ROUNDS = 30
BATCHES, BATCH = 8, 400  # so long that two of them do meet half way


@pytest.fixture
def replicas(store_url: str) -> Iterator[list[Store]]:
    stores = [open_store(store_url) for _ in range(REPLICAS)]
    yield stores
    for store in stores:
        store.close()


def all_at_once(stores: list[Store], act: Callable[[int, Store], T]) -> list[T]:
    """What `act` returned for each store; they start together."""
    start = Barrier(len(stores), timeout=30)

    def one(number: int) -> T:
        start.wait()
        return act(number, stores[number])

    with ThreadPoolExecutor(len(stores)) as pool:
        return list(pool.map(one, range(len(stores))))


def test_positions_have_no_gap_and_no_double(replicas: list[Store]) -> None:
    policy = a_policy(replicas[0])

    def append_often(number: int, store: Store) -> list[int]:
        positions = []
        for turn in range(ROUNDS):
            with store.write() as transaction:
                names = [f"{number}-{turn}-{n}" for n in range(turn % 3 + 1)]
                positions += append(transaction, policy.id, *names)
        return positions

    positions = all_at_once(replicas, append_often)

    total = REPLICAS * ROUNDS * 2  # 1, 2 and 3 by turns
    assert sorted(chain(*positions)) == list(range(1, total + 1))
    events = replicas[0].events(policy.id, 0, total + 1)
    assert [one.position for one in events] == list(range(1, total + 1))
    assert all(mine == sorted(mine) for mine in positions)


def test_whoever_waited_for_the_head_sees_what_was_committed_meanwhile(
    replicas: list[Store],
) -> None:
    policy = a_policy(replicas[0])

    def tell_once(_number: int, store: Store) -> int:
        told = 0
        for turn in range(ROUNDS):
            with store.write() as transaction:
                head = transaction.lock_head(policy.id)
                assert len(transaction.events(policy.id, 0, 1000)) == head
                if not transaction.recorded(policy.id, [f"f{turn}"]):
                    append(transaction, policy.id, f"f{turn}")
                    told += 1
        return told

    assert sum(all_at_once(replicas, tell_once)) == ROUNDS


def every_decision(store: Store) -> set[str]:
    ids = product(range(BATCHES), range(BATCH), range(REPLICAS))
    with store.write() as transaction:
        return set(transaction.decisions(["-".join(map(str, one)) for one in ids]))


def test_replicas_agree_who_holds_a_request_id(replicas: list[Store]) -> None:
    def route(number: int, store: Store, turn: int) -> dict[str, Decision]:
        names = [f"{turn}-{n}" for n in range(BATCH)]
        batch = [a_decision(id=f"{name}-{number}", request_id=name) for name in names]
        # In the opposite order they would wait for each other, if the store did not sort.
        with store.write() as transaction:
            return transaction.add_decisions(batch[:: -1 if number else 1])

    answers = [all_at_once(replicas, partial(route, turn=turn)) for turn in range(BATCHES)]

    known = every_decision(replicas[0])
    for turn in range(BATCHES):
        for n in range(BATCH):
            ids = [f"{turn}-{n}-{number}" for number in range(REPLICAS)]
            stored = [one for one in ids if one in known]
            assert len(stored) == 1
            told = [answers[turn][number].get(one) for number, one in enumerate(ids)]
            assert {one.id for one in told if one} == set(stored)
            assert told.count(None) == 1


def test_one_of_several_creates_a_policy(replicas: list[Store]) -> None:
    def create(_number: int, store: Store) -> StoredPolicy | None:
        try:
            with store.write() as transaction:
                return transaction.create_policy("chat", SECRET, NOW)
        except PolicyExists:
            return None

    made = [one for one in all_at_once(replicas, create) if one]

    assert replicas[0].policies() == made
    assert len(made) == 1


def test_one_store_writes_for_several_threads_in_turn(store: Store) -> None:
    policy = a_policy(store)

    def append_once(number: int, store: Store) -> list[int]:
        with store.write() as transaction:
            return append(transaction, policy.id, f"f{number}")

    positions = all_at_once([store] * 8, append_once)

    assert sorted(chain(*positions)) == list(range(1, 9))
