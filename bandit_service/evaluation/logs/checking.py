"""The checks of logged rows. Nothing is repaired and nothing is guessed: a row is good or it is
refused, with its line and the reason."""

from dataclasses import dataclass, field

import numpy as np

from bandit_service.evaluation.logs.asides import arrays
from bandit_service.evaluation.logs.complaints import Agreed, Found, complaints
from bandit_service.evaluation.logs.log import Array, Log, Mask, Slots
from bandit_service.evaluation.logs.refusing import Refused
from bandit_service.evaluation.logs.rows import Batch


@dataclass(slots=True)
class Checker:
    """Turns batches into blocks of a log, in order. Remembers what the whole log has to agree on.

    policy        the only policy whose rows are taken; "" takes the first row's
    excluded      decisions left out because nothing was drawn, by flag
    """

    source: str
    policy: str = ""
    feature_version: str | None = None
    dim: int | None = None
    arms: tuple[str, ...] = ()
    full: bool | None = None  # whether rows tell the chance of every arm
    known: bool | None = None  # whether rows tell any chance at all
    other_policies: int = 0
    excluded: dict[str, int] = field(default_factory=dict)
    refused: Refused = field(init=False)
    _named: bool = field(init=False)

    def __post_init__(self) -> None:
        self.refused = Refused(self.source)
        self._named = bool(self.policy)

    def block(self, batch: Batch) -> Log:
        """The good rows of a batch, which may be none."""
        for line, said in batch.broken:
            self.refused.add(line, "that could not be read", said)
        good = self._of_the_policy(batch)
        self._settle(batch, good)
        chances, eligible, chosen = self._chances(batch)
        rows = range(len(batch))
        propensities = batch.propensities.copy()
        if chances is not None:
            drawn = chances[rows, chosen]
            propensities = np.where(np.isnan(propensities), drawn, propensities)
        left_out = self._left_out(batch, propensities)
        found = Found(batch, chances, eligible, chosen, propensities)
        agreed = Agreed(self.feature_version, self.dim, self.known)
        for reason, bad, detail in complaints(found, agreed):
            hit = np.flatnonzero(bad & good & ~left_out)
            for row in hit.tolist():
                self.refused.add(batch.lines[row], reason, detail(row))
            good &= ~bad
        self._count(batch, good & left_out)
        return Log(
            self.arms,
            batch.contexts[:, : self.dim or 0],
            chosen,
            propensities,
            chances,
            eligible,
            batch.outcomes,
            batch.times,
            batch.clusters,
            batch.segments,
            batch.tokens,
            *self._duels(batch),
            batch.revisions,
            arrays(batch.asides, self.arms),
        ).rows(good & ~left_out)

    def _of_the_policy(self, batch: Batch) -> Mask:
        if not self.policy:
            self.policy = next(iter(batch.policies), "")
        mine = np.array([name == self.policy for name in batch.policies], dtype=np.bool_)
        if self._named:
            self.other_policies += int((~mine).sum())
        else:
            for row in np.flatnonzero(~mine).tolist():
                detail = (
                    f"is of policy {batch.policies[row]!r}, the log began with {self.policy!r}; "
                    "name one with --log-policy"
                )
                self.refused.add(batch.lines[row], "of another policy", detail)
        return mine

    def _settle(self, batch: Batch, good: Mask) -> None:
        """What the first rows have, all of them must have."""
        first = np.flatnonzero(good)
        if not len(first):
            return
        row = int(first[0])
        if self.dim is None:
            self.dim = int(batch.lengths[row])
            self.feature_version = batch.feature_versions[row]
            self.full = batch.probabilities is not None and not bool(
                np.isnan(batch.probabilities[row]).all()
            )
            self.known = self.full or not bool(np.isnan(batch.propensities[row]))
        fresh = dict.fromkeys((*self.arms, *(batch.names if self.full else ())))
        fresh |= dict.fromkeys(name for name, ok in zip(batch.arms, good, strict=True) if ok)
        seconds = () if batch.duels is None else batch.duels.second_arms
        fresh |= dict.fromkeys(name for name, ok in zip(seconds, good, strict=False) if ok and name)
        self.arms = tuple(fresh)

    def _chances(self, batch: Batch) -> tuple[Array | None, Mask, np.ndarray]:
        """Chances (n, K) and eligibility (n, K) by the log's arms, and the chosen slots (n,)."""
        count, places = len(batch), {name: at for at, name in enumerate(self.arms)}
        chosen = np.array([places.get(name, 0) for name in batch.arms], dtype=np.intp)
        if not self.full:
            return None, np.ones((count, len(self.arms)), dtype=np.bool_), chosen
        chances = np.full((count, len(self.arms)), np.nan)
        if batch.probabilities is not None:
            for at, name in enumerate(batch.names):
                if name in places:
                    chances[:, places[name]] = batch.probabilities[:, at]
        return np.nan_to_num(chances, nan=0.0, posinf=2.0, neginf=-1.0), ~np.isnan(chances), chosen

    def _duels(self, batch: Batch) -> tuple[Slots, Array, Array]:
        """Of each row, (n,): the second arm's slot, the pair's chance, and the preference."""
        duels, count = batch.duels, len(batch)
        if duels is None:
            unknown = np.full(count, np.nan)
            return np.full(count, -1, dtype=np.intp), unknown, unknown
        places = {name: at for at, name in enumerate(self.arms)}
        slots = [places.get(name, -1) if name else -1 for name in duels.second_arms]
        return np.array(slots, dtype=np.intp), duels.propensities, duels.preferences

    def _left_out(self, batch: Batch, propensities: Array) -> Mask:
        """Decisions that nothing was drawn for: they have probability 1 and no alternative."""
        flags = batch.flags
        certain = propensities >= 1.0
        left: Mask = (
            flags["forced"] | flags["sticky"] | flags["observed"] | (flags["degraded"] & certain)
        )
        return left

    def _count(self, batch: Batch, left_out: Mask) -> None:
        for flag in ("sticky", "observed", "forced", "degraded"):
            hit = left_out & batch.flags[flag]
            if hit.any():
                self.excluded[flag] = self.excluded.get(flag, 0) + int(hit.sum())
            left_out = left_out & ~hit
