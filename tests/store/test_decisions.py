"""What every store promises of decisions."""

import struct
from typing import Any

import pytest

from bandit_service.draw import new_ids
from bandit_service.model import Decision
from bandit_service.ports import Store
from bandit_service.store import open_store
from tests.builders import NOW, a_decision
from tests.store.records import EVERY_BYTE, HOSTILE

# A signalling NaN with a payload, minus zero, an infinity, the smallest number there is.
ODD_NUMBERS = struct.pack("<Q3d", 0x7FF0DEADBEEF0001, -0.0, float("-inf"), 5e-324)
SLOTS = 4

OPTIONAL: dict[str, Any] = {
    "second_arm": 3,
    "shadow": ODD_NUMBERS,
    "offsets": ODD_NUMBERS,
    "forced": True,
    "sticky": True,
    "observed": True,
    "degraded": True,
    "request_id": HOSTILE,
    "request_digest": EVERY_BYTE,
    "session_hash": b"\0",
    "subject_hash": EVERY_BYTE,
    "input_tokens": 0,
    "output_tokens": 2**62,
    "assumed": bytes([0, 1, 1, 0]),
}


def a_full_decision(**changes: Any) -> Decision:
    given: dict[str, Any] = {
        "id": HOSTILE,
        "create_time": 1_763_774_242.123457,
        "clock": 0.1 + 0.2,
        "feature_version": HOSTILE,
        "context": ODD_NUMBERS,
        "arm": SLOTS - 1,
        "propensity": 5e-324,
        "probabilities": ODD_NUMBERS,
        "means": ODD_NUMBERS,
        "deviations": ODD_NUMBERS,
        "exclusions": bytes([0, 1, 254, 255]),
    }
    return a_decision(**(given | OPTIONAL | changes))


def add(store: Store, *decisions: Decision) -> dict[str, Decision]:
    with store.write() as transaction:
        return transaction.add_decisions(decisions)


def test_every_field_comes_back_as_it_went_in_to_the_last_bit(store: Store) -> None:
    full = a_full_decision()

    assert add(store, full) == {}

    assert store.decision(full.id) == full


@pytest.mark.parametrize("field", OPTIONAL)
def test_each_optional_field_can_be_the_only_one_left_out(store: Store, field: str) -> None:
    default = False if OPTIONAL[field] is True else None
    lacking = a_full_decision(**{field: default})

    add(store, lacking)

    stored = store.decision(lacking.id)
    assert stored == lacking
    assert getattr(stored, field) is default


@pytest.mark.parametrize("field", OPTIONAL)
def test_each_optional_field_can_be_the_only_one_set(store: Store, field: str) -> None:
    bare = {name: getattr(a_decision(), name) for name in OPTIONAL}
    lone = a_full_decision(**(bare | {field: OPTIONAL[field]}))

    add(store, lone)

    assert store.decision(lone.id) == lone


@pytest.mark.parametrize("count", [1, 2, 3, 63, 64, 65, 255, 600])
def test_a_batch_of_any_length_is_stored_whole(store: Store, count: int) -> None:
    # Every third one has what the others have not, so columns are mixed.
    batch = [
        a_decision(id=f"d{n:04}", clock=float(n), **({"shadow": bytes(24)} if n % 3 == 1 else {}))
        for n in range(count)
    ]

    add(store, *batch)

    with store.write() as transaction:
        found = transaction.decisions([one.id for one in batch] + ["nobody"])
    assert found == {one.id: one for one in batch}


def test_no_decisions_are_no_trouble(store: Store) -> None:
    assert add(store) == {}
    with store.write() as transaction:
        assert transaction.decisions([]) == {}
        assert transaction.standing([]) == ([], [])
        assert transaction.recorded(1, []) == {}


@pytest.mark.parametrize("count", [1, 2, 63, 128, 129, 300])
def test_decisions_logged_at_once_are_as_good_as_those_of_a_transaction(
    store: Store, count: int
) -> None:
    logged = [
        a_full_decision(id=f"{number:04}", request_id=None, request_digest=None)
        for number in range(count)
    ]

    store.log_decisions(logged)

    assert [store.decision(one.id) for one in logged] == logged


@pytest.mark.parametrize("count", [2, 300])
def test_decisions_logged_at_once_are_stored_all_or_none(store: Store, count: int) -> None:
    logged = [a_decision(id=f"{number:04}") for number in range(count - 1)]

    with pytest.raises(Exception, match="propensity"):
        store.log_decisions([*logged, a_decision(id="bad", propensity=7.0)])

    assert all(store.decision(one.id) is None for one in logged)
    store.log_decisions(logged)  # the store is as good as before
    assert store.decision(logged[0].id) == logged[0]


