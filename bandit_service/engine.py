"""One policy in memory: `decide` reads its state, `apply` folds its journal into it.

The state is nothing but the fold of the journal's entries, in order. What follows
decisions instead (the counter of requests, the arms of open sessions) is control state
and has no part in it. Owned by one thread; neither method waits for anything.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

import policies
from bandit_service import configuration, draw
from bandit_service.calls import CallStatistics, offsets
from bandit_service.configuration import Shape, ShapeOf
from bandit_service.eligibility import Codes, Eligibility, Exclusion
from bandit_service.errors import BanditError, NoEligibleArm
from bandit_service.model import (
    ArmState,
    Clock,
    Decision,
    FeedbackEvent,
    JournalEntry,
    Mode,
    PolicyConfig,
    PolicyView,
    Query,
    RevisionEvent,
    StateView,
    StoredPolicy,
)
from bandit_service.planning import Terms

Array = NDArray[np.float64]

# Rises when equal journals would give other states than before.
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

    def __init__(self, identity: StoredPolicy, shape_of: ShapeOf) -> None:
        self.identity = identity
        self.revision = self.epoch = self.position = self.requests = 0
        self.update_time = identity.create_time
        self.sessions: OrderedDict[bytes, int | None] = OrderedDict()
        self._shape_of = shape_of

    # -- learning ---------------------------------------------------------------------

    def apply(self, entry: JournalEntry) -> None:
        """Folds one entry in. It has to be the one after `position`."""
        if entry.position != self.position + 1:
            raise ValueError(f"entry {entry.position} does not follow {self.position}")
        if isinstance(entry.event, RevisionEvent):
            self._revise(entry.event)
        else:
            self._learn(entry.event)
        self.position = entry.position

    def _revise(self, event: RevisionEvent) -> None:
        config, shape = event.config, self._shape_of(event.config.features)
        policy = configuration.build(config, shape.dim)
        afresh = self.revision == 0 or event.epoch != self.epoch
        if afresh:
            self.state = policy.start(len(config.arms))
            if self.revision == 0:
                self.calls = CallStatistics(len(config.arms))
        else:
            self.state = policy.restore(self.state.canonical())
            while self.state.arms < len(config.arms):
                self.state.add_arm()
        while len(self.calls.calls) < len(config.arms):
            self.calls.add_arm()
        for slot, arm in enumerate(config.arms):
            known = self.revision and slot < len(self.config.arms)
            if arm.state is ArmState.REMOVED and known:
                self.state.drop_arm(slot)
                self.calls.drop_arm(slot)
        self.config, self.shape, self.policy = config, shape, policy
        self.revision, self.epoch, self.update_time = event.revision, event.epoch, event.time
        self._eligibility = Eligibility(config)
        self._all_eligible = not self._eligibility.everything.any()

    def _learn(self, event: FeedbackEvent) -> None:
        for lesson in event.lessons:
            context = np.frombuffer(lesson.context)
            if lesson.old is None:
                assert lesson.new is not None
                self.policy.update(self.state, lesson.arm, context, lesson.new, clock=lesson.clock)
            else:
                self.policy.revise(
                    self.state, lesson.arm, context, lesson.old, lesson.new, clock=lesson.clock
                )
            self.calls.quality(lesson.arm, lesson.old, lesson.new)
        if event.usage is not None:
            self.calls.replace(event.usage.arm, event.usage.old, event.usage.new)
        if event.served_arm is not None:
            self.calls.served(event.served_arm)
        if event.failed_arm is not None:
            self.calls.failed(event.failed_arm, event.time)

    # -- deciding ---------------------------------------------------------------------

    def decide(
        self, queries: Sequence[Query], contexts: Array, now: float
    ) -> list[Decision | BanditError]:
        """One decision a query, or why there is none. contexts: (n, d), checked.

        Hard filters first, then the learner's distribution under the objective, then
        the floor, then one draw from exactly what is logged.
        """
        exclusions = [self._exclusions(query, now) for query in queries]
        good = [i for i, codes in enumerate(exclusions) if not isinstance(codes, BanditError)]
        answers: list[Decision | BanditError | Codes] = list(exclusions)
        if good:
            kept = [queries[i] for i in good]
            chosen = self._choose(kept, contexts[good], [exclusions[i] for i in good], now)  # type: ignore[misc]
            for i, decision in zip(good, chosen, strict=True):
                answers[i] = decision
        return answers  # type: ignore[return-value]

    def _exclusions(self, query: Query, now: float) -> Codes | BanditError:
        try:
            codes = self._eligibility.exclusions(query)
        except BanditError as error:
            return error
        if self.calls.troubled:
            resting = (codes == Exclusion.NONE) & self.calls.resting(now)
            # If all of them rest, there is nothing better to try.
            if resting.any() and not resting[codes == Exclusion.NONE].all():
                codes = np.where(resting, np.uint8(Exclusion.UNHEALTHY), codes)
        if codes is not self._eligibility.everything or not self._all_eligible:
            if (codes != Exclusion.NONE).all():
                return NoEligibleArm(self.config.name, self._eligibility.reasons(codes))
        return codes

    def _choose(
        self, queries: list[Query], contexts: Array, exclusions: list[Codes], now: float
    ) -> list[Decision]:
        config = self.config
        ids = draw.new_ids(len(queries), now)
        hashes = [self._hash(query.session) for query in queries]
        kept = [self._kept_arm(h, codes) for h, codes in zip(hashes, exclusions, strict=True)]
        added = offsets(config.objective, config.arms, self.calls, queries)
        eligible = None
        if not (self._all_eligible and all(c is self._eligibility.everything for c in exclusions)):
            eligible = np.array(exclusions) == Exclusion.NONE
        clock = self._clock(len(queries), now)
        wanted = policies.with_floor(
            self.policy.probabilities(
                self.state, contexts, eligible=eligible, offsets=added, clock=clock
            ),
            eligible,
            config.floor,
        )
        beliefs = self.policy.estimates(self.state, contexts, clock=clock)
        served, exclusions = self._served(wanted, exclusions, kept)
        arms = draw.draw_first(self.identity.secret, ids, served).tolist()
        batch = _Rows(contexts, served, wanted, beliefs, added, np.array(exclusions))
        return [
            self._decision(i, query, ids[i], arms[i], batch, hashes[i], kept[i], now, clock)
            for i, query in enumerate(queries)
        ]

    def _served(
        self, wanted: Array, exclusions: list[Codes], kept: list[int | None]
    ) -> tuple[Array, list[Codes]]:
        """What is drawn from: the learner's wish, a session's arm, or the default arm."""
        observing = self.config.mode is Mode.OBSERVE
        if not observing and not any(arm is not None for arm in kept):
            return wanted, exclusions
        served, codes = wanted.copy(), list(exclusions)
        default = self._default_slot() if observing else None
        for row, arm in enumerate(kept):
            reason = Exclusion.SESSION
            if arm is None and default is not None:
                arm, reason = default, Exclusion.OBSERVED
            if arm is None:
                continue
            served[row] = 0.0
            served[row, arm] = 1.0
            others = np.where(codes[row] == Exclusion.NONE, np.uint8(reason), codes[row])
            others[arm] = Exclusion.NONE
            codes[row] = others
        return served, codes

    def _decision(
        self,
        row: int,
        query: Query,
        decision_id: str,
        arm: int,
        batch: "_Rows",
        session: bytes | None,
        kept: int | None,
        now: float,
        clock: float,
    ) -> Decision:
        second: int | None = None
        propensity = float(batch.served[row, arm])
        alone = propensity >= 1.0
        observed = self.config.mode is Mode.OBSERVE and kept is None
        if query.duel and not alone:
            second = draw.draw_second(self.identity.secret, decision_id, batch.served[row], arm)
            if second is not None:
                propensity *= float(batch.served[row, second]) / (1.0 - propensity)
        if session is not None:
            self.remember_session(session, arm)
        return Decision(
            id=decision_id,
            policy_id=self.identity.id,
            revision=self.revision,
            position=self.position,
            create_time=now,
            clock=clock,
            feature_version=self.shape.version,
            context=batch.contexts.row(row),
            arm=arm,
            second_arm=second,
            propensity=min(propensity, 1.0),
            probabilities=batch.probabilities.row(row),
            shadow=batch.shadow.row(row) if observed else None,
            means=batch.means.row(row),
            deviations=batch.deviations.row(row),
            offsets=None if batch.offsets is None else batch.offsets.row(row),
            exclusions=batch.exclusions.row(row),
            forced=alone and kept is None and not observed,
            sticky=kept is not None,
            observed=observed,
            request_id=query.request_id or None,
            request_digest=request_digest(query) if query.request_id else None,
            session_hash=session,
            subject_hash=self._hash(query.subject),
            input_tokens=query.input_tokens,
            output_tokens=query.output_tokens,
        )

    def remember_session(self, session: bytes, arm: int | None) -> None:
        """The arm that a session has now. The longest unused sessions are let go."""
        self.sessions[session] = arm
        self.sessions.move_to_end(session)
        if len(self.sessions) > MOST_SESSIONS:
            self.sessions.popitem(last=False)

    def session_hash(self, session: str) -> bytes:
        return draw.keyed_hash(self.identity.secret, session)

    def _hash(self, what: str) -> bytes | None:
        return draw.keyed_hash(self.identity.secret, what) if what else None

    def _kept_arm(self, session: bytes | None, codes: Codes) -> int | None:
        if session is None or not self.config.sticky_sessions:
            return None
        arm = self.sessions.get(session)
        if arm is None or codes[arm] != Exclusion.NONE:
            return None
        return arm

    def _clock(self, count: int, now: float) -> float:
        self.requests += count
        forgetting = self.config.forgetting
        if forgetting is not None and forgetting.clock is Clock.REQUESTS:
            return float(self.requests)
        return now

    def _default_slot(self) -> int:
        return [arm.name for arm in self.config.arms].index(self.config.default_arm)

    # -- views ------------------------------------------------------------------------

    def terms(self) -> Terms:
        return Terms(self.config, self.epoch, self.shape.version)

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
        digest = hashlib.sha256(f"{FOLD_VERSION} {self.position} {self.shape.version}".encode())
        for part in (self.state.canonical(), self.calls.canonical()):
            for name in sorted(part):
                array = np.ascontiguousarray(part[name])
                digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
                digest.update(array.tobytes())
        return digest.hexdigest()


class Registry:
    """The engines of all policies, by name and by id."""

    def __init__(self) -> None:
        self.by_name: dict[str, PolicyEngine] = {}
        self.by_id: dict[int, PolicyEngine] = {}

    def add(self, engine: PolicyEngine) -> None:
        self.by_name[engine.identity.name] = self.by_id[engine.identity.id] = engine

    def remove(self, policy_id: int) -> None:
        engine = self.by_id.pop(policy_id)
        del self.by_name[engine.identity.name]


class _Column:
    """The rows of a matrix as bytes, cut from one copy."""

    __slots__ = ("_bytes", "_width")

    def __init__(self, matrix: NDArray[Any]) -> None:
        self._bytes = matrix.tobytes()
        self._width = matrix.shape[1] * matrix.itemsize

    def row(self, row: int) -> bytes:
        start = row * self._width
        return self._bytes[start : start + self._width]


class _Rows:
    """What a batch of decisions was made from, ready to be logged row by row."""

    def __init__(
        self,
        contexts: Array,
        served: Array,
        wanted: Array,
        beliefs: policies.Estimates,
        added: Array | None,
        exclusions: NDArray[np.uint8],
    ) -> None:
        self.served = served
        self.contexts = _Column(contexts)
        self.probabilities = _Column(served)
        self.shadow = _Column(wanted)
        self.means = _Column(beliefs.mean)
        self.deviations = _Column(beliefs.deviation)
        self.offsets = None if added is None else _Column(added)
        self.exclusions = _Column(exclusions)


def etag(policy_id: int, revision: int) -> str:
    """Changes with every revision, and is never that of another policy."""
    return f"{policy_id}-{revision}"


def request_digest(query: Query) -> bytes:
    """Equal for equal requests, whatever they contain."""
    return hashlib.blake2b(msgspec.msgpack.encode(query), digest_size=16).digest()
