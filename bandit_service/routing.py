"""Route: queries in, decisions out.

Queries that arrive together are decided together, in one
matrix product a policy, and committed together. Nobody hears of a decision before it is
in the log, unless the database is away (storing.py).
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import partial

import msgspec
import numpy as np
from numpy.typing import NDArray

from bandit_service.drafting import request_digest
from bandit_service.engine import PolicyEngine, Registry
from bandit_service.errors import (
    BanditError,
    DecisionNotFound,
    StoreUnavailable,
    WrongContext,
)
from bandit_service.explaining import contestants, explanation
from bandit_service.features import FeatureMap, features_of
from bandit_service.gathering import Gathering
from bandit_service.journal import Journal
from bandit_service.lookups import Lookups
from bandit_service.model import (
    Decision,
    Explanation,
    PolicyConfig,
    Query,
    RevisionEvent,
    Routed,
)
from bandit_service.ports import Reader
from bandit_service.reading import (
    Answer,
    Call,
    Item,
    contexts_of,
    fail_all,
    fitting,
    read,
    settle_all,
    waves,
)
from bandit_service.spending import Spending
from bandit_service.storing import SHARE_OF_DEADLINE, Decided, Storing, repeated
from bandit_service.tokens import TokenDesk

# A session that was silent for longer begins anew.
SESSION_SECONDS = 30 * 86_400.0
# Text up to here is embedded on the loop, in well under a millisecond; more of it at
# once goes to a thread.
MOST_CHARACTERS_ON_LOOP = 4_096


class Router:
    """Decides for every policy of the registry. Belongs to the event loop's thread.

    Budgets are kept by `spending`, made here unless it is shared with who renews its leases.
    `timeout` is what the database is waited for where nothing can be answered without it;
    `degraded_after` see Storing. Without `tokens` none are handed out.
    """

    def __init__(
        self,
        registry: Registry,
        journal: Journal,
        reader: Reader,
        now: Callable[[], float],
        timeout: float,
        degraded_after: float | None = None,
        tokens: TokenDesk | None = None,
        spending: Spending | None = None,
    ) -> None:
        self._registry = registry
        self._journal = journal
        self._reader = reader
        self._now = now
        self._timeout = timeout
        self._tokens = tokens
        self._storing = Storing(journal, degraded_after)
        self._spending = spending or Spending(journal.store, registry)
        self._waiting = Gathering(self._decide_waiting, journal.rows_under_way)
        self._tasks: set[asyncio.Task[None]] = set()
        self._lookups = Lookups()

    async def route(self, query: Query, left: float | None = None) -> Routed:
        """One decision. Raises the BanditError that says why there is none.

        `left` is the caller's deadline, in seconds from now.
        """
        answer = (await self.route_many((query,), left))[0]
        if isinstance(answer, BanditError):
            raise answer
        return answer

    async def route_many(self, queries: Sequence[Query], left: float | None = None) -> list[Answer]:
        """A decision or an error for each query, in the same order."""
        if not queries:
            return []
        loop = asyncio.get_running_loop()
        patience = self._storing.patience(self._timeout, left)
        call = Call(queries, loop.create_future(), loop.time() + patience)
        call.is_hurried = patience < self._storing.patience(self._timeout, None)
        if any(query.min_position for query in queries):
            arrived = loop.time()
            await self._reach_positions(call, left)
            rest = None if left is None else max(0.0, left - (loop.time() - arrived))
            patience = self._storing.patience(self._timeout, rest)
            call.until = loop.time() + patience
            call.is_hurried |= patience < self._storing.patience(self._timeout, None)
        self._waiting.add(call, len(queries))
        answers = await call.future
        return answers if self._tokens is None else self._with_tokens(answers, self._tokens)

    async def explain(self, decision_id: str) -> Explanation:
        """A decision with all it was made from. Raises DecisionNotFound."""
        decision = await self._lookups.ask(self._timeout, self._reader.decision, decision_id)
        engine = self._registry.by_id.get(decision.policy_id) if decision else None
        if decision is None or engine is None:
            raise DecisionNotFound(decision_id)
        outcomes = await self._lookups.ask(self._timeout, self._reader.outcomes, decision_id)
        if len(decision.exclusions) > len(engine.names):  # see `repeated`
            raise StoreUnavailable
        config = await self._config_of(decision, engine)
        beside = [] if config is None else contestants(config, decision, engine.judged)
        return explanation(engine.config.name, engine.names, decision, outcomes, beside)

    async def _config_of(self, decision: Decision, engine: PolicyEngine) -> PolicyConfig | None:
        """The policy as it was when it decided, where that is asked for: with challengers."""
        if decision.challengers is None:
            return None
        if decision.revision == engine.revision:
            return engine.config
        entries = await self._lookups.ask(
            self._timeout, self._reader.revisions, decision.policy_id, decision.position + 1, 1
        )
        event = entries[0].event if entries else None
        # Retention may have let it go, and only a newer program may be able to read it.
        if isinstance(event, RevisionEvent) and event.revision == decision.revision:
            return event.config
        return None

    async def _reach_positions(self, call: Call, left: float | None) -> None:
        """Waits until the policies have got where the queries want them; tells who waits in
        vain."""
        share = self._timeout if left is None else min(self._timeout, SHARE_OF_DEADLINE * left)
        wanted = sorted({(item.query.policy, item.query.min_position) for item in call.items()})
        reached = await asyncio.gather(
            *(self._reach(policy, position, share) for policy, position in wanted)
        )
        failures = dict(zip(wanted, reached, strict=True))
        for item in call.items():
            failure = failures[item.query.policy, item.query.min_position]
            if failure is not None:
                item.settle(failure)

    async def _reach(self, policy: str, position: int, seconds: float) -> BanditError | None:
        try:
            await self._journal.reach(policy, position, seconds)
        except BanditError as failure:
            return failure
        return None

    def _with_tokens(self, answers: list[Answer], tokens: TokenDesk) -> list[Answer]:
        signed: list[Answer] = []
        for answer in answers:
            if isinstance(answer, Routed) and answer.decision.id:
                made = answer.decision
                engine = self._registry.by_id.get(made.policy_id)  # None: deleted meanwhile
                if engine is not None:
                    token = tokens.token_of(made, engine.config.feedback_horizon)
                    answer = Routed(made, answer.arm, answer.second_arm, token)
            signed.append(answer)
        return signed

    # -- from waiting calls to decisions ------------------------------------------------

    def _decide_waiting(self, calls: list[Call]) -> None:
        groups: dict[str, list[Item]] = {}
        for call in calls:
            for item in call.items():
                groups.setdefault(item.query.policy, []).append(item)
        for name, items in groups.items():
            try:
                self._decide_group(name, items)
            except Exception as error:  # noqa: BLE001 - whoever waits must hear of it
                fail_all(items, error)

    def _decide_group(self, name: str, items: list[Item]) -> None:
        try:
            engine = self._registry.deciding(name)
        except BanditError as refused:
            settle_all(items, refused)
            return
        items = [item for item in items if not self._is_repeat(engine, item)]
        feature_map = features_of(engine.config.features)
        at_once, later = self._sorted(engine, list(fitting(items, engine, feature_map)))
        if later:
            self._spawn(self._decide_later(engine, later, feature_map))
        at_once, contexts = contexts_of(at_once, feature_map)
        self._decide_in_waves(engine, at_once, contexts)

    def _is_repeat(self, engine: PolicyEngine, item: Item) -> bool:
        """Whether the request was answered here and of late; then it is answered again."""
        earlier = self._storing.repeat(engine, item.query)
        if earlier is not None:
            item.settle(earlier)
        return earlier is not None

    def _sorted(self, engine: PolicyEngine, items: list[Item]) -> tuple[list[Item], list[Item]]:
        """What can be decided at once, and what would hold up the loop: sessions that have to
        be looked up, and long texts."""
        at_once: list[Item] = []
        later: list[Item] = []
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
        if at_once and engine.config.budgets and self._needs_supply(engine, at_once):
            return [], at_once + later
        return at_once, later

    def _needs_supply(self, engine: PolicyEngine, items: list[Item]) -> bool:
        """Whether to ask the ledger before these are decided: if it may answer, or has never."""
        if not self._spending.is_short(engine, [item.query for item in items]):
            return False
        return not self._storing.is_degraded() or not self._spending.account(engine).has_lease

    async def _decide_later(
        self, engine: PolicyEngine, items: list[Item], feature_map: FeatureMap
    ) -> None:
        try:
            if items[0].query.text is None:
                items, contexts = contexts_of(items, feature_map)
            else:
                contexts = await asyncio.to_thread(read, items, feature_map)
            await self._look_up_sessions(engine, items)
            if items and engine.config.budgets and self._needs_supply(engine, items):
                soonest = min(item.call.until for item in items)
                seconds = max(0.0, soonest - asyncio.get_running_loop().time())
                queries = [item.query for item in items]
                await self._spending.supply(engine, queries, SHARE_OF_DEADLINE * seconds)
            if features_of(engine.config.features) is not feature_map:  # revised meanwhile
                raise WrongContext("context", "the policy's features have just changed")
            self._decide_in_waves(engine, items, contexts)
        except BanditError as error:
            settle_all(items, error)
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it
            fail_all(items, error)

    async def _look_up_sessions(self, engine: PolicyEngine, items: list[Item]) -> None:
        for item in items:
            hashed = engine.session_hash(item.query.session) if item.query.session else None
            if hashed is None or hashed in engine.sessions:
                continue
            if self._storing.is_degraded():
                item.is_blind = True
                continue
            seconds = max(0.0, item.call.until - asyncio.get_running_loop().time())
            look = self._reader.session_arm
            try:
                since = self._now() - SESSION_SECONDS
                arm = await self._lookups.ask(seconds, look, engine.identity.id, hashed, since)
            except StoreUnavailable:
                if self._storing.degraded_after is None:
                    raise
                item.is_blind = True
                self._journal.following.could_not_read()
                continue
            if engine.sessions.get(hashed) is None:
                engine.remember_session(hashed, arm)

    def _decide_in_waves(
        self, engine: PolicyEngine, items: list[Item], contexts: NDArray[np.float64]
    ) -> None:
        turns = waves(items)
        if len(turns) == 1:
            self._decide(engine, items, contexts)
            return
        for turn in turns:
            self._decide(engine, [items[i] for i in turn], contexts[turn])

    def _decide(
        self, engine: PolicyEngine, items: list[Item], contexts: NDArray[np.float64]
    ) -> None:
        decide = partial(self._spending.decide, engine) if engine.config.budgets else engine.decide
        answers = decide([item.query for item in items], contexts, self._now())
        decided: list[Decided] = []
        for item, answer in zip(items, answers, strict=True):
            if not isinstance(answer, BanditError):
                if item.is_blind:
                    answer = msgspec.structs.replace(answer, degraded=True)
                decided.append((item, answer))
            elif item.query.request_id:
                self._spawn(self._repeat_or(engine, item, answer))
            else:
                item.settle(answer)
        if decided:
            self._storing.store(engine, decided)

    async def _repeat_or(self, engine: PolicyEngine, item: Item, error: BanditError) -> None:
        """What could be decided once may not be possible any more; a repeat is answered all
        the same."""
        query, policy_id = item.query, engine.identity.id
        look = self._reader.requested
        try:
            earlier = await self._lookups.ask(self._timeout, look, policy_id, query.request_id)
            if earlier is None:
                item.settle(error)
            else:
                self._journal.answered.remember(earlier)
                digest = request_digest(query)
                item.settle(repeated(engine, digest, query.request_id, earlier))
        except BanditError as unavailable:
            item.settle(unavailable)
        except Exception as unexpected:  # noqa: BLE001 - whoever waits must hear of it
            item.call.fail(unexpected)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
