"""Which budgets a policy may have, and how they are said."""

import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandit_service.budgets import requests_of, units_of
from bandit_service.configuration import arm_state_changed, check
from bandit_service.errors import InvalidField
from bandit_service.model import (
    Arm,
    ArmState,
    Budget,
    PolicyConfig,
    PolicyView,
    Resource,
    RevisionEvent,
    WhenExhausted,
    to_units,
)
from bandit_service.rpc import convert_policy, policy_answers
from bandit_service.rpc.pb import budget_pb2, policy_pb2
from tests.builders import NOW, a_config, shape_of
from tests.ledger.budgeted import LARGE, SMALL, a_budget

NAN, INF = float("nan"), float("inf")
FALLBACK = WhenExhausted.FALLBACK
WATTS = Arm(name="watts", declared_joules_per_output_token=0.5)

BAD = [
    ({"amount": 0.0}, "budgets[0].amount", "from 1e-09 to 1e+09 usd, not 0"),
    ({"amount": -1.0}, "budgets[0].amount", "not -1"),
    ({"amount": NAN}, "budgets[0].amount", "not nan"),
    ({"amount": INF}, "budgets[0].amount", "not inf"),
    ({"amount": 1e10}, "budgets[0].amount", "not 1e+10"),
    ({"amount": 2e6, "requests": None, "rate": True}, "budgets[0].amount", "to 1e+06 usd"),
    ({"requests": None}, "budgets[0]", "none is set"),
    ({"window": 60.0}, "budgets[0]", "window and requests are set"),
    ({"rate": True}, "budgets[0]", "requests and rate are set"),
    ({"requests": 0}, "budgets[0].requests", "not 0"),
    ({"requests": None, "window": 0.5}, "budgets[0].window", "several commits"),
    ({"requests": None, "window": -5.0}, "budgets[0].window", "not -5"),
    ({"requests": None, "window": NAN}, "budgets[0].window", "not nan"),
    ({"requests": None, "window": 1e9}, "budgets[0].window", "to 3.16224e+07 seconds"),
    ({"resource": Resource.JOULES}, "budgets[0].resource", "declared_joules_per_output_token"),
    ({"when_exhausted": FALLBACK}, "budgets[0].fallback_arm", "required"),
    ({"fallback_arm": "small"}, "budgets[0].fallback_arm", "fallback only"),
    (
        {"when_exhausted": FALLBACK, "fallback_arm": "huge"},
        "budgets[0].fallback_arm",
        "'huge' is not an active arm",
    ),
    ({"name": "no blanks"}, "budgets[0].name", "must be a letter"),
    ({"controller": "hope"}, "budgets[0].controller", "known: resolving, pacing"),
]


@pytest.mark.parametrize(("changes", "field", "words"), BAD)
def test_what_makes_no_sense_is_refused_by_field(changes, field, words):
    budget = Budget(**({"resource": Resource.USD, "amount": 1.0, "requests": 10} | changes))
    with pytest.raises(InvalidField) as error:
        check(a_config(arms=(SMALL, LARGE), budgets=(budget,)), shape_of)
    assert error.value.field == field
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("budgets", "field", "words"),
    [
        ((a_budget(1.0), a_budget(2.0)), "budgets[0].name", "'usd' is there twice"),
        (
            (a_budget(1.0), a_budget(2.0, name="b", controller="pacing")),
            "budgets[1].controller",
            "priced together",
        ),
        (
            (
                a_budget(1.0, controller="knapsack_threshold"),
                a_budget(2.0, name="b", controller="knapsack_threshold"),
            ),
            "budgets[0].controller",
            "keeps one budget",
        ),
        (tuple(a_budget(1.0, name=f"b{i}") for i in range(9)), "budgets", "at most 8, not 9"),
    ],
)
def test_budgets_that_do_not_go_together_are_refused(budgets, field, words):
    with pytest.raises(InvalidField) as error:
        check(a_config(arms=(SMALL, LARGE), budgets=budgets), shape_of)
    assert error.value.field == field
    assert words in str(error.value)


def test_a_money_budget_needs_an_arm_with_prices():
    one_price = Arm(name="half", input_usd_per_million_tokens=1.0)
    for arms in ((WATTS,), (one_price,)):
        with pytest.raises(InvalidField, match=r"budgets\[0\].resource: no active arm has both"):
            check(a_config(arms=arms, budgets=(a_budget(1.0),)), shape_of)
    check(a_config(arms=(WATTS, SMALL), budgets=(a_budget(1.0),)), shape_of)


