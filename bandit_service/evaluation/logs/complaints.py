"""What can be wrong with a logged row. Each check says which rows it refuses, and why."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from bandit_service.evaluation.logs.log import MEASURES, Array, Mask, Slots
from bandit_service.evaluation.logs.rows import Batch, Duels

SUM_TOLERANCE = 1e-6  # chances written with seven digits still sum to 1
LARGEST_NUMBER = 1e300

# A reason, as it is counted; the rows (n,) that it refuses; and what to say of one of them.
Complaint = tuple[str, Mask, Callable[[int], str]]


class Found(NamedTuple):
    """n rows, with their chances (n, K), eligibility (n, K) and chosen slots (n,) by the log's
    arms. `chances` is None where the log tells only the chosen arm's."""

    batch: Batch
    chances: Array | None
    eligible: Mask
    chosen: Slots
    propensities: Array


class Agreed(NamedTuple):
    """What the whole log has to agree on: its first row's."""

    feature_version: str | None
    dim: int | None
    known: bool | None  # whether rows tell any propensity


def complaints(found: Found, agreed: Agreed) -> Iterator[Complaint]:
    yield from _of_features(found.batch, agreed)
    if found.chances is not None:
        yield from _of_probabilities(found, found.chances)
    yield from _of_propensities(found.propensities, agreed)
    yield from _of_outcomes(found.batch)
    if found.batch.duels is not None:
        yield from _of_duels(found.batch.arms, found.batch.duels)


def _of_features(batch: Batch, agreed: Agreed) -> Iterator[Complaint]:
    versions, lengths = batch.feature_versions, batch.lengths
    reason = "of another feature schema"
    other = [version != agreed.feature_version for version in versions]
    yield (
        reason,
        np.array(other, dtype=np.bool_),
        lambda row: (
            f"features are of {versions[row]!r}, the log began with {agreed.feature_version!r}"
        ),
    )
    yield (
        reason,
        lengths != agreed.dim,
        lambda row: f"context has {lengths[row]} numbers, the log began with {agreed.dim}",
    )
    odd = _any(~np.isfinite(batch.contexts[:, : agreed.dim or 0]))
    yield "with a bad context", odd, lambda row: "context holds a number that is not finite"


def _of_probabilities(found: Found, chances: Array) -> Iterator[Complaint]:
    rows = np.arange(len(found.batch))
    lacking = ~_any(found.eligible)
    yield (
        "without probabilities",
        lacking,
        lambda row: "has no probabilities, the log began with some",
    )
    absent = ~found.eligible[rows, found.chosen] & ~lacking
    yield (
        "with an unknown arm",
        absent,
        lambda row: f"arm {found.batch.arms[row]!r} is not among its own probabilities",
    )
    reason, sums = "with a bad probability", chances.sum(axis=1)
    yield (
        reason,
        _any((chances < 0.0) | (chances > 1.0)),
        lambda row: "a probability is outside [0, 1], or not a number",
    )
    yield (
        reason,
        np.abs(sums - 1.0) > SUM_TOLERANCE,
        lambda row: f"probabilities sum to {sums[row]:.9g}, expected 1",
    )
    drawn = chances[rows, found.chosen]
    yield (
        "with a bad propensity",
        (np.abs(drawn - found.propensities) > SUM_TOLERANCE) & ~absent,
        lambda row: (
            f"propensity is {found.propensities[row]:.9g}, its probabilities say {drawn[row]:.9g}"
        ),
    )


def _of_propensities(propensities: Array, agreed: Agreed) -> Iterator[Complaint]:
    unknown = np.isnan(propensities)
    if not agreed.known:
        reason = "has a propensity, the log began without"
        yield "with a propensity", ~unknown, lambda row: reason
        return
    lacking = "has no propensity, the log began with some"
    yield "without a propensity", unknown, lambda row: lacking
    yield (
        "with a bad propensity",
        ~unknown & ~((propensities > 0.0) & (propensities <= 1.0)),
        lambda row: f"propensity is {propensities[row]:.9g}, expected above 0 and at most 1",
    )


def _of_outcomes(batch: Batch) -> Iterator[Complaint]:
    for name in MEASURES:
        values = batch.outcomes[name]
        most = 1.0 if name == "quality" else LARGEST_NUMBER
        wanted = "in [0, 1]" if name == "quality" else "a finite number of at least 0"
        outside = ~np.isnan(values) & ~((values >= 0.0) & (values <= most))
        yield f"with a bad {name}", outside, _telling(name, values, wanted)


def _of_duels(arms: Sequence[str], duels: Duels) -> Iterator[Complaint]:
    names, chances = duels.second_arms, duels.propensities
    is_duel = np.array([bool(name) for name in names], dtype=np.bool_)
    alike = np.array([one == other for one, other in zip(arms, names, strict=True)], dtype=np.bool_)
    yield "with a bad duel", alike, lambda row: f"arm {arms[row]!r} meets itself"
    yield (
        "with a bad duel",
        is_duel & ~((chances > 0.0) & (chances <= 1.0)),
        lambda row: f"pair_propensity is {chances[row]:.9g}, expected above 0 and at most 1",
    )
    said = duels.preferences
    outside = ~np.isnan(said) & ~((said >= 0.0) & (said <= 1.0))
    yield "with a bad duel", outside, _telling("preference", said, "in [0, 1]")


def _telling(name: str, values: Array, wanted: str) -> Callable[[int], str]:
    return lambda row: f"{name} is {values[row]:.9g}, expected {wanted}"


def _any(matrix: Mask) -> Mask:
    """(n,) of (n, m)."""
    found: Mask = np.logical_or.reduce(matrix, axis=1)
    return found
