"""Made-up sets with known truth: `expected` holds the mean around which each quality was drawn.

Every set comes from one seed. `dim` is that of the contexts a policy sees, the constant included
that the service adds: the n vectors of a set are directions drawn evenly from the unit sphere in
R^(dim - 1).

With `costs`, what arms cost is made up too: prices rise tenfold from one arm to the next but one,
tokens are drawn, and cost, latency and energy follow from tokens, so that fronts can be drawn. In
the linear set a dear arm is no better than a cheap one. A policy that takes list prices for a hint
of quality would be led astray there for no reason, so it has them only if asked.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from bandit_service.errors import InvalidField
from bandit_service.evaluation.table import Array, OutcomeTable, Pair
from bandit_service.model import Arm

Rng = np.random.Generator

# With five arms the best of them lies this many times 1.163 (the mean of the largest of five
# standard normals) above their average: .195 a query, so that choosing evenly loses 390 in 2,000.
SPREAD = 0.168

_CHEAPEST_USD_PER_MILLION_TOKENS = 0.1
_SECONDS_PER_TOKEN = 0.01
_JOULES_PER_TOKEN = 0.2


def linear(
    queries: int = 2000,
    arms: int = 5,
    dim: int = 16,
    noise: float = 0.05,
    seed: int = 0,
    costs: bool = False,
) -> OutcomeTable:
    """Each arm's mean is linear in the vector: .5 + SPREAD * theta @ x, theta ~ N(0, I).

    About .3 % of the means lie outside [0, 1] and are moved to its edge. With the defaults
    choosing evenly has a regret of 390 after 2,000 queries, give or take 30 by seed.
    """
    rng = _generator(queries, arms, dim, noise, seed)
    contexts = _sphere(rng, queries, dim)
    means = 0.5 + SPREAD * contexts @ rng.standard_normal((arms, dim - 1)).T
    return _table("linear", rng, contexts, means, noise, costs=costs)


def clustered(
    queries: int = 2000,
    arms: int = 5,
    dim: int = 16,
    noise: float = 0.1,
    seed: int = 0,
    clusters: int = 4,
) -> OutcomeTable:
    """Queries of `clusters` kinds (the tasks), each with a best arm of its own.

    The last arm, the dearest, is good at everything (.7). Kind c is done best by arm c (modulo
    the others), with .85, while an arm has .4 on the kinds that are not its own. Contexts lie
    around the direction of their kind.
    """
    rng = _generator(queries, arms, dim, noise, seed)
    if clusters < 1:
        raise InvalidField("clusters", f"must be at least 1, not {clusters}")
    kinds = rng.integers(clusters, size=queries)
    centres = _sphere(rng, clusters, dim)
    contexts = _unit(centres[kinds] + 0.5 * _sphere(rng, queries, dim))
    means = np.full((queries, arms), 0.4)
    means[:, -1] = 0.7
    means[np.arange(queries), kinds % max(arms - 1, 1)] = 0.85
    tasks = tuple(f"cluster-{kind}" for kind in kinds)
    return _table("clustered", rng, contexts, means, noise, tasks)


def drifting(
    queries: int = 2000,
    arms: int = 5,
    dim: int = 16,
    noise: float = 0.1,
    seed: int = 0,
    shifts: int = 3,
) -> OutcomeTable:
    """The arms change places `shifts` times, at even distances: serve it in file order.

    Their levels, from .3 to .7, move on by one arm at each shift; around them lies a small linear
    part that stays. The tasks, "phase-0" and so on, tell the rows' phases.
    """
    rng = _generator(queries, arms, dim, noise, seed)
    if not 0 <= shifts < queries:
        raise InvalidField("shifts", f"must be at least 0 and below queries, not {shifts}")
    contexts = _sphere(rng, queries, dim)
    phases = np.arange(queries) * (shifts + 1) // queries
    levels = rng.permutation(np.linspace(0.3, 0.7, arms))
    slots = (np.arange(arms) - phases[:, np.newaxis]) % arms
    means = levels[slots] + 0.05 * contexts @ rng.standard_normal((arms, dim - 1)).T
    tasks = tuple(f"phase-{phase}" for phase in phases)
    return _table("drifting", rng, contexts, means, noise, tasks)


def rising(
    queries: int = 2000, arms: int = 5, dim: int = 16, noise: float = 0.1, seed: int = 0
) -> OutcomeTable:
    """Means that grow along the rows, towards the higher a ceiling the slower: serve in file order.

    Arm k starts at .5 - .4 k/(K-1), rises to .5 + .4 k/(K-1) and has gone 63 % of the way after
    (k+1)/(2K) of the queries. In the literature an arm rises with its own pulls; a table can only
    let it rise with the row. Contexts carry no information.
    """
    rng = _generator(queries, arms, dim, noise, seed)
    share = np.arange(arms) / max(arms - 1, 1)
    pace = (np.arange(arms) + 1) * queries / (2 * arms)
    grown = 1 - np.exp(-np.arange(queries)[:, np.newaxis] / pace)
    means = 0.5 - 0.4 * share + 0.8 * share * grown
    return _table("rising", rng, _sphere(rng, queries, dim), means, noise)


def duels(
    queries: int = 2000,
    arms: int = 5,
    dim: int = 16,
    noise: float = 0.05,
    seed: int = 0,
    sharpness: float = 10.0,
    costs: bool = False,
) -> tuple[OutcomeTable, list[Pair]]:
    """The `linear` set of the same seed, and one verdict a query on two arms drawn evenly.

    Bradley-Terry: a beats b with the chance 1 / (1 + exp(-sharpness * (its mean - b's mean))).
    """
    table = linear(queries, arms, dim, noise, seed, costs)
    if arms < 2:
        raise InvalidField("arms", f"must be at least 2 for duels, not {arms}")
    rng = np.random.default_rng([seed, 1])
    first = rng.integers(arms, size=queries)
    second = (first + rng.integers(1, arms, size=queries)) % arms
    assert table.expected is not None
    rows = np.arange(queries)
    gap = table.expected[rows, first] - table.expected[rows, second]
    wins = rng.random(queries) < 1 / (1 + np.exp(-sharpness * gap))
    names = table.arm_names
    pairs = [
        Pair(query, names[a], names[b], "a" if won else "b")
        for query, a, b, won in zip(table.query_ids, first, second, wins, strict=True)
    ]
    return replace(table, name="duels"), pairs


KINDS: dict[str, Callable[..., OutcomeTable]] = {
    "linear": linear,
    "clustered": clustered,
    "drifting": drifting,
    "rising": rising,
}


def make(kind: str, **settings: Any) -> tuple[OutcomeTable, list[Pair]]:
    """`kind` is one of KINDS or "duels", the only one with pairs. Raises InvalidField."""
    if kind == "duels":
        return duels(**settings)
    return KINDS[kind](**settings), []


def _generator(queries: int, arms: int, dim: int, noise: float, seed: int) -> Rng:
    for name, value, least in (("queries", queries, 1), ("arms", arms, 1), ("dim", dim, 2)):
        if value < least:
            raise InvalidField(name, f"must be at least {least}, not {value}")
    if not (np.isfinite(noise) and noise >= 0):
        raise InvalidField("noise", f"must be a number of at least 0, not {noise}")
    if seed < 0:
        raise InvalidField("seed", f"must be at least 0, not {seed}")
    return np.random.default_rng(seed)


def _sphere(rng: Rng, count: int, dim: int) -> Array:
    """(count, dim - 1): the constant is not among them."""
    return _unit(rng.standard_normal((count, dim - 1)))


def _unit(vectors: Array) -> Array:
    lengths: Array = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / lengths


def _table(
    name: str,
    rng: Rng,
    contexts: Array,
    means: Array,
    noise: float,
    tasks: tuple[str, ...] | None = None,
    *,
    costs: bool = True,
) -> OutcomeTable:
    """Quality drawn around `means` (n, K), and what arms cost.

    The noise is normal, cut on both sides at the nearer edge of [0, 1]: so quality stays in range
    and its mean is exact.
    """
    expected = np.clip(means, 0.0, 1.0)
    room = np.minimum(expected, 1 - expected)
    quality = expected + np.clip(noise * rng.standard_normal(means.shape), -room, room)
    count, arms = means.shape
    unknown = np.full(means.shape, np.nan)
    table = OutcomeTable(
        name=name,
        query_ids=tuple(f"{name}-{row:05d}" for row in range(count)),
        tasks=tasks or ("",) * count,
        arms=tuple(Arm(name=f"arm-{slot}") for slot in range(arms)),
        quality=np.clip(quality, 0.0, 1.0),
        cost_usd=unknown,
        latency_seconds=unknown.copy(),
        energy_joules=unknown.copy(),
        input_tokens=unknown.copy(),
        output_tokens=unknown.copy(),
        contexts=contexts,
        expected=expected,
    )
    return _priced(table, rng) if costs else table


def _priced(table: OutcomeTable, rng: Rng) -> OutcomeTable:
    """The same with made-up prices and tokens, and what follows from them."""
    count, arms = table.quality.shape
    read = np.round(rng.lognormal(np.log(200), 0.5, size=(count, 1)) + 1).repeat(arms, axis=1)
    written = np.round(rng.lognormal(np.log(300), 0.5, size=(count, arms)) + 1)
    prices = _CHEAPEST_USD_PER_MILLION_TOKENS * 10 ** (np.arange(arms) / 2)
    per_token = 1 + np.arange(arms) / 2
    return replace(
        table,
        arms=tuple(_arm(slot, price) for slot, price in enumerate(prices.tolist())),
        cost_usd=(read + 4 * written) * prices / 1e6,
        latency_seconds=0.2 + written * _SECONDS_PER_TOKEN * per_token,
        energy_joules=written * _JOULES_PER_TOKEN * per_token,
        input_tokens=read,
        output_tokens=written,
    )


def _arm(slot: int, price: float) -> Arm:
    return Arm(
        name=f"arm-{slot}",
        input_usd_per_million_tokens=price,
        output_usd_per_million_tokens=4 * price,
        declared_joules_per_output_token=_JOULES_PER_TOKEN * (1 + slot / 2),
    )
