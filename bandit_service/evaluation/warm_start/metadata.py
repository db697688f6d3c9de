"""A learner over what is known about arms: price, size, family and tags give an unseen arm its
prior.

A ridge regression of the known arms' priors (level and weights at once) on their metadata, with the
penalty that predicts each arm best from the others. How much it is to be trusted is measured the
same way: the mean squared error of the level on an arm that was left out is the prior's variance,
and a prior of variance v counts for noise^2 / v requests.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log

import numpy as np
from msgspec.structs import replace

from bandit_service.errors import InvalidField
from bandit_service.evaluation.offline_router import Ridge
from bandit_service.evaluation.table import Array
from bandit_service.model import Arm, ArmWarmStart, WarmStart

FEWEST = 3  # arms to learn from
NOISE = 0.4  # deviation of a quality around its mean
PENALTIES = np.logspace(-2, 3, 11)
_SIZE = re.compile(r"size:([0-9.]+)b?")


@dataclass(frozen=True, slots=True)
class Metadata:
    """What is known of an arm without having asked it anything.

    usd     list price of a million tokens in and a million out; None: unknown
    size    billions of weights; None: unknown
    family  such as "llama"; "": unknown
    tags    whatever else was said
    """

    usd: float | None = None
    size: float | None = None
    family: str = ""
    tags: frozenset[str] = frozenset()


def metadata_of(arm: Arm) -> Metadata:
    """From list prices and tags: `family:llama` and `size:70b` say what they say, others are
    kept."""
    prices = (arm.input_usd_per_million_tokens, arm.output_usd_per_million_tokens)
    sizes = [float(found[1]) for tag in arm.tags if (found := _SIZE.fullmatch(tag))]
    families = [tag.removeprefix("family:") for tag in arm.tags if tag.startswith("family:")]
    return Metadata(
        usd=None if None in prices else sum(price or 0.0 for price in prices),
        size=sizes[0] if sizes else None,
        family=families[0] if families else "",
        tags=frozenset(
            tag for tag in arm.tags if not _SIZE.fullmatch(tag) and not tag.startswith("family:")
        ),
    )


def from_metadata(
    warm: WarmStart,
    known: Mapping[str, Metadata],
    unseen: Mapping[str, Metadata],
    *,
    most: float = 50.0,
) -> WarmStart:
    """`warm` with a prior for each unseen arm, of at most `most` requests. Raises InvalidField
    where fewer than three arms with a level have metadata."""
    names = [n for n in warm.arms if n in known and warm.arms[n].level is not None]
    if len(names) < FEWEST:
        raise InvalidField(
            "warm_start.arms", f"needs {FEWEST} arms with a level to learn from, got {len(names)}"
        )
    rows = _rows([known[name] for name in names], list(unseen.values()))
    targets = _targets([warm.arms[name] for name in names])
    ridge = Ridge.of(rows[: len(names)], targets)
    errors = [_error(ridge, targets, float(penalty)) for penalty in PENALTIES]
    best = int(np.argmin(errors))
    predicted = ridge.predict(rows[len(names) :], float(PENALTIES[best]))
    counted = min(most, NOISE**2 / max(errors[best], 1e-9))
    arms = {
        name: ArmWarmStart(
            weights=tuple(row[1:].tolist()) or None, level=float(row[0]), n_eff=counted
        )
        for name, row in zip(unseen, predicted, strict=True)
    }
    return replace(warm, arms={**warm.arms, **arms})


def _error(ridge: Ridge, targets: Array, penalty: float) -> float:
    """Mean squared error of the level on an arm that was left out; infinite where there is none."""
    missed = (ridge.left_out(penalty) - targets)[:, 0] ** 2
    return float(np.mean(missed)) if np.isfinite(missed).all() else float("inf")


def _targets(arms: Sequence[ArmWarmStart]) -> Array:
    """Level, then weights, a row an arm; of the arms' weights only what all of them have."""
    if any(arm.weights is None for arm in arms):
        return np.array([[arm.level] for arm in arms], dtype=np.float64)
    return np.array([[arm.level, *(arm.weights or ())] for arm in arms], dtype=np.float64)


def _rows(known: Sequence[Metadata], unseen: Sequence[Metadata]) -> Array:
    """Metadata as numbers, (n, p), the known arms first: standard scores of log price and log size,
    and one column for each family and tag that a known arm has."""
    every = [*known, *unseen]
    families = sorted({one.family for one in known if one.family})
    tags = sorted({tag for one in known for tag in one.tags})
    columns = [
        _scores([one.usd for one in every], len(known)),
        _scores([one.size for one in every], len(known)),
        *([float(one.family == family) for one in every] for family in families),
        *([float(tag in one.tags) for one in every] for tag in tags),
    ]
    return np.array(columns, dtype=np.float64).T


def _scores(values: Sequence[float | None], known: int) -> list[float]:
    """Standard scores of the logs among the known arms; what is not known is as the mean."""
    logs = [log(value) if value else None for value in values]
    told = [one for one in logs[:known] if one is not None]
    spread = float(np.std(told)) if told else 0.0
    if spread < 1e-9:
        return [0.0] * len(logs)
    middle = float(np.mean(told))
    return [0.0 if one is None else (one - middle) / spread for one in logs]
