"""Somebody else holds the journal of one policy: the others do not wait with it."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from bandit_service.store import open_store
from tests.builders import a_submission
from tests.patience import PATIENCE
from tests.service.running import running

SOON = 0.02  # seconds


async def test_a_journal_that_is_held_holds_up_its_own_feedback_alone(
    postgres_databases: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bandit_service.store.connections.HEAD_WAIT_SECONDS", SOON)
    url = postgres_databases("migrated")
    other, let_go = open_store(url), threading.Event()
    is_held = threading.Event()

    def hold(policy_id: int) -> None:
        with other.write() as transaction:
            transaction.lock_head(policy_id)
            is_held.set()
            let_go.wait(PATIENCE)

    async with running(url, poll_seconds=SOON) as service:
        await service.create()
        await service.create(name="free")
        mine, free = await service.decide(), await service.decide(policy="free")
        holding = asyncio.create_task(asyncio.to_thread(hold, service.engine().identity.id))
        await asyncio.to_thread(is_held.wait, PATIENCE)

        waiting = asyncio.create_task(
            service.recorder.record(a_submission(decision_id=mine, success=True))
        )
        told = await service.recorder.record(
            a_submission(decision_id=free, feedback_id="f2", success=True)
        )
        assert told.position == 2
        assert await service.decide()
        assert not service.journal.health().in_trouble
        assert not waiting.done()

        let_go.set()
        await holding
        assert (await asyncio.wait_for(waiting, PATIENCE)).position == 2
    other.close()
