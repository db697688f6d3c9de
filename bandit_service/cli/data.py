"""The commands that make tables of outcomes, and tell what is in one."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bandit_service.cli import output
from bandit_service.cli.options import AsJson

if TYPE_CHECKING:
    from bandit_service.evaluation.table import OutcomeTable

app = typer.Typer(help="Make tables of outcomes to simulate on, and look at them.")


class Format(StrEnum):
    """Whose tables can be imported."""

    ROUTERBENCH = "routerbench"
    PARETOBANDIT = "paretobandit"
    WIDE = "wide"


class Kind(StrEnum):
    """What can be made up."""

    LINEAR = "linear"
    CLUSTERED = "clustered"
    DRIFTING = "drifting"
    RISING = "rising"
    DUELS = "duels"


Out = Annotated[Path, typer.Argument(help="Folder to write to.")]
Parquet = Annotated[bool, typer.Option("--parquet", help="Write Parquet instead of CSV.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the tables that are in OUT.")]


@app.command("import")
def import_table(
    format_: Annotated[Format, typer.Argument(metavar="FORMAT", help="See below.")],
    source: Annotated[Path, typer.Argument(help="File or folder to read.")],
    out: Out,
    map_: Annotated[Path | None, typer.Option("--map", help="YAML file, for wide.")] = None,
    parquet: Parquet = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Bring a table of outcomes into the form that simulate reads.

    FORMAT is routerbench (RouterBench's .pkl, which is read without being run, or a .csv or
    .parquet made from it), paretobandit (the wheel of that package, or its unpacked folder) or
    wide (a .csv or .parquet with one row a query; --map tells which column is what).
    """
    from bandit_service.evaluation import importers

    if (map_ is not None) != (format_ is Format.WIDE):
        raise typer.BadParameter("give --map with wide, and only with it")
    if map_ is not None:
        from bandit_service.cli.policy_yaml import read_mapping
        from bandit_service.evaluation.importers import wide

        table = wide.read(source, wide.checked_map(read_mapping(map_), str(map_)))
    else:
        table = importers.read(format_.value, source)
    _write(table, out, parquet=parquet, force=force, as_json=as_json)


