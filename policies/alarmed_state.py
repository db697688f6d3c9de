"""Regressions with a change alarm an arm: what came before an alarm counts little.

A two-sided CUSUM (Page 1954) on what a quality differs from its prediction, in standard deviations
of that difference:

    z = (quality - x' theta) / sqrt(sigma^2 (1 + x' A^-1 x))     cut to [-MOST, MOST]
    up <- max(0, up + z - drift)    down <- max(0, down - z - drift)    alarm where either > limit

At an alarm the arm's sums shrink to a share of themselves. They stay sums over the data: an
observation has this share once for every alarm that its clock is not beyond, so that late feedback
and revisions count as if they had been there at the alarm. What moved the CUSUM stays moved.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import sqrt
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrs

from policies.aging import faded
from policies.cholesky import factor_of
from policies.linear_state import LinearState, Prior
from policies.linear_sums import LinearSums
from policies.policy import Array, CopiedSums

MOST = 3.0  # standard deviations: else rare failures alone would alarm, for thumbs are skewed


@dataclass(frozen=True)
class AlarmPrior(Prior):
    """A `Prior`, and when there is an alarm and what it leaves; see `AlarmedLinUCB`."""

    drift: float = 0.25
    limit: float = 24.0
    kept: float = 0.1
    noise: float = 0.5
    noise_count: float = 4.0
    least: float = 30.0

    @classmethod
    def of(cls, prior: Prior, **more: Any) -> Self:
        return cls(**{entry.name: getattr(prior, entry.name) for entry in fields(prior)}, **more)


class AlarmedState(LinearState):
    """A `LinearState`, with

    cusum   (K, 2)  up and down
    since   (K,)    weight seen beyond the arm's last alarm
    alarms  (m, 2)  arm and clock of each alarm, in the order in which they came
    """

    __slots__ = ("alarms", "cusum", "since")

    prior: AlarmPrior

    def __init__(
        self,
        prior: AlarmPrior,
        sums: list[Array],
        clocks: Array,
        observations: Array,
        cusum: Array | None = None,
        since: Array | None = None,
        alarms: Array | None = None,
    ) -> None:
        arms = len(sums)
        self.cusum = np.zeros((arms, 2)) if cusum is None else cusum
        self.since = np.zeros(arms) if since is None else since
        self.alarms = np.zeros((0, 2)) if alarms is None else alarms
        super().__init__(prior, sums, clocks, observations)

    @classmethod
    def restored(cls, prior: Any, canonical: Mapping[str, NDArray[Any]]) -> Self:
        base = LinearSums.restored(prior, canonical)
        own = [np.array(canonical[name], dtype=np.float64) for name in ("cusum", "since", "alarms")]
        wanted = ((base.arms, 2), (base.arms,), (len(own[2]), 2))
        for array, shape in zip(own, wanted, strict=True):
            if array.shape != shape:
                raise ValueError(f"alarms' arrays must have shape {shape}, got {array.shape}")
        return cls(prior, base.sums, base.clocks, base.observations, *own)

    def add_arm(self) -> None:
        self.cusum = np.concatenate((self.cusum, np.zeros((1, 2))))
        self.since = np.append(self.since, 0.0)
        super().add_arm()

    def drop_arm(self, arm: int) -> None:
        self.cusum[arm] = self.since[arm] = 0.0
        self.alarms = self.alarms[self.alarms[:, 0] != arm]
        super().drop_arm(arm)

    def copy(self) -> Self:
        return type(self).restored(self.prior, self.canonical())

    def snapshot(self) -> CopiedSums:  # type: ignore[override]  # it has more to hold
        return CopiedSums.of(self)

    def canonical(self) -> Mapping[str, NDArray[Any]]:
        views = dict(super().canonical())
        for name in ("cusum", "since", "alarms"):
            views[name] = getattr(self, name).view()
            views[name].flags.writeable = False
        return views

    def learn(self, arm: int, x: Array, quality: float, weight: float, clock: float) -> None:
        """One more observation, and perhaps an alarm."""
        share = self._share(arm, clock)
        surprise = self._surprise(arm, x, quality, clock)
        super().learn(arm, x, quality, weight * share, clock)
        self.observations[arm] += weight * (1.0 - share)
        if share == 1.0:
            self.since[arm] += weight
        if surprise is not None and weight > 0.0:
            self._watch(arm, surprise)

    def revise(
        self, arm: int, x: Array, old: float, new: float | None, weight: float, clock: float
    ) -> None:
        if self.observations[arm] < weight * (1.0 - 1e-9):
            raise ValueError(f"arm {arm} has seen less weight than is to be revised")
        share = self._share(arm, clock)
        super().revise(arm, x, old, new, weight * share, clock)
        if new is None:
            left = float(self.observations[arm]) - weight * (1.0 - share)
            self.observations[arm] = max(left, 0.0)
            if share == 1.0:
                self.since[arm] = max(float(self.since[arm]) - weight, 0.0)

    def alarmed(self) -> NDArray[np.bool_]:
        """Which arms have ever changed, (K,)."""
        found = np.zeros(self.arms, dtype=bool)
        found[self.alarms[:, 0].astype(np.intp)] = True
        return found

    def _share(self, arm: int, clock: float) -> float:
        """What an observation of `clock` counts for after the alarms that there were."""
        if not len(self.alarms):
            return 1.0
        later = (self.alarms[:, 0] == arm) & (self.alarms[:, 1] >= clock)
        return float(self.prior.kept ** np.count_nonzero(later))

    def _surprise(self, arm: int, x: Array, quality: float, clock: float) -> float | None:
        """z above; None where too little is known. From the sums alone, so that it does not matter
        who has read the caches."""
        prior, d = self.prior, self.prior.dim
        fade = faded(clock - float(self.clocks[arm]), prior.half_life)
        sums = self.sums[arm]
        evidence = fade * float(sums[-1, -1])
        if evidence < prior.least:
            return None
        precision, mean = prior.precision(arm), prior.mean(arm)
        matrix = fade * sums[:d, :d]
        matrix[np.arange(d), np.arange(d)] += precision
        response = precision * mean + fade * sums[d, :d]
        solved, _ = dpotrs(factor_of(matrix, precision), np.stack((response, x), axis=1), lower=1)
        theta, spread = solved[:, 0], float(x @ solved[:, 1])
        error = fade * float(sums[d, d]) + float(precision @ (mean * mean) - theta @ response)
        believed = prior.noise_count * prior.noise**2
        variance = (believed + max(error, 0.0)) / (prior.noise_count + evidence)
        z = (quality - float(theta @ x)) / sqrt(variance * (1.0 + max(spread, 0.0)))
        return min(max(z, -MOST), MOST)

    def _watch(self, arm: int, z: float) -> None:
        moved = np.maximum(self.cusum[arm] + (z, -z) - self.prior.drift, 0.0)
        self.cusum[arm] = moved
        if moved.max() <= self.prior.limit:
            return
        self.alarms = np.concatenate((self.alarms, [[float(arm), float(self.clocks[arm])]]))
        sums = self._own(arm)
        sums *= self.prior.kept
        self.cusum[arm] = self.since[arm] = 0.0
        self._forget_caches_of(arm)
