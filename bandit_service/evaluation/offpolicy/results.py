"""What a replay found, as it is written to JSON. None is unknown, or could not be told."""

import msgspec


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """`method` says what it rests on: bootstrap, bernstein, anytime, adaptive, woodruff,
    wilson."""

    method: str
    low: float
    high: float


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """One estimator's value of one measure, over `rows` decisions whose outcome is known.

    parameter   the clip or shrinkage that was chosen
    """

    measure: str
    estimator: str
    value: float
    rows: int
    parameter: float | None = None
    intervals: tuple[Interval, ...] = ()


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """The candidate minus the policy that logged, on the same rows."""

    measure: str
    estimator: str
    value: float
    intervals: tuple[Interval, ...] = ()


class Quantile(msgspec.Struct, frozen=True, kw_only=True):
    measure: str
    share: float
    value: float
    interval: Interval


class Support(msgspec.Struct, frozen=True, kw_only=True):
    """How much the log says about a candidate.

    rows            decisions of the log that were judged
    effective_size  as many decisions of the candidate's own would say as much
    mean_weight     1 on average where the log shows all that the candidate does
    overlap         share of the candidate's choices that could have been drawn
    certain         whether every arm's chance was logged, else overlap is by arms ever seen
    """

    rows: int
    effective_size: float
    largest_weight: float
    mean_weight: float
    overlap: float
    certain: bool


class ArmShare(msgspec.Struct, frozen=True, kw_only=True):
    """How often an arm was drawn, how often the candidate would choose it, and the mean of
    1{a = arm} / p, which is 1 within its standard error where propensities are honest."""

    arm: str
    logged: float
    candidate: float
    least_propensity: float | None
    honesty: float | None
    honesty_error: float | None


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate within one segment; `problem` where nothing can be said."""

    segment: str
    rows: int
    effective_size: float
    value: float | None = None
    interval: Interval | None = None
    incumbent: float | None = None
    problem: str = ""


class Histogram(msgspec.Struct, frozen=True, kw_only=True):
    """`counts` has one fewer than `edges`. Weights of 0 are counted apart."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    zeros: int


class Path(msgspec.Struct, frozen=True, kw_only=True):
    """Quality after each number of rows, with bounds that hold at all of them at once."""

    rows: tuple[int, ...]
    value: tuple[float, ...]
    incumbent: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


class Bin(msgspec.Struct, frozen=True, kw_only=True):
    """Rows for which the direct method expected about the same quality, and what came."""

    rows: int
    expected: float
    observed: float
    error: float


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One condition of a gate. It holds if even the `bound` of its margin does."""

    condition: str
    margin: float
    bound: float
    passed: bool


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """`passed` if every check did and `problem` is empty."""

    text: str
    passed: bool
    checks: tuple[Check, ...] = ()
    problem: str = ""


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """How it ran: fixed; frozen after the first decisions taught it; replayed by rejection."""

    label: str
    description: str
    ran: str
    support: Support
    estimates: tuple[Estimate, ...]
    differences: tuple[Difference, ...]
    quantiles: tuple[Quantile, ...] = ()
    arms: tuple[ArmShare, ...] = ()
    segments: tuple[Segment, ...] = ()
    weights: Histogram | None = None
    path: Path | None = None
    gate: Gate | None = None
    notes: tuple[str, ...] = ()


class Live(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate that learned while it was run over the log by rejection, and only from the
    `accepted` of `decisions` rows. `clipped` is the share of rows at which a propensity was too
    small to be made up for: what those would have said counts less than it should.
    """

    label: str
    decisions: int
    accepted: int
    clipped: float
    estimates: tuple[Estimate, ...] = ()
    problem: str = ""


class WinRate(msgspec.Struct, frozen=True, kw_only=True):
    """How often an arm is preferred to another over all queries, a tie counting half."""

    arm: str
    other: str
    rate: float
    interval: Interval
    duels: int
    effective_size: float


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Several candidates against the policy that logged, on the same decisions.

    digest      of the log's good rows: with `seed`, it makes every number again
    training    decisions at the beginning of the log that taught, and were not judged
    propensity  logged, estimated, or unknown
    loggers     judged decisions by who logged them, if weights are over the mixture of those
    """

    source: str
    digest: str
    policy: str
    decisions: int
    training: int
    judged: int
    arms: tuple[str, ...]
    first_time: float | None
    last_time: float | None
    propensity: str
    level: float
    seed: int
    resamples: int
    excluded: dict[str, int]
    refused: int
    known: dict[str, int]
    incumbent: tuple[Estimate, ...]
    incumbent_quantiles: tuple[Quantile, ...]
    candidates: tuple[Candidate, ...]
    live: tuple[Live, ...]
    duels: tuple[WinRate, ...]
    calibration: tuple[Bin, ...]
    notes: tuple[str, ...]
    loggers: dict[str, int] = {}

    def named(self, candidate: Candidate, estimator: str) -> str:
        """As tables call a candidate's estimate."""
        doubt = ", estimated propensities" if self.propensity == "estimated" else ""
        return f"{candidate.label} ({estimator}{doubt})"
