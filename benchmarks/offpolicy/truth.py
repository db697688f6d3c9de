"""Estimates against known truth, over many logs: bias, error, and how often intervals hold it."""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from bandit_service.evaluation.bundled import bundled_table
from bandit_service.evaluation.contexts import contexts_of
from bandit_service.evaluation.offpolicy import anytime, estimators, intervals
from bandit_service.evaluation.offpolicy.direct import RidgeByArm, means_so_far
from bandit_service.evaluation.offpolicy.estimators import Terms
from bandit_service.evaluation.offpolicy.evidence import Evidence
from bandit_service.evaluation.offpolicy.resampling import resampled
from bandit_service.evaluation.offpolicy.tuning import FAMILIES, tuned
from bandit_service.evaluation.table import OutcomeTable

Array = NDArray[np.float64]

FLOOR = 0.1
RESAMPLES = 1000
LOOKS = 20
Held = dict[tuple[str, str], list[bool]]  # by estimator and interval, of every log and candidate
BLOCKS = 10


class Line(msgspec.Struct, frozen=True):
    """One estimator over all logs and candidates. Coverage is of nominal 95 % intervals.

    bias_errors  the largest bias of any candidate, in its standard errors
    """

    estimator: str
    logs: int
    bias: float
    bias_errors: float
    squared_error: float
    coverage: dict[str, float]


@dataclass(frozen=True)
class World:
    """A table to draw logs from: n queries, K arms, C candidates.

    logger      (n, K)     a frozen Thompson policy with a floor
    candidates  (C, n, K)
    """

    contexts: Array
    quality: Array
    logger: Array
    candidates: Array

    @property
    def truth(self) -> Array:
        """(C,): what each candidate earns on average, over queries drawn anew."""
        values: Array = np.einsum("cnk,nk->c", self.candidates, self.quality) / len(self.quality)
        return values


def a_world(table: OutcomeTable, seed: int = 0, candidates: int = 10) -> World:
    """Logged by floored Thompson sampling that was taught with 200 queries. The candidates go from
    near the logger to far from it: softmax policies over rough models of quality, and mixtures."""
    import policies

    complete = np.flatnonzero(table.offered.all(axis=1))
    quality = table.quality[complete]
    contexts = contexts_of(table).matrix[complete]
    rng = np.random.default_rng(seed)
    policy = policies.build("linear_thompson", dim=contexts.shape[1])
    state = policy.start(quality.shape[1])
    for row in rng.integers(0, len(quality), 200).tolist():
        arm = int(rng.integers(quality.shape[1]))
        policy.update(state, arm, contexts[row], float(quality[row, arm]))
    logger = policies.with_floor(policy.probabilities(state, contexts), None, FLOOR)
    means = policy.estimates(state, contexts).mean
    made = []
    for at in range(candidates):
        rough = means + 0.05 * at * rng.normal(size=quality.shape[1])
        scores = np.exp((rough - rough.max(axis=1, keepdims=True)) * 30.0)
        softmax = scores / scores.sum(axis=1, keepdims=True)
        share = at / max(1, candidates - 1)
        made.append((1.0 - share) * logger + share * softmax)
    return World(contexts, quality, logger, np.array(made))


def evidence(world: World, rows: NDArray[np.intp], rng: np.random.Generator) -> Iterator[Evidence]:
    """One log of these queries, seen by every candidate; the model looks back only."""
    reached = np.cumsum(world.logger[rows], axis=1)
    arms = (rng.random(len(rows))[:, None] > reached).sum(axis=1)
    arms = np.minimum(arms, world.quality.shape[1] - 1)
    outcomes, each = world.quality[rows, arms], np.arange(len(rows))
    expected = np.zeros((len(rows), world.quality.shape[1]))
    taught = np.zeros(len(rows), dtype=np.bool_)
    model = RidgeByArm(world.quality.shape[1], world.contexts.shape[1])
    for part in np.array_split(each, BLOCKS):
        contexts = world.contexts[rows[part]]
        taught[part] = model.is_taught
        expected[part] = (
            model.predict(contexts)
            if model.is_taught
            else means_so_far(arms[part], outcomes[part], expected.shape[1])
        )
        model.learn(contexts, arms[part], outcomes[part])
    for candidate in world.candidates:
        chances = candidate[rows]
        yield Evidence(
            chances[each, arms] / world.logger[rows, arms],
            outcomes,
            expected[each, arms],
            (chances * expected).sum(axis=1),
            taught,
        )


