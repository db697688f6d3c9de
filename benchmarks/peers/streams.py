"""The streams that everybody plays, and the files in which they travel to a peer's environment.

A stream is a table and, for each seed, the rows served and their order. Those are the orders of
`bandit-service simulate`, so what is measured here can be run again there.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bandit_service.evaluation import files, loading, synthetic
from bandit_service.evaluation.arrivals import Arrivals
from bandit_service.evaluation.bundled import bundled_table
from bandit_service.evaluation.contexts import contexts_of
from bandit_service.evaluation.optimal import worth
from bandit_service.evaluation.table import Array, OutcomeTable, Rows

# Where people would rather have the answer in an hour: many arms and many queries take longer.
SETS = ("llmrouter", "routerbench")


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """A table of n queries, all of whose outcomes are known, as it is served under S seeds.

    contexts  (n, d)  what everybody is shown, the constant last
    orders    seed -> (T,) the row served at each step
    dropped   queries of the source that lack an outcome: most peers cannot rule out an arm
    """

    table: OutcomeTable
    contexts: Array
    orders: dict[int, Rows]
    dropped: int = 0

    @property
    def name(self) -> str:
        return self.table.name

    @property
    def truth(self) -> Array:
        """What regret is measured in, (n, K): expected quality where it is known."""
        return worth(self.table)


@dataclass(frozen=True, slots=True, eq=False)
class Choices:
    """What came back for s seeds: arms (s, T), and seconds (s,) of processor time."""

    arms: Rows
    seconds: Array


def found(
    data: Path | None, seeds: Sequence[int], only: Sequence[str] = SETS, *, quick: bool = False
) -> list[Stream]:
    """The bundled sample; unless `quick`, also the made-up linear set and, of the folders of `data`
    with queries and outcomes, those named. Raises BadTable."""
    streams = [of_table(bundled_table(), seeds)]
    if quick:
        return streams
    streams += (
        [of_table(loading.load(folder), seeds) for folder in _sets(data, only)] if data else []
    )
    return [*streams, linear_worlds(seeds)]


def _sets(data: Path, only: Sequence[str]) -> list[Path]:
    """Folders that hold a set; others, of pairs or of prices, are passed over."""
    folders = sorted(path for path in data.iterdir() if path.is_dir() and path.name in only)
    return [path for path in folders if all(files.find(path, n) for n in ("queries", "outcomes"))]


def of_table(table: OutcomeTable, seeds: Iterable[int]) -> Stream:
    """The whole table in another order under each seed."""
    whole = table.rows(np.flatnonzero(table.offered.all(axis=1)))
    orders = {seed: Arrivals().rows(whole, seed) for seed in seeds}
    return Stream(whole, contexts_of(whole).matrix, orders, len(table) - len(whole))


def linear_worlds(seeds: Sequence[int]) -> Stream:
    """The linear set, its truth known (d = 16, K = 5, T = 2000). Each seed is another world."""
    worlds = [synthetic.linear(seed=seed) for seed in seeds]
    orders, start = {}, 0
    for seed, world in zip(seeds, worlds, strict=True):
        orders[seed] = start + Arrivals().rows(world, seed)
        start += len(world)
    table = _one_after_another(worlds)
    return Stream(table, contexts_of(table).matrix, orders)


def write(stream: Stream, path: Path) -> None:
    """As `programs.protocol` reads it; costs and list prices are for our own policies."""
    np.savez(
        path,
        list_prices=list_prices(stream.table),
        contexts=stream.contexts,
        quality=stream.table.quality,
        cost_usd=stream.table.cost_usd,
        seeds=np.array(list(stream.orders)),
        orders=np.stack(list(stream.orders.values())),
    )


def list_prices(table: OutcomeTable) -> Array:
    """USD a million tokens in and out, (K, 2); NaN where not known."""
    pairs = [
        (arm.input_usd_per_million_tokens, arm.output_usd_per_million_tokens) for arm in table.arms
    ]
    return np.array(pairs, dtype=np.float64)


def read_choices(path: Path, stream: Stream, seeds: Sequence[int]) -> Choices:
    """What a program wrote for these seeds. Raises ValueError where it is not one arm a query."""
    with np.load(path, allow_pickle=False) as stored:
        arms, seconds = stored["arms"], stored["seconds"]
    wanted = (len(seeds), len(stream.orders[seeds[0]]))
    if arms.shape != wanted or seconds.shape != wanted[:1]:
        raise ValueError(f"wanted {wanted} arms, got {arms.shape}, seconds {seconds.shape}")
    if not np.issubdtype(arms.dtype, np.integer):
        raise ValueError(f"arms are {arms.dtype}, not integers")
    if arms.min() < 0 or arms.max() >= len(stream.table.arms):
        raise ValueError(f"arms from {arms.min()} to {arms.max()} of {len(stream.table.arms)}")
    return Choices(arms.astype(np.intp), seconds.astype(np.float64))


def _one_after_another(tables: Sequence[OutcomeTable]) -> OutcomeTable:
    """The rows of tables of equal arms in one table. Of measurements only quality and cost stay."""

    def joined(parts: Iterable[Array | None]) -> Array:
        return np.concatenate([part for part in parts if part is not None])

    first = tables[0]
    quality = joined(table.quality for table in tables)
    unknown: NDArray[np.float64] = np.full(quality.shape, np.nan)
    return replace(
        first,
        query_ids=tuple(
            f"{at}-{row}" for at, table in enumerate(tables) for row in table.query_ids
        ),
        tasks=tuple(task for table in tables for task in table.tasks),
        quality=quality,
        cost_usd=joined(table.cost_usd for table in tables),
        latency_seconds=unknown,
        energy_joules=unknown,
        input_tokens=unknown,
        output_tokens=unknown,
        contexts=joined(table.contexts for table in tables),
        expected=joined(table.expected for table in tables),
    )
