"""Duels of a policy that learns pairs: drawn, charged, learned, explained, and found again."""

import math
from collections import Counter
from itertools import product
from typing import Any

import numpy as np
import pytest

from bandit_service.errors import InvalidField
from bandit_service.model import (
    Algorithm,
    Arm,
    Decision,
    Effect,
    PolicyConfig,
    Preference,
    PreferenceLearning,
    Source,
    Usage,
)
from policies import LearnsPairs
from policies.fgts_cdb import FGTSCDB
from tests.builders import (
    a_config,
    a_decision,
    a_query,
    a_submission,
    an_engine,
    arms,
    decide,
    packed,
    tell,
)
from tests.service.desk import Desk
from tests.service.running import Service, running

SETTINGS = {"draws": 4.0, "moved": 2.0, "steps": 2.0}


def duelling(**changes: Any) -> PolicyConfig:
    given: dict[str, Any] = {
        "algorithm": Algorithm(name="fgts_cdb", settings=SETTINGS),
        "preference_learning": PreferenceLearning.AS_PAIRS,
    }
    return a_config(**(given | changes))


def of_duel(decision: Decision) -> tuple[np.ndarray, np.ndarray]:
    assert decision.second_probabilities is not None
    return np.frombuffer(decision.probabilities), np.frombuffer(decision.second_probabilities)


def taught(engine, count: int = 12) -> None:
    """Small loses to large, so often that the draws begin to disagree with chance."""
    desk = Desk(config=engine.config)
    for _ in range(count):
        learn_of_one(engine, desk)


def learn_of_one(engine, desk: Desk) -> None:
    """A verdict on the next duel, if it is drawn between two."""
    decision = decide(engine, [a_query(duel=True)])[0]
    if decision.second_arm is None:
        return
    desk.decisions[decision.id] = decision
    better = engine.names[max(decision.arm, decision.second_arm)]
    said = Preference(preferred_arm=better)
    tell(engine, desk.hear(decision_id=decision.id, feedback_id=decision.id, preference=said))


def told_apart(engine) -> None:
    """Learns until the two samplers disagree, which a few verdicts bring about by chance."""
    desk = Desk(config=engine.config)
    for _ in range(1_000):
        learn_of_one(engine, desk)
        first, second = of_duel(decide(engine, [a_query(duel=True)])[0])
        if not np.allclose(first, second):
            return
    raise AssertionError("a thousand verdicts, and both samplers still say the same")


def test_each_arm_is_drawn_from_its_own_distribution_and_a_pair_has_the_product():
    engine = an_engine(duelling(floor=0.2))
    told_apart(engine)
    contexts = np.tile([0.6, 0.8, 1.0], (4_000, 1))

    made = decide(engine, [a_query(duel=True)] * 4_000, contexts)
    first, second = of_duel(made[0])
    seen = Counter((d.arm, d.arm if d.second_arm is None else d.second_arm) for d in made)

    assert not np.allclose(first, second)  # else the test could not tell them apart
    for a, b in product(range(3), repeat=2):
        chance = first[a] * second[b]
        spread = math.sqrt(4_000 * chance * (1.0 - chance))
        assert abs(seen[a, b] - 4_000 * chance) < 4.5 * spread
    for decision in made:
        other = decision.arm if decision.second_arm is None else decision.second_arm
        assert decision.propensity == pytest.approx(first[decision.arm] * second[other], rel=1e-12)


def test_an_arm_drawn_twice_comes_alone():
    engine = an_engine(duelling())

    made = decide(engine, [a_query(duel=True)] * 200)
    alone = [one for one in made if one.second_arm is None]

    assert alone  # of three even arms, a third of 200
    assert len(made) > len(alone)
    for one in alone:
        first, second = of_duel(one)
        assert one.propensity == pytest.approx(first[one.arm] * second[one.arm])
        assert not one.forced


def test_one_arm_asked_for_is_drawn_from_both_samplers_together():
    engine = an_engine(duelling(floor=0.0))
    taught(engine)

    alone = decide(engine, [a_query()])[0]
    first, second = of_duel(decide(engine, [a_query(duel=True)])[0])

    assert alone.second_probabilities is None
    np.testing.assert_allclose(np.frombuffer(alone.probabilities), (first + second) / 2)


