"""One run: through the engine, with the events that the service would journal."""

import numpy as np
import pytest

from bandit_service import draw
from bandit_service.errors import InvalidField
from bandit_service.evaluation.arrivals import Arrivals
from bandit_service.evaluation.contestants import entered, named
from bandit_service.evaluation.contexts import contexts_of
from bandit_service.evaluation.simulation import Simulation, simulate
from bandit_service.model import Arm, Decision, JournalEntry, PolicyConfig, Query, Submission
from bandit_service.planning import plan
from bandit_service.standing import Standing
from tests.evaluation.small_tables import a_random_table, a_table

TABLE = a_random_table()


def run(table=TABLE, policy="default", seed=0, **settings):
    return simulate(table, contexts_of(table), named(policy).config, seed=seed, **settings)


def same(first, second):
    return (
        np.array_equal(first.order, second.order)
        and np.array_equal(first.arms, second.arms)
        and np.array_equal(first.propensities, second.propensities)
    )


# -- the same as the service --------------------------------------------------------------


def with_holes(table):
    quality = table.quality.copy()
    quality[::7, 0] = quality[3::7, 1] = np.nan
    for numbers in (table.cost_usd, table.energy_joules, table.input_tokens):
        numbers[::3] = np.nan
    table.latency_seconds[:] = table.output_tokens[:] = np.nan
    return a_table(quality, contexts=table.contexts, cost_usd=table.cost_usd,
                   energy_joules=table.energy_joules, input_tokens=table.input_tokens)  # fmt: skip


@pytest.mark.parametrize("policy", ["default", "default:half_life=20", "beta_thompson", "linucb"])
def test_events_are_those_that_the_service_plans_from_feedback(policy):
    """`plan` is what the service's writer turns a submission into an event with."""
    table = with_holes(a_random_table(count=120))
    (entry,) = entered([named(policy)], table)
    simulation = Simulation(table, entry)
    ours, theirs = simulation.opened(seed=3), simulation.opened(seed=3)
    standing = Standing([], [])
    effects = set()
    for step in range(len(table)):
        allowed = tuple(arm.name for arm, known in zip(table.arms, table.offered[step], strict=True)
                        if known)  # fmt: skip
        query = Query("x", allowed_arms=allowed)
        context, now, ids = entry.contexts.matrix[step : step + 1], step + 1.0, [f"query-{step}"]
        (decision,) = ours.decide([query], context, now, ids)
        (decided,) = theirs.decide([query], context, now, ids)
        assert isinstance(decision, Decision)
        assert decision == decided

        is_scored = step % 4 != 0
        event = simulation.feedback(decision, step, is_scored, now)
        submission = Submission(
            decision_id=decision.id,
            feedback_id=decision.id,
            source=ours.config.quality_sources[0],
            score=float(table.quality[step, decision.arm]) if is_scored else None,
            usage=event.usage.new if event is not None and event.usage is not None else None,
        )
        if event is None:
            assert submission.score is None
            assert np.isnan(table.cost_usd[step, decision.arm])
            continue
        planned = plan(
            submission, {decision.id: decision}, theirs.terms(), standing, ours.position + 1, now
        )
        assert event == planned
        effects.add(event.effect)
        ours.apply(JournalEntry(ours.position + 1, event))
        theirs.apply(JournalEntry(theirs.position + 1, planned))

    assert len(effects) == 2  # some scored, some not
    assert ours.state_hash() == theirs.state_hash()


def test_usage_is_what_the_table_says_and_nothing_where_it_says_nothing():
    table = a_table([[0.5], [0.5]], cost_usd=np.array([[0.25], [np.nan]]),
                    energy_joules=np.array([[7.0], [np.nan]]),
                    input_tokens=np.array([[41.0], [np.nan]]))  # fmt: skip
    (entry,) = entered([named("uniform")], table)
    simulation = Simulation(table, entry)
    engine = simulation.opened(seed=0)
    (decision,) = engine.decide([Query("x")], entry.contexts.matrix[:1], 1.0)
    assert isinstance(decision, Decision)

    told = simulation.feedback(decision, 0, False, 1.0)
    assert told is not None
    assert told.usage is not None
    assert (told.usage.new.cost_usd, told.usage.new.energy_joules) == (0.25, 7.0)
    assert told.usage.new.input_tokens == 41
    assert told.usage.new.latency_seconds is None
    assert told.lessons == ()
    assert simulation.feedback(decision, 1, False, 1.0) is None


# -- luck ---------------------------------------------------------------------------------


def test_draws_are_the_keyed_hashes_of_the_queries():
    """With floor 1 every chance is 1/K, so the arm is the uniform number times K, rounded up."""
    drawn = run(policy="default:floor=1", seed=5)
    secret = Simulation(TABLE, *entered([named("default")], TABLE)).opened(5).identity.secret
    uniforms = [draw.uniform(secret, f"query-{step}") for step in range(len(TABLE))]

    np.testing.assert_array_equal(drawn.arms, np.ceil(np.array(uniforms) * 3).astype(int) - 1)
    np.testing.assert_allclose(drawn.propensities, 1 / 3, rtol=1e-12)


def test_ids_of_ones_own_stay_with_their_queries_where_others_are_refused():
    (entry,) = entered([named("default")], TABLE)
    engine = Simulation(TABLE, entry).opened(seed=0)
    queries = [Query("x", allowed_arms=("nobody",)), Query("x")]

    refused, decided = engine.decide(queries, entry.contexts.matrix[:2], 1.0, ["one", "two"])
    assert isinstance(refused, InvalidField)
    assert isinstance(decided, Decision)
    assert decided.id == "two"
    assert decided.context == entry.contexts.matrix[1].tobytes()


