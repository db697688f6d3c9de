"""From decisions to answers: durable ones, or degraded ones while the database is away.

A decision is answered when it is in the log. If that takes too long, or the database failed the
last time, it goes to the backlog instead and is answered as degraded; if that is full, the
policy says what then.
"""

import asyncio
from collections.abc import Sequence

import msgspec

from bandit_service.drafting import request_digest
from bandit_service.eligibility import Exclusion
from bandit_service.engine import PolicyEngine
from bandit_service.errors import BanditError, BufferFull, IdReused, StoreUnavailable
from bandit_service.explaining import routed
from bandit_service.journal import Journal
from bandit_service.model import Decision, Query, WhenUnlogged
from bandit_service.reading import Answer, Item
from bandit_service.work import MOST_ROWS, DecisionJob, Taken

Decided = tuple[Item, Decision]

_SOON = 0.001  # seconds; an event loop's timers are no better
# Of what a caller has left of its deadline, the part that an answer may take.
SHARE_OF_DEADLINE = 0.8
# What may rule an arm out without making it unable to serve.
_ABLE = frozenset(map(int, (Exclusion.NONE, Exclusion.SESSION, Exclusion.OBSERVED,
                            Exclusion.UNHEALTHY)))  # fmt: skip


class Storing:
    """Belongs to the event loop's thread.

    `degraded_after` is how long a commit is waited for, in seconds, before the answer is
    degraded; None: it never is, and who waited is told StoreUnavailable.
    """

    def __init__(self, journal: Journal, degraded_after: float | None) -> None:
        self.journal = journal
        self.degraded_after = degraded_after

    def patience(self, timeout: float, left: float | None) -> float:
        """Seconds that an answer may take, if the caller has so many left."""
        if self.degraded_after is None:
            return timeout
        if left is None:
            return self.degraded_after
        return min(self.degraded_after, SHARE_OF_DEADLINE * left)

    def is_degraded(self) -> bool:
        """Whether it is no use to wait for the database."""
        return self.degraded_after is not None and self.journal.following.in_trouble()

    def store(self, engine: PolicyEngine, decided: Sequence[Decided]) -> None:
        """Answers every item, sooner or later."""
        if self.is_degraded():
            self.degrade(engine, decided, is_fresh=True)
            return
        for start in range(0, len(decided), MOST_ROWS):
            _Waiting(self, engine, decided[start : start + MOST_ROWS]).submit()

    def degrade(
        self, engine: PolicyEngine, decided: Sequence[Decided], is_fresh: bool = False
    ) -> None:
        """Answers from memory. `is_fresh`: no writer has seen the decisions."""
        for item, decision in decided:
            earlier = self.repeat(engine, item.query)
            if earlier is not None:
                self.forget(engine, decision, is_fresh)
                item.settle(earlier)
                continue
            kept = msgspec.structs.replace(decision, degraded=True)
            if self.journal.backlog.keep(kept):
                item.settle(routed(kept, engine.names))
            else:
                self.forget(engine, decision, is_fresh)
                item.settle(self._unlogged(engine, decision))

    def forget(self, engine: PolicyEngine, decision: Decision, never_was: bool) -> None:
        """What was reserved is free again only where the decision is surely in no log."""
        engine.forget_session(decision.session_hash)
        if never_was and engine.account is not None:
            engine.account.cancel(decision)

    def repeat(self, engine: PolicyEngine, query: Query) -> Answer | None:
        """The answer that a request got, if it got one here and of late."""
        if not query.request_id:
            return None
        earlier = self.journal.backlog.holder(engine.identity.id, query.request_id)
        earlier = earlier or self.journal.answered.of(engine.identity.id, query.request_id)
        if earlier is None:
            return None
        return repeated(engine, request_digest(query), query.request_id, earlier)

    def _unlogged(self, engine: PolicyEngine, decision: Decision) -> Answer:
        config = engine.config
        if config.when_unlogged is WhenUnlogged.FALLBACK:
            slot = engine.names.index(config.default_arm)
            if decision.exclusions[slot] in _ABLE:
                fallback = msgspec.structs.replace(
                    decision,
                    id="",
                    arm=slot,
                    second_arm=None,
                    propensity=1.0,
                    forced=False,
                    sticky=False,
                    observed=False,
                    degraded=True,
                )
                return routed(fallback, engine.names)
        return BufferFull(len(self.journal.backlog))


class _Waiting:
    """Decisions that were handed to the writer together, and who waits for them."""

    def __init__(self, storing: Storing, engine: PolicyEngine, decided: Sequence[Decided]) -> None:
        self._storing = storing
        self._engine = engine
        self._open = list(decided)
        self._loop = asyncio.get_running_loop()
        self._job = DecisionJob([decision for _, decision in decided], self._done, self._failed)
        self._timer: asyncio.TimerHandle | None = None

    def submit(self) -> None:
        self._wait()
        try:
            self._storing.journal.submit(self._job)
        except BanditError as error:
            self._refuse(error)

    def _wait(self) -> None:
        first = min(item.call.until for item, _ in self._open)
        self._timer = self._loop.call_at(first, self._late)

    def _late(self) -> None:
        """Some can wait no longer; what the job writes of them is written once, whoever does."""
        now = self._loop.time()
        due = [one for one in self._open if one[0].call.until <= now + _SOON]
        self._open = [one for one in self._open if one[0].call.until > now + _SOON]
        limit = self._storing.degraded_after
        if limit is None:
            self._tell(due, StoreUnavailable())
        else:
            journal = self._storing.journal
            waited = not all(item.call.is_hurried for item, _ in due)
            if waited or journal.stalled_seconds() >= limit:
                journal.following.could_not_write()
            self._storing.degrade(self._engine, due)
        if self._open:
            self._wait()
        elif limit is not None:
            self._storing.journal.withdraw(self._job)

    def _done(self, taken: Taken) -> None:
        for item, decision in self._open:
            try:
                item.settle(self._answer(decision, taken.get(decision.id)))
            except Exception as error:  # noqa: BLE001 - the others are to get their answers
                item.call.fail(error)
        self._close()

    def _answer(self, decision: Decision, earlier: Decision | None) -> Answer:
        self._storing.journal.answered.remember(decision if earlier is None else earlier)
        if earlier is None:
            return routed(decision, self._engine.names)
        self._storing.forget(self._engine, decision, True)  # this decision never was
        digest = decision.request_digest or b""
        return repeated(self._engine, digest, decision.request_id or "", earlier)

    def _failed(self, error: Exception) -> None:
        if isinstance(error, StoreUnavailable) and self._storing.degraded_after is not None:
            self._storing.degrade(self._engine, self._open)
            self._close()
        else:
            self._refuse(error)

    def _refuse(self, error: Exception) -> None:
        self._tell(self._open, error if isinstance(error, BanditError) else StoreUnavailable())
        self._close()

    def _tell(self, decided: Sequence[Decided], error: BanditError) -> None:
        for item, decision in decided:
            self._engine.forget_session(decision.session_hash)
            item.settle(error)

    def _close(self) -> None:
        self._open = []
        if self._timer is not None:
            self._timer.cancel()


def repeated(engine: PolicyEngine, digest: bytes, request_id: str, earlier: Decision) -> Answer:
    """The first answer to a request id, if this is the same request."""
    if digest != earlier.request_digest:
        return IdReused("request_id", request_id)
    if max(earlier.arm, earlier.second_arm or 0) >= len(engine.names):
        return StoreUnavailable()  # decided by a replica that knows more arms than this one yet
    return routed(earlier, engine.names)
