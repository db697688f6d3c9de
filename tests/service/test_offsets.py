"""What cost, latency and energy take from an arm's quality."""

import msgspec
import numpy as np
import pytest

from bandit_service.calls import CallStatistics
from bandit_service.model import Arm, ArmState, Objective, Query, Usage
from bandit_service.offsets import offsets
from policies.policy import Array
from tests.builders import a_query, arms

COST = Objective(quality_per_usd=2.0)
ENERGY = Objective(quality_per_joule=1.0)


def priced(name: str, read: float, written: float, **rest: object) -> Arm:
    return msgspec.structs.replace(
        Arm(name=name),
        input_usd_per_million_tokens=read,
        output_usd_per_million_tokens=written,
        **rest,
    )


def after(arms: int, usages: dict[int, Usage]) -> CallStatistics:
    calls = CallStatistics(arms)
    for arm, usage in usages.items():
        calls.replace(arm, None, usage)
    return calls


def added(
    objective: Objective, pool: tuple[Arm, ...], calls: CallStatistics, queries: list[Query]
) -> Array:
    found = offsets(objective, pool, calls, queries)
    assert found is not None
    return found.added


def costs(pool: tuple[Arm, ...], calls: CallStatistics, **query: object) -> list[float]:
    """Assumed USD of one call of each arm."""
    found = added(Objective(quality_per_usd=1.0), pool, calls, [a_query(**query)])
    return [-float(number) for number in found[0]]


def test_nothing_is_added_where_only_quality_counts():
    assert offsets(Objective(), arms("a", "b"), CallStatistics(2), [a_query()]) is None


def test_list_prices_are_multiplied_by_the_tokens_that_the_caller_expects():
    pool = (priced("small", 1.0, 2.0), priced("large", 10.0, 30.0))

    found = added(COST, pool, CallStatistics(2), [a_query(input_tokens=1000, output_tokens=500)])

    # -2 points per USD * (1000 * price in + 500 * price out) / 1e6
    small, large = -2 * (1000 * 1 + 500 * 2) / 1e6, -2 * (1000 * 10 + 500 * 30) / 1e6
    np.testing.assert_allclose(found, [[small, large]], rtol=1e-12)


def test_an_arm_is_expected_to_write_what_it_wrote_before():
    pool = (priced("terse", 1.0, 10.0), priced("wordy", 1.0, 10.0))
    calls = after(2, {0: Usage(output_tokens=100), 1: Usage(output_tokens=900)})

    found = costs(pool, calls, input_tokens=1000)

    assert found == pytest.approx([2000e-6, 10_000e-6], rel=1e-12)


def test_without_prices_or_tokens_the_mean_seen_is_taken():
    pool = (Arm(name="unpriced"), priced("priced", 1.0, 1.0))
    calls = after(2, {0: Usage(cost_usd=0.03), 1: Usage(cost_usd=0.07)})

    assert costs(pool, calls) == pytest.approx([0.03, 0.07], rel=1e-12)
    assert costs(pool, calls, input_tokens=1, output_tokens=1) == pytest.approx([0.03, 2e-6])


def test_an_arm_of_unknown_cost_takes_the_upper_quartile_of_the_others():
    seen = {arm: Usage(cost_usd=cost) for arm, cost in enumerate([1.0, 2.0, 3.0, 4.0, 5.0])}

    found = costs(arms("a", "b", "c", "d", "e", "new"), after(6, seen))

    assert found == [1.0, 2.0, 3.0, 4.0, 5.0, 4.0]


def test_where_no_arm_is_known_all_are_alike():
    assert costs(arms("a", "b"), CallStatistics(2)) == [0.0, 0.0]


def test_an_arm_that_is_listed_as_free_costs_nothing_however_many_tokens_there_are():
    pool = (priced("local", 0.0, 0.0), Arm(name="dear"))

    assert costs(pool, after(2, {1: Usage(cost_usd=0.5)})) == [0.0, 0.5]


