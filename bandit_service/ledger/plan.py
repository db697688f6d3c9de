"""What the budgets leave of a decision, kept for those that follow.

Prices are solved for anew every so many decisions. Until then, and while no arm comes near to
being too dear for what remains, what follows from them changes by next to nothing, and making it
takes as long as judging the arms. What cannot wait is looked at every time: whether the lease can
pay for any arm.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from bandit_service.ledger.holding import Holding
from bandit_service.model import Priced
from policies.budget import Restraint

SECONDS = 1.0  # that a plan is good for at most: the rest of a window of time depends on the clock


@dataclass(slots=True)
class Plan:
    """Of plain calls, all arms eligible and payable.

    until  on the monotonic clock
    least  units of each budget, that the lease has to have left beyond the calls at hand
    """

    restraint: Restraint
    priced: Priced
    until: float
    least: list[int]

    def holds(
        self, holdings: Sequence[Holding], dearest: Sequence[int], calls: int, now: float
    ) -> bool:
        """Whether so many calls, each of which may reserve `dearest`, can be decided by it."""
        if now >= self.until:
            return False
        for one, least, most in zip(holdings, self.least, dearest, strict=True):
            if one.rest - calls * most < least:
                return False
        return True


def plan_of(
    restraint: Restraint, priced: Priced, holdings: Sequence[Holding], now: float
) -> Plan | None:
    """None where the next decision may have to be restrained otherwise.

    What the lease is drawn down by counts against what a call may take: by what was known of calls
    when it was made, no decision by the plan could have found an arm too dear. Bills that are
    heard meanwhile count from the next plan on; what the lease can pay, at once.
    """
    if restraint.call is None:
        return None
    least = [
        0 if call * one.scale >= one.rest else ceil(one.rest - call * one.scale)
        for one, call in zip(holdings, restraint.call.tolist(), strict=True)
    ]
    return Plan(restraint, priced, now + SECONDS, least)
