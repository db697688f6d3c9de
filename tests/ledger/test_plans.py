"""What budgets leave of a decision is kept for those that follow, as long as it holds."""

from collections.abc import Sequence
from math import ceil

import msgspec
import numpy as np
import pytest

from bandit_service.ledger.account import Account
from bandit_service.model import (
    Arm,
    Budget,
    Grant,
    Objective,
    PolicyConfig,
    Query,
    WhenExhausted,
    whole_units,
)
from policies.budget import Exhaustion, Resolving, restrain
from tests.builders import a_decision
from tests.ledger.budgeted import DOLLAR, LARGE, SMALL, a_budget

MEDIUM = Arm(name="medium", input_usd_per_million_tokens=3.0, output_usd_per_million_tokens=9.0)
ARMS = (SMALL, MEDIUM, LARGE)
USUAL = (0.001, 0.006, 0.02)  # USD a call
QUERY = Query("chat")


def granted(account: Account, calls: Sequence[int] = (), elapsed: float = 0.0) -> None:
    """A lease on all that the budgets hold but for what these calls took, which are settled."""
    asks = account.asks([0] * len(account.holdings))
    units = sum(whole_units(USUAL[slot], DOLLAR) for slot in calls)
    grants = []
    for one, ask in zip(account.holdings, asks, strict=True):
        drawn = 0 if one.grant is None else one._known - one.rest
        grants.append(
            Grant(
                budget=ask.budget,
                window=1,
                lease=1,
                granted=drawn + max(ask.amount - units, 0),
                drawn=drawn,
                own_requests=len(calls),
                amount=ask.amount,
                settled=units,
                overrun=0,
                pending=0,
                free=0,
                requests=len(calls),
                elapsed=elapsed,
                left=None if ask.seconds is None else ask.seconds - elapsed,
                last_rate=None if ask.seconds is None else 1.0,
            )
        )
    account.take(grants, ())


class Replica:
    """An account alone: a clock of its own, and a lease on everything."""

    def __init__(self, *budgets: Budget, primed: int = 50) -> None:
        self.time = 1_000.0
        config = PolicyConfig(name="chat", arms=ARMS, budgets=budgets)
        self.account = Account(1, 1, config, lambda: self.time)
        # The same for each arm, so that all of them reserve alike beyond what they take.
        self.account.appetite.prime(
            [(slot, usd, None) for slot, usd in enumerate(USUAL) for _ in range(primed)]
        )
        granted(self.account)
        self.rng = np.random.default_rng(5)

    def restraint(self, count: int = 1, query: Query = QUERY):
        """What these queries are restrained by: of their first turn, and the turn."""
        _, turn = next(self.account.turns([query] * count))
        return turn.restraint(self.scores(count), None), turn

    def planned(self):
        """What was made for a query just now, and is kept for others."""
        before, _ = self.restraint()
        for _ in range(300):  # until prices last as long as they ever do
            before, _ = self.restraint()
        while (now := self.restraint()[0]) is before:
            before = now
        return now

    def scores(self, count: int):
        return self.rng.random((count, len(ARMS)))

    def serve(self, turn, arm: int):
        decision = a_decision(arm=arm)
        turn.charge({0: decision})
        return decision


def test_it_is_made_anew_when_the_prices_are():
    replica, found = Replica(a_budget(0.006, rate=True)), []
    for _ in range(600):
        restraint, turn = replica.restraint()
        replica.serve(turn, 0)
        found.append(restraint)

    late = [id(one) for one in found[300:]]
    lengths = [late.count(each) for each in dict.fromkeys(late)]
    assert lengths[1:-1] == [Resolving().every] * (len(lengths) - 2)
    assert len(lengths) > 5


def test_every_query_counts_towards_the_next_prices():
    replica = Replica(a_budget(0.006, rate=True))
    solved = set()
    for _ in range(100):
        replica.restraint(count=4)
        solved.add(replica.account.control.solved)

    assert replica.account.control.count == 400
    # Four when they are solved for, and as many more as it takes.
    apart = 4 + 4 * ceil((Resolving().every - 1) / 4)
    assert np.diff(sorted(solved)[-4:]).tolist() == [apart] * 3


@pytest.mark.parametrize(
    "change",
    [
        lambda replica: granted(replica.account),
        lambda replica: setattr(replica, "time", replica.time + 1.0),
        lambda replica: replica.account.revise(2, replica.account.config),
        lambda replica: setattr(replica.account.holdings[0], "rest", 1_000_000),
    ],
    ids=["a grant", "a second", "a revision", "too little on the lease"],
)
def test_it_does_not_outlive(change):
    replica = Replica(a_budget(0.006, rate=True))
    before = replica.planned()

    change(replica)

    after, _ = replica.restraint()
    assert after is not before


def test_a_long_query_is_looked_at_by_itself_where_the_lease_cannot_pay_for_it():
    replica = Replica(a_budget(0.006, rate=True))
    replica.account.holdings[0].rest = 10**9  # a dollar
    before = replica.planned()

    short, _ = replica.restraint(query=Query("chat", output_tokens=1_000))
    long, _ = replica.restraint(query=Query("chat", output_tokens=50_000))

    assert short is before
    assert long is not before
    assert long.eligible.tolist() == [[True, True, False]]  # 1.50 dollars, at list price


