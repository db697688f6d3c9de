"""Results made up for the tests of what people look at: one with everything, one with nothing."""

from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace

from bandit_service.evaluation.results import (
    Curve,
    Difference,
    Mean,
    Measures,
    Point,
    PolicyResult,
    Reference,
    Result,
)

ARMS = (
    "google/gemini-2.5-flash",
    "google/gemini-2.5-pro",
    "meta-llama/llama-3.1-8b-instruct",
    "mistralai/mistral-large-instruct-2411-q8",
    "openai/gpt-4.1",
)
QUALITIES = (0.780, 0.872, 0.615, 0.741, 0.861)
COSTS = (0.00042, 0.0092, 0.000048, 0.0031, 0.0105)
JOULES = (95.0, 820.0, 31.0, 540.0, 1050.0)
LABELS = ("default", "linear_ucb", "epsilon_greedy")
QUERIES = 4000
POINTS = 60


def full_result() -> Result:
    """Three policies, five arms; costs, energies, dials, differences, all there is."""
    return Result(
        data="made-up set",
        queries=QUERIES,
        arms=ARMS,
        tasks=7,
        order="shuffled",
        warmup=0.1,
        feedback_fraction=0.5,
        feedback_delay=10,
        compared_with=ARMS[1],
        policies=tuple(_policy(number) for number in range(len(LABELS))),
        references=_references(),
        hull=tuple(_corner(arm, cost=COSTS[arm]) for arm in (2, 0, 1)),
        energy_hull=tuple(_corner(arm, joules=JOULES[arm]) for arm in (2, 0, 1)),
        hull_quality={"default": 0.802, "linear_ucb": 0.798, "epsilon_greedy": 0.824},
        differences=_differences(),
        notes=("12 queries without any known outcome were left out",),
    )


def bare_result() -> Result:
    """Two arms and one policy on one seed, with nothing that is optional."""
    measures = _measures(0.61, None, None, error=None, regret=120.0)
    return Result(
        data="bare set",
        queries=1000,
        arms=("left", "right"),
        tasks=0,
        order="file",
        warmup=0.0,
        feedback_fraction=1.0,
        feedback_delay=0,
        compared_with="left",
        policies=(
            PolicyResult(
                policy="default",
                description="",
                seeds=1,
                whole=measures,
                counted=measures,
                arm_shares={"left": Mean(0.7), "right": Mean(0.3)},
                confusion=(),
                curve=Curve(
                    queries=(), quality=(), quality_error=(), regret=(), regret_error=(), shares=()
                ),
                decisions_per_second=8000.0,
            ),
        ),
        references=(
            Reference(name="left", kind="arm", hindsight=False, quality=0.63),
            Reference(name="right", kind="arm", hindsight=False, quality=0.52),
        ),
    )


def light_result() -> Result:
    """One policy of the full result, and only what takes little to draw."""
    full = full_result()
    policy = full.policies[0]
    return replace(
        full,
        policies=(
            replace(
                policy,
                confusion=(),
                curve=replace(policy.curve, shares=()),
                whole=replace(policy.whole, energy_joules=None),
            ),
        ),
    )


def result_of_many_arms(count: int) -> Result:
    """The full result, its first arm split into many that share alike."""
    arms = tuple(f"maker-{number}/model-{number}-instruct" for number in range(count))
    even = {arm: Mean(1 / count, 0.0) for arm in arms}
    rows = tuple(tuple(1 / count for _ in arms) for _ in range(POINTS))
    confusion = tuple(tuple(1 / count**2 for _ in arms) for _ in arms)
    full = full_result()
    return replace(
        full,
        arms=arms,
        hull=(),
        energy_hull=(),
        references=tuple(
            Reference(
                name=arm,
                kind="arm",
                hindsight=False,
                quality=0.3 + 0.6 * number / count,
                cost_usd=0.0001 * 1.12**number,
            )
            for number, arm in enumerate(arms)
        ),
        policies=tuple(
            replace(
                policy,
                arm_shares=even,
                confusion=confusion,
                curve=replace(policy.curve, shares=rows),
            )
            for policy in full.policies
        ),
    )


def _policy(number: int) -> PolicyResult:
    final, cost, joules = ((0.846, 0.0022, 310.0), (0.838, 0.0019, 290.0), (0.819, 0.0040, 480.0))[
        number
    ]
    shares = ((0.46, 0.22, 0.14, 0.05, 0.13), (0.5, 0.18, 0.2, 0.06, 0.06), (0.3,) + 4 * (0.175,))[
        number
    ]
    last_regret = QUERIES * (0.94 - final)
    return PolicyResult(
        policy=LABELS[number],
        description=f"{LABELS[number]}, as it comes",
        seeds=20,
        whole=_measures(final, cost, joules, error=0.0016, regret=last_regret),
        counted=_measures(
            final + 0.004, cost * 0.97, joules, error=0.0017, regret=last_regret * 0.9
        ),
        arm_shares={arm: Mean(share, 0.01) for arm, share in zip(ARMS, shares, strict=True)},
        confusion=_confusion(shares, right=(0.55, 0.5, 0.3)[number]),
        curve=_curve(final, last_regret, shares, seed=number),
        decisions_per_second=(7421.0, 8133.0, 15210.0)[number],
        dials=tuple(_dials(final, cost, joules)) if number < 2 else (),
        area=(0.823, 0.817, None)[number],
    )


