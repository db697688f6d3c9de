"""Policies and arms that make no sense: each change is refused, and nothing has changed."""

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from bandit_service.rpc.pb import policy_pb2 as pp
from tests.poison.bad_policies import (
    ARM_NAMES,
    ARM_VALUES,
    LONG,
    NUL,
    POLICY_NAMES,
    VALUES,
    forgetting,
)
from tests.poison.expectations import (
    ARM_EXISTS,
    CLOCK_FIXED,
    DEFAULT_ARM_IN_USE,
    NO_ARM,
    NO_POLICY,
    POLICY_EXISTS,
    STALE_ETAG,
    Build,
    Cases,
    Refusal,
    bad,
    check_refused,
    sentences,
)
from tests.poison.house import House, a_vector_policy

VECTOR = pp.Features(vector=pp.VectorFeatures(dimension=511))


def created(**changes: object) -> Build:
    given: dict[str, object] = {"name": "fresh", "arms": [pp.Arm(name="small")]}
    policy = pp.Policy(**given | changes)  # type: ignore[arg-type]
    return lambda _: pp.CreatePolicyRequest(policy=policy)


def created_with(policy: pp.Policy) -> Build:
    whole = pp.Policy(name="fresh", arms=[pp.Arm(name="small")])
    whole.MergeFrom(policy)
    return lambda _: pp.CreatePolicyRequest(policy=whole)


def an_arm(arm: pp.Arm) -> pp.Arm:
    whole = pp.Arm(name="extra")
    whole.MergeFrom(arm)
    return whole


def updated(path: str, policy: pp.Policy, **changes: str) -> Build:
    def build(house: House) -> pp.UpdatePolicyRequest:
        given: dict[str, Any] = {"name": house.chat} | changes
        named = pp.Policy(**given)
        named.MergeFrom(policy)
        return pp.UpdatePolicyRequest(policy=named, update_mask=FieldMask(paths=[path]))

    return build


def arm_added(arm: pp.Arm | None, **changes: str) -> Build:
    return with_arm(pp.AddArmRequest, arm, **changes)


def arm_updated(path: str, arm: pp.Arm, **changes: str) -> Build:
    mask = FieldMask(paths=[path] if path else [])
    return with_arm(pp.UpdateArmRequest, arm, update_mask=mask, **changes)


def with_arm(kind: Callable[..., Message], arm: object, **changes: object) -> Build:
    return lambda h: kind(**{"policy": h.chat, "arm": arm} | changes)


SMALL = pp.Arm(name="small")
CREATIONS: Cases = {
    "nothing at all": (bad("name"), lambda _: pp.CreatePolicyRequest()),
    "a name that is taken": (
        POLICY_EXISTS,
        lambda h: pp.CreatePolicyRequest(policy=a_vector_policy(h.chat)),
    ),
    "no arms": (bad("arms"), created(arms=[])),
    "257 arms": (bad("arms"), created(arms=[pp.Arm(name=f"a{i}") for i in range(257)])),
    "more numbers than it may hold": (
        bad("arms"),
        created(features=VECTOR, arms=[pp.Arm(name=f"a{i}") for i in range(16)]),
    ),
    "an arm twice": (bad("arms[1].name"), created(arms=[SMALL, SMALL])),
    "nothing to serve while it observes": (bad("default_arm"), created(mode=pp.MODE_OBSERVE)),
    **{said: (bad("name"), created(name=name)) for said, name in POLICY_NAMES.items()},
    **{
        f"an arm of {said}": (bad("arms[0].name"), created(arms=[pp.Arm(name=name)]))
        for said, name in ARM_NAMES.items()
    },
    **{said: (bad(field), created_with(it)) for said, (_, field, it) in VALUES.items()},
    **{
        f"an arm with {said}": (bad(f"arms[1].{field}"), created(arms=[SMALL, an_arm(arm)]))
        for said, (_, field, arm) in ARM_VALUES.items()
    },
}
FLOOR = pp.Policy(floor=0.5)
UPDATES: Cases = {
    "nothing at all": (bad("update_mask"), lambda _: pp.UpdatePolicyRequest()),
    "no mask": (
        bad("update_mask"),
        lambda h: pp.UpdatePolicyRequest(policy=pp.Policy(name=h.chat, floor=0.5)),
    ),
    "no name": (bad("policy.name"), updated("floor", FLOOR, name="")),
    "a policy that is not there": (NO_POLICY, updated("floor", FLOOR, name="nowhere")),
    "a stale etag": (STALE_ETAG, updated("floor", FLOOR, etag="1-1")),
    "an etag that is too long": (bad("etag"), updated("floor", FLOOR, etag=LONG)),
    **{
        f"a mask of {path!r}": (bad("update_mask"), updated(path, FLOOR))
        for path in ("", "*", "name", "arms", "etag", "revision", "floor.x", "arms.name", NUL)
    },
    "a default arm that is retired": (
        bad("default_arm"),
        updated("default_arm", pp.Policy(default_arm="old")),
    ),
    "another clock": (
        CLOCK_FIXED,
        updated(
            "forgetting",
            forgetting(clock=pp.FORGETTING_CLOCK_REQUESTS, half_life_requests=10.0),
        ),
    ),
    **{said: (bad(field), updated(path, it)) for said, (path, field, it) in VALUES.items()},
}
EXTRA = pp.Arm(name="extra")
ADDITIONS: Cases = {
    "nothing at all": (bad("policy"), lambda _: pp.AddArmRequest()),
    "no policy": (bad("policy"), arm_added(EXTRA, policy="")),
    "a policy that is not there": (NO_POLICY, arm_added(EXTRA, policy="nowhere")),
    "no arm": (bad("arm.name"), arm_added(None)),
    "an arm that is there": (ARM_EXISTS, arm_added(SMALL)),
    "a retired arm": (ARM_EXISTS, arm_added(pp.Arm(name="old"))),
    "a removed arm": (ARM_EXISTS, arm_added(pp.Arm(name="gone"))),
    "a stale etag": (STALE_ETAG, arm_added(EXTRA, etag="1-1")),
    "an etag with NUL": (bad("etag"), arm_added(EXTRA, etag=NUL)),
    **{
        f"an arm of {said}": (bad("arm.name"), arm_added(pp.Arm(name=name)))
        for said, name in ARM_NAMES.items()
    },
    **{
        f"an arm with {said}": (bad(f"arm.{field}"), arm_added(an_arm(arm)))
        for said, (_, field, arm) in ARM_VALUES.items()
    },
}


