"""Controllers against the best that could have been done with the whole stream in hand.

    python -m benchmarks.budgets --only optimum [--seeds N] [--jobs N]

First on streams whose queries come alike: values are known, so that nothing is measured but the
controller. The optimum is the linear program over the stream (each query shared out among the arms,
within the budgets), solved by scipy: no rule that decides query by query can beat it. *value* is
what was earned over that; *gain* the same of what is earned above the cheapest arm, which
everybody has for certain. Who spends more than the budget is held against the optimum at what was
spent.

Then the knapsack threshold on the orders that hurt, where a query may also be left out, against
its guarantee: the best over what it earns is at most ln(U / L) + 1 with one item a query, and
ln(U / L) + 2 where it may choose among several. A stream of rising values may end anywhere, and
nothing of worth comes after it: printed is the worst end.
"""

import multiprocessing
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from math import e, log

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_matrix

from policies.budget import CONTROLLERS, KnapsackThreshold, Purse
from policies.budget.controller import AnyController
from policies.budget.knapsack import threshold
from policies.policy import Array

STEPS = 2000
ONE = np.array([[1.0], [6.0], [100.0]])  # (K, R) what a call takes: arms a hundredfold apart
TWO = np.array([[1.0, 4.0], [2.0, 2.0], [5.0, 6.0], [9.0, 3.0]])
BUDGETS = (  # a query
    (ONE, (3.0,)),
    (ONE, (10.0,)),
    (ONE, (30.0,)),
    (TWO, (3.0, 3.2)),
)
BOUNDS = (1.0, 2.0), (1.0, 100.0), (63.0, 27000.0)  # of the value of a unit of the resource
ORDERS = "rising", "falling", "low, then high"
ENDS = 0.1, 0.3, 0.6, 1.0  # of the stream, at which rising values may stop
CAPACITY = 300.0
MOST_ARMS = 3


@dataclass(frozen=True)
class Played:
    """A controller on one stream whose queries come alike. value, gain: shares of the optimum's;
    spent: of the budget that is fullest."""

    controller: str
    rate: tuple[float, ...]
    value: float
    gain: float
    spent: float


@dataclass(frozen=True)
class Guarded:
    """The knapsack threshold on one stream. ratio: the best over what was earned, at the worst
    end; bound: what it may be, for items that are small beyond measure; allowed: for these."""

    lower: float
    upper: float
    order: str
    arms: int
    ratio: float
    bound: float

    @property
    def allowed(self) -> float:
        return self.bound * (1.0 + 2.0 * self.bound / CAPACITY)


def relaxed(values: Array, amounts: Array, budgets: Array) -> float:
    """Value of the best fractional choice: (n, K) values, (K, R) amounts, (R,) budgets in all."""
    count, arms = values.shape
    taken = np.tile(amounts.T, (1, count))
    one_each = csr_matrix(
        (np.ones(count * arms), (np.repeat(np.arange(count), arms), np.arange(count * arms)))
    )
    found = linprog(
        -values.ravel(), A_ub=taken, b_ub=budgets, A_eq=one_each, b_eq=np.ones(count),
        method="highs",
    )  # fmt: skip
    if found.status != 0:
        raise ValueError(f"no choice keeps within these budgets: {found.message}")
    return float(-found.fun)


def played(
    controller: AnyController,
    values: Array,
    amounts: Array,
    rate: Array,
    seed: int = 0,
    with_end: bool = True,
) -> tuple[float, Array]:
    """Value earned and amounts (R,) taken in all: each query gets one arm, drawn from the chances;
    the cheapest where a threshold closes all."""
    rng = np.random.default_rng(seed)
    state, spent, earned = controller.start(len(rate)), np.zeros(len(rate)), 0.0
    cheapest = int((amounts / rate).max(axis=1).argmin())
    for step, row in enumerate(values):
        left = float(len(values) - step) if with_end else None
        purse = Purse(rate, spent, step, left)
        prices = controller.prices(state, purse, amounts, row[None])
        price = prices.first
        if prices.second is not None and rng.random() >= prices.weight:
            price = prices.second
        scores = row - amounts @ price
        if prices.open is not None:
            scores = np.where(prices.open[0], scores, -np.inf)
        arm = int(scores.argmax()) if np.isfinite(scores).any() else cheapest
        controller.settle(state, purse, amounts[arm])
        spent = spent + amounts[arm]
        earned += float(row[arm])
    return earned, spent


def collected(values: Array, amounts: Array, capacity: float, controller: AnyController) -> float:
    """Plays the open arm of most value that fits, or none at all; what that earns."""
    state, spent, earned = controller.start(1), 0.0, 0.0
    count = len(values)
    for step in range(count):
        purse = Purse(np.array([capacity / count]), np.array([spent]), step, float(count - step))
        is_open = controller.prices(state, purse, amounts, values[step : step + 1]).open
        assert is_open is not None, "a threshold opens arms"
        fits = is_open[0] & (spent + amounts[:, 0] <= capacity)
        if fits.any():
            arm = int(np.where(fits, values[step], -np.inf).argmax())
            spent += float(amounts[arm, 0])
            earned += float(values[step, arm])
    return earned


