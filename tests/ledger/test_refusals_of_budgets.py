"""Who is refused for a budget hears which one it was, and what would help."""

import grpc
import pytest

from bandit_service.errors import BudgetExhausted, Unpriced
from bandit_service.model import Arm, Resource, WhenExhausted, unpack
from bandit_service.rpc.status import status_of
from tests.builders import a_query
from tests.ledger.budgeted import DOLLAR, SMALL, SMALL_UPPER, a_budget, told_of

UNKNOWN = Arm(name="unknown")
BOTH = Arm(
    name="both",
    input_usd_per_million_tokens=1.0,
    output_usd_per_million_tokens=1.0,
    declared_joules_per_output_token=0.02,  # 500 tokens, reserved ten times: 100 J
)


async def test_who_is_refused_for_an_unknown_price_is_told_to_give_it(service):
    """Budgets that are hardly touched: no window to wait for, and no amount to raise."""
    watts = Arm(name="watts", declared_joules_per_output_token=0.2)
    await service.create(
        a_budget(10.0, name="few"),
        a_budget(1e6, name="joules", resource=Resource.JOULES),
        arms=(BOTH, watts, UNKNOWN),
    )

    (watts_only,) = await service.route(allowed_arms=("watts",))
    (neither,) = await service.route(allowed_arms=("watts", "unknown"))

    assert isinstance(watts_only, Unpriced)
    assert watts_only.facts == {"policy": "chat", "budgets": "few", "arms": "watts"}
    assert "give them both list prices, or let" in str(watts_only)
    assert isinstance(neither, Unpriced)
    assert neither.facts == {"policy": "chat", "budgets": "few, joules", "arms": "watts, unknown"}
    assert "both list prices and declared_joules_per_output_token, or" in str(neither)
    for one in (watts_only, neither):
        assert "wait" not in str(one)
        assert status_of(one).code == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
    assert told_of((await service.route())[0]).arm == 0


async def test_only_the_budgets_that_are_short_are_blamed(service):
    refuse = WhenExhausted.REFUSE
    await service.create(
        a_budget(0.015, name="few", when_exhausted=refuse),
        a_budget(100.0, name="many", when_exhausted=refuse),
        a_budget(1e6, name="joules", resource=Resource.JOULES, when_exhausted=refuse),
        arms=(BOTH,),
    )
    await service.decide()

    (refused,) = await service.route()

    assert isinstance(refused, BudgetExhausted)
    assert refused.facts == {"policy": "chat", "budgets": "few"}
    assert "budgets of policy 'chat' (few) can pay for no arm; wait" in str(refused)


async def test_all_that_are_short_and_refuse_are_blamed(service):
    refuse = WhenExhausted.REFUSE
    await service.create(
        a_budget(0.015, name="few", when_exhausted=refuse),
        a_budget(0.015, name="lenient"),
        a_budget(150.0, name="joules", resource=Resource.JOULES, when_exhausted=refuse),
        arms=(BOTH,),
    )
    await service.decide()

    (refused,) = await service.route()

    assert isinstance(refused, BudgetExhausted)
    assert refused.facts["budgets"] == "few, joules"  # raising the lenient one is no use alone


@pytest.mark.parametrize("is_overrun_strict", [True, False])
async def test_what_overrun_has_eaten_is_short_though_a_lease_is_left(service, is_overrun_strict):
    """The other budget, untouched, has no say."""
    strict, lenient = WhenExhausted.REFUSE, WhenExhausted.CHEAPEST
    await service.create(
        a_budget(10.0, name="eaten", when_exhausted=strict if is_overrun_strict else lenient),
        a_budget(1e6, name="whole", resource=Resource.JOULES,
                 when_exhausted=lenient if is_overrun_strict else strict),
        arms=(BOTH,),
    )  # fmt: skip
    await service.tell(await service.decide(), 5_000.0)
    service.later(1.0)
    await service.service.spending.renew()

    (answer,) = await service.route()

    if is_overrun_strict:
        assert isinstance(answer, BudgetExhausted)
        assert answer.facts["budgets"] == "eaten"
    else:
        decision = told_of(answer)
        assert decision.spending is not None
        assert unpack(decision.spending).exhausted == "eaten"


async def test_in_a_batch_each_row_is_refused_for_its_own_reason(service):
    budget = a_budget(0.025, when_exhausted=WhenExhausted.REFUSE)
    await service.create(budget, arms=(SMALL, UNKNOWN))
    queries = [a_query(allowed_arms=names) for names in
               (("unknown",), (), ("unknown",), (), ())]  # fmt: skip

    made = await service.service.router.route_many(queries)

    kinds = [type(one).__name__ for one in made]
    assert kinds == ["Unpriced", "Routed", "Unpriced", "Routed", "BudgetExhausted"]
    assert service.window.requests == 2
    assert service.window.spent == round(2 * SMALL_UPPER * DOLLAR)
