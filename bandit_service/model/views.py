"""A policy, its state and its decisions as people see them."""

import msgspec

from bandit_service.model.challengers import Judged
from bandit_service.model.configuration import PolicyConfig
from bandit_service.model.decisions import Routed
from bandit_service.model.feedback import Outcome
from bandit_service.model.words import Resource


class StoredPolicy(msgspec.Struct, frozen=True):
    """A policy's identity. `secret` keys its draws and its hashes of people."""

    id: int
    name: str
    secret: bytes
    create_time: float


class PolicyView(msgspec.Struct, frozen=True):
    """A policy as its operator sees it."""

    config: PolicyConfig
    revision: int
    etag: str
    create_time: float
    update_time: float


class FieldChange(msgspec.Struct, frozen=True):
    """A field before and after, as JSON; None where there was, or is, none."""

    field: str
    old: str | None
    new: str | None


class RevisionView(msgspec.Struct, frozen=True):
    """One change of a policy, as its operator sees it. The first revision has no changes."""

    revision: int
    etag: str
    position: int
    time: float
    author: str
    restarted: bool
    changes: tuple[FieldChange, ...]
    reason: str = ""


class ArmStatistics(msgspec.Struct, frozen=True):
    """What was learned of one arm, without context. None is unknown."""

    arm: str
    observations: float
    mean_quality: float | None = None
    mean_cost_usd: float | None = None
    mean_latency_seconds: float | None = None
    mean_energy_joules: float | None = None
    failure_share: float | None = None


class StateView(msgspec.Struct, frozen=True):
    """What a policy has learned at one journal position."""

    position: int
    state_hash: str
    feature_version: str
    arms: tuple[ArmStatistics, ...]


class Freshness(msgspec.Struct, frozen=True):
    """How far a replica has followed the journal of a policy.

    `head` is the last position known of. `staleness_seconds` is the time since the replica
    last knew that it had applied all there was; None if it never did.
    """

    replica: str
    applied: int
    head: int
    staleness_seconds: float | None


class ReplicaHealth(msgspec.Struct, frozen=True):
    """What a replica has in hand, in plain numbers. None is unknown.

    queue_rows               queued for the writer, not answered yet
    last_commit_seconds      how long the last commit took
    seconds_since_contact    since the database last answered the writer
    in_trouble               whether decisions are answered without waiting for it
    buffered_rows, buffered_bytes  decisions answered and not durable yet
    abandoned_writers        given up because they hung
    policies                 by name
    """

    replica: str
    queue_rows: int
    last_commit_seconds: float | None
    seconds_since_contact: float | None
    in_trouble: bool
    buffered_rows: int
    buffered_bytes: int
    abandoned_writers: int
    policies: dict[str, Freshness]


class ArmExplanation(msgspec.Struct, frozen=True):
    """What one arm looked like to a decision."""

    arm: str
    probability: float
    ineligible_reason: str
    quality: float | None
    quality_deviation: float | None
    objective_offset: float
    shadow_probability: float | None
    second_probability: float | None = None
    assumed: bool = False
    budget_offset: float | None = None


class BudgetExplanation(msgspec.Struct, frozen=True):
    """What one budget did to a decision; dollars or joules, points a dollar or joule.

    first_price, second_price, weight  shadow prices, and the chance of the first; None where the
                                       budget only counted
    reserved    for its calls
    spent       what they took, as far as usage told: settled, and overrun
    is_short    it could pay for no arm: its `when_exhausted` served
    """

    budget: str
    resource: Resource
    first_price: float | None
    second_price: float | None
    weight: float | None
    reserved: float
    spent: float | None
    is_short: bool


class ContestantChoice(msgspec.Struct, frozen=True):
    """What the incumbent or a challenger would have drawn a decision's arm from.

    probabilities  by arm, those above 0; None if it could not decide
    weight         its chance of the arm drawn over the one it was drawn with; None where no one arm
                   was drawn
    """

    name: str
    share: float
    probabilities: dict[str, float] | None
    weight: float | None


class Explanation(msgspec.Struct, frozen=True):
    """A decision, explained. `outcomes` are paired with the name of their arm.

    contestants  what each would have done, with how it stood when the log was last read, if it was
    """

    policy: str
    routed: Routed
    context: tuple[float, ...]
    arms: tuple[ArmExplanation, ...]
    outcomes: tuple[tuple[str, Outcome], ...]
    contestants: tuple[tuple[ContestantChoice, Judged | None], ...] = ()
    budgets: tuple[BudgetExplanation, ...] = ()
