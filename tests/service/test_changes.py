"""How one configuration becomes the next: the life of an arm, and the clock of forgetting."""

import pytest

from bandit_service.configuration import arm_added, arm_state_changed, arm_updated, updated
from bandit_service.errors import (
    ArmExists,
    ArmNotFound,
    ClockFixed,
    DefaultArmInUse,
    InvalidField,
)
from bandit_service.model import Arm, ArmState, Clock, Forgetting, PolicyConfig
from tests.builders import a_config

BY_TIME = Forgetting(half_life=60.0)
BY_LESS_TIME = Forgetting(half_life=6.0)
BY_REQUESTS = Forgetting(half_life=60.0, clock=Clock.REQUESTS)


def state_of(config: PolicyConfig, name: str) -> ArmState:
    return next(arm.state for arm in config.arms if arm.name == name)


def test_an_added_arm_comes_last():
    config = arm_added(Arm(name="huge"))(a_config())

    assert [arm.name for arm in config.arms] == ["small", "medium", "large", "huge"]


@pytest.mark.parametrize("state", ArmState)
def test_the_name_of_an_arm_is_never_used_again(state):
    config = a_config(arms=(Arm(name="small", state=state), Arm(name="large")))

    with pytest.raises(ArmExists, match="has or had an arm 'small'"):
        arm_added(Arm(name="small"))(config)


@pytest.mark.parametrize("state", [ArmState.RETIRED, ArmState.REMOVED])
def test_an_arm_that_goes_keeps_its_slot(state):
    config = arm_state_changed("medium", state)(a_config())

    assert [arm.name for arm in config.arms] == ["small", "medium", "large"]
    assert state_of(config, "medium") is state


def test_a_retired_arm_can_be_removed():
    retired = arm_state_changed("medium", ArmState.RETIRED)(a_config())

    assert state_of(arm_state_changed("medium", ArmState.REMOVED)(retired), "medium") == "removed"


@pytest.mark.parametrize("state", [ArmState.RETIRED, ArmState.REMOVED])
def test_a_removed_arm_is_gone_for_ever(state):
    config = arm_state_changed("medium", ArmState.REMOVED)(a_config())

    with pytest.raises(ArmNotFound):
        arm_state_changed("medium", state)(config)
    with pytest.raises(ArmNotFound):
        arm_updated("medium", {"tags": ("eu",)})(config)


@pytest.mark.parametrize("state", [ArmState.RETIRED, ArmState.REMOVED])
def test_the_default_arm_stays_until_another_is_named(state):
    config = a_config(default_arm="small")

    with pytest.raises(DefaultArmInUse, match="name another default first"):
        arm_state_changed("small", state)(config)

    moved = updated({"default_arm": "large"})(config)
    assert state_of(arm_state_changed("small", state)(moved), "small") is state


def test_an_arm_that_never_was_cannot_be_changed():
    with pytest.raises(ArmNotFound, match="policy 'chat' has no arm 'lagre'"):
        arm_state_changed("lagre", ArmState.RETIRED)(a_config())
    with pytest.raises(ArmNotFound):
        arm_updated("lagre", {"tags": ()})(a_config())


def test_an_update_of_an_arm_leaves_the_others_and_its_other_fields():
    before = a_config()

    after = arm_updated("medium", {"input_usd_per_million_tokens": 3.0})(before)

    assert after.arms[1].input_usd_per_million_tokens == 3.0
    assert after.arms[1].model == "medium"
    assert (after.arms[0], after.arms[2]) == (before.arms[0], before.arms[2])


@pytest.mark.parametrize("field", ["name", "state", "colour"])
def test_some_fields_of_an_arm_cannot_be_updated(field):
    with pytest.raises(InvalidField, match=f"'{field}' cannot be changed"):
        arm_updated("medium", {field: "x"})(a_config())


@pytest.mark.parametrize("field", ["name", "arms", "colour"])
def test_some_fields_of_a_policy_cannot_be_updated(field):
    with pytest.raises(InvalidField, match=f"'{field}' cannot be changed") as refused:
        updated({field: "x"})(a_config())

    assert refused.value.field == "update_mask"


def test_an_update_leaves_the_fields_that_it_does_not_name():
    before = a_config(floor=0.2, default_arm="large")

    after = updated({"floor": 0.3})(before)

    assert after == a_config(floor=0.3, default_arm="large")


# Without forgetting decisions carry the time, so time is what may follow.
@pytest.mark.parametrize(
    ("before", "after", "allowed"),
    [
        (None, None, True),
        (None, BY_TIME, True),
        (None, BY_REQUESTS, False),
        (BY_TIME, None, True),
        (BY_TIME, BY_LESS_TIME, True),
        (BY_TIME, BY_REQUESTS, False),
        (BY_REQUESTS, BY_REQUESTS, True),
        (BY_REQUESTS, BY_TIME, False),
        (BY_REQUESTS, None, False),
    ],
)
def test_the_clock_cannot_change(before, after, allowed):
    change = updated({"forgetting": after})

    if allowed:
        assert change(a_config(forgetting=before)).forgetting == after
    else:
        with pytest.raises(ClockFixed):
            change(a_config(forgetting=before))
