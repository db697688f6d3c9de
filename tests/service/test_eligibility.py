"""Which arms fall out before the draw, why, and which reason wins."""

from typing import Any

import msgspec
import pytest

from bandit_service.eligibility import REASONS, Eligibility, Exclusion
from bandit_service.errors import InvalidField
from bandit_service.model import Arm, ArmState, Modality
from tests.builders import a_config, a_query

TEXT_AND_IMAGE = (Modality.TEXT, Modality.IMAGE)


def exclusion(arm: Arm, **demands: Any) -> Exclusion:
    """What becomes of `arm`, in a policy that has another one."""
    eligibility = Eligibility(a_config(arms=(arm, Arm(name="other"))))
    return Exclusion(int(eligibility.exclusions(a_query(**demands))[0]))


def test_an_arm_that_nothing_speaks_against_is_eligible():
    assert exclusion(Arm(name="small")) is Exclusion.NONE


@pytest.mark.parametrize(
    ("arm", "demands", "expected"),
    [
        ({"state": ArmState.RETIRED}, {}, Exclusion.RETIRED),
        ({"state": ArmState.REMOVED}, {}, Exclusion.REMOVED),
        ({}, {"allowed_arms": ("other",)}, Exclusion.NOT_ALLOWED),
        ({"tags": ("eu",)}, {"required_tags": ("eu", "fast")}, Exclusion.MISSING_TAG),
        ({}, {"required_modalities": (Modality.IMAGE,)}, Exclusion.MISSING_MODALITY),
        ({"context_limit_tokens": 99}, {"input_tokens": 100}, Exclusion.CONTEXT_LIMIT),
    ],
)
def test_each_demand_excludes_an_arm_that_does_not_meet_it(arm, demands, expected):
    assert exclusion(Arm(name="small", **arm), **demands) is expected


@pytest.mark.parametrize(
    ("arm", "demands"),
    [
        ({}, {"allowed_arms": ("small", "other")}),
        ({"tags": ("eu", "fast")}, {"required_tags": ("eu",)}),
        ({"modalities": TEXT_AND_IMAGE}, {"required_modalities": TEXT_AND_IMAGE}),
        ({"context_limit_tokens": 100}, {"input_tokens": 100}),
        ({"context_limit_tokens": 100}, {}),
        ({}, {"input_tokens": 10**12}),
    ],
)
def test_an_arm_that_meets_every_demand_stays(arm, demands):
    assert exclusion(Arm(name="small", **arm), **demands) is Exclusion.NONE


def test_of_several_reasons_the_first_in_order_is_given():
    arm = Arm(name="small", state=ArmState.REMOVED, context_limit_tokens=1)
    demands: dict[str, Any] = {
        "allowed_arms": ("other",),
        "required_tags": ("eu",),
        "required_modalities": (Modality.IMAGE,),
        "input_tokens": 2,
    }
    mended: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"state": ArmState.RETIRED}, {}),
        ({"state": ArmState.ACTIVE}, {}),
        ({}, {"allowed_arms": ()}),
        ({"tags": ("eu",)}, {}),
        ({"modalities": TEXT_AND_IMAGE}, {}),
        ({"context_limit_tokens": 2}, {}),
    ]

    found = [exclusion(arm, **demands)]
    for change_of_arm, change_of_demands in mended:
        arm = msgspec.structs.replace(arm, **change_of_arm)
        demands |= change_of_demands
        found.append(exclusion(arm, **demands))

    assert found == [
        Exclusion.REMOVED,
        Exclusion.RETIRED,
        Exclusion.NOT_ALLOWED,
        Exclusion.MISSING_TAG,
        Exclusion.MISSING_MODALITY,
        Exclusion.CONTEXT_LIMIT,
        Exclusion.NONE,
    ]


def test_tokens_to_be_written_count_towards_the_limit():
    arm = Arm(name="small", context_limit_tokens=100)

    assert exclusion(arm, input_tokens=60, output_tokens=40) is Exclusion.NONE
    assert exclusion(arm, input_tokens=60, output_tokens=41) is Exclusion.CONTEXT_LIMIT
    assert exclusion(arm, output_tokens=101) is Exclusion.CONTEXT_LIMIT


def test_an_allowed_arm_that_the_policy_never_had_is_refused():
    eligibility = Eligibility(a_config())

    with pytest.raises(InvalidField, match="policy 'chat' has no arm 'lagre'") as refused:
        eligibility.exclusions(a_query(allowed_arms=("small", "lagre")))

    assert refused.value.field == "allowed_arms"


def test_an_allowed_arm_that_was_removed_is_no_error():
    gone = Arm(name="small", state=ArmState.REMOVED)

    assert exclusion(gone, allowed_arms=("small",)) is Exclusion.REMOVED


@pytest.mark.parametrize(
    "demands",
    [
        {"required_tags": ("eu",)},
        {"required_modalities": (Modality.IMAGE,)},
        {"allowed_arms": ("other",)},
        {"required_tags": ("eu",), "input_tokens": 50},
    ],
)
def test_asking_again_gives_the_same_answer(demands):
    arms = (
        Arm(name="small", tags=("eu",), context_limit_tokens=10),
        Arm(name="other", modalities=TEXT_AND_IMAGE),
    )
    eligibility = Eligibility(a_config(arms=arms))
    query = a_query(**demands)

    first, again = eligibility.exclusions(query), eligibility.exclusions(query)

    fresh = Eligibility(a_config(arms=arms)).exclusions(query)
    assert first.tolist() == again.tolist() == fresh.tolist()


def test_a_demand_for_tokens_is_not_kept_for_the_next_query():
    eligibility = Eligibility(a_config(arms=(Arm(name="small", context_limit_tokens=10),)))

    eligibility.exclusions(a_query(input_tokens=11))

    assert eligibility.exclusions(a_query()).tolist() == [Exclusion.NONE]


def test_answers_stay_right_when_there_are_too_many_demands_to_keep():
    eligibility = Eligibility(a_config(arms=(Arm(name="small", tags=("tag 1500",)),)))

    found = [
        eligibility.exclusions(a_query(required_tags=(f"tag {i}",))).tolist() for i in range(2_000)
    ]

    assert [i for i, codes in enumerate(found) if codes == [Exclusion.NONE]] == [1500]


def test_reasons_name_only_the_arms_that_fell_out():
    eligibility = Eligibility(a_config())

    reasons = eligibility.reasons(eligibility.exclusions(a_query(allowed_arms=("small",))))

    assert reasons == dict.fromkeys(("medium", "large"), REASONS[Exclusion.NOT_ALLOWED])


def test_every_exclusion_has_a_reason_for_people():
    assert set(REASONS) == set(Exclusion)
    assert all(REASONS[code] for code in Exclusion if code)
