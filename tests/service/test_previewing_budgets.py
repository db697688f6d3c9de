"""What budgets would have done: against prices found by brute force, and against plain counting."""

from typing import Any

import msgspec
import numpy as np
import pytest
from scipy.optimize import brentq

from bandit_service import configuration
from bandit_service.eligibility import Exclusion
from bandit_service.foreseeing import AT_ONCE, Snapshot
from bandit_service.model import Algorithm, Arm, Budget, Objective, Resource, WhenExhausted
from bandit_service.previewing import preview
from tests.builders import NOW, a_config, an_engine
from tests.service.test_previewing import COSTS, LESSONS, logged

SMALL = Arm(
    name="small",
    input_usd_per_million_tokens=1.0,
    output_usd_per_million_tokens=1.0,
    declared_joules_per_output_token=0.02,
)
ARMS = SMALL, Arm(name="medium"), Arm(name="large")
DRAWING = Algorithm(name="linear_thompson", settings={"width": 2.0})


def usd(amount: float, **changes: Any) -> Budget:
    given: dict[str, Any] = {"resource": Resource.USD, "amount": amount, "name": "usd"}
    if not {"window", "requests", "rate"} & changes.keys():
        given["rate"] = True
    return Budget(**(given | changes))


def an_engine_of(algorithm: Algorithm = DRAWING, **changes: Any) -> Any:
    return an_engine(a_config(arms=ARMS, algorithm=algorithm, floor=0.0, **changes), *LESSONS)


def looked_at(engine: Any, decisions: Any, *budgets: Budget, **changes: Any) -> Any:
    change = configuration.updated({"budgets": budgets, **changes})
    return preview(Snapshot.of(engine), change, decisions, {})


def spend_at(engine: Any, decisions: Any, price: float, of=COSTS, points_per_usd: float = 0.0):
    """Expected of a decision with this price on each arm's mean amount, by the policy's own rule,
    and the chances."""
    contexts = np.array([np.frombuffer(one.context) for one in decisions])
    amounts = np.array(of)
    chances = engine.policy.probabilities(
        engine.state,
        contexts,
        offsets=np.tile(-price * amounts - points_per_usd * np.array(COSTS), (len(contexts), 1)),
        clock=max(one.clock for one in decisions),
    )
    return float((chances @ amounts).mean()), chances


def test_the_price_is_the_one_at_which_the_budget_is_spent():
    engine = an_engine_of()
    decisions, _ = logged(engine)
    free, _ = spend_at(engine, decisions, 0.0)
    allowed = 0.4 * free + 0.6 * COSTS[0]

    found = looked_at(engine, decisions, usd(allowed))

    price = brentq(lambda p: spend_at(engine, decisions, p)[0] - allowed, 0.0, 1e4)
    (budget,) = found.budgets
    assert budget.before is None
    assert budget.after.allowed == allowed
    assert budget.after.spent.value == pytest.approx(allowed, rel=1e-6)
    assert budget.after.shadow_price == pytest.approx(price, rel=0.05)
    assert budget.after.exhausted == 0.0
    _, chances = spend_at(engine, decisions, price)
    shares = [one.after.value for one in found.arms]
    np.testing.assert_allclose(shares, chances.mean(axis=0), atol=0.01)
    assert found.cost_usd.after.value == pytest.approx(allowed, rel=1e-6)
    assert found.cost_usd.before.value == pytest.approx(free, rel=1e-9)


def test_more_decisions_than_are_worked_at_once_are_as_few():
    engine = an_engine_of()
    decisions, _ = logged(engine, count=2 * AT_ONCE + 9)

    found = looked_at(engine, decisions, usd(0.005))

    price = brentq(lambda p: spend_at(engine, decisions, p)[0] - 0.005, 0.0, 1e4)
    assert found.budgets[0].after.shadow_price == pytest.approx(price, rel=0.05)
    assert found.budgets[0].after.spent.value == pytest.approx(0.005, rel=1e-6)


def test_where_spending_jumps_two_prices_are_mixed_to_meet_it():
    """LinUCB sends queries that look alike to one arm: no single price spends what lies between."""
    engine = an_engine_of(Algorithm(name="linucb", settings={"width": 0.0}))
    decisions, _ = logged(engine, count=1)
    free, _ = spend_at(engine, decisions, 0.0)
    allowed = 0.5 * (free + COSTS[0])

    found = looked_at(engine, decisions, usd(allowed))

    assert found.budgets[0].after.spent.value == pytest.approx(allowed, rel=1e-6)
    assert sum(0.05 < one.after.value < 0.95 for one in found.arms) == 2


