"""Several policies over one table, many seeds each, and what that says about them.

from bandit_service.evaluation import simulate_study

if __name__ == "__main__":  # every process of `jobs` reads this file
    result = simulate_study(frame, ["default", "linucb:width=0.2"], seeds=20, jobs=4)
    for policy in result.policies:
        print(policy.policy, policy.whole.quality.mean)
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from bandit_service.errors import InvalidField
from bandit_service.evaluation.allowances import Allowance, allowances, check_allowances
from bandit_service.evaluation.arrivals import Arrivals, Order
from bandit_service.evaluation.contestants import (
    DEFAULT,
    Contestant,
    Entry,
    configured,
    entered,
    named,
    told_apart,
)
from bandit_service.evaluation.loading import from_frame
from bandit_service.evaluation.metrics import judge, skipped_steps, slot_of
from bandit_service.evaluation.optimal import known_mean
from bandit_service.evaluation.parallel import Job, Progress, run_all
from bandit_service.evaluation.results import Result
from bandit_service.evaluation.table import OutcomeTable
from bandit_service.model import PolicyConfig, PreferenceLearning

if TYPE_CHECKING:
    import pandas as pd

# The weakest dial makes the whole range of costs worth this much quality.
_LEAST_WORTH = 0.01
# Arms whose costs differ by less than this share of the range count as equally cheap.
_SAME_COST = 1e-3


def study(
    table: OutcomeTable,
    contestants: Sequence[Contestant],
    *,
    seeds: int = 20,
    first_seed: int = 0,
    order: Order = "shuffled",
    warmup: float = 0.0,
    feedback_fraction: float = 1.0,
    feedback_delay: int = 0,
    jobs: int = 1,
    dials: Sequence[float] = (),
    budgets: Sequence[Allowance] = (),
    compared_with: str | None = None,
    progress: Progress | None = None,
) -> Result:
    """Run every contestant with every seed, as configured, with every dial and under every budget.

    seeds, first_seed   how many, and the first of them, >= 0
    warmup              share of each stream that is served and learned from, but not in the
                        counted part, in [0, 1)
    jobs                processes; see `parallel`
    dials               values of quality_per_usd to sweep, >= 0; see `dials_for`
    budgets             what to keep to in runs of their own; see `allowances`
    compared_with       the arm that wins and losses are counted against; None: the best single
    progress            is told the runs done and the runs there are, after each

    and the settings of `Arrivals`. The offline reference sees what the first contestant sees.
    Raises InvalidField or BadTable before anything runs.
    """
    arrivals = Arrivals(
        order=order, feedback_fraction=feedback_fraction, feedback_delay=feedback_delay
    )
    _check(table, contestants, seeds, first_seed, warmup, jobs, dials, compared_with)
    contestants = told_apart(contestants)
    entries = entered(contestants, table)
    check_allowances(budgets, entries, table)
    wanted = _runs_of(len(entries), range(first_seed, first_seed + seeds), dials, budgets)
    runs = run_all(table, entries, arrivals, wanted, processes=jobs, progress=progress)
    result = judge(
        table,
        runs,
        [(each.label, each.description) for each in contestants],
        contexts=entries[0].contexts.matrix,
        warmup=warmup,
        compared_with=compared_with,
        arrivals=arrivals,
    )
    return msgspec.structs.replace(result, notes=(*result.notes, *_notes_on(entries)))


def simulate_study(
    data: "OutcomeTable | pd.DataFrame",
    policies: Sequence[str | PolicyConfig | Contestant] = (DEFAULT,),
    *,
    seeds: int = 20,
    first_seed: int = 0,
    order: Order = "shuffled",
    warmup: float = 0.0,
    feedback_fraction: float = 1.0,
    feedback_delay: int = 0,
    jobs: int = 1,
    dials: int = 0,
    budgets_usd_per_query: Sequence[float] = (),
    budgets_joules_per_query: Sequence[float] = (),
    compared_with: str | None = None,
    progress: Progress | None = None,
) -> Result:
    """`study` for notebooks and scripts.

    data      a table, or a frame with a row for each query and model: query_id, model, quality,
              and where known cost_usd, latency_s, energy_j, input_tokens, output_tokens, task,
              prompt. Other parts (prices, vectors) come in through `loading.from_frames`
    policies  names with settings, as `--policy` takes them, or configurations
    dials     how many settings of quality_per_usd to sweep, beside 0; 0: no sweep
    budgets_usd_per_query, budgets_joules_per_query
              budgets to sweep; where there are both, each of one with each of the other
    """
    table = data if isinstance(data, OutcomeTable) else from_frame(data)
    return study(
        table,
        [_contestant(each) for each in policies],
        seeds=seeds,
        first_seed=first_seed,
        order=order,
        warmup=warmup,
        feedback_fraction=feedback_fraction,
        feedback_delay=feedback_delay,
        jobs=jobs,
        dials=dials_for(table, dials),
        budgets=allowances(budgets_usd_per_query, budgets_joules_per_query),
        compared_with=compared_with,
        progress=progress,
    )


def dials_for(table: OutcomeTable, count: int) -> tuple[float, ...]:
    """0 and `count` values of quality_per_usd, evenly spread in their logarithm.

    From where the range of the arms' mean costs is worth .01 of quality, so that cost hardly
    matters, to where the step from the cheapest arm to the next is worth 1, so that no difference
    in quality is worth it. None at all for a count of 0. Raises InvalidField where there are no
    two costs to weigh.
    """
    if count == 0:
        return ()
    if count < 0:
        raise InvalidField("dials", f"must be >= 0, not {count}")
    means = known_mean(np.where(table.offered, table.cost_usd, np.nan))
    costs = np.sort(means[~np.isnan(means)])
    steps = costs[1:] - costs[0] if len(costs) else costs
    if not len(steps) or steps[-1] <= 0.0:
        raise InvalidField("dials", f"need two arms of different known cost; {table.name} has none")
    smallest = steps[steps >= _SAME_COST * steps[-1]][0]
    swept = np.geomspace(_LEAST_WORTH / steps[-1], 1.0 / smallest, count)
    return (0.0, *swept.tolist())


def _runs_of(
    entries: int, seeds: Iterable[int], dials: Sequence[float], budgets: Sequence[Allowance]
) -> list[Job]:
    """Every entry as it is configured, then with each dial, then under each budget; each time
    with every seed."""
    ways: list[tuple[float | None, Allowance | None]] = [
        (None, None),
        *((dial, None) for dial in dials),
        *((None, allowance) for allowance in budgets),
    ]
    return [
        Job(entry, seed, dial, allowance)
        for entry in range(entries)
        for dial, allowance in ways
        for seed in seeds
    ]


def _notes_on(entries: Sequence[Entry]) -> list[str]:
    """What a reader has to know of what policies saw, and of what they asked; each once."""
    notes = [entry.contexts.note for entry in entries if entry.contexts.note]
    notes += [
        f"{entry.label} asks two arms a query: quality is the mean of both, money and energy are "
        "those of both calls"
        for entry in entries
        if entry.config.preference_learning is PreferenceLearning.AS_PAIRS
    ]
    return list(dict.fromkeys(notes))


def _contestant(policy: str | PolicyConfig | Contestant) -> Contestant:
    if isinstance(policy, str):
        return named(policy)
    return configured(policy) if isinstance(policy, PolicyConfig) else policy


def _check(
    table: OutcomeTable,
    contestants: Sequence[Contestant],
    seeds: int,
    first_seed: int,
    warmup: float,
    jobs: int,
    dials: Sequence[float],
    compared_with: str | None,
) -> None:
    """Finds at once what would otherwise be found after an hour."""
    if not contestants:
        raise InvalidField("policies", "at least one is required")
    for name, value, least in (
        ("seeds", seeds, 1),
        ("first_seed", first_seed, 0),
        ("jobs", jobs, 1),
    ):
        if value < least:
            raise InvalidField(name, f"must be at least {least}, not {value}")
    skipped_steps(warmup, int(table.offered.any(axis=1).sum()))
    for dial in dials:
        if not 0.0 <= dial <= 1e9:
            raise InvalidField("dials", f"must be from 0 to 1e9, not {dial:g}")
    if len(set(dials)) < len(dials):
        raise InvalidField("dials", "each only once")
    if compared_with is not None:
        slot_of(table, compared_with)
