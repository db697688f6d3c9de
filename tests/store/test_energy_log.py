"""What calls took, summed by the database, against the same sums done in Python."""

import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from bandit_service.errors import OlderSchema
from bandit_service.model import (
    EnergySource,
    JournalEntry,
    Kind,
    Outcome,
    RecordedEnergy,
    Source,
    Usage,
)
from bandit_service.ports import Store
from bandit_service.store import open_energy_log
from tests.builders import NOW, a_config, a_decision, a_revision
from tests.store.records import a_policy, an_outcome

MEASURED, SAMPLED, ESTIMATED = EnergySource


@pytest.fixture
def log(store: Store, store_url: str):
    log = open_energy_log(store_url)
    yield log
    log.close()


def keep(store: Store, name: str, decisions: list[dict[str, Any]], outcomes: list[Outcome]) -> int:
    policy = a_policy(store, name)
    with store.write() as transaction:
        transaction.lock_head(policy.id)
        entry = JournalEntry(1, a_revision(a_config(name=name)))
        transaction.append(policy.id, [entry], [], outcomes, [])
    with store.write() as transaction:
        transaction.add_decisions([a_decision(policy_id=policy.id, **each) for each in decisions])
    return policy.id


def usage(decision: str, joules: float | None, energy: EnergySource | None = MEASURED, **given):
    amounts = {name: given.pop(name) for name in list(given) if name.endswith("tokens")}
    known = None if joules is None else energy
    return an_outcome(
        decision_id=decision,
        kind=Kind.USAGE,
        usage=Usage(energy_joules=joules, energy_source=known, **amounts),
        **given,
    )


def test_joules_are_summed_by_arm_and_source_and_the_rest_is_counted(store, log) -> None:
    decisions = [{"id": f"d{n}", "arm": arm} for n, arm in enumerate([0, 0, 0, 0, 2])]
    keep(
        store,
        "chat",
        decisions,
        [
            usage("d0", 10.0, output_tokens=5),
            usage("d1", 20.0),
            usage("d2", 4.0, ESTIMATED),
            usage("d3", None, output_tokens=100),
            usage("d4", 0.0, arm=2, output_tokens=7),
        ],
    )

    assert log.energy() == [
        RecordedEnergy("chat", "small", MEASURED, 2, 30.0, 5, 10.0),
        RecordedEnergy("chat", "small", ESTIMATED, 1, 4.0),
        RecordedEnergy("chat", "small", None, 1),
        RecordedEnergy("chat", "large", MEASURED, 1, 0.0, 7),
    ]


def test_the_latest_usage_counts_whoever_sent_it(store, log) -> None:
    keep(
        store,
        "chat",
        [{"id": "d0"}],
        [
            usage("d0", None, position=2, source=Source.USER, output_tokens=9),
            usage("d0", 8.0, position=3, source=Source.CHECK, output_tokens=9),
            an_outcome(decision_id="d0", position=4),
        ],
    )

    assert log.energy() == [RecordedEnergy("chat", "small", MEASURED, 1, 8.0, 9, 8.0)]


def test_a_duel_is_two_calls(store, log) -> None:
    keep(
        store,
        "chat",
        [{"id": "d0", "arm": 0, "second_arm": 1}],
        [usage("d0", 8.0, SAMPLED, arm=1)],
    )

    assert log.energy() == [
        RecordedEnergy("chat", "small", None, 1),
        RecordedEnergy("chat", "medium", SAMPLED, 1, 8.0),
    ]


def test_it_can_be_narrowed_to_a_policy_and_a_time(store, log) -> None:
    keep(store, "chat", [{"id": f"d{n}", "create_time": NOW + n} for n in range(4)], [])
    keep(store, "code", [{"id": "e0"}], [])

    def calls(**narrowed) -> dict[str, int]:
        return {one.policy: one.calls for one in log.energy(**narrowed)}

    assert calls() == {"chat": 4, "code": 1}
    assert calls(policy="chat") == {"chat": 4}
    assert calls(policy="nobody") == {}
    assert calls(since=NOW + 1, until=NOW + 3) == {"chat": 2}


def test_a_deleted_policy_is_told_apart(store, log) -> None:
    policy_id = keep(store, "chat", [{"id": "d0"}], [usage("d0", 1.0)])
    with store.write() as transaction:
        transaction.delete_policy(policy_id, NOW)
    keep(store, "chat", [{"id": "d1"}], [usage("d1", 2.0)])

    assert [(one.policy, one.energy_joules) for one in log.energy()] == [
        ("chat", 2.0),
        ("chat (deleted)", 1.0),
    ]


def test_any_log_is_summed_as_python_sums_it(store, log) -> None:
    luck = random.Random(4)
    decisions, outcomes = [], []
    sums: dict[Any, list[Any]] = defaultdict(lambda: [0, 0.0, 0, 0.0])
    names = ("small", "medium", "large")
    for number in range(300):
        arm = luck.randrange(3)
        decisions.append({"id": f"d{number}", "arm": arm})
        joules = luck.choice([None, luck.uniform(0, 500)])
        tokens = luck.choice([None, luck.randrange(1000)])
        source = None if joules is None else luck.choice(list(EnergySource))
        if luck.random() < 0.8:
            outcomes.append(usage(f"d{number}", joules, source, arm=arm, output_tokens=tokens))
        else:
            joules = source = None
        each = sums[names[arm], source]
        each[0] += 1
        each[1] += joules or 0.0
        each[2] += (tokens or 0) if joules is not None else 0
        each[3] += (joules or 0.0) if tokens is not None else 0.0
    keep(store, "chat", decisions, outcomes)

    found = {(one.arm, one.source): one for one in log.energy()}
    assert found.keys() == sums.keys()
    for (arm, source), (calls, joules, tokens, with_tokens) in sums.items():
        one = found[arm, source]
        assert (one.calls, one.output_tokens) == (calls, tokens)
        assert one.energy_joules == (None if source is None else pytest.approx(joules))
        assert one.energy_joules_with_tokens == pytest.approx(with_tokens)


def test_a_database_without_tables_stays_so(empty_url: str) -> None:
    if empty_url.startswith("sqlite"):
        Path(empty_url.removeprefix("sqlite:///")).touch()  # such a file holds no tables
    with pytest.raises(OlderSchema):
        open_energy_log(empty_url)
