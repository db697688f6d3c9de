"""Policies and arms, as operators write and read them."""

import math

import msgspec
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct, Value

from bandit_service.errors import InvalidField
from bandit_service.model import (
    Algorithm,
    Arm,
    ArmState,
    ArmStatistics,
    Clock,
    Features,
    Forgetting,
    Freshness,
    Objective,
    PolicyConfig,
    PolicyView,
    StateView,
    TextFeatures,
)
from bandit_service.rpc import policy_answers
from bandit_service.rpc.pb import policy_pb2 as pb
from tests.builders import NOW
from tests.rpc.operators import A_RICH_CONFIG, NUL, a_policy, create, written

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    "config",
    [
        A_RICH_CONFIG,
        PolicyConfig(name="chat", arms=(Arm(name="small"),)),
        msgspec.structs.replace(
            A_RICH_CONFIG,
            features=Features(
                text=TextFeatures(dimensions=32, readability=True, labels=("code", "chat"))
            ),
            forgetting=Forgetting(half_life=1000.0, clock=Clock.REQUESTS),
            objective=Objective(accuracy_energy_dial=0.0, reference_joules=35.0),
        ),
    ],
    ids=["rich", "plain", "other kinds"],
)
def test_a_policy_survives_the_wire(config):
    over_the_wire = pb.Policy.FromString(written(config).SerializeToString())

    assert create(over_the_wire) == config


def test_a_limit_in_whole_tokens_stays_whole():
    read = create(written(A_RICH_CONFIG)).arms[1].parameters

    assert isinstance(read["max_tokens"], int)
    assert isinstance(read["temperature"], float)


def test_who_names_a_policy_and_its_arms_gets_the_defaults():
    assert create(a_policy()) == PolicyConfig(name="chat", arms=(Arm(name="small"),))


def test_settings_without_an_algorithm_are_for_the_default_one():
    algorithm = create(a_policy(algorithm=pb.Algorithm(settings={"a": 1.0}))).algorithm

    assert algorithm == Algorithm(settings={"a": 1.0})


def test_what_only_the_service_writes_is_answered_and_not_read():
    view = PolicyView(
        PolicyConfig(name="chat", arms=(Arm(name="small", state=ArmState.RETIRED),)),
        revision=3,
        etag="3-abc",
        create_time=NOW,
        update_time=NOW + 0.25,
    )

    told = policy_answers.policy(view)

    assert (told.revision, told.etag) == (3, "3-abc")
    assert told.create_time.ToMicroseconds() == round(NOW * 1e6)
    assert told.update_time.ToMicroseconds() == round(NOW * 1e6) + 250_000
    assert told.arms[0].state == pb.ARM_STATE_RETIRED
    assert create(told).arms[0].state is ArmState.ACTIVE


def test_every_field_of_a_policy_is_written():
    told = written(A_RICH_CONFIG)

    named = {field.name for field, _ in told.ListFields()}
    assert named == {field.name for field in pb.Policy.DESCRIPTOR.fields}


def test_what_was_learned_is_told_and_what_is_unknown_is_not():
    view = StateView(9, "ab", "v", (ArmStatistics("small", 2.0, mean_quality=0.0),))

    told = policy_answers.state(view, Freshness("here", 9, 11, 0.25))

    assert (told.head_position, told.staleness.ToMilliseconds(), told.replica) == (11, 250, "here")
    assert not policy_answers.state(view, Freshness("here", 9, 9, None)).HasField("staleness")
    assert (told.position, told.state_hash, told.feature_version) == (9, "ab", "v")
    assert told.arms[0].HasField("mean_quality")
    assert not told.arms[0].HasField("mean_cost_usd")


def with_arm(**changes):
    return a_policy(arms=[pb.Arm(name="a"), pb.Arm(**({"name": "b"} | changes))])


def with_parameter(value):
    return with_arm(parameters=Struct(fields={"x": value}))


def forgetting(**changes):
    return a_policy(forgetting=pb.Forgetting(**changes))


def challenger(**changes):
    return a_policy(challengers=[pb.Challenger(**({"name": "bold"} | changes))])


