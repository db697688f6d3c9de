"""What may go: only what is older than was asked for, than any horizon, and than the margin."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bandit_service.draw import new_ids
from bandit_service.model import Clock, Forgetting, Limits, Recorded
from bandit_service.retention import DAY, MARGIN, Keep, limits, prune
from bandit_service.store import open_store
from tests.builders import NOW, a_decision, a_query, a_submission
from tests.service.running import Service, WatchedStore, running_on
from tests.store.records import a_policy

INFINITE = float("inf")


@pytest.mark.parametrize(
    ("keep", "horizon", "decisions", "journal"),
    [
        (Keep(), 30 * DAY, None, None),
        (Keep(90, 365), 30 * DAY, 90 * DAY, 365 * DAY),
        (Keep(7, 1), 30 * DAY, 30 * DAY, 30 * DAY),  # never within the horizon
        (Keep(1, 0), 0.0, DAY, None),
        (Keep(0, 5), 1.0, None, 5 * DAY),
        (Keep(90, 90), INFINITE, None, None),  # a policy that nobody can read
        (Keep(36_500, 36_500), 1.0, None, None),  # before time began
    ],
)
def test_what_is_asked_for_is_taken_if_it_is_longer_than_the_horizon(
    keep: Keep, horizon: float, decisions: float | None, journal: float | None
) -> None:
    found = limits(keep, horizon, NOW, {7: 100})

    def before(age: float | None) -> float | None:
        return None if age is None else NOW - age - MARGIN

    assert found == Limits(
        decisions_before=before(decisions),
        feedback_ids_before=before(decisions),
        journal_before=before(journal),
        journal={7: 100} if journal else {},
    )


class Time:
    now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
async def service(tmp_path: Path, clock: Time) -> AsyncIterator[Service]:
    watched = WatchedStore(open_store(f"sqlite:///{tmp_path}/test.db"))
    async with running_on(watched, clock) as service:
        yield service


async def test_the_longest_horizon_of_all_policies_holds_every_decision(
    service: Service, clock: Time
) -> None:
    await service.create(feedback_horizon=DAY)
    await service.create(name="patient", feedback_horizon=1.0)
    await service.administrator.update("patient", {"feedback_horizon": 50 * DAY}, "")
    decision = await service.decide()
    clock.now += 1.0
    await service.decide()
    clock.now = NOW + 50 * DAY

    assert prune(service.store, Keep(decisions_days=1), clock.now, {}) == []
    assert service.store.decision(decision) is not None

    await service.administrator.delete("patient", "")
    (pruned,) = prune(service.store, Keep(decisions_days=1), clock.now, {})
    assert (pruned.table, pruned.rows) == ("decision", 1)
    assert service.store.decision(decision) is None


async def test_nothing_that_is_still_taken_feedback_on_is_ever_pruned(
    service: Service, clock: Time
) -> None:
    """A decision a day, and each day all of it is pruned that may be."""
    await service.create(feedback_horizon=5 * DAY)
    made: list[tuple[float, str]] = []
    for day in range(15):
        clock.now = NOW + day * DAY
        made.append((clock.now, await service.decide()))
        prune(service.store, Keep(decisions_days=1), clock.now, {})
        service.forget_decisions()  # what the writer still remembers

    clock.now += DAY / 2
    kept = [one for at, one in made if clock.now - at <= 5 * DAY]
    for number, decision in enumerate(kept):
        told = a_submission(decision_id=decision, feedback_id=f"f{number}", score=0.5)
        assert isinstance(await service.recorder.record(told), Recorded)
    gone = [one for _, one in made if service.store.decision(one) is None]
    assert len(gone) == 15 - 7  # five days, the margin, and today
    assert not set(gone) & set(kept)


async def test_the_state_is_a_fold_of_what_is_left_of_the_journal_and_its_checkpoint(
    service: Service, clock: Time
) -> None:
    """Pruning up to a position leaves every later entry, and the revisions."""
    await service.create(feedback_horizon=DAY)
    for number in range(6):
        told = a_submission(decision_id=await service.decide(), feedback_id=f"f{number}", score=0.5)
        await service.recorder.record(told)
    await service.administrator.update("chat", {"floor": 0.5}, "")
    before = service.store.events(1, 0, 99)
    clock.now = NOW + 10 * DAY

    assert prune(service.store, Keep(journal_days=1), clock.now, {}) == []
    (pruned,) = prune(service.store, Keep(journal_days=1), clock.now, {1: 4})

    assert (pruned.table, pruned.rows) == ("journal", 3)
    after = service.store.events(1, 0, 99)
    assert [one.position for one in after] == [1, 5, 6, 7, 8]
    assert after == [one for one in before if one.position == 1 or one.position > 4]


async def test_learning_goes_on_and_requests_are_counted_after_everything_old_is_gone(
    tmp_path: Path, clock: Time
) -> None:
    url = f"sqlite:///{tmp_path}/test.db"
    async with running_on(WatchedStore(open_store(url)), clock) as service:
        await service.create(forgetting=Forgetting(half_life=100.0, clock=Clock.REQUESTS))
        for _ in range(5):
            clock.now += 1.0
            await service.router.route(a_query())
        clock.now = NOW + 100 * DAY
        prune(service.store, Keep(decisions_days=1), clock.now, {})

    async with running_on(WatchedStore(open_store(url)), clock) as service:
        routed = await service.router.route(a_query())
        assert routed.decision.clock == 6.0


@pytest.mark.parametrize("is_dry", [True, False])
def test_a_dry_run_makes_no_partitions_either(is_dry: bool, tmp_path: Path) -> None:
    class Store:
        made = 0

        def make_partitions(self, _now: float) -> list[str]:
            self.made += 1
            return []

        def __getattr__(self, name: str) -> object:
            return getattr(store, name)

    store = open_store(f"sqlite:///{tmp_path}/test.db")
    watching = Store()
    prune(watching, Keep(1), time.time(), {}, is_dry)  # type: ignore[arg-type]
    store.close()

    assert watching.made == (not is_dry)


def test_a_policy_that_nobody_can_read_keeps_everything(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/test.db")
    a_policy(store)  # without a revision
    store.log_decisions([a_decision(id=new_ids(1, NOW + n)[0]) for n in range(3)])

    assert prune(store, Keep(1), NOW + 1000 * DAY, {}) == []
    store.close()