def test_a_budget_is_named_for_what_it_limits():
    joules = a_budget(10.0, resource=Resource.JOULES)
    config = a_config(arms=(SMALL, WATTS), budgets=(a_budget(1.0), joules))
    assert [one.name for one in check(config, shape_of).budgets] == ["usd", "joules"]


def test_the_arm_that_a_budget_falls_back_on_stays():
    budget = a_budget(1.0, when_exhausted=FALLBACK, fallback_arm="large")
    config = check(a_config(arms=(SMALL, LARGE), budgets=(budget,)), shape_of)
    with pytest.raises(InvalidField, match="falls back on 'large'"):
        arm_state_changed("large", ArmState.RETIRED)(config)


@pytest.mark.parametrize(
    ("budget", "units", "requests"),
    [
        (a_budget(2.5, window=60.0), 2_500_000_000, None),
        (a_budget(1e-9), 1, 1_000),
        (a_budget(3.25e-5, rate=True), 32_500_000, 1_000),  # a thousand requests of it
        (a_budget(2.5, resource=Resource.JOULES, requests=7), 2_500_000, 7),
    ],
)
def test_the_ledger_counts_in_whole_units(budget, units, requests):
    assert (units_of(budget), requests_of(budget)) == (units, requests)


@settings(deadline=None, max_examples=300)
@given(
    st.one_of(
        st.floats(0.0, 1e9),
        st.builds(
            lambda whole, part: (whole + part) / 1e9, st.integers(0, 10**12), st.floats(0, 1)
        ),
        st.builds(
            lambda whole, near: whole / 1e9 + near, st.integers(0, 10**9), st.floats(0, 2e-12)
        ),
    )
)
def test_an_amount_is_rounded_up_to_a_unit_but_for_a_thousandth(usd):
    """What a sum of floats is off by is not another billionth of a dollar."""
    units = round(usd * 1e9, 3)
    assert to_units(Resource.USD, usd) == (math.ceil(units) if units < 2**55 else 2**55)


def test_budgets_come_back_from_the_wire_as_they_were():
    budgets = (
        a_budget(10.0, name="daily", window=86_400.0, when_exhausted=WhenExhausted.REFUSE),
        a_budget(1e-3, name="each", rate=True, when_exhausted=FALLBACK, fallback_arm="small"),
        a_budget(3e5, name="power", resource=Resource.JOULES, requests=500),
    )
    config = check(a_config(arms=(SMALL, LARGE, WATTS), budgets=budgets), shape_of)
    view = PolicyView(config=config, revision=1, etag="", create_time=NOW, update_time=NOW)

    written = policy_answers.policy(view).SerializeToString()

    policy = policy_pb2.Policy.FromString(written)
    read = convert_policy.config(policy_pb2.CreatePolicyRequest(policy=policy))
    assert read.budgets == config.budgets


@pytest.mark.parametrize(
    ("said", "field"),
    [
        (budget_pb2.Budget(amount=1.0), "budgets[0].resource"),
        (budget_pb2.Budget(resource=7, amount=1.0), "budgets[0].resource"),  # type: ignore[arg-type]
        (budget_pb2.Budget(resource=1, amount=NAN), "budgets[0].amount"),  # type: ignore[arg-type]
        (
            budget_pb2.Budget(resource=1, amount=1.0, when_exhausted=9),  # type: ignore[arg-type]
            "budgets[0].when_exhausted",
        ),
        (budget_pb2.Budget(resource=1, amount=1.0, name="a\0"), "budgets[0].name"),  # type: ignore[arg-type]
    ],
)
def test_what_is_malformed_on_the_wire_is_refused_by_field(said, field):
    policy = policy_pb2.Policy(name="chat", budgets=[said])
    with pytest.raises(InvalidField) as error:
        convert_policy.config(policy_pb2.CreatePolicyRequest(policy=policy))
    assert error.value.field == field


def test_journals_from_before_there_were_budgets_are_read():
    event = RevisionEvent(1, 0, 0, a_config(), NOW)
    body = msgspec.msgpack.decode(msgspec.msgpack.encode(event))
    del body["config"]["budgets"]
    read = msgspec.msgpack.decode(msgspec.msgpack.encode(body), type=RevisionEvent)
    assert read.config == a_config()


def test_budgets_are_written_in_yaml_like_everything_else():
    said = {
        "name": "chat",
        "arms": [{"name": "small"}],
        "budgets": [{"resource": "usd", "amount": 10, "window": 86400, "when_exhausted": "refuse"}],
    }
    (budget,) = msgspec.convert(said, PolicyConfig).budgets
    assert budget == a_budget(10.0, window=86_400.0, when_exhausted=WhenExhausted.REFUSE)
