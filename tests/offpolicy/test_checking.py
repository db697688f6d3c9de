"""What a log may say: every bad row is refused, named and counted; nothing is guessed."""

from typing import Any

import numpy as np
import pytest

from bandit_service.errors import BadLog
from bandit_service.evaluation.logs import Traffic
from bandit_service.evaluation.logs.rows import Row, batch_of

GOOD: dict[str, Any] = {
    "arm": "a",
    "propensity": 0.25,
    "probabilities": {"a": 0.25, "b": 0.75},
    "context": [0.5, 1.0],
    "quality": 1.0,
}


def row(**changes):
    return Row(**(GOOD | changes))


def read(*rows, **settings):
    """Lines are counted from 11."""
    return Traffic("log", lambda: iter([batch_of(rows, range(11, 11 + len(rows)))]), **settings)


BAD = [
    ({"propensity": 0.0, "probabilities": None}, "propensity is 0, expected above 0"),
    ({"propensity": 1.5, "probabilities": None}, "propensity is 1.5, expected above 0"),
    ({"propensity": -0.1, "probabilities": None}, "propensity is -0.1, expected above 0"),
    ({"propensity": float("nan"), "probabilities": None}, "has no propensity"),
]


@pytest.mark.parametrize(("changes", "complaint"), BAD)
def test_a_bad_propensity_is_refused_where_only_that_is_logged(changes, complaint):
    good = row(probabilities=None)
    with pytest.raises(BadLog, match=f"log, line 12: {complaint}.*1 refused"):
        read(good, row(**changes), good)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"probabilities": {"a": 0.25, "b": 0.74}}, "probabilities sum to 0.99, expected 1"),
        ({"probabilities": {"a": 0.25, "b": 1.25, "c": -0.5}}, "a probability is outside"),
        ({"probabilities": {"b": 0.25, "c": 0.75}}, "arm 'a' is not among its own"),
        ({"probabilities": None}, "has no probabilities, the log began with some"),
        ({"propensity": 0.5}, "propensity is 0.5, its probabilities say 0.25"),
        ({"probabilities": {"a": 0.0, "b": 1.0}, "propensity": 0.0}, "propensity is 0, expected"),
        ({"context": [0.5]}, "context has 1 numbers, the log began with 2"),
        ({"context": [0.5, float("inf")]}, "context holds a number that is not finite"),
        ({"feature_version": "v2"}, "features are of 'v2', the log began with ''"),
        ({"policy": "other"}, "is of policy 'other', the log began with ''"),
        ({"quality": 1.01}, r"quality is 1.01, expected in \[0, 1\]"),
        ({"quality": -1.0}, r"quality is -1, expected in \[0, 1\]"),
        ({"cost_usd": -0.1}, "cost_usd is -0.1, expected a finite number of at least 0"),
        ({"latency_seconds": float("inf")}, "latency_seconds is inf, expected a finite"),
        ({"second_arm": "a", "pair_propensity": 0.1}, "arm 'a' meets itself"),
        ({"second_arm": "b"}, "pair_propensity is nan, expected above 0 and at most 1"),
        ({"second_arm": "b", "pair_propensity": 1.5}, "pair_propensity is 1.5, expected above 0"),
        (
            {"second_arm": "b", "pair_propensity": 0.1, "preference": 2.0},
            r"preference is 2, expected in \[0, 1\]",
        ),
    ],
)
def test_a_bad_row_is_refused_and_named_or_skipped_and_counted(changes, complaint):
    rows = row(), row(**changes), row(), row(**changes)
    with pytest.raises(BadLog, match=f"log, line 12: {complaint}.*2 refused"):
        read(*rows)

    lenient = read(*rows, lenient=True)
    assert (lenient.count, lenient.refused) == (2, 2)
    assert "2 rows refused" in lenient.refusals[0]
    assert "line 12" in lenient.refusals[0]


def test_what_is_unknown_stays_unknown():
    log = read(row(quality=None), row(quality=0.0)).whole()

    np.testing.assert_array_equal(log.quality, [np.nan, 0.0])
    assert np.isnan(log.outcomes["cost_usd"]).all()


@pytest.mark.parametrize("flag", ["sticky", "forced", "observed"])
def test_decisions_that_were_not_drawn_stay_out_and_are_counted(flag):
    certain = row(propensity=1.0, probabilities={"a": 1.0}, **{flag: True})
    log = read(row(), certain, row(), certain)

    assert log.count == 2
    assert log.excluded == {flag: 2}


def test_degraded_decisions_stay_in_where_they_were_drawn():
    certain = row(propensity=1.0, probabilities={"a": 1.0}, degraded=True)
    log = read(row(degraded=True), certain)

    assert (log.count, log.excluded) == (1, {"degraded": 1})


def test_a_log_of_nothing_but_sticky_decisions_has_nothing_to_say():
    with pytest.raises(BadLog, match=r"no usable decision .*1 left out"):
        read(row(propensity=1.0, probabilities={"a": 1.0}, sticky=True))


def test_an_empty_log_is_refused():
    with pytest.raises(BadLog, match="log: has no usable decision"):
        read()


def test_one_policy_of_several_can_be_named():
    log = read(row(policy="x"), row(policy="y"), row(policy="y"), policy="y")

    assert (log.policy, log.count, log.other_policies, log.refused) == ("y", 2, 1, 0)
    with pytest.raises(BadLog, match="3 of other policies than 'z'"):
        read(row(policy="x"), row(policy="y"), row(policy="y"), policy="z")


def test_an_arm_that_joins_later_could_not_be_drawn_before():
    first = batch_of([row()], [1])
    later = batch_of([row(probabilities={"a": 0.25, "c": 0.75})], [2])
    log = Traffic("log", lambda: iter([first, later])).whole()

    assert log.arms == ("a", "b", "c")
    np.testing.assert_array_equal(log.eligible, [[True, True, False], [True, False, True]])
    np.testing.assert_array_equal(log.probabilities, [[0.25, 0.75, 0], [0.25, 0, 0.75]])


def test_without_any_propensity_the_log_says_so():
    log = read(row(propensity=None, probabilities=None), row(propensity=None, probabilities=None))

    assert not log.knows_propensities
    assert not log.knows_all


def test_the_digest_is_the_same_however_the_rows_are_cut():
    rows = [row(context=[float(at), 1.0], propensity=None) for at in range(7)]
    lines = range(1, 8)

    def cut(size):
        parts = [rows[at : at + size] for at in range(0, 7, size)]
        return Traffic("log", lambda: iter([batch_of(part, lines[: len(part)]) for part in parts]))

    assert len({cut(size).digest for size in (1, 2, 3, 7)}) == 1
    changed = [*rows[:-1], row(context=[6.5, 1.0])]
    assert read(*changed).digest != cut(7).digest


def test_a_log_that_is_not_kept_is_read_again_and_is_the_same():
    rows = [row(context=[float(at), 1.0]) for at in range(23)]

    def batches():
        for at in range(0, 23, 5):
            part = rows[at : at + 5]
            yield batch_of(part, range(at + 1, at + 1 + len(part)))

    kept, again = Traffic("log", batches), Traffic("log", batches, keep=0)
    sizes = [len(block) for block in again.blocks(4)]

    assert sizes == [4, 4, 4, 4, 4, 3]
    np.testing.assert_array_equal(kept.whole().contexts, again.whole().contexts)
    assert kept.digest == again.digest
