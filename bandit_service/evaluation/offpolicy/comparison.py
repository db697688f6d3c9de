"""Candidates against the policy that logged: from a log to a `Comparison`."""

from collections.abc import Iterator, Mapping, Sequence

from bandit_service.errors import InvalidField
from bandit_service.evaluation.logs.traffic import Traffic
from bandit_service.evaluation.offpolicy import describing, duels, gates
from bandit_service.evaluation.offpolicy.gathering import gather
from bandit_service.evaluation.offpolicy.judging import Judge
from bandit_service.evaluation.offpolicy.loggers import Loggers
from bandit_service.evaluation.offpolicy.propensity import PropensityModel
from bandit_service.evaluation.offpolicy.replaying import lived
from bandit_service.evaluation.offpolicy.results import Comparison, Live
from bandit_service.evaluation.offpolicy.settings import (
    ESTIMATED,
    LOGGED,
    UNKNOWN,
    Settings,
)
from bandit_service.evaluation.offpolicy.targets import Target

MOST_ROWS, LEAST_ROWS, BLOCKS = 50_000, 20, 20


def compare(
    traffic: Traffic,
    targets: Sequence[Target],
    settings: Settings,
    loggers: Mapping[int, Target] | None = None,
) -> Comparison:
    """What each of them would have earned on the judged part of the log.

    With `loggers`, who drew the decisions of each revision, weights are over their mixture.
    Raises NoOverlap for a candidate of which the log says nothing, InvalidField for one that could
    not have served it, BadGate.
    """
    propensity = _propensity(traffic, settings)
    conditions = gates.parsed(settings.gate) if settings.gate else ()
    if conditions and propensity != LOGGED:
        raise gates.BadGate(
            "gate",
            "the log has no propensities, so nothing can be promised, by estimated ones neither",
        )
    training, rows = split(traffic, targets, settings)
    judged = len(traffic) - training
    model = None
    if propensity == ESTIMATED:
        model = PropensityModel(len(traffic.arms), traffic.dim, settings.seed)
    several = Loggers(loggers, traffic, training, rows) if loggers else None
    gathering = gather(
        traffic,
        targets,
        training=training,
        rows=rows,
        robust=settings.robust,
        propensities=model,
        loggers=several,
    )
    judge = Judge(gathering.shared, traffic, settings, conditions, several is not None)
    return Comparison(
        source=traffic.source,
        digest=traffic.digest,
        policy=traffic.policy,
        decisions=len(traffic),
        training=training,
        judged=judged,
        arms=traffic.arms,
        first_time=describing.known(traffic.first),
        last_time=describing.known(traffic.last),
        propensity=propensity,
        level=settings.level,
        seed=settings.seed,
        resamples=settings.resamples,
        excluded=traffic.excluded
        | ({"before a checkpoint": traffic.early} if traffic.early else {}),
        refused=traffic.refused,
        known=traffic.known_outcomes,
        incumbent=judge.incumbent(),
        incumbent_quantiles=judge.incumbent_quantiles(),
        candidates=tuple(map(judge.candidate, gathering.each)),
        live=tuple(_live(traffic, targets, settings)) if settings.live else (),
        duels=tuple(duels.told(gathering.duels.rates(), traffic.arms, settings.level)),
        calibration=describing.calibration(gathering.shared),
        loggers={} if several is None else several.told(),
        notes=(
            *(() if several is None else (several.note(),)),
            *describing.notes(traffic, gathering.shared, training),
        ),
    )


def split(traffic: Traffic, targets: Sequence[Target], settings: Settings) -> tuple[int, int]:
    """How many decisions teach, the others being judged, and how many are taken at a time.

    Raises InvalidField where too few are left to judge.
    """
    training = int(settings.training * len(traffic)) if any(t.learns for t in targets) else 0
    judged = len(traffic) - training
    if judged < LEAST_ROWS:
        raise InvalidField(
            "log", f"{judged} decisions are left to judge, at least {LEAST_ROWS} are needed"
        )
    rows = min(MOST_ROWS, max(LEAST_ROWS, judged // BLOCKS))
    if settings.propensities == ESTIMATED:
        training = training or rows  # somebody has to see the first draws
    return training, rows


def _propensity(traffic: Traffic, settings: Settings) -> str:
    """Where they come from. Raises InvalidField."""
    if settings.live and not traffic.knows_propensities:
        raise InvalidField("live", "needs propensities, and the log has none")
    if traffic.knows_propensities:
        if settings.propensities == ESTIMATED:
            raise InvalidField("propensities", "the log has its own; estimated ones are worse")
        return LOGGED
    return ESTIMATED if settings.propensities == ESTIMATED else UNKNOWN


def _live(traffic: Traffic, targets: Sequence[Target], settings: Settings) -> Iterator[Live]:
    log = traffic.whole()
    for target in targets:
        if target.learns:
            yield lived(target.fresh(), log, settings)
