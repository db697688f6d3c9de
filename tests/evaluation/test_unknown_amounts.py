"""Costs, latencies and energies that are known for some calls only: told where those are nearly
all, and nowhere else, for the rest are not like them."""

import math
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from scipy import stats

from bandit_service.evaluation import simulate_study
from bandit_service.evaluation.hull import static_hull
from bandit_service.evaluation.loading import load
from bandit_service.evaluation.optimal import ArmMeans
from bandit_service.evaluation.pictures import fronts
from bandit_service.evaluation.report import as_html
from bandit_service.evaluation.results import Mean, PolicyResult, Result
from bandit_service.evaluation.runs import Run
from bandit_service.evaluation.table import OutcomeTable
from bandit_service.evaluation.wording import NOT_COMPARED, against_hull, headline
from tests.evaluation.judging import always, judged
from tests.evaluation.real_data import real_data
from tests.evaluation.small_tables import a_random_table, a_table

NBSP = "\N{NO-BREAK SPACE}"
COUNT = 1000
# What each arm takes. The best one's is a secret: a thousand times as much, say.
CHEAP, MID, SECRET = range(3)
RESOURCES = ("cost_usd", "latency_seconds", "energy_joules")


def with_a_secret(count: int = COUNT) -> OutcomeTable:
    quality = np.tile([0.4, 0.6, 0.9], (count, 1))
    amounts = np.tile([1.0, 5.0, np.nan], (count, 1))
    return a_table(quality, **dict.fromkeys(RESOURCES, amounts))


def played(table: OutcomeTable, policy: str, arms: np.ndarray, seed: int = 0, **changes) -> Run:
    return always(table, 0, seed=seed, policy=policy, arms=arms, **changes)


def nearly_always(arm: int, other: int, others: int, count: int = COUNT) -> np.ndarray:
    """One arm but for so many calls, spread over the stream."""
    arms = np.full(count, arm)
    arms[np.linspace(0, count - 1, others).astype(int)] = other
    return arms


def of(result: Result, label: str) -> PolicyResult:
    (found,) = [one for one in result.policies if one.policy == label]
    return found


@pytest.fixture(scope="module")
def gambler() -> Result:
    """Of 1,000 calls 40 go to the cheap arm, all others to the best one, of unknown cost; beside
    it somebody who plays known arms only. Both with a dial that changes nothing, and two seeds."""
    table = with_a_secret()
    both = {
        "gambler": nearly_always(SECRET, CHEAP, 40),
        "saver": nearly_always(MID, CHEAP, 500),
    }
    runs = [
        played(table, label, arms, seed, quality_per_usd=dial)
        for label, arms in both.items()
        for seed in (0, 1)
        for dial in (None, 0.5)
    ]
    return judged(table, runs, warmup=0.2)


@pytest.mark.parametrize("resource", RESOURCES)
def test_who_plays_an_arm_of_unknown_amounts_has_none_told(gambler, resource):
    assert getattr(of(gambler, "gambler").whole, resource) is None
    assert getattr(of(gambler, "gambler").counted, resource) is None
    assert getattr(of(gambler, "saver").whole, resource) == Mean(3.0, 0.0)


def test_it_is_held_against_no_hull_and_no_curve(gambler):
    found = of(gambler, "gambler")

    assert gambler.hull_quality == {"saver": pytest.approx(0.5)}
    assert found.dials[0].cost_usd is None
    assert found.dials[0].energy_joules is None
    assert found.area is None
    assert of(gambler, "saver").area == pytest.approx((2 * 0.45 + 2 * 0.5) / 4)  # costs 1 to 5
    assert found.whole.cost_of_best is None
    between = {each.measure for each in gambler.differences if each.second == "saver"}
    assert between == {"quality", "regret"}


def test_the_words_say_so_instead_of_praising_it(gambler):
    found = of(gambler, "gambler")

    assert headline(found).endswith("; what it costs is not known.")
    assert against_hull(gambler, found) == NOT_COMPARED
    page = as_html(gambler)
    assert "no fixed mix" not in page
    assert "table-counted-differences" in page
    assert "nan" not in page.replace("\n", " ").split()
    for name in ("cost", "latency", "energy"):
        said = f"{name} is known for 4.0{NBSP}% of gambler's calls in one of the seeds: not shown"
        assert said in gambler.notes
    assert "cost is not known at 1 of gambler's 1 dials: no area under them" in gambler.notes
    assert not [note for note in gambler.notes if "saver" in note]


