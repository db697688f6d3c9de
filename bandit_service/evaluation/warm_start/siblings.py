"""A warm start for a new arm from arms that are like it, such as another version of the model."""

from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace

from bandit_service.errors import InvalidField
from bandit_service.evaluation.table import Array
from bandit_service.model import ArmWarmStart, WarmStart

FEW = 10.0  # live requests; algorithms that were tried counted 5 to 20


def from_siblings(
    warm: WarmStart, siblings: Sequence[str], arm: str, *, n_eff: float = FEW
) -> WarmStart:
    """`warm` with the mean of the siblings' priors for `arm`, at n_eff. Raises InvalidField where a
    sibling has none."""
    if not siblings:
        raise InvalidField("sibling", "give at least one")
    for name in siblings:
        if name not in warm.arms:
            raise InvalidField(
                "sibling", f"{name!r} has no prior; there are {', '.join(warm.arms) or 'none'}"
            )
    known = [warm.arms[name] for name in siblings]
    weights = [one.weights for one in known if one.weights is not None]
    levels = [one.level for one in known if one.level is not None]
    inherited = ArmWarmStart(
        weights=_mean(np.array(weights)) if weights else None,
        level=float(np.mean(levels)) if levels else None,
        n_eff=n_eff,
    )
    return replace(warm, arms={**warm.arms, arm: inherited})


def _mean(weights: Array) -> tuple[float, ...]:
    return tuple(weights.mean(axis=0).tolist())
