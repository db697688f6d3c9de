"""What the client hands back, and the words that its arguments take."""

from dataclasses import dataclass, field
from typing import Literal

Source = Literal["expert", "user", "check", "judge", "implicit"]
Failure = Literal["timeout", "rate_limit", "error", "refusal"]
EnergySource = Literal["measured", "sampled", "estimated"]
Modality = Literal["text", "image", "audio", "video", "file"]


@dataclass(frozen=True, slots=True)
class Choice:
    """The arm to call. `decision_id` names the decision in feedback.

    `fallback` is True if the service could not answer and `arm` is the client's own
    `fallback_arm`: then there is no decision, `propensity` is unknown (None), and `error` says
    why. The other fields are those of RouteResponse. `token` proves in feedback whose decision
    it is, so it is not printed; give the Choice itself to `feedback`, and it goes along.
    """

    decision_id: str
    arm: str
    second_arm: str = ""
    propensity: float | None = None
    policy_revision: int = 0
    position: int = 0
    degraded: bool = False
    forced: bool = False
    sticky: bool = False
    observed: bool = False
    fallback: bool = False
    error: str | None = None
    token: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a call to an arm took. None is unknown, never zero."""

    cost_usd: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    latency_seconds: float | None = None
    time_to_first_token_seconds: float | None = None
    energy_joules: float | None = None
    energy_source: EnergySource | None = None


@dataclass(frozen=True, slots=True)
class OtherCall:
    """A call beside the arm's own that the same decision is charged for.

    kind  retry, cascade or judge
    id    names it within the decision: told of again, it replaces what was said before
    """

    kind: Literal["retry", "cascade", "judge"]
    cost_usd: float | None = None
    energy_joules: float | None = None
    energy_source: EnergySource | None = None
    id: str = ""


@dataclass(frozen=True, slots=True)
class FeedbackResult:
    """What became of feedback.

    effect  learned, recorded, outranked, not_configured, other_features, arm_removed or
            model_replaced; empty where nothing was recorded
    error   why nothing was recorded: the choice was a fallback, which has no decision to
            learn from, or (from `timed` only) the service did not take it
    """

    feedback_id: str = ""
    position: int = 0
    duplicate: bool = False
    effect: str = ""
    error: str | None = None

    @property
    def recorded(self) -> bool:
        return self.error is None