def test_who_is_above_a_hull_of_some_models_is_told_which():
    """A quarter of the queries has a cheap arm as good as any, and this policy finds them."""
    table = with_a_secret()
    quality = table.quality.copy()
    quality[::4, CHEAP] = 1.0
    table = replace(table, quality=quality)
    arms = np.where(np.arange(COUNT) % 4 == 0, CHEAP, MID)

    result = judged(table, [played(table, "p", arms, seed) for seed in (0, 1)])

    assert "no fixed mix of the models whose cost is known does" in against_hull(
        result, of(result, "p")
    )


@pytest.mark.parametrize("front", [fronts.quality_cost, fronts.quality_energy])
def test_it_has_no_place_in_a_picture(gambler, front):
    (drawing,) = front(gambler)

    assert "saver: quality" in drawing.description
    assert "gambler: quality" not in drawing.description
    assert "oracle" not in drawing.description
    assert "too little is known of their" in drawing.caption
    for name in ("gambler", "oracle", "offline router"):
        assert name in drawing.caption.split("Not drawn")[1]


def test_a_picture_without_anybody_to_leave_out_says_nothing_of_it():
    table = a_random_table()

    (drawing,) = fronts.quality_cost(judged(table, [always(table, 0)]))

    assert "Not drawn" not in drawing.caption


def test_references_that_play_it_have_none_told_either(gambler):
    found = {each.kind: each for each in gambler.references if each.kind != "arm"}
    alone = {each.name: each for each in gambler.references if each.kind == "arm"}

    for kind in ("best_single", "random", "oracle", "offline_router"):
        for resource in RESOURCES:
            assert getattr(found[kind], resource) is None, kind
        assert "cost is known for" in found[kind].note
    assert found["cheapest"].cost_usd == 1.0
    assert found["cheapest"].note == "least mean cost of those that are known"
    assert [alone[name].cost_usd for name in "abc"] == [1.0, 5.0, None]
    assert f"cost is known for 67{NBSP}% of its calls: not shown" in found["random"].note


def test_unknown_is_null_in_json(gambler):
    written = msgspec.json.decode(msgspec.json.encode(gambler))

    whole = written["policies"][0]["whole"]
    assert [whole[name] for name in (*RESOURCES, "cost_of_best")] == [None] * 4
    assert list(written["hull_quality"]) == ["saver"]
    assert msgspec.json.decode(msgspec.json.encode(gambler), type=Result) == gambler


@pytest.mark.parametrize(("strange", "told"), [(0, True), (10, True), (11, False)])
def test_one_call_in_a_hundred_may_go_to_an_arm_of_unknown_amounts(strange, told):
    table = with_a_secret()

    whole = of(judged(table, [played(table, "p", nearly_always(MID, SECRET, strange))]), "p").whole

    for resource in RESOURCES:
        assert getattr(whole, resource) == (Mean(5.0) if told else None)


@pytest.mark.parametrize(("missing", "told"), [(0, True), (50, True), (51, False)])
def test_single_missing_cells_do_not_lose_the_column(missing, told):
    """As in a log that lost some bills: one in twenty, whatever the arm."""
    costs = np.tile([1.0, 5.0], (COUNT, 1)) + np.linspace(0, 1, COUNT)[:, None]
    costs[np.random.default_rng(0).permutation(COUNT)[:missing], 1] = np.nan
    table = a_table(np.tile([0.4, 0.6], (COUNT, 1)), cost_usd=costs)

    result = judged(table, [always(table, 1)])

    arm = next(each for each in result.references if each.name == "b")
    means = ArmMeans.of(table)
    whole = of(result, "always").whole.cost_usd
    for cost in (whole and whole.mean, arm.cost_usd):
        assert cost == (pytest.approx(np.nanmean(costs[:, 1])) if told else None)
    assert math.isnan(means.cost_usd[1]) == (not told)
    assert static_hull(means, "cost_usd").sources.tolist() == ([0, 1] if told else [0])
    left_out = [note for note in result.notes if "of the outcomes of b: left out of hulls" in note]
    assert len(left_out) == (not told)


def test_each_seed_has_to_know_it():
    """One seed that stuck to known arms says nothing of one that did not."""
    table = with_a_secret()
    runs = [
        played(table, "p", nearly_always(MID, SECRET, 0), seed=0),
        played(table, "p", nearly_always(MID, SECRET, 300), seed=1),
    ]

    assert of(judged(table, runs[:1]), "p").whole.cost_usd == Mean(5.0)
    assert of(judged(table, runs), "p").whole.cost_usd is None


