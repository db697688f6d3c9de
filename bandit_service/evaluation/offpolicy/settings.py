"""How candidates are judged."""

from dataclasses import dataclass

from bandit_service.errors import InvalidField
from bandit_service.evaluation.offpolicy.resampling import RESAMPLES

LEAST_EFFECTIVE_SIZE = 500.0
LOGGED, ESTIMATED, UNKNOWN = "logged", "estimated", "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to judge.

    training         share of the log, from its beginning, that teaches candidates which learn;
                     they are judged, frozen, on the rest. Without such candidates all is judged
    level            of intervals
    least_effective_size   below it no gate passes
    live             also run candidates that learn over the whole log by rejection, row by row
    robust           also estimate by MRDR, which takes a model a candidate
    propensities     logged, or estimated for a log that has none
    """

    training: float = 0.5
    level: float = 0.95
    resamples: int = RESAMPLES
    seed: int = 0
    gate: str = ""
    least_effective_size: float = LEAST_EFFECTIVE_SIZE
    live: bool = False
    robust: bool = False
    propensities: str = LOGGED

    def __post_init__(self) -> None:
        if not 0.0 < self.training < 1.0:
            raise InvalidField("training", f"must be between 0 and 1, not {self.training:g}")
        if not 0.5 <= self.level < 1.0:
            raise InvalidField("level", f"must be from 0.5 to below 1, not {self.level:g}")
        if self.propensities not in (LOGGED, ESTIMATED):
            raise InvalidField(
                "propensities", f"must be {LOGGED} or {ESTIMATED}, not {self.propensities!r}"
            )
        if self.resamples < 100:
            raise InvalidField("resamples", f"must be at least 100, not {self.resamples}")
