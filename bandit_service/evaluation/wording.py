"""Numbers and findings in words, for people: the report's, and whoever else prints a result."""

import math

from bandit_service.evaluation.results import Difference, Mean, PolicyResult, Result

NOT_COMPARED = "Too little is known of its cost to hold it against the static hull."
LEAD = "default"  # what a newcomer gets, so what a reader asks about first
NORMAL_DEVIATES_95 = 1.96
THIN = "\N{NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"


def percent(share: float) -> str:
    """With a decimal where a whole number would hide the difference from nothing, or from all.

    >>> percent(0.2391), percent(0.9962), percent(0.004)
    ('24\\xa0%', '99.6\\xa0%', '0.4\\xa0%')
    """
    value = 100 * share
    decimals = 1 if abs(value) < 10 or 98 <= value <= 102 else 0
    return _signed(f"{value:.{decimals}f}") + THIN + "%"


def estimate(mean: Mean | None, decimals: int, scale: float = 1.0) -> str | None:
    """A mean with its standard error; None is unknown.

    >>> estimate(Mean(0.84612, 0.00161), 4)
    '0.8461 ± 0.0016'
    """
    if mean is None:
        return None
    text = _signed(f"{scale * mean.mean:,.{decimals}f}")
    if mean.standard_error is None:
        return text
    return f"{text} ± {scale * mean.standard_error:,.{decimals}f}"


def decimals_for(value: float, digits: int = 3) -> int:
    """Decimals that show so many significant digits of a value, 8 at most.

    >>> decimals_for(0.0123), decimals_for(5.0), decimals_for(1234.0), decimals_for(0.0)
    (4, 2, 0, 2)
    """
    if value == 0 or not math.isfinite(value):
        return digits - 1
    return min(max(0, digits - 1 - math.floor(math.log10(abs(value)))), 8)


def _signed(text: str) -> str:
    return text.replace("-", MINUS)


def lead(result: Result) -> PolicyResult:
    """The policy that the headline speaks of."""
    for policy in result.policies:
        if policy.policy == LEAD:
            return policy
    return result.policies[0]


def headline(policy: PolicyResult) -> str:
    """Quality, and cost where it is known, as shares of the best single model's."""
    reached = (
        f"{policy.policy} reaches {percent(policy.whole.quality_of_best.mean)} "
        "of the best single model's quality"
    )
    if policy.whole.cost_usd is None:
        return f"{reached}; what it costs is not known."
    if policy.whole.cost_of_best is None:
        return f"{reached}; its cost as a share of that model's is not known."
    return f"{reached} at {percent(policy.whole.cost_of_best.mean)} of its cost."


def against_hull(result: Result, policy: PolicyResult) -> str:
    """Whether looking at the query was worth it; empty where there is no hull to compare with.

    The hull is of the models whose cost is known, and the sentence says so where that is not all.
    Nothing is compared where the policy's own cost is unknown.

    A difference within 1.96 standard errors is no difference; with one seed there is no error,
    and the sentence says so.
    """
    hull = result.hull_quality.get(policy.policy)
    if hull is None:
        unknown = bool(result.hull) and policy.whole.cost_usd is None
        return NOT_COMPARED if unknown else ""
    quality = policy.whole.quality
    numbers = f"({quality.mean:.4f} against {hull:.4f})"
    error = quality.standard_error
    doubt = " One seed only, so this may be luck." if error is None else ""
    if abs(quality.mean - hull) <= NORMAL_DEVIATES_95 * (error or 0.0):
        return f"No difference shown from the static hull at the same mean cost {numbers}.{doubt}"
    if quality.mean > hull:
        return (
            f"It is above the static hull {numbers}: no fixed mix of {_mixed(result)} does as well "
            f"at the same mean cost.{doubt}"
        )
    return (
        f"It is below the static hull {numbers}: a fixed mix of models, picked in hindsight, does "
        f"better at the same mean cost.{doubt}"
    )


def _mixed(result: Result) -> str:
    """Whom the hull is of."""
    if any(each.kind == "arm" and each.cost_usd is None for each in result.references):
        return "the models whose cost is known"
    return "models"


def reading(difference: Difference) -> str:
    """What the interval says, in plain words."""
    if difference.low is None or difference.high is None:
        return "no interval from one seed: nothing shown"
    if difference.low <= 0 <= difference.high:
        return "no difference shown"
    higher, lower = difference.first, difference.second
    if difference.high < 0:
        higher, lower = lower, higher
    return {
        "quality": f"{higher} is better",
        "cost_usd": f"{lower} is cheaper",
        "regret": f"{lower} loses less",
    }[difference.measure]
