"""Duels in simulation: verdicts, the events of a duel, and what a duel is worth and costs."""

from dataclasses import replace

import numpy as np
import pytest

from bandit_service.errors import BadTable
from bandit_service.evaluation.allowances import Allowance
from bandit_service.evaluation.arrivals import Arrivals
from bandit_service.evaluation.contestants import entered, named
from bandit_service.evaluation.contexts import contexts_of
from bandit_service.evaluation.loading import load
from bandit_service.evaluation.simulation import Simulation, simulate
from bandit_service.evaluation.streams import together
from bandit_service.evaluation.study import study
from bandit_service.evaluation.table import Pair
from bandit_service.evaluation.verdicts import SHARPNESS, Verdicts, verdict_luck
from bandit_service.model import Decision, JournalEntry, Preference, Query, Submission
from bandit_service.planning import plan
from bandit_service.standing import Standing
from tests.evaluation.real_data import real_data
from tests.evaluation.small_tables import a_random_table, a_table

FGTS = named("fgts_cdb:draws=4,moved=2,steps=2")


# -- verdicts -----------------------------------------------------------------------------


def test_verdicts_follow_bradley_and_terry_and_no_order():
    table = a_table([[0.6, 0.5, 0.9]])
    verdicts, luck = Verdicts.of(table, [0, 1, 2]), verdict_luck(20_000, seed=1)

    said = np.array([verdicts.preferred(0, 0, 1, one) for one in luck], dtype=np.float64)
    turned = np.array([verdicts.preferred(0, 1, 0, one) for one in luck], dtype=np.float64)

    chance = 1 / (1 + np.exp(-SHARPNESS * (0.6 - 0.5)))
    assert said.mean() == pytest.approx(chance, abs=4.5 * np.sqrt(chance * (1 - chance) / 20_000))
    assert (said + turned == 1.0).all()


def test_recorded_verdicts_go_before_made_up_ones_each_as_likely():
    table = a_table([[0.1, 0.9], [0.1, 0.9]])
    told = [("large", "small", "b"), ("small", "large", "tie"), ("small", "large", "a")]
    pairs = tuple(Pair(table.query_ids[0], *one) for one in told)
    names = {"large": table.arm_names[1], "small": table.arm_names[0]}
    pairs = tuple(replace_names(pair, names) for pair in pairs)
    verdicts = Verdicts.of(replace(table, pairs=pairs), [0, 1])

    said = np.array([verdicts.preferred(0, 0, 1, one) for one in verdict_luck(9_000, seed=2)])

    assert (said == 1.0).mean() == pytest.approx(2 / 3, abs=0.025)
    assert (said == 0.5).mean() == pytest.approx(1 / 3, abs=0.025)
    assert verdicts.preferred(1, 0, 1, 0.5) == 0.0  # nobody said of the second query: .9 wins


def replace_names(pair, names):
    return Pair(pair.query_id, names[pair.model_a], names[pair.model_b], pair.winner)


JUDGED = {
    "queries.csv": "query_id,task,prompt\nq1,,one\nq2,,two\n",
    "pairs.csv": "query_id,model_a,model_b,winner\nq1,x,y,a\nq1,x,y,tie\nq1,y,z,b\nq2,x,z,b\n",
}


def written(folder, **changes):
    for name, text in (JUDGED | changes).items():
        (folder / name).write_text(text)
    return folder


def test_a_folder_of_verdicts_is_a_table_of_shares_won(tmp_path):
    table = load(written(tmp_path))

    # x: 1 and .5 of two; y: 0 and .5 of two, 0 of one; z: 1 of one. Of q2, y is unknown.
    assert table.arm_names == ("x", "y", "z")
    np.testing.assert_allclose(
        table.quality, [[0.75, 0.5 / 3, 1.0], [0.0, np.nan, 1.0]], equal_nan=True
    )
    verdicts = Verdicts.of(table, [0, 1, 2])
    assert [verdicts.preferred(0, 0, 1, luck) for luck in (0.2, 0.7)] == [1.0, 0.5]
    assert verdicts.preferred(0, 0, 2, 0.5) is None  # nobody compared these two
    assert verdicts.preferred(1, 2, 0, 0.5) == 1.0


def test_a_model_compared_with_itself_is_refused(tmp_path):
    pairs = JUDGED["pairs.csv"] + "q2,x,x,a\n"

    with pytest.raises(BadTable, match="row 6: model 'x' is compared with itself"):
        load(written(tmp_path, **{"pairs.csv": pairs}))


def test_a_model_that_is_not_declared_is_refused(tmp_path):
    with pytest.raises(BadTable, match="has no model 'z'"):
        load(written(tmp_path, **{"models.csv": "model\nx\ny\n"}))


# -- events -------------------------------------------------------------------------------


