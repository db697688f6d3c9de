"""What a candidate is taught by a log is what the service would have taught it."""

from dataclasses import replace

import numpy as np
import pytest
from msgspec.structs import replace as configured_with

from bandit_service.errors import InvalidField
from bandit_service.evaluation.contestants import Contestant, named
from bandit_service.evaluation.logs import Traffic
from bandit_service.evaluation.logs.log import Log
from bandit_service.evaluation.logs.rows import batch_of
from bandit_service.evaluation.offpolicy.gathering import dim_of
from bandit_service.evaluation.offpolicy.learner import Learner
from bandit_service.evaluation.offpolicy.replaying import replayed
from bandit_service.model import Arm
from policies.policy import Array
from tests.offpolicy.worlds import a_world, rows_of


def priced(name: str) -> Arm:
    return Arm(name=name, input_usd_per_million_tokens=1.0, output_usd_per_million_tokens=1.0)


def traffic_of(count: int) -> Traffic:
    rows = rows_of(a_world(count), seed=0)
    return Traffic("log", lambda: iter([batch_of(rows, range(1, count + 1))]))


def a_log(count: int = 120) -> Log:
    return traffic_of(count).whole()


def a_learner(text: str, arms: tuple[str, ...], log: Log) -> Learner:
    made = named(text)
    config = configured_with(made.config, arms=tuple(map(priced, arms)))
    contestant = Contestant(made.label, made.description, config)
    return Learner(contestant, log.arms, dim_of(traffic_of(30)), seed=0)


def pushed(log: Log, which: list[int], chances: Array) -> Array:
    """sum of y (1{a} - pi) x of the rows of these arms, pi by `chances` (n, K)."""
    made = np.zeros((len(which), log.contexts.shape[1]))
    for row in range(len(log)):
        if int(log.chosen[row]) not in which:
            continue
        pi = chances[row, which] / chances[row, which].sum()
        x = log.contexts[row] / max(1.0, float(np.linalg.norm(log.contexts[row])))
        lead = (np.array(which) == log.chosen[row]) - pi
        made += log.quality[row] * np.outer(lead, x)
    return made


@pytest.mark.parametrize("which", [[0, 1, 2, 3], [3, 1]], ids=["all arms", "two of them"])
def test_a_gradient_is_pushed_by_the_chances_that_were_logged(which):
    """Among fewer arms by what these had, given that one of them was drawn."""
    log = a_log()
    learner = a_learner("mixllm:step=0.05", tuple(log.arms[at] for at in which), log)

    learner.teach(log)

    assert log.probabilities is not None
    expected = pushed(log, which, log.probabilities)
    assert np.abs(expected).max() > 1.0
    np.testing.assert_allclose(learner.engine.state.canonical()["pushes"], expected, atol=1e-9)


def test_what_it_accepts_of_a_log_it_has_drawn_by_its_own_chances():
    log = a_log(200)
    learner = a_learner("mixllm:step=0.05", log.arms, log)
    fresh = learner.fresh()

    run = replayed(learner, log, seed=1, least=0.25)

    met, by_hand = log.rows(run.rows), np.zeros((4, log.contexts.shape[1]))
    assert len(met) > 20
    for row in range(len(met)):
        one = met.rows(slice(row, row + 1))
        chances = fresh.probabilities(one)
        by_hand += pushed(one, [0, 1, 2, 3], chances)
        fresh.teach(replace(one, probabilities=chances))
    np.testing.assert_allclose(learner.engine.state.canonical()["pushes"], by_hand, atol=1e-9)


def test_a_gradient_of_a_log_that_tells_too_little_is_refused():
    log = a_log()
    bare = replace(log, probabilities=None)

    with pytest.raises(InvalidField, match="learns from the chances that all arms had"):
        a_learner("mixllm:step=0.05", log.arms, log).teach(bare)

    without = a_learner("mixllm", log.arms, log)  # its step is 0: the gradient moves nothing
    without.teach(bare)
    assert without.engine.state.canonical()["observations"].sum() == len(log)


def test_verdicts_on_duels_teach_who_learns_from_pairs():
    """Arm 3 wins every duel; who learns from scores alone hears nothing of it."""
    log = a_log(300)
    second = np.where(log.chosen == 3, 0, 3)
    outcomes = {name: np.full(len(log), np.nan) for name in log.outcomes}
    won = (log.chosen == 3).astype(np.float64)
    duels = replace(
        log, seconds=second, pairs=np.full(len(log), 0.1), preferences=won, outcomes=outcomes
    )
    pairs, scores = (a_learner(name, log.arms, log) for name in ("fgts_cdb", "linucb"))

    pairs.teach(duels)
    scores.teach(duels)

    assert pairs.probabilities(duels)[:, 3].mean() > 0.8
    assert scores.engine.state.canonical()["observations"].sum() == 0