def test_the_counted_part_is_judged_by_its_own_calls():
    """Unknown calls in the warm-up only: what came later is known."""
    table = with_a_secret()
    arms = np.where(np.arange(COUNT) < 200, SECRET, MID)

    found = of(judged(table, [played(table, "p", arms)], warmup=0.2), "p")

    assert found.whole.cost_usd is None
    assert found.counted.cost_usd == Mean(5.0)


def test_of_a_duel_both_calls_have_to_be_known():
    table = with_a_secret()
    known, secret = np.full(COUNT, MID), np.full(COUNT, SECRET)
    pair = played(table, "p", known, second_arms=np.full(COUNT, CHEAP))

    assert of(judged(table, [pair]), "p").whole.cost_usd == Mean(6.0)
    for first, second in ((known, secret), (secret, known)):
        whole = of(judged(table, [played(table, "p", first, second_arms=second)]), "p").whole
        assert whole.cost_usd is None
        assert whole.latency_seconds is None


def test_with_everything_known_it_is_the_mean_of_all_calls_to_the_last_digit():
    table = a_random_table(count=301)
    arms = np.random.default_rng(1).integers(3, size=301)

    result = judged(table, [played(table, "p", arms)])

    whole = of(result, "p").whole
    for resource in RESOURCES:
        values = getattr(table, resource)[np.arange(301), arms]
        assert getattr(whole, resource).mean == np.sum(values) / 301
        alone = [getattr(each, resource) for each in result.references if each.kind == "arm"]
        assert alone == pytest.approx(getattr(table, resource).mean(axis=0).tolist(), rel=1e-14)


def test_differences_of_the_counted_part_are_those_of_its_calls():
    table = a_random_table(count=50)
    rng = np.random.default_rng(3)
    runs = [
        played(table, label, rng.integers(3, size=50), seed)
        for label in ("p", "r")
        for seed in range(4)
    ]

    result = judged(table, runs, warmup=0.4)

    def mean_of(run: Run) -> float:
        return float(table.cost_usd[run.order[20:], run.arms[20:]].mean())

    apart = [mean_of(runs[seed]) - mean_of(runs[4 + seed]) for seed in range(4)]
    (found,) = [each for each in result.counted_differences if each.measure == "cost_usd"]
    interval = stats.ttest_1samp(apart, 0.0).confidence_interval(0.95)
    assert found.difference == pytest.approx(np.mean(apart))
    assert found.low == pytest.approx(interval.low)
    assert found.high == pytest.approx(interval.high)
    assert len(result.counted_differences) == len(result.differences) == 5
    assert judged(table, runs).counted_differences == ()


def test_the_offline_router_tells_whose_eyes_it_has(gambler):
    (router,) = [each for each in gambler.references if each.kind == "offline_router"]

    assert "by what gambler sees of them" in router.note


def test_under_a_budget_a_lost_bill_counts_at_its_arms_mean():
    """Of one arm, so nothing is left to choose: half of the bills are lost, and each was 2."""
    costs = np.full((400, 1), 2.0)
    costs[np.random.default_rng(0).permutation(400)[:200]] = np.nan
    table = a_table(np.full((400, 1), 0.5), cost_usd=costs)

    result = simulate_study(table, ["uniform"], seeds=1, jobs=1, budgets_usd_per_query=[4.0])

    (kept,) = result.policies[0].budgets
    assert kept.utilisation.mean == pytest.approx(0.5)
    assert kept.pace.spent[-1] == pytest.approx(0.5)
    assert (kept.cost_usd, kept.hull_quality) == (None, None)


@pytest.mark.parametrize(("name", "best"), [("routerbench", "gpt-4"), ("paretobandit", "gemini")])
def test_the_energy_of_hosted_models_is_made_up_nowhere(name, best):
    """Of neither set's best model anybody knows the joules, and the default plays it most."""
    table = load(real_data(name))

    result = simulate_study(table, seeds=1, jobs=1)

    found = {each.kind: each for each in result.references if each.kind != "arm"}
    assert best in found["best_single"].name
    assert found["best_single"].energy_joules is None
    assert found["offline_router"].energy_joules is None
    assert result.policies[0].whole.energy_joules is None
    assert not list(fronts.quality_energy(result))
    assert result.policies[0].whole.cost_usd is not None  # every cost is known
