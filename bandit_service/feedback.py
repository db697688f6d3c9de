"""Feedback: what came of decisions, recorded durably and learned."""

import asyncio
from collections.abc import Sequence

from bandit_service.batch import FeedbackJob
from bandit_service.errors import BanditError
from bandit_service.journal import Journal, refuse, settle, within
from bandit_service.model import Recorded, Submission


class Recorder:
    """Hands submissions to the journal. What is acknowledged is durable, and this
    process has learned it."""

    def __init__(self, journal: Journal, timeout: float) -> None:
        self._journal = journal
        self._timeout = timeout

    async def record(self, submission: Submission) -> Recorded:
        """Raises the BanditError that says why it was not recorded."""
        answer = (await self.record_many((submission,)))[0]
        if isinstance(answer, BanditError):
            raise answer
        return answer

    async def record_many(self, submissions: Sequence[Submission]) -> list[Recorded | BanditError]:
        """A record or an error for each submission, in the same order.

        Raises StoreUnavailable, Overloaded or Draining for all of them.
        """
        future: asyncio.Future[list[Recorded | BanditError]]
        future = asyncio.get_running_loop().create_future()
        self._journal.submit(FeedbackJob(submissions, settle(future), refuse(future)))
        return await within(future, self._timeout)
