"""Who takes part: names, settings, YAML configurations, and what they are on a table."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

import policies
from bandit_service.errors import BadTable, InvalidField
from bandit_service.evaluation.contestants import configured, entered, named, told_apart
from bandit_service.evaluation.contexts import CONSTANT_ONLY, contexts_of
from bandit_service.features import text_features
from bandit_service.model import (
    Arm,
    Clock,
    Features,
    Forgetting,
    Mode,
    Objective,
    PolicyConfig,
    TextFeatures,
    VectorFeatures,
)
from tests.evaluation.small_tables import a_random_table, a_table

TABLE = a_table([[0.1, 0.9], [0.3, 0.4]], contexts=np.array([[1.0, 2.0], [3.0, 4.0]]))


def on_the_table(config, table=TABLE):
    (entry,) = entered([configured(config)], table)
    return entry


def test_default_is_what_a_new_policy_gets():
    assert named("default").config == PolicyConfig(name="default", arms=())


@pytest.mark.parametrize("name", policies.CATALOGUE)
def test_every_algorithm_takes_part(name):
    known = {  # some weigh them
        "input_usd_per_million_tokens": 1.0,
        "output_usd_per_million_tokens": 2.0,
        "declared_joules_per_output_token": 0.2,
    }
    arms = tuple(msgspec.structs.replace(arm, **known) for arm in TABLE.arms)
    prompts = tuple(f"What is {row}?" for row in range(len(TABLE)))  # and some read texts
    (entry,) = entered([named(name)], replace(TABLE, arms=arms, prompts=prompts))

    assert entry.config.algorithm.name == name
    assert entry.config.floor == PolicyConfig(name="x", arms=()).floor


def test_settings_go_where_they_belong():
    config = named(
        "linucb:width=0.2,oful=true,floor=0,half_life=500,dimensions=128,quality_per_usd=20"
    ).config

    assert config.algorithm.settings == {"width": 0.2, "oful": 1.0}
    assert config.floor == 0.0
    assert config.forgetting == Forgetting(half_life=500.0, clock=Clock.REQUESTS)
    assert config.features == Features(text=TextFeatures(dimensions=128))
    assert config.objective == Objective(quality_per_usd=20.0)
    assert named("linucb:oful=false").config.algorithm.settings == {"oful": 0.0}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("linucp", "known: default, ccft, "),
        ("linucb:wide=1", "no setting 'wide'; known: intercept"),
        ("linucb:width=1,width=2", "twice"),
        ("linucb:width=much", "must be a number, not 'much'"),
        ("linucb:width", "must be a number, not ''"),
        ("linucb:", "no setting ''"),
        ("default:dimensions=8.5", "must be whole"),
        ("default:dimensions=nan", "must be whole"),
    ],
)
def test_what_nobody_knows_is_refused_with_what_is_known(text, said):
    with pytest.raises(InvalidField, match=said) as refused:
        named(text)

    assert repr(text) in str(refused.value)


@pytest.mark.parametrize(
    "text",
    ["linucb:width=-1", "linucb:width=nan", "default:floor=2", "default:half_life=0",
     "default:quality_per_usd=-1", "beta_thompson:prior_strength=-1"],
)  # fmt: skip
def test_a_setting_out_of_range_names_its_policy(text):
    with pytest.raises(InvalidField, match=text.partition(":")[0]):
        entered([named(text)], TABLE)


@pytest.mark.parametrize("dimensions", [0, 7, 257, 100_000])
def test_dimensions_that_no_policy_has_name_their_policy(dimensions):
    text = f"default:dimensions={dimensions}"
    table = replace(TABLE, prompts=("why?",) * len(TABLE))

    with pytest.raises(InvalidField) as refused:
        entered([named("default"), named(text)], table)

    said = f"features.text.dimensions: must be from 8 to 256, not {dimensions}"
    assert str(refused.value) == f"policy {text!r}: {said}"


def test_no_two_have_one_label():
    made = told_apart([named("uniform"), named("uniform"), named("default"), named("uniform")])

    assert [each.label for each in made] == ["uniform", "uniform (2)", "default", "uniform (3)"]


def test_arms_and_their_prices_are_those_of_the_table():
    priced = a_table([[0.1, 0.9]], arms=(Arm(name="a", output_usd_per_million_tokens=3.0),
                                         Arm(name="b")))  # fmt: skip

    config = on_the_table(PolicyConfig(name="all", arms=()), priced).config
    assert [(arm.name, arm.output_usd_per_million_tokens) for arm in config.arms] == [
        ("a", 3.0),
        ("b", None),
    ]


def test_an_arm_may_have_a_price_of_its_own():
    priced = a_table([[0.1]], arms=(Arm(name="a", input_usd_per_million_tokens=1.0,
                                        output_usd_per_million_tokens=3.0),))  # fmt: skip
    own = PolicyConfig(name="own", arms=(Arm(name="a", output_usd_per_million_tokens=5.0),))

    (arm,) = on_the_table(own, priced).config.arms
    assert (arm.input_usd_per_million_tokens, arm.output_usd_per_million_tokens) == (1.0, 5.0)


def test_an_unknown_arm_is_named_with_its_policy_and_the_known_arms():
    with pytest.raises(InvalidField, match=r"policy 'mine': .*'z'; known: a, b"):
        on_the_table(PolicyConfig(name="mine", arms=(Arm(name="a"), Arm(name="z"))))


def test_a_policy_needs_an_arm_for_every_query_that_can_be_served():
    holes = a_table([[0.1, 0.9], [np.nan, 0.4], [np.nan, np.nan]])

    on_the_table(PolicyConfig(name="both", arms=()), holes)
    with pytest.raises(InvalidField, match="for 1 queries, such as 'q1'"):
        on_the_table(PolicyConfig(name="one", arms=(Arm(name="a"),)), holes)


def test_what_observes_needs_its_default_arm_everywhere():
    holes = a_table([[0.1, 0.9], [np.nan, 0.4]])

    def observing(arm):
        return PolicyConfig(name="eyes", arms=(), mode=Mode.OBSERVE, default_arm=arm)

    on_the_table(observing("b"), holes)
    with pytest.raises(InvalidField, match="such as 'q1'"):
        on_the_table(observing("a"), holes)


def test_a_table_without_any_outcome_is_refused():
    with pytest.raises(BadTable, match="no query with a known quality"):
        on_the_table(PolicyConfig(name="x", arms=()), a_table([[np.nan, np.nan]]))


# -- contexts -----------------------------------------------------------------------------


def test_vectors_of_the_table_come_first():
    both = a_table([[0.1], [0.2]], contexts=np.array([[5.0], [6.0]]), prompts=("one", "two"))

    np.testing.assert_array_equal(contexts_of(both).matrix, [[5.0, 1.0], [6.0, 1.0]])


def test_prompts_are_embedded_as_the_service_does_empty_ones_too():
    prompts = "What is two and two?", ""
    table = a_table([[0.1], [0.2]], prompts=prompts)

    found = contexts_of(table)
    assert found.features == Features(text=TextFeatures())
    np.testing.assert_array_equal(found.matrix, text_features(64).from_texts(prompts))


def test_asking_for_dimensions_asks_for_the_prompts():
    both = a_table([[0.1]], contexts=np.array([[5.0]]), prompts=("one",))

    (entry,) = entered([named("default:dimensions=128")], both)
    assert entry.contexts.matrix.shape == (1, 128 + 8 + 1)


def test_with_neither_all_queries_look_alike():
    found = contexts_of(a_table([[0.1], [0.2]]))

    np.testing.assert_array_equal(found.matrix, [[0.0, 1.0], [0.0, 1.0]])
    assert found.note == CONSTANT_ONLY


@pytest.mark.parametrize(
    ("features", "said"),
    [
        (Features(text=TextFeatures(dimensions=128)), "made up has no prompts"),
        (Features(vector=VectorFeatures(dimension=9)), "is 9, but made up has vectors of 3"),
    ],
)
def test_features_that_the_table_does_not_have_are_refused(features, said):
    with pytest.raises(InvalidField, match=said):
        on_the_table(PolicyConfig(name="x", arms=(), features=features), a_random_table())


def test_equal_features_are_worked_out_once():
    first, second = entered([named("default"), named("linucb")], a_random_table())

    assert first.contexts is second.contexts
