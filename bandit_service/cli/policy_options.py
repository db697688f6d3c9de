"""What the commands about policies have in common: their options, and how a policy is shown."""

from pathlib import Path
from typing import Annotated, Any

import typer

from bandit_service.cli import output
from bandit_service.cli.connection import TIMEOUT_SECONDS, Service

Name = Annotated[str, typer.Argument(help="Name of the policy.")]
ArmName = Annotated[str, typer.Argument(metavar="ARM", help="Name of the arm.")]
File = Annotated[Path | None, typer.Option("--file", "-f", help="YAML file.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="One value, such as objective.quality_per_usd=20. Repeatable."),
]
Etag = Annotated[
    str | None, typer.Option(help="Only if the policy has not changed since it had this etag.")
]
Author = Annotated[
    str | None, typer.Option(help="Who makes the change. [default: the user's name]")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def confirm(question: str, yes: bool) -> None:
    if not yes:
        typer.confirm(question, abort=True, err=True)


def get_policy(service: Service, name: str) -> Any:
    from bandit_service.rpc.pb import policy_pb2 as pb

    return service.policies.GetPolicy(pb.GetPolicyRequest(name=name), timeout=TIMEOUT_SECONDS)


def show_policy(service: Service, response: Any) -> None:
    """A response that holds a policy."""
    if service.as_json:
        output.as_json(response)
        return
    from bandit_service.cli.policy_messages import described

    summary, columns, rows = described(response.policy)
    output.facts(summary)
    output.table(columns, rows)
