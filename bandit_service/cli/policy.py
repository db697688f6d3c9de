"""The commands that make policies and change them while they serve."""

from pathlib import Path
from typing import Annotated, Any

import typer

from bandit_service.cli import output, prior
from bandit_service.cli.connection import TIMEOUT_SECONDS, Service, calling
from bandit_service.cli.options import AsJson
from bandit_service.cli.policy_options import (
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

app = typer.Typer(help="Create, read and change policies and their arms.", no_args_is_help=True)
app.add_typer(prior.app, name="prior")


@app.command()
@calling
def create(
    service: Service,
    name: Annotated[str | None, typer.Argument(help="Name of the policy.")] = None,
    file: File = None,
    arm: Annotated[list[str] | None, typer.Option(help="Name of an arm. Repeatable.")] = None,
    text: Annotated[bool, typer.Option("--text", help="Queries come as text (default).")] = False,
    vector: Annotated[
        int | None, typer.Option(min=1, help="Queries come as so many numbers.")
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(help="A published system; `policy presets` lists them. Or a YAML file."),
    ] = None,
    arms: Annotated[
        Path | None, typer.Option(metavar="FILE", help="YAML file with a list under `arms:`.")
    ] = None,
    assignments: Set = None,
    author: Author = None,
) -> None:
    """Create a policy from a preset, from a YAML file, or from its name and arms."""
    from bandit_service.cli import policy_messages as messages
    from bandit_service.rpc.pb import policy_pb2 as pb

    if text and vector:
        raise typer.BadParameter("give either --text or --vector")
    policy = messages.to_create(name, file, arm or [], vector, assignments or [], preset, arms)
    request = pb.CreatePolicyRequest(policy=policy, author=messages.author(author))
    show_policy(service, service.policies.CreatePolicy(request, timeout=TIMEOUT_SECONDS))


@app.command()
def presets(
    name: Annotated[str | None, typer.Argument(help="Of one of them, to read all of it.")] = None,
    as_json: AsJson = False,
) -> None:
    """List published systems that a policy can be made of by name."""
    import json

    import msgspec

    from bandit_service import presets as known

    chosen = [known.found(each) for each in ([name] if name else known.names())]
    if as_json:
        listed = [msgspec.to_builtins(each) for each in chosen]
        typer.echo(json.dumps(listed[0] if name else listed, indent=2))
    elif name:
        said = json.loads(msgspec.json.encode(chosen[0]))
        output.facts((field, _in_words(value)) for field, value in said.items())
    else:
        rows = [(p.name, p.decides.value, ", ".join(p.needs) or None, p.gives) for p in chosen]
        output.table(("preset", "decides", "needs", "what you get"), rows)


@app.command()
@calling
def get(service: Service, name: Name) -> None:
    """Print a policy and its arms."""
    show_policy(service, get_policy(service, name))


@app.command("list")
@calling
def list_policies(service: Service) -> None:
    """List all policies."""
    from bandit_service.rpc.pb import policy_pb2 as pb

    found = pb.ListPoliciesResponse()
    request = pb.ListPoliciesRequest()
    while True:
        page = service.policies.ListPolicies(request, timeout=TIMEOUT_SECONDS)
        found.policies.extend(page.policies)
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    if service.as_json:
        output.as_json(found)
        return
    rows = [
        (p.name, p.algorithm.name, output.word(pb.Mode, "MODE", p.mode), len(p.arms), p.revision)
        for p in found.policies
    ]
    output.table(("policy", "algorithm", "mode", "arms", "revision"), rows)


@app.command()
@calling
def update(
    service: Service,
    name: Name,
    assignments: Set = None,
    file: File = None,
    etag: Etag = None,
    author: Author = None,
) -> None:
    """Change fields of a policy.

    --set changes one value and keeps those beside it; each field that a file names is replaced
    as a whole. Nothing is overwritten that somebody else changes meanwhile.
    """
    from bandit_service.cli import policy_messages as messages

    if not (assignments or file):
        raise typer.BadParameter("give --set or --file")
    current = get_policy(service, name).policy
    request = messages.to_update(current, file, assignments or [], etag)
    request.author = messages.author(author)
    changed = service.policies.UpdatePolicy(request, timeout=TIMEOUT_SECONDS)
    show_policy(service, changed)
    if changed.learning_restarted:
        typer.echo("learning started afresh: the features or the kind of state changed", err=True)


@app.command()
@calling
def preview(
    service: Service,
    name: Name,
    assignments: Set = None,
    file: File = None,
    decisions: Annotated[
        int, typer.Option(min=1, max=2000, help="Look at the latest so many.")
    ] = 2000,
) -> None:
    """Print what an update would have done to recent traffic, and change nothing."""
    from bandit_service.cli import policy_messages as messages
    from bandit_service.cli.previews import show
    from bandit_service.rpc.pb import policy_pb2 as pb

    if not (assignments or file):
        raise typer.BadParameter("give --set or --file")
    update = messages.to_update(get_policy(service, name).policy, file, assignments or [], None)
    request = pb.PreviewPolicyRequest(
        policy=update.policy, update_mask=update.update_mask, decisions=decisions
    )
    found = service.policies.PreviewPolicy(request, timeout=TIMEOUT_SECONDS)
    if service.as_json:
        output.as_json(found)
    else:
        show(found)


@app.command()
@calling
def delete(service: Service, name: Name, etag: Etag = None, yes: Yes = False) -> None:
    """Delete a policy. Its log is kept."""
    from bandit_service.rpc.pb import policy_pb2 as pb

    confirm(f"Delete policy {name}?", yes)
    request = pb.DeletePolicyRequest(name=name, etag=etag)
    response = service.policies.DeletePolicy(request, timeout=TIMEOUT_SECONDS)
    if service.as_json:
        output.as_json(response)
    else:
        typer.echo(f"deleted policy {name}")


def _in_words(value: Any) -> Any:
    import json

    if isinstance(value, list):
        return "; ".join(value)
    return json.dumps(value) if isinstance(value, dict) else value
