"""Decisions that were answered before they were durable, until they are.

They are kept in memory, within bounds, and written again and again, the oldest first, until
the database has taken them. A decision is stored under its own id, so it does not matter how
often it is written. Belongs to the event loop's thread.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable
from itertools import islice

import msgspec

from bandit_service.errors import BanditError
from bandit_service.model import Decision
from bandit_service.work import MOST_ROWS, DecisionJob, Taken

log = logging.getLogger(__name__)

PAUSE_SECONDS = 0.25  # before the next try
_BESIDE_ITS_BYTES = 1_000  # what a decision takes in memory besides its longer fields


class Backlog:
    """At most `rows` decisions, or `bytes` of them. `submit` hands a job to the writer."""

    def __init__(self, submit: Callable[[DecisionJob], None], rows: int, bytes: int) -> None:  # noqa: A002
        self._submit = submit
        self._most_rows = rows
        self._most_bytes = bytes
        self._kept: OrderedDict[str, Decision] = OrderedDict()
        self._holders: dict[tuple[int, str], Decision] = {}
        self._is_flushing = False
        self._at_once = MOST_ROWS
        self._emptied: asyncio.Event | None = None
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, decision_id: str) -> bool:
        return decision_id in self._kept

    def keep(self, decision: Decision) -> bool:
        """Takes a decision in; False if there is no room."""
        size = _size(decision)
        if len(self._kept) >= self._most_rows or self.bytes + size > self._most_bytes:
            return False
        self._kept[decision.id] = decision
        self.bytes += size
        if decision.request_id is not None:
            self._holders[decision.policy_id, decision.request_id] = decision
        if not self._is_flushing:
            self._flush()
        return True

    def holder(self, policy_id: int, request_id: str | None) -> Decision | None:
        """The decision that a request was answered with, and that is not durable yet."""
        return self._holders.get((policy_id, request_id)) if request_id and self._holders else None

    async def emptied(self, seconds: float) -> bool:
        """Waits until everything is durable; False if it is not in time."""
        if not self._kept:
            return True
        self._emptied = asyncio.Event()
        try:
            await asyncio.wait_for(self._emptied.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def _flush(self) -> None:
        """Writes the oldest. There is never more than one such job, so they stay in order."""
        self._is_flushing = bool(self._kept)
        if not self._kept:
            self._at_once = MOST_ROWS
            if self._emptied is not None:
                self._emptied.set()
            return
        oldest = list(islice(self._kept.values(), self._at_once))
        self._submit(
            DecisionJob(
                oldest,
                done=lambda taken: self._stored(oldest, taken),
                failed=lambda error: self._not_stored(oldest, error),
                is_again=True,
            )
        )

    def _stored(self, decisions: Iterable[Decision], taken: Taken) -> None:
        for decision in decisions:
            if decision.id in taken:
                self._give_up_request(decision)
            else:
                self._drop(decision)
        self._flush()

    def _give_up_request(self, decision: Decision) -> None:
        """Another replica has decided the same request meanwhile, and that decision holds its id.
        This one was answered too, and feedback on it may come: it is stored without the id."""
        log.warning("request of decision %s was decided by another replica as well", decision.id)
        self._holders.pop((decision.policy_id, decision.request_id or ""), None)
        self._kept[decision.id] = msgspec.structs.replace(
            decision, request_id=None, request_digest=None
        )

    def _not_stored(self, decisions: list[Decision], error: Exception) -> None:
        if not isinstance(error, BanditError):  # a row that no database takes: a bug
            if len(decisions) == 1:
                log.error("decision %s cannot be stored and is lost", decisions[0].id)
                self._drop(decisions[0])
            self._at_once = 1  # to find out which one it is
            self._flush()
            return
        asyncio.get_running_loop().call_later(PAUSE_SECONDS, self._flush)

    def _drop(self, decision: Decision) -> None:
        del self._kept[decision.id]
        self.bytes -= _size(decision)
        self._holders.pop((decision.policy_id, decision.request_id or ""), None)


def _size(decision: Decision) -> int:
    """Bytes of memory, about. The same with and without a request id."""
    longer = (
        decision.context,
        decision.probabilities,
        decision.means,
        decision.deviations,
        decision.shadow,
        decision.offsets,
        decision.spending,
    )
    return _BESIDE_ITS_BYTES + sum(len(one) for one in longer if one is not None)
