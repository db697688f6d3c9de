"""What must always hold cannot be broken, not even by a bug of ours."""

from collections.abc import Callable
from math import inf, nan
from typing import Any

import pytest
from sqlalchemy.exc import DatabaseError

from bandit_service.model import EnergySource, Failure, JournalEntry, Kind, Outcome, Usage
from bandit_service.ports import Store, Transaction
from tests.builders import NOW, a_decision, a_feedback_event, packed
from tests.store.records import a_learned, a_policy, a_recorded, an_outcome


def refused(store: Store, act: Callable[[Transaction], object]) -> None:
    def write() -> None:
        with store.write() as transaction:
            act(transaction)

    with pytest.raises(DatabaseError):
        write()


@pytest.mark.parametrize(
    "changes",
    [
        {"propensity": 0.0},
        {"propensity": 1.0000000000000002},
        {"propensity": nan},
        {"arm": -1},
        {"arm": 3},
        {"second_arm": -1},
        {"second_arm": 3},
        {"revision": -1},
        {"position": -1},
        {"create_time": -1.0},
        {"create_time": nan},
        {"create_time": inf},
        {"clock": nan},
        {"clock": inf},
        {"context": b"seven b"},
        {"probabilities": packed(0.5, 0.5)},
        {"means": b""},
        {"deviations": packed(1.0, 1.0, 1.0, 1.0)},
        {"shadow": packed(1.0)},
        {"offsets": packed(1.0)},
        {"input_tokens": -1},
        {"output_tokens": -1},
        {"id": None},
        {"context": None},
        {"arm": None},
    ],
    ids=str,
)
def test_a_wrong_decision_is_refused_with_its_whole_batch(
    store: Store, changes: dict[str, Any]
) -> None:
    batch = [a_decision(id="good"), a_decision(**changes)]

    refused(store, lambda transaction: transaction.add_decisions(batch))

    assert store.decision("good") is None
    with store.write() as transaction:
        assert transaction.add_decisions(batch[:1]) == {}, "and the store goes on"


@pytest.mark.parametrize("changes", [{"revision": "one"}, {"context": "text"}])
def test_a_wrong_type_is_refused(store: Store, changes: dict[str, Any]) -> None:
    with pytest.raises((DatabaseError, TypeError)), store.write() as transaction:
        transaction.add_decisions([a_decision(**changes)])

    assert store.decision("d1") is None


@pytest.mark.parametrize(
    "wrong",
    [
        an_outcome(value=-0.1),
        an_outcome(value=1.1),
        an_outcome(value=nan),
        an_outcome(value=None),
        an_outcome(kind=Kind.SCORE),
        an_outcome(kind="opinion"),
        an_outcome(source="nobody"),
        an_outcome(arm=-1),
        an_outcome(position=0),
        an_outcome(update_time=inf),
        an_outcome(failure=Failure.ERROR),
        an_outcome(kind=Kind.FAILURE),
        an_outcome(usage=Usage(cost_usd=1.0)),
        an_outcome(usage=Usage(energy_source=EnergySource.MEASURED)),
        an_outcome(kind=Kind.USAGE, usage=Usage(cost_usd=-1.0)),
        an_outcome(kind=Kind.USAGE, usage=Usage(cost_usd=inf)),
        an_outcome(kind=Kind.USAGE, usage=Usage(input_tokens=-1)),
        an_outcome(kind=Kind.USAGE, usage=Usage(output_tokens=-1)),
        an_outcome(kind=Kind.USAGE, usage=Usage(latency_seconds=-1.0)),
        an_outcome(kind=Kind.USAGE, usage=Usage(time_to_first_token_seconds=-1.0)),
        an_outcome(kind=Kind.USAGE, usage=Usage(energy_joules=-1.0)),
    ],
    ids=str,
)
def test_a_wrong_outcome_is_refused(store: Store, wrong: Outcome) -> None:
    for name in ("kind", "source"):  # a word that is in no enum
        word = getattr(wrong, name)
        if isinstance(word, str) and not hasattr(word, "_value_"):
            wrong = an_outcome(**{name: Unlisted(word)})

    refused(store, lambda transaction: transaction.append(1, [], [], [wrong], []))

    assert store.outcomes("d1") == []


class Unlisted:
    """A word that is in no enum, written as those of enums are."""

    def __init__(self, word: str) -> None:
        self._value_ = word


@pytest.mark.parametrize("changes", [{"value": 1.5}, {"value": nan}, {"arm": -1}, {"epoch": -1}])
def test_a_wrong_learned_value_is_refused(store: Store, changes: dict[str, Any]) -> None:
    refused(store, lambda transaction: transaction.append(1, [], [], [], [a_learned(**changes)]))


def test_a_feedback_id_is_answered_once(store: Store) -> None:
    twice = [a_recorded("f1", 1), a_recorded("f1", 2)]

    refused(store, lambda transaction: transaction.append(1, [], twice, [], []))


def test_an_unlisted_effect_is_refused(store: Store) -> None:
    odd = a_recorded(effect=Unlisted("forgotten"))

    refused(store, lambda transaction: transaction.append(1, [], [odd], [], []))


@pytest.mark.parametrize("time", [nan, inf, -1.0])
def test_an_event_needs_its_time(store: Store, time: float) -> None:
    policy = a_policy(store)

    def append(transaction: Transaction) -> None:
        transaction.lock_head(policy.id)
        entry = JournalEntry(1, a_feedback_event(time=time))
        transaction.append(policy.id, [entry], [], [], [])

    refused(store, append)

    assert store.events(policy.id, 0, 9) == []


def test_a_policy_needs_its_time(store: Store) -> None:
    refused(store, lambda transaction: transaction.create_policy("chat", b"secret", inf))
    policy = a_policy(store)
    refused(store, lambda transaction: transaction.delete_policy(policy.id, NOW * 1e9))

    assert store.policies() == [policy]