TIME, REQUESTS = pb.FORGETTING_CLOCK_TIME, pb.FORGETTING_CLOCK_REQUESTS
BAD_NUMBERS = (NAN, INF, -INF)
BAD_POLICIES = {
    "name": [a_policy(name=bad) for bad in ("", "1st", "a b", "a" * 64, "a/b", "\u00e9", NUL)],
    "algorithm.name": [a_policy(algorithm=pb.Algorithm(name=NUL))],
    "algorithm.settings.width": [
        a_policy(algorithm=pb.Algorithm(settings={"width": bad})) for bad in BAD_NUMBERS
    ],
    "algorithm.settings": [a_policy(algorithm=pb.Algorithm(settings={NUL: 1.0}))],
    "features.kind": [a_policy(features=pb.Features())],
    "objective.quality_per_usd": [a_policy(objective=pb.Objective(quality_per_usd=NAN))],
    "objective.quality_per_second": [a_policy(objective=pb.Objective(quality_per_second=INF))],
    "objective.quality_per_joule": [a_policy(objective=pb.Objective(quality_per_joule=-INF))],
    "mode": [a_policy(mode=99)],
    "default_arm": [a_policy(default_arm=NUL), a_policy(default_arm="a" * 129)],
    "forgetting.clock": [forgetting(clock=99)],
    "forgetting.half_life": [
        forgetting(),
        forgetting(clock=TIME),
        forgetting(clock=TIME, half_life=Duration(seconds=-5)),
        forgetting(clock=TIME, half_life=Duration(nanos=2_000_000_000)),
        forgetting(clock=REQUESTS, half_life=Duration(seconds=5), half_life_requests=5.0),
    ],
    "forgetting.half_life_requests": [
        forgetting(clock=REQUESTS),
        forgetting(clock=REQUESTS, half_life_requests=-1.0),
        forgetting(clock=REQUESTS, half_life_requests=NAN),
        forgetting(clock=TIME, half_life=Duration(seconds=5), half_life_requests=5.0),
    ],
    "floor": [a_policy(floor=bad) for bad in BAD_NUMBERS],
    "challengers[0].name": [challenger(name=bad) for bad in ("", NUL, "a" * 129)],
    "challengers[0].share": [challenger(share=bad) for bad in BAD_NUMBERS],
    "challengers[0].margin": [challenger(margin=bad) for bad in BAD_NUMBERS],
    "challengers[0].floor": [challenger(floor=bad) for bad in BAD_NUMBERS],
    "challengers[0].algorithm.settings.width": [
        challenger(algorithm=pb.Algorithm(settings={"width": NAN}))
    ],
    "challengers[0].objective.quality_per_usd": [
        challenger(objective=pb.Objective(quality_per_usd=INF))
    ],
    "quality_sources[1]": [a_policy(quality_sources=[1, 0]), a_policy(quality_sources=[1, 99])],
    "preference_learning": [a_policy(preference_learning=99)],
    "arms[1].name": [with_arm(name=bad) for bad in ("", " b", "b ", "b\n", "a" * 129, NUL)],
    "arms[1].model": [with_arm(model=NUL)],
    "arms[1].prompt_version": [with_arm(prompt_version=NUL)],
    "arms[1].parameters.x": [
        with_parameter(Value(number_value=NAN)),
        with_parameter(Value(number_value=INF)),
        with_parameter(Value(string_value=NUL)),
        with_parameter(Value()),
    ],
    "arms[1].parameters": [with_arm(parameters=Struct(fields={NUL: Value(bool_value=True)}))],
    "arms[1].input_usd_per_million_tokens": [with_arm(input_usd_per_million_tokens=NAN)],
    "arms[1].output_usd_per_million_tokens": [with_arm(output_usd_per_million_tokens=INF)],
    "arms[1].declared_joules_per_output_token": [with_arm(declared_joules_per_output_token=NAN)],
    "arms[1].modalities[0]": [with_arm(modalities=[0]), with_arm(modalities=[99])],
    "arms[1].tags[0]": [with_arm(tags=[""]), with_arm(tags=[NUL]), with_arm(tags=["t" * 129])],
}


@pytest.mark.parametrize(
    ("field", "policy"), [(field, bad) for field, all_ in BAD_POLICIES.items() for bad in all_]
)
def test_a_bad_policy_is_refused_with_the_field_at_fault(field, policy):
    with pytest.raises(InvalidField) as refused:
        create(policy)

    assert refused.value.field == field


def test_a_nested_parameter_is_named_with_its_way():
    parameters = Struct()
    parameters.update({"stop": [1, {"deep": NUL}]})

    with pytest.raises(InvalidField) as refused:
        create(with_arm(parameters=parameters))

    assert refused.value.field == "arms[1].parameters.stop[1].deep"
