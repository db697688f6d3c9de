"""A decision as tables: what was chosen, why, and what came of it."""

import base64
from typing import Any

from bandit_service.cli import output

_OF_ARM = (
    "arm", "probability", "as second", "shadow", "quality", "±", "objective", "budgets", "assumed",
    "why not",
)  # fmt: skip


def show(made: Any) -> None:
    """Prints a `Decision` of the wire."""
    output.facts([("policy", made.policy), *chosen(made.response)])
    output.table(*output.without_empty(_OF_ARM, map(_of_arm, made.arms)))
    if made.contestants:
        output.table(
            ("policy", "share", "arm", "probability", "weight", "evidence so far"),
            map(_of_contestant, made.contestants),
        )
    if made.budgets:
        output.table(
            ("budget", "price", "or", "weight", "reserved", "spent", ""),
            [
                (
                    one.budget,
                    output.optional(one, "shadow_price"),
                    output.optional(one, "second_shadow_price"),
                    output.optional(one, "weight"),
                    one.reserved,
                    output.optional(one, "settled"),
                    "could pay for no arm" if one.exhausted else "",
                )
                for one in made.budgets
            ],
        )
    if made.outcomes:
        output.table(("feedback", "arm", "source", "value"), map(_of_outcome, made.outcomes))


def chosen(made: Any) -> list[tuple[str, Any]]:
    """What `Route` answered, fact by fact."""
    flags = [name for name in ("degraded", "forced", "sticky", "observed") if getattr(made, name)]
    return [
        ("arm", made.arm),
        ("second_arm", made.second_arm),
        ("propensity", made.propensity),
        ("decision_id", made.decision_id),
        ("revision", made.policy_revision),
        ("position", made.position),
        ("flags", ", ".join(flags)),
        *([("token", base64.b64encode(made.token).decode())] if made.token else []),
    ]


def _of_arm(arm: Any) -> tuple[Any, ...]:
    return (
        arm.arm,
        arm.probability,
        output.optional(arm, "second_probability"),
        output.optional(arm, "shadow_probability"),
        _rounded(output.optional(arm, "quality")),
        _rounded(output.optional(arm, "quality_deviation")),
        _rounded(arm.objective_offset),
        _rounded(output.optional(arm, "budget_offset")),
        "yes" if arm.assumed else None,
        arm.ineligible_reason or None,
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def _of_contestant(one: Any) -> tuple[Any, ...]:
    if one.failed:
        return one.name, one.share, "failed", None, None, None
    said = one.evidence
    evidence = (
        f"{said.difference:+.4f} ({said.low:+.4f} to {said.high:+.4f}) by {said.judged_decisions:,}"
        if one.HasField("evidence")
        else None
    )
    weight = output.optional(one, "weight")
    return one.name, one.share, one.arm, one.probabilities[one.arm], weight, evidence


def _told_of_other(call: dict[str, Any]) -> str:
    kind = call["kind"].removeprefix("OTHER_CALL_KIND_").lower()
    amounts = [f"{name} {call[name]}" for name in ("cost_usd", "energy_joules") if name in call]
    return f"{kind} {call['id']}: {', '.join(amounts)}"


def _of_outcome(outcome: Any) -> tuple[Any, ...]:
    from google.protobuf.json_format import MessageToDict

    from bandit_service.rpc.pb import routing_pb2 as pb

    value = output.optional(outcome, "value")
    if outcome.kind == "failure":
        value = output.word(pb.Failure, "FAILURE", outcome.failure)
    elif outcome.kind == "usage":
        usage = MessageToDict(outcome.usage, preserving_proto_field_name=True)
        others = usage.pop("other_calls", [])
        amounts = [f"{name} {amount}" for name, amount in usage.items()]
        value = ", ".join([*amounts, *map(_told_of_other, others)])
    source = output.word(pb.FeedbackSource, "FEEDBACK_SOURCE", outcome.source)
    return outcome.kind, outcome.arm, source, value
