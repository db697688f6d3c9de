"""One budget as this replica holds it: a lease on the present window, and what is known of it."""

from collections.abc import Iterable
from typing import NamedTuple

from bandit_service import budgets
from bandit_service.model import UNITS, Ask, Budget, Charge, Grant, Resource, from_units

PACE_SECONDS = 2.0  # of its own spending that a replica wishes to hold
CALLS_AHEAD = 4  # of the dearest arm, that it wishes to hold at least
# Where the window before tells how many requests come, it counts for so much of this one.
MEMORY_SHARE = 0.05
EVEN_SECONDS = 1.0


class BudgetNumbers(NamedTuple):
    """Where one budget stands, as one replica knows it, in dollars or joules."""

    policy: str
    budget: str
    resource: Resource
    amount: float
    spent: float
    reserved: float
    overrun: float
    leased: float
    shadow_price: float | None


class Holding:
    """`rest` is what no decision of this replica has reserved yet, in units.

    Times are of the monotonic clock. What others do is known as of the last grant, what this
    replica does at once.
    """

    def __init__(self, budget: Budget) -> None:
        self.change(budget)
        self.grant: Grant | None = None
        self.rest = 0
        self.decided = 0  # by this replica, of the present window
        self._known = 0  # of what was granted on the lease, less what was given back
        self._told = 0.0  # when the last grant came
        self._first = (0.0, 0)  # when this window was first seen, and its requests then
        # What reservations turn out to be worth: expected over reserved, of the latest.
        self._expected = self._reserved = 0.0
        self._paced, self._pace, self._pace_from = 0, 0.0, 0.0

    def change(self, budget: Budget) -> None:
        """The same budget, as another revision has it. `amount` is what it holds, in units."""
        self.budget, self.scale = budget, UNITS[budget.resource]
        self.amount = budgets.units_of(budget)

    def take(self, grant: Grant, now: float) -> dict[int, int]:
        """Takes a grant in. Returns what is to be given back, by lease: of a window that is over.

        The lease's own account says what was granted, so an answer that was lost is made up for
        by the next one.
        """
        over: dict[int, int] = {}
        if self.grant is None or grant.window != self.grant.window:
            if self.grant is not None and self.rest:
                over[self.grant.lease] = self.rest
            self.rest = self._known = 0
            self.decided = grant.own_requests
            self._known = grant.drawn
            self._first = now, grant.requests
        self.rest += grant.granted - self._known
        self._known = grant.granted
        self.grant, self._told = grant, now
        return over

    def release(self, units: int) -> None:
        """So much is going to be given back."""
        self.rest -= units
        self._known -= units

    def reserve(self, calls: Iterable[tuple[int, float]], decisions: int) -> list[int]:
        """Units reserved for each call of so many decisions: units wanted, and units expected to
        be taken.

        Where the lease has less it is reserved to the last unit; the rest becomes overrun.
        """
        rest, reserved, expected, found = self.rest, self._reserved, self._expected, []
        for wanted, likely in calls:
            if wanted > rest:
                found.append(rest)
                rest = 0
                continue
            found.append(wanted)
            rest -= wanted
            if wanted > 0:
                reserved = 0.99 * reserved + wanted
                expected = 0.99 * expected + min(wanted, likely)
        self._paced += self.rest - rest
        self.rest, self._reserved, self._expected = rest, reserved, expected
        self.decided += decisions
        return found

    def charge(self, arms: tuple[tuple[int, int], ...]) -> Charge:
        """What was reserved for one decision's calls, by slot."""
        budget, grant = self.budget, self.grant
        assert grant is not None
        return Charge(budget.name, budget.resource, grant.window, grant.lease, arms)

    def cancel(self, charge: Charge) -> None:
        """The decision never was."""
        if self.grant is not None and self.grant.lease == charge.lease:
            self.rest += charge.reserved
            self.decided -= 1

    def is_over(self, now: float) -> bool:
        """Whether its window has ended, as far as this replica can tell. One of requests ends
        when they are counted, which the ledger does."""
        if self.grant is None:
            return True
        if self.grant.left is not None:
            return now >= self._told + self.grant.left
        most = budgets.requests_of(self.budget)
        return most is not None and self.requests() >= most

    def requests(self) -> int:
        """Decisions of the window so far, with those of this replica that are under way."""
        assert self.grant is not None
        return self.grant.requests + self.decided - self.grant.own_requests

    def undrawn(self) -> int:
        """Reserved here, in units, and not in the ledger when it was last looked at."""
        drawn = 0 if self.grant is None else self.grant.drawn
        return max(0, self._known - drawn - self.rest)

    def spent(self) -> float:
        """In dollars or joules: what is settled, and what the reservations are likely to take."""
        grant = self.grant
        assert grant is not None
        pending = grant.pending + self.undrawn()
        worth = self._expected / self._reserved if self._reserved else 1.0
        return (grant.settled + grant.overrun + worth * pending) / self.scale

    def numbers(self, policy: str, shadow_price: float | None) -> BudgetNumbers:
        assert self.grant is not None
        grant, resource = self.grant, self.budget.resource
        reserved = grant.pending + self.undrawn()
        return BudgetNumbers(
            policy=policy,
            budget=self.budget.name,
            resource=resource,
            amount=from_units(resource, grant.amount),
            spent=from_units(resource, grant.settled + grant.overrun + reserved),
            reserved=from_units(resource, reserved),
            overrun=from_units(resource, grant.overrun),
            leased=from_units(resource, self.rest),
            shadow_price=shadow_price,
        )

    def standing(self, now: float) -> tuple[float, float, int, float | None]:
        """The present window's rate, what is spent of it, its requests, and those still to come;
        see policies.budget.Purse."""
        requests, left = self.requests(), self._left(now)
        rate = self.budget.amount / (1.0 if left is None else requests + left)
        return rate, self.spent(), requests, left

    def _left(self, now: float) -> float | None:
        """Requests still to come in the window, this one included; None: there is no end."""
        budget, grant = self.budget, self.grant
        assert grant is not None
        if budget.rate:
            return None
        if budget.requests is not None:
            return max(float(budget.requests - self.requests()), 1.0)
        assert grant.left is not None
        assert budget.window is not None
        count, over = float(self.requests()), grant.elapsed + (now - self._told)
        if grant.last_rate is not None:
            memory = MEMORY_SHARE * budget.window
            count, over = count + grant.last_rate * memory, over + memory
        else:  # nothing is known of the time before this replica looked
            count, over = count - self._first[1] + 1.0, now - self._first[0] + EVEN_SECONDS
        return max(count / over * max(self._told + grant.left - now, 0.0), 1.0)

    def pace(self, now: float) -> None:
        """Looks how much was reserved since the last look."""
        seconds = now - self._pace_from
        if seconds > 0.0:
            latest = self._paced / seconds if self._pace_from else 0.0
            weight = min(1.0, seconds / PACE_SECONDS)
            self._pace += weight * (latest - self._pace)
            self._paced, self._pace_from = 0, now

    def wish(self, dearest: int) -> int:
        """What it wishes to hold, in units; `dearest` is what a call may take."""
        return max(int(PACE_SECONDS * self._pace), CALLS_AHEAD * dearest)

    def ask(self, policy_id: int, revision: int, needed: int, dearest: int) -> Ask:
        """For the calls at hand, which need so much in all, and for those to come."""
        budget = self.budget
        return Ask(
            policy_id=policy_id,
            budget=budget.name,
            resource=budget.resource,
            amount=budgets.units_of(budget),
            revision=revision,
            seconds=budget.window,
            requests=budgets.requests_of(budget),
            least=needed,
            wish=self.wish(dearest),
            window=0 if self.grant is None else self.grant.window,
            rest=self.rest,
        )
