"""What is told of a decision that was made under budgets."""

import math

import numpy as np
import pytest

from bandit_service.cli.decision_output import show
from bandit_service.model import Algorithm, Mode, Resource, WhenExhausted, unpack
from bandit_service.rpc import answers
from tests.ledger.budgeted import LARGE, LARGE_UPPER, SMALL, SMALL_UPPER, a_budget


async def explained(service, decision):
    return await service.service.router.explain(decision.id)


async def test_prices_are_told_and_what_they_took_off_each_arm(service):
    await service.create(
        a_budget(2.0, requests=1_000),
        a_budget(1e9, resource=Resource.USD, name="ample"),
        algorithm=Algorithm(name="linear_thompson"),
    )
    decisions = [await service.decide() for _ in range(12)]  # some of which bind, some do not
    told = [await explained(service, decision) for decision in decisions]
    for decision, found in zip(decisions, told, strict=True):
        assert decision.spending is not None
        priced = unpack(decision.spending).priced
        assert priced is not None
        first = np.frombuffer(priced.first)
        assert [one.first_price for one in found.budgets] == first.tolist()
        assert [one.weight for one in found.budgets] == [priced.weight] * 2
        second = first if priced.second is None else np.frombuffer(priced.second)
        means = priced.weight * first + (1.0 - priced.weight) * second
        amounts = np.frombuffer(priced.amounts).reshape(2, 2)
        offsets = [one.budget_offset for one in found.arms]
        np.testing.assert_allclose(offsets, [-float(row @ means) for row in amounts])
    assert told[-1].budgets[0].first_price > 0.0  # .002 a decision, and the cheap arm takes .003
    assert told[-1].budgets[1].first_price == 0.0


async def test_what_was_reserved_and_what_it_took(service):
    await service.create(a_budget(10.0))
    decision = await service.decide()

    (budget,) = (await explained(service, decision)).budgets
    upper = (SMALL_UPPER, LARGE_UPPER)[decision.arm]
    assert (budget.budget, budget.reserved) == ("usd", pytest.approx(upper))
    assert budget.spent is None

    await service.tell(decision, 0.004)

    (budget,) = (await explained(service, decision)).budgets
    assert budget.spent == 0.004
    assert not budget.is_short


@pytest.mark.parametrize("rule", [WhenExhausted.CHEAPEST, WhenExhausted.FALLBACK])
async def test_who_served_because_nothing_could_be_paid_is_told_with_the_budget(service, rule):
    fallback = "large" if rule is WhenExhausted.FALLBACK else ""
    poor = a_budget(0.0001, when_exhausted=rule, fallback_arm=fallback, name="poor")
    await service.create(a_budget(100.0, name="rich"), poor, arms=(SMALL, LARGE))

    found = await explained(service, await service.decide())

    assert [(one.budget, one.is_short) for one in found.budgets] == [
        ("rich", False),
        ("poor", True),
    ]
    served = fallback or "small"
    assert found.routed.arm == served
    why = {one.arm: one.ineligible_reason for one in found.arms}
    assert why.pop(served) == ""
    assert set(why.values()) == {"what is left of the budget cannot pay for it"}


async def test_an_arm_that_is_too_dear_says_so_while_another_is_paid(service):
    await service.create(a_budget(0.05))

    found = await explained(service, await service.decide())

    assert [bool(one.ineligible_reason) for one in found.arms] == [False, True]
    assert not found.budgets[0].is_short


async def test_an_observing_policys_budget_has_no_price(service):
    await service.create(a_budget(10.0), mode=Mode.OBSERVE, default_arm="large")
    decision = await service.decide()
    await service.tell(decision, 0.03)

    found = await explained(service, decision)

    (budget,) = found.budgets
    assert (budget.first_price, budget.weight, budget.spent) == (None, None, 0.03)
    assert all(one.budget_offset is None for one in found.arms)


async def test_without_budgets_there_is_nothing_to_tell(service):
    await service.create()
    found = await explained(service, await service.decide())
    assert found.budgets == ()


async def test_what_a_call_took_is_shown_as_spent_and_nothing_off_as_nothing(service, capsys):
    """Settled is a word for what stayed within the reservation."""
    await service.create(a_budget(1e6), arms=(SMALL,))  # ample, so its price is 0
    decision = await service.decide()
    await service.tell(decision, 5.0)
    found = await explained(service, decision)

    show(answers.explanation(found).decision)

    shown = capsys.readouterr().out
    assert [math.copysign(1.0, one.budget_offset) for one in found.arms] == [1.0]
    assert "-0" not in shown.replace(decision.id, "")
    (head,) = (line.split() for line in shown.splitlines() if line.split()[:1] == ["budget"])
    (row,) = (line.split() for line in shown.splitlines() if line.split()[:1] == ["usd"])
    assert dict(zip(head, row, strict=False))["spent"] == "5"
    assert "settled" not in head