def small(arm: pp.Arm) -> pp.Arm:
    whole = pp.Arm(name="small")
    whole.MergeFrom(arm)
    return whole


ARM_UPDATES: Cases = {
    "nothing at all": (bad("update_mask"), lambda _: pp.UpdateArmRequest()),
    "no mask": (bad("update_mask"), arm_updated("", SMALL)),
    "no policy": (bad("policy"), arm_updated("model", SMALL, policy="")),
    "a policy that is not there": (NO_POLICY, arm_updated("model", SMALL, policy="nowhere")),
    "no arm": (bad("arm.name"), arm_updated("model", pp.Arm())),
    "an arm that never was": (NO_ARM, arm_updated("model", pp.Arm(name="nobody"))),
    "a removed arm": (NO_ARM, arm_updated("model", pp.Arm(name="gone"))),
    "a stale etag": (STALE_ETAG, arm_updated("model", SMALL, etag="1-1")),
    **{
        f"a mask of {path!r}": (bad("update_mask"), arm_updated(path, SMALL))
        for path in ("*", "name", "state", "parameters.temperature", NUL)
    },
    **{
        f"an arm with {said}": (bad(f"arm.{field}"), arm_updated(path, small(arm)))
        for said, (path, field, arm) in ARM_VALUES.items()
    },
}


def about_an_arm(kind: Callable[..., Message]) -> Cases:
    return {
        "nothing at all": (bad("policy"), lambda _: kind()),
        "no arm": (bad("arm"), with_arm(kind, "")),
        "a policy that is not there": (NO_POLICY, with_arm(kind, "small", policy="nowhere")),
        "an arm that never was": (NO_ARM, with_arm(kind, "nobody")),
        "a removed arm": (NO_ARM, with_arm(kind, "gone")),
        "an arm's name that is too long": (bad("arm"), with_arm(kind, LONG)),
        "the default arm": (DEFAULT_ARM_IN_USE, with_arm(kind, "large")),
        "a stale etag": (STALE_ETAG, with_arm(kind, "small", etag="1-1")),
        "an etag that is too long": (bad("etag"), with_arm(kind, "small", etag=LONG)),
    }


def about_a_policy(kind: Callable[..., Message]) -> Cases:
    return {
        "nothing at all": (bad("name"), lambda _: kind()),
        "a policy that is not there": (NO_POLICY, lambda _: kind(name="nowhere")),
        "a name that is too long": (bad("name"), lambda _: kind(name="n" * 64)),
        "a name with NUL": (bad("name"), lambda _: kind(name=NUL)),
    }


def page_after(token: str) -> Build:
    return lambda _: pp.ListPoliciesRequest(page_token=token)


PAGES: Cases = {
    "a negative size": (bad("page_size"), lambda _: pp.ListPoliciesRequest(page_size=-1)),
    "a size above a thousand": (
        bad("page_size"),
        lambda _: pp.ListPoliciesRequest(page_size=1001),
    ),
    **{
        f"a token {said}": (bad("page_token"), page_after(token))
        for said, token in {
            "nobody gave": "x",
            "of other letters": "\u4e2d",
            "with NUL": NUL,
            "that is no text": "_w==",
            "that is too long": "x" * 1025,
        }.items()
    },
}
DELETIONS: Cases = about_a_policy(pp.DeletePolicyRequest) | {
    "a stale etag": (STALE_ETAG, lambda h: pp.DeletePolicyRequest(name=h.chat, etag="1-1")),
    "another policy's etag": (
        STALE_ETAG,
        lambda h: pp.DeletePolicyRequest(name=h.words, etag=h.etag),
    ),
    "an etag with NUL": (bad("etag"), lambda h: pp.DeletePolicyRequest(name=h.chat, etag=NUL)),
}
CASES: dict[str, Cases] = {
    "CreatePolicy": CREATIONS,
    "UpdatePolicy": UPDATES,
    "DeletePolicy": DELETIONS,
    "GetPolicy": about_a_policy(pp.GetPolicyRequest),
    "GetPolicyState": about_a_policy(pp.GetPolicyStateRequest),
    "ListPolicies": PAGES,
    "AddArm": ADDITIONS,
    "UpdateArm": ARM_UPDATES,
    "RetireArm": about_an_arm(pp.RetireArmRequest),
    "RemoveArm": about_an_arm(pp.RemoveArmRequest),
}


@pytest.mark.parametrize(
    ("method", "refusal", "build"),
    sentences(
        {
            f"{method}: {said}": (method, *case)
            for method, cases in CASES.items()
            for said, case in cases.items()
        }
    ),
)
def test_a_bad_call_of_an_operator_is_refused_and_changes_nothing(
    house: House, method: str, refusal: Refusal, build: Build
):
    check_refused(house, method, build(house), refusal)


def test_after_all_bad_changes_a_good_query_and_its_feedback_are_taken(house: House):
    house.serves()
