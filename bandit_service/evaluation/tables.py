"""The tables of a report: what stands in each cell, as text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bandit_service.evaluation import wording
from bandit_service.evaluation.results import (
    BudgetResult,
    Difference,
    Mean,
    Measures,
    Reference,
    Result,
)
from bandit_service.evaluation.wording import estimate, percent

MOST_CELLS = 16  # arms of a confusion that is also written as a table
UNKNOWN = "unknown"
COST_HEADER = "cost (USD per 1,000 queries)"
MEASURE_NAMES = {"quality": "quality", "cost_usd": COST_HEADER, "regret": "regret"}

_Cell = str | None


@dataclass(frozen=True, slots=True)
class Table:
    """Texts. The first header stands over the rows' names; columns without values are gone."""

    caption: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]


def _table(
    caption: str, over_names: str, names: Sequence[str], columns: Mapping[str, Sequence[_Cell]]
) -> Table:
    """Leaves out columns where nothing is known."""
    kept = {header: cells for header, cells in columns.items() if any(c is not None for c in cells)}
    rows = [
        (name, tuple(UNKNOWN if cells[row] is None else str(cells[row]) for cells in kept.values()))
        for row, name in enumerate(names)
    ]
    return Table(caption, (over_names, *kept), tuple(rows))


def _taken(records: Sequence[Measures | Reference]) -> dict[str, list[_Cell]]:
    """Quality and what was paid for it. Decimals are alike within a column."""
    costs, latencies, energies = (
        [_mean(getattr(record, field)) for record in records]
        for field in ("cost_usd", "latency_seconds", "energy_joules")
    )
    return {
        "quality": [estimate(_mean(record.quality), 4) for record in records],
        COST_HEADER: _alike(costs, 1000.0),
        "latency (seconds)": _alike(latencies),
        "energy (joules)": _alike(energies),
    }


def _mean(value: Mean | float | None) -> Mean | None:
    return Mean(value) if isinstance(value, int | float) else value


def _alike(means: Sequence[Mean | None], scale: float = 1.0) -> list[_Cell]:
    """Enough decimals for the least of them."""
    sizes = [abs(scale * mean.mean) for mean in means if mean is not None and mean.mean]
    decimals = wording.decimals_for(min(sizes, default=0.0))
    return [estimate(mean, decimals, scale) for mean in means]


def outcomes(result: Result) -> Table:
    references = [r for r in result.references if r.kind != "arm"]
    return _table(
        "Means a query over the whole stream, ± standard error over seeds.",
        "policy or reference",
        [
            *(policy.policy for policy in result.policies),
            *(r.name + (" †" if r.hindsight else "") for r in references),
        ],
        _taken([*(policy.whole for policy in result.policies), *references]),
    )


def choices(result: Result) -> Table:
    """How the policies came to their quality, and how fast."""
    policies = result.policies
    hulls = [result.hull_quality.get(policy.policy) for policy in policies]
    columns = _choosing([policy.whole for policy in policies])
    columns["static hull at its cost"] = [None if hull is None else f"{hull:.4f}" for hull in hulls]
    columns["area under the dials"] = [
        None if policy.area is None else f"{policy.area:.4f}" for policy in policies
    ]
    columns["decisions a second"] = [
        None if policy.decisions_per_second is None else f"{policy.decisions_per_second:,.0f}"
        for policy in policies
    ]
    return _table(
        f"Choices over the whole stream. Won, tied and lost: against {result.compared_with}.",
        "policy",
        [policy.policy for policy in policies],
        columns,
    )


def _choosing(parts: Sequence[Measures]) -> dict[str, list[_Cell]]:
    return {
        "regret": [estimate(part.regret, 1) for part in parts],
        "regret to best single": [estimate(part.regret_to_best, 1) for part in parts],
        "routing accuracy": [_share(part.routing_accuracy) for part in parts],
        "share of best quality": [_share(part.quality_of_best) for part in parts],
        "share of its cost": [_share(part.cost_of_best) for part in parts],
        "won / tied / lost": [_fates(part) for part in parts],
    }


def _fates(part: Measures) -> str:
    shares = (f"{100 * mean.mean:.1f}" for mean in (part.wins, part.ties, part.losses))
    return " / ".join(shares) + f"{wording.THIN}%"


def _share(mean: Mean | None) -> _Cell:
    """In per cent, with one decimal."""
    text = estimate(mean, 1, 100.0)
    return None if text is None else f"{text}{wording.THIN}%"


