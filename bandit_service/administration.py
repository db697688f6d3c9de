"""Policies and their arms, changed while they serve. Each change is a journaled revision."""

import asyncio
import base64
import binascii
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from bandit_service import challenging, configuration, revising
from bandit_service.configuration import Change
from bandit_service.engine import PolicyEngine, Registry
from bandit_service.errors import (
    ChallengerStopped,
    InvalidField,
    NotProven,
    StaleEtag,
    StoreUnavailable,
)
from bandit_service.foreseeing import Snapshot
from bandit_service.history import history
from bandit_service.journal import Journal
from bandit_service.lookups import Lookups, aside
from bandit_service.model import (
    Arm,
    ArmState,
    ChallengersView,
    Freshness,
    Judged,
    PolicyConfig,
    PolicyView,
    Preview,
    RevisionView,
    StateView,
    Verdict,
)
from bandit_service.ports import Reader
from bandit_service.previewing import preview

MOST_PER_PAGE = 1_000
DEFAULT_PER_PAGE = 100
LAST_POSITION = 2**53
PREVIEW_SECONDS = 8.0  # it computes, in a thread; clients wait for 10
JUDGING_SECONDS = 300.0  # it reads the log of a whole contest, in a thread
ROLLBACK = "rollback"  # the author of what nobody asked for

Judge = Callable[[str], ChallengersView]


