"""All the commands, in the order that --help lists them, and how the program starts and ends."""

from typing import Annotated

import typer

from bandit_service import __version__
from bandit_service.cli import (
    calls,
    challengers,
    checkpoint,
    data,
    energy,
    policy,
    policy_arms,
    policy_front,
    policy_past,
    serving,
)
from bandit_service.cli.budget import budget
from bandit_service.cli.doctor import doctor
from bandit_service.cli.exits import EXITS, Commands
from bandit_service.cli.export import export
from bandit_service.cli.meter import meter
from bandit_service.cli.prune import prune
from bandit_service.cli.replay import replay
from bandit_service.cli.simulate import simulate

app = typer.Typer(
    cls=Commands,
    name="bandit-service",
    help="Routes LLM queries to the right model of a pool, and learns from feedback.",
    epilog=EXITS,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """The entry point. Ends the process with one of the exit codes that --help lists."""
    app()


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"bandit-service {__version__}")
        raise typer.Exit


@app.callback()
def _everywhere(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
    traceback: Annotated[
        bool, typer.Option("--traceback", help="Show where an error comes from.")
    ] = False,
) -> None:
    pass


app.command()(serving.serve)
app.command()(serving.demo)
app.command()(serving.migrate)
app.command()(prune)
policy.app.command()(policy_front.front)
policy.app.command()(policy_past.state)
policy.app.command()(policy_past.history)
policy.app.command()(policy_arms.add_arm)
policy.app.command()(policy_arms.update_arm)
policy.app.command()(policy_arms.retire_arm)
policy.app.command()(policy_arms.remove_arm)
policy.app.command()(challengers.challengers)
policy.app.command()(challengers.promote)
app.add_typer(policy.app, name="policy")
app.add_typer(checkpoint.app, name="checkpoint")
app.command()(calls.route)
app.command()(calls.feedback)
app.command()(calls.decision)
app.command()(simulate)
app.command()(replay)
app.command()(export)
app.add_typer(data.app, name="data")
app.command()(meter)
app.command()(budget)
app.add_typer(energy.app, name="energy")
app.command()(doctor)