def counted(result: Result) -> Table:
    parts = [policy.counted for policy in result.policies]
    counts: list[_Cell] = [f"{part.queries:,}" for part in parts]
    choosing = _choosing(parts)
    return _table(
        f"The counted part only, after a warm-up of {percent(result.warmup)} of the stream.",
        "policy",
        [policy.policy for policy in result.policies],
        {
            "queries a seed": counts,
            **_taken(parts),
            **{header: choosing[header] for header in ("regret", "routing accuracy")},
        },
    )


def differences(found: Sequence[Difference], part: str) -> Table | None:
    if not found:
        return None
    return _table(
        f"{part}, paired by seed, with the confidence interval (Student's t).",
        "between",
        [f"{d.first} minus {d.second}" for d in found],
        {
            "measure": [MEASURE_NAMES[d.measure] for d in found],
            "difference": [_apart(d, d.difference) for d in found],
            "interval": [_interval(d) for d in found],
            "reading": [wording.reading(d) for d in found],
        },
    )


def budgets(result: Result) -> Table | None:
    """Every policy under every budget, beside what hindsight would do with it."""
    kept = [(policy.policy, each) for policy in result.policies for each in policy.budgets]
    if not kept:
        return None
    known: dict[tuple[str, str, float], float] = {
        (r.kind, r.resource, r.budget): r.quality for r in result.budget_references
    }
    columns: dict[str, list[_Cell]] = {
        "budget a query": [_budget(each) for _, each in kept],
        "spent": [_share(Mean(e.utilisation.mean, e.utilisation.std_error)) for _, e in kept],
        "spent at most": [_share(Mean(each.utilisation.max)) for _, each in kept],
        "quality": [estimate(each.quality, 4) for _, each in kept],
        "static hull at what was spent": [_height(each.hull_quality) for _, each in kept],
        "static hull at the budget": [_height(each.hull_at_budget) for _, each in kept],
    }
    for header, kind in (("offline router", "offline_router"), ("oracle", "oracle")):
        columns[header] = [_height(known.get((kind, e.resource, e.budget))) for _, e in kept]
    if result.warmup:
        columns["counted part"] = [estimate(each.counted, 4) for _, each in kept]
        columns["static hull at what it spent"] = [
            _height(each.counted_hull_quality) for _, each in kept
        ]
    caption = "Under budgets, whole streams, means over seeds. Hulls and routers: in hindsight."
    return _table(caption, "policy", [label for label, _ in kept], columns)


def _budget(each: BudgetResult) -> str:
    units = {"cost_usd": "USD", "energy_joules": "joules"}
    both = {each.resource: each.budget, **each.other_budgets}
    return " and ".join(f"{value:.4g} {units[name]}" for name, value in both.items())


def _height(quality: float | None) -> _Cell:
    return None if quality is None else f"{quality:.4f}"


def _apart(difference: Difference, value: float) -> str:
    """As many decimals as the tables have for that measure, and always a sign."""
    if difference.measure == "cost_usd":
        value *= 1000
    decimals = {"quality": 4, "regret": 1, "cost_usd": 4}[difference.measure]
    return f"{value:+,.{decimals}f}".replace("-", wording.MINUS)


def _interval(difference: Difference) -> str:
    if difference.low is None or difference.high is None:
        return "none (one seed)"
    low, high = (_apart(difference, end) for end in (difference.low, difference.high))
    return f"{low} to {high} ({percent(difference.level).replace('.0', '')})"


def arms(result: Result) -> Table:
    """All arms, the best first, with what each policy gave them."""
    alone = {r.name: r for r in result.references if r.kind == "arm"}
    order = sorted(result.arms, key=lambda arm: -alone[arm].quality if arm in alone else 0.0)
    of_arm = {arm: number for number, arm in enumerate(a for a in order if a in alone)}
    taken = _taken([alone[arm] for arm in of_arm])
    columns: dict[str, list[_Cell]] = {
        header: [cells[of_arm[arm]] if arm in of_arm else None for arm in order]
        for header, cells in taken.items()
    }
    for policy in result.policies:
        shares = [_share(policy.arm_shares.get(arm)) for arm in order]
        columns[f"share: {policy.policy}"] = shares
    return _table(
        "Single arms, the best first, and the share of queries that each policy sent to them.",
        "arm",
        order,
        columns,
    )


def confusions(result: Result) -> list[Table]:
    if len(result.arms) > MOST_CELLS:
        return []
    return [
        _table(
            f"{policy.policy}: per cent of all queries, by optimal arm (row) and chosen arm.",
            "optimal \\ chosen",
            result.arms,
            {
                arm: [f"{100 * row[column]:.1f}" for row in policy.confusion]
                for column, arm in enumerate(result.arms)
            },
        )
        for policy in result.policies
        if policy.confusion
    ]
