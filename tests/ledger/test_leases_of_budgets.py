"""Replicas that share a budget: what they hold, what a dead one leaves, and when windows end."""

from contextlib import AsyncExitStack

import pytest
from sqlalchemy import text

from bandit_service.errors import BudgetExhausted
from bandit_service.ledger.booking import charges_of
from bandit_service.model import WhenExhausted
from bandit_service.store import open_store
from tests.ledger.budgeted import DOLLAR, SMALL, SMALL_UPPER, Budgeted, a_budget, charges, told_of
from tests.service.running import running

UPPER = round(SMALL_UPPER * DOLLAR)


@pytest.fixture
async def replicas(store_url):
    """Makes replicas on one database; each stops when the test ends."""
    open_store(store_url).close()
    async with AsyncExitStack() as stack:

        async def another() -> Budgeted:
            made = await stack.enter_async_context(running(store_url, degraded_after=5.0))
            return Budgeted(made)

        yield another


def on_the_database(service: Budgeted, statement: str) -> None:
    """As if time had passed on its clock, or the like."""
    engine = service.service.store._store._engine  # type: ignore[attr-defined]
    with engine.connect().execution_options(write=True) as connection, connection.begin():
        connection.execute(text(statement))


def time_passes(service: Budgeted) -> list[int]:
    """Leases run out that nobody keeps; returns the windows that were closed."""
    on_the_database(service, "UPDATE budget_lease SET until = until - 1200")
    return [window.id for window in service.service.store.ledger.sweep()]


def end_windows(service: Budgeted) -> None:
    """The present windows become those of long ago."""
    on_the_database(
        service,
        "UPDATE budget_window SET number = number - 1000000, start_time = start_time - 600000000, "
        "end_time = end_time - 600000000 WHERE end_time IS NOT NULL",
    )
    service.later(3_600.0)


async def test_leases_of_several_replicas_never_hold_more_than_the_budget(replicas):
    a = await replicas()
    await a.create(a_budget(0.1, when_exhausted=WhenExhausted.REFUSE), arms=(SMALL,))
    b, c = await replicas(), await replicas()

    served = 0
    for _ in range(8):
        for one in (a, b, c):
            one.later(1.0)
            answer = (await one.route())[0]
            served += not isinstance(answer, BudgetExhausted)
            window = a.window
            assert window.leased + window.reserved + window.settled <= window.amount

    window = a.window
    assert served == window.reserved // UPPER
    assert 7 <= served <= 10  # the last of it may lie in pieces that pay for nothing
    assert window.requests == served


async def test_usage_may_be_told_to_another_replica(replicas):
    a = await replicas()
    await a.create(a_budget(1.0), arms=(SMALL,))
    b = await replicas()
    decision = await a.decide()

    await b.tell(decision, 0.002)

    assert (b.window.reserved, b.window.settled) == (0, 2_000_000)


async def test_a_window_of_requests_begins_anew_when_they_are_counted(replicas):
    service = await replicas()
    budget = a_budget(0.1, requests=4, when_exhausted=WhenExhausted.REFUSE)
    await service.create(budget, arms=(SMALL,))

    made = [told_of(one) for one in await service.route(9)]

    windows = [charges(one)[0].window for one in made]
    assert [windows.count(one) for one in sorted(set(windows))] == [4, 4, 1]
    assert [one.requests for one in service.windows()] == [1, 4, 4]


async def test_a_window_of_time_rolls_by_the_database_s_clock(replicas):
    service = await replicas()
    budget = a_budget(0.025, window=3_600.0, when_exhausted=WhenExhausted.REFUSE)
    await service.create(budget, arms=(SMALL,))
    *_, refused = await service.route(3)
    assert isinstance(refused, BudgetExhausted)
    first = service.window
    assert first.end_time - first.start_time == 3_600.0
    assert first.start_time % 3_600.0 == 0.0

    end_windows(service)  # this replica's own clock says only that it is time to ask

    second = told_of((await service.route())[0])
    assert charges(second)[0].window != first.id
    assert service.window.requests == 1


