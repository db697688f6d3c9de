"""`bandit-service replay --verify`: decisions made again from what the database itself holds."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from bandit_service.cli import exits, output

if TYPE_CHECKING:
    from bandit_service.checkpoints import Seal
    from bandit_service.evaluation.audit.results import Audit, Finding

SHOWN = 20  # findings in the table; JSON has all


def verify(
    database: str | None,
    policy: str,
    *,
    sample: int,
    seed: int,
    since: str,
    until: str,
    checkpoint_key: Path | None,
    json: str | None,
) -> None:
    """Of one policy, or of all. Ends with code 10 if anything does not hold."""
    from msgspec import to_builtins

    from bandit_service.cli.export import moment
    from bandit_service.cli.options import database_url
    from bandit_service.cli.replay import watched
    from bandit_service.errors import InvalidField
    from bandit_service.evaluation.audit import verifying
    from bandit_service.store import open_log_reader

    first = moment("--since", since, verifying.ALWAYS[0])
    last = moment("--until", until, verifying.ALWAYS[1])
    if first >= last:
        raise InvalidField("--since", "is not before --until")
    seal = seal_of(checkpoint_key)
    reader = open_log_reader(database_url(database))
    try:
        with watched("decisions read") as progress:
            audits = [
                verifying.verify(
                    reader,
                    name,
                    sample=sample,
                    seed=seed,
                    since=first,
                    until=last,
                    seal=seal,
                    progress=progress,
                )
                for name in ([policy] if policy else reader.names())
            ]
    finally:
        reader.close()
    if json is not None:
        output.write_json([to_builtins(one) | {"holds": one.holds} for one in audits], json)
    if json != output.STDOUT:
        for audit in audits:
            _show(audit)
    if not all(audit.holds for audit in audits):
        raise typer.Exit(exits.DOES_NOT_HOLD)


def seal_of(checkpoint_key: Path | None) -> "Seal":
    import os

    from bandit_service.checkpoints import Seal, read_keys

    given = checkpoint_key or os.environ.get("BANDIT_CHECKPOINT_KEY")
    return Seal(read_keys(Path(given)) if given else ())


def _show(audit: "Audit") -> None:
    journal = audit.journal
    left_out = ", ".join(f"{count:,} {flag}" for flag, count in audit.left_out.items())
    output.facts(
        [
            ("policy", audit.policy),
            ("decisions", f"{audit.decisions:,}"),
            ("nothing drawn", left_out),
            ("derived again", f"the arms of {audit.sampled:,}, "
                              f"the probabilities of {audit.rederived:,}"),
            *((f"  not: {count:,}", why) for why, count in audit.not_rederived.items()),
            ("undecided", f"by a challenger: {audit.undecided:,}" if audit.undecided else None),
            ("journal", f"folded from {journal.start:,} to {journal.position:,} "
                        f"of {journal.head:,}"),
            ("state hash", journal.state_hash),
            ("broken", journal.wrong),
        ]
    )  # fmt: skip
    output.table(
        ("arm", "decisions", "drawn", "expected", "mean 1{a}/p", "standard error", "verdict"),
        [
            (
                arm.arm,
                arm.decisions,
                arm.drawn,
                round(arm.expected, 1),
                round(arm.mean, 4),
                None if arm.standard_error is None else round(arm.standard_error, 4),
                {True: "fair", False: "NOT FAIR", None: "too few to tell"}[arm.holds],
            )
            for arm in audit.arms
        ],
    )
    if audit.findings:
        output.table(
            ("decision", "position", "what", "logged", "found"), map(_row, audit.findings[:SHOWN])
        )
        if len(audit.findings) > SHOWN:
            typer.echo(f"... and {len(audit.findings) - SHOWN:,} more (--json has them all)")
    typer.echo("everything holds" if audit.holds else "NOT EVERYTHING HOLDS")


def _row(one: "Finding") -> tuple[str, int, str, str, str]:
    return one.decision_id, one.position, one.what, one.logged, one.found
