"""What every store promises of the outcomes that stand and the qualities learned."""

from typing import Any

import msgspec
import pytest

from bandit_service.model import EnergySource, Failure, Kind, Outcome, Source, Usage
from bandit_service.ports import Store
from tests.store.records import FULL_USAGE, a_learned, an_outcome

OUTCOMES = [
    *(an_outcome(arm=n, source=source) for n, source in enumerate(Source)),
    an_outcome(kind=Kind.SCORE, value=-0.0),
    an_outcome(kind=Kind.PREFERENCE, value=None),
    an_outcome(kind=Kind.PREFERENCE, value=0.5, arm=1),
    *(an_outcome(kind=Kind.FAILURE, failure=one, arm=n) for n, one in enumerate(Failure)),
    an_outcome(kind=Kind.USAGE, usage=Usage()),
    an_outcome(kind=Kind.USAGE, usage=FULL_USAGE, arm=1, update_time=1_763_774_242.123457),
    *(
        an_outcome(kind=Kind.USAGE, usage=msgspec.convert({name: value}, Usage), arm=n)
        for n, (name, value) in enumerate(
            {
                "cost_usd": 0.0,
                "input_tokens": 0,
                "output_tokens": 1,
                "latency_seconds": 0.25,
                "time_to_first_token_seconds": 0.125,
                "energy_joules": 3.5,
                "energy_source": EnergySource.MEASURED,
            }.items(),
            start=2,
        )
    ),
]


def key_of(outcome: Outcome) -> tuple[Any, ...]:
    return outcome.position, outcome.decision_id, outcome.arm, outcome.kind, outcome.source


@pytest.mark.parametrize("together", [True, False])
def test_every_outcome_comes_back_as_it_went_in(store: Store, together: bool) -> None:
    batches = [OUTCOMES] if together else [[one] for one in OUTCOMES]
    with store.write() as transaction:
        for batch in batches:
            transaction.append(1, [], [], batch, [])

    assert store.outcomes("d1") == sorted(OUTCOMES, key=key_of)


def test_outcomes_are_listed_by_position(store: Store) -> None:
    later, earlier = an_outcome(arm=0, position=2), an_outcome(arm=1, position=1)

    with store.write() as transaction:
        transaction.append(1, [], [], [later, earlier], [])

    assert store.outcomes("d1") == [earlier, later]


def test_an_outcome_replaces_the_whole_of_the_one_before(store: Store) -> None:
    told = an_outcome(kind=Kind.USAGE, usage=FULL_USAGE)
    corrected = an_outcome(kind=Kind.USAGE, usage=Usage(latency_seconds=1.0), position=2)
    untouched = an_outcome()

    with store.write() as transaction:
        transaction.append(1, [], [], [told, untouched], [])
        transaction.append(1, [], [], [corrected], [])

    assert store.outcomes("d1") == [untouched, corrected]


def test_of_equal_keys_in_one_call_the_last_stands(store: Store) -> None:
    outcomes = [an_outcome(position=n, value=n / 10) for n in (1, 2, 3)]
    learned = [a_learned(value=n / 10) for n in (1, 2, 3)]

    with store.write() as transaction:
        transaction.append(1, [], [], outcomes, learned)

        assert transaction.standing(["d1"]) == (outcomes[-1:], learned[-1:])


def test_what_stands_is_told_for_the_decisions_asked(store: Store) -> None:
    learned = [
        a_learned(value=0.1 + 0.2),
        a_learned(arm=1, epoch=2**40),
        a_learned(decision_id="d2"),
    ]
    outcomes = [an_outcome(), an_outcome(decision_id="d2")]
    with store.write() as transaction:
        transaction.append(1, [], [], outcomes, learned)

        assert transaction.standing(["d1", "d2", "d1"]) == (outcomes, learned)
        assert transaction.standing(["d2"]) == (outcomes[1:], learned[2:])
        assert transaction.standing(["nobody"]) == ([], [])
