"""Queries, and the decisions made of them."""

import msgspec

from bandit_service.model.words import Modality


class ObjectiveOverride(msgspec.Struct, frozen=True, gc=False):
    """What a query asks to be weighed with instead. None: as the policy has it."""

    quality_per_usd: float | None = None
    quality_per_second: float | None = None
    quality_per_joule: float | None = None
    accuracy_energy_dial: float | None = None


class Query(msgspec.Struct, frozen=True, gc=False):
    """One request for a choice, well-formed, not yet checked against a policy.

    `min_position` is how the query is to be served, and no part of what is asked.
    """

    policy: str
    text: str | None = None
    vector: bytes | None = None
    request_id: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    required_tags: tuple[str, ...] = ()
    required_modalities: tuple[Modality, ...] = ()
    allowed_arms: tuple[str, ...] = ()
    session: str = ""
    subject: str = ""
    duel: bool = False
    min_position: int = 0
    objective: ObjectiveOverride | None = None
    labels: tuple[str, ...] = ()


class Decision(msgspec.Struct, frozen=True, gc=False):
    """One choice and all it was made from. Slots are indices into the policy's arms.

    context        (d,) float64
    probabilities  (K,) float64, over all slots of that revision; in observe mode the
                   default arm's is 1
    second_probabilities  (K,) float64, of a duel whose arms are drawn independently
    shadow         (K,) float64, what the learner would have drawn from (observe mode)
    means, deviations, offsets  (K,) float64, the learner's estimates of quality and
                   what the objective added; NaN where there is none
    exclusions     (K,) uint8, an engine.Exclusion a slot, 0 where eligible
    recovered      made of the decision's token, because its row was not there: all chances but
                   the propensity are NaN, and off-policy estimates have to leave it out
    challengers    (1 + C, K) float64, what the incumbent and each of the revision's C challengers
                   would have drawn from, NaN for one that could not decide; `probabilities` is
                   their mixture. None without any
    assumed        (K,) uint8, 1 where what the objective weighed was not known, and taken from
                   the other arms; None where all was known
    spending       what it reserved of budgets, and their prices: a packed Spending; None where
                   there are none
    """

    id: str
    policy_id: int
    revision: int
    position: int
    create_time: float
    clock: float
    feature_version: str
    context: bytes
    arm: int
    propensity: float
    probabilities: bytes
    means: bytes
    deviations: bytes
    exclusions: bytes
    second_arm: int | None = None
    shadow: bytes | None = None
    offsets: bytes | None = None
    forced: bool = False
    sticky: bool = False
    observed: bool = False
    degraded: bool = False
    request_id: str | None = None
    request_digest: bytes | None = None
    session_hash: bytes | None = None
    subject_hash: bytes | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    second_probabilities: bytes | None = None
    recovered: bool = False
    assumed: bytes | None = None
    spending: bytes | None = None
    challengers: bytes | None = None


class Routed(msgspec.Struct, frozen=True, gc=False):
    """A decision with the names that go back to the caller."""

    decision: Decision
    arm: str
    second_arm: str = ""
    token: bytes = b""


class Claim(msgspec.Struct, frozen=True, gc=False):
    """What a verified token says of its decision; fields as there. `slots` is K.

    `context` is empty if it was too long for a token.
    """

    decision_id: str
    policy_id: int
    revision: int
    position: int
    create_time: float
    expire_time: float
    clock: float
    feature_version: str
    context: bytes
    slots: int
    arm: int
    second_arm: int | None
    propensity: float
    forced: bool
    sticky: bool
    observed: bool
    degraded: bool
