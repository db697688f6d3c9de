"""Feedback does not race its decision: with a token it is taken before the decision is logged."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import msgspec
import numpy as np
import pytest

from bandit_service.errors import (
    BanditError,
    DecisionNotFound,
    InvalidField,
    NotLogged,
    TokenRefused,
)
from bandit_service.model import (
    Arm,
    Decision,
    Features,
    Kind,
    Preference,
    PreferenceLearning,
    Routed,
    Submission,
    VectorFeatures,
)
from bandit_service.tokens.signing import read, recovered, sign
from tests.builders import NOW, a_query, packed
from tests.patience import PATIENCE
from tests.service.running import Service, running
from tests.service.test_tokens import HORIZON, House, about, refused

Pair = tuple[Service, Service]


@pytest.fixture
def house() -> House:
    return House("k1")


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as made:
        yield made


@pytest.fixture
async def pair(store_url: str, house: House, stack: AsyncExitStack) -> Pair:
    """Two replicas; the first can be cut off from the database."""
    first = await replica(stack, store_url, house)
    await first.create(preference_learning=PreferenceLearning.AS_QUALITY)
    return first, await replica(stack, store_url, house)


async def replica(stack: AsyncExitStack, url: str, house: House) -> Service:
    made = running(url, degraded_after=PATIENCE, tokens=house.desk)
    return await stack.enter_async_context(made)


async def cut_off(service: Service, **changes: Any) -> Routed:
    """A decision that only this replica knows of."""
    service.store.away = True
    made = await service.router.route(a_query(**changes))
    assert made.decision.degraded
    return made


async def back(service: Service) -> None:
    service.store.away = False
    assert await service.journal.backlog.emptied(PATIENCE)


async def test_feedback_comes_first_and_the_decision_follows(pair, store_url, house, stack):
    a, b = pair
    made = await cut_off(a, request_id="r1", subject="s", duel=True)

    recorded = await b.recorder.record(about(made, arm=made.arm))

    assert (recorded.effect, recorded.position) == ("learned", 2)
    row = b.store.decision(made.decision.id)
    assert row.recovered
    assert (row.arm, row.second_arm, row.propensity, row.context, row.clock) == (
        made.decision.arm,
        made.decision.second_arm,
        made.decision.propensity,
        made.decision.context,
        made.decision.clock,
    )
    assert np.isnan(np.frombuffer(row.probabilities)).all()
    shown = await b.router.explain(made.decision.id)
    assert [value.value for _, value in shown.outcomes] == [1.0]

    await back(a)

    assert b.store.decision(made.decision.id) == made.decision
    again = await b.router.route(a_query(request_id="r1", subject="s", duel=True))
    assert again.decision.id == made.decision.id
    # And what was learned of the token is taken back exactly by way of the row.
    b.forget_decisions()
    await b.recorder.record(about(made, feedback_id="f2", arm=made.arm, success=False))
    fresh = await replica(stack, store_url, house)
    assert fresh.engine().state_hash() == b.engine().state_hash()
    assert fresh.engine().position == 3


async def test_the_row_of_a_token_never_takes_the_place_of_the_decision(pair):
    a, b = pair
    made = await b.router.route(a_query())

    await a.recorder.record(about(made))

    assert a.store.decision(made.decision.id) == made.decision
    with a.store.write() as tx:
        tx.recover_decisions([make_of(made)])
    assert a.store.decision(made.decision.id) == made.decision


def make_of(made: Routed) -> Decision:
    return recovered(read(made.token, House("k1").keys, NOW))


async def test_a_decision_that_was_lost_is_learned_from_its_token(pair):
    a, b = pair
    made = await cut_off(a)
    a.journal.backlog._kept.clear()  # as if it had been killed

    told = [("f1", True), ("f2", False), ("f2", False)]
    heard = [
        await b.recorder.record(about(made, feedback_id=feedback_id, success=success))
        for feedback_id, success in told
    ]

    assert [(one.position, one.duplicate) for one in heard] == [(2, False), (3, False), (3, True)]
    assert b.store.decision(made.decision.id).recovered
    # Later it needs no token any more.
    plain = about(made, feedback_id="f3", token=b"", success=True)
    assert (await b.recorder.record(plain)).position == 4


async def test_a_lost_decision_without_its_token_is_unknown(pair):
    a, b = pair
    made = await cut_off(a)

    assert isinstance(await refused(b, about(made, token=b"")), DecisionNotFound)
    assert b.store.decision(made.decision.id) is None


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ({"token": b"forged"}, TokenRefused),
        ({"arm": "huge"}, InvalidField),
        ({"preference": Preference(preferred_arm="small")}, InvalidField),
        ({"preference": Preference(other_decision_id="d0", tie=True)}, DecisionNotFound),
    ],
)
async def test_what_is_refused_recovers_nothing(pair, wrong, kind):
    a, b = pair
    made = await cut_off(a)
    before = b.engine().state_hash()

    assert isinstance(await refused(b, about(made, **wrong)), kind)

    assert b.store.decision(made.decision.id) is None
    assert (b.engine().state_hash(), b.engine().position) == (before, 1)


async def test_a_preference_between_two_that_are_missing(pair):
    a, b = pair
    first, second = await cut_off(a), await cut_off(a)
    better = Preference(
        other_decision_id=second.decision.id, preferred_decision_id=second.decision.id
    )

    told = about(first, success=None, preference=better, other_token=second.token)
    recorded = await b.recorder.record(told)
    await back(a)

    assert recorded.effect == "learned"
    for made, value in ((first, 0.0), (second, 1.0)):
        (outcome,) = b.store.outcomes(made.decision.id)
        assert (outcome.kind, outcome.value) == (Kind.PREFERENCE, value)
        assert b.store.decision(made.decision.id) == made.decision


async def test_an_arm_that_this_replica_has_not_heard_of_yet(pair):
    a, b = pair
    await a.administrator.add_arm("chat", Arm(name="huge"), "")
    made = await cut_off(a, allowed_arms=("huge",))

    recorded = await b.recorder.record(about(made))

    assert (recorded.effect, recorded.position) == ("learned", 3)


async def test_a_policy_of_another_database_with_the_same_keys_is_not_mistaken(pair, house):
    a, b = pair
    made = await cut_off(a)
    more = {"exclusions": bytes(9), "arm": 8}
    for strange in (more, {"policy_id": 77}, {"revision": 9}):
        token = sign(msgspec.structs.replace(made.decision, **strange), house.keys, HORIZON)
        failure = await refused(b, about(made, token=token))
        assert isinstance(failure, DecisionNotFound), strange
    assert b.store.decision(made.decision.id) is None


async def test_half_a_token_s_life_after_its_decision_nothing_is_recovered(pair, house):
    """By then the decision may have been there with all its feedback, and have been pruned."""
    a, b = pair
    made = await cut_off(a)
    old = sign(made.decision, house.keys, -1e3)

    failure = await refused_late(b, about(made, token=old), house)

    assert isinstance(failure, DecisionNotFound)
    assert b.store.decision(made.decision.id) is None


async def refused_late(service: Service, submission: Submission, house: House) -> BanditError:
    house.later = -1e6  # the desk still takes it; the writer's clock is another one
    return await refused(service, submission)


async def test_a_long_context_has_to_wait_for_its_row(store_url, house, stack):
    a = await replica(stack, store_url, house)
    await a.create(features=Features(vector=VectorFeatures(dimension=200)))
    b = await replica(stack, store_url, house)
    made = await cut_off(a, vector=packed(*np.linspace(0, 1, 200)))

    assert isinstance(await refused(b, about(made)), NotLogged)
    await back(a)
    assert (await b.recorder.record(about(made))).position == 2


async def test_rows_that_were_there_before_say_that_they_are_not_recovered(pair):
    a, _ = pair
    made = await a.router.route(a_query())

    assert not a.store.decision(made.decision.id).recovered


async def test_a_token_of_a_deleted_policy(pair):
    a, b = pair
    made = await cut_off(a)
    await b.administrator.delete("chat", "")

    failure = await refused(b, about(made))

    assert "no decision" in str(failure) or "no policy" in str(failure)
    assert b.store.decision(made.decision.id) is None
