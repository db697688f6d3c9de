"""Takes the share from challengers that are worse than the incumbent, or that fail."""

import logging
import time
from collections.abc import Callable

from bandit_service.administration import Administrator
from bandit_service.engine import Registry
from bandit_service.errors import BanditError
from bandit_service.model import ChallengerView, Verdict

log = logging.getLogger(__name__)

# To judge reads a contest's log: at most a twentieth of the time is spent on it.
PAUSES = 20.0
# Of the decisions of a contest. Each one goes to the incumbent anyway.
FEWEST_FAILURES, FAILING_PART = 10, 0.01


class RollingBack:
    """Looks at all challengers, so that it is known how they stand, and takes the share of those
    that act where it has to. One replica at a time should."""

    def __init__(
        self,
        registry: Registry,
        administrator: Administrator,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry, self._administrator = registry, administrator
        self._monotonic = monotonic
        self._not_before = 0.0

    async def look(self) -> None:
        """Judges each policy with challengers; a database that is away is asked again."""
        if self._monotonic() < self._not_before:
            return
        began = self._monotonic()
        for name, engine in list(self._registry.by_name.items()):
            if engine.contenders:
                try:
                    await self._look_at(name)
                except BanditError as error:
                    log.warning("the challengers of policy %r were not judged: %s", name, error)
        ended = self._monotonic()
        self._not_before = ended + PAUSES * (ended - began)

    async def _look_at(self, name: str) -> None:
        etag = self._administrator.get(name).etag
        standing = await self._administrator.challengers(name)
        for one in standing.challengers:
            reason = _reason(one)
            if reason and one.contestant.share:
                reason = f"its share of {one.contestant.share:g} is taken away: {reason}"
                await self._administrator.roll_back(name, one.contestant.name, etag, reason)
                log.warning("policy %r, challenger %r: %s", name, one.contestant.name, reason)
                return  # the policy has changed: the others are looked at the next time


def _reason(one: ChallengerView) -> str:
    """Why it should not act; empty if it may."""
    if one.stopped is not None:
        return f"it failed to learn the feedback at position {one.stopped}: {one.last_failure}"
    if one.undecided >= max(FEWEST_FAILURES, FAILING_PART * (one.decisions + one.undecided)):
        return (
            f"it failed to decide on {one.undecided} of {one.decisions + one.undecided} queries; "
            f"the last time: {one.last_failure or 'on another replica, whose log says why'}"
        )
    if one.verdict is Verdict.WORSE:
        return (
            f"by {one.judged} decisions its quality differs by less than "
            f"{one.difference.high:+.4f}, and {-one.margin:+.4f} is allowed"
        )
    return ""
