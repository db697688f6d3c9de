"""The command that judges policies by logged traffic, and opens or closes a gate."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bandit_service.cli.simulate import STDOUT, check_outputs

if TYPE_CHECKING:
    from bandit_service.evaluation.logs import Traffic
    from bandit_service.evaluation.offpolicy.targets import Target
    from bandit_service.ports import LogReader

GATE_CLOSED = 8

_POLICY = (
    "arm:NAME (always that arm), uniform, `default` (what a new policy gets), an algorithm with "
    "settings, such as linucb:width=0.2,floor=0.05, or a policy's YAML file. Repeatable."
)


def replay(
    log: Annotated[
        Path | None,
        typer.Argument(
            metavar="LOG",
            help="Logged decisions: .jsonl[.gz] or .parquet as `export` writes them, .dsjson, .vw, "
            "or, with --mapping, any table.",
        ),
    ] = None,
    policy: Annotated[list[str] | None, typer.Option(help=_POLICY)] = None,
    gate: Annotated[
        str,
        typer.Option(
            metavar="CONDITION",
            help='Such as "quality >= incumbent - 0.01 and cost_usd <= 0.8 * incumbent". '
            f"Ends with exit code {GATE_CLOSED} unless every policy surely meets it.",
        ),
    ] = "",
    least_effective_size: Annotated[
        float, typer.Option(metavar="N", help="Below this effective size no gate opens.")
    ] = 500.0,
    training: Annotated[
        float,
        typer.Option(
            metavar="FRACTION",
            help="First part of the log, which teaches policies that learn; judged is the rest.",
        ),
    ] = 0.5,
    live: Annotated[
        bool,
        typer.Option(
            "--live", help="Also let policies that learn live through the log, by rejection."
        ),
    ] = False,
    robust: Annotated[
        bool, typer.Option("--robust", help="Also estimate by MRDR, with a model a policy.")
    ] = False,
    form: Annotated[
        str, typer.Option("--format", help="auto, rows, vw, dsjson or open-bandit.")
    ] = "auto",
    mapping: Annotated[
        Path | None,
        typer.Option(metavar="YAML", help="Says which column of a foreign log is what."),
    ] = None,
    vw_cost: Annotated[
        str, typer.Option(help="What Vowpal Wabbit's cost is: negative quality, or a loss.")
    ] = "negative",
    log_policy: Annotated[
        str, typer.Option(metavar="NAME", help="Take only decisions of this policy.")
    ] = "",
    database: Annotated[
        str | None,
        typer.Option(
            help="Read the log of --log-policy from here: sqlite:///path or postgresql://"
        ),
    ] = None,
    since: Annotated[
        str, typer.Option(metavar="TIME", help="With --database: seconds, or ISO 8601.")
    ] = "",
    until: Annotated[str, typer.Option(metavar="TIME", help="Excluded.")] = "",
    lenient: Annotated[
        bool, typer.Option("--lenient", help="Skip bad rows, and say how many.")
    ] = False,
    level: Annotated[float, typer.Option(help="Of intervals.")] = 0.95,
    resamples: Annotated[int, typer.Option(help="Of the bootstrap.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of all luck: equal seed and log, equal numbers.")] = 0,
    json: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write all numbers; - prints them instead.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a report with pictures.")
    ] = None,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify",
            help="Instead: derive decisions again from the database's journal and keys, and test "
            "how often each arm came. Of --log-policy, or of all policies.",
        ),
    ] = False,
    sample: Annotated[
        int, typer.Option(min=1, metavar="N", help="With --verify: at most so many a policy.")
    ] = 20_000,
    checkpoint_key: Annotated[
        Path | None, typer.Option(help="With --verify: file of keys, as the server has.")
    ] = None,
) -> None:
    """Say what other policies would have earned, spent and consumed, from logged traffic alone.

    Without LOG: a log simulated on the bundled sample. Estimates are for the same decisions as the
    logging policy's own means, so they can be compared; docs/evaluation.md tells how to read them.
    """
    # Before numpy is loaded; see `serve`.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    check_outputs(json, html, None)
    if verify:
        if log is not None or policy or gate or html is not None:
            raise typer.BadParameter("--verify goes without LOG, --policy, --gate and --html")
        from bandit_service.cli import verifying

        verifying.verify(
            database,
            log_policy,
            sample=sample,
            seed=seed,
            since=since,
            until=until,
            checkpoint_key=checkpoint_key,
            json=json,
        )
        return
    from bandit_service.cli import replay_output as output
    from bandit_service.evaluation.offpolicy.comparison import compare
    from bandit_service.evaluation.offpolicy.gates import parsed
    from bandit_service.evaluation.offpolicy.settings import Settings

    settings = Settings(
        training=training,
        level=level,
        resamples=resamples,
        seed=seed,
        gate=gate,
        least_effective_size=least_effective_size,
        live=live,
        robust=robust,
    )
    if gate:
        parsed(gate)  # before an hour of reading
    with ExitStack() as held:
        if database is None:
            traffic = _file(log, form, mapping, vw_cost, log_policy, lenient)
        else:
            _check_one_source(log, log_policy)
            reader = _reader(database)
            held.callback(reader.close)
            traffic = _stored(reader, log_policy, since, until, lenient)
        result = compare(traffic, _targets(policy or ["uniform"], traffic, seed), settings)
    if json is not None:
        output.write_json(result, None if json == STDOUT else Path(json))
    if json != STDOUT:
        output.show(result)
    if html is not None:
        from bandit_service.evaluation.offpolicy.report import write_html

        write_html(result, html)
    if any(each.gate is not None and not each.gate.passed for each in result.candidates):
        raise typer.Exit(GATE_CLOSED)


def _file(
    log: Path | None,
    form: str,
    mapping: Path | None,
    vw_cost: str,
    log_policy: str,
    lenient: bool,
) -> "Traffic":
    from bandit_service.cli.policy_yaml import read_mapping
    from bandit_service.evaluation.logs.mapping import mapped
    from bandit_service.evaluation.logs.opening import open_log
    from bandit_service.evaluation.logs.simulated import sample_traffic
    from bandit_service.evaluation.logs.vowpal import Reading

    if log is None:
        return sample_traffic()
    with watched("rows read") as progress:
        return open_log(
            log,
            form=form,
            how=None if mapping is None else mapped(read_mapping(mapping), str(mapping)),
            reading=Reading(cost_is=vw_cost),
            lenient=lenient,
            policy=log_policy,
            progress=progress,
        )


def _check_one_source(log: Path | None, log_policy: str) -> None:
    from bandit_service.errors import InvalidField

    if log is not None:
        raise InvalidField("--database", "is one log, LOG another: give one of them")
    if not log_policy:
        raise InvalidField("--database", "name the policy whose log it is with --log-policy")


def _reader(database: str) -> "LogReader":
    from bandit_service.store import open_log_reader

    return open_log_reader(database)


def _stored(
    reader: "LogReader", log_policy: str, since: str, until: str, lenient: bool
) -> "Traffic":
    from bandit_service.cli.export import moment
    from bandit_service.evaluation.logs import stored

    with watched("decisions read") as progress:
        return stored.traffic(
            reader,
            log_policy,
            since=moment("--since", since, stored.ALWAYS[0]),
            until=moment("--until", until, stored.ALWAYS[1]),
            lenient=lenient,
            progress=progress,
        )


def _targets(named: list[str], traffic: "Traffic", seed: int) -> list["Target"]:
    from bandit_service.cli.simulate import contestant
    from bandit_service.errors import InvalidField
    from bandit_service.evaluation.offpolicy.gathering import dim_of
    from bandit_service.evaluation.offpolicy.targets import ARM, Learner, OneArm

    dim = dim_of(traffic)
    targets: list[Target] = [
        OneArm(each.removeprefix(ARM), traffic.arms)
        if each.startswith(ARM)
        else Learner(contestant(each), traffic.arms, dim, seed)
        for each in named
    ]
    labels = [target.label for target in targets]
    for label in labels:
        if labels.count(label) > 1:
            raise InvalidField("--policy", f"{label!r} is there twice")
    return targets


@contextmanager
def watched(what: str) -> Iterator[Callable[[int], None] | None]:
    """A counter on a terminal's standard error, to be told how many more; None elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

    columns = SpinnerColumn(), TextColumn(what), MofNCompleteColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda more: bar.advance(task, more)