async def test_usage_that_comes_after_a_window_was_closed_counts_there(replicas):
    service = await replicas()
    await service.create(a_budget(1.0, window=3_600.0), arms=(SMALL,))
    paid, unpaid = await service.decide(), await service.decide()
    await service.tell(paid, 0.001)
    end_windows(service)
    await service.decide()
    await service.service.spending.renew()

    closed = time_passes(service)

    now, before = service.windows()
    assert closed == [before.id]
    assert (before.closed, before.leased, before.reserved) == (True, 0, 0)
    assert before.settled == 1_000_000 + UPPER  # timed out as spent
    await service.tell(unpaid, 0.5)
    now, before = service.windows()
    assert before.settled + before.overrun == 1_000_000 + DOLLAR // 2
    assert before.overrun == DOLLAR // 2 - UPPER
    assert (now.requests, before.requests) == (1, 2)


async def test_what_a_dead_replica_held_counts_as_spent_and_what_it_had_stored_is_kept(replicas):
    a = await replicas()
    await a.create(a_budget(1.0), arms=(SMALL,))
    b = await replicas()
    decision = await b.decide()
    leased_by_both = a.window.leased
    b.service.spending._accounts.clear()  # it dies: nothing is given back
    b.service.engine().account = None
    await a.decide()

    held = a.window.leased
    assert held >= leased_by_both
    time_passes(a)

    window = a.window
    assert window.leased == 0  # of a as well, which has not renewed its lease either
    assert window.settled == held
    assert window.reserved == 2 * UPPER
    await a.tell(decision, 0.001)
    assert a.window.settled == held + 1_000_000
    # The one that lives finds what it has as it was.
    await a.service.spending.renew()
    assert a.window.leased > 0
    assert a.window.settled < held + 1_000_000


async def test_without_the_database_a_replica_spends_its_lease_and_no_more(replicas):
    a = await replicas()
    await a.create(a_budget(10.0, when_exhausted=WhenExhausted.REFUSE), arms=(SMALL,))
    await a.decide()
    held = a.window.leased
    assert UPPER <= held < 5 * DOLLAR
    a.service.store.away = True
    a.service.journal.following.could_not_write()

    made = await a.route(held // UPPER + 5)

    served = [one for one in made if not isinstance(one, Exception)]
    assert len(served) == held // UPPER
    assert all(one.decision.degraded for one in served)
    assert all(isinstance(one, BudgetExhausted) for one in made[len(served) :])
    a.service.store.away = False
    assert await a.service.journal.backlog.emptied(30.0)
    window = a.window
    assert window.reserved == (1 + len(served)) * UPPER
    assert window.leased == held - len(served) * UPPER


async def test_what_was_kept_in_memory_is_drawn_from_a_lease_that_ran_out_meanwhile(replicas):
    a = await replicas()
    await a.create(a_budget(10.0), arms=(SMALL,))
    b = await replicas()
    await a.decide()
    held = a.window.leased
    a.service.store.away = True
    a.service.journal.following.could_not_write()
    made = [told_of(one) for one in await a.route(3)]
    time_passes(b)
    assert b.window.settled == held

    a.service.store.away = False
    assert await a.service.journal.backlog.emptied(30.0)

    window = b.window
    assert window.reserved == 4 * UPPER
    assert window.settled == held - 3 * UPPER
    await b.tell(made[0], 0.001)
    assert b.window.reserved == 3 * UPPER


async def test_what_is_left_at_a_stop_is_given_back(replicas, store_url):
    a = await replicas()
    await a.create(a_budget(1.0), arms=(SMALL,))
    async with running(store_url) as service:
        b = Budgeted(service)
        await b.decide()
        both = a.window.leased
        assert both > 0

    window = a.window
    assert (window.leased, window.settled, window.reserved) == (0, 0, UPPER)
    assert window.requests == 1


async def test_a_replica_that_starts_knows_what_calls_took(replicas):
    a = await replicas()
    await a.create(a_budget(10.0), arms=(SMALL,))
    for _ in range(5):
        await a.tell(await a.decide(), 0.0004)
    b = await replicas()

    reserved = charges(await b.decide())[0].reserved

    # Five calls of .0004: mean + 2 sd sqrt(1 + 1/5), where sd^2 is 2 mean^2 / 7, about: older ones
    # count a three-hundredth less each.
    sd = (2 * 0.0004**2 / 7) ** 0.5
    assert reserved == pytest.approx((0.0004 + 2 * sd * 1.2**0.5) * DOLLAR, rel=5e-3)


async def test_decisions_without_budgets_say_nothing_of_them(replicas):
    service = await replicas()
    await service.create(arms=(SMALL,))
    assert charges_of(await service.decide()) == ()
    assert service.windows() == []