def test_events_are_those_that_the_service_plans_from_bills_and_a_verdict():
    table = a_random_table(count=80)
    (entry,) = entered([FGTS], table)
    simulation, verdicts = Simulation(table, entry), Verdicts.of(table, range(len(table.arms)))
    ours, theirs = simulation.opened(seed=3), simulation.opened(seed=3)
    standing = Standing([], [])
    compared = 0
    for step, luck in enumerate(verdict_luck(len(table), seed=3)):
        context, now = entry.contexts.matrix[step : step + 1], step + 1.0
        (decision,) = ours.decide([Query("x", duel=True)], context, now, [f"query-{step}"])
        assert isinstance(decision, Decision)
        events = simulation.heard(decision, step, True, luck, now)
        sides = {decision.arm, decision.second_arm} - {None}
        submissions = [
            Submission(
                decision_id=decision.id,
                feedback_id=event.feedback_id,
                source=event.source,
                usage=event.usage.new,
                arm=table.arm_names[event.usage.arm],
            )
            for event in events
            if event.usage is not None
        ]
        assert len(submissions) == len(sides)
        if decision.second_arm is not None:
            won = verdicts.preferred(step, decision.arm, decision.second_arm, luck)
            better = decision.arm if won else decision.second_arm
            said = Preference(preferred_arm=table.arm_names[better])
            submissions.append(
                Submission(
                    decision_id=decision.id,
                    feedback_id=f"{decision.id}-verdict",
                    source=events[0].source,
                    preference=said,
                )
            )
            compared += 1
        position, known = theirs.position, {decision.id: decision}
        planned = []
        for submission in submissions:
            position += 1
            planned.append(plan(submission, known, theirs.terms(), standing, position, now))
        assert events == planned
        for engine in (ours, theirs):
            for event in planned:
                engine.apply(JournalEntry(engine.position + 1, event))
    assert compared > 20


def test_runs_are_paired_and_repeatable():
    table = a_random_table(count=60)
    contexts, config = contexts_of(table), FGTS.config

    first, again = (simulate(table, contexts, config, seed=5) for _ in range(2))
    plain = simulate(table, contexts, named("uniform").config, seed=5)

    assert first.second_arms is not None
    np.testing.assert_array_equal(first.second_arms, again.second_arms)
    np.testing.assert_array_equal(first.arms, again.arms)
    np.testing.assert_array_equal(first.order, plain.order)
    assert plain.second_arms is None


def test_who_hears_nothing_learns_nothing():
    table = a_random_table(count=60)
    (entry,) = entered([FGTS], table)

    run = Simulation(table, entry).run(Arrivals(feedback_fraction=0.0), seed=0)

    # Three even arms, drawn twice.
    assert set(np.round(run.propensities, 12)) == {round(1 / 9, 12)}


# -- what a duel is worth -----------------------------------------------------------------


def test_a_duel_has_the_mean_quality_and_both_bills():
    quality = np.array([[0.2, 0.8, 0.5]])
    costs, waits = np.array([[1.0, 2.0, 4.0]]), np.array([[1.0, 3.0, 2.0]])
    table = a_table(quality, cost_usd=costs, latency_seconds=waits)
    run = simulate(table, contexts_of(table), named("uniform").config, seed=0)
    duels = [
        replace(run, seed=seed, arms=np.array([first]), second_arms=np.array([second]))
        for seed, (first, second) in enumerate([(0, 1), (2, 2)])
    ]

    streams = together(table, duels)

    assert streams.average(table.quality).tolist() == [[0.5], [0.5]]
    assert streams.total(table.cost_usd).tolist() == [[3.0], [4.0]]
    assert streams.slower(table.latency_seconds).tolist() == [[3.0], [2.0]]


def test_under_a_budget_both_calls_of_a_duel_are_paid():
    """Arms that take 1, 2 and 4, and may take 3 a duel on average: without a budget it is more."""
    costs = np.tile([1.0, 2.0, 4.0], (400, 1))
    qualities = np.tile([0.2, 0.5, 0.9], (400, 1))
    table = a_table(qualities, cost_usd=costs)
    (entry,) = entered([FGTS], table)
    simulation = Simulation(table, entry)

    free = simulation.run(Arrivals(), seed=0)
    kept = simulation.run(Arrivals(), seed=0, allowance=Allowance(usd_per_query=3.0))

    paid = [together(table, [run]).total(table.cost_usd).mean() for run in (free, kept)]
    assert paid[0] > 3.8
    assert 0.7 * 3.0 <= paid[1] <= 1.01 * 3.0  # a duel of an arm with itself is one call


def test_a_study_tells_the_shares_and_regret_of_both_arms():
    table = a_random_table(count=120)

    result = study(table, [FGTS, named("uniform")], seeds=2)
    found = result.policies[0]

    assert sum(share.mean for share in found.arm_shares.values()) == pytest.approx(1.0)
    diagonal = sum(row[slot] for slot, row in enumerate(found.confusion))
    assert diagonal == pytest.approx(found.whole.routing_accuracy.mean)
    assert sum(found.curve.shares[-1]) == pytest.approx(1.0)
    assert found.curve.regret[-1] == pytest.approx(found.whole.regret.mean)
    assert any("asks two arms a query" in note for note in result.notes)


def test_human_verdicts_make_a_table():
    table = load(real_data("pandalm"))

    assert (len(table), len(table.arms), len(table.pairs)) == (125, 5, 2187)
    # Every verdict gives one point to share: all shares, weighed by their counts, make .5.
    counts = {(query, arm): 0 for query in table.query_ids for arm in table.arm_names}
    for pair in table.pairs:
        counts[pair.query_id, pair.model_a] += 1
        counts[pair.query_id, pair.model_b] += 1
    weights = np.array(list(counts.values()), dtype=float).reshape(table.quality.shape)
    known = table.offered
    assert np.average(table.quality[known], weights=weights[known]) == pytest.approx(0.5)
