"""Presets: each that ships can be made, taught and found again; what is wrong is refused."""

from dataclasses import dataclass
from dataclasses import replace as replaced
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from bandit_service import presets
from bandit_service.checkpoints.packing import pack, unpack
from bandit_service.configuration import check
from bandit_service.engine import PolicyEngine
from bandit_service.errors import InvalidField
from bandit_service.evaluation.arrivals import Arrivals
from bandit_service.evaluation.contestants import entered, named, with_arms
from bandit_service.evaluation.simulation import Simulation
from bandit_service.model import (
    Arm,
    ArmState,
    Decision,
    Features,
    JournalEntry,
    Query,
    VectorFeatures,
)
from bandit_service.presets.loading import checked
from bandit_service.snapshots import Snapshot
from policies import LearnsPairs
from tests.builders import shape_of
from tests.evaluation.small_tables import a_random_table

NAMES = presets.names()
TABLE = a_random_table(count=40)
WITH_PROMPTS = replaced(TABLE, prompts=tuple(f"What is {row} times 7? Think." for row in range(40)))


def some_arms(count: int = 3, **changes: Any) -> tuple[Arm, ...]:
    """Arms that say all that any preset needs; embeddings for vectors of three numbers."""
    rng = np.random.default_rng(0)
    return tuple(
        Arm(
            name="abcdefgh"[at],
            input_usd_per_million_tokens=1.0 + at,
            output_usd_per_million_tokens=2.0 + at,
            declared_joules_per_output_token=0.1,
            embedding=tuple(rng.normal(size=4).tolist()),
            **changes,
        )
        for at in range(count)
    )


def test_the_published_systems_are_there():
    published = {"pilot", "greenserv", "metallm", "mixllm", "paretobandit", "fgts_cdb", "ti_ucb"}
    assert published | {"ccft", "greenserv_weighed", "mixllm_thumbs"} <= set(NAMES)
    assert list(NAMES) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_says_what_it_is_and_can_be_created(name):
    preset = presets.found(name)
    arms = some_arms()
    if "embeddings" not in preset.needs:
        arms = tuple(replace(arm, embedding=()) for arm in arms)
    vectors = Features(vector=VectorFeatures(dimension=3))

    preset.check(arms)
    config = check(replace(preset.config("chat", arms), features=vectors), shape_of)

    assert preset.name == name
    assert preset.signals
    assert all((preset.title, preset.source, preset.gives, preset.computes))
    assert preset.faithful or preset.replaced
    assert config.name == "chat"


@dataclass(frozen=True)
class Life:
    """An engine that has heard of forty queries, its journal, and a snapshot of half way."""

    simulation: Simulation
    engine: PolicyEngine
    journal: list[JournalEntry]
    half_way: Snapshot

    @classmethod
    def of(cls, name: str) -> "Life":
        (contestant,) = with_arms([named(name)], some_arms())
        table = WITH_PROMPTS if "features" in presets.found(name).policy else TABLE
        (entry,) = entered([contestant], table)
        simulation = Simulation(table, entry)
        engine, journal = simulation.opened(seed=1), []
        half_way = engine.snapshot()
        for step in range(len(table)):
            if step == len(table) // 2:
                half_way = engine.snapshot()
            duel = isinstance(engine.policy, LearnsPairs)
            context = entry.contexts.matrix[step : step + 1]
            (decision,) = engine.decide([Query(name, duel=duel)], context, step + 1.0, [f"q{step}"])
            assert isinstance(decision, Decision)
            chances = np.frombuffer(decision.probabilities)
            assert chances.sum() == pytest.approx(1.0)
            assert 0.0 < decision.propensity <= 1.0
            for event in simulation.heard(decision, step, True, 0.3, step + 1.0):
                journal.append(JournalEntry(engine.position + 1, event))
                engine.apply(journal[-1])
        return cls(simulation, engine, journal, half_way)


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_learns_and_its_journal_gives_the_same_state_again(name):
    life = Life.of(name)

    again: PolicyEngine = life.simulation.opened(seed=1)
    before = again.state_hash()
    for one in life.journal:
        again.apply(one)

    assert again.state_hash() == life.engine.state_hash() != before


