"""Several policies logged, and weights are over the mixture of them: against plain loops, and
against what is known to be true."""

import json
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

from bandit_service.errors import BadLog, InvalidField
from bandit_service.evaluation import replay_study
from bandit_service.evaluation.contestants import configured, named
from bandit_service.evaluation.logs.exporting import in_batches, write
from bandit_service.evaluation.logs.mapping import mapped
from bandit_service.evaluation.logs.opening import open_log
from bandit_service.evaluation.offpolicy.comparison import compare
from bandit_service.evaluation.offpolicy.gathering import gather
from bandit_service.evaluation.offpolicy.learner import Learner
from bandit_service.evaluation.offpolicy.loggers import Loggers
from bandit_service.evaluation.offpolicy.settings import Settings
from bandit_service.evaluation.offpolicy.targets import Logged, OneArm
from tests.offpolicy.test_cli_replay import replay
from tests.offpolicy.test_comparison import Given, traffic_of, value
from tests.offpolicy.worlds import a_world, rows_of

QUICK = Settings(resamples=100)
BOTH = {1: Logged("a"), 2: Logged("b")}


@pytest.fixture(scope="module")
def world():
    return a_world(count=900, seed=3, floor=0.2)


def by_two(world, seed, first=0.3):
    """Rows of which policy a drew the `first` part, as revision 1, and b the others, as revision 2:
    each seldom draws what the other draws often."""
    lean = np.argsort(world.logger, axis=1)
    other = np.take_along_axis(world.logger, lean[:, ::-1].argsort(axis=1), axis=1)
    cut = int(first * len(world.means))
    drew = [rows_of(replace(world, logger=each), seed) for each in (world.logger, other)]
    names = list(drew[0][0].probabilities)
    made = []
    for at in range(len(world.means)):
        told = {
            who: dict(zip(names, chances[at].tolist(), strict=True))
            for who, chances in (("a", world.logger), ("b", other))
        }
        row, revision = (drew[0][at], 1) if at < cut else (drew[1][at], 2)
        made.append(msgspec.structs.replace(row, revision=revision, challengers=told))
    return made


def plainly(rows, world, counted=None):
    """Weights and qualities by loops over rows."""
    counted = rows if counted is None else counted
    share = sum(row.revision == 1 for row in counted) / len(counted)
    weights = []
    for row, target in zip(rows, world.target, strict=True):
        slot = list(row.probabilities).index(row.arm)
        mixed = share * row.challengers["a"][row.arm] + (1 - share) * row.challengers["b"][row.arm]
        weights.append(target[slot] / mixed)
    return np.array(weights), np.array([row.quality for row in rows])


@pytest.mark.parametrize("full", [True, False], ids=["all chances", "the drawn arm's alone"])
def test_estimates_are_those_of_plain_loops(world, full):
    rows = by_two(world, 1)
    given = rows if full else [msgspec.structs.replace(row, probabilities=None) for row in rows]
    target = world.target
    if not full:  # the log's arms are in the order in which they were drawn
        order = [int(name[-1]) for name in traffic_of(given).arms]
        target = target[:, order]
    result = compare(traffic_of(given), [Given(target)], QUICK, BOTH)
    (found,) = result.candidates

    weights, qualities = plainly(rows, world)
    assert value(found, "ips") == pytest.approx((weights * qualities).mean(), abs=1e-12)
    assert value(found, "snips") == pytest.approx(weights @ qualities / weights.sum(), abs=1e-12)
    assert found.support.effective_size == pytest.approx(weights.sum() ** 2 / (weights @ weights))
    assert found.support.largest_weight == pytest.approx(weights.max())
    assert found.support.overlap == pytest.approx(1.0)
    assert result.loggers == {"1=challenger:a": 270, "2=challenger:b": 630}
    assert result.notes[0].startswith("weights are over the mixture of those that logged (30% rev")
    assert "do not fit" not in " ".join(result.notes)
    # Nothing is promised along the way: a row has no mean of its own.
    said = {each.method for one in found.estimates for each in one.intervals}
    assert said == {"bootstrap"}
    assert found.path is None


def test_shares_are_of_what_is_judged(world):
    """The first half teaches a learner; of the other half one part in ten is revision 1."""
    rows = by_two(world, 1, first=0.55)
    gathered = gather(
        traffic := traffic_of(rows),
        [Given(world.target[450:])],
        training=450,
        rows=100,
        loggers=(several := Loggers(BOTH, traffic, 450, 100)),
    )
    assert several.counts == {1: 45, 2: 405}
    weights, _ = plainly(rows, world, counted=rows[450:])
    np.testing.assert_allclose(gathered.each[0].weights.whole(), weights[450:], rtol=1e-12)


def test_the_mixture_on_its_own_log_is_the_mean(world):
    rows = by_two(world, 2)
    given = traffic_of(rows).whole().asides
    mixture = 0.3 * given["a"] + 0.7 * given["b"]
    (found,) = compare(traffic_of(rows), [Given(mixture)], QUICK, BOTH).candidates
    assert found.support.effective_size == pytest.approx(900)
    assert found.support.largest_weight == pytest.approx(1.0, abs=1e-12)
    qualities = np.array([row.quality for row in rows])
    assert value(found, "ips") == pytest.approx(qualities.mean(), abs=1e-12)


