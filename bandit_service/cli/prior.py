"""The commands that make a warm start: the part of a policy's YAML that its learner starts from."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bandit_service.cli.options import AsJson

if TYPE_CHECKING:
    from bandit_service.model import Arm, WarmStart

app = typer.Typer(
    help="Make a policy's warm start from outcomes, preferences, siblings or metadata.",
    no_args_is_help=True,
)

Data = Annotated[Path, typer.Argument(metavar="DATA_DIR", help="Folder of a data set.")]
NEff = Annotated[
    float, typer.Option("--n-eff", min=0, help="How many live requests override the prior.")
]
Dimensions = Annotated[
    int | None,
    typer.Option(
        "--dimensions", min=8, max=256, help="Of the embedding of prompts, as in the policy."
    ),
]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="YAML file; else it is printed.")]
PoolQuality = Annotated[
    float, typer.Option(min=0, max=1, help="Mean quality of the arms: verdicts do not tell it.")
]
Policy = Annotated[Path, typer.Argument(metavar="POLICY", help="YAML file with a warm_start.")]


@app.command()
def outcomes(
    data: Data,
    n_eff: NEff = 50.0,
    dimensions: Dimensions = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """From outcomes of the arms: a ridge regression of each."""
    from bandit_service.evaluation.contexts import contexts_of
    from bandit_service.evaluation.loading import load
    from bandit_service.evaluation.warm_start import from_outcomes

    table = load(data)
    contexts = contexts_of(table, _features(dimensions))
    _write(from_outcomes(table, contexts.matrix, n_eff=n_eff), out, as_json)


@app.command()
def preferences(
    data: Data,
    n_eff: NEff = 50.0,
    pool_quality: PoolQuality = 0.5,
    grade: Annotated[
        list[str] | None,
        typer.Option(help="A known mean quality, such as large=0.8. Repeatable, at least two."),
    ] = None,
    dimensions: Dimensions = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """From verdicts on pairs (pairs.csv): Bradley-Terry strengths that lean on the query."""
    from bandit_service.evaluation.warm_start import from_preferences

    verdicts, contexts = _judged(data, dimensions)
    graded = dict(_grade(each) for each in grade or ())
    warm = from_preferences(
        verdicts, contexts, n_eff=n_eff, pool_quality=pool_quality, graded=graded or None
    )
    _write(warm, out, as_json)


@app.command()
def pilot(
    data: Data,
    n_eff: NEff = 50.0,
    strength: Annotated[
        str, typer.Option(help="inverse_accuracy (as published), constant or n_eff.")
    ] = "n_eff",
    space: Annotated[int, typer.Option(min=1, max=512, help="Dimensions of the projection.")] = 32,
    temperature: Annotated[float, typer.Option(min=0.01, help="Of the preferences.")] = 1.0,
    cosine: Annotated[
        bool, typer.Option("--cosine", help="For the cosine score, as published.")
    ] = False,
    pool_quality: PoolQuality = 0.5,
    dimensions: Dimensions = None,
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds, equal priors.")] = 0,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """From verdicts on pairs, for the algorithm pilot: a projection, an embedding of each arm."""
    from bandit_service.evaluation.warm_start import Strength, from_preferences_as_pilot

    if strength not in list(Strength):
        raise typer.BadParameter(f"--strength must be one of {', '.join(Strength)}")
    verdicts, contexts = _judged(data, dimensions)
    warm = from_preferences_as_pilot(
        verdicts,
        contexts,
        n_eff=n_eff,
        strength=Strength(strength),
        dimensions=space,
        temperature=temperature,
        pool_quality=pool_quality,
        is_cosine=cosine,
        seed=seed,
    )
    _write(warm, out, as_json)


@app.command()
def sibling(
    policy: Policy,
    arm: Annotated[str, typer.Option(help="The arm that gets the prior.")],
    of: Annotated[list[str], typer.Option("--of", help="An arm that it is like. Repeatable.")],
    n_eff: NEff = 10.0,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """For a new arm, from arms of the same file that it is like."""
    from bandit_service.evaluation.warm_start import from_siblings

    _, warm = _read(policy)
    _write(from_siblings(warm, of, arm, n_eff=n_eff), out, as_json)


@app.command()
def metadata(
    policy: Policy,
    arm: Annotated[
        list[str] | None,
        typer.Option(help="An arm without a prior; without it, all of them. Repeatable."),
    ] = None,
    most: Annotated[float, typer.Option(min=0, help="Most requests that it counts for.")] = 50.0,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """For arms without a prior, from the others by price and tags (family:x, size:70b, any)."""
    from bandit_service.errors import InvalidField
    from bandit_service.evaluation.warm_start import from_metadata, metadata_of

    arms, warm = _read(policy)
    about = {each.name: metadata_of(each) for each in arms}
    wanted = arm or [name for name in about if name not in warm.arms]
    for name in wanted:
        if name not in about:
            raise InvalidField(
                "--arm", f"{name!r} is not in the file; there are {', '.join(about)}"
            )
    known = {name: said for name, said in about.items() if name not in wanted}
    unseen = {name: about[name] for name in wanted}
    _write(from_metadata(warm, known, unseen, most=most), out, as_json)


def _features(dimensions: int | None) -> Any:
    from bandit_service.model import Features, TextFeatures

    return None if dimensions is None else Features(text=TextFeatures(dimensions))


def _judged(data: Path, dimensions: int | None) -> tuple[Any, Any]:
    """The verdicts of a folder, and the contexts of its queries."""
    from bandit_service.evaluation.contexts import contexts_of
    from bandit_service.evaluation.loading import load_pairs, load_queries
    from bandit_service.evaluation.warm_start import verdicts_of

    pairs, queries = load_pairs(data), load_queries(data)
    contexts = contexts_of(queries, _features(dimensions)).matrix
    arms = list(dict.fromkeys(name for p in pairs for name in (p.model_a, p.model_b)))
    return verdicts_of(pairs, queries.query_ids, arms, str(data)), contexts


def _grade(said: str) -> tuple[str, float]:
    name, equals, number = said.partition("=")
    try:
        grade = float(number)
    except ValueError:
        grade = -1.0
    if not (equals and name and 0.0 <= grade <= 1.0):
        raise typer.BadParameter(f"--grade {said!r} must be like large=0.8, from 0 to 1")
    return name, grade


def _read(path: Path) -> "tuple[tuple[Arm, ...], WarmStart]":
    """The arms and the warm start of a policy's file."""
    from bandit_service.cli.policy_yaml import checked, read_mapping
    from bandit_service.errors import InvalidField
    from bandit_service.model import PolicyConfig

    config = checked({"name": "policy", "arms": []} | read_mapping(path), PolicyConfig, str(path))
    if config.warm_start is None:
        raise InvalidField(str(path), "has no warm_start to learn from")
    return config.arms, config.warm_start


def _write(warm: "WarmStart", out: Path | None, as_json: bool) -> None:
    import msgspec
    import yaml

    from bandit_service.errors import InvalidField

    said = {"warm_start": _said(msgspec.to_builtins(warm))}
    text = yaml.safe_dump(said, sort_keys=False, default_flow_style=None, width=100)
    if out is not None:
        try:
            out.write_text(text, encoding="utf-8")
        except OSError as error:
            raise InvalidField(str(out), f"cannot be written: {error.strerror}") from error
    if as_json:
        typer.echo(json.dumps(said, indent=2))
    elif out is None:
        typer.echo(text, nl=False)
    else:
        typer.echo(f"wrote a warm start for {len(warm.arms)} arms to {out}")


def _said(value: Any) -> Any:
    """Without what is left out anyway; tuples as lists, which YAML writes plainly."""
    if isinstance(value, dict):
        return {key: _said(each) for key, each in value.items() if each not in (None, (), [])}
    if isinstance(value, list | tuple):
        return [_said(each) for each in value]
    return value
