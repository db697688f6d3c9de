"""What policies made of their budgets, a row a policy and budget."""

from collections.abc import Iterator

from bandit_service.cli import output
from bandit_service.evaluation.results import BudgetResult, Result

_UNITS = {"cost_usd": "USD", "energy_joules": "J"}


def rows(result: Result) -> Iterator[tuple[str, ...]]:
    """Policy, budget, spent, at most, quality, hulls and references, then the counted part."""
    known = {(r.kind, r.resource, r.budget): r.quality for r in result.budget_references}
    for policy in result.policies:
        for place, each in enumerate(policy.budgets):
            at = each.resource, each.budget
            yield (
                policy.policy if place == 0 else "",
                _budget(each),
                f"{each.utilisation.mean:.1%}",
                f"{each.utilisation.max:.1%}",
                f"{each.quality.mean:.4f}" + _error(each.quality.standard_error),
                _height(each.hull_quality),
                _height(each.hull_at_budget),
                _height(known.get(("offline_router", *at))),
                _height(known.get(("oracle", *at))),
                f"{each.counted.mean:.4f}" if result.warmup else "",
                _height(each.counted_hull_quality) if result.warmup else "",
            )


def _budget(each: BudgetResult) -> str:
    """With the other budget that was kept to at the same time."""
    others = (f"{value:.4g} {_UNITS[name]}" for name, value in each.other_budgets.items())
    return " with ".join([f"{each.budget:.4g} {_UNITS[each.resource]}", *others])


def _error(error: float | None) -> str:
    return "" if error is None else f" ± {error:.4f}"


def _height(quality: float | None) -> str:
    return output.cell(None) if quality is None else f"{quality:.4f}"
