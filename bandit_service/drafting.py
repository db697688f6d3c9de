"""What a batch of decisions is made at, what it comes to, and the records of it."""

import hashlib
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

import policies
from bandit_service import draw
from bandit_service.calls import CallStatistics
from bandit_service.contending import Contender
from bandit_service.eligibility import Codes, Exclusion
from bandit_service.model import Decision, Query
from policies.budget import Restraint

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Restrains(Protocol):
    """What keeps decisions within budgets: policies.budget.Keeper, or a ledger's turn."""

    @property
    def known(self) -> Mask:
        """Arms (K,) of which something is known of what they take."""
        ...

    def restraint(self, scores: Array, eligible: Mask | None) -> Restraint:
        """What the budgets leave of n queries; both (n, K), None: all arms are eligible."""
        ...


class Moment(msgspec.Struct, frozen=True, gc=False):
    """What a batch of decisions is made at: the state, and where and when it stands.

    `kept` has, for each query, the slot that its session keeps, or None. `first` is the number of
    the first of these decisions; `keeper` keeps the budgets, if there are any. `contenders` are
    the challengers, which decide beside the incumbent, timed by the `stopwatch` (s) if there is
    one.
    """

    state: policies.State
    calls: CallStatistics
    position: int
    clock: float
    now: float
    kept: Sequence[int | None]
    session_hashes: Sequence[bytes | None]
    first: int = 0
    keeper: Restrains | None = None
    contenders: Sequence[Contender] = ()
    stopwatch: Callable[[], float] | None = None


class Draft(NamedTuple):
    """What n queries come to, before one arm is drawn for each. Arrays are (n, K) unless said."""

    contexts: Array  # (n, d)
    served: Array  # drawn from
    wanted: Array  # by the learner, whatever is served
    beliefs: policies.Estimates
    added: Array | None  # by the objective
    assumed: NDArray[Any] | None
    exclusions: list[Codes]
    seconds: list[Array | None]  # (K,) what the other arm of a duel is drawn from
    challengers: Array | None  # (n, 1 + C, K)


class Drafter:
    """Draws, and makes the records, for one revision of a policy.

    plain: what falls out of most queries, (K,); the codes of a query that are this very array
    need no copy.
    """

    def __init__(
        self,
        policy_id: int,
        secret: bytes,
        revision: int,
        feature_version: str,
        plain: Codes,
        observing: bool,
    ) -> None:
        self._policy_id = policy_id
        self._secret = secret
        self._revision = revision
        self._feature_version = feature_version
        self._plain = plain
        self._plain_bytes = plain.tobytes()
        self._observing = observing

    def records(
        self, queries: Sequence[Query], ids: Sequence[str], moment: Moment, draft: Draft
    ) -> list[Decision]:
        """One drawn decision a query."""
        none = [None] * len(ids)
        arms = draw.draw_first(self._secret, ids, draft.served)
        rows = zip(
            queries,
            ids,
            arms,
            [draft.served.item(row, arm) for row, arm in enumerate(arms)],
            moment.kept,
            moment.session_hashes,
            _rows(draft.contexts),
            _rows(draft.served),
            _rows(draft.wanted) if self._observing else none,
            _rows(draft.beliefs.mean),
            _rows(draft.beliefs.deviation),
            _rows(draft.added) if draft.added is not None else none,
            self._exclusion_rows(draft.exclusions),
            draft.seconds,
            _rows(draft.assumed) if draft.assumed is not None else none,
            strict=True,
        )
        made = [self._decision(moment, *row) for row in rows]
        if draft.challengers is None:
            return made
        return [
            msgspec.structs.replace(one, challengers=aside.tobytes())
            for one, aside in zip(made, draft.challengers, strict=True)
        ]

    def _exclusion_rows(self, exclusions: list[Codes]) -> list[bytes]:
        if all(codes is self._plain for codes in exclusions):
            return [self._plain_bytes] * len(exclusions)
        return [codes.tobytes() for codes in exclusions]

    def _decision(
        self,
        moment: Moment,
        query: Query,
        decision_id: str,
        arm: int,
        propensity: float,
        kept: int | None,
        session_hash: bytes | None,
        context: bytes,
        probabilities: bytes,
        shadow: bytes | None,
        means: bytes,
        deviations: bytes,
        added: bytes | None,
        exclusions: bytes,
        second_chances: Array | None,
        assumed: bytes | None,
    ) -> Decision:
        second = None
        alone = exclusions.count(Exclusion.NONE) == 1
        if second_chances is not None:
            other = draw.draw_independent_second(self._secret, decision_id, second_chances)
            propensity *= second_chances.item(other)
            second = None if other == arm else other
        elif query.duel and not alone:
            drawn = draw.draw_second(
                self._secret,
                decision_id,
                np.frombuffer(probabilities),
                arm,
                np.frombuffer(exclusions, dtype=np.uint8) == Exclusion.NONE,
            )
            if drawn is not None:
                second = drawn[0]
                propensity *= drawn[1]
        sticky = kept is not None and not self._observing
        return Decision(
            decision_id,
            self._policy_id,
            self._revision,
            moment.position,
            moment.now,
            moment.clock,
            self._feature_version,
            context,
            arm,
            min(1.0, propensity),
            probabilities,
            means,
            deviations,
            exclusions,
            second,
            shadow,
            added,
            alone and not sticky and not self._observing,
            sticky,
            self._observing,
            False,  # degraded
            query.request_id or None,
            request_digest(query) if query.request_id else None,
            session_hash,
            draw.keyed_hash(self._secret, query.subject) if query.subject else None,
            query.input_tokens,
            query.output_tokens,
            None if second_chances is None else second_chances.tobytes(),
            False,  # recovered
            assumed if assumed is not None and any(assumed) else None,
        )


# By name: a field that is added must not make another request of one that is sent again to
# the next version.
_PAYLOAD = (
    "policy",
    "text",
    "vector",
    "request_id",
    "input_tokens",
    "output_tokens",
    "required_tags",
    "required_modalities",
    "allowed_arms",
    "session",
    "subject",
    "duel",
)
_payload = attrgetter(*_PAYLOAD)


def request_digest(query: Query) -> bytes:
    """Equal for equal requests, whatever they contain."""
    payload = dict(zip(_PAYLOAD, _payload(query), strict=True))
    if query.objective is not None:
        payload["objective"] = query.objective
    if query.labels:
        payload["labels"] = query.labels
    return hashlib.blake2b(msgspec.msgpack.encode(payload), digest_size=16).digest()


def _rows(matrix: NDArray[Any]) -> list[bytes]:
    """The rows of a matrix (n, m) as bytes, cut from one copy."""
    whole, width = matrix.tobytes(), matrix.shape[1] * matrix.itemsize
    if len(matrix) == 1:
        return [whole]
    return [whole[start : start + width] for start in range(0, len(whole), width)]
