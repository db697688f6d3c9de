"""Route: queries in, durable decisions out.

Queries that arrive together are decided together, in one
matrix product a policy, and committed together. Nobody hears of a decision before it is
in the log.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from functools import partial
from typing import ParamSpec, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from bandit_service.batch import DecisionJob, Taken
from bandit_service.deciding import request_digest
from bandit_service.engine import PolicyEngine, Registry
from bandit_service.errors import (
    BanditError,
    DecisionNotFound,
    IdReused,
    PolicyNotFound,
    StoreUnavailable,
    WrongContext,
)
from bandit_service.explaining import explanation, routed
from bandit_service.features import FeatureMap, features_of
from bandit_service.gathering import Gathering
from bandit_service.journal import Journal
from bandit_service.model import (
    Decision,
    Explanation,
    Query,
    Routed,
)
from bandit_service.ports import Reader

Answer = Routed | BanditError
P = ParamSpec("P")
T = TypeVar("T")

# Text up to here is embedded on the loop, in well under a millisecond; more of it at
# once goes to a thread.
# A session that was silent for longer begins anew.
SESSION_SECONDS = 30 * 86_400.0
MOST_CHARACTERS_ON_LOOP = 4_096


class _Call:
    """Queries that came together and are answered together."""

    __slots__ = ("answers", "future", "missing", "queries")

    def __init__(self, queries: Sequence[Query], future: "asyncio.Future[list[Answer]]") -> None:
        self.queries = queries
        self.future = future
        self.answers: list[Answer | None] = [None] * len(queries)
        self.missing = len(queries)

    def settle(self, place: int, answer: Answer) -> None:
        if self.answers[place] is None:
            self.answers[place] = answer
            self.missing -= 1
            if not self.missing and not self.future.done():
                self.future.set_result(self.answers)  # type: ignore[arg-type]

    def fail(self, error: Exception) -> None:
        """For what should not happen: whoever waits hears of it, and of nothing else."""
        if not self.future.done():
            self.future.set_exception(error)


class _Item(msgspec.Struct, gc=False):
    """One query of a call."""

    call: _Call
    place: int
    query: Query

    def settle(self, answer: Answer) -> None:
        self.call.settle(self.place, answer)


class Router:
    """Decides for every policy of the registry. Belongs to the event loop's thread."""

    def __init__(
        self,
        registry: Registry,
        journal: Journal,
        reader: Reader,
        now: Callable[[], float],
        timeout: float,
    ) -> None:
        self._registry = registry
        self._journal = journal
        self._reader = reader
        self._now = now
        self._timeout = timeout
        self._waiting = Gathering(self._decide_waiting, journal.rows_under_way)
        self._tasks: set[asyncio.Task[None]] = set()

    async def route(self, query: Query) -> Routed:
        """One decision. Raises the BanditError that says why there is none."""
        answer = (await self.route_many((query,)))[0]
        if isinstance(answer, BanditError):
            raise answer
        return answer

    async def route_many(self, queries: Sequence[Query]) -> list[Answer]:
        """A decision or an error for each query, in the same order."""
        if not queries:
            return []
        call = _Call(queries, asyncio.get_running_loop().create_future())
        self._waiting.add(call, len(queries))
        return await call.future

    async def explain(self, decision_id: str) -> Explanation:
        """A decision with all it was made from. Raises DecisionNotFound."""
        decision = await self._look_up(self._reader.decision, decision_id)
        engine = self._registry.by_id.get(decision.policy_id) if decision else None
        if decision is None or engine is None:
            raise DecisionNotFound(decision_id)
        outcomes = await self._look_up(self._reader.outcomes, decision_id)
        if len(decision.exclusions) > len(engine.names):  # see `_repeated`
            raise StoreUnavailable
        return explanation(engine.config.name, engine.names, decision, outcomes)

    # -- from waiting calls to decisions ------------------------------------------------

    def _decide_waiting(self, calls: list[_Call]) -> None:
        groups: dict[str, list[_Item]] = {}
        for call in calls:
            for place, query in enumerate(call.queries):
                groups.setdefault(query.policy, []).append(_Item(call, place, query))
        for name, items in groups.items():
            try:
                self._decide_group(name, items)
            except Exception as error:  # noqa: BLE001 - whoever waits must hear of it
                _fail_all(items, error)

    def _decide_group(self, name: str, items: list[_Item]) -> None:
        engine = self._registry.by_name.get(name)
        if engine is None:
            _settle_all(items, PolicyNotFound(name))
            return
        feature_map = features_of(engine.config.features)
        fitting = list(_fitting(items, engine, feature_map))
        at_once, later = self._sorted(engine, fitting)
        if later:
            self._spawn(self._decide_later(engine, later, feature_map))
        at_once, contexts = _contexts(at_once, feature_map)
        self._decide_in_waves(engine, at_once, contexts)

    def _sorted(self, engine: PolicyEngine, items: list[_Item]) -> tuple[list[_Item], list[_Item]]:
        """What can be decided at once, and what would hold up the loop: sessions that have to
        be looked up, and long texts."""
        at_once: list[_Item] = []
        later: list[_Item] = []
        characters = 0
        sticky = engine.config.sticky_sessions
        for item in items:
            query = item.query
            characters += len(query.text or "")
            is_strange = (
                sticky
                and query.session
                and engine.session_hash(query.session) not in engine.sessions
            )
            is_long = characters > MOST_CHARACTERS_ON_LOOP
            (later if is_strange or is_long else at_once).append(item)
        return at_once, later

    async def _decide_later(
        self, engine: PolicyEngine, items: list[_Item], feature_map: FeatureMap
    ) -> None:
        try:
            if items[0].query.text is None:
                items, contexts = _contexts(items, feature_map)
            else:
                contexts = await asyncio.to_thread(_read, items, feature_map)
            await self._look_up_sessions(engine, items)
            if features_of(engine.config.features) is not feature_map:  # revised meanwhile
                raise WrongContext("context", "the policy's features have just changed")
            self._decide_in_waves(engine, items, contexts)
        except BanditError as error:
            _settle_all(items, error)
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it
            _fail_all(items, error)

    async def _look_up(self, read: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
        """What the store says. StoreUnavailable if it does not say it in time."""
        try:
            return await asyncio.wait_for(asyncio.to_thread(read, *given, **named), self._timeout)
        except TimeoutError:
            raise StoreUnavailable from None

    async def _look_up_sessions(self, engine: PolicyEngine, items: list[_Item]) -> None:
        sessions = {item.query.session for item in items if item.query.session}
        for session in sessions:
            hashed = engine.session_hash(session)
            if hashed not in engine.sessions:
                since = self._now() - SESSION_SECONDS
                arm = await self._look_up(
                    self._reader.session_arm, engine.identity.id, hashed, since
                )
                if engine.sessions.get(hashed) is None:
                    engine.remember_session(hashed, arm)

    def _decide_in_waves(
        self, engine: PolicyEngine, items: list[_Item], contexts: NDArray[np.float64]
    ) -> None:
        waves = _waves(items)
        if len(waves) == 1:
            self._decide(engine, items, contexts)
            return
        for wave in waves:
            self._decide(engine, [items[i] for i in wave], contexts[wave])

    def _decide(
        self, engine: PolicyEngine, items: list[_Item], contexts: NDArray[np.float64]
    ) -> None:
        answers = engine.decide([item.query for item in items], contexts, self._now())
        decided: list[tuple[_Item, Decision]] = []
        for item, answer in zip(items, answers, strict=True):
            if not isinstance(answer, BanditError):
                decided.append((item, answer))
            elif item.query.request_id:
                self._spawn(self._repeat_or(engine, item, answer))
            else:
                item.settle(answer)
        if decided:
            self._store(engine, decided)

    async def _repeat_or(self, engine: PolicyEngine, item: _Item, error: BanditError) -> None:
        """What could be decided once may not be possible any more; a repeat is answered all
        the same."""
        query, policy_id = item.query, engine.identity.id
        try:
            earlier = await self._look_up(self._reader.requested, policy_id, query.request_id)
            if earlier is None:
                item.settle(error)
            else:
                digest = request_digest(query)
                item.settle(_repeated(engine, digest, query.request_id, earlier))
        except BanditError as unavailable:
            item.settle(unavailable)
        except Exception as unexpected:  # noqa: BLE001 - whoever waits must hear of it
            item.call.fail(unexpected)

    def _store(self, engine: PolicyEngine, decided: list[tuple[_Item, Decision]]) -> None:
        def failed(error: Exception) -> None:
            timer.cancel()
            reason = error if isinstance(error, BanditError) else StoreUnavailable()
            for item, decision in decided:
                engine.forget_session(decision.session_hash)
                item.settle(reason)

        def done(taken: Taken) -> None:
            for item, decision in decided:
                try:
                    item.settle(self._answer(engine, decision, taken.get(decision.id)))
                except Exception as error:  # noqa: BLE001 - the others are to get their answers
                    item.call.fail(error)
            timer.cancel()

        loop = asyncio.get_running_loop()
        timer = loop.call_later(self._timeout, partial(failed, StoreUnavailable()))
        try:
            self._journal.submit(DecisionJob([d for _, d in decided], done, failed))
        except BanditError as error:
            failed(error)

    def _answer(self, engine: PolicyEngine, decision: Decision, earlier: Decision | None) -> Answer:
        if earlier is None:
            return routed(decision, engine.names)
        engine.forget_session(decision.session_hash)  # this decision never was
        digest = decision.request_digest or b""
        return _repeated(engine, digest, decision.request_id or "", earlier)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _fitting(items: list[_Item], engine: PolicyEngine, feature_map: FeatureMap) -> Iterator[_Item]:
    """The items whose context the policy can read; the others are told."""
    vector = engine.config.features.vector
    wanted = "text" if vector is None else f"a vector of {vector.dimension} numbers"
    width = 8 * (feature_map.dim - 1)
    for item in items:
        query = item.query
        if vector is None and query.text is None:
            item.settle(WrongContext("context", f"need {wanted}, got a vector"))
        elif vector is not None and query.vector is None:
            item.settle(WrongContext("context", f"need {wanted}, got text"))
        elif query.vector is not None and len(query.vector) != width:
            item.settle(
                WrongContext("context", f"need {wanted}, got {len(query.vector) // 8} numbers")
            )
        else:
            yield item


def _contexts(
    items: list[_Item], feature_map: FeatureMap
) -> tuple[list[_Item], NDArray[np.float64]]:
    """The items that have a context, and the contexts (n, d); the others are told."""
    if not items:
        return [], np.empty((0, feature_map.dim))
    try:
        return items, _read(items, feature_map)
    except BanditError as error:
        if len(items) == 1:
            items[0].settle(error)
            return [], np.empty((0, feature_map.dim))
    # One bad query may not fail the others.
    pairs = [_contexts([item], feature_map) for item in items]
    kept = [item for good, _ in pairs for item in good]
    return kept, np.concatenate([contexts for _, contexts in pairs])


def _read(items: list[_Item], feature_map: FeatureMap) -> NDArray[np.float64]:
    queries = [item.query for item in items]
    if queries[0].vector is not None:
        joined = b"".join(query.vector or b"" for query in queries)
        return feature_map.from_vectors(np.frombuffer(joined).reshape(len(queries), -1))
    return feature_map.from_texts([query.text or "" for query in queries])


def _waves(items: list[_Item]) -> list[list[int]]:
    """Indices in turns such that no session comes twice in one: the second query of a
    session has to see the arm of the first."""
    waves: list[list[int]] = []
    turns: dict[str, int] = {}
    for index, item in enumerate(items):
        session = item.query.session
        turn = turns.get(session, 0) if session else 0
        if session:
            turns[session] = turn + 1
        if turn == len(waves):
            waves.append([])
        waves[turn].append(index)
    return waves


def _settle_all(items: list[_Item], answer: Answer) -> None:
    for item in items:
        item.settle(answer)


def _fail_all(items: list[_Item], error: Exception) -> None:
    for item in items:
        item.call.fail(error)


def _repeated(engine: PolicyEngine, digest: bytes, request_id: str, earlier: Decision) -> Answer:
    """The first answer to a request id, if this is the same request."""
    if digest != earlier.request_digest:
        return IdReused("request_id", request_id)
    if max(earlier.arm, earlier.second_arm or 0) >= len(engine.names):
        return StoreUnavailable()  # decided by a replica that knows more arms than this one yet
    return routed(earlier, engine.names)
