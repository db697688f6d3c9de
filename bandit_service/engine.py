"""One policy in memory: `decide` reads its state, `apply` folds its journal into it.

The state is nothing but the fold of the journal's entries, in order. What follows
decisions instead (the counter of requests, the arms of open sessions, budgets) is control state
and has no part in it. Owned by one thread; neither method waits for anything.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

import policies
from bandit_service import configuration, draw, succeeding
from bandit_service.calls import CallStatistics
from bandit_service.configuration import Shape, ShapeOf
from bandit_service.contending import Contender
from bandit_service.deciding import Decider
from bandit_service.drafting import Moment, Restrains
from bandit_service.eligibility import Codes, Exclusion
from bandit_service.errors import BanditError, NotUnderstood, PolicyNotFound
from bandit_service.failures import Failures
from bandit_service.ledger.account import Account
from bandit_service.model import (
    ArmState,
    Clock,
    Decision,
    FeedbackEvent,
    Folded,
    JournalEntry,
    Judged,
    PolicyConfig,
    PolicyView,
    Query,
    RevisionEvent,
    StateView,
    StoredPolicy,
)
from bandit_service.snapshots import Snapshot, state_hash
from bandit_service.standing import Terms
from bandit_service.teaching import compare, teach

Array = NDArray[np.float64]

# Rises when equal journals would give other states than before: checkpoints of another one are
# of no use then, and the journals say from where on it folds them.
FOLD_VERSION = 1
MOST_SESSIONS = 100_000


class PolicyEngine:
    """A policy that can decide and learn, once its first revision has been applied.

    `sessions` maps a session's hash to the slot of its last arm, or to None where it is
    known that there is none yet.
    """

    config: PolicyConfig
    shape: Shape
    policy: policies.Policy[Any]
    state: policies.State
    calls: CallStatistics
    contenders: tuple[Contender, ...] = ()
    names: list[str]  # of the slots

    def __init__(self, identity: StoredPolicy, shape_of: ShapeOf) -> None:
        self.identity = identity
        self.revision = self.epoch = self.started_epoch = self.position = self.requests = 0
        self.started_position = 0  # of the revision with which learning last began
        self.journal_fold_version = FOLD_VERSION
        self.update_time = identity.create_time
        self.is_whole = True  # False once an entry was folded in only in part
        self.sessions: OrderedDict[bytes, int | None] = OrderedDict()
        self.shape_of = shape_of
        self.account: Account | None = None  # of its budgets, on this replica
        self.failures = Failures(identity.name)  # of its challengers
        self.stopwatch: Callable[[], float] | None = None  # s; None: they may take their time
        self.judged: dict[str, Judged] = {}  # its challengers, when somebody last asked the log

    @classmethod
    def restored(cls, identity: StoredPolicy, shape_of: ShapeOf, snapshot: Snapshot) -> Self:
        """The engine of which this is a snapshot, as far as it was a fold of the journal.

        ValueError where the snapshot is another policy's, of other features, of another fold,
        or does not fit its own configuration.
        """
        folded, engine = snapshot.folded, cls(identity, shape_of)
        if folded.policy_id != identity.id:
            raise ValueError(f"it is of policy {folded.policy_id}, not of {identity.id}")
        if folded.fold_version != FOLD_VERSION:
            raise ValueError(f"it has fold version {folded.fold_version}, not {FOLD_VERSION}")
        shape = shape_of(folded.config.features)
        if folded.feature_version != shape.version:
            raise ValueError(f"its features are {folded.feature_version}, not {shape.version}")
        policy = configuration.build(folded.config, shape.dim)
        engine.state = policy.restore(snapshot.state.canonical())
        engine.calls = CallStatistics.restored(snapshot.calls)
        engine.contenders = succeeding.restored(
            folded.config, snapshot.challengers.canonical(), shape_of, engine.failures
        )
        if not engine.state.arms == engine.calls.arms == len(folded.config.arms):
            raise ValueError("its sums are not of as many arms as its configuration has")
        engine._settle(folded, shape, policy)
        engine.position = folded.position
        return engine

    # -- learning ---------------------------------------------------------------------

    def apply(self, entry: JournalEntry) -> None:
        """Folds one entry in. It has to be the one after `position`.

        Raises NotUnderstood for an entry of a newer program; then nothing has changed.
        """
        if entry.position != self.position + 1:
            raise ValueError(f"entry {entry.position} does not follow {self.position}")
        built = configuration.understood(self.identity.name, entry, self.shape_of)
        self.is_whole = False
        if isinstance(entry.event, FeedbackEvent):
            self._learn(entry.event, entry.position)
        elif isinstance(entry.event, RevisionEvent) and built is not None:
            self._revise(entry.event, *built)
        self.position = entry.position
        self.is_whole = True

    def _revise(self, event: RevisionEvent, shape: Shape, policy: policies.Policy[Any]) -> None:
        config = event.config
        afresh = self.revision == 0 or event.started_epoch != self.started_epoch
        if afresh:
            self.started_position = self.position + 1
            self.state = policy.start(len(config.arms))
            if self.revision == 0:
                self.calls = CallStatistics(len(config.arms))
            self.calls.qualities[:] = 0.0
        else:
            before = self.state
            if event.promoted:
                before = {one.name: one.state for one in self.contenders}[event.promoted]
            self.state = policy.restore(before.canonical())
            while self.state.arms < len(config.arms):
                self.state.add_arm()
        while len(self.calls.calls) < len(config.arms):
            self.calls.add_arm()
        renewed = configuration.replaced(self.config, config) if self.revision else []
        for slot, arm in enumerate(config.arms):
            known = self.revision and slot < len(self.config.arms)
            if (arm.state is ArmState.REMOVED and known) or slot in renewed:
                self.state.drop_arm(slot)
                self.calls.drop_arm(slot)
        if config.challengers or self.contenders:
            self.contenders = succeeding.revised(
                self.contenders,
                config,
                self.state,
                self.position + 1,
                afresh,
                self.shape_of,
                self.failures,
            )
        folded = Folded(
            policy_id=self.identity.id,
            position=self.position + 1,
            revision=event.revision,
            epoch=event.epoch,
            started_epoch=event.started_epoch,
            started_position=self.started_position,
            update_time=event.time,
            fold_version=FOLD_VERSION,
            journal_fold_version=event.fold_version,
            feature_version=shape.version,
            config=config,
        )
        self._settle(folded, shape, policy)

    def _settle(self, folded: Folded, shape: Shape, policy: policies.Policy[Any]) -> None:
        """Makes a revision the one that decides from here on."""
        config, identity = folded.config, self.identity
        self.config, self.shape, self.policy = config, shape, policy
        self.names = [arm.name for arm in config.arms]
        self.revision, self.update_time = folded.revision, folded.update_time
        self.epoch, self.started_epoch = folded.epoch, folded.started_epoch
        self.started_position = folded.started_position
        self.journal_fold_version = folded.journal_fold_version
        self._decider = Decider(
            config, policy, identity.id, identity.secret, folded.revision, shape.version
        )
        self._folded = folded

    def _learn(self, event: FeedbackEvent, position: int) -> None:
        teach(self.policy, self.state, event.lessons)
        compare(self.policy, self.state, event.comparison)
        for contender in self.contenders:
            contender.learn(event, position)
        for lesson in event.lessons:
            self.calls.quality(lesson.arm, lesson.old, lesson.new)
        if event.usage is not None:
            self.calls.replace(event.usage.arm, event.usage.old, event.usage.new)
            if self.account is not None:
                self.account.heard(event.usage)
        if event.served_arm is not None:
            self.calls.served(event.served_arm, event.recounted)
        if event.failed_arm is not None:
            self.calls.failed(event.failed_arm, event.time, event.recounted)

    # -- deciding ---------------------------------------------------------------------

    def decide(
        self,
        queries: Sequence[Query],
        contexts: Array,
        now: float,
        ids: Sequence[str] | None = None,
        keeper: Restrains | None = None,
    ) -> list[Decision | BanditError]:
        """One decision a query, or why there is none. contexts: (n, d), checked.

        Each draw follows from the decision's id, so `ids` of one's own make it repeatable. With a
        `keeper` the decisions keep to its budgets; what they take is for the caller to book.
        """
        answers: list[Any] = [self._decider.exclusions(q, self.calls, now) for q in queries]
        good = [i for i, codes in enumerate(answers) if not isinstance(codes, BanditError)]
        if not good:
            return answers
        if len(good) < len(queries):
            queries, contexts = [queries[i] for i in good], contexts[good]
            ids = None if ids is None else [ids[i] for i in good]
        exclusions = [answers[i] for i in good]
        hashes = [self.session_hash(q.session) if q.session else None for q in queries]
        moment = Moment(
            state=self.state,
            calls=self.calls,
            position=self.position,
            clock=self._clock(len(queries), now),
            now=now,
            kept=[self._kept_arm(h, codes) for h, codes in zip(hashes, exclusions, strict=True)],
            session_hashes=hashes,
            first=self.requests - len(queries),
            keeper=keeper,
            contenders=self.contenders,
            stopwatch=self.stopwatch,
        )
        decisions = self._decider.decide(queries, contexts, exclusions, moment, ids)
        for i, decision in zip(good, decisions, strict=True):
            answers[i] = decision
            if decision.session_hash is not None:
                self.remember_session(decision.session_hash, decision.arm)
        return answers

    def remember_session(self, session: bytes, arm: int | None) -> None:
        """The arm that a session has now. The longest unused sessions are let go."""
        self.sessions[session] = arm
        self.sessions.move_to_end(session)
        if len(self.sessions) > MOST_SESSIONS:
            self.sessions.popitem(last=False)

    def forget_session(self, session: bytes | None) -> None:
        """What is remembered of a session may be wrong: look it up the next time."""
        if session is not None:
            self.sessions.pop(session, None)

    def session_hash(self, session: str) -> bytes:
        return draw.keyed_hash(self.identity.secret, session)

    def _kept_arm(self, session: bytes | None, codes: Codes) -> int | None:
        if session is None or not self.config.sticky_sessions:
            return None
        arm = self.sessions.get(session)
        if arm is None or codes[arm] != Exclusion.NONE:
            return None
        return arm

    def _clock(self, count: int, now: float) -> float:
        self.requests += count
        return float(self.requests) if self.counts_requests() else now

    def counts_requests(self) -> bool:
        """Whether decisions are stamped with their number instead of the time."""
        return configuration.clock_of(self.config) is Clock.REQUESTS

    def learned_clock(self) -> float:
        """The latest clock that anything was learned at; 0 where nothing was, or has none."""
        clocks = self.state.canonical().get("clocks", np.empty(0))
        return float(clocks.max(initial=0.0))

    # -- views ------------------------------------------------------------------------

    def terms(self) -> Terms:
        return Terms(
            self.config, self.epoch, self.started_epoch, self.started_position, self.shape.version
        )

    def view(self) -> PolicyView:
        return PolicyView(
            config=self.config,
            revision=self.revision,
            etag=etag(self.identity.id, self.revision),
            create_time=self.identity.create_time,
            update_time=self.update_time,
        )

    def state_view(self) -> StateView:
        return StateView(
            position=self.position,
            state_hash=self.state_hash(),
            feature_version=self.shape.version,
            arms=tuple(
                self.calls.statistics(slot, arm.name) for slot, arm in enumerate(self.config.arms)
            ),
        )

    def state_hash(self) -> str:
        """SHA-256, in hex, over the canonical sums: equal journals, equal hashes."""
        challengers = succeeding.sums_of(self.contenders)
        parts = self.state.canonical(), self.calls.canonical(), challengers
        return state_hash(FOLD_VERSION, self.position, self.shape.version, parts)

    def snapshot(self) -> Snapshot:
        """All that was folded so far, to be read while this goes on. ValueError where an entry
        failed half way: what is there now is no fold of anything."""
        if not self.is_whole:
            raise ValueError(f"entry {self.position + 1} was folded in only in part")
        folded = msgspec.structs.replace(self._folded, position=self.position)
        calls = {name: sums.copy() for name, sums in self.calls.canonical().items()}
        challengers = succeeding.ContendersSnapshot(self.contenders)
        return Snapshot(folded, self.state.snapshot(), calls, challengers)


class Registry:
    """The engines of all policies, by name and by id.

    `stopped` are the policies, by id, whose journals go on in a way that only a newer program
    understands; of some of them there is not even an engine. Here they serve, so their
    challengers are timed by the `stopwatch`, in s.
    """

    def __init__(self, stopwatch: Callable[[], float] = time.perf_counter) -> None:
        self._stopwatch = stopwatch
        self.by_name: dict[str, PolicyEngine] = {}
        self.by_id: dict[int, PolicyEngine] = {}
        self.stopped: dict[int, NotUnderstood] = {}

    def add(self, engine: PolicyEngine) -> None:
        engine.stopwatch = self._stopwatch
        self.by_name[engine.identity.name] = self.by_id[engine.identity.id] = engine

    def deciding(self, name: str) -> PolicyEngine:
        """The engine that may decide for a policy. Raises PolicyNotFound, NotUnderstood."""
        engine = self.by_name.get(name)
        if engine is None or engine.identity.id in self.stopped:
            raise self.refusal(name)
        return engine

    def refusal(self, name: str) -> BanditError:
        """Why there is no engine of this name, or none that may decide."""
        reasons = (why for why in self.stopped.values() if why.policy == name)
        return next(reasons, None) or PolicyNotFound(name)

    def remove(self, policy_id: int) -> None:
        """Nothing happens if it has been removed already, or its name given to another."""
        self.stopped.pop(policy_id, None)
        engine = self.by_id.pop(policy_id, None)
        if engine is not None and self.by_name.get(engine.identity.name) is engine:
            del self.by_name[engine.identity.name]


def etag(policy_id: int, revision: int) -> str:
    """Changes with every revision, and is never that of another policy."""
    return f"{policy_id}-{revision}"