def best(values: Array, amounts: Array, capacity: float) -> float:
    """In hindsight, where a query may also be left out."""
    nothing = np.zeros((len(values), 1))
    return relaxed(
        np.hstack([values, nothing]), np.vstack([amounts, [[0.0]]]), np.array([capacity])
    )


def alike(seed: int, steps: int = STEPS) -> list[Played]:
    """Every controller under each of the budgets, on streams of one seed."""
    found = []
    for amounts, each in BUDGETS:
        rate = np.array(each)
        means = [0.5, 0.7, 0.8] if len(amounts) == 3 else [0.6, 0.7, 0.75, 0.8]
        spread = 0.15 if len(amounts) == 3 else 0.2
        values = np.random.default_rng(seed).normal(means, spread, (steps, len(amounts)))
        within = relaxed(values, amounts, rate * steps)
        least = float(values[:, (amounts / rate).max(axis=1).argmin()].sum())
        for name, make in CONTROLLERS.items():
            if name == KnapsackThreshold.name and len(rate) > 1:
                continue  # it keeps one
            earned, spent = played(make(), values, amounts, rate, seed)
            over = bool((spent > rate * steps).any())
            most = relaxed(values, amounts, np.maximum(spent, rate * steps)) if over else within
            gain = (earned - least) / (most - least)
            fullest = float((spent / (rate * steps)).max())
            found.append(Played(name, each, earned / most, gain, fullest))
    return found


def adversarial(seed: int, steps: int = STEPS) -> list[Guarded]:
    """The threshold in one bin, told L and U, on each of the orders."""
    rng, found = np.random.default_rng(seed), []
    for (lower, upper), order, arms in product(BOUNDS, ORDERS, (1, MOST_ARMS)):
        amounts = rng.uniform(0.5, 2.0, (arms, 1))
        values = _in_order(rng, order, lower, upper, (steps, arms)) * amounts[:, 0]
        controller = KnapsackThreshold(bins=1, lower=lower, upper=upper)
        ratio = max(
            best(each, amounts, CAPACITY) / collected(each, amounts, CAPACITY, controller)
            for each in _ended(values, ENDS if order == "rising" else (1.0,))
        )
        bound = log(upper / lower) + (1.0 if arms == 1 else 2.0)
        found.append(Guarded(lower, upper, order, arms, ratio, bound))
    return found


def _in_order(
    rng: np.random.Generator, order: str, lower: float, upper: float, shape: tuple[int, int]
) -> Array:
    """Values of a unit, (n, K), within the bounds."""
    levels = np.geomspace(lower, upper, shape[0])
    if order == "falling":
        levels = levels[::-1]
    if order == "low, then high":
        levels = np.where(np.arange(shape[0]) < shape[0] // 2, lower, upper)
    noisy: Array = np.clip(levels[:, None] * rng.uniform(0.9, 1.0, shape), lower, upper)
    return noisy


def _ended(values: Array, ends: Iterable[float]) -> Iterator[Array]:
    """Nothing of worth comes after the end, so the length of the stream tells nothing."""
    for end in ends:
        each = values.copy()
        each[int(end * len(values)) :] = 0.0
        yield each


def report(seeds: int, jobs: int) -> str:
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        streams = [each for some in pool.map(alike, range(seeds)) for each in some]
        guarded = [each for some in pool.map(adversarial, range(seeds)) for each in some]
    lines = [
        f"queries that come alike, {STEPS} of them, as shares of the offline optimum",
        "budget       controller             value   worst   gain    worst   spent at most",
    ]
    for rate, name in dict.fromkeys((each.rate, each.controller) for each in streams):
        some = [each for each in streams if (each.rate, each.controller) == (rate, name)]
        value, gain = ([getattr(one, what) for one in some] for what in ("value", "gain"))
        lines.append(
            f"{' and '.join(f'{r:g}' for r in rate):<12} {name:<22} {np.mean(value):.4f}  "
            f"{min(value):.4f}  {np.mean(gain):.4f}  {min(gain):.4f}  "
            f"{max(one.spent for one in some):.4f}"
        )
    lines += ["", "the knapsack threshold at its three known points, and what they are to be"]
    for lower, upper in BOUNDS:
        selective = 1.0 / (1.0 + log(upper / lower))
        points = ((0.0, lower / e), (selective, lower), (1.0, upper))
        cells = (f"Psi({z:.4f}) = {threshold(z, lower, upper):.6g} ({at:.6g})" for z, at in points)
        lines.append(f"L {lower:g}, U {upper:g}: " + ", ".join(cells))
    lines += ["", "best in hindsight over what the threshold earns, the worst of the seeds"]
    lines += ["     L        U  order           arms   ratio   bound   for items as large as these"]
    for key in dict.fromkeys((one.lower, one.upper, one.order, one.arms) for one in guarded):
        some_of = [o for o in guarded if (o.lower, o.upper, o.order, o.arms) == key]
        worst = max(some_of, key=lambda one: one.ratio)
        lines.append(
            f"{worst.lower:6g} {worst.upper:8g}  {worst.order:<15} {worst.arms:4d} "
            f"{worst.ratio:7.3f} {worst.bound:7.3f} {worst.allowed:7.3f}"
        )
    return "\n".join(lines)