def test_what_a_removed_arm_cost_is_not_what_an_unknown_one_is_taken_to_cost():
    gone = priced("gone", 1e6, 1e6, state=ArmState.REMOVED)
    pool = (gone, Arm(name="seen"), Arm(name="new"))

    found = costs(pool, after(3, {1: Usage(cost_usd=0.5)}), input_tokens=1, output_tokens=1)

    assert found[1:] == [0.5, 0.5]


def test_a_change_of_price_acts_at_once():
    query = a_query(input_tokens=1000, output_tokens=0)
    calls = after(1, {0: Usage(cost_usd=9.0, output_tokens=1)})

    before = added(COST, (priced("small", 1.0, 1.0),), calls, [query])
    now = added(COST, (priced("small", 4.0, 1.0),), calls, [query])

    np.testing.assert_allclose(now, 4 * before, rtol=1e-12)


def test_latency_is_the_mean_seen_times_its_weight():
    calls = after(2, {0: Usage(latency_seconds=0.5), 1: Usage(latency_seconds=2.0)})

    found = added(Objective(quality_per_second=0.1), arms("a", "b"), calls, [a_query()] * 2)

    np.testing.assert_allclose(found, [[-0.05, -0.2]] * 2, rtol=1e-12)


def test_energy_seen_goes_before_energy_declared():
    declared = Arm(name="declared", declared_joules_per_output_token=3.0)
    pool = (declared, msgspec.structs.replace(declared, name="metered"))
    calls = after(2, {1: Usage(energy_joules=50.0)})

    found = added(ENERGY, pool, calls, [a_query(output_tokens=10)])

    np.testing.assert_allclose(found, [[-30.0, -50.0]], rtol=1e-12)


def test_the_resources_add_up_each_with_its_weight():
    calls = after(1, {0: Usage(cost_usd=0.1, latency_seconds=2.0, energy_joules=30.0)})
    objective = Objective(quality_per_usd=1.0, quality_per_second=0.01, quality_per_joule=0.001)

    found = added(objective, arms("a"), calls, [a_query()])

    np.testing.assert_allclose(found, [[-(0.1 + 0.02 + 0.03)]], rtol=1e-12)


def test_every_query_of_a_batch_has_its_own_offsets():
    pool = (priced("small", 1.0, 1.0), priced("large", 5.0, 5.0))
    queries = [a_query(input_tokens=n, output_tokens=n) for n in (0, 10, 1000)]

    together = added(COST, pool, CallStatistics(2), queries)

    alone = [added(COST, pool, CallStatistics(2), [query]) for query in queries]
    np.testing.assert_array_equal(together, np.concatenate(alone))


def test_an_arm_of_unknown_cost_is_as_dear_as_its_list_price_beside_the_others():
    """One call of an arm of 4 dollars in all cost .02, one of 2 dollars .03: on average .01 a
    dollar of list price."""
    pool = (
        priced("tried", 1.0, 3.0),
        priced("tried too", 1.0, 1.0),
        priced("cheap", 0.1, 0.3),
        priced("dear", 10.0, 30.0),
        Arm(name="not listed"),
    )
    calls = after(5, {0: Usage(cost_usd=0.02), 1: Usage(cost_usd=0.03)})

    found = costs(pool, calls)

    quartile = float(np.quantile([0.02, 0.03, 0.004, 0.4], 0.75))
    np.testing.assert_allclose(found, [0.02, 0.03, 0.004, 0.4, quartile], rtol=1e-12)


def test_before_any_call_was_paid_arms_cost_what_a_reference_call_is_listed_at():
    """500 tokens read and 500 written; an arm without a price takes the upper quartile."""
    pool = (priced("cheap", 0.1, 0.3), priced("dear", 10.0, 30.0), Arm(name="not listed"))

    found = costs(pool, CallStatistics(3))

    cheap, dear = 500 * 0.4e-6, 500 * 40e-6
    quartile = float(np.quantile([cheap, dear], 0.75))
    np.testing.assert_allclose(found, [cheap, dear, quartile], rtol=1e-12)
    one_paid = costs(pool, after(3, {0: Usage(cost_usd=0.004)}))
    np.testing.assert_allclose(one_paid[:2], [0.004, 0.4], rtol=1e-12)  # then it is the proportion
