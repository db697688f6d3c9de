"""Feedback shows the token of its decision: what is not right is refused, and changes nothing."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path

import msgspec
import pytest

from bandit_service.errors import (
    BanditError,
    DecisionExpired,
    DecisionNotFound,
    IdReused,
    TokenRefused,
    TokenRequired,
)
from bandit_service.model import Preference, Recorded, Routed, Submission
from bandit_service.planning import digest
from bandit_service.tokens import Key, Keys, TokenDesk
from bandit_service.tokens.signing import sign
from tests.builders import NOW, a_decision, a_query, a_submission
from tests.service.running import Service, running

HORIZON = 30 * 86_400.0


class House:
    """Keys that can be changed, a clock that can be moved."""

    def __init__(self, *ids: str, is_required: bool = False) -> None:
        self.later = 0.0
        self.use(*ids)
        self.desk = TokenDesk(lambda: self.keys, lambda: NOW + self.later, is_required)

    def use(self, *ids: str) -> None:
        self.keys = Keys(Key(name, name.encode() * 16) for name in ids)


@pytest.fixture
def house() -> House:
    return House("k1")


@pytest.fixture
async def service(database: Path, house: House) -> AsyncIterator[Service]:
    async with running(database, tokens=house.desk) as made:
        await made.create()
        await made.create(name="other")
        yield made


@pytest.fixture
async def strict(database: Path) -> AsyncIterator[Service]:
    async with running(database, tokens=House("k1", is_required=True).desk) as made:
        await made.create()
        yield made


async def routed(service: Service, **changes: object) -> Routed:
    return await service.router.route(a_query(**changes))


def about(made: Routed, **changes: object) -> Submission:
    given = {"decision_id": made.decision.id, "token": made.token, "success": True}
    return a_submission(**(given | changes))


@contextmanager
def nothing_changes(service: Service, database: Path) -> Iterator[None]:
    def all_of_it() -> object:
        with sqlite3.connect(database) as connection:
            dump = tuple(connection.iterdump())
        connection.close()
        return dump, [engine.state_hash() for engine in service.registry.by_id.values()]

    before = all_of_it()
    yield
    assert all_of_it() == before


async def refused(service: Service, submission: Submission) -> BanditError:
    with pytest.raises(BanditError) as failure:
        await service.recorder.record(submission)
    return failure.value


async def test_a_decision_has_a_token_and_feedback_with_it_is_learned(service):
    made = await routed(service)
    assert 100 < len(made.token) < 200

    recorded = await service.recorder.record(about(made))

    assert (recorded.effect, recorded.position) == ("learned", 2)
    assert service.store.decision(made.decision.id) == made.decision


async def test_a_repeated_request_gets_the_same_token(service):
    first, again = [await routed(service, request_id="r1") for _ in range(2)]

    assert first.token == again.token != b""


async def test_to_explain_a_decision_gives_no_token_away(service):
    made = await routed(service)

    assert (await service.router.explain(made.decision.id)).routed.token == b""


async def test_a_wrong_token_is_refused_and_nothing_changes(service, house, database):
    made, sibling = await routed(service), await routed(service)
    other = await routed(service, policy="other")
    elsewhere = sign(made.decision, Keys([Key("k1", b"another" * 5)]), HORIZON)
    same_id = msgspec.structs.replace(made.decision, policy_id=other.decision.policy_id)
    wrong = [
        made.token[:-1],
        made.token[:-1] + bytes([made.token[-1] ^ 1]),
        sibling.token,
        other.token,
        elsewhere,
        sign(same_id, house.keys, HORIZON),
        b"x",
    ]

    with nothing_changes(service, database):
        for token in wrong:
            assert isinstance(await refused(service, about(made, token=token)), TokenRefused)
    assert (await service.recorder.record(about(made))).position == 2


async def test_of_a_batch_only_what_is_wrong_is_refused(service):
    made = [await routed(service) for _ in range(3)]
    shown = [about(one, feedback_id=f"f{i}") for i, one in enumerate(made)]
    shown[1] = about(made[1], feedback_id="f1", token=made[0].token)

    answers = await service.recorder.record_many(shown)

    assert [type(answer) for answer in answers] == [Recorded, TokenRefused, Recorded]
    assert await service.recorder.record_many([]) == []


async def test_unknown_decisions_stay_unknown(service, database):
    with nothing_changes(service, database):
        assert isinstance(await refused(service, a_submission(success=True)), DecisionNotFound)


async def test_a_token_goes_with_its_horizon_and_then_expires(service, house, database):
    made = await routed(service)
    recorded = await service.recorder.record(about(made))

    house.later = 2 * HORIZON - 1
    again = await service.recorder.record(about(made))
    assert (again.duplicate, again.position) == (True, recorded.position)
    house.later = 2 * HORIZON + 1
    with nothing_changes(service, database):
        failure = await refused(service, about(made, feedback_id="f2"))

    assert isinstance(failure, TokenRefused)
    assert "expired" in str(failure)


async def test_tokens_of_an_old_key_are_good_until_it_is_taken_away(service, house):
    made = await routed(service)

    house.use("k2", "k1")
    assert b"k2" in (await routed(service)).token
    assert (await service.recorder.record(about(made))).position == 2
    house.use("k2")
    failure = await refused(service, about(made, feedback_id="f2"))
    assert isinstance(failure, TokenRefused)


async def test_where_tokens_are_required_nothing_goes_without(strict, database):
    made = await routed(strict)

    with nothing_changes(strict, database):
        for decision_id in (made.decision.id, "d-unknown"):  # which of them exists is not told
            without = a_submission(decision_id=decision_id, success=True)
            assert isinstance(await refused(strict, without), TokenRequired)
    assert (await strict.recorder.record(about(made))).position == 2


async def test_a_preference_between_decisions_needs_both_tokens(strict, database):
    first, second = await routed(strict), await routed(strict)
    better = Preference(
        other_decision_id=second.decision.id, preferred_decision_id=first.decision.id
    )
    told = about(first, success=None, preference=better)

    with nothing_changes(strict, database):
        assert isinstance(await refused(strict, told), TokenRequired)
        for wrong in (first.token, second.token[1:]):
            shown = msgspec.structs.replace(told, other_token=wrong)
            assert isinstance(await refused(strict, shown), TokenRefused)
    both = msgspec.structs.replace(told, other_token=second.token)
    assert (await strict.recorder.record(both)).position == 2


async def test_without_keys_there_are_no_tokens_and_none_is_looked_at(database):
    async with running(database) as plain:
        await plain.create()
        made = await routed(plain)
        assert made.token == b""

        assert (await plain.recorder.record(about(made, token=b"whatever"))).position == 2


async def test_the_token_is_no_part_of_the_payload(service):
    made = await routed(service)
    await service.recorder.record(about(made, token=b""))

    assert (await service.recorder.record(about(made))).duplicate
    assert isinstance(await refused(service, about(made, success=False)), IdReused)


def test_payloads_are_told_apart_as_before_there_were_tokens():
    """What was recorded under the version before and is sent again to this one is the same."""

    class Before(msgspec.Struct, frozen=True):
        decision_id: str
        feedback_id: str
        source: str
        success: bool | None
        score: float | None
        preference: Preference | None
        failure: str | None
        usage: None
        arm: str

    better = Preference(preferred_arm="small")
    old = Before("d1", "f1", "judge", True, 0.25, better, "timeout", None, "small")
    now = msgspec.convert(msgspec.to_builtins(old), Submission)
    claimed = msgspec.structs.replace(now, token=b"t", other_token=b"o")

    expected = blake2b(msgspec.msgpack.encode(old), digest_size=16).digest()
    assert digest(now) == digest(claimed) == expected


async def test_beyond_the_horizon_the_status_is_as_without_a_token(database, house):
    async with running(database, tokens=house.desk) as service:
        await service.create(feedback_horizon=1.0)
        made = await routed(service)
        for _ in range(200):  # the service's clock moves by 10 ms a look
            service.journal._now()

        failure = await refused(service, about(made))

    assert isinstance(failure, DecisionExpired)


async def test_many_at_once_get_each_their_own(service):
    made = await asyncio.gather(*(routed(service) for _ in range(40)))

    answers = await service.recorder.record_many(
        [about(one, feedback_id=f"f{i}") for i, one in enumerate(made)]
    )
    assert all(isinstance(answer, Recorded) for answer in answers)
    assert len({one.token for one in made}) == 40


def test_a_decision_id_inside_a_token_is_not_taken_on_trust(house):
    stolen = sign(a_decision(id="d2"), house.keys, HORIZON)

    (answer,) = house.desk.checked([a_submission(token=stolen, success=True)])

    assert isinstance(answer, TokenRefused)
