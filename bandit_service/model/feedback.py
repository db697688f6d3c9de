"""What came of decisions: as it was sent, as it stands, and as it was learned."""

import msgspec

from bandit_service.model.decisions import Claim
from bandit_service.model.words import Effect, EnergySource, Failure, Kind, OtherKind, Source


class OtherCall(msgspec.Struct, frozen=True, omit_defaults=True):
    """A call beside the arm's own that the same decision is charged for: the one before a retry, a
    further model of a cascade, a judge.

    kind and id name it within the decision: told of again it replaces what was said before.
    """

    kind: OtherKind
    id: str = ""
    cost_usd: float | None = None
    energy_joules: float | None = None
    energy_source: EnergySource | None = None


_calls_encoder = msgspec.msgpack.Encoder()
_calls_decoder = msgspec.msgpack.Decoder(tuple[OtherCall, ...])


def pack_calls(calls: tuple[OtherCall, ...]) -> bytes:
    return _calls_encoder.encode(calls)


def unpack_calls(body: bytes) -> tuple[OtherCall, ...]:
    """msgspec.ValidationError for what `pack_calls` did not make."""
    return _calls_decoder.decode(body)


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a call took. None is unknown, never zero. `other_calls` have no part in what is learned
    of the arm; budgets pay for them."""

    cost_usd: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    latency_seconds: float | None = None
    time_to_first_token_seconds: float | None = None
    energy_joules: float | None = None
    energy_source: EnergySource | None = None
    other_calls: tuple[OtherCall, ...] = ()


class Preference(msgspec.Struct, frozen=True):
    """Which of two was better: arms of a duel, or this decision and another."""

    preferred_arm: str = ""
    other_decision_id: str = ""
    preferred_decision_id: str = ""
    tie: bool = False


class Submission(msgspec.Struct, frozen=True):
    """Feedback as it was sent, well-formed, not yet checked against its decision.

    `token` and `other_token` (of the preference's other decision) are as they were sent, empty
    if they were not; `claims` is what they say, once they are verified. None of them is part of
    the payload.
    """

    decision_id: str
    feedback_id: str
    source: Source = Source.USER
    success: bool | None = None
    score: float | None = None
    preference: Preference | None = None
    failure: Failure | None = None
    usage: Usage | None = None
    arm: str = ""
    token: bytes = b""
    other_token: bytes = b""
    claims: tuple[Claim, ...] = ()


class Outcome(msgspec.Struct, frozen=True):
    """One value of feedback that stands, keyed by (decision, arm slot, kind, source)."""

    decision_id: str
    arm: int
    kind: Kind
    source: Source
    position: int
    update_time: float
    value: float | None = None
    failure: Failure | None = None
    usage: Usage | None = None


class Learned(msgspec.Struct, frozen=True):
    """The quality that the state holds for one arm of one decision.

    `epoch` is that of the policy when it was learned; see RevisionEvent.
    """

    decision_id: str
    arm: int
    value: float
    epoch: int


class RecordedFeedback(msgspec.Struct, frozen=True):
    """What the service answered to a feedback id, for when it is sent again."""

    feedback_id: str
    digest: bytes
    position: int
    effect: Effect


class Recorded(msgspec.Struct, frozen=True):
    """What became of a submission."""

    feedback_id: str
    position: int
    effect: Effect
    duplicate: bool = False
