"""Feedback: what came of decisions, recorded durably and learned."""

import asyncio
from collections.abc import Sequence

import msgspec

from bandit_service.errors import BanditError, StoreUnavailable
from bandit_service.gathering import Gathering
from bandit_service.journal import Journal
from bandit_service.model import Recorded, Submission
from bandit_service.planning import decisions_of
from bandit_service.tokens import TokenDesk
from bandit_service.waiting import refuse, settle, within
from bandit_service.work import FeedbackJob

Answer = Recorded | BanditError


class Recorder:
    """Hands submissions to the journal. What is acknowledged is durable, and this
    process has learned it."""

    def __init__(self, journal: Journal, timeout: float, tokens: TokenDesk | None = None) -> None:
        self._journal = journal
        self._tokens = tokens
        self._timeout = timeout
        self._waiting = Gathering(self._submit_waiting, journal.rows_under_way)

    async def record(self, submission: Submission) -> Recorded:
        """Raises the BanditError that says why it was not recorded."""
        answer = (await self.record_many((submission,)))[0]
        if isinstance(answer, BanditError):
            raise answer
        return answer

    async def record_many(self, submissions: Sequence[Submission]) -> list[Answer]:
        """A record or an error for each submission, in the same order.

        Raises StoreUnavailable, Overloaded or Draining for all of them; the first also for
        feedback on a decision that is not durable yet. Without `tokens` those that come are
        not looked at.
        """
        if self._tokens is None:
            return await self._record(submissions)
        checked = self._tokens.checked(submissions)
        good = [one for one in checked if isinstance(one, Submission)]
        done = iter(await self._record(good) if good else ())
        return [next(done) if isinstance(one, Submission) else one for one in checked]

    async def _record(self, submissions: Sequence[Submission]) -> list[Answer]:
        backlog = self._journal.backlog
        if len(backlog) and any(i in backlog for one in submissions for i in decisions_of(one)):
            raise StoreUnavailable
        call = _Call(submissions, asyncio.get_running_loop().create_future())
        self._waiting.add(call, len(submissions))
        return await within(call.future, self._timeout)

    def _submit_waiting(self, calls: "list[_Call]") -> None:
        """All at once, but a job each: what cannot be written fails alone."""
        jobs = [
            FeedbackJob(call.submissions, settle(call.future), refuse(call.future))
            for call in calls
        ]
        for job in jobs:
            try:
                self._journal.submit(job)
            except BanditError as error:
                job.failed(error)


class _Call(msgspec.Struct):
    """Submissions that came together and are answered together."""

    submissions: Sequence[Submission]
    future: "asyncio.Future[list[Answer]]"