def test_the_chances_of_one_arm_are_the_mean_of_both_sides_of_a_duel():
    engine = an_engine(duelling())
    taught(engine)
    assert isinstance(engine.policy, LearnsPairs)
    contexts = np.random.default_rng(0).normal(size=(50, 3))

    first, second = engine.policy.pair_probabilities(engine.state, contexts)
    alone = engine.policy.probabilities(engine.state, contexts)

    np.testing.assert_array_equal(alone, 0.5 * (first + second))


def test_arms_that_fall_out_are_in_neither_distribution():
    engine = an_engine(duelling())

    made = decide(engine, [a_query(duel=True, allowed_arms=("small", "large"))])[0]

    for chances in of_duel(made):
        assert chances[1] == 0.0
        assert chances.sum() == pytest.approx(1.0)


def a_duel(arm: int = 0, second: int | None = 2, **changes: Any) -> Decision:
    return a_decision(arm=arm, second_arm=second, **changes)


def test_both_kinds_of_preference_are_learned_as_pairs():
    again = a_duel(1, None, id="d2", context=packed(0.0, 1.0, 1.0))
    desk = Desk(a_duel(), again, config=duelling())

    of_arms = desk.hear(preference=Preference(preferred_arm="large"))
    chosen = Preference(other_decision_id="d2", preferred_decision_id="d2")
    of_decisions = Desk(a_duel(0, None), again, config=duelling()).hear(preference=chosen)

    for event, second, context in ((of_arms, 2, a_duel().context), (of_decisions, 1, None)):
        pair = event.comparison
        assert event.effect is Effect.LEARNED
        assert event.lessons == ()
        assert pair is not None
        assert (pair.first_arm, pair.second_arm, pair.first_preferred) == (0, second, 0.0)
        assert (pair.is_taught, pair.old) == (True, None)
        assert pair.second_context == (context or again.context)


def test_a_verdict_turned_round_and_one_outranked():
    desk = Desk(a_duel(), config=duelling())

    said = [
        desk.hear(source=source, preference=Preference(preferred_arm=arm))
        for source, arm in (
            (Source.USER, "small"),
            (Source.USER, "large"),
            (Source.JUDGE, "small"),
            (Source.EXPERT, "small"),
        )
    ]

    effects = [event.effect for event in said]
    assert effects == [Effect.LEARNED, Effect.LEARNED, Effect.OUTRANKED, Effect.LEARNED]
    pairs = [(e.comparison.old, e.comparison.first_preferred) for e in said if e.comparison]
    # The third is stored, so it has no old value; the fourth takes the place of the user's.
    assert pairs == [(None, 1.0), (1.0, 0.0), (None, 1.0), (0.0, 1.0)]


def test_a_state_taught_in_two_steps_holds_what_was_said_last():
    config = duelling()
    revised, plain = an_engine(config), an_engine(config)
    desk, other = Desk(a_duel(), config=config), Desk(a_duel(), config=config)

    for arm in ("small", "large"):
        tell(revised, desk.hear(preference=Preference(preferred_arm=arm)))
    tell(plain, other.hear(preference=Preference(preferred_arm="large")))

    for engine in (revised, plain):
        assert engine.state.canonical()["values"].tolist() == [0.0]
        assert engine.state.canonical()["observations"].tolist() == [1.0, 0.0, 1.0]


async def judged(service: Service, decision: Decision, better: int, count: int) -> None:
    names = service.engine("duels").names
    said = Preference(preferred_arm=names[better])
    recorded = await service.recorder.record(
        a_submission(decision_id=decision.id, feedback_id=f"p{count}", preference=said)
    )
    assert recorded.effect is Effect.LEARNED


