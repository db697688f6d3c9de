"""Keeps this replica's leases on budgets, and decides within them.

Nothing is waited for while a lease has enough. It is renewed before it runs out; only who finds
it short waits, for the ledger, and then decides with what there is.
"""

import asyncio
import logging
import os
import socket
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from itertools import count

import numpy as np
from numpy.typing import NDArray

from bandit_service.engine import PolicyEngine, Registry
from bandit_service.errors import BanditError, StoreUnavailable
from bandit_service.ledger.account import Account
from bandit_service.ledger.holding import BudgetNumbers
from bandit_service.ledger.turn import Turn
from bandit_service.lookups import Lookups
from bandit_service.model import Decision, Mode, Query
from bandit_service.ports import Store

log = logging.getLogger(__name__)

LEASE_SECONDS = 15.0
RENEW_SECONDS = 5.0  # at the latest; sooner where anything was decided
ANSWER_SECONDS = 2.0  # what a renewal waits for the database
USAGES = 1_000  # decisions whose calls say what calls take, at a start


class Spending:
    """Belongs to the event loop. `holder` names this process in the ledger, and nobody else."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        holder: str = "",
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._registry = registry
        self._holder = holder or f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._monotonic = monotonic
        self._lookups = Lookups()
        self._accounts: dict[int, Account] = {}
        self._asking: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._asked: dict[int, tuple[float, int]] = {}  # when, and decisions charged by then
        self._unprimed: set[int] = set()
        self._given_up: Counter[int] = Counter()  # by lease, in units: to be given back soon

    def account(self, engine: PolicyEngine) -> Account:
        """Of a policy that has budgets, as it is configured now."""
        account = engine.account
        if account is None:
            account = Account(engine.identity.id, engine.revision, engine.config, self._monotonic)
            engine.account = self._accounts[engine.identity.id] = account
            self._unprimed.add(engine.identity.id)
        elif account.revision != engine.revision:
            self._given_up.update(account.revise(engine.revision, engine.config))
        return account

    # -- deciding -------------------------------------------------------------------------------

    def is_short(self, engine: PolicyEngine, queries: Sequence[Query]) -> bool:
        """Whether the ledger should be asked before these are decided."""
        account = self.account(engine)
        return account.lacks(account.needed(queries))

    async def supply(self, engine: PolicyEngine, queries: Sequence[Query], seconds: float) -> None:
        """Asks for what these need, if it is not there. What cannot be had in time is left to
        the policy's budgets to deal with."""
        account = self.account(engine)
        needed = account.needed(queries)
        if not account.lacks(needed):
            return
        try:
            await asyncio.wait_for(self._ask(account, needed, seconds), seconds)
        except (StoreUnavailable, TimeoutError):
            account.wait_before_asking()

    def decide(
        self,
        engine: PolicyEngine,
        queries: Sequence[Query],
        contexts: NDArray[np.float64],
        now: float,
    ) -> list[Decision | BanditError]:
        """As `PolicyEngine.decide`, within the budgets; what is decided is off the lease.

        An observing policy's budgets only count: what serves is not theirs to choose.
        """
        account = self.account(engine)
        if not account.has_lease:
            return [StoreUnavailable() for _ in queries]
        is_observing = engine.config.mode is Mode.OBSERVE
        answers: list[Decision | BanditError] = []
        for part, turn in account.turns(queries):
            keeper = None if is_observing else turn
            made = engine.decide(queries[part], contexts[part], now, keeper=keeper)
            answers += self._charged(engine, turn, made)
        return answers

    def _charged(
        self, engine: PolicyEngine, turn: Turn, made: list[Decision | BanditError]
    ) -> list[Decision | BanditError]:
        """The decisions with what they reserve, and errors for those that nobody can pay for."""
        decisions = [one for one in made if not isinstance(one, BanditError)]
        if not turn.refused:  # most of the time
            turn.charge(dict(enumerate(decisions)))
            return made
        turn.charge({row: one for row, one in enumerate(decisions) if row not in turn.refused})
        rows = count()
        answers: list[Decision | BanditError] = []
        for one in made:
            why = None if isinstance(one, BanditError) else turn.refused.get(next(rows))
            if isinstance(one, Decision) and why is not None:
                engine.forget_session(one.session_hash)
            answers.append(why or one)
        return answers

    # -- leases ---------------------------------------------------------------------------------

    async def renew(self) -> None:
        """Renews every lease that is low, was drawn upon, or would run out. To be called twice a
        second."""
        engines = [one for one in list(self._registry.by_id.values()) if one.revision]
        try:
            for engine in engines:
                if engine.config.budgets and self._is_due(self.account(engine)):
                    account = self.account(engine)
                    await self._ask(account, account.needed(()), ANSWER_SECONDS, anyway=True)
                    self._given_up.update(account.excess())
            await self._give_back()
            await self._let_go({e.identity.id for e in engines if e.config.budgets})
        except StoreUnavailable:
            log.warning("leases on budgets could not be renewed: no answer from the database")

    async def close(self) -> None:
        """Gives everything back, once nothing is left to be stored."""
        try:
            await self._give_back()
            await self._let_go(set())
        except StoreUnavailable:
            log.warning("leases on budgets could not be given back: they count as spent")

    def numbers(self) -> list[BudgetNumbers]:
        """Where every budget stands that this replica has a lease on. From any thread."""
        return [each for one in list(self._accounts.values()) for each in one.numbers()]

    def _is_due(self, account: Account) -> bool:
        asked, charged = self._asked.get(account.policy_id, (-np.inf, 0))
        waited = self._monotonic() - asked
        return waited >= RENEW_SECONDS or charged != account.charged or account.is_low()

    async def _ask(
        self, account: Account, needed: Sequence[int], seconds: float, anyway: bool = False
    ) -> None:
        async with self._asking[account.policy_id]:
            if not anyway and not account.lacks(needed):
                return  # somebody else has asked meanwhile
            if account.policy_id in self._unprimed:
                usages = self._store.ledger.usages
                told = await self._lookups.ask(seconds, usages, account.policy_id, USAGES)
                self._unprimed.discard(account.policy_id)
                account.appetite.prime(told)
                needed = [max(a, b) for a, b in zip(needed, account.needed((_ONE,)), strict=True)]
            revision, charged = account.revision, account.charged
            asks = account.asks(needed)
            lease = self._store.ledger.lease
            grants = await self._lookups.ask(seconds, lease, asks, self._holder, LEASE_SECONDS)
            self._asked[account.policy_id] = self._monotonic(), charged
            if account.revision == revision:  # else the next answer says what this one did
                self._given_up.update(account.take(grants, needed))
        await self._give_back()

    async def _give_back(self) -> None:
        # Once: where the answer is lost, a second time might free what is not there any more.
        back, self._given_up = self._given_up, Counter()
        if back:
            await self._lookups.ask(ANSWER_SECONDS, self._store.ledger.give_back, back)

    async def _let_go(self, kept: set[int]) -> None:
        """Ends the leases of policies that are not kept."""
        for policy_id in self._accounts.keys() - kept:
            account = self._accounts.pop(policy_id)
            engine = self._registry.by_id.get(policy_id)
            if engine is not None and engine.account is account:
                engine.account = None
            held = account.everything()
            await self._lookups.ask(ANSWER_SECONDS, self._store.ledger.end, held)


_ONE = Query("")
