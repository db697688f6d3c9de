"""What a change of a policy would have done, for people."""

from typing import Any

import typer

from bandit_service.cli import output


def show(found: Any) -> None:
    """A line on what it rests on, the arms' shares, the amounts, and the overlap."""
    from bandit_service.rpc.pb import policy_pb2 as pb

    if found.basis == pb.PREVIEW_BASIS_TRAFFIC:
        kind = f"{found.decisions} recent decisions"
        kind += f" ({found.left_out} left out)" if found.left_out else ""
    else:
        kind = "the estimates alone, at a query of which nothing is known: there is no traffic yet"
    typer.echo(f"on {kind}; intervals are of 95 %")
    shares = [(one.arm, _shown(one.before), _shown(one.after)) for one in found.arms]
    output.table(("arm", "share before", "share after"), shares)
    output.table(
        ("a decision", "before", "after", "difference", "assumed"),
        [
            _amount(label, getattr(found, field) if found.HasField(field) else None)
            for field, label in (
                ("quality", "quality"),
                ("cost_usd", "USD"),
                ("latency_seconds", "seconds"),
                ("energy_joules", "joules"),
            )
        ],
    )
    if found.budgets:
        _show_budgets(found.budgets)
    if found.HasField("overlap"):
        _show_overlap(found.overlap)


def _show_budgets(budgets: Any) -> None:
    from bandit_service.rpc.convert_budget import RESOURCES

    rows: list[tuple[Any, ...]] = []
    for one in budgets:
        for label, side in (("before", "before"), ("after", "after")):
            if not one.HasField(side):
                continue
            forecast = getattr(one, side)
            unit = RESOURCES.read("resource", forecast.resource)
            allowed = output.optional(forecast, "allowed")
            rows.append(
                (
                    f"{one.budget}, {unit} a decision",
                    label,
                    forecast.why_not if allowed is None else f"{allowed:.4g}",
                    _shown(forecast.spent) if forecast.HasField("spent") else None,
                    output.optional(forecast, "shadow_price"),
                    f"{forecast.exhausted_share:.1%}" if forecast.exhausted_share else "",
                )
            )
    output.table(("budget", "", "allowed", "spent", "shadow price", "exhausted"), rows)


def _show_overlap(overlap: Any) -> None:
    after = _shown(overlap.quality_after) if overlap.HasField("quality_after") else None
    seen = _shown(overlap.quality_seen) if overlap.HasField("quality_seen") else None
    output.facts(
        [
            ("decisions with a quality", overlap.decisions),
            ("worth after the change", f"{overlap.effective_decisions:.1f}"),
            ("quality seen", seen),
            ("quality after, by outcomes", after or f"unknown: {overlap.why_not}"),
        ]
    )


def _amount(label: str, amount: Any) -> tuple[Any, ...]:
    if amount is None:
        return label, None, None, None, None
    ends = (_shown(amount.before), _shown(amount.after), _shown(amount.difference))
    return label, *ends, f"{amount.assumed_share:.1%}" if amount.assumed_share else ""


def _shown(one: Any) -> str:
    low, high = output.optional(one, "low"), output.optional(one, "high")
    between = "" if low is None or high is None else f" [{low:.4g}, {high:.4g}]"
    return f"{one.value:.4g}{between}"