def test_a_budget_that_does_not_bind_changes_nothing():
    engine = an_engine_of()
    decisions, _ = logged(engine)
    plain = looked_at(engine, decisions)

    found = looked_at(engine, decisions, usd(1.0))

    assert found.budgets[0].after.shadow_price == 0.0
    assert found.arms == plain.arms


def test_below_the_cheapest_arm_it_says_how_much_would_have_gone_unpaid():
    engine = an_engine_of()
    decisions, _ = logged(engine)

    found = looked_at(engine, decisions, usd(0.25 * COSTS[0], when_exhausted=WhenExhausted.REFUSE))

    (budget,) = found.budgets
    assert budget.after.exhausted == pytest.approx(0.75, abs=0.01)
    assert budget.after.spent.value == pytest.approx(COSTS[0], rel=0.02)
    assert found.arms[0].after.value > 0.98


def test_a_window_is_shared_among_the_decisions_that_the_pace_brings():
    engine = an_engine_of()
    decisions, _ = logged(engine, count=61)
    spread = [
        msgspec.structs.replace(one, create_time=NOW + 10.0 * at)
        for at, one in enumerate(decisions)
    ]  # one in ten seconds
    hour, many = usd(3.6, window=3_600.0), usd(3.6, requests=360, name="many")

    found = looked_at(engine, spread, hour, many)

    assert [one.after.allowed for one in found.budgets] == pytest.approx([0.01, 0.01])


def test_without_a_pace_a_window_is_not_kept_to_and_says_so():
    engine = an_engine_of()
    decisions, _ = logged(engine, count=5)  # all at one moment

    found = looked_at(engine, decisions, usd(1e-6, window=3_600.0))

    after = found.budgets[0].after
    assert (after.allowed, after.shadow_price, after.exhausted) == (None, None, 0.0)
    assert "too little traffic" in after.why_not
    assert found.arms == looked_at(engine, decisions).arms


def test_before_there_is_traffic_a_rate_is_kept_to_all_the_same():
    engine = an_engine_of()

    found = looked_at(engine, (), usd(0.002))

    assert found.overlap is None
    assert found.budgets[0].after.spent.value == pytest.approx(0.002, rel=1e-6)


def test_of_two_budgets_both_are_kept_and_the_slack_one_is_free():
    engine = an_engine_of()
    decisions, _ = logged(engine)
    joules = Budget(resource=Resource.JOULES, amount=15.0, rate=True, name="joules")

    found = looked_at(engine, decisions, usd(0.02), joules)

    first, second = (one.after for one in found.budgets)
    assert first.spent.value < first.allowed
    assert first.shadow_price == 0.0
    assert second.spent.value == pytest.approx(15.0, rel=1e-4)


def test_a_dial_is_seen_through_the_budgets_there_are():
    """With a weight on cost the same budget needs less of a price."""
    engine = an_engine_of(budgets=(usd(0.005),))
    decisions, _ = logged(engine)

    found = looked_at(engine, decisions, usd(0.005), objective=Objective(quality_per_usd=10.0))

    (budget,) = found.budgets
    price = brentq(lambda p: spend_at(engine, decisions, p)[0] - 0.005, 0.0, 1e4)
    assert budget.before.shadow_price == pytest.approx(price, rel=0.05)
    less = brentq(
        lambda p: spend_at(engine, decisions, p, points_per_usd=10.0)[0] - 0.005, 0.0, 1e4
    )
    assert budget.after.shadow_price == pytest.approx(less, rel=0.05)


def test_arms_that_a_budget_shut_are_open_to_another():
    engine = an_engine_of()
    decisions, _ = logged(engine)
    shut = np.array([Exclusion.NONE, Exclusion.NONE, Exclusion.BUDGET], dtype=np.uint8).tobytes()
    poor = [msgspec.structs.replace(one, exclusions=shut) for one in decisions]

    assert looked_at(engine, poor).arms == looked_at(engine, decisions).arms


def test_of_an_arm_that_nothing_is_known_of_no_budget_makes_use():
    engine = an_engine(a_config(arms=ARMS, algorithm=DRAWING, floor=0.0), *LESSONS[:2])
    decisions, _ = logged(engine)

    found = looked_at(engine, decisions, usd(1.0))

    assert found.arms[2].after.value == 0.0
    assert found.arms[2].before.value > 0.0