@pytest.mark.parametrize("policy", ["default", "squarecb", "beta_thompson"])
def test_equal_seeds_give_equal_runs_and_others_do_not(policy):
    assert same(run(policy=policy, seed=1), run(policy=policy, seed=1))
    assert not same(run(policy=policy, seed=1), run(policy=policy, seed=2))


def test_policies_of_one_seed_see_one_stream():
    settings = {"seed": 4, "feedback_fraction": 0.5}

    first, second = run(policy="uniform", **settings), run(policy="linucb", **settings)
    np.testing.assert_array_equal(first.order, second.order)
    assert sorted(first.order) == list(range(len(TABLE)))
    assert not np.array_equal(first.order, run(seed=5).order)


def test_file_order_is_that_of_the_rows_and_seeds_differ_by_their_draws():
    first, second = run(order="file", seed=0), run(order="file", seed=1)

    np.testing.assert_array_equal(first.order, np.arange(len(TABLE)))
    np.testing.assert_array_equal(first.order, second.order)
    assert not np.array_equal(first.arms, second.arms)


def test_the_other_numbers_of_a_seed_do_not_depend_on_the_fraction_heard():
    arrivals = [Arrivals(feedback_fraction=share) for share in (0.2, 0.5, 1.0)]
    few, some, everybody = (each.scored(10_000, seed=9) for each in arrivals)

    assert not (few & ~some).any()  # who speaks at .2 speaks at .5
    assert everybody.all()
    assert abs(few.mean() - 0.2) < 4 * np.sqrt(0.2 * 0.8 / 10_000)


# -- what is offered ----------------------------------------------------------------------


def test_an_arm_is_offered_only_where_its_outcome_is_known():
    holes = with_holes(a_random_table(count=200))

    done = run(holes, "uniform", seed=1)
    assert holes.offered[done.order, done.arms].all()
    open_arms = holes.offered[done.order].sum(axis=1)
    np.testing.assert_allclose(done.propensities, 1 / open_arms, rtol=1e-12)


def test_a_query_without_any_outcome_is_not_served():
    table = a_table([[0.1, 0.2], [np.nan, np.nan], [0.3, np.nan]])

    assert sorted(run(table, "uniform").order) == [0, 2]
    assert run(table, "uniform", order="file").order.tolist() == [0, 2]


def test_arms_of_a_part_of_the_table_are_its_columns():
    config = PolicyConfig(name="part", arms=(Arm(name="c"), Arm(name="a")))

    done = simulate(TABLE, contexts_of(TABLE), config, seed=0)
    assert set(done.arms.tolist()) == {0, 2}


# -- what is learned, and when ------------------------------------------------------------


@pytest.mark.parametrize("delay", [0, 1, 4])
def test_feedback_comes_after_so_many_further_queries(delay):
    """Two arms taken for perfect are tied until one of them has disappointed; a greedy policy
    then goes for the other. So query `delay` + 1 is the first that is decided in the know."""
    table = a_table([[0.2, 0.5]] * 9)

    done = run(table, "epsilon_greedy:epsilon=0,floor=0", feedback_delay=delay)
    np.testing.assert_array_equal(done.propensities[: delay + 1], 0.5)
    assert done.propensities[delay + 1] == 1.0
    assert done.arms[delay + 1] != done.arms[0]


def test_feedback_that_comes_too_late_is_no_feedback():
    never = run(feedback_delay=len(TABLE))
    unscored = run(feedback_fraction=0.0)

    assert same(never, unscored)
    assert not same(never, run())


def test_the_bill_comes_even_without_a_score():
    """Arm b costs more than its quality can ever be worth."""
    table = a_table([[0.2, 0.5]] * 40, cost_usd=np.array([[0.001, 0.1]] * 40))
    settings = {"policy": "epsilon_greedy:epsilon=0,floor=0", "feedback_fraction": 0.0}

    free = run(table, **settings)
    billed = run(table, quality_per_usd=100.0, **settings)
    np.testing.assert_array_equal(free.propensities, 0.5)
    # A cost that is unknown counts like the other's; once both are known, nobody goes to b.
    informed = max(billed.arms.tolist().index(arm) for arm in (0, 1)) + 1
    assert informed < 40
    assert set(billed.arms[informed:].tolist()) == {0}
    assert billed.quality_per_usd == 100.0


def test_a_half_life_in_queries_forgets_what_one_in_the_far_future_keeps():
    quality = np.array([[1.0, 0.0]] * 60 + [[0.0, 1.0]] * 60)
    table = a_table(quality)

    def late_reward(policy):
        done = run(table, policy, order="file")
        return quality[done.order, done.arms][60:].mean()

    assert late_reward("linucb:half_life=10") > late_reward("linucb:half_life=1e9")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"order": "sorted"}, "shuffled or file"),
        ({"feedback_fraction": 1.5}, r"in \[0, 1\]"),
        ({"feedback_fraction": float("nan")}, r"in \[0, 1\]"),
        ({"feedback_delay": -1}, ">= 0"),
        ({"quality_per_usd": -1.0}, r"from 0 to 1e\+09"),
    ],
)
def test_traffic_that_cannot_be_is_refused(settings, said):
    with pytest.raises(InvalidField, match=said):
        run(**settings)
