"""Masks of what to change, and names of what should be there."""

import math

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from bandit_service.errors import InvalidField
from bandit_service.model import (
    Arm,
    Mode,
    PolicyConfig,
)
from bandit_service.rpc import convert_policy
from bandit_service.rpc.pb import policy_pb2 as pb
from tests.rpc.operators import A_RICH_ARM, A_RICH_CONFIG, NUL, a_policy, written


def update(policy, *paths):
    mask = FieldMask(paths=paths)
    request = pb.UpdatePolicyRequest(policy=policy, update_mask=mask, author="ada")
    return convert_policy.policy_update(request)


def update_arm(arm, *paths):
    mask = FieldMask(paths=paths)
    request = pb.UpdateArmRequest(policy="chat", arm=arm, update_mask=mask, etag="2")
    return convert_policy.arm_update(request)


def test_an_update_changes_what_the_mask_names_and_nothing_else():
    policy = a_policy(floor=0.2, mode=pb.MODE_OBSERVE, default_arm="small", etag="2")

    changes = {"floor": 0.2, "mode": Mode.OBSERVE}
    assert update(policy, "floor", "mode") == ("chat", changes, "2", "ada")


def test_what_the_mask_does_not_name_is_not_checked():
    update(a_policy(floor=math.nan, mode=pb.MODE_ACT), "mode")


def test_a_field_that_is_named_but_not_set_gets_its_default():
    paths = [name for name in PolicyConfig.__struct_fields__ if name not in ("name", "arms")]

    _, changes, _, _ = update(pb.Policy(name="chat"), *paths)

    assert PolicyConfig(name="chat", arms=(), **changes) == PolicyConfig(name="chat", arms=())
    assert set(changes) == set(paths)


def test_every_field_of_an_arm_can_be_changed_but_its_name_and_what_the_service_sets():
    fixed = ("name", "state", "version_position")
    paths = [name for name in Arm.__struct_fields__ if name not in fixed]

    policy, arm, changes, etag, _ = update_arm(written(A_RICH_CONFIG).arms[1], *paths)

    assert (policy, arm, etag) == ("chat", "large", "2")
    assert Arm(name="large", **changes) == A_RICH_ARM


@pytest.mark.parametrize(
    "path",
    [
        *("name", "arms", "revision", "etag", "create_time", "update_time"),
        *("", "*", "nonsense", "objective.quality_per_usd", "policy.floor"),
    ],
)
def test_a_mask_that_names_what_cannot_change_is_refused(path):
    with pytest.raises(InvalidField, match="update_mask") as refused:
        update(a_policy(), "floor", path)

    assert repr(path) in str(refused.value)


@pytest.mark.parametrize("author", ["a" * 129, NUL])
def test_who_makes_a_change_has_a_name_that_can_be_kept(author):
    with pytest.raises(InvalidField, match="author"):
        convert_policy.arm_reference(pb.RetireArmRequest(policy="c", arm="a", author=author))


@pytest.mark.parametrize("path", ["name", "state", "floor"])
def test_a_mask_of_an_arm_that_names_what_cannot_change_is_refused(path):
    with pytest.raises(InvalidField, match=f"update_mask: '{path}'"):
        update_arm(pb.Arm(name="small"), path)


@pytest.mark.parametrize("act", [lambda: update(a_policy()), lambda: update_arm(pb.Arm(name="a"))])
def test_an_empty_mask_is_refused(act):
    with pytest.raises(InvalidField, match="update_mask: name the fields"):
        act()


def test_a_bad_value_of_an_arm_is_named_within_the_arm():
    with pytest.raises(InvalidField, match=r"^arm\.tags\[0\]: "):
        update_arm(pb.Arm(name="small", tags=[""]), "tags")


BAD_REFERENCES = [
    ("policy.name", lambda: update(pb.Policy(floor=0.1), "floor")),
    ("etag", lambda: update(a_policy(etag=NUL), "floor")),
    ("arm.name", lambda: update_arm(pb.Arm(), "tags")),
    ("name", lambda: convert_policy.deletion(pb.DeletePolicyRequest())),
    ("etag", lambda: convert_policy.deletion(pb.DeletePolicyRequest(name="a", etag="e" * 129))),
    ("policy", lambda: convert_policy.arm_addition(pb.AddArmRequest(arm=pb.Arm(name="a")))),
    ("arm.name", lambda: convert_policy.arm_addition(pb.AddArmRequest(policy="chat"))),
    ("policy", lambda: convert_policy.arm_reference(pb.RetireArmRequest(arm="a"))),
    ("arm", lambda: convert_policy.arm_reference(pb.RemoveArmRequest(policy="chat"))),
    ("page_size", lambda: convert_policy.page(pb.ListPoliciesRequest(page_size=-1))),
    ("page_size", lambda: convert_policy.page(pb.ListPoliciesRequest(page_size=1001))),
    ("page_token", lambda: convert_policy.page(pb.ListPoliciesRequest(page_token=NUL))),
    ("name", lambda: convert_policy.policy_name("name", "a" * 64)),
]


@pytest.mark.parametrize(("field", "act"), BAD_REFERENCES)
def test_a_bad_reference_is_refused_with_the_field_at_fault(field, act):
    with pytest.raises(InvalidField) as refused:
        act()

    assert refused.value.field == field


def test_a_page_has_a_hundred_policies_unless_told_otherwise():
    asked = pb.ListPoliciesRequest(page_size=7, page_token="more")  # noqa: S106 - no secret

    assert convert_policy.page(pb.ListPoliciesRequest()) == (100, "")
    assert convert_policy.page(asked) == (7, "more")