def measured(
    world: World, logs: int, size: int, seed: int = 0, resamples: int = RESAMPLES
) -> list[Line]:
    """`logs` logs of `size` decisions each; fewer if it is interrupted."""
    names = [*estimators.PLAIN, *FAMILIES]
    errors: list[Array] = []
    held: Held = {}
    try:
        for log in range(logs):
            missed, inside = _one(world, log, size, seed, resamples)
            errors.append(missed)
            for key, found in inside.items():
                held.setdefault(key, []).extend(found)
    except KeyboardInterrupt:  # what was done is an answer too
        if len(errors) < 2:
            raise
    stacked = np.array(errors)
    return [_line(name, stacked[:, :, at], held) for at, name in enumerate(names)]


def _one(world: World, log: int, size: int, seed: int, resamples: int) -> tuple[Array, Held]:
    """A log's errors, (C, estimators), and which intervals hold the truth, (C,) each."""
    rng = np.random.default_rng((seed, log))
    rows = rng.integers(0, len(world.quality), size)
    seen = list(evidence(world, rows, rng))
    each = [dict(terms(found)) for found in seen]
    truths = world.truth[:, None]
    missed = np.array([[one.value for one in some.values()] for some in each]) - truths
    # All candidates at once: they share each resample's luck, as they do in `replay`.
    together = [one for some in each for one in some.values()]
    paths = resampled(together, log, resamples=resamples)
    ends = [
        intervals.bias_corrected(path, one.value)
        for path, one in zip(paths.T, together, strict=True)
    ]
    low, high = np.array(ends).T.reshape(2, *missed.shape)
    inside = (low <= truths) & (truths <= high)
    held: Held = {(name, "bootstrap"): inside[:, at].tolist() for at, name in enumerate(each[0])}
    _bounded(world, seen, held)
    return missed, held


def terms(found: Evidence) -> Iterator[tuple[str, Terms]]:
    """Every estimator's, by name."""
    for name, estimate in estimators.PLAIN.items():
        yield name, estimate(found)
    for name, family in FAMILIES.items():
        yield name, tuned(found, family)[1]


def _bounded(world: World, seen: list[Evidence], held: Held) -> None:
    """Whether the bounds hold: empirical Bernstein's at the end, anytime ones at every look."""
    most = (world.candidates / world.logger).max(axis=(1, 2))
    for found, truth, largest in zip(seen, world.truth.tolist(), most.tolist(), strict=True):
        low, high = intervals.bernstein_value(found.weights, found.outcomes, largest)
        held.setdefault(("ips", "bernstein"), []).append(low <= truth <= high)
        looks = anytime.value_bounds(
            found.weights, found.outcomes, anytime.looks(len(found), LOOKS)
        )
        always = (looks.low <= truth) & (truth <= looks.high)
        held.setdefault(("ips", "anytime"), []).append(bool(always.all()))


def _line(name: str, errors: Array, held: Held) -> Line:
    """errors (logs, C)"""
    bias = errors.mean(axis=0)
    error = errors.std(axis=0, ddof=1) / np.sqrt(len(errors))
    return Line(
        name,
        len(errors),
        float(np.abs(bias).max()),
        float((np.abs(bias) / np.maximum(error, 1e-12)).max()),
        float((errors**2).mean()),
        {method: float(np.mean(found)) for (who, method), found in held.items() if who == name},
    )


def bundled_world() -> World:
    return a_world(bundled_table())
