"""The tables of a replay's report, as text."""

from collections.abc import Iterator

from bandit_service.evaluation.offpolicy.results import Candidate, Comparison, Estimate, Interval
from bandit_service.evaluation.tables import Table

NAMES = {
    "quality": ("quality", 1.0),
    "cost_usd": ("cost (USD per 1,000 queries)", 1000.0),
    "latency_seconds": ("latency (seconds)", 1.0),
    "energy_joules": ("energy (joules)", 1.0),
}


def _between(interval: Interval | None, scale: float = 1.0) -> str:
    if interval is None:
        return ""
    if interval.low > interval.high:  # from two one-sided bounds, of which one must have failed
        return "nothing: its bounds cross"
    return f"{scale * interval.low:.4g} to {scale * interval.high:.4g}"


def measures(result: Comparison) -> Iterator[Table]:
    for own in result.incumbent:
        name, scale = NAMES[own.measure]
        rows = [
            ("as logged", (f"{scale * own.value:.5g}", _between(own.intervals[0], scale), "", ""))
        ]
        for each in result.candidates:
            for difference in each.differences:
                if difference.measure == own.measure:
                    lead = _lead(each, own.measure, difference.estimator)
                    rows.append(
                        (
                            result.named(each, difference.estimator),
                            (
                                f"{scale * lead.value:.5g}",
                                _between(lead.intervals[0], scale),
                                f"{scale * difference.value:+.4g}",
                                _between(difference.intervals[0], scale),
                            ),
                        )
                    )
        headers = ("policy", name, "interval", "difference", "its interval")
        yield Table(f"{name}, over {own.rows:,} decisions", headers, tuple(rows))


def _lead(candidate: Candidate, measure: str, estimator: str) -> Estimate:
    return next(
        each
        for each in candidate.estimates
        if each.measure == measure and each.estimator == estimator
    )


def gates(result: Comparison) -> Table | None:
    rows: list[tuple[str, tuple[str, ...]]] = []
    for each in result.candidates:
        if each.gate is None:
            continue
        state = "open" if each.gate.passed else "closed"
        rows.append((each.label, (f"gate {state}", each.gate.problem, "")))
        rows += [
            (
                "",
                (
                    check.condition,
                    f"by {check.margin:+.4g}, surely by {check.bound:+.4g}",
                    "holds" if check.passed else "not sure",
                ),
            )
            for check in each.gate.checks
        ]
    if not rows:
        return None
    return Table("Conditions for promotion", ("policy", "condition", "margin", ""), tuple(rows))


def support(result: Comparison) -> Table:
    rows = [
        (
            each.label,
            (
                f"{each.support.effective_size:,.0f} of {each.support.rows:,}",
                f"{each.support.largest_weight:.3g}",
                f"{each.support.mean_weight:.3f}",
                f"{each.support.overlap:.1%}",
            ),
        )
        for each in result.candidates
    ]
    headers = ("policy", "effective size", "largest weight", "mean weight", "overlap")
    return Table("How far the log speaks for each policy", headers, tuple(rows))


def arms(result: Comparison) -> Table:
    rows = []
    for slot, arm in enumerate(result.arms):
        first = result.candidates[0].arms[slot]
        honesty = "unknown"
        if first.honesty is not None and first.honesty_error is not None:
            honesty = f"{first.honesty:.3f} ± {first.honesty_error:.3f}"
        least = "never drawn" if first.least_propensity is None else f"{first.least_propensity:.3g}"
        shares = [f"{each.arms[slot].candidate:.1%}" for each in result.candidates]
        rows.append((arm, (f"{first.logged:.1%}", least, honesty, *shares)))
    headers = ("arm", "logged", "least propensity", "mean of 1/p where drawn (1 if honest)")
    labels = tuple(each.label for each in result.candidates)
    return Table("How often each arm is chosen", (*headers, *labels), tuple(rows))


def estimators(candidate: Candidate) -> Table:
    rows = []
    for each in candidate.estimates:
        name, scale = NAMES[each.measure]
        shown = "; ".join(f"{_between(one, scale)} ({one.method})" for one in each.intervals)
        parameter = "" if each.parameter is None else f"{each.parameter:.4g}"
        cells = (each.estimator, f"{scale * each.value:.5g}", parameter, f"{each.rows:,}", shown)
        rows.append((name, cells))
    headers = ("of", "estimator", "value", "clip or shrinkage", "decisions", "intervals")
    return Table(candidate.label, headers, tuple(rows))


def segments(candidate: Candidate) -> Table:
    rows = [
        (
            each.segment or "(none)",
            (
                f"{each.rows:,}",
                f"{each.effective_size:,.0f}",
                each.problem or f"{each.value:.4f}",
                _between(each.interval),
                "" if each.incumbent is None else f"{each.incumbent:.4f}",
            ),
        )
        for each in candidate.segments
    ]
    headers = ("segment", "decisions", "effective size", "quality (dr)", "interval", "as logged")
    return Table(candidate.label, headers, tuple(rows))


def live(result: Comparison) -> Table | None:
    rows = []
    for each in result.live:
        shown = "; ".join(
            f"{NAMES[one.measure][0]} {NAMES[one.measure][1] * one.value:.4g} "
            f"({_between(one.intervals[0], NAMES[one.measure][1])})"
            for one in each.estimates
        )
        accepted = f"{each.accepted:,} of {each.decisions:,}"
        rows.append((each.label, (accepted, f"{each.clipped:.1%}", shown or each.problem)))
    if not rows:
        return None
    headers = ("policy", "accepted", "clipped", "what it met")
    return Table(
        "Run over the log by rejection, taught only by what it accepted", headers, tuple(rows)
    )
