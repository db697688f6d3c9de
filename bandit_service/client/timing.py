"""Times a call to an arm and reports it, whether it succeeds or not."""

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from bandit_service.client.arguments import FeedbackOptions
from bandit_service.client.errors import BanditRpcError
from bandit_service.client.records import Choice, FeedbackResult, Source
from bandit_service.client.usage import failure_of, usage_of

log = logging.getLogger("bandit_service.client")


def report_options(
    response: object, started: float | None, given: FeedbackOptions
) -> FeedbackOptions:
    """Feedback options from an answer; what the caller gives by name goes first."""
    options = given.copy()
    if started is not None and options.get("latency_seconds") is None:
        options["latency_seconds"] = time.perf_counter() - started
    if options.get("usage") is None:
        options["usage"] = usage_of(response)
    return options


@dataclass
class _Timing:
    """What is being timed. Set what you know before the block ends.

    response  the model's answer: its tokens, and its cost if it says so, are reported
    success, score, source  how the answer was, if you can tell already
    arm       in a duel, the arm that is called
    result    afterwards, what became of the report
    """

    choice: Choice
    response: object = None
    success: bool | None = None
    score: float | None = None
    source: Source = "user"
    arm: str | None = None
    result: FeedbackResult | None = None
    _started: float = field(default=0.0, repr=False)
    _first_token: float | None = field(default=None, repr=False)

    def first_token(self) -> None:
        """Say so when the first token of a stream arrives; later ones change nothing."""
        if self._first_token is None:
            self._first_token = time.perf_counter() - self._started

    def _what_to_report(self, error: BaseException | None) -> FeedbackOptions:
        options: FeedbackOptions = {
            "source": self.source,
            "arm": self.arm,
            "latency_seconds": time.perf_counter() - self._started,
            "time_to_first_token_seconds": self._first_token,
        }
        if error is None:
            options["success"], options["score"] = self.success, self.score
        else:
            options["failure"] = failure_of(error)
        return report_options(self.response, None, options)


def _abandoned(error: BaseException | None) -> bool:
    """A cancelled task or an interrupt says nothing about the arm."""
    return error is not None and not isinstance(error, Exception)


def _not_taken(error: Exception) -> FeedbackResult:
    # The model has been called: its answer is worth more than the report about it.
    log.warning("the report of a call was not recorded: %s", error)
    return FeedbackResult(error=str(error))


@dataclass
class TimedCall(_Timing):
    """A `with` block around one call to an arm. Raises only what the block raises."""

    _report: Callable[..., FeedbackResult] = field(kw_only=True, repr=False)

    def __enter__(self) -> Self:
        self._started = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if _abandoned(error):
            return
        try:
            self.result = self._report(self.choice, **self._what_to_report(error))
        except (BanditRpcError, ValueError, RuntimeError) as refused:
            self.result = _not_taken(refused)


@dataclass
class AsyncTimedCall(_Timing):
    """An `async with` block around one call to an arm. Raises only what the block raises."""

    _report: Callable[..., Awaitable[FeedbackResult]] = field(kw_only=True, repr=False)

    async def __aenter__(self) -> Self:
        self._started = time.perf_counter()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if _abandoned(error):
            return
        try:
            self.result = await self._report(self.choice, **self._what_to_report(error))
        except (BanditRpcError, ValueError, RuntimeError) as refused:
            self.result = _not_taken(refused)