@pytest.mark.parametrize("name", NAMES)
def test_a_checkpoint_and_the_tail_give_the_same_state_again(name):
    life = Life.of(name)
    snapshot = unpack(pack(life.half_way))

    again = PolicyEngine.restored(life.engine.identity, shape_of, snapshot)
    assert again.state_hash() == life.half_way.state_hash()
    for one in life.journal:
        if one.position > again.position:
            again.apply(one)

    assert again.position == life.engine.position
    assert again.state_hash() == life.engine.state_hash()


def test_names_take_settings_like_those_of_algorithms():
    made = named("fgts_cdb_published:mu=0,floor=0.05")

    assert made.config.algorithm.settings == {"eta": 0.25, "feature_ridge": 1, "mu": 0.0}
    assert made.config.floor == 0.05
    run = Simulation(TABLE, entered([named("linucb:width=0.3")], TABLE)[0]).run(Arrivals(), 0)
    assert len(run.order) == len(TABLE)


GOOD = """
name: mine
title: Mine
source: nobody
gives: nothing
decides: before_the_call
signals: [luck]
computes: nothing
policy: {algorithm: {name: uniform}}
"""


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (("title: Mine", "titel: Mine"), "object contains unknown field titel"),
        (("title: Mine\n", ""), "missing required field title"),
        (("before_the_call", "never"), "decides: invalid enum value 'never'"),
        (("uniform", "unicorn"), "there is no algorithm 'unicorn'; known: uniform, "),
        (("{name: uniform}", "{name: linucb, settings: {wide: 1}}"), "unknown setting 'wide'"),
        (("{name: uniform}", "{name: linucb, settings: {width: -1}}"), "width must be"),
        (("policy: {", "policy: {controler: x, "), "policy: object contains unknown field"),
        (("policy: {", "policy: {mode: observe, "), "policy.mode is not a preset's to say"),
        (("signals: [luck]", "signals: luck"), "signals: expected array, got str"),
        (("title: Mine", "title: [Mine"), "is not YAML"),
        (("title: Mine", "title: Mine\nneeds: [money]"), "needs[0]: invalid enum value 'money'"),
    ],
)
def test_a_preset_with_a_mistake_is_refused_and_the_mistake_named(change, what):
    assert checked(GOOD, "mine").name == "mine"

    with pytest.raises(InvalidField) as refused:
        checked(GOOD.replace(*change), "mine")

    assert what in str(refused.value)
    assert str(refused.value).startswith("preset mine: ")


def test_ones_own_file_is_a_preset_too(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD)

    assert presets.found(str(path)).config("chat").algorithm.name == "uniform"
    with pytest.raises(InvalidField, match="there is no 'theirs'; known: ccft, "):
        presets.found("theirs")
    with pytest.raises(InvalidField, match="cannot be read: No such file"):
        presets.found(str(tmp_path / "other.yaml"))


@pytest.mark.parametrize(
    ("name", "field", "remedy"),
    [
        ("ccft", "embedding", "data embed-arms"),
        ("greenserv", "declared_joules_per_output_token", "model card"),
        ("greenserv_weighed", "declared_joules_per_output_token", "model card"),
        ("mixllm", "output_usd_per_million_tokens", "give it its list price"),
        ("metallm_weighed", "input_usd_per_million_tokens", "give it its list price"),
    ],
)
def test_arms_that_lack_what_the_method_needs_are_named(name, field, remedy):
    nothing = () if field == "embedding" else None
    good = some_arms()
    arms = (good[0], replace(good[1], **{field: nothing}), good[2])

    with pytest.raises(InvalidField) as refused:
        presets.found(name).check(arms)

    assert refused.value.field == f"arms[1].{field}"
    assert remedy in str(refused.value)


def test_too_few_arms_are_refused_and_removed_ones_do_not_count():
    first, second = some_arms(2)
    preset = presets.found("fgts_cdb")

    preset.check((first, second))
    with pytest.raises(InvalidField, match="arms: preset fgts_cdb needs at least 2, not 1"):
        preset.check((first, replace(second, state=ArmState.REMOVED)))


def test_arms_of_a_file_go_to_who_has_none_and_embeddings_to_who_takes_them():
    arms = some_arms()

    duelling, plain = with_arms([named("ccft"), named("linucb")], arms)

    assert duelling.config.arms == arms
    assert [arm.embedding for arm in plain.config.arms] == [()] * 3
    assert [arm.name for arm in plain.config.arms] == ["a", "b", "c"]
