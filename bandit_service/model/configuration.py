"""What can be set about a policy."""

from typing import Any

import msgspec

from bandit_service.model.words import (
    ArmState,
    Clock,
    Modality,
    Mode,
    PreferenceLearning,
    Resource,
    Source,
    WhenExhausted,
    WhenUnlogged,
)


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of what users write in YAML: a name nobody knows is a typo, so an error."""


class Arm(Config, frozen=True):
    """Something that can be chosen. `name` is unique in its policy for ever.

    A change of `model_version` declares that another model answers under this name. The revision
    that holds it stands at `version_position` of the journal, which is for the service to set: what
    is learned of the arm begins there, with feedback on decisions made there or later. 0: with the
    arm itself.
    """

    name: str
    model: str = ""
    parameters: dict[str, Any] = {}
    prompt_version: str = ""
    input_usd_per_million_tokens: float | None = None
    output_usd_per_million_tokens: float | None = None
    context_limit_tokens: int | None = None
    modalities: tuple[Modality, ...] = (Modality.TEXT,)
    tags: tuple[str, ...] = ()
    declared_joules_per_output_token: float | None = None
    state: ArmState = ArmState.ACTIVE
    embedding: tuple[float, ...] = ()  # one number a feature, the constant included; or none
    model_version: str = ""
    version_position: int = 0


class Algorithm(Config, frozen=True):
    """A learning algorithm by its catalogue name, with its settings."""

    name: str = "hierarchical_thompson"
    settings: dict[str, float] = {}


class TextFeatures(Config, frozen=True):
    """Text, embedded offline; `dimensions` of the embedding's 256 are kept.

    readability  how hard the text is to read is a feature of its own
    labels       that queries can bring; each is a feature, 1 for queries that have it
    """

    dimensions: int = 64
    readability: bool = False
    labels: tuple[str, ...] = ()


class VectorFeatures(Config, frozen=True):
    """The caller's own numbers, `dimension` of them."""

    dimension: int


class Features(Config, frozen=True):
    """How a query becomes numbers: exactly one of the two is set."""

    text: TextFeatures | None = None
    vector: VectorFeatures | None = None


class Objective(Config, frozen=True):
    """What a unit of each resource is worth in points of quality, >= 0.

    Instead of weights there can be a dial from accuracy, 0, to energy, 10: what it means is in
    `weighing`. `reference_joules` is its scale, filled in when the dial is first set. Arms that
    take longer than `latency_limit`, in seconds, are left out, or lose `quality_at_latency_limit`,
    e times as much with every second beyond.
    """

    quality_per_usd: float = 0.0
    quality_per_second: float = 0.0
    quality_per_joule: float = 0.0
    accuracy_energy_dial: float | None = None
    reference_joules: float | None = None
    latency_limit: float | None = None
    quality_at_latency_limit: float | None = None


class WeightRange(Config, frozen=True):
    """From the least to the most, both included."""

    min: float = 0.0
    max: float = 0.0


class OverrideLimits(Config, frozen=True):
    """Within what a query may bring weights of its own. None: that one it may not."""

    quality_per_usd: WeightRange | None = None
    quality_per_second: WeightRange | None = None
    quality_per_joule: WeightRange | None = None
    accuracy_energy_dial: WeightRange | None = None


class Forgetting(Config, frozen=True):
    """Old feedback counts half after every `half_life` (seconds or requests)."""

    half_life: float
    clock: Clock = Clock.TIME


class ArmWarmStart(Config, frozen=True):
    """What is known of one arm beforehand. What is left out is as the algorithm has it.

    weights  how its quality leans on each feature, without the constant
    level    its quality where the features say nothing
    n_eff    how many live requests override it; None: as many as of the others
    ridge    the exact precision of the weights, where it does not follow from n_eff
    """

    weights: tuple[float, ...] | None = None
    level: float | None = None
    n_eff: float | None = None
    ridge: float | None = None


class WarmStart(Config, frozen=True):
    """What is known of arms, by name, before their first request.

    n_eff       how many live requests override it
    spread      mean square of each feature; empty: features of length 1
    projection  (m, d) as rows, for algorithms that learn in another space; empty: none
    """

    arms: dict[str, ArmWarmStart] = {}
    n_eff: float = 50.0
    spread: tuple[float, ...] = ()
    projection: tuple[tuple[float, ...], ...] = ()


class Budget(Config, frozen=True):
    """An amount of one resource, over exactly one of these:

    window    seconds; windows are multiples of that since the epoch, by the database's clock
    requests  so many decisions, then it begins anew
    rate      a request, on average, without an end; kept exactly over RATE_REQUESTS at a time

    All budgets of a policy have one controller, one of policies.budget.CONTROLLERS, which prices
    them together. A name is made of the resource where none is given.
    """

    resource: Resource
    amount: float
    window: float | None = None
    requests: int | None = None
    rate: bool = False
    name: str = ""
    when_exhausted: WhenExhausted = WhenExhausted.CHEAPEST
    fallback_arm: str = ""
    controller: str = "resolving"


class Challenger(Config, frozen=True):
    """Another way to decide for the same policy, held against the incumbent on its own traffic.

    objective, floor  None: as the policy has it
    share   of the traffic that it acts on; 0: it decides in the log only
    margin  points of quality that it may be worse by and still be promoted
    """

    name: str
    algorithm: Algorithm = Algorithm()
    objective: Objective | None = None
    floor: float | None = None
    share: float = 0.0
    margin: float = 0.02


class PolicyConfig(Config, frozen=True):
    """Everything that can be set about a policy. An arm's index is its slot, for ever.

    `feedback_horizon`, in seconds, is how old a decision may be when feedback on it comes.
    """

    name: str
    arms: tuple[Arm, ...]
    algorithm: Algorithm = Algorithm()
    features: Features = Features(text=TextFeatures())
    objective: Objective = Objective()
    mode: Mode = Mode.ACT
    default_arm: str = ""
    forgetting: Forgetting | None = None
    floor: float = 0.01
    sticky_sessions: bool = True
    quality_sources: tuple[Source, ...] = tuple(Source)
    preference_learning: PreferenceLearning = PreferenceLearning.IGNORE
    warm_start: WarmStart | None = None
    feedback_horizon: float = 30 * 86_400.0
    when_unlogged: WhenUnlogged = WhenUnlogged.REJECT
    override_limits: OverrideLimits | None = None
    budgets: tuple[Budget, ...] = ()
    challengers: tuple[Challenger, ...] = ()