def test_an_unknown_decision_is_none(store: Store) -> None:
    assert store.decision("nobody") is None


def test_a_transaction_sees_its_own_decisions(store: Store) -> None:
    with store.write() as transaction:
        transaction.add_decisions([a_decision()])

        assert transaction.decisions(["d1"]) == {"d1": a_decision()}
        assert store.decision("d1") is None, "and nobody else does, before the commit"


def test_a_decision_stored_twice_stays_as_it_was(store: Store) -> None:
    add(store, a_decision(request_id="r"))

    assert add(store, a_decision(request_id="r")) == {}
    assert store.decision("d1") == a_decision(request_id="r")


def test_a_request_id_belongs_to_its_first_decision(store: Store) -> None:
    first = a_decision(id="first", request_id="r")
    add(store, first)

    left_out = add(store, a_decision(id="later", request_id="r"), a_decision(id="other"))

    assert left_out == {"later": first}
    assert store.decision("later") is None
    assert store.decision("other") is not None


def test_of_equal_request_ids_in_one_call_the_first_wins(store: Store) -> None:
    # Their ids sort the other way, so it is the order of the call that counts.
    batch = [a_decision(id=name, request_id=HOSTILE) for name in ("z", "y", "x")]
    batch.append(a_decision(id="a", request_id="another"))

    left_out = add(store, *batch)

    assert left_out == {"y": batch[0], "x": batch[0]}
    assert store.decision("a") == batch[-1]


def test_a_decision_is_found_by_its_request_id(store: Store) -> None:
    asked = a_decision(id="one", request_id="r1")
    with store.write() as tx:
        tx.add_decisions([asked, a_decision(id="two")])

    assert store.requested(asked.policy_id, "r1") == asked
    assert store.requested(asked.policy_id, "r2") is None
    assert store.requested(asked.policy_id + 1, "r1") is None


def test_policies_do_not_share_request_ids(store: Store) -> None:
    mine = a_decision(id="mine", policy_id=1, request_id="r")
    yours = a_decision(id="yours", policy_id=2, request_id="r")

    assert add(store, mine, yours) == {}

    again = add(
        store,
        a_decision(id="mine2", policy_id=1, request_id="r"),
        a_decision(id="yours2", policy_id=2, request_id="r"),
    )
    assert again == {"mine2": mine, "yours2": yours}


def test_a_session_keeps_the_arm_of_its_last_decision(store: Store) -> None:
    session = b"\x00\xffsession"
    add(
        store,
        a_decision(id="0002", arm=2, session_hash=session),
        a_decision(id="0001", arm=1, session_hash=session),
        a_decision(id="0003", arm=0, session_hash=b"another"),
        a_decision(id="0004", arm=0),
        a_decision(id="0005", arm=0, policy_id=2, session_hash=session),
    )

    assert store.session_arm(1, session, 0.0) == 2
    assert store.session_arm(1, b"nobody", 0.0) is None
    assert store.session_arm(3, session, 0.0) is None


def test_the_last_clock_is_the_largest_whatever_the_ids_say(store: Store) -> None:
    """Ids of one millisecond are in no order."""
    assert store.last_clock(1) is None
    made = new_ids(50, NOW)

    add(
        store,
        *(a_decision(id=one, clock=float(clock)) for clock, one in enumerate(made, 1)),
        a_decision(id=new_ids(1, NOW)[0], clock=99.0, policy_id=2),
    )

    assert made != sorted(made)
    assert store.last_clock(1) == 50.0


def test_the_last_clock_is_looked_for_among_the_newest_decisions(store: Store, monkeypatch) -> None:
    """Not among all: a start may not take longer and longer."""
    monkeypatch.setattr("bandit_service.store.queries.LAST_DECISIONS", 3)
    add(store, *(a_decision(id=f"{n}", clock=9.0 - n) for n in range(5)))

    assert store.last_clock(1) == 7.0


def test_ids_sort_bytewise_whatever_the_locale(store: Store, monkeypatch) -> None:
    # A locale would put "a" before "B".
    monkeypatch.setattr("bandit_service.store.queries.LAST_DECISIONS", 1)
    add(store, *(a_decision(id=name, clock=NOW + n) for n, name in enumerate(["a", "B"])))

    assert store.last_clock(1) == NOW


def test_what_is_committed_outlives_the_store(store_url: str) -> None:
    first = open_store(store_url)
    add(first, a_full_decision())
    first.close()

    second = open_store(store_url)

    assert second.decision(HOSTILE) == a_full_decision()
    second.close()
