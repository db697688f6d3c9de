"""Budgets of a policy that serves: what is charged, what is refused, and what is given back."""

import asyncio

import numpy as np
import pytest

from bandit_service.eligibility import Exclusion
from bandit_service.errors import BudgetExhausted
from bandit_service.model import (
    Algorithm,
    Arm,
    Mode,
    Resource,
    Usage,
    WhenExhausted,
    unpack,
)
from tests.builders import a_query, a_submission
from tests.ledger.budgeted import (
    DOLLAR,
    LARGE,
    LARGE_UPPER,
    SMALL,
    SMALL_UPPER,
    a_budget,
    charges,
    told_of,
)

FREE = Arm(name="free", input_usd_per_million_tokens=0.0, output_usd_per_million_tokens=0.0)
UNKNOWN = Arm(name="unknown")


async def test_a_decision_reserves_its_upper_cost_and_usage_settles_it(service):
    await service.create(a_budget(10.0))
    decision = await service.decide()
    upper = (SMALL_UPPER, LARGE_UPPER)[decision.arm]
    (charge,) = charges(decision)
    assert charge.arms == ((decision.arm, round(upper * DOLLAR)),)
    assert (service.window.reserved, service.window.settled) == (charge.reserved, 0)

    await service.tell(decision, 0.004)

    window = service.window
    assert (window.reserved, window.settled, window.overrun) == (0, 4_000_000, 0)
    assert window.requests == 1


async def test_usage_beyond_the_reservation_is_overrun_and_shrinks_what_remains(service):
    await service.create(a_budget(10.0), arms=(SMALL,))
    decision = await service.decide()

    await service.tell(decision, 0.5)

    window = service.window
    assert window.settled == round(SMALL_UPPER * DOLLAR)
    assert window.overrun == round((0.5 - SMALL_UPPER) * DOLLAR)
    assert window.spent == DOLLAR // 2


async def test_usage_that_is_told_again_or_corrected_counts_once(service):
    await service.create(a_budget(10.0), arms=(SMALL,))
    decision = await service.decide()
    for usd in (0.002, 0.002, 0.6, 0.003):
        await service.tell(decision, usd)
    await service.service.recorder.record(  # a repeat, and one that says nothing of money
        a_submission(decision_id=decision.id, feedback_id="bill 4", usage=Usage(cost_usd=0.003))
    )
    await service.service.recorder.record(
        a_submission(decision_id=decision.id, feedback_id="late", usage=Usage(output_tokens=3))
    )

    window = service.window
    assert (window.reserved, window.settled, window.overrun) == (0, 3_000_000, 0)


async def test_what_is_never_told_counts_as_spent(service):
    await service.create(a_budget(0.025, when_exhausted=WhenExhausted.REFUSE), arms=(SMALL,))

    made = await service.route(3)

    assert [isinstance(one, BudgetExhausted) for one in made] == [False, False, True]
    assert service.window.spent == round(2 * SMALL_UPPER * DOLLAR)


async def test_refused_until_usage_frees_what_was_not_taken(service):
    await service.create(a_budget(0.025, when_exhausted=WhenExhausted.REFUSE), arms=(SMALL,))
    first, *_, refused = await service.route(3)
    assert isinstance(refused, BudgetExhausted)
    assert "usd" in str(refused)

    await service.tell(told_of(first), 0.001)
    service.later(1.0)

    assert told_of((await service.route())[0]).arm == 0


async def test_the_cheapest_serves_all_the_same_and_the_excess_is_reported(service):
    await service.create(a_budget(0.025))
    made = [told_of(one) for one in await service.route(4)]
    assert [one.arm for one in made] == [0, 0, 0, 0]  # the large one was never payable
    reserved = [charges(one)[0].reserved for one in made]
    assert reserved == [10_000_000, 10_000_000, 5_000_000, 0]  # to the last unit

    for one in made:
        await service.tell(one, 0.02)

    window = service.window
    assert (window.settled, window.overrun) == (25_000_000, 55_000_000)