async def test_duels_are_learned_charged_explained_and_found_again(database):
    """Through router, recorder, journal and store; then by another process's first fold."""
    async with running(database) as service:
        await service.administrator.create(duelling(name="duels"))
        charged: Counter[str] = Counter()
        last = None
        for count in range(20):
            routed = await service.router.route(a_query(policy="duels", duel=True))
            decision = routed.decision
            for name in filter(None, (routed.arm, routed.second_arm)):
                charged[name] += 1
                await service.recorder.record(
                    a_submission(
                        decision_id=decision.id,
                        feedback_id=f"{count} {name}",
                        usage=Usage(cost_usd=0.25),
                        arm=name,
                    )
                )
            if decision.second_arm is not None:
                await judged(service, decision, max(decision.arm, decision.second_arm), count)
                last = decision
        assert last is not None
        explained = await service.router.explain(last.id)
        view = service.engine("duels").state_view()

    first, second = of_duel(last)
    assert [one.probability for one in explained.arms] == first.tolist()
    assert [one.second_probability for one in explained.arms] == second.tolist()
    kinds = Counter((arm, outcome.kind.value) for arm, outcome in explained.outcomes)
    names = [arm.name for arm in duelling().arms]
    assert last.second_arm is not None
    for slot in (last.arm, last.second_arm):
        assert kinds[names[slot], "preference"] == kinds[names[slot], "usage"] == 1
    calls = {one.arm: one for one in view.arms}
    assert {name for name in names if calls[name].mean_cost_usd == 0.25} == set(charged)
    async with running(database) as again:
        assert again.engine("duels").state_hash() == view.state_hash
        assert again.engine("duels").calls.calls.tolist() == [charged[name] for name in names]


def embedded(*vectors: tuple[float, ...], **changes: Any) -> PolicyConfig:
    made = zip(arms("small", "medium", "large"), vectors, strict=False)
    with_them = tuple(Arm(name=arm.name, embedding=vector) for arm, vector in made)
    return duelling(arms=with_them, **changes)


def test_embeddings_reach_the_algorithm_and_are_shared_by_the_arms():
    engine = an_engine(embedded((1.0, 0.0, 1.0), (0.0, 1.0, 0.5), (0.5, 0.5, 0.0)))

    policy = engine.policy
    assert isinstance(policy, FGTSCDB)
    assert policy.embeddings == ((1.0, 0.0, 1.0), (0.0, 1.0, 0.5), (0.5, 0.5, 0.0))
    assert engine.state.canonical()["draws"].shape[2] == 3  # of arms apart it would be 9


@pytest.mark.parametrize(
    ("config", "field", "what"),
    [
        (embedded((1.0, 0.0, 1.0), (), (0.5, 0.5, 0.0)), "arms[1].embedding", "others have"),
        (embedded((1.0, 0.0), (1.0, 0.0), (1.0, 0.0)), "arms[0].embedding", "needs 3 numbers"),
        (
            embedded((1.0, 0.0, 1.0), (0.0, float("nan"), 1.0)),
            "arms[1].embedding[1]",
            "within +-1000",
        ),
        (
            embedded((1.0, 0.0, 1e9)),
            "arms[0].embedding[2]",
            "within +-1000",
        ),
        (
            embedded(
                (1.0, 0.0, 1.0),
                algorithm=Algorithm(name="linucb"),
                preference_learning=PreferenceLearning.IGNORE,
            ),
            "algorithm",
            "linucb takes no embeddings of arms: leave them out",
        ),
    ],
)
async def test_embeddings_that_do_not_fit_are_refused(service, config, field, what):
    with pytest.raises(InvalidField) as refused:
        await service.administrator.create(PolicyConfig(**{**_fields(config), "name": "other"}))

    assert refused.value.field == field
    assert what in str(refused.value)


async def test_an_embedding_stays_what_it_was_and_a_new_arm_brings_its_own(service):
    first, second, third = (1.0, 0.0, 1.0), (0.0, 1.0, 0.5), (0.5, 0.5, 0.0)
    config = embedded(first, second)
    await service.administrator.create(PolicyConfig(**{**_fields(config), "name": "duels"}))
    administrator, plain = service.administrator, Arm(name="plain")

    with pytest.raises(InvalidField, match="cannot be changed"):
        await administrator.update_arm("duels", "small", {"embedding": third}, "")
    with pytest.raises(InvalidField, match="'plain' has none, others have"):
        await administrator.add_arm("duels", plain, "")
    await administrator.add_arm("duels", Arm(name="large", embedding=third), "")

    assert service.engine("duels").policy.embeddings == (first, second, third)


def _fields(config: PolicyConfig) -> dict[str, Any]:
    return {name: getattr(config, name) for name in config.__struct_fields__}
