"""A writer that hangs is given up: nothing is written twice, skipped, or applied out of order."""

import asyncio
import gc
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest

from bandit_service.errors import BanditError, StoreUnavailable
from bandit_service.model import Routed
from bandit_service.store import open_store
from tests.builders import a_query, a_submission
from tests.patience import PATIENCE
from tests.service.running import Service, running, until

STUCK = 0.3  # seconds; a writer that is held in these tests takes for ever


# A connection that was being made when its pool was given up is left to the garbage collector,
# and psycopg complains of that; `gc.collect` below, so that it does so here.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def url(store_url: str) -> Iterator[str]:
    open_store(store_url).close()
    yield store_url
    gc.collect()


@pytest.fixture
async def service(url: str) -> AsyncIterator[Service]:
    async with running(url, degraded_after=PATIENCE) as made:
        await made.create()
        yield made


async def give_up(service: Service) -> None:
    """What the journal does by itself once the writer has hung for `stuck_seconds`."""
    service.journal._give_up_writer()
    service.journal._begin(unsure=True)


async def hung(service: Service, where: str, decision: str) -> "asyncio.Task[object]":
    """Feedback whose writer hangs there."""
    reached = service.store.hang_once(where)
    feedback = a_submission(decision_id=decision, success=True)
    call = asyncio.create_task(service.recorder.record(feedback))
    assert await asyncio.to_thread(reached.wait, PATIENCE)
    return call


async def refold(service: Service, url: str) -> tuple[int, str]:
    """Position and hash of a fold from zero, by a service of its own."""
    async with running(url) as fresh:
        engine = fresh.engine()
        return engine.position, engine.state_hash()


async def test_a_writer_that_hangs_is_replaced_and_the_others_are_served(url):
    async with running(url, degraded_after=PATIENCE, stuck_seconds=STUCK) as service:
        await service.create()
        decision = await service.decide()

        call = await hung(service, "entry", decision)
        with pytest.raises(StoreUnavailable):
            await asyncio.wait_for(call, PATIENCE)

        again = a_submission(decision_id=decision, success=True)
        assert (await asyncio.wait_for(service.recorder.record(again), PATIENCE)).position == 2
        assert service.journal.health().abandoned_writers == 1
        assert await service.decide()


async def test_what_a_given_up_writer_has_committed_is_applied_once(service, url):
    decision = await service.decide()
    call = await hung(service, "committed", decision)
    await give_up(service)
    with pytest.raises(StoreUnavailable):
        await call
    assert service.engine().position == 1

    again = await service.recorder.record(a_submission(decision_id=decision, success=True))
    service.store.release()
    await service.journal.reach("chat", 2, PATIENCE)

    assert (again.duplicate, again.position) == (True, 2)
    assert (service.engine().position, service.engine().state_hash()) == await refold(service, url)


async def test_what_a_given_up_writer_still_writes_is_applied_once(service, url):
    """It is let go before its transaction: it writes what its caller has been refused."""
    decision = await service.decide()
    call = await hung(service, "entry", decision)
    await give_up(service)
    with pytest.raises(StoreUnavailable):
        await call

    service.store.release()
    other = a_submission(decision_id=decision, feedback_id="f2", score=0.5)
    await service.recorder.record(other)
    again = await service.recorder.record(a_submission(decision_id=decision, success=True))
    await service.journal.reach("chat", 2, PATIENCE)

    assert again.position in (2, 3)
    events = service.store.events(service.engine().identity.id, 1, 100)
    assert sorted(entry.event.feedback_id for entry in events) == ["f1", "f2"]
    assert (service.engine().position, service.engine().state_hash()) == await refold(service, url)


async def test_a_given_up_writer_that_holds_the_journal_is_waited_for(service, url):
    decision = await service.decide()
    call = await hung(service, "commit", decision)
    await give_up(service)
    with pytest.raises(StoreUnavailable):
        await call

    again = asyncio.create_task(
        service.recorder.record(a_submission(decision_id=decision, success=True))
    )
    await asyncio.sleep(0)
    service.store.release()  # on Postgres its connection has been cut, so it cannot commit

    assert (await again).position == 2
    assert (service.engine().position, service.engine().state_hash()) == await refold(service, url)


async def test_decisions_of_a_given_up_writer_are_answered_and_stored_once(service):
    reached = service.store.hang_once("committed")
    call = asyncio.create_task(service.routed(5))
    assert await asyncio.to_thread(reached.wait, PATIENCE)
    await give_up(service)

    answers = await asyncio.wait_for(call, PATIENCE)
    await service.journal.backlog.emptied(PATIENCE)
    service.store.release()

    for routed in answers:
        assert routed.decision.degraded
        assert service.store.decision(routed.decision.id) == routed.decision


