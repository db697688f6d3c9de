"""Many runs over processes, and studies made of them."""

import multiprocessing
import os
import signal
import threading

import numpy as np
import pandas as pd
import pytest

from bandit_service.errors import Exhausted, InvalidField
from bandit_service.evaluation import simulate_study
from bandit_service.evaluation.arrivals import Arrivals
from bandit_service.evaluation.contestants import entered, named
from bandit_service.evaluation.parallel import Job, run_all
from bandit_service.evaluation.study import dials_for, study
from tests.evaluation.small_tables import a_random_table, a_table
from tests.patience import PATIENCE

TABLE = a_random_table()
NAMES = "default", "uniform"
JOBS = [Job(place, seed, dial) for place in (0, 1) for dial in (None, 5.0) for seed in (0, 1)]


def runs(processes, jobs=JOBS, arrivals=Arrivals(feedback_delay=2), progress=None):  # noqa: B008
    entries = entered([named(name) for name in NAMES], TABLE)
    return run_all(TABLE, entries, arrivals, jobs, processes=processes, progress=progress)


def test_processes_change_nothing_but_the_time():
    alone, together = runs(1), runs(2)

    assert [(NAMES.index(run.policy), run.seed, run.quality_per_usd) for run in together] == [
        (job.entry, job.seed, job.quality_per_usd) for job in JOBS
    ]
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one.order, other.order)
        np.testing.assert_array_equal(one.arms, other.arms)
        np.testing.assert_array_equal(one.propensities, other.propensities)


def test_a_run_does_not_depend_on_what_ran_before():
    backwards = runs(1, JOBS[::-1])[::-1]

    for one, other in zip(runs(1), backwards, strict=True):
        np.testing.assert_array_equal(one.propensities, other.propensities)


def test_progress_is_told_after_every_run():
    told = []

    runs(1, progress=lambda done, total: told.append((done, total)))
    assert told == [(count, len(JOBS)) for count in range(1, len(JOBS) + 1)]


def test_a_run_that_is_refused_says_the_same_from_another_process():
    """No policy takes a dial below 0; `study` would have found it earlier."""
    odd = [Job(0, 0, -1.0), Job(0, 1, -1.0)]
    said = []

    for processes in (1, 2):
        with pytest.raises(InvalidField, match="quality_per_usd") as refused:
            runs(processes, odd)
        said.append((str(refused.value), refused.value.field, refused.value.facts))
    assert said[0] == said[1]


class Deadly:
    """Ends the process that it is sent to."""

    def __reduce__(self):
        return os._exit, (13,)


def test_a_process_that_dies_is_one_sentence_and_leaves_the_environment_as_it_was():
    before = dict(os.environ), signal.getsignal(signal.SIGINT)

    with pytest.raises(Exhausted, match="--jobs"):
        runs(2, arrivals=Deadly())
    assert (dict(os.environ), signal.getsignal(signal.SIGINT)) == before


def test_an_interrupt_ends_all_processes():
    def interrupted(done, total):
        raise KeyboardInterrupt

    many = [Job(0, seed) for seed in range(2_000)]
    before = set(multiprocessing.active_children())
    with pytest.raises(KeyboardInterrupt):
        runs(2, many, progress=interrupted)
    assert not set(multiprocessing.active_children()) - before
    for manager in [each for each in threading.enumerate() if "QueueManager" in each.name]:
        manager.join(PATIENCE)
        assert not manager.is_alive()


# -- studies ------------------------------------------------------------------------------


def test_a_study_runs_every_policy_seed_and_dial():
    result = study(TABLE, [named("uniform"), named("uniform")], seeds=3, dials=(0.0, 1.0))

    assert [policy.policy for policy in result.policies] == ["uniform", "uniform (2)"]
    assert [policy.seeds for policy in result.policies] == [3, 3]
    assert [[point.quality_per_usd for point in policy.dials] for policy in result.policies] == [
        [0.0, 1.0]
    ] * 2
    # The same policy on the same streams is the same policy.
    assert result.policies[0].whole == result.policies[1].whole


def test_the_quality_of_a_study_is_that_of_the_arms_it_chose():
    entries = entered([named("default")], TABLE)
    chosen = run_all(TABLE, entries, Arrivals(), [Job(0, seed) for seed in (7, 8)])
    earned = [TABLE.quality[run.order, run.arms].mean() for run in chosen]

    (policy,) = study(TABLE, [named("default")], seeds=2, first_seed=7).policies
    assert policy.whole.quality.mean == pytest.approx(np.mean(earned), rel=1e-12)


def test_a_study_without_contexts_says_so():
    result = study(a_table([[0.1, 0.9]] * 4), [named("uniform")], seeds=1)

    assert any("every query looked alike" in note for note in result.notes)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"seeds": 0}, "seeds: must be at least 1, not 0"),
        ({"first_seed": -1}, "first_seed: must be at least 0"),
        ({"jobs": 0}, "jobs: must be at least 1"),
        ({"warmup": 1.0}, "warmup"),
        ({"warmup": 0.99}, "leave some of 60 queries"),
        ({"warmup": float("nan")}, "warmup"),
        ({"dials": (-1.0,)}, "dials"),
        ({"dials": (1.0, 1.0)}, "only once"),
        ({"compared_with": "z"}, "'z'; known: a, b, c"),
        ({"feedback_delay": -1}, "feedback_delay"),
    ],
)
def test_what_cannot_be_is_found_before_anything_runs(settings, said):
    def ran(done, total):
        raise AssertionError

    with pytest.raises(InvalidField, match=said):
        study(TABLE, [named("uniform")], progress=ran, **settings)


def test_dials_reach_from_where_cost_hardly_counts_to_where_nothing_else_does():
    """Mean costs .001, .003 and .101: a range of .1, and a first step of .002."""
    table = a_table(
        [[0.5] * 3] * 2, cost_usd=np.array([[0.001, 0.004, 0.1], [0.001, 0.002, 0.102]])
    )

    np.testing.assert_allclose(dials_for(table, 3), [0.0, 0.1, np.sqrt(0.1 * 500), 500.0])
    assert dials_for(table, 0) == ()


def test_without_two_costs_there_is_nothing_to_sweep():
    with pytest.raises(InvalidField, match="two arms of different known cost"):
        dials_for(a_table([[0.5, 0.6]]), 3)


# -- frames -------------------------------------------------------------------------------


def as_frame(table):
    return pd.DataFrame(
        {
            "query_id": np.repeat(table.query_ids, len(table.arms)),
            "task": "all",
            "prompt": np.repeat([f"question {row}" for row in range(len(table))], len(table.arms)),
            "model": np.tile(table.arm_names, len(table)),
            "quality": table.quality.ravel(),
            "cost_usd": table.cost_usd.ravel(),
        }
    )


def test_a_frame_is_as_good_as_a_table():
    prompts = tuple(f"question {row}" for row in range(len(TABLE)))
    table = a_table(TABLE.quality, cost_usd=TABLE.cost_usd, prompts=prompts)

    by_frame = simulate_study(as_frame(TABLE), ["default"], seeds=2, dials=1)
    by_table = simulate_study(table, [named("default").config], seeds=2, dials=1)
    assert by_frame.policies[0].whole == by_table.policies[0].whole
    assert by_frame.policies[0].dials == by_table.policies[0].dials
