"""The budgets of one policy on this replica: what can be paid, at which prices, out of which lease.

Control state: it follows decisions and the ledger, and has no part in what is learned. Belongs to
the event loop's thread, and waits for nothing.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bandit_service.ledger.appetite import Appetite
from bandit_service.ledger.holding import BudgetNumbers, Holding
from bandit_service.ledger.plan import Plan, plan_of
from bandit_service.ledger.turn import Turn
from bandit_service.model import (
    ArmState,
    Ask,
    Budget,
    Decision,
    Grant,
    PolicyConfig,
    Priced,
    Query,
    UsageLesson,
    unpack,
    whole_units,
)
from policies.budget import CONTROLLERS, FIRST_TRIES, Lasting, Prices, Purse, Restraint

Array = NDArray[np.float64]

RETRY_SECONDS = 0.5  # after which a ledger that had no more is asked again


class Account:
    """`revision` is the one of the configuration that it keeps to."""

    def __init__(
        self,
        policy_id: int,
        revision: int,
        config: PolicyConfig,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.policy_id, self.revision, self.config = policy_id, revision, config
        self._monotonic = monotonic
        self._no_more_until = self._silent_until = 0.0
        self.charged = 0  # decisions
        self._plain: tuple[Array | None, list[int], list[int]] = (None, [], [])
        self._plan: Plan | None = None
        self._marked: tuple[Prices | None, bytes, bytes | None] = (None, b"", None)
        self._all_active = _all_active(config)
        self.holdings = [Holding(budget) for budget in config.budgets]
        self.appetite = Appetite(config)
        self._begin_control()

    def revise(self, revision: int, config: PolicyConfig) -> dict[int, int]:
        """Goes on under another configuration. Returns what is to be given back, by lease."""
        judged = self.config.objective, self.config.algorithm
        self.revision, self.config, self._no_more_until = revision, config, 0.0
        self._plain, self._plan = (None, [], []), None
        self._all_active = _all_active(config)
        before = {_identity(one.budget): one for one in self.holdings}
        self.holdings = []
        for budget in config.budgets:
            holding = before.pop(_identity(budget), None) or Holding(budget)
            holding.change(budget)
            self.holdings.append(holding)
        self.appetite.revise(config)
        if self._controlled != self._control_of():
            self._begin_control()
        elif self._lasting is not None:
            scores = judged != (config.objective, config.algorithm)
            self._lasting.expire(self.control, scores=scores)
        gone = [one for one in before.values() if one.grant is not None and one.rest]
        return {one.grant.lease: one.rest for one in gone if one.grant is not None}

    # -- the lease ------------------------------------------------------------------------------

    @property
    def has_lease(self) -> bool:
        return None not in [one.grant for one in self.holdings]

    def needed(self, queries: Sequence[Query]) -> list[int]:
        """Units of each budget with which each of the queries can have any arm it could pay."""
        calls = sum(map(_calls, queries))
        return [calls * most for most in self._dearest(self.appetite.needs(queries))]

    def lacks(self, needed: Sequence[int]) -> bool:
        """Whether the ledger has to be asked before anything is decided."""
        if not self.has_lease:
            return True
        now = self._monotonic()
        if now < self._silent_until:
            return False
        if any(one.is_over(now) for one in self.holdings):
            return True
        return now >= self._no_more_until and self._is_short(needed)

    def is_low(self) -> bool:
        """Whether it is time to ask for more, so that nobody has to wait for it."""
        now = self._monotonic()
        if not self.has_lease or any(one.is_over(now) for one in self.holdings):
            return True
        pairs = zip(self.holdings, self.needed((_PLAIN,)), strict=True)
        is_low = any(one.rest < one.wish(need) // 2 for one, need in pairs)
        return is_low and now >= self._no_more_until

    def asks(self, needed: Sequence[int]) -> list[Ask]:
        """What to ask of the ledger, to have so much of each and what is soon used up."""
        now = self._monotonic()
        asks = []
        for one, all_of_them, dearest in zip(
            self.holdings, needed, self.needed((_PLAIN,)), strict=True
        ):
            one.pace(now)
            asks.append(one.ask(self.policy_id, self.revision, all_of_them, dearest))
        return asks

    def take(self, grants: Sequence[Grant], needed: Sequence[int]) -> dict[int, int]:
        """Takes grants in; what is to be given back, by lease."""
        now = self._monotonic()
        self._plan = None
        over: dict[int, int] = {}
        by_name = {one.budget.name: one for one in self.holdings}
        for grant in grants:
            if grant.budget in by_name:
                over |= by_name[grant.budget].take(grant, now)
            else:  # the budget has just been taken away
                over[grant.lease] = grant.granted - grant.drawn
        if len(needed) == len(self.holdings) and self._is_short(needed):
            self._no_more_until = now + RETRY_SECONDS
        self._silent_until = 0.0
        return over

    def wait_before_asking(self) -> None:
        """The ledger does not answer: there is nothing to wait for just now."""
        self._silent_until = self._monotonic() + RETRY_SECONDS

    def excess(self) -> dict[int, int]:
        """What is held far beyond need, by lease; with this it is given up."""
        back: dict[int, int] = {}
        for one, need in zip(self.holdings, self.needed((_PLAIN,)), strict=True):
            wish = one.wish(need)
            if one.grant is not None and one.rest > 4 * wish:
                back[one.grant.lease] = one.rest - wish
                one.release(one.rest - wish)
        return back

    def everything(self) -> dict[int, int]:
        """All that is held, by lease: nothing more is going to be decided."""
        back = {one.grant.lease: one.rest for one in self.holdings if one.grant is not None}
        for one in self.holdings:
            one.rest, one.grant = 0, None
        return back

    # -- deciding -------------------------------------------------------------------------------

    def turns(self, queries: Sequence[Query]) -> Iterator[tuple[slice, Turn]]:
        """The queries in turns, of each as many as the lease can surely pay for; at least one.

        Each turn is to be decided and charged before the next is asked for.
        """
        if len(queries) == 1:  # whatever can be paid, it is a turn
            (query,) = queries
            calls = _calls(query)
            yield slice(0, 1), Turn(self, self.appetite.needs(queries), calls, calls)
            return
        start = 0
        each = list(map(_calls, queries))
        while start < len(queries):
            needs = self.appetite.needs(queries[start:])
            pairs = zip(self.holdings, self._dearest(needs), strict=True)
            payable = min((one.rest // most for one, most in pairs if most), default=0)
            end, calls = len(queries), sum(each[start:])
            if calls > payable:
                end, calls = start + 1, each[start]
                while end < len(queries) and calls + each[end] <= payable:
                    calls += each[end]
                    end += 1
            yield slice(start, end), Turn(self, needs, calls, min(each[start:end]))
            start = end

    def purse(self) -> Purse:
        """As plain numbers where there is one budget: some controllers keep only one."""
        now = self._monotonic()
        if len(self.holdings) == 1:
            rate, spent, requests, left = self.holdings[0].standing(now)
            return Purse(np.array([rate]), np.array([spent]), requests, left)
        rows = [one.standing(now) for one in self.holdings]
        whole = [row if row[3] is not None else (*row[:3], np.inf) for row in rows]
        return Purse(*np.array(whole).T)

    def planned(self, scores: Array, needs: Array, calls: int) -> Plan | None:
        """What the decisions before were restrained by, if it holds for these, with so many
        calls; their scores are noted then."""
        plan, lasting = self._plan, self._lasting
        if plan is None or lasting is None:
            return None
        self._dearest(needs)
        tops, now = self._plain[2], self._monotonic()
        if not plan.holds(self.holdings, tops, calls, now):
            return None
        return plan if lasting.again(self.control, scores) is not None else None

    def remember(self, found: Restraint, priced: Priced | None) -> None:
        """Keeps what decisions are restrained by, for those that follow."""
        self._plan = None
        if self._lasting is not None and priced is not None:
            self._plan = plan_of(found, priced, self.holdings, self._monotonic())

    def tried(self, calls: Sequence[int]) -> None:
        """Calls of these arms were decided."""
        tried = self.appetite.tried
        for slot in calls:
            before = tried.item(slot)
            tried[slot] = before + 1.0
            if before < FIRST_TRIES:  # it need not be tried as soon any more
                self._plan = None

    def marked(self, prices: Prices) -> tuple[bytes, bytes | None]:
        """The first and the second price as they are stored. Now they are those of the account."""
        known, first, second = self._marked
        if prices is not known:  # most of the time they are those of the decision before
            self.price = prices.mean
            first = prices.first.tobytes()
            second = None if prices.second is None else prices.second.tobytes()
            self._marked = prices, first, second
        return first, second

    def heard(self, usage: UsageLesson) -> None:
        """A call took this, whoever decided it."""
        fresh = self.appetite.heard(usage)
        if fresh is not None and self.controller.settles and self.has_lease:
            means = np.nan_to_num(self.appetite.consumption.means()[usage.arm])
            taken = np.where(np.isnan(fresh), means, fresh)
            self.controller.settle(self.control, self.purse(), taken)

    def numbers(self) -> list[BudgetNumbers]:
        """As of the last grants, and of what was decided here since. From any thread."""
        pairs = zip(self.holdings, self.price.tolist(), strict=False)
        return [
            one.numbers(self.config.name, None if np.isnan(price) else price)
            for one, price in pairs
            if one.grant is not None
        ]

    def cancel(self, decision: Decision) -> None:
        """A decision that never was: nothing of it is stored, or ever will be."""
        by_name = {one.budget.name: one for one in self.holdings}
        for charge in unpack(decision.spending).charges if decision.spending else ():
            if charge.budget in by_name:
                by_name[charge.budget].cancel(charge)

    def _begin_control(self) -> None:
        self.controller = CONTROLLERS[self.config.budgets[0].controller]()
        self._lasting = self.controller if isinstance(self.controller, Lasting) else None
        self.control: Any = self.controller.start(len(self.holdings))
        self.price = np.full(len(self.holdings), np.nan)  # of the last decision
        self._controlled = self._control_of()

    def _control_of(self) -> tuple[Any, ...]:
        """What the prices so far are good for."""
        budgets = self.config.budgets
        return budgets[0].controller, [_identity(budget) for budget in budgets]

    def _dearest(self, needs: Array) -> list[int]:
        """Of each budget, in units, what a call takes at most of the active arms that the budget
        could pay were it untouched; 0 where there is none."""
        if needs is self._plain[0]:  # nothing was learned since: most of the time
            return self._plain[1]
        known = needs if self._all_active and self.appetite.knows_all else needs[self._usable()]
        tops = np.maximum.reduce(known, axis=0, initial=0.0).tolist()
        pairs = zip(tops, self.holdings, strict=True)
        dearest = [whole_units(top, one.scale) for top, one in pairs]
        payable = dearest.copy()
        for place, one in enumerate(self.holdings):
            if dearest[place] > one.amount:
                column = sorted(known[:, place].tolist(), reverse=True)
                each = (whole_units(amount, one.scale) for amount in column)
                payable[place] = next((units for units in each if units <= one.amount), 0)
        self._plain = needs, payable, dearest
        return payable

    def _usable(self) -> NDArray[np.bool_]:
        """Active arms of which something is known, (K,)."""
        active = np.array([arm.state is ArmState.ACTIVE for arm in self.config.arms])
        usable: NDArray[np.bool_] = active & self.appetite.known()
        return usable

    def _is_short(self, needed: Sequence[int]) -> bool:
        return any(one.rest < need for one, need in zip(self.holdings, needed, strict=True))


_PLAIN = Query("")


def _all_active(config: PolicyConfig) -> bool:
    return all(arm.state is ArmState.ACTIVE for arm in config.arms)


def _calls(query: Query) -> int:
    return 2 if query.duel else 1


def _identity(budget: Budget) -> tuple[Any, ...]:
    """What makes a budget the same one under another configuration."""
    return budget.name, budget.resource, budget.window, budget.requests, budget.rate
