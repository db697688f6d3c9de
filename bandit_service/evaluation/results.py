"""What a simulation found, as it is printed, drawn and written to JSON. Records only.

Costs are USD a query, energy joules a query, latency seconds a query. None (null in JSON) is
unknown, and that is also what is known for too few of somebody's calls to be told (amounts.py).
Every `Mean` is over seeds, with its standard error (None where there is one seed).
"""

from typing import Literal

import msgspec


class Mean(msgspec.Struct, frozen=True):
    """A mean over seeds. `standard_error` is None for a single seed."""

    mean: float
    standard_error: float | None = None


class Measures(msgspec.Struct, frozen=True, kw_only=True):
    """One policy over one part of the stream.

    queries              in that part, a seed
    regret               summed over the part, against the best arm of each query (by expected
                         quality where the set is made up and knows it, else by quality)
    regret_to_best       summed, against the arm that is best on the whole set; can be negative
    routing_accuracy     share of queries sent to an optimal arm: one with the best quality there is
                         for the query, and the cheapest of those
    quality_of_best      quality as a share of the best single arm's
    cost_of_best         cost as a share of the best single arm's
    wins, ties, losses   against the arm compared with (see Result.compared_with), shares
    """

    queries: int
    quality: Mean
    cost_usd: Mean | None = None
    latency_seconds: Mean | None = None
    energy_joules: Mean | None = None
    regret: Mean
    regret_to_best: Mean
    routing_accuracy: Mean
    quality_of_best: Mean
    cost_of_best: Mean | None = None
    wins: Mean
    ties: Mean
    losses: Mean


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """How a policy did as the stream went on: m points, after `queries` queries each.

    quality, quality_error       (m,)   mean quality so far, its error over seeds (0 for one)
    regret, regret_error         (m,)   regret so far
    shares                       (m, K) arm shares since the point before
    """

    queries: tuple[int, ...]
    quality: tuple[float, ...]
    quality_error: tuple[float, ...]
    regret: tuple[float, ...]
    regret_error: tuple[float, ...]
    shares: tuple[tuple[float, ...], ...]


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """A place on a quality-cost (or quality-energy) front.

    quality_per_usd   the dial it was reached with; None for references
    mixture           for the hull: arm -> share
    """

    quality: float
    cost_usd: float | None = None
    energy_joules: float | None = None
    quality_per_usd: float | None = None
    mixture: dict[str, float] = {}


class Spread(msgspec.Struct, frozen=True):
    """Over seeds: a mean, its standard error (None for a single seed), and the largest."""

    mean: float
    std_error: float | None
    max: float


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How one seed of a budgeted policy went on: m points, after `queries` queries each.

    spent  (m,) of what an even pace would have spent by then
    price  (m,) the shadow price: points of quality a unit of the resource
    """

    seed: int
    queries: tuple[int, ...]
    spent: tuple[float, ...]
    price: tuple[float, ...]


class BudgetResult(msgspec.Struct, frozen=True, kw_only=True):
    """One policy under one budget, whole streams unless it says otherwise.

    resource          cost_usd or energy_joules
    budget            of that resource, a query (USD or joules)
    other_budgets     resource -> budget, where the policy kept to others at the same time
    utilisation       spent, as a share of the budget
    hull_quality      of the static hull at what was spent; None: nothing is that cheap
    hull_at_budget    of the static hull at the budget
    counted, counted_hull_quality   the part after the warm-up, at what that part spent
    pace              of the first seed
    """

    resource: Literal["cost_usd", "energy_joules"]
    budget: float
    other_budgets: dict[str, float] = {}
    controller: str
    seeds: int
    utilisation: Spread
    quality: Mean
    cost_usd: Mean | None = None
    energy_joules: Mean | None = None
    hull_quality: float | None = None
    hull_at_budget: float | None = None
    counted: Mean
    counted_utilisation: Spread
    counted_hull_quality: float | None = None
    arm_shares: dict[str, Mean]
    pace: Pace


class BudgetReference(msgspec.Struct, frozen=True, kw_only=True):
    """What could be had for a budget by somebody who knows more than a policy does in time.

    kind      hull (no look at the query), offline_router or oracle
    """

    kind: Literal["hull", "offline_router", "oracle"]
    resource: Literal["cost_usd", "energy_joules"]
    budget: float
    quality: float


class PolicyResult(msgspec.Struct, frozen=True, kw_only=True):
    """One policy over all its seeds.

    whole, counted         the whole stream, and the part after the warm-up
    arm_shares             share of queries, by arm, whole stream
    confusion              (K, K) share of queries whose optimal arm is the row and that were sent
                           to the column
    dials                  one point a dial of the sweep, by rising cost weight; empty without one
    area                   under the upper hull of `dials` in quality over cost, on the range of
                           costs from the cheapest to the dearest single arm, divided by its width:
                           a mean quality. None without a sweep, or where the cost of a dial or of
                           every arm is unknown
    budgets                one a budget of the sweep, in the order given; empty without one
    decisions_per_second   of the CPU time of the thread that decides and learns. None where the
                           runs were over before its clock moved
    """

    policy: str
    description: str
    seeds: int
    whole: Measures
    counted: Measures
    arm_shares: dict[str, Mean]
    confusion: tuple[tuple[float, ...], ...]
    curve: Curve
    decisions_per_second: float | None
    dials: tuple[Point, ...] = ()
    area: float | None = None
    budgets: tuple[BudgetResult, ...] = ()


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """Something to be held against. `hindsight`: it saw outcomes that no policy sees in time.

    kind   arm, best_single, cheapest, random, oracle, best_per_task, offline_router
    """

    name: str
    kind: str
    hindsight: bool
    quality: float
    cost_usd: float | None = None
    latency_seconds: float | None = None
    energy_joules: float | None = None
    note: str = ""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """first minus second, paired by seed. low..high is the confidence interval (Student's t)."""

    first: str
    second: str
    measure: Literal["quality", "cost_usd", "regret"]
    difference: float
    standard_error: float | None
    low: float | None
    high: float | None
    level: float = 0.95


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """All of it.

    hull, energy_hull   corners of the best context-free mixtures, by rising cost (energy)
    hull_quality        policy -> quality of the static hull at the policy's own mean cost, on the
                        whole stream; without the policies whose cost is unknown
    differences         on whole streams; `counted_differences` after the warm-up, empty without one
    budget_references   for every budget of a sweep, what hindsight could do with it
    notes               what a reader should know: dropped queries, unknown costs, ...
    """

    data: str
    queries: int
    arms: tuple[str, ...]
    tasks: int
    order: Literal["shuffled", "file"]
    warmup: float
    feedback_fraction: float
    feedback_delay: int
    compared_with: str
    policies: tuple[PolicyResult, ...]
    references: tuple[Reference, ...]
    hull: tuple[Point, ...] = ()
    energy_hull: tuple[Point, ...] = ()
    hull_quality: dict[str, float] = {}
    differences: tuple[Difference, ...] = ()
    counted_differences: tuple[Difference, ...] = ()
    budget_references: tuple[BudgetReference, ...] = ()
    notes: tuple[str, ...] = ()