def _measures(
    quality: float, cost: float | None, joules: float | None, error: float | None, regret: float
) -> Measures:
    def mean(value: float, share: float = 1.0) -> Mean:
        return Mean(value, None if error is None else error * share)

    return Measures(
        queries=QUERIES,
        quality=mean(quality),
        cost_usd=None if cost is None else mean(cost, cost * 10),
        latency_seconds=None if cost is None else mean(1.84),
        energy_joules=None if joules is None else mean(joules, joules * 8),
        regret=mean(regret, QUERIES),
        regret_to_best=mean(QUERIES * (max(QUALITIES) - quality), QUERIES),
        routing_accuracy=mean(0.482),
        quality_of_best=mean(quality / max(QUALITIES)),
        cost_of_best=None if cost is None else mean(cost / COSTS[1]),
        wins=mean(0.08),
        ties=mean(0.81),
        losses=mean(0.11),
    )


def _curve(final: float, last_regret: float, shares: Sequence[float], seed: int) -> Curve:
    """Quality climbs from that of chance; arms start alike and end with these shares."""
    luck = np.random.default_rng(seed)
    queries = np.linspace(0, QUERIES, POINTS + 1)[1:].astype(int)
    learned = 1 - np.exp(-queries / 500)
    quality = final - 0.07 * (1 - learned) + luck.normal(0, 0.09, POINTS) / np.sqrt(queries / 10)
    regret = last_regret * (queries / QUERIES) ** 0.85
    over_time = 0.2 + (np.array(shares) - 0.2) * learned[:, None]
    over_time = over_time * np.exp(luck.normal(0, 0.06, over_time.shape))
    over_time /= over_time.sum(axis=1, keepdims=True)
    return Curve(
        queries=tuple(queries.tolist()),
        quality=tuple(quality.tolist()),
        quality_error=tuple((0.1 / np.sqrt(queries)).tolist()),
        regret=tuple(regret.tolist()),
        regret_error=tuple((0.02 * regret).tolist()),
        shares=tuple(map(tuple, over_time.tolist())),
    )


def _confusion(shares: Sequence[float], right: float) -> tuple[tuple[float, ...], ...]:
    """Columns sum to the shares; `right` of all queries stand on the diagonal, about."""
    optimal = np.array([0.3, 0.24, 0.22, 0.1, 0.14])
    by_luck = np.outer(optimal, shares)
    cells = right * np.diag(np.minimum(optimal, shares)) + (1 - right) * by_luck
    return tuple(map(tuple, (cells / cells.sum()).tolist()))


def _dials(final: float, cost: float, joules: float) -> list[Point]:
    """From quality at any price to the cheapest arm."""
    return [
        Point(
            quality=final + 0.016 - 0.2 * weight**2,
            cost_usd=float(cost * 2.6 * (COSTS[2] * 1.3 / (cost * 2.6)) ** weight),
            energy_joules=float(joules * 1.8 * (JOULES[2] * 1.2 / (joules * 1.8)) ** weight),
            quality_per_usd=10**position,
        )
        for position, weight in enumerate(np.linspace(0, 1, 6).tolist())
    ]


def _references() -> tuple[Reference, ...]:
    arms = [
        Reference(
            name=arm,
            kind="arm",
            hindsight=False,
            quality=quality,
            cost_usd=cost,
            latency_seconds=1.2,
            energy_joules=joules,
        )
        for arm, quality, cost, joules in zip(ARMS, QUALITIES, COSTS, JOULES, strict=True)
    ]
    return (
        *arms,
        _reference(f"best single ({ARMS[1]})", "best_single", 0.872, COSTS[1], JOULES[1], True),
        _reference(f"cheapest ({ARMS[2]})", "cheapest", 0.615, COSTS[2], JOULES[2], False),
        _reference("random", "random", 0.7738, 0.00466, 507.0, False),
        _reference("oracle", "oracle", 0.941, 0.0014, 260.0, True),
        _reference("best per task", "best_per_task", 0.881, 0.0078, 700.0, True),
        _reference("offline router", "offline_router", 0.889, 0.0066, 640.0, True),
    )


def _reference(
    name: str, kind: str, quality: float, cost: float, joules: float, hindsight: bool
) -> Reference:
    return Reference(
        name=name,
        kind=kind,
        hindsight=hindsight,
        quality=quality,
        cost_usd=cost,
        energy_joules=joules,
        note="best quality of each query, and the cheapest of those" if name == "oracle" else "",
    )


def _corner(arm: int, cost: float | None = None, joules: float | None = None) -> Point:
    return Point(
        quality=QUALITIES[arm], cost_usd=cost, energy_joules=joules, mixture={ARMS[arm]: 1.0}
    )


def _differences() -> tuple[Difference, ...]:
    return (
        Difference(
            first="default",
            second="linear_ucb",
            measure="quality",
            difference=0.008,
            standard_error=0.0012,
            low=0.0055,
            high=0.0105,
        ),
        Difference(
            first="default",
            second="linear_ucb",
            measure="cost_usd",
            difference=0.0003,
            standard_error=0.0002,
            low=-0.00012,
            high=0.00072,
        ),
        Difference(
            first="default",
            second="epsilon_greedy",
            measure="regret",
            difference=-108.0,
            standard_error=9.0,
            low=-126.8,
            high=-89.2,
        ),
    )
