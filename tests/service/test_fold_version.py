"""A program that folds otherwise says so in the journal, once, and starts from zero."""

import msgspec
import pytest

from bandit_service.model import FeedbackEvent, JournalEntry, RevisionEvent
from bandit_service.store import rows
from tests.builders import NOW, a_config, a_submission
from tests.checkpoints.test_recovery import be_another_version
from tests.patience import PATIENCE
from tests.service.running import running


def versions_of(service) -> list[int]:
    identity = service.engine().identity
    events = [entry.event for entry in service.store.events(identity.id, 0, 100)]
    return [event.fold_version for event in events if isinstance(event, RevisionEvent)]


def test_a_revision_that_says_nothing_is_of_the_first_version() -> None:
    """As those are that were written before it was said."""
    event = RevisionEvent(1, 0, 0, a_config(), NOW)
    old = msgspec.msgpack.encode({
        "type": "revision", "revision": 1, "epoch": 0, "started_epoch": 0,
        "config": event.config, "time": NOW,
    })  # fmt: skip

    assert rows.entry_of((1, old)).event == event
    assert event.fold_version == 1


async def test_a_journal_says_who_folds_it(database) -> None:
    async with running(database) as service:
        await service.create()
        await service.administrator.update("chat", {"floor": 0.5}, "")
        await service.journal.declare_fold(PATIENCE)

        assert versions_of(service) == [1, 1]


async def test_a_newer_program_notes_the_change_and_the_next_start_does_not(
    database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(database) as service:
        await service.create()
        await service.recorder.record(
            a_submission(decision_id=await service.decide(), success=True)
        )
        before = service.engine().view()
        observations = service.engine().state.observations.sum()
    be_another_version(monkeypatch)

    for _ in range(2):
        async with running(database) as service:
            await service.journal.declare_fold(PATIENCE)
            engine = service.engine()
            assert versions_of(service) == [1, 2]
            assert engine.view().revision == before.revision + 1
            assert engine.config == before.config
            assert engine.state.observations.sum() == observations == 1.0
            assert engine.journal_fold_version == 2


async def test_two_replicas_that_start_together_note_it_once(
    database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(database) as service:
        await service.create()
    be_another_version(monkeypatch)
    async with running(database) as one, running(database) as other:
        await one.journal.declare_fold(PATIENCE)
        await other.journal.declare_fold(PATIENCE)

        assert versions_of(one) == [1, 2]
        assert other.engine().revision == 2


async def test_an_older_program_warns_and_leaves_the_journal_alone(
    database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patch:
        be_another_version(patch)
        async with running(database) as service:
            await service.create()

    async with running(database) as service:
        await service.journal.declare_fold(PATIENCE)
        entries = service.store.events(service.engine().identity.id, 0, 100)

    assert "the journal of policy 'chat' is folded by a newer version" in caplog.text
    assert len(entries) == 1
    assert not any(isinstance(entry.event, FeedbackEvent) for entry in entries)


async def test_an_older_program_that_runs_is_warned_when_a_newer_one_takes_over(
    database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(database) as old:
        await old.create()
        event = RevisionEvent(2, 0, 0, old.engine().config, NOW, fold_version=2)
        with old.store._store.write() as tx:
            head = tx.lock_head(1)
            tx.append(1, [JournalEntry(head + 1, event)], (), (), ())

        await old.journal.reach("chat", 2, PATIENCE)

        assert caplog.text.count("the journal of policy 'chat' is folded by a newer version") == 1
