"""The runs of one policy side by side: one row a seed, one column a step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bandit_service.evaluation.allowances import Allowance
from bandit_service.evaluation.runs import Run
from bandit_service.evaluation.table import Array, OutcomeTable, Rows


@dataclass(frozen=True, slots=True, eq=False)
class Streams:
    """S runs of T queries, by rising seed.

    seeds    (S,)
    rows     (S, T) the table's row served
    arms     (S, T) the slot it was sent to
    seconds  of all runs together
    second   (S, T) the other slot of each duel, the same again where one arm was drawn twice
    """

    seeds: tuple[int, ...]
    rows: Rows
    arms: Rows
    seconds: float
    second: Rows | None = None

    @property
    def steps(self) -> int:
        return int(self.rows.shape[1])

    def since(self, step: int) -> "Streams":
        """The same without the first steps."""
        second = None if self.second is None else self.second[:, step:]
        return Streams(self.seeds, self.rows[:, step:], self.arms[:, step:], self.seconds, second)

    def average(self, values: NDArray[Any]) -> Array:
        """Of a table's (n, K): what was got, of a duel the mean of its arms, (S, T)."""
        first: Array = values[self.rows, self.arms]
        if self.second is None:
            return first
        both: Array = np.add(first, values[self.rows, self.second], dtype=np.float64)
        return 0.5 * both

    def total(self, values: Array) -> Array:
        """What was paid, of a duel for both of its arms, (S, T)."""
        first: Array = values[self.rows, self.arms]
        if self.second is None:
            return first
        paid: Array = first + values[self.rows, self.second]
        return np.where(self.second == self.arms, first, paid)

    def slower(self, values: Array) -> Array:
        """What was waited, of a duel for the slower arm, (S, T)."""
        first: Array = values[self.rows, self.arms]
        return first if self.second is None else np.maximum(first, values[self.rows, self.second])

    def calls(self) -> tuple[Rows, Rows]:
        """Rows and slots, of a duel both sides one after the other: (S, T) or (S, 2 T)."""
        if self.second is None:
            return self.rows, self.arms
        return np.hstack((self.rows, self.rows)), np.hstack((self.arms, self.second))


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
    seconds = [run.second_arms for run in runs if run.second_arms is not None]
    if seconds and len(seconds) < len(runs):
        raise ValueError(f"some runs of {label} are duels, some are not")
    streams = Streams(
        seeds, rows, arms, sum(run.seconds for run in runs), np.stack(seconds) if seconds else None
    )
    if not table.offered[streams.calls()].all():
        raise ValueError(f"{label} chose an arm whose quality is not known")
    return streams


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