async def test_a_policy_made_by_a_given_up_writer_routes_and_one_deleted_does_not(service):
    reached = service.store.hang_once("committed")
    call = asyncio.create_task(service.create(name="lost"))
    assert await asyncio.to_thread(reached.wait, PATIENCE)
    await give_up(service)
    with pytest.raises(StoreUnavailable):
        await call
    assert (await service.router.route(a_query(policy="lost", min_position=1))).arm
    assert await service.journal.backlog.emptied(PATIENCE)

    reached = service.store.hang_once("committed")
    gone = asyncio.create_task(service.administrator.delete("lost", ""))
    assert await asyncio.to_thread(reached.wait, PATIENCE)
    await give_up(service)
    with pytest.raises(StoreUnavailable):
        await gone
    await service.decide()  # whatever is written next finds out
    await until(lambda: "lost" not in service.registry.by_name)


async def test_closing_does_not_wait_for_a_writer_that_hangs(service):
    await hung(service, "entry", await service.decide())

    assert await asyncio.wait_for(service.journal.close(seconds=0.1), PATIENCE) == 0


class Chaos:
    """Two replicas, callers that retry what they were refused, and a database that fails in
    every way it can; remembers what was acknowledged."""

    def __init__(self, services: list[Service], seed: int) -> None:
        self.services = services
        self.luck = random.Random(seed)
        self.answered: dict[str, Routed] = {}
        self.acknowledged: dict[str, int] = {}
        self.refused = 0
        self._number = 0

    async def step(self) -> None:
        service = self.luck.choice(self.services)
        act = self.luck.choices(
            (self.route, self.tell, self.fail, self.heal), weights=(5, 6, 2, 3)
        )[0]
        await act(service)

    async def route(self, service: Service) -> None:
        queries = [
            a_query(request_id=f"r{self.luck.randrange(60)}" if self.luck.random() < 0.5 else "")
            for _ in range(self.luck.randint(1, 4))
        ]
        for answer in await self._patiently(service, service.router.route_many(queries)) or []:
            if isinstance(answer, Routed):
                self.answered[answer.decision.id] = answer

    async def tell(self, service: Service) -> None:
        if not self.answered:
            return
        decision = self.luck.choice(sorted(self.answered))
        name = f"f-{decision}"  # the same id for the same decision: most are repeats
        feedback = a_submission(decision_id=decision, feedback_id=name, success=True)
        recorded = await self._patiently(service, service.recorder.record(feedback))
        if recorded is not None:
            assert self.acknowledged.setdefault(name, recorded.position) == recorded.position

    async def fail(self, service: Service) -> None:
        store = service.store
        how = self.luck.randrange(5)
        if how == 0:
            store.away = True
        elif how == 1:
            store.before_commit.append(StoreUnavailable())
        elif how == 2:
            store.after_commit.append(StoreUnavailable())
        else:
            store.hang_once("entry" if how == 3 else "committed")

    async def heal(self, service: Service) -> None:
        service.store.away = False
        service.store.release()

    async def _patiently(self, service, call):
        """The answer; None if it was refused. A writer that hangs with it is given up."""
        task = asyncio.ensure_future(call)
        done, _ = await asyncio.wait({task}, timeout=0.1)
        if not done:
            await give_up(service)
        try:
            return await asyncio.wait_for(task, PATIENCE)
        except BanditError:
            self.refused += 1
            return None


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_fails_what_was_acknowledged_is_there_once_and_states_agree(url, seed):
    async with AsyncExitStack() as stack:
        services = [
            await stack.enter_async_context(running(url, degraded_after=PATIENCE)) for _ in range(2)
        ]
        await services[0].create()
        await services[1].journal.reach("chat", 1, PATIENCE)
        chaos = Chaos(services, seed)
        for _ in range(80):
            await chaos.step()
        for service in services:
            service.store.before_commit.clear()
            service.store.after_commit.clear()
            service.store._hanging.clear()
            await chaos.heal(service)
        for service in services:
            assert await service.journal.backlog.emptied(PATIENCE)
        # A writer that was given up may still commit, late: then all have to come to that as well.
        async with asyncio.timeout(PATIENCE):
            agreed, head = False, 0
            while not agreed:
                head = services[0].store.heads()[1]
                for service in services:
                    await service.journal.reach("chat", head, PATIENCE)
                states = [(s.engine().position, s.engine().state_hash()) for s in services]
                agreed = states[0] == states[1] == await refold(services[0], url)
                agreed = agreed and states[0][0] == head
        events = services[0].store.events(1, 1, 10_000)
        assert [entry.position for entry in events] == list(range(2, head + 1))
        recorded = {entry.event.feedback_id: entry.position for entry in events}
        assert len(recorded) == len(events)
        assert recorded.items() >= chaos.acknowledged.items()
        for decision_id, routed in chaos.answered.items():
            stored = services[0].store.decision(decision_id)
            assert stored is not None, f"seed {seed}"
            assert (stored.arm, stored.probabilities) == (
                routed.decision.arm,
                routed.decision.probabilities,
            )
        assert chaos.acknowledged
        assert chaos.refused