async def test_the_fallback_arm_serves_what_cannot_be_paid(service):
    budget = a_budget(0.015, when_exhausted=WhenExhausted.FALLBACK, fallback_arm=UNKNOWN.name)
    await service.create(budget, arms=(SMALL, UNKNOWN))

    made = [told_of(one) for one in await service.route(3)]

    assert [one.arm for one in made] == [0, 1, 1]
    assert made[2].propensity == 1.0
    (only_small,) = await service.route(allowed_arms=("small",))
    assert isinstance(only_small, BudgetExhausted)
    assert "go to 'unknown', on which they fall back" in str(only_small)


async def test_the_harshest_of_the_budgets_that_are_short_decides(service):
    await service.create(
        a_budget(0.015, when_exhausted=WhenExhausted.REFUSE),
        a_budget(0.005, name="tight"),
        arms=(SMALL,),
    )
    first, second = await service.route(2)
    assert told_of(first).arm == 0  # only the tight one was short, and it lets the cheapest serve
    assert isinstance(second, BudgetExhausted)


async def test_an_arm_of_unknown_cost_is_out_until_something_was_paid_for_it(service):
    await service.create(a_budget(10.0), arms=(SMALL, UNKNOWN))
    made = [told_of(one) for one in await service.route(20)]
    assert {one.arm for one in made} == {0}
    assert {one.exclusions for one in made} == {bytes([0, Exclusion.UNPRICED])}


async def test_free_arms_cost_nothing_and_are_always_payable(service):
    await service.create(a_budget(0.015, when_exhausted=WhenExhausted.REFUSE), arms=(SMALL, FREE))
    await service.decide(allowed_arms=("small",))
    made = [told_of(one) for one in await service.route(10)]
    assert [one.arm for one in made].count(0) == 0


async def test_a_duel_reserves_for_both_arms_and_each_bill_settles_its_own(service):
    await service.create(a_budget(10.0), algorithm=Algorithm(name="uniform"))
    decision = await service.decide(duel=True)
    (charge,) = charges(decision)
    assert dict(charge.arms) == {
        0: round(SMALL_UPPER * DOLLAR),
        1: round(LARGE_UPPER * DOLLAR),
    }

    await service.tell(decision, 0.001, arm="small")
    window = service.window
    assert (window.reserved, window.settled) == (round(LARGE_UPPER * DOLLAR), 1_000_000)
    await service.tell(decision, 0.25, arm="large")
    window = service.window
    assert (window.reserved, window.overrun) == (0, 50_000_000)


async def test_an_arm_that_cannot_be_paid_any_more_loses_its_session(service):
    await service.create(a_budget(0.25), floor=0.0)
    first = await service.decide(session="s", allowed_arms=("large",))
    assert first.arm == 1

    second = await service.decide(session="s")

    assert (second.arm, second.sticky) == (0, False)
    assert second.exclusions[1] == Exclusion.BUDGET
    third = await service.decide(session="s")
    assert (third.arm, third.sticky) == (0, True)
    assert charges(third)[0].reserved > 0


async def test_an_observing_policy_is_charged_and_not_steered(service):
    await service.create(
        a_budget(0.015, when_exhausted=WhenExhausted.REFUSE),
        mode=Mode.OBSERVE,
        default_arm="large",
    )
    made = [told_of(one) for one in await service.route(2)]
    assert [one.arm for one in made] == [1, 1]

    for one in made:
        await service.tell(one, 0.02)

    assert service.window.spent == round(0.04 * DOLLAR)
    assert service.window.overrun == round(0.025 * DOLLAR)


async def test_a_batch_is_decided_in_turns_that_can_be_paid(service):
    await service.create(a_budget(0.055, when_exhausted=WhenExhausted.REFUSE), arms=(SMALL,))
    made = await service.service.router.route_many([a_query()] * 8)
    assert sum(isinstance(one, BudgetExhausted) for one in made) == 3
    assert service.window.spent == 50_000_000


async def test_what_a_caller_announces_is_reserved_if_it_is_more(service):
    await service.create(a_budget(10.0), arms=(SMALL,))
    decision = await service.decide(input_tokens=1_000_000, output_tokens=500_000)
    assert charges(decision)[0].reserved == round(1.5 * DOLLAR)


async def test_a_request_that_is_repeated_is_charged_once(service):
    await service.create(a_budget(0.035, when_exhausted=WhenExhausted.REFUSE), arms=(SMALL,))
    made = [told_of(one) for one in await service.route(6, request_id="r")]
    assert len({one.id for one in made}) == 1
    assert service.window.spent == round(SMALL_UPPER * DOLLAR)
    assert [type(one).__name__ for one in await service.route(3)] == [
        "Routed",
        "Routed",
        "BudgetExhausted",
    ]


