"""Numbers of runs that were paired by seed: means, their errors, and ratios of means."""

from collections.abc import Mapping

from policies.policy import Array


def error(values: Array) -> float:
    """Standard error of the mean; infinite for one run."""
    return float(values.std(ddof=1) / len(values) ** 0.5) if len(values) > 1 else float("inf")


def ratio(values: Array, others: Array) -> tuple[float, float]:
    """Ratio of the means and its standard error, by the delta method on the pairs.

    >>> ratio(np.array([1.0, 2.0]), np.array([2.0, 4.0]))
    (0.5, 0.0)
    """
    share = float(values.mean() / others.mean())
    return share, error((values - share * others) / others.mean())


def table(found: Mapping[str, Array], against: str, digits: int = 1) -> str:
    """Markdown: each row's mean, and its ratio to the row `against`. found: name -> (seeds,)."""
    lines = [f"| | mean | of {against} |", "|---|---|---|"]
    for name, values in found.items():
        share, spread = ratio(values, found[against])
        mean = f"{values.mean():.{digits}f} ± {error(values):.{digits}f}"
        lines.append(f"| {name} | {mean} | {share:.3f} ± {spread:.3f} |")
    return "\n".join(lines)
