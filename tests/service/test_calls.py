"""Sums over calls: what they took, and whether an arm has to rest."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandit_service.calls import CallStatistics
from bandit_service.model import Usage
from tests.builders import NOW

amounts = st.one_of(st.none(), st.floats(0.0, 100.0))
usages = st.builds(
    Usage,
    cost_usd=amounts,
    latency_seconds=amounts,
    energy_joules=amounts,
    output_tokens=st.one_of(st.none(), st.integers(0, 1_000)),
)


def failing(times: int, last: float = NOW) -> CallStatistics:
    """Two arms, of which the first failed so often in a row."""
    calls = CallStatistics(2)
    for i in range(times):
        calls.failed(0, last - (times - 1 - i))
    return calls


@settings(deadline=None, derandomize=True)
@given(st.lists(usages, max_size=5), usages, usages)
def test_a_replaced_report_is_as_if_it_had_never_been(others, old, new):
    told_twice, told_once = CallStatistics(1), CallStatistics(1)
    for usage in others:
        told_twice.replace(0, None, usage)
        told_once.replace(0, None, usage)

    told_twice.replace(0, None, old)
    told_twice.replace(0, old, new)
    told_once.replace(0, None, new)

    np.testing.assert_array_equal(told_twice.counts, told_once.counts)
    # 1e-12 of the largest amount that was added and taken away again
    np.testing.assert_allclose(told_twice.totals, told_once.totals, rtol=1e-12, atol=1e-9)


def test_means_are_over_the_calls_whose_number_is_known():
    calls = CallStatistics(2)

    calls.replace(0, None, Usage(cost_usd=1.0, output_tokens=10))
    calls.replace(0, None, Usage(cost_usd=3.0, latency_seconds=0.5))

    np.testing.assert_array_equal(calls.means()[0], [2.0, 0.5, np.nan, np.nan, 10.0])
    assert np.isnan(calls.means()[1]).all()


def test_what_is_free_is_known_to_be_free():
    calls = CallStatistics(1)

    calls.replace(0, None, Usage(cost_usd=0.0))

    assert calls.statistics(0, "local").mean_cost_usd == 0.0


def test_qualities_are_counted_replaced_and_withdrawn():
    calls = CallStatistics(1)

    calls.quality(0, None, 1.0)
    calls.quality(0, None, 0.2)
    calls.quality(0, 0.2, 0.4)
    calls.quality(0, 1.0, None)

    seen = calls.statistics(0, "small")
    assert seen.observations == 1.0
    assert seen.mean_quality == pytest.approx(0.4, abs=1e-12)


def test_what_is_not_known_of_an_arm_is_none():
    seen = CallStatistics(1).statistics(0, "small")

    assert seen.observations == 0.0
    assert seen.mean_quality is seen.mean_cost_usd is seen.failure_share is None
    assert seen.mean_latency_seconds is seen.mean_energy_joules is None


def test_the_share_of_failures_is_over_all_calls_heard_of():
    calls = CallStatistics(1)

    calls.failed(0, NOW)
    for _ in range(3):
        calls.served(0)

    assert calls.statistics(0, "small").failure_share == 0.25


def test_four_failures_in_a_row_are_borne():
    calls = failing(4)

    assert not calls.troubled
    assert not calls.resting(NOW).any()


# 30 s, doubled by every further failure, at most 600 s.
@pytest.mark.parametrize(
    ("failures", "seconds"),
    [(5, 30), (6, 60), (7, 120), (8, 240), (9, 480), (10, 600), (11, 600), (500, 600)],
)
def test_the_fifth_failure_in_a_row_makes_an_arm_rest_and_each_probe_that_fails_longer(
    failures, seconds
):
    calls = failing(failures)

    assert calls.troubled
    assert calls.resting(NOW).tolist() == [True, False]
    assert calls.resting(NOW + seconds - 0.01).tolist() == [True, False]
    assert calls.resting(NOW + seconds).tolist() == [False, False]


def test_one_answer_ends_the_rest():
    calls = failing(9)

    calls.served(0)

    assert not calls.troubled
    assert not calls.resting(NOW).any()


def test_after_an_answer_the_count_starts_anew():
    calls = failing(4)

    calls.served(0)
    calls.failed(0, NOW)

    assert not calls.resting(NOW).any()


def test_a_failure_that_is_told_late_does_not_shorten_the_rest():
    calls = failing(5, last=NOW)

    calls.failed(0, NOW - 3_600)

    assert calls.resting(NOW + 59)[0]


def test_another_arm_that_answers_does_not_end_the_rest():
    calls = failing(5)

    calls.served(1)

    assert calls.troubled
    assert calls.resting(NOW).tolist() == [True, False]


def test_an_added_arm_starts_with_nothing_and_leaves_the_others():
    calls = failing(5)
    calls.replace(1, None, Usage(cost_usd=2.0))

    calls.add_arm()

    assert calls.means()[:, 0].tolist()[1] == 2.0
    assert calls.resting(NOW).tolist() == [True, False, False]
    assert all(len(sums) == 3 and not sums[2].any() for sums in calls.canonical().values())


def test_a_dropped_arm_forgets_everything():
    calls = failing(5)

    calls.drop_arm(0)

    assert not any(sums[0].any() for sums in calls.canonical().values())
    assert not calls.resting(NOW).any()
