"""What the calls of both clients take, by name."""

from collections.abc import Iterable
from typing import TypedDict

from bandit_service.client.records import (
    EnergySource,
    Failure,
    Modality,
    OtherCall,
    Source,
    Usage,
)


class RouteOptions(TypedDict, total=False):
    """What `route` takes besides the query. All may be left out.

    policy               name of the policy; default: the client's
    request_id           makes the call idempotent beyond this process; default: a new UUID
    input_tokens         estimated length of the prompt, >= 0
    output_tokens        estimated length of the answer, >= 0
    required_tags        tags that an arm must all have
    required_modalities  modalities that an arm must all have
    allowed_arms         if not empty, only these may be chosen
    labels               what the query is about, for policies whose features look at labels
    session              conversation of the query: its last arm is kept
    subject              who or what the query is about; stored as a keyed hash only
    duel                 True for two arms, to be compared by `prefer` or `tie`
    min_position         wait for this position of the policy's journal, which `FeedbackResult`
                         names: so that what was told to one replica counts on every other
    quality_per_usd, quality_per_second, quality_per_joule
                         points of quality that a dollar, a second, a joule is worth for this
                         query, within the limits that the policy sets
    accuracy_energy_dial  instead of these: from 0, accuracy alone, to 10, energy
    timeout              seconds for the call with its retries; default: the client's
    """

    policy: str | None
    request_id: str | None
    input_tokens: int | None
    output_tokens: int | None
    required_tags: Iterable[str]
    required_modalities: Iterable[Modality]
    allowed_arms: Iterable[str]
    labels: Iterable[str]
    session: str | None
    subject: str | None
    duel: bool
    min_position: int
    quality_per_usd: float | None
    quality_per_second: float | None
    quality_per_joule: float | None
    accuracy_energy_dial: float | None
    timeout: float | None


class SendOptions(TypedDict, total=False):
    """What every kind of feedback takes.

    source       who says so; default: user
    feedback_id  makes the call idempotent beyond this process; default: a new UUID
    timeout      seconds for the call with its retries; default: the client's
    """

    source: Source
    feedback_id: str | None
    timeout: float | None


class FeedbackOptions(SendOptions, total=False):
    """What `feedback` takes. At least one of the values is needed; absent is unknown.

    success, score, failure  how the answer was (score in [0, 1]), or how the call failed
    arm                      in a duel, the arm that is spoken of
    usage                    what the call took, or any of these by themselves: cost_usd (US
                             dollars), input_tokens, output_tokens, latency_seconds,
                             time_to_first_token_seconds, energy_joules with energy_source
    other_calls              retries, cascades and judges that the same decision is charged for
    """

    success: bool | None
    score: float | None
    failure: Failure | None
    arm: str | None
    usage: Usage | None
    cost_usd: float | None
    input_tokens: int | None
    output_tokens: int | None
    latency_seconds: float | None
    time_to_first_token_seconds: float | None
    energy_joules: float | None
    energy_source: EnergySource | None
    other_calls: Iterable[OtherCall] | None