async def test_chances_can_be_made_again_from_what_is_logged(service):
    """By the equations, from the stored columns alone."""
    await service.create(
        a_budget(0.02, rate=True),
        a_budget(50.0, name="daily", window=86_400.0),
        algorithm=Algorithm(name="uniform"),
        floor=0.1,
    )
    for _ in range(10):
        decision = await service.decide()
        stored = service.service.store.decision(decision.id)
        spending = unpack(stored.spending)
        assert [charge.budget for charge in spending.charges] == ["usd", "daily"]
        priced = spending.priced
        assert priced is not None
        amounts = np.frombuffer(priced.amounts).reshape(2, 2)
        eligible = np.array([code == 0 for code in stored.exclusions])
        learner = eligible / eligible.sum()  # uniform, whatever the prices
        above = np.where(eligible[:, None], amounts, np.inf)
        above = np.maximum(amounts - above.min(axis=0), 0.0)
        room = np.maximum(np.frombuffer(priced.room), 0.0)
        allowed = np.full_like(above, np.inf)
        np.divide(room, above, out=allowed, where=above > 0)
        least = np.minimum(0.1, allowed.min(axis=1)) / eligible.sum()
        untried = np.frombuffer(priced.untried, dtype=bool)
        least = np.where(untried, np.maximum(least, 0.05 / eligible.sum()), least) * eligible
        expected = learner * (1 - least.sum()) + least
        assert np.frombuffer(stored.probabilities) == pytest.approx(expected, abs=1e-12)
        await service.tell(decision, 0.001)


async def test_joules_are_kept_by_the_same_ledger(service):
    joules = a_budget(3_000.0, resource=Resource.JOULES, when_exhausted=WhenExhausted.REFUSE)
    arms = (Arm(name="small", declared_joules_per_output_token=0.2),)
    await service.create(joules, arms=arms)
    made = await service.route(4)  # 500 tokens of .2 J, ten times
    assert [isinstance(one, BudgetExhausted) for one in made] == [False, False, False, True]
    assert service.windows("joules")[0].spent == 3_000 * 10**6


async def test_control_state_is_no_part_of_what_is_learned(service):
    await service.create(a_budget(10.0), arms=(SMALL, LARGE))
    engine = service.service.engine()
    before = engine.state_hash()
    await service.route(5)
    assert engine.state_hash() == before


async def test_a_change_of_a_budget_acts_on_the_next_decision(service):
    await service.create(a_budget(10.0, when_exhausted=WhenExhausted.REFUSE), arms=(SMALL,))
    await service.decide()

    async def update(*budgets):
        await service.service.administrator.update("chat", {"budgets": budgets}, "", "")

    await update(a_budget(0.005, when_exhausted=WhenExhausted.REFUSE))
    service.later(1.0)
    await service.service.spending.renew()
    window = service.window
    assert window.amount == window.leased + window.reserved + window.settled  # what is out is out

    await update()
    decision = await service.decide()
    assert decision.spending is None
    await service.service.spending.renew()
    assert service.window.leased == 0


async def test_many_at_once_wait_for_one_lease(service):
    await service.create(a_budget(10.0), arms=(SMALL,))
    made = await asyncio.gather(*(service.route() for _ in range(50)))
    assert len({told_of(one).id for (one,) in made}) == 50
    assert service.window.reserved == 50 * round(SMALL_UPPER * DOLLAR)


async def test_a_bill_that_cannot_be_is_overrun_and_spoils_nothing(service):
    await service.create(a_budget(10.0, when_exhausted=WhenExhausted.REFUSE), arms=(SMALL,))
    made = [await service.decide() for _ in range(3)]

    for one in made:
        await service.tell(one, 9e299)

    assert service.window.overrun == 3 * (2**55 - round(SMALL_UPPER * DOLLAR))
    service.later(1.0)
    assert isinstance((await service.route())[0], BudgetExhausted)
    for one in made:
        await service.tell(one, 0.001)
    assert (service.window.settled, service.window.overrun) == (3_000_000, 0)