@pytest.mark.parametrize("seed", range(8))
def test_while_it_holds_every_arm_could_be_paid(seed):
    """Against a look of its own at each decision, up to where the budget binds the arms."""
    budgets = (
        a_budget(1.2, requests=300, name="few", when_exhausted=WhenExhausted.REFUSE),
        a_budget(40.0, window=3_600.0, name="hour"),
    )
    rng, replica = np.random.default_rng(seed), Replica(*budgets)
    account, kept, bound = replica.account, 0, 0
    last = None
    calls: list[int] = []
    for at in range(250):
        if at % 25 == 0:  # bills are paid, and the ledger is asked for more
            granted(account, calls, elapsed=at * 0.01)
        restraint, turn = replica.restraint()
        consumption = account.appetite.consumption
        fresh = restrain(
            restraint.prices,
            account.purse(),
            None,
            consumption.means(),
            consumption.uppers(),
            account.appetite.tried,
            Exhaustion.REFUSE,
            rows=1,
            lowers=consumption.lowers,
            asides=consumption.asides(),
        )
        bound += fresh.eligible is not None
        if restraint is last:
            kept += 1
            assert fresh.eligible is None
            assert all(
                one.rest >= units
                for one, units in zip(account.holdings, account.needed([QUERY]), strict=True)
            )
        last = restraint
        payable = np.flatnonzero(np.ones(3) if fresh.eligible is None else fresh.eligible[0])
        if len(payable):
            calls.append(int(rng.choice(payable)))
            replica.serve(turn, calls[-1])
        replica.time += 0.01

    assert kept > 20
    assert bound > 20


def test_equal_calls_of_a_turn_are_charged_alike_and_what_is_short_is_not():
    replica = Replica(a_budget(0.006, rate=True))
    _, turn = replica.restraint()
    holding = replica.account.holdings[0]
    upper = replica.account.needed([QUERY])[0]
    holding.rest = 2 * upper + 5

    first, second, third = (replica.serve(turn, 2).spending for _ in range(3))

    assert first == second != third
    assert holding.rest == 0
    assert holding.decided == 3


def test_every_budget_is_charged():
    replica = Replica(a_budget(0.006, rate=True), a_budget(50.0, name="all"))
    _, turn = replica.restraint()
    before = [one.rest for one in replica.account.holdings]

    replica.serve(turn, 1)

    after = [one.rest for one in replica.account.holdings]
    assert before[0] - after[0] == before[1] - after[1] > 0.006 * DOLLAR


def revised(replica: Replica, **changes):
    config = msgspec.structs.replace(replica.account.config, **changes)
    replica.account.revise(2, config)
    granted(replica.account)


@pytest.mark.parametrize("rate", [0.002, 0.008])
def test_a_change_of_a_budget_acts_on_the_next_decision(rate):
    """Its prices are those at which the queries of the window would spend the new rate."""
    replica = Replica(a_budget(0.006, rate=True))
    before = replica.planned().prices.mean

    revised(replica, budgets=(a_budget(rate, rate=True),))
    after, _ = replica.restraint()

    assert (after.prices.mean > before).all() == (rate < 0.006)
    assert (after.prices.mean < before).all() == (rate > 0.006)
    control, means = replica.account.control, replica.account.appetite.consumption.means()
    spent = [
        means[(control.scores - means @ price).argmax(axis=1), 0].mean()
        for price in (after.prices.first, after.prices.mean)
    ]
    assert min(spent) <= 1.05 * rate
    assert max(spent) >= 0.95 * rate


def test_scores_by_another_objective_are_not_planned_with():
    replica = Replica(a_budget(0.006, rate=True))
    replica.planned()
    assert replica.account.control.count >= 300

    revised(replica, objective=Objective(quality_per_usd=5.0))
    replica.restraint()

    assert replica.account.control.count == 1


def test_arms_that_are_shut_stay_shut_and_what_was_kept_is_kept_no_longer():
    replica = Replica(a_budget(0.006, rate=True))
    before = replica.planned()
    _, turn = next(replica.account.turns([QUERY]))
    shut = np.array([[True, False, True]])

    restraint = turn.restraint(replica.scores(1), shut)

    assert restraint is not before
    assert restraint.eligible is not None
    assert restraint.eligible.tolist() == shut.tolist()
    assert restraint.chances(evenly, None, 0.1)[0, 1] == 0.0
    assert replica.restraint()[0] is not before


def evenly(offsets, eligible):
    open_ = np.ones((1, len(ARMS))) if eligible is None else eligible.astype(float)
    return open_ / open_.sum(axis=1, keepdims=True)


def test_a_duel_pays_for_two_calls():
    replica = Replica(a_budget(0.006, rate=True))
    before = replica.planned()

    restraint, _ = replica.restraint(query=Query("chat", duel=True))

    assert restraint is not before
    np.testing.assert_allclose(restraint.amounts, 2.0 * before.amounts)


def test_an_arm_is_tried_soon_only_until_it_was():
    replica = Replica(a_budget(0.006, rate=True))
    replica.account.appetite.tried[2] = 0.0
    replica.planned()
    found = []
    for _ in range(5):
        restraint, turn = replica.restraint()
        replica.serve(turn, 2)
        found.append(restraint)

    untried = [one.untried is not None and bool(one.untried[2]) for one in found]
    assert untried == [True, True, True, False, False]
    # As often as any other from then on: a third of the floor, or less.
    late = found[-1].chances(evenly, None, 0.01) - 0.99 * evenly(None, None)
    assert late[0, 2] <= 0.01 / 3 + 1e-12
