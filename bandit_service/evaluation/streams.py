"""The runs of one policy side by side: one row a seed, one column a step."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bandit_service.evaluation.allowances import Allowance
from bandit_service.evaluation.runs import Run
from bandit_service.evaluation.table import OutcomeTable, Rows


@dataclass(frozen=True, slots=True, eq=False)
class Streams:
    """S runs of T queries, by rising seed.

    seeds    (S,)
    rows     (S, T) the table's row served
    arms     (S, T) the slot it was sent to
    seconds  of all runs together
    """

    seeds: tuple[int, ...]
    rows: Rows
    arms: Rows
    seconds: float

    @property
    def steps(self) -> int:
        return int(self.rows.shape[1])

    def since(self, step: int) -> "Streams":
        """The same without the first steps."""
        return Streams(self.seeds, self.rows[:, step:], self.arms[:, step:], self.seconds)


def together(table: OutcomeTable, runs: Sequence[Run]) -> Streams:
    """The runs of one policy with one dial. Raises ValueError if they cannot be put together."""
    runs = sorted(runs, key=lambda run: run.seed)
    label = runs[0].policy
    seeds = tuple(run.seed for run in runs)
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"{label} ran twice with one seed: {seeds}")
    if len({run.order.shape for run in runs} | {run.arms.shape for run in runs}) > 1:
        raise ValueError(f"the runs of {label} are not equally long")
    if not len(runs[0].order):
        raise ValueError(f"the runs of {label} are empty")
    rows, arms = np.stack([run.order for run in runs]), np.stack([run.arms for run in runs])
    if not table.offered[rows, arms].all():
        raise ValueError(f"{label} chose an arm whose quality is not known")
    return Streams(seeds, rows, arms, sum(run.seconds for run in runs))


def main_streams(
    table: OutcomeTable, runs: Sequence[Run], policies: Sequence[str]
) -> dict[str, Streams]:
    """Policy -> its runs as configured. Raises ValueError unless all policies ran on the same
    streams, or if there is a run of a policy that is not listed.
    """
    found: dict[str, Streams] = {}
    if len(set(policies)) < len(policies) or not policies:
        raise ValueError(f"need distinct policies, got {list(policies)}")
    if strangers := {run.policy for run in runs} - set(policies):
        raise ValueError(f"runs of policies that are not listed: {sorted(strangers)}")
    for policy in policies:
        own = [run for run in runs if _is_main(run) and run.policy == policy]
        if not own:
            raise ValueError(f"no run of {policy} as configured")
        found[policy] = together(table, own)
    first = found[policies[0]]
    for policy, streams in found.items():
        if streams.seeds != first.seeds:
            raise ValueError(
                f"{policy} ran with seeds {streams.seeds}, {policies[0]} with {first.seeds}: "
                "they cannot be paired"
            )
        if not np.array_equal(streams.rows, first.rows):
            raise ValueError(f"{policy} and {policies[0]} ran on other queries for one seed")
    return found


def _is_main(run: Run) -> bool:
    """As configured, and without a budget."""
    return run.quality_per_usd is None and run.allowance is None


def swept_streams(table: OutcomeTable, runs: Sequence[Run], policy: str) -> dict[float, Streams]:
    """Dial -> the runs of one policy with it, by rising dial; empty without a sweep."""
    by_dial: dict[float, list[Run]] = {}
    for run in runs:
        if run.policy == policy and run.quality_per_usd is not None:
            by_dial.setdefault(run.quality_per_usd, []).append(run)
    return {dial: together(table, by_dial[dial]) for dial in sorted(by_dial)}


def budget_runs(runs: Sequence[Run], policy: str) -> dict[Allowance, list[Run]]:
    """Allowance -> the runs of one policy that kept to it, in the order they were given."""
    found: dict[Allowance, list[Run]] = {}
    for run in runs:
        if run.policy == policy and run.allowance is not None:
            found.setdefault(run.allowance, []).append(run)
    return found
