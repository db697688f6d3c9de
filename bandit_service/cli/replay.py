"""The command that judges policies by logged traffic, and opens or closes a gate."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from bandit_service.cli import output
from bandit_service.cli import replay_options as options
from bandit_service.cli.output import STDOUT
from bandit_service.cli.replay_options import GATE_CLOSED
from bandit_service.cli.simulate import check_outputs

if TYPE_CHECKING:
    from bandit_service.engine import PolicyEngine
    from bandit_service.evaluation.logs import Traffic
    from bandit_service.evaluation.offpolicy.results import Comparison
    from bandit_service.evaluation.offpolicy.settings import Settings
    from bandit_service.ports import LogReader


def replay(
    log: options.LogFile = None,
    policy: options.Candidates = None,
    budget_usd_per_query: options.Budgets = None,
    gate: options.GateText = "",
    least_effective_size: options.LeastSize = 500.0,
    training: options.Training = 0.5,
    live: options.Live = False,
    robust: options.Robust = False,
    propensities: options.Propensities = "logged",
    logger: options.LoggerNames = None,
    form: options.Form = "auto",
    mapping: options.MappingFile = None,
    vw_cost: options.VwCost = "negative",
    log_policy: options.LogPolicy = "",
    database: options.Database = None,
    since: options.Since = "",
    until: options.Until = "",
    lenient: options.Lenient = False,
    level: options.Level = 0.95,
    resamples: options.Resamples = 1000,
    seed: options.Seed = 0,
    json: options.JsonFile = None,
    html: options.HtmlFile = None,
    verify: options.Verify = False,
    sample: options.Sample = 20_000,
    checkpoint_key: options.CheckpointKey = None,
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
    from bandit_service.cli.replay_candidates import frozen
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
        propensities=propensities,
    )
    if gate:
        parsed(gate)  # before an hour of reading
    named = policy or ["uniform"]
    asked = named, logger or [], settings, budget_usd_per_query or []
    if database is None:
        frozen(named, None, log_policy, None)
        result = _judged(_file(log, form, mapping, vw_cost, log_policy, lenient), *asked)
    else:
        _check_one_source(log, log_policy)
        with _reader(database) as reader:
            engines = frozen(named, reader, log_policy, checkpoint_key)
            newest = max((each.position for each in engines.values()), default=0)
            traffic = _stored(reader, log_policy, since, until, lenient, newest)
            result = _judged(traffic, *asked, reader, engines)
    _tell(result, json, html)


def _judged(
    traffic: "Traffic",
    named: list[str],
    logged_by: list[str],
    settings: "Settings",
    budgets: list[float],
    reader: "LogReader | None" = None,
    engines: "Mapping[str, PolicyEngine] | None" = None,
) -> "Comparison":
    from bandit_service.cli.replay_candidates import loggers, targets
    from bandit_service.evaluation.offpolicy.comparison import compare

    made = targets(named, traffic, settings, budgets, reader, engines or {})
    return compare(traffic, made, settings, loggers(logged_by, traffic, settings, reader))


def _tell(result: "Comparison", json: str | None, html: Path | None) -> None:
    """Where it was asked for; ends with GATE_CLOSED if a gate is."""
    from bandit_service.cli import replay_output

    if json is not None:
        output.write_json(result, json)
    if json != STDOUT:
        replay_output.show(result)
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


@contextmanager
def _reader(database: str) -> "Iterator[LogReader]":
    from bandit_service.store import open_log_reader

    reader = open_log_reader(database)
    try:
        yield reader
    finally:
        reader.close()


def _stored(
    reader: "LogReader", log_policy: str, since: str, until: str, lenient: bool, checkpoint: int
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
            checkpoint=checkpoint,
        )


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
