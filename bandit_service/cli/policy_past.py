"""The commands that tell what a policy has learned, and what was done to it."""

from datetime import UTC
from typing import Annotated, Any

import typer

from bandit_service.cli import output
from bandit_service.cli.connection import TIMEOUT_SECONDS, Service, calling
from bandit_service.cli.policy_options import Name


@calling
def state(
    service: Service,
    name: Name,
    min_position: Annotated[
        int, typer.Option(min=0, help="Wait for this position of the journal.")
    ] = 0,
) -> None:
    """Print what a policy has learned so far."""
    from bandit_service.rpc.pb import policy_pb2 as pb

    request = pb.GetPolicyStateRequest(name=name, min_position=min_position)
    found = service.policies.GetPolicyState(request, timeout=TIMEOUT_SECONDS)
    if service.as_json:
        output.as_json(found)
        return
    output.facts(
        [
            ("position", f"{found.position} of {found.head_position}"),
            ("staleness", _seconds(output.optional(found, "staleness"))),
            ("replica", found.replica),
            ("state", found.state_hash),
            ("features", found.feature_version),
        ]
    )
    columns = {
        "quality": "mean_quality",
        "USD": "mean_cost_usd",
        "seconds": "mean_latency_seconds",
        "joules": "mean_energy_joules",
        "failed": "failure_share",
    }
    rows = [
        (arm.arm, arm.observations, *(output.optional(arm, field) for field in columns.values()))
        for arm in found.arms
    ]
    output.table(("arm", "observations", *columns), rows)


@calling
def history(
    service: Service,
    name: Name,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="The last so many.")] = 100,
) -> None:
    """Print who changed what, and when. The latest change comes first."""
    from bandit_service.rpc.pb import policy_pb2 as pb

    request = pb.GetPolicyHistoryRequest(name=name, limit=limit)
    found = service.policies.GetPolicyHistory(request, timeout=TIMEOUT_SECONDS)
    if service.as_json:
        output.as_json(found)
        return
    rows = []
    for made in found.revisions:
        when = f"{made.create_time.ToDatetime(UTC):%Y-%m-%dT%H:%M:%SZ}"
        about = (made.revision, when, made.author or None, made.etag)
        changes = [(one.field, one.old or None, one.new or None) for one in made.changes]
        if made.reason:
            changes.append(("(why)", None, made.reason))
        rows += [(*about, *change) for change in changes or [("(created)", None, None)]]
    output.table(("revision", "when", "who", "etag", "field", "old", "new"), rows)


def _seconds(duration: Any) -> str | None:
    return None if duration is None else f"{duration.ToMilliseconds() / 1000:g} s"
