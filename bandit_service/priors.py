"""A policy's warm start, checked and laid out by slots. Pure."""

import policies
from bandit_service.errors import InvalidField
from bandit_service.model import PolicyConfig

MOST_ROWS = 512  # of a projection


def of_slots(config: PolicyConfig) -> policies.Priors | None:
    """What is known of each slot beforehand; None if that is nothing."""
    said = config.warm_start
    if said is None:
        return None
    known = {
        name: policies.ArmPrior(
            arm.weights, arm.level, said.n_eff if arm.n_eff is None else arm.n_eff, arm.ridge
        )
        for name, arm in said.arms.items()
    }
    arms = tuple(known.get(arm.name) for arm in config.arms)
    return policies.Priors(arms, said.spread, said.projection)


def projection(config: PolicyConfig) -> tuple[tuple[float, ...], ...]:
    """The space that a policy learns in: what was learned in one means nothing in another."""
    return config.warm_start.projection if config.warm_start is not None else ()


def check(config: PolicyConfig) -> None:
    """Raises InvalidField for what can be told without knowing the algorithm."""
    warm = config.warm_start
    if warm is None:
        return
    arms = {arm.name for arm in config.arms}
    for name in warm.arms:
        if name not in arms:
            raise InvalidField(
                f"warm_start.arms.{name}",
                f"is no arm of this policy; there are {', '.join(sorted(arms))}",
            )
    if len(warm.projection) > MOST_ROWS:
        raise InvalidField("warm_start.projection", f"at most {MOST_ROWS} rows")
    counts = {"warm_start.n_eff": warm.n_eff}
    counts |= {f"warm_start.arms.{n}.n_eff": a.n_eff for n, a in warm.arms.items() if a.n_eff}
    for field, n_eff in counts.items():
        if not 0.0 <= n_eff <= policies.MOST_COUNTED:
            raise InvalidField(field, f"must be from 0 to {policies.MOST_COUNTED:g}, not {n_eff:g}")
