"""Work for the writer: jobs, and the queue in which they wait for it."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from bandit_service.errors import BanditError
from bandit_service.model import Decision, Recorded, Submission

Taken = dict[str, Decision]  # id of a decision left out -> the one that has its request id

MOST_ROWS = 2_048  # rows a transaction


class Job:
    """Work for the writer, and whom to tell. `rows` counts towards the limits.

    Both callbacks are called on the event loop, one of them, once.
    """

    rows = 1

    def __init__(self, done: Callable[[Any], None], failed: Callable[[Exception], None]) -> None:
        self.done = done
        self.failed = failed
        self.is_told = False
        self.began = time.monotonic()


class DecisionJob(Job):
    """Stores decisions; answers with those whose request id was taken.

    `is_again` says that other jobs may have them too.
    """

    def __init__(
        self,
        decisions: Sequence[Decision],
        done: Callable[[Taken], None],
        failed: Callable[[Exception], None],
        is_again: bool = False,
    ) -> None:
        super().__init__(done, failed)
        self.decisions = decisions
        self.is_again = is_again
        self.rows = len(decisions)


class FeedbackJob(Job):
    """Records submissions; answers with a Recorded or a BanditError for each."""

    def __init__(
        self,
        submissions: Sequence[Submission],
        done: Callable[[list[Recorded | BanditError]], None],
        failed: Callable[[Exception], None],
    ) -> None:
        super().__init__(done, failed)
        self.submissions = submissions
        self.rows = len(submissions)


class PolicyJob(Job):
    """Creates, changes or deletes a policy: `work` is called with the Batch."""

    def __init__(
        self,
        work: Callable[[Any], Any],
        done: Callable[[Any], None],
        failed: Callable[[Exception], None],
    ) -> None:
        super().__init__(done, failed)
        self.work = work


class PollJob(Job):
    """Reads what other replicas have written, now."""


class WorkQueue:
    """Jobs on their way from the event loop to the writer's thread.

    `take` is for the writers, everything else for the event loop. One lock guards who has
    which job, so a job that is withdrawn is written by nobody, and a writer that has been given
    up takes no more.
    """

    def __init__(self) -> None:
        self._waiting: deque[Job] = deque()
        self._wake = threading.Condition()
        self._closed = False
        self._given_up: set[object] = set()
        self._in_hand: dict[object, list[Job]] = {}

    def put(self, jobs: Sequence[Job]) -> None:
        with self._wake:
            self._waiting.extend(jobs)
            self._wake.notify_all()

    def withdraw(self, job: DecisionJob) -> bool:
        """True if no writer has it yet; then none will write anything of it."""
        with self._wake:
            if job not in self._waiting:
                return False
            self._waiting.remove(job)
            return True

    def close(self) -> None:
        """Writers end when everything is taken."""
        with self._wake:
            self._closed = True
            self._wake.notify_all()

    def give_up(self, writer: object) -> list[Job]:
        """The writer gets no more jobs. Returns those that it has."""
        with self._wake:
            self._given_up.add(writer)
            self._wake.notify_all()
            return self._in_hand.pop(writer, [])

    # -- on a writer's thread ---------------------------------------------------------------

    def has_given_up(self, writer: object) -> bool:
        with self._wake:
            return writer in self._given_up

    def take(self, writer: object, until: float, keeping: list[Job]) -> list[Job] | None:
        """What has gathered; nothing if nothing has until then (monotonic); None at the end.

        A change of a policy goes alone. So a transaction locks one journal, or several in the
        order of their ids, and no two replicas ever wait for each other in a circle.
        `keeping` is what the writer has put off, and still has in hand.
        """
        with self._wake:
            self._in_hand[writer] = list(keeping)
            while not (self._waiting or self._closed or writer in self._given_up):
                left = until - time.monotonic()
                if left <= 0:
                    return []
                self._wake.wait(left)
            if writer in self._given_up or (self._closed and not self._waiting):
                return None
            jobs: list[Job] = []
            rows = 0
            while self._waiting and (not jobs or rows + self._waiting[0].rows <= MOST_ROWS):
                if jobs and isinstance(self._waiting[0], PolicyJob):
                    break
                jobs.append(self._waiting.popleft())
                rows += jobs[-1].rows
                if isinstance(jobs[-1], PolicyJob):
                    break
            self._in_hand[writer] = [*keeping, *jobs]
            return jobs
