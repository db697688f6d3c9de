"""Takes the share from challengers that the log shows to be worse than the incumbent."""

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


class RollingBack:
    """Looks at the challengers that act. One replica at a time should."""

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
        """Judges each policy with challengers that act; a database that is away is asked again."""
        if self._monotonic() < self._not_before:
            return
        began = self._monotonic()
        for name, engine in list(self._registry.by_name.items()):
            if any(one.share for one in engine.contenders):
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
            if one.verdict is Verdict.WORSE and one.contestant.share:
                reason = _reason(one)
                await self._administrator.roll_back(name, one.contestant.name, etag, reason)
                log.warning("policy %r, challenger %r: %s", name, one.contestant.name, reason)
                return  # the policy has changed: the others are looked at the next time


def _reason(one: ChallengerView) -> str:
    high = one.difference.high
    return (
        f"its share of {one.contestant.share:g} is taken away: by {one.judged} decisions its "
        f"quality differs by less than {high:+.4f}, and {-one.margin:+.4f} is allowed"
    )