@app.command()
def synth(
    kind: Annotated[Kind, typer.Argument(metavar="KIND", help="See below.")],
    out: Out,
    queries: Annotated[int, typer.Option(min=1, help="How many.")] = 2000,
    arms: Annotated[int, typer.Option(min=1, help="How many.")] = 5,
    dim: Annotated[
        int, typer.Option(min=2, help="Features, with the constant that the service adds.")
    ] = 16,
    noise: Annotated[
        float | None, typer.Option(min=0, help="Standard deviation of quality around its mean.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds, equal sets.")] = 0,
    clusters: Annotated[int | None, typer.Option(min=1, help="For clustered.")] = None,
    shifts: Annotated[int | None, typer.Option(min=0, help="For drifting.")] = None,
    sharpness: Annotated[float | None, typer.Option(min=0, help="For duels.")] = None,
    costs: Annotated[
        bool, typer.Option("--costs", help="For linear and duels: what arms cost; others have it.")
    ] = False,
    parquet: Parquet = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Make up a table of outcomes whose truth is known.

    KIND is linear, clustered (each kind of query has a best arm), drifting (arms change places;
    serve it in file order), rising (arms get better; in file order) or duels (linear, with
    verdicts on pairs of arms).
    """
    from bandit_service.evaluation import synthetic

    only = {
        "clusters": (Kind.CLUSTERED,),
        "shifts": (Kind.DRIFTING,),
        "sharpness": (Kind.DUELS,),
        "costs": (Kind.LINEAR, Kind.DUELS),
    }
    given = {
        "noise": noise,
        "clusters": clusters,
        "shifts": shifts,
        "sharpness": sharpness,
        "costs": costs or None,
    }
    settings: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    for name in settings:
        if kind not in only.get(name, Kind):
            raise typer.BadParameter(f"--{name} is for {' and '.join(only[name])}")
    table, pairs = synthetic.make(
        kind.value, queries=queries, arms=arms, dim=dim, seed=seed, **settings
    )
    _write(table, out, pairs=pairs, parquet=parquet, force=force, as_json=as_json)


@app.command()
def describe(
    folder: Annotated[
        Path | None, typer.Argument(help="Folder with a table; the bundled sample if left out.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print what a table of outcomes holds."""
    from bandit_service.evaluation.bundled import bundled_table
    from bandit_service.evaluation.loading import load

    _show(bundled_table() if folder is None else load(folder), as_json)


@app.command()
def embed_arms(
    folder: Annotated[Path, typer.Argument(help="Folder with a table whose queries have tasks.")],
    out: Annotated[
        Path | None, typer.Argument(help="YAML file to write, for --arms; prints it if left out.")
    ] = None,
    way: Annotated[
        str, typer.Option(help="perf, perf_cost, excel_perf_cost or excel_mask.")
    ] = "excel_mask",
    labelled: Annotated[int, typer.Option(help="Queries of every task to look at.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="Which queries these are.")] = 0,
    cost_weight: Annotated[
        float, typer.Option(help="Quality that the dearest arm's cost is worth.")
    ] = 0.5,
    top: Annotated[int, typer.Option(help="For excel: an arm counts where it is among these.")] = 3,
    as_json: AsJson = False,
) -> None:
    """Make embeddings of a table's arms from a few queries of each of its tasks.

    For algorithms that compare arms by what they are, such as the preset ccft.
    """
    import json

    import msgspec
    import yaml

    from bandit_service.errors import InvalidField
    from bandit_service.evaluation.embedding_arms import embedded_arms
    from bandit_service.evaluation.loading import load
    from bandit_service.model import Arm

    if out is not None and out.exists():
        raise InvalidField(str(out), "is there already; choose another")
    arms = embedded_arms(
        load(folder), way=way, labelled=labelled, seed=seed, cost_weight=cost_weight, top=top
    )
    plain = msgspec.to_builtins(Arm(name=""))
    listed = [
        {name: value for name, value in msgspec.to_builtins(arm).items() if value != plain[name]}
        for arm in arms
    ]
    if as_json:
        typer.echo(json.dumps({"arms": listed}))
        return
    text = yaml.safe_dump({"arms": listed}, sort_keys=False, default_flow_style=None, width=100)
    if out is None:
        typer.echo(text, nl=False)
        return
    out.write_text(text, encoding="utf-8")
    typer.echo(f"{len(arms)} arms with embeddings of {len(arms[0].embedding)} numbers: {out}")


def _write(table: "OutcomeTable", out: Path, *, as_json: bool, **how: Any) -> None:
    from bandit_service.evaluation.writing import write

    write(table, out, **how)
    _show(table, as_json)
    if not as_json:
        typer.echo(f"written to {out}")


def _show(table: "OutcomeTable", as_json: bool) -> None:
    import json

    from bandit_service.evaluation.description import described

    found = described(table)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    facts = [(name, value) for name, value in found.items() if not isinstance(value, list)]
    tasks = ", ".join(f"{each['task']} {each['queries']}" for each in found["tasks"][:8])
    more = ", ..." if len(found["tasks"]) > 8 else ""
    output.facts([*facts, ("tasks", tasks + more), *(("note", note) for note in found["notes"])])
    columns = {
        "quality": "mean_quality",
        "known": "known_share",
        "USD": "mean_cost_usd",
        "seconds": "mean_latency_seconds",
        "joules": "mean_energy_joules",
    }
    arms = found["arms"]
    columns = {
        name: field
        for name, field in columns.items()
        if any(arm[field] is not None for arm in arms)
    }
    rows = [(arm["arm"], *(_short(arm[field]) for field in columns.values())) for arm in arms]
    output.table(("arm", *columns), rows)


def _short(value: float | None) -> float | None:
    """Four digits, so that a table of long names fits a terminal; JSON has them all."""
    return None if value is None else float(f"{value:.4g}")
