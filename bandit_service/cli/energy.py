"""The commands that show joules: what can be metered here, what is drawn now, what calls took."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bandit_service.cli import output
from bandit_service.cli.connection import TIMEOUT_SECONDS, connect
from bandit_service.cli.options import AsJson, Database, database_url

if TYPE_CHECKING:
    from bandit_service.energy.summary import Summary

app = typer.Typer(help="See what can be metered, what is drawn, and what calls took.")


@app.command()
def devices(as_json: AsJson = False) -> None:
    """Try every device here, and tell how it can be read, or why not."""
    from dataclasses import asdict

    from bandit_service.energy.sensors import find

    found = find()
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in found], indent=2))
        return
    output.table(
        ("device", "name", "read through", "source", "remarks"),
        [
            (each.device, each.name, each.method or None, each.source, _remarks(each))
            for each in found
        ],
    )


@app.command()
def watch(
    meter: Annotated[
        str | None,
        typer.Option(envvar="BANDIT_METER", help="Ask a meter at host:port, not this machine."),
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.2, help="Between two looks.")] = 1.0,
    count: Annotated[int, typer.Option(min=0, help="How many looks; 0 is until Ctrl-C.")] = 0,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="No TLS, even to another machine.")
    ] = False,
    tls_ca: Annotated[Path | None, typer.Option(help="CA of the meter, a PEM file.")] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Our own certificate.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its key.")] = None,
    as_json: AsJson = False,
) -> None:
    """Watch the devices here, or the accounts of a meter. With --json, one object a line."""
    from bandit_service.cli import energy_watching

    if meter is None:
        looks = energy_watching.local(seconds)
    else:
        with connect(meter, tls_ca, tls_cert, tls_key, insecure=insecure) as channel:
            _show(energy_watching.remote(channel, seconds, TIMEOUT_SECONDS), count, as_json)
        return
    _show(looks, count, as_json)


@app.command()
def report(
    database: Database = None,
    policy: Annotated[str | None, typer.Option(help="Only this one.")] = None,
    since: Annotated[
        str, typer.Option(help="Only decisions from then on: 2026-11-22, or with a time.")
    ] = "",
    until: Annotated[str, typer.Option(help="Only decisions before then.")] = "",
    grid: Annotated[
        float | None,
        typer.Option("--grid", min=0, help="Grams of CO2e a kWh of your grid: adds carbon."),
    ] = None,
    png: Annotated[Path | None, typer.Option(help="Also draw it into this file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Joules by policy, arm and source, of the decisions in a database.

    Above idle, as feedback reported them. Calls of which nothing is known are counted apart.
    """
    from dataclasses import asdict

    from bandit_service.cli.export import moment
    from bandit_service.energy.summary import summary
    from bandit_service.store import open_energy_log
    from bandit_service.store.energy_log import FIRST_MOMENT, LAST_MOMENT

    first = moment("--since", since, FIRST_MOMENT)
    last = moment("--until", until, LAST_MOMENT)
    log = open_energy_log(database_url(database))
    try:
        recorded = log.energy(policy, first, last)
    finally:
        log.close()
    made = summary(recorded, grid)
    if png is not None:
        _draw(made, png)
    if as_json:
        typer.echo(json.dumps(asdict(made), indent=2))
    else:
        _print(made)


def _remarks(found: Any) -> str:
    partitioned = "MIG: the whole board; shares are estimates" if found.is_partitioned else ""
    return "; ".join(filter(None, (found.trouble, partitioned, *found.refusals)))


def _show(looks: Iterator[dict[str, Any]], count: int, as_json: bool) -> None:
    from bandit_service.cli.energy_watching import print_look

    try:
        for number, look in enumerate(looks, start=1):
            if as_json:
                typer.echo(json.dumps(look))
            else:
                print_look(look)
            if number == count:
                return
    except KeyboardInterrupt:
        return


def _print(made: "Summary") -> None:
    if not made.lines:
        typer.echo("no decisions")
        return
    with_carbon = made.grams_per_kwh is not None
    columns = ["arm", "policy", "source", "calls", "joules", "J/call", "J/output token"]
    rows = [
        [
            line.arm,
            line.policy,
            line.source,
            line.calls,
            line.energy_joules,
            line.joules_per_call,
            line.joules_per_output_token,
            line.grams_co2e,
        ]
        for line in made.lines
    ]
    output.table(
        [*columns, "g CO2e"] if with_carbon else columns,
        rows if with_carbon else [row[:-1] for row in rows],
    )
    known = made.calls - made.unmeasured_calls
    output.facts(
        [
            ("joules", made.energy_joules),
            ("g CO2e", made.grams_co2e),
            ("of calls", f"{known} of {made.calls}"),
        ]
    )
    if made.unmeasured_calls:
        typer.echo(f"{made.unmeasured_calls} calls are unmeasured, and in no sum")


def _draw(made: "Summary", png: Path) -> None:
    from bandit_service.errors import InvalidField

    try:
        from bandit_service.energy.picture import joules_by_arm
    except ImportError:
        needed = "needs matplotlib: pip install 'bandit-service[evaluation]'"
        raise InvalidField("--png", needed) from None
    if not made.lines:
        raise InvalidField("--png", "there are no decisions to draw")
    try:
        png.write_bytes(joules_by_arm(made))
    except OSError as error:
        raise InvalidField("--png", f"{png} cannot be written: {error.strerror}") from error
