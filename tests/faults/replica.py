"""One replica in one thread: the real journal, writer, batches, planning and engines, by steps.

Nothing runs by itself: `write` is one turn of the writer's thread, `deliver` is one turn of the
event loop, `follow` asks the writer to read on. The only file of these tests that knows how a
Journal looks inside.
"""

import math
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any
from unittest import mock

import numpy as np

from bandit_service import revising
from bandit_service.batch import Batch
from bandit_service.drafting import request_digest
from bandit_service.engine import PolicyEngine, Registry
from bandit_service.errors import BanditError, IdReused, PolicyNotFound
from bandit_service.features import features_of
from bandit_service.hearing import Hearing
from bandit_service.journal import Journal
from bandit_service.model import Checkpoint, PolicyConfig, Query, Submission
from bandit_service.ports import Store
from bandit_service.watching import UNWATCHED
from bandit_service.work import DecisionJob, FeedbackJob, Job, PolicyJob, PollJob, Taken
from bandit_service.writer import Writer
from tests.builders import SECRET, shape_of

Answered = Callable[[Any], None]  # with a result or an Exception


class _Loop:
    """What the writer tells is kept until somebody delivers it."""

    def __init__(self) -> None:
        self.calls: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()

    def call_soon_threadsafe(self, call: Callable[..., None], *args: Any) -> None:
        self.calls.append((call, args))


class Replica:
    """As good as a process: made from what the store holds, gone when nobody refers to it."""

    def __init__(
        self,
        store: Store,
        now: Callable[[], float],
        hearing: Callable[..., Hearing] = Hearing,
    ) -> None:
        self.store, self.now = store, now
        self.registry = Registry()
        self.seen = -1  # the last position that was looked at from outside
        self._loop = _Loop()
        self._journal = journal = Journal(store, self.registry, shape_of, now)
        journal._hearing = hearing(self.registry, journal.following, shape_of, UNWATCHED)
        journal.load()
        self._begin(unsure=False)

    def _begin(self, unsure: bool) -> None:
        """As Journal does it, without a thread. It reads on only if it is asked to, or unsure."""
        journal = self._journal
        self._writer = journal._hearing.present = Writer(
            self.store,
            journal._queue,
            self.registry,
            journal._load,
            shape_of,
            self.now,
            math.inf,
            journal._hearing,
            self._loop,  # type: ignore[arg-type]
            unsure,
        )

    def engine(self, name: str = "chat") -> PolicyEngine:
        return self.registry.by_name[name]

    def started_from(self, policy_id: int = 1) -> Checkpoint | None:
        """The checkpoint it began with; None: the whole journal."""
        return self._journal.started_from.get(policy_id)

    # -- what callers send; `answered` hears of it once ---------------------------------

    def route(self, query: Query, decision_id: str, answered: Answered) -> None:
        """As Router does it: decides at once, answers when it is in the log."""
        engine = self.registry.by_name.get(query.policy)
        if engine is None:
            answered(PolicyNotFound(query.policy))
            return
        feature_map = features_of(engine.config.features)
        contexts = feature_map.from_vectors(np.frombuffer(query.vector or b"")[None, :])
        (decision,) = engine.decide([query], contexts, self.now(), [decision_id])
        if isinstance(decision, BanditError):
            answered(decision)
            return

        def done(taken: Taken) -> None:
            holder = taken.get(decision.id, decision)
            other = holder.request_digest != request_digest(query) and query.request_id
            answered(IdReused("request_id", query.request_id) if other else holder)

        self._submit(DecisionJob([decision], done, answered), answered)

    def feedback(self, submissions: Sequence[Submission], answered: Answered) -> None:
        """`answered` gets a list with an answer for each, or what went wrong for all."""
        self._submit(FeedbackJob(submissions, answered, answered), answered)

    def change(self, work: Callable[[Batch], Any], answered: Answered) -> None:
        self._submit(PolicyJob(work, answered, answered), answered)

    def follow(self, answered: Answered) -> None:
        """Reads what others have written; None when all of it has been applied."""
        self._submit(PollJob(answered, answered), answered)

    def _submit(self, job: Job, answered: Answered) -> None:
        try:
            self._journal.submit(job)
        except BanditError as refused:
            answered(refused)

    # -- turns ----------------------------------------------------------------------------

    def has_work(self) -> bool:
        return bool(self._journal._queue._waiting)

    def write(self) -> None:
        """The writer takes what has gathered, and commits it or fails."""
        writer = self._writer
        if self.has_work() and (jobs := self._journal._queue.take(writer, 0.0, [])):
            writer._do(jobs)

    def give_up_writer(self) -> None:
        """It hangs, for all that is known: those who wait are told so, and another one begins.

        What it has done counts, or does yet; what it has to say of it does not.
        """
        self._journal._give_up_writer()
        self._begin(unsure=True)

    def has_news(self) -> bool:
        return bool(self._loop.calls)

    def deliver(self) -> None:
        """The loop hears of the oldest batch that it has not heard of."""
        if self._loop.calls:
            call, args = self._loop.calls.popleft()
            call(*args)

    def settle(self) -> None:
        """Until there is nothing left to do."""
        while self.has_work() or self.has_news():
            self.write()
            self.deliver()


def ask(replica: Replica, send: Callable[[Answered], None]) -> Any:
    """Sends one thing, lets everything happen, and returns the one answer."""
    answers: list[Any] = []
    send(answers.append)
    replica.settle()
    (answer,) = answers
    return answer


def create(replica: Replica, config: PolicyConfig) -> int:
    """A policy whose secret is known, so that equal ids draw equal arms everywhere."""
    with mock.patch("bandit_service.revising.secrets.token_bytes", return_value=SECRET):
        made = ask(replica, lambda a: replica.change(lambda b: revising.create(b, config), a))
    assert isinstance(made, int), made
    return made