def test_unbiased_and_less_wrong_than_each_rows_own_propensity():
    # Queries alike for both: the rows' order is luck, so the truth is one number.
    world = a_world(count=200, arms=2, seed=5, floor=0.1)
    own: list[float] = []
    balanced: list[float] = []
    for seed in range(150):
        order = np.random.default_rng(seed).permutation(200)
        shuffled = type(world)(*(getattr(world, name)[order] for name in
                                 ("contexts", "means", "logger", "target")))  # fmt: skip
        traffic = traffic_of(by_two(shuffled, seed, first=0.5))
        for found, loggers in ((own, None), (balanced, Loggers(BOTH, traffic, 0, 200))):
            gathered = gather(
                traffic, [Given(shuffled.target)], training=0, rows=200, loggers=loggers
            )
            weights = gathered.each[0].weights.whole()
            found.append(float(weights @ gathered.shared.outcomes["quality"].whole()) / 200)
    for found in (own, balanced):
        assert abs(np.mean(found) - world.truth) < 4 * np.std(found) / np.sqrt(150)
    assert np.var(balanced) < 0.8 * np.var(own)


@pytest.mark.parametrize(
    ("loggers", "complaint"),
    [
        ({1: Logged("a")}, "revision 2 has no logger; judged are those of revisions 1, 2"),
        (BOTH | {7: Logged("a")}, "revision 7 has no judged decision"),
        (
            {1: Logged("b"), 2: Logged("a")},
            r"'challenger:b' did not draw \d+ of 45 decisions of revision 1 .* was logged",
        ),
        (
            {1: OneArm("arm-0", [f"arm-{slot}" for slot in range(4)]), 2: Logged("b")},
            "'arm:arm-0' did not draw",
        ),
    ],
)
def test_who_did_not_log_is_refused(world, loggers, complaint):
    with pytest.raises(InvalidField, match=complaint):
        compare(traffic_of(by_two(world, 1)), [Given(world.target)], QUICK, loggers)


def test_who_learned_and_a_log_without_propensities_are_refused(world):
    rows = by_two(world, 1)
    arms = tuple(rows[0].probabilities)
    learner = Learner(named("linucb"), arms, 3, 0)
    with pytest.raises(InvalidField, match="'linucb' of revision 1 learns"):
        compare(traffic_of(rows), [Given(world.target)], QUICK, BOTH | {1: learner})
    bare = [msgspec.structs.replace(row, propensity=None, probabilities=None) for row in rows]
    with pytest.raises(InvalidField, match="no propensities to be balanced"):
        compare(traffic_of(bare), [Given(world.target)], QUICK, BOTH)


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_from_a_file_by_the_command(world, tmp_path, ending):
    file = tmp_path / f"log.{ending}"
    rows = by_two(world, 1)
    write(in_batches(rows), file)
    asked = file, "--policy", "arm:arm-1", "--logger", "1=challenger:a"
    done = replay(*asked, "--logger", "2=challenger:b", "--json", "-")
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert said["loggers"] == {"1=challenger:a": 270, "2=challenger:b": 630}
    always = replace(world, target=np.eye(4)[np.ones(900, dtype=int)])
    weights, qualities = plainly(rows, always)
    (ips,) = [
        each["value"]
        for each in said["candidates"][0]["estimates"]
        if (each["estimator"], each["measure"]) == ("ips", "quality")
    ]
    assert ips == pytest.approx((weights * qualities).mean(), abs=1e-12)
    shown = replay(*asked, "--logger", "2=challenger:b", "--html", tmp_path / "report.html")
    assert shown.exit_code == 0, shown.output
    assert "over the mixture of those that logged" in " ".join(shown.stdout.split())
    for words, complaint in (
        (("--logger", "two=uniform"), "'two=uniform' must be like 3=uniform"),
        (("--logger", "1=uniform"), "revision 1 is there twice"),
        ((), "revision 2 has no logger"),
    ):
        refused = replay(*asked, *words)
        assert refused.exit_code != 0
        assert complaint in " ".join(refused.output.split())


def test_a_foreign_log_says_which_revision_a_row_is_of(tmp_path):
    file = tmp_path / "log.csv"
    lines = [f"{arm},0.5,1,{1 + at % 2}" for at, arm in enumerate("xy" * 30)]
    file.write_text("\n".join(["arm,p,stars,variant", *lines]))
    how = mapped(
        {"arm": "arm", "propensity": "p", "quality": "stars", "revision": "variant"}, "map"
    )
    assert open_log(file, how=how).whole().revisions.tolist() == [1, 2] * 30
    file.write_text("arm,p,stars,variant\nx,0.5,1,1\ny,0.5,1,1.5")
    with pytest.raises(BadLog, match=r"line 3: .*variant is 1.5, expected a whole number"):
        open_log(file, how=how)


def test_from_a_notebook_it_is_the_same(world, tmp_path):
    rows = by_two(world, 1)
    write(in_batches(rows), tmp_path / "log.jsonl")
    loggers = {1: "challenger:a", 2: "challenger:b"}
    how: dict[str, Any] = {"resamples": 100, "seed": 3}
    asked = "arm:arm-1", msgspec.structs.replace(named("uniform").config, name="mine")
    result = replay_study(tmp_path / "log.jsonl", asked, loggers=loggers, **how)
    by_hand = compare(
        open_log(tmp_path / "log.jsonl"),
        [OneArm("arm-1", result.arms), Learner(configured(asked[1]), result.arms, 3, 3)],
        Settings(**how),
        BOTH,
    )
    assert result == by_hand
    assert [one.label for one in result.candidates] == ["arm:arm-1", "mine"]
    with pytest.raises(InvalidField, match="mapping: a frame needs one"):
        replay_study(pd.DataFrame({"arm": ["a"]}), asked)