class Administrator:
    """Reads from memory; changes through the journal, and answers when they act.

    `judge` says how a policy's challengers stand by the log, and blocks. An `etag` is checked where
    it is not
    empty; a stale one raises StaleEtag.
    """

    def __init__(
        self,
        registry: Registry,
        journal: Journal,
        reader: Reader,
        timeout: float,
        judge: Judge | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._registry = registry
        self._journal = journal
        self._reader = reader
        self._timeout = timeout
        self._lookups = Lookups()
        self._judge, self._now = judge, now

    async def create(self, config: PolicyConfig, author: str = "") -> PolicyView:
        """Raises PolicyExists, or InvalidField if the configuration makes no sense."""
        policy_id = await self._journal.change(
            lambda batch: revising.create(batch, config, author), self._timeout
        )
        return self._registry.by_id[policy_id].view()

    def get(self, name: str) -> PolicyView:
        return self._engine(name).view()

    def list(self, page_size: int, page_token: str) -> tuple[list[PolicyView], str]:
        """A page of policies by name, and the token of the next page or ""."""
        if not 0 <= page_size <= MOST_PER_PAGE:
            raise InvalidField("page_size", f"must be from 1 to {MOST_PER_PAGE}, not {page_size}")
        after = _name_of(page_token)
        names = sorted(name for name in self._registry.by_name if name > after)
        page = names[: page_size or DEFAULT_PER_PAGE]
        token = _token_of(page[-1]) if len(page) < len(names) else ""
        return [self.get(name) for name in page], token

    def state(self, name: str) -> StateView:
        return self._engine(name).state_view()

    async def state_from(
        self, name: str, min_position: int, left: float | None = None
    ) -> tuple[StateView, Freshness]:
        """The state once it has that position, and how fresh it is.

        Raises NotCaughtUp if the caller's deadline, `left` seconds from now, is too soon for
        that, and AheadOfJournal.
        """
        timeout = self._timeout if left is None else min(self._timeout, left)
        if min_position:
            await self._journal.reach(name, min_position, timeout)
        engine = self._engine(name)
        return engine.state_view(), self._journal.following.freshness(engine)

    async def history(self, name: str, limit: int, before: int) -> Sequence[RevisionView]:
        """The last `limit` changes before a position of the journal, the latest first; 0 is
        where the journal ends."""
        policy_id = self._engine(name).identity.id
        entries = await self._lookups.ask(
            self._timeout,
            self._reader.revisions,
            policy_id,
            before or LAST_POSITION,
            limit + 1,  # one more, to tell what the first of them changed
        )
        return history(policy_id, entries)[:limit]

    async def preview(
        self, name: str, changes: Mapping[str, Any], etag: str, limit: int
    ) -> Preview:
        """What an update would have done to the last `limit` decisions; nothing is changed.

        Raises what the update would.
        """
        engine = self._engine(name)
        current = engine.view().etag
        if etag and etag != current:
            raise StaleEtag(name, etag, current)
        snapshot, change = Snapshot.of(engine), configuration.updated(changes)

        def look() -> Preview:
            return preview(snapshot, change, *self._reader.recent(engine.identity.id, limit))

        return await self._lookups.ask(max(self._timeout, PREVIEW_SECONDS), look)

    async def update(
        self, name: str, changes: Mapping[str, Any], etag: str, author: str = ""
    ) -> tuple[PolicyView, bool]:
        """The policy as changed, and whether its learning started afresh."""
        engine, change = self._engine(name), configuration.updated(changes)
        return await self._revised(engine, change, etag, author)

    async def delete(self, name: str, etag: str) -> None:
        policy_id = self._engine(name).identity.id
        await self._journal.change(
            lambda batch: revising.delete(batch, policy_id, etag), self._timeout
        )

    async def add_arm(self, policy: str, arm: Arm, etag: str, author: str = "") -> PolicyView:
        return await self._revise(policy, configuration.arm_added(arm), etag, author)

    async def update_arm(
        self, policy: str, arm: str, changes: Mapping[str, Any], etag: str, author: str = ""
    ) -> tuple[PolicyView, bool]:
        """The policy as changed, and whether learning of the arm started afresh."""
        engine, change = self._engine(policy), configuration.arm_updated(arm, changes)
        return await self._revised(engine, change, etag, author)

    async def retire_arm(self, policy: str, arm: str, etag: str, author: str = "") -> PolicyView:
        change = configuration.arm_state_changed(arm, ArmState.RETIRED)
        return await self._revise(policy, change, etag, author)

    async def remove_arm(self, policy: str, arm: str, etag: str, author: str = "") -> PolicyView:
        change = configuration.arm_state_changed(arm, ArmState.REMOVED)
        return await self._revise(policy, change, etag, author)

    async def challengers(self, name: str) -> ChallengersView:
        """How they stand by the log, which takes a while to read."""
        engine = self._engine(name)
        assert self._judge is not None
        asked = self._now()
        judging = aside(partial(self._judge, name))  # not a lookup: it would hold up the others
        try:
            logged = await asyncio.wait_for(judging, JUDGING_SECONDS)
        except TimeoutError:
            raise StoreUnavailable from None
        stopped = {one.name: one.stopped or None for one in engine.contenders}
        told = [
            msgspec.structs.replace(
                one,
                stopped=stopped.get(one.contestant.name),
                last_failure=engine.failures.last.get(one.contestant.name, ""),
            )
            for one in logged.challengers
        ]
        # Who asked later may have been answered sooner, and knows more.
        if all(known.time <= asked for known in engine.judged.values()):
            engine.judged = {one.contestant.name: Judged(one, asked) for one in told}
        return ChallengersView(name, tuple(told))

    async def promote(
        self, policy: str, challenger: str, force: bool, etag: str, author: str = ""
    ) -> PolicyView:
        """Puts a challenger in the incumbent's place.

        Raises ChallengerNotFound; ChallengerStopped for one that has learned nothing any more; and
        NotProven unless it is surely not worse by more than its margin, or `force`.
        """
        engine = self._engine(policy)
        chosen = challenging.found(engine.config, challenger)
        stopped = next((one.stopped for one in engine.contenders if one.name == challenger), 0)
        if stopped:
            raise ChallengerStopped(policy, challenger, stopped)
        # What was judged is what is promoted: who changes it meanwhile has to be told.
        etag = etag or engine.view().etag
        reason = "forced"
        if not force:
            standing = await self.challengers(policy)
            (one,) = [each for each in standing.challengers if each.contestant.name == challenger]
            low = -1.0 if one.difference.low is None else one.difference.low
            if one.verdict is not Verdict.BETTER:
                raise NotProven(policy, challenger, low, chosen.margin, one.judged)
            reason = f"quality differs by more than {low:+.4f}, by {one.judged} decisions"
        policy_id = engine.identity.id
        await self._journal.change(
            lambda batch: revising.promote(batch, policy_id, etag, challenger, author, reason),
            self._timeout,
        )
        return engine.view()

    async def roll_back(self, policy: str, challenger: str, etag: str, reason: str) -> None:
        """Takes a challenger's share away. Raises StaleEtag."""
        policy_id = self._engine(policy).identity.id

        def change(config: PolicyConfig) -> PolicyConfig:
            return challenging.with_share(config, challenger, 0.0)

        await self._journal.change(
            lambda batch: revising.revise(batch, policy_id, etag, change, ROLLBACK, reason),
            self._timeout,
        )

    async def _revise(self, policy: str, change: Change, etag: str, author: str) -> PolicyView:
        view, _ = await self._revised(self._engine(policy), change, etag, author)
        return view

    async def _revised(
        self, engine: PolicyEngine, change: Change, etag: str, author: str
    ) -> tuple[PolicyView, bool]:
        restarted = await self._journal.change(
            lambda batch: revising.revise(batch, engine.identity.id, etag, change, author),
            self._timeout,
        )
        return engine.view(), restarted

    def _engine(self, name: str) -> PolicyEngine:
        engine = self._registry.by_name.get(name)
        if engine is None:
            raise self._registry.refusal(name)
        return engine


def _token_of(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode()


def _name_of(token: str) -> str:
    try:
        return base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError) as wrong:
        raise InvalidField("page_token", "is not one that was handed out") from wrong
