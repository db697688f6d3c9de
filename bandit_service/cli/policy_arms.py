"""The commands that change the arms of a policy while it serves."""

import typer

from bandit_service.cli.connection import TIMEOUT_SECONDS, Service, calling
from bandit_service.cli.policy_options import (
    ArmName,
    Author,
    Etag,
    File,
    Name,
    Set,
    Yes,
    confirm,
    get_policy,
    show_policy,
)


@calling
def add_arm(
    service: Service,
    name: Name,
    arm: ArmName,
    assignments: Set = None,
    file: File = None,
    etag: Etag = None,
    author: Author = None,
) -> None:
    """Add an arm. It can be chosen from the next decision on."""
    from bandit_service.cli import policy_messages as messages
    from bandit_service.rpc.pb import policy_pb2 as pb

    made = messages.new_arm(arm, file, assignments or [])
    request = pb.AddArmRequest(policy=name, arm=made, etag=etag, author=messages.author(author))
    show_policy(service, service.policies.AddArm(request, timeout=TIMEOUT_SECONDS))


@calling
def update_arm(
    service: Service,
    name: Name,
    arm: ArmName,
    assignments: Set = None,
    file: File = None,
    etag: Etag = None,
    author: Author = None,
) -> None:
    """Change fields of an arm, as `policy update` does. What was learned is kept, unless
    model_version changes.

    --set model_version=VERSION, in whatever words, declares that another model answers under the
    arm's name: it is learned anew from there on, and feedback on earlier decisions teaches it
    nothing. It begins with its warm start, if it has one.
    """
    from bandit_service.cli import policy_messages as messages

    if not (assignments or file):
        raise typer.BadParameter("give --set or --file")
    current = get_policy(service, name).policy
    request = messages.to_update_arm(current, arm, file, assignments or [], etag)
    request.author = messages.author(author)
    changed = service.policies.UpdateArm(request, timeout=TIMEOUT_SECONDS)
    show_policy(service, changed)
    if changed.learning_restarted:
        typer.echo(f"learning of {arm} started afresh: another model answers", err=True)


@calling
def retire_arm(
    service: Service, name: Name, arm: ArmName, etag: Etag = None, author: Author = None
) -> None:
    """Take an arm out of service. Late feedback is still learned."""
    from bandit_service.cli import policy_messages as messages
    from bandit_service.rpc.pb import policy_pb2 as pb

    request = pb.RetireArmRequest(policy=name, arm=arm, etag=etag, author=messages.author(author))
    show_policy(service, service.policies.RetireArm(request, timeout=TIMEOUT_SECONDS))


@calling
def remove_arm(
    service: Service,
    name: Name,
    arm: ArmName,
    etag: Etag = None,
    author: Author = None,
    yes: Yes = False,
) -> None:
    """Take an arm out for good, and forget what was learned of it."""
    from bandit_service.cli import policy_messages as messages
    from bandit_service.rpc.pb import policy_pb2 as pb

    confirm(f"Remove arm {arm} of policy {name} for ever?", yes)
    request = pb.RemoveArmRequest(policy=name, arm=arm, etag=etag, author=messages.author(author))
    show_policy(service, service.policies.RemoveArm(request, timeout=TIMEOUT_SECONDS))
