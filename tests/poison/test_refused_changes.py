"""Policies and arms that make no sense: each change is refused, and nothing has changed."""

import math
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct, Value

from bandit_service.rpc.pb import policy_pb2 as pp
from tests.poison.expectations import (
    ARM_EXISTS,
    CLOCK_IN_USE,
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

NAN, INF = math.nan, math.inf
NUL = "a\0b"
LONG = "n" * 129
VECTOR = pp.Features(vector=pp.VectorFeatures(dimension=511))


def features(kind: object) -> pp.Policy:
    text = isinstance(kind, pp.TextFeatures)
    return pp.Policy(features=pp.Features(**{"text" if text else "vector": kind}))  # type: ignore[arg-type]


def algorithm(name: str, **settings: float) -> pp.Policy:
    return pp.Policy(algorithm=pp.Algorithm(name=name, settings=settings))


def forgetting(**said: object) -> pp.Policy:
    return pp.Policy(forgetting=pp.Forgetting(**said))  # type: ignore[arg-type]


def objective(**said: float) -> pp.Policy:
    return pp.Policy(objective=pp.Objective(**said))


# By the field to change: values it cannot have, with the field that is said to be at fault.
VALUES: dict[str, tuple[str, str, pp.Policy]] = {
    "an unknown algorithm": ("algorithm", "algorithm", algorithm("guess")),
    "an algorithm's name with NUL": ("algorithm", "algorithm.name", algorithm(NUL)),
    "an unknown setting": ("algorithm", "algorithm", algorithm("linucb", luck=1.0)),
    "a setting out of range": ("algorithm", "algorithm", algorithm("linucb", ridge=-1.0)),
    "a setting of NaN": (
        "algorithm",
        "algorithm.settings.ridge",
        algorithm("linucb", ridge=NAN),
    ),
    "a setting of infinity": (
        "algorithm",
        "algorithm.settings.ridge",
        algorithm("linucb", ridge=INF),
    ),
    "half a cluster": ("algorithm", "algorithm", algorithm("beta_thompson", clusters=1.5)),
    "more clusters than features": (
        "algorithm",
        "algorithm",
        algorithm("beta_thompson", clusters=1e308),
    ),
    "features of no kind": ("features", "features.kind", pp.Policy(features=pp.Features())),
    "no dimension": ("features", "features.vector.dimension", features(pp.VectorFeatures())),
    "a negative dimension": (
        "features",
        "features.vector.dimension",
        features(pp.VectorFeatures(dimension=-1)),
    ),
    "512 dimensions": (
        "features",
        "features.vector.dimension",
        features(pp.VectorFeatures(dimension=512)),
    ),
    "text of 7 dimensions": (
        "features",
        "features.text.dimensions",
        features(pp.TextFeatures(dimensions=7)),
    ),
    "text of two billion dimensions": (
        "features",
        "features.text.dimensions",
        features(pp.TextFeatures(dimensions=2**31 - 1)),
    ),
    "a worth of NaN": (
        "objective",
        "objective.quality_per_usd",
        objective(quality_per_usd=NAN),
    ),
    "a worth of infinity": (
        "objective",
        "objective.quality_per_second",
        objective(quality_per_second=INF),
    ),
    "a negative worth": (
        "objective",
        "objective.quality_per_joule",
        objective(quality_per_joule=-1.0),
    ),
    "a worth of 1e308": (
        "objective",
        "objective.quality_per_usd",
        objective(quality_per_usd=1e308),
    ),
    "an unknown mode": ("mode", "mode", pp.Policy(mode=99)),  # type: ignore[arg-type]
    "a default arm that never was": ("default_arm", "default_arm", pp.Policy(default_arm="nobody")),
    "a default arm with NUL": ("default_arm", "default_arm", pp.Policy(default_arm=NUL)),
    "an empty half-life": ("forgetting", "forgetting.half_life", forgetting()),
    "a negative half-life": (
        "forgetting",
        "forgetting.half_life",
        forgetting(half_life=Duration(seconds=-1)),
    ),
    "a half-life that is no duration": (
        "forgetting",
        "forgetting.half_life",
        forgetting(half_life=Duration(seconds=2**63 - 1)),
    ),
    "a half-life of two clocks": (
        "forgetting",
        "forgetting.half_life_requests",
        forgetting(half_life=Duration(seconds=1), half_life_requests=1.0),
    ),
    "no requests of half-life": (
        "forgetting",
        "forgetting.half_life_requests",
        forgetting(clock=pp.FORGETTING_CLOCK_REQUESTS),
    ),
    "NaN requests of half-life": (
        "forgetting",
        "forgetting.half_life_requests",
        forgetting(clock=pp.FORGETTING_CLOCK_REQUESTS, half_life_requests=NAN),
    ),
    "an unknown clock": ("forgetting", "forgetting.clock", forgetting(clock=99)),
    "a floor of NaN": ("floor", "floor", pp.Policy(floor=NAN)),
    "a floor of infinity": ("floor", "floor", pp.Policy(floor=INF)),
    "a floor below 0": ("floor", "floor", pp.Policy(floor=-5e-324)),
    "a floor of 1e308": ("floor", "floor", pp.Policy(floor=1e308)),
    "an unknown source": (
        "quality_sources",
        "quality_sources[1]",
        pp.Policy(quality_sources=[1, 99]),  # type: ignore[list-item]
    ),
    "a source of no kind": (
        "quality_sources",
        "quality_sources[0]",
        pp.Policy(quality_sources=[0]),  # type: ignore[list-item]
    ),
    "a source twice": (
        "quality_sources",
        "quality_sources",
        pp.Policy(quality_sources=[1, 1]),  # type: ignore[list-item]
    ),
    "an unknown way to learn preferences": (
        "preference_learning",
        "preference_learning",
        pp.Policy(preference_learning=99),  # type: ignore[arg-type]
    ),
}


def parameters(value: Value) -> pp.Arm:
    return pp.Arm(parameters=Struct(fields={"temperature": value}))


# The same for arms; fields are below the arm.
ARM_VALUES: dict[str, tuple[str, str, pp.Arm]] = {
    "a model with NUL": ("model", "model", pp.Arm(model=NUL)),
    "a parameter of NaN": (
        "parameters",
        "parameters.temperature",
        parameters(Value(number_value=NAN)),
    ),
    "a parameter of infinity": (
        "parameters",
        "parameters.temperature",
        parameters(Value(number_value=INF)),
    ),
    "a parameter of no kind": ("parameters", "parameters.temperature", parameters(Value())),
    "a parameter with NUL": (
        "parameters",
        "parameters.temperature",
        parameters(Value(string_value=NUL)),
    ),
    "a prompt's version with NUL": (
        "prompt_version",
        "prompt_version",
        pp.Arm(prompt_version=NUL),
    ),
    "a price of NaN": (
        "input_usd_per_million_tokens",
        "input_usd_per_million_tokens",
        pp.Arm(input_usd_per_million_tokens=NAN),
    ),
    "a negative price": (
        "output_usd_per_million_tokens",
        "output_usd_per_million_tokens",
        pp.Arm(output_usd_per_million_tokens=-0.01),
    ),
    "a price of 1e308": (
        "input_usd_per_million_tokens",
        "input_usd_per_million_tokens",
        pp.Arm(input_usd_per_million_tokens=1e308),
    ),
    "a limit of no tokens": (
        "context_limit_tokens",
        "context_limit_tokens",
        pp.Arm(context_limit_tokens=0),
    ),
    "a negative limit": (
        "context_limit_tokens",
        "context_limit_tokens",
        pp.Arm(context_limit_tokens=-(2**63)),
    ),
    "an unknown modality": ("modalities", "modalities[1]", pp.Arm(modalities=[1, 99])),  # type: ignore[list-item]
    "a modality of no kind": ("modalities", "modalities[0]", pp.Arm(modalities=[0])),  # type: ignore[list-item]
    "an empty tag": ("tags", "tags[0]", pp.Arm(tags=[""])),
    "a tag that is too long": ("tags", "tags[0]", pp.Arm(tags=[LONG])),
    "an energy of infinity": (
        "declared_joules_per_output_token",
        "declared_joules_per_output_token",
        pp.Arm(declared_joules_per_output_token=INF),
    ),
    "a negative energy": (
        "declared_joules_per_output_token",
        "declared_joules_per_output_token",
        pp.Arm(declared_joules_per_output_token=-1.0),
    ),
}
ARM_NAMES = {
    "no name": "",
    "a blank name": " ",
    "a name that begins with a blank": " small",
    "a name that is too long": LONG,
    "a name with NUL": NUL,
    "a name of two lines": "small\nlarge",
    "a name with a control character": "small\x1b[31m",
}
POLICY_NAMES = {
    "no name": "",
    "a name that begins with a digit": "1st",
    "a name of 64 letters": "n" * 64,
    "a name of 100 kB": "n" * 100_000,
    "a name with NUL": NUL,
    "a name with a line's end": "chat\n",
    "a name of foreign letters": "\u4e2d\u6587",
    "a name with a quote": "chat'; --",
}


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
    "another clock after feedback": (
        CLOCK_IN_USE,
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
