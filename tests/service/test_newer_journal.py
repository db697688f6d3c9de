"""Two versions on one journal, as while replicas are upgraded one by one."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bandit_service.checkpoints import BY_SECRET, Keeper
from bandit_service.checkpoints.packing import pack, unpack
from bandit_service.errors import BadCheckpoint, NotUnderstood
from bandit_service.model import (
    FeedbackEvent,
    Forgetting,
    JournalEntry,
    Objective,
    OverrideLimits,
    PolicyConfig,
    Recorded,
    RevisionEvent,
    Unread,
    WarmStart,
    WeightRange,
    stored,
)
from bandit_service.store import rows
from tests.builders import NOW, a_config, a_submission, an_engine
from tests.service.running import Service, running, until


class NewerConfig(PolicyConfig, frozen=True):
    """What the next version may set about a policy."""

    spare_arms: tuple[str, ...] = ()


class NewerRevision(RevisionEvent, frozen=True, tag="revision"):
    config: NewerConfig


@pytest.fixture
def newer(monkeypatch: pytest.MonkeyPatch) -> Callable[..., NewerConfig]:
    """Makes configurations of the next version, which writes them by the same rule."""
    known = stored._always | {NewerConfig: stored._always[PolicyConfig]}
    monkeypatch.setattr(stored, "_always", known)
    return lambda **later: NewerConfig(**(msgspec.structs.asdict(a_config()) | later))


def body_of(config: PolicyConfig, revision: int = 1) -> bytes:
    event = RevisionEvent(revision, 0, 0, config, NOW)
    return bytes(rows.journal_row(1, JournalEntry(revision, event))[3])


def read(body: bytes) -> Any:
    return rows.entry_of((1, body)).event


FULL = a_config(
    forgetting=Forgetting(half_life=600.0),
    objective=Objective(accuracy_energy_dial=3.0),
    override_limits=OverrideLimits(quality_per_usd=WeightRange(max=2.0)),
    warm_start=WarmStart(spread=(0.5, 0.5)),
)


@pytest.mark.parametrize("config", [a_config(), FULL], ids=["plain", "everything"])
def test_what_was_there_from_the_beginning_is_written_as_it_always_was(
    config: PolicyConfig,
) -> None:
    event = RevisionEvent(1, 0, 0, config, NOW, 1, "somebody")

    body = rows.journal_row(1, JournalEntry(1, event))[3]

    wanted = msgspec.msgpack.decode(msgspec.msgpack.encode(event))
    told = wanted["config"]
    later = [
        (told, {"budgets", "challengers"}),
        (told["objective"], {"latency_limit", "quality_at_latency_limit"}),
        *((arm, {"model_version", "version_position"}) for arm in told["arms"]),
    ]
    for part, names in later:
        for name in names:
            assert name in part
            del part[name]
    assert body == msgspec.msgpack.encode(wanted)  # every field, in order, defaults included
    assert read(body) == event


def test_a_later_field_is_written_only_where_it_is_set(newer) -> None:
    assert body_of(newer()) == body_of(a_config())
    assert read(body_of(newer())).config == a_config()

    unread = read(body_of(newer(spare_arms=("large",))))

    assert isinstance(unread, Unread)
    assert "spare_arms" in unread.why


def test_a_later_field_of_a_checkpoint_is_left_out_alike(newer) -> None:
    snapshot = an_engine().snapshot()

    def packed(config: PolicyConfig) -> memoryview:
        folded = msgspec.structs.replace(snapshot.folded, config=config)
        return pack(type(snapshot)(folded, snapshot.state, snapshot.calls))

    assert bytes(packed(newer())) == bytes(packed(a_config()))
    with pytest.raises(BadCheckpoint, match="spare_arms"):
        unpack(packed(newer(spare_arms=("large",))))


@pytest.mark.parametrize("body", [b"\x00", b"\xc1", msgspec.msgpack.encode({"revision": 1})])
def test_bytes_that_are_no_event_are_no_newer_one(body: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        read(body)


@contextmanager
def writing(database: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(database)) as connection, connection:
        yield connection


def append(database: Path, body: bytes, policy_id: int = 1) -> None:
    """As a newer replica does."""
    with writing(database) as connection:
        connection.execute(
            "UPDATE policy_head SET head = head + 1 WHERE policy_id = ?", (policy_id,)
        )
        connection.execute(
            "INSERT INTO journal SELECT policy_id, head, 'revision', ?, ? FROM policy_head "
            "WHERE policy_id = ?",
            (body, NOW, policy_id),
        )


def with_unknown_algorithm(body: bytes) -> bytes:
    event = msgspec.msgpack.decode(body)
    event["config"]["algorithm"]["name"] = "of_next_year"
    return msgspec.msgpack.encode(event)


@pytest.fixture(params=["field", "algorithm"])
def strange(request: pytest.FixtureRequest, newer) -> bytes:
    """A revision that only a newer program understands."""
    if request.param == "field":
        return body_of(newer(spare_arms=("large",)), 2)
    return with_unknown_algorithm(body_of(a_config(), 2))


async def check_only_chat_is_stopped(service: Service, decision: str, number: int) -> None:
    """The last argument makes the feedback another one."""
    before = service.engine().state_hash()
    with pytest.raises(NotUnderstood, match=r"'chat' was changed at position \d by a newer"):
        await service.decide()
    feedback = {"decision_id": decision, "feedback_id": f"f{number}", "success": True}
    with pytest.raises(NotUnderstood):
        await service.recorder.record(a_submission(**feedback))
    with pytest.raises(NotUnderstood):
        await service.administrator.update("chat", {"floor": 0.5}, "")
    assert service.engine().state_hash() == before
    other = await service.decide(policy="other")
    recorded = await service.recorder.record_many([
        a_submission(**feedback),
        a_submission(decision_id=other, feedback_id=f"other {number}", success=True),
    ])  # fmt: skip
    assert isinstance(recorded[0], NotUnderstood)
    assert isinstance(recorded[1], Recorded)
    assert recorded[1].position == service.engine("other").position


async def test_a_replica_that_runs_stops_that_policy_alone(database, strange, caplog) -> None:
    async with running(database, poll_seconds=0.01) as service:
        await service.create()
        await service.create(name="other")
        decision = await service.decide()
        append(database, strange)

        await until(lambda: service.registry.stopped)

        await check_only_chat_is_stopped(service, decision, 1)
        assert service.engine().position == 1
        assert service.journal.following.freshness(service.engine()).head == 2
        assert caplog.text.count("which this replica does not understand") == 1
        await service.administrator.create(a_config(name="third"))
        await service.administrator.delete("third", "")


async def test_feedback_that_finds_it_first_is_refused_and_changes_nothing(
    database, strange
) -> None:
    async with running(database) as service:  # which does not look by itself
        await service.create()
        await service.create(name="other")
        decision = await service.decide()
        append(database, strange)

        for number in range(2):
            with pytest.raises(NotUnderstood):
                await service.recorder.record(
                    a_submission(decision_id=decision, feedback_id=f"f{number}", success=True)
                )

        with writing(database) as connection:
            counts = "SELECT (SELECT count(*) FROM journal WHERE policy_id = 1), count(*) "
            found = connection.execute(f"{counts} FROM recorded_feedback").fetchone()
        assert found == (2, 0)


async def test_what_came_before_it_is_learned(database, strange) -> None:
    async with running(database, poll_seconds=0.01) as one, running(database) as other:
        await one.create()
        await other.journal.reach("chat", 1, 10.0)
        await until(lambda: "chat" in one.registry.by_name)
        await other.recorder.record(
            a_submission(decision_id=await other.decide(), feedback_id="f", success=True)
        )
        append(database, strange)

        await until(lambda: one.registry.stopped)

        assert one.engine().position == other.engine().position == 2
        assert one.engine().state_hash() == other.engine().state_hash()


async def test_an_old_program_starts_and_serves_the_others(database, strange, caplog) -> None:
    async with running(database) as service:
        await service.create()
        await service.create(name="other")
        decision = await service.decide()
    append(database, strange)

    async with running(database) as service:
        await service.journal.declare_fold(10.0)
        await check_only_chat_is_stopped(service, decision, 1)
        assert "which this replica does not understand" in caplog.text
        lease = service.store.leases.take("chores", "me", 60.0)
        keeper = Keeper(service.store.checkpoints, BY_SECRET, lambda: NOW)
        keeper.save(service.engine().identity, service.engine().snapshot(), lease)

    async with running(database) as service:  # from its own checkpoint
        await check_only_chat_is_stopped(service, decision, 2)


async def test_a_policy_of_which_nothing_is_understood_is_not_said_to_be_absent(
    database, strange
) -> None:
    async with running(database) as service:
        await service.create()
        await service.create(name="other")
        decision = await service.decide()
    with writing(database) as connection:
        connection.execute("UPDATE journal SET body = ? WHERE policy_id = 1", (strange,))

    async with running(database, poll_seconds=0.01) as service:
        with pytest.raises(NotUnderstood, match="'chat'"):
            await service.decide()
        with pytest.raises(NotUnderstood, match="'chat'"):
            service.administrator.get("chat")
        with pytest.raises(NotUnderstood, match="'chat'"):
            await service.journal.reach("chat", 1, 10.0)
        with pytest.raises(NotUnderstood):
            await service.recorder.record(a_submission(decision_id=decision, success=True))
        assert await service.decide(policy="other")


async def test_a_newer_program_goes_on_where_the_older_one_stopped(
    database, newer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that the older one did stands in its way."""
    async with running(database, poll_seconds=0.01) as service:
        await service.create()
        decision = await service.decide()
        append(database, body_of(newer(spare_arms=("large",)), 2))
        await until(lambda: service.registry.stopped)
    decoder = msgspec.msgpack.Decoder(FeedbackEvent | NewerRevision)
    monkeypatch.setattr(stored, "_decode", decoder.decode)

    async with running(database) as service:
        assert service.engine().config == newer(spare_arms=("large",))
        recorded = await service.recorder.record(a_submission(decision_id=decision, success=True))
        assert recorded.position == 3
        assert await service.decide()
