"""`policy front`: what a live policy would earn and take at other settings, and where it is now.

A sweep of previews: each is worked out from what the policy knows, on its recent traffic.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from bandit_service.cli import output
from bandit_service.cli.connection import TIMEOUT_SECONDS, Service, calling
from bandit_service.cli.policy_options import Name, get_policy

DIAL = "objective.accuracy_energy_dial"
WEIGHTS = {"cost_usd": "objective.quality_per_usd", "energy_joules": "objective.quality_per_joule"}
UNITS = {"cost_usd": "USD a decision", "energy_joules": "joules a decision"}
# Points that what is taken now, where nothing is weighed, should be worth: from next to nothing to
# more than quality can be.
POINTS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)


@dataclass(frozen=True)
class Ends:
    """An expected amount with its 95 % interval, None where there is none."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Setting:
    """`value` of what is swept; None: as the policy is. `amount` None: not known."""

    value: float | None
    quality: Ends
    amount: Ends | None


@dataclass(frozen=True)
class Front:
    """Of `resource`, "cost_usd" or "energy_joules": the settings of the field `swept`, and the
    present one."""

    resource: str
    swept: str
    present: Setting
    settings: list[Setting]


@calling
def front(
    service: Service,
    name: Name,
    decisions: Annotated[
        int, typer.Option(min=1, max=2000, help="Look at the latest so many.")
    ] = 500,
    png: Annotated[Path | None, typer.Option(help="Draw the fronts into this file.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with them.")] = None,
) -> None:
    """Print quality against cost and energy at other settings, with the present one on it.

    Nothing is changed. A policy with a dial is swept over the dial, others over what a dollar and
    a joule are worth.
    """
    fronts = _fronts(service, name, decisions)
    if png is not None or html is not None:
        _draw(name, fronts, png, html)
    if service.as_json:
        told = {"policy": name, "fronts": [asdict(one) for one in fronts]}
        typer.echo(json.dumps(told, indent=2))
        return
    for one in fronts:
        field = one.swept.removeprefix("objective.")
        rows = [
            (
                "as it is" if each.value is None else f"{each.value:.4g}",
                _shown(each.quality),
                _shown(each.amount),
            )
            for each in [one.present, *one.settings]
        ]
        output.table((field, "quality", UNITS[one.resource]), rows)


def _fronts(service: Service, name: str, decisions: int) -> list[Front]:
    """Raises InvalidField where neither what arms cost nor what they take of energy is known."""
    from bandit_service.errors import InvalidField

    policy = get_policy(service, name).policy
    if policy.objective.HasField("accuracy_energy_dial"):
        free = _preview(service, policy, DIAL, 0.0, decisions)
        values = [float(value) for value in range(11)]
        dials = [(value, _preview(service, policy, DIAL, value, decisions)) for value in values]
        swept = {resource: (DIAL, dials) for resource in WEIGHTS if free.HasField(resource)}
    else:
        swept = {}
        for resource, field in WEIGHTS.items():
            free = _preview(service, policy, field, 0.0, decisions)
            if not free.HasField(resource):
                continue
            taken = getattr(free, resource).after.value
            values = [points / taken for points in POINTS] if taken > 0.0 else []
            made = [(v, _preview(service, policy, field, v, decisions)) for v in values]
            swept[resource] = field, [(0.0, free), *made]
    if not swept:
        needed = "needs what calls cost or take of energy: no arm has a price, joules, or a bill"
        raise InvalidField(f"policy {name!r}", needed)
    return [_front(resource, *each) for resource, each in swept.items()]


def _front(resource: str, field: str, made: list[tuple[float, Any]]) -> Front:
    settings = [_setting(value, answer, resource, "after") for value, answer in made]
    return Front(resource, field, _setting(None, made[0][1], resource, "before"), settings)


def _preview(service: Service, policy: Any, field: str, value: float, decisions: int) -> Any:
    from bandit_service.cli import policy_messages as messages
    from bandit_service.rpc.pb import policy_pb2 as pb

    update = messages.to_update(policy, None, [f"{field}={value!r}"], None)
    request = pb.PreviewPolicyRequest(
        policy=update.policy, update_mask=update.update_mask, decisions=decisions
    )
    return service.policies.PreviewPolicy(request, timeout=TIMEOUT_SECONDS)


def _setting(value: float | None, answer: Any, resource: str, side: str) -> Setting:
    amount = getattr(getattr(answer, resource), side) if answer.HasField(resource) else None
    ends = None if amount is None else _ends(amount)
    return Setting(value, _ends(getattr(answer.quality, side)), ends)


def _ends(interval: Any) -> Ends:
    low, high = output.optional(interval, "low"), output.optional(interval, "high")
    return Ends(interval.value, low, high)


def _shown(ends: Ends | None) -> str | None:
    if ends is None:
        return None
    between = "" if ends.low is None else f" [{ends.low:.4g}, {ends.high:.4g}]"
    return f"{ends.value:.4g}{between}"


def _draw(name: str, fronts: list[Front], png: Path | None, html: Path | None) -> None:
    from bandit_service.errors import InvalidField

    try:
        from bandit_service.evaluation.live_fronts import Line, draw_png, write_page
    except ImportError:
        needed = "needs pictures: pip install 'bandit-service[evaluation]'"
        raise InvalidField("--png" if png else "--html", needed) from None
    lines = [
        Line(UNITS[one.resource], _points(one.settings), _points([one.present])) for one in fronts
    ]
    if png is not None:
        draw_png(name, lines, png)
    if html is not None:
        write_page(name, lines, html)


def _points(settings: list[Setting]) -> list[tuple[float, float]]:
    """Amount and quality, where the amount is known."""
    return [(each.amount.value, each.quality.value) for each in settings if each.amount is not None]
