"""The commands about challengers: how they stand, and putting one in the incumbent's place."""

from typing import Annotated, Any

import typer

from bandit_service.cli import output
from bandit_service.cli.connection import TIMEOUT_SECONDS, Service, calling
from bandit_service.cli.policy_options import Author, Etag, Name, show_policy

JUDGING_SECONDS = 300.0  # a long log is read


@calling
def challengers(service: Service, name: Name) -> None:
    """Say how the challengers of a policy do beside the incumbent, by what was logged.

    Means are of all traffic, had each decided alone, with 95 % intervals. The bounds on the
    difference in quality hold at every look. docs/evaluation.md tells how to read them.
    """
    from bandit_service.rpc.pb import policy_pb2 as pb

    request = pb.GetChallengersRequest(name=name)
    found = service.policies.GetChallengers(request, timeout=JUDGING_SECONDS)
    if service.as_json:
        output.as_json(found)
        return
    if not found.challengers:
        typer.echo(f"policy {name} has no challengers")
        return
    columns = "policy", "share", "effective", "quality", "USD", "seconds", "joules"
    for one in found.challengers:
        output.facts(
            [
                ("challenger", f"{one.challenger.name} ({one.algorithm})"),
                ("since", f"revision {one.revision}"),
                ("decisions", f"{one.decisions:,}, judged by {one.judged_decisions:,}"),
                *_failures(one),
                ("difference", _difference(one)),
                ("verdict", output.word(pb.ChallengerVerdict, "CHALLENGER_VERDICT", one.verdict)),
            ]
        )
        output.table(columns, [_row(one.incumbent), _row(one.challenger)])


@calling
def promote(
    service: Service,
    name: Name,
    challenger: Annotated[str, typer.Argument(help="Name of the challenger.")],
    force: Annotated[bool, typer.Option("--force", help="Whatever the log says.")] = False,
    etag: Etag = None,
    author: Author = None,
) -> None:
    """Put a challenger, with what it has learned, in the incumbent's place.

    Refused (code 7) unless its quality is surely not below the incumbent's by more than its margin.
    """
    from bandit_service.cli import policy_messages as messages
    from bandit_service.rpc.pb import policy_pb2 as pb

    request = pb.PromoteChallengerRequest(
        policy=name,
        challenger=challenger,
        force=force,
        etag=etag,
        author=messages.author(author),
    )
    seconds = TIMEOUT_SECONDS if force else JUDGING_SECONDS
    show_policy(service, service.policies.PromoteChallenger(request, timeout=seconds))


def _failures(one: Any) -> list[tuple[str, str]]:
    found = []
    if one.undecided_decisions:
        found.append(("failed on", f"{one.undecided_decisions:,} others"))
    if one.HasField("stopped_position"):
        found.append(("stopped", f"could not learn position {one.stopped_position:,}"))
    return [*found, ("last failure", one.last_failure)] if one.last_failure else found


def _difference(one: Any) -> str:
    found = f"{_interval(one.difference)} of quality" if one.judged_decisions else "not known yet"
    return f"{found}, margin {one.margin:g}"


def _row(one: Any) -> tuple[Any, ...]:
    amounts = ("quality", "cost_usd", "latency_seconds", "energy_joules")
    return (
        one.name,
        round(one.share, 3),
        round(one.effective_decisions),
        *(_interval(output.optional(one, amount)) for amount in amounts),
    )


def _interval(one: Any) -> str | None:
    return None if one is None else f"{one.value:.4g} ({one.low:.4g} to {one.high:.4g})"
