"""The benchmark of peers without the peers: files, recipes, and a stand-in played end to end."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from scipy import stats

from bandit_service.evaluation.contestants import named
from bandit_service.evaluation.contexts import contexts_of
from bandit_service.evaluation.simulation import simulate
from bandit_service.evaluation.synthetic import linear
from benchmarks.budgets import package
from benchmarks.peers import __main__ as command
from benchmarks.peers import contest as contests
from benchmarks.peers import environments, judge, ours, report, running, streams
from benchmarks.peers.contest import Contest
from benchmarks.peers.contestants import DEFAULT, OURS, PEERS, TUNING_SEEDS
from benchmarks.peers.programs import protocol
from benchmarks.peers.running import Job, Workshop

SEEDS = (0, 1)
STAND_IN = '''
from benchmarks.peers.programs.protocol import main

class Rotation:
    """Arm after arm from `first`; refuses a quality that is not that of its own choice."""

    def __init__(self, world, settings):
        self.arms, self.next, self.taught = world.arms, settings["first"], 0
        self.contexts = world.contexts
        assert world.list_prices.shape == (world.arms, 2)
        assert world.costs.shape == (len(world.contexts), world.arms)

    def choose(self, row):
        assert self.contexts[row, -1] == 1.0
        self.chosen, self.next = (row, self.next), (self.next + 1) % self.arms
        return self.chosen[1]

    def learn(self, row, arm, quality):
        assert (row, arm) == self.chosen and 0 <= quality <= 1

main(Rotation)
'''


@pytest.fixture
def stream():
    return streams.of_table(linear(queries=40, arms=3, dim=5, seed=3, costs=True), SEEDS)


@pytest.fixture
def workshop(tmp_path, stream):
    made = Workshop(tmp_path, {stream.name: stream}, at_a_time=2)
    streams.write(stream, made.stream_file(stream.name))
    return made


def a_job(module, settings, stream):
    told = tuple(settings.items())
    return Job("stand-in", Path(sys.executable), module, told, stream.name, SEEDS)


@pytest.fixture
def stand_in(monkeypatch, tmp_path):
    """The name of a module, which programs can import, of a learner that takes turns."""
    (tmp_path / "rotation_stand_in.py").write_text(STAND_IN)
    plain = running.plain_environment()
    both = f"{plain['PYTHONPATH']}:{tmp_path}"
    monkeypatch.setattr(running, "plain_environment", lambda: plain | {"PYTHONPATH": both})
    return "rotation_stand_in"


def test_a_stream_is_served_as_simulate_serves_it(stream):
    run = simulate(stream.table, contexts_of(stream.table), named("uniform").config, seed=1)

    assert stream.orders[1].tolist() == run.order.tolist()
    assert sorted(run.order.tolist()) == list(range(40))


def test_queries_that_lack_an_outcome_are_dropped_and_counted():
    table = linear(queries=40, arms=3, dim=5)
    table.quality[[5, 9], 1] = np.nan

    stream = streams.of_table(table, SEEDS)

    assert (len(stream.table), stream.dropped) == (38, 2)
    assert len(stream.contexts) == len(stream.orders[0]) == 38


def test_each_seed_of_the_linear_worlds_is_the_synthetic_set_of_that_seed():
    stream = streams.linear_worlds(SEEDS)

    for seed in SEEDS:
        world, served = linear(seed=seed), stream.orders[seed]
        assert world.contexts is not None
        by_step = np.lexsort(stream.table.quality[served].T)
        as_made = np.lexsort(world.quality.T)
        assert np.array_equal(stream.table.quality[served][by_step], world.quality[as_made])
        assert np.array_equal(stream.contexts[served, :-1][by_step], world.contexts[as_made])


def test_a_program_reads_back_the_stream_that_was_written(workshop, stream):
    with np.load(workshop.stream_file(stream.name), allow_pickle=False) as stored:
        assert np.array_equal(stored["contexts"], stream.contexts)
        assert np.array_equal(stored["quality"], stream.table.quality)
        assert stored["seeds"].tolist() == list(SEEDS)
        assert np.array_equal(stored["orders"], [stream.orders[seed] for seed in SEEDS])


def test_a_stand_in_is_judged_by_what_its_arms_earned(workshop, stream, stand_in):
    job = a_job(stand_in, {"first": 2}, stream)

    ((_, found),) = workshop.run_all([job])

    table = stream.table
    for at, seed in enumerate(SEEDS):
        earned = [
            (table.quality[row, (2 + step) % 3], table.cost_usd[row, (2 + step) % 3])
            for step, row in enumerate(stream.orders[seed])
        ]
        lost = table.expected.max(axis=1).sum() - sum(
            table.expected[row, (2 + step) % 3] for step, row in enumerate(stream.orders[seed])
        )
        assert found.quality[at] == pytest.approx(np.mean([quality for quality, _ in earned]))
        assert found.cost_usd[at] == pytest.approx(np.mean([cost for _, cost in earned]))
        assert found.regret[at] == found.early_regret[at] == pytest.approx(lost)
    assert found.decisions_per_second > 0


def test_our_policies_choose_through_the_files_what_simulate_chooses(workshop, stream):
    job = a_job("benchmarks.peers.ours", {"policy": "linucb"}, stream)

    ((_, found),) = workshop.run_all([job])

    for at, seed in enumerate(SEEDS):
        run = simulate(stream.table, contexts_of(stream.table), named("linucb").config, seed=seed)
        assert found.quality[at] == pytest.approx(stream.table.quality[run.order, run.arms].mean())


def test_a_program_that_breaks_off_is_named_with_its_last_words(workshop, stream, stand_in):
    contest = Contest(workshop, SEEDS)

    found = contest.play([a_job(stand_in, {}, stream)])

    assert found == {}
    assert contest.failures == ["stand-in on linear: KeyError: 'first'"]


@pytest.mark.parametrize(
    ("arms", "wrong"),
    [
        (np.zeros((2, 39), dtype=int), "wanted"),
        (np.full((2, 40), 3), "of 3"),
        (np.full((2, 40), -1), "of 3"),
        (np.zeros((2, 40)), "float64"),
    ],
)
def test_arms_that_cannot_be_are_refused(tmp_path, stream, arms, wrong):
    protocol.save(tmp_path / "out.npz", [(row, 1.0) for row in arms])

    with pytest.raises(ValueError, match=wrong):
        streams.read_choices(tmp_path / "out.npz", stream, SEEDS)


def test_the_references_are_the_best_arm_and_the_best_of_each_query(stream):
    found = judge.references(stream, SEEDS)

    truth = stream.truth
    gap = truth.max(axis=1).sum() - truth.sum(axis=0).max()
    assert found["best single arm"].regret == pytest.approx([gap, gap])
    assert found["oracle"].regret == pytest.approx([0, 0])
    evenly = found["choosing evenly"]
    assert evenly.regret == pytest.approx([(truth.max(axis=1) - truth.mean(axis=1)).sum()] * 2)
    assert evenly.quality == pytest.approx([stream.table.quality.mean()] * 2)


def test_the_difference_is_paired_over_the_seeds_of_both():
    def scored(seeds, quality):
        zeros = np.zeros(len(seeds))
        return judge.Score(tuple(seeds), 10, np.array(quality), zeros, zeros, zeros, zeros)

    found = judge.against(
        "peer",
        scored((2, 0, 1), (0.7, 0.5, 0.65)),
        DEFAULT,
        scored((0, 1, 2, 3), (0.6, 0.7, 0.9, 0)),
    )

    by_scipy = stats.ttest_rel([0.7, 0.5, 0.65], [0.9, 0.6, 0.7]).confidence_interval()
    assert found.difference == pytest.approx(-0.35 / 3)
    assert (found.low, found.high) == pytest.approx((by_scipy.low, by_scipy.high))


def test_a_width_is_chosen_for_each_set_by_its_quality(workshop, stream):
    peer = replace(PEERS[0], grid=(0.1, 0.2))
    contest = Contest(workshop, SEEDS)
    found = {}
    references = judge.references(stream, SEEDS)
    for width, name in zip(peer.grid, ("best single arm", "oracle"), strict=True):
        (job,) = contest.peer(peer, Path(sys.executable), width)
        found[job] = references[name]

    assert contest.best_width(peer, stream.name, found) == 0.2
    assert contest.best_width(peer, "another", found) is None
    assert contest.best_width(peer, stream.name, {}) is None


def test_widths_are_chosen_on_seeds_of_their_own_and_a_default_is_not_run_twice(
    monkeypatch, stream
):
    usual, other = (replace(PEERS[0], name=name, grid=(0.01, 0.2)) for name in ("usual", "other"))
    monkeypatch.setattr(contests, "PEERS", (usual, other))
    found = judge.references(stream, SEEDS)
    good, bad = found["oracle"], found["choosing evenly"]
    played = []

    def run_all(jobs):
        for job in jobs:
            played.append((job.label, job.seeds))
            yield job, good if job.label in ("usual alpha=0.01", "other alpha=0.2") else bad

    shop = SimpleNamespace(streams={stream.name: stream}, run_all=run_all)
    contest = Contest(cast(Workshop, shop), SEEDS)
    contests.compete(contest, {"paretobandit": Path("python")}, tune=True)

    ours = [(name, SEEDS) for name in OURS]
    tuning = [(peer.label(width), TUNING_SEEDS) for peer in (usual, other) for width in peer.grid]
    results = [("other alpha=0.2", SEEDS)]
    assert played == [*ours, ("usual", SEEDS), ("other", SEEDS), *tuning, *results]
    rest = f"on {stream.name}; of 0.01, 0.2 (default 0.01), by quality on seeds 100, 101"
    assert contest.notes == [f"usual: alpha 0.01 {rest}", f"other: alpha 0.2 {rest}"]


def test_a_tuned_peer_stands_beside_its_default(workshop, stream):
    contest, peer = Contest(workshop, SEEDS), PEERS[1]
    some = judge.references(stream, SEEDS)["oracle"]
    others = (PEERS[0].label(), DEFAULT)
    contest.scores[stream.name] = dict.fromkeys((peer.label(0.5), *others, peer.label()), some)

    assert list(contest.ranked(stream.name)) == [
        DEFAULT,
        PEERS[0].label(),
        peer.label(),
        peer.label(0.5),
    ]


def test_the_table_names_everybody_and_what_sets_them_apart(stream):
    good, even = (judge.references(stream, SEEDS)[name] for name in ("oracle", "best single arm"))
    timed = replace(good, seconds=np.array([2.0, 2.0]))

    text = report.table(
        stream,
        report.rows(
            stream, {DEFAULT: replace(even, seconds=timed.seconds), "peer": timed}, seeds=SEEDS
        ),
    )

    gain = good.quality.mean() - even.quality.mean()
    assert "linear: 40 queries, 3 arms, 5 features" in text
    (line,) = [line for line in text.splitlines() if line.startswith("peer")]
    assert f"{gain:+.4f} (" in line
    assert " 20 " in line  # decisions a second: 2 x 40 in 4 s


def test_every_peer_has_a_recipe_and_a_program():
    assert {peer.environment for peer in PEERS} == set(environments.RECIPES)
    for peer in PEERS:
        assert Path(protocol.__file__).with_name(f"{peer.program}.py").is_file()
        assert set(peer.tuning_seeds) <= set(TUNING_SEEDS)
    assert len({peer.label() for peer in PEERS}) == len(PEERS)


@pytest.mark.parametrize("recipe", environments.RECIPES.values(), ids=lambda recipe: recipe.name)
def test_a_recipe_pins_everything_it_installs(recipe):
    assert recipe.requirements[0].startswith(f"{recipe.name}==")
    assert any(requirement.startswith("numpy==") for requirement in recipe.requirements)
    for requirement in recipe.requirements:
        assert re.fullmatch(r"[a-z0-9-]+==[0-9][0-9.a-z]*", requirement)


def test_a_program_needs_nothing_of_ours_and_no_library_but_numpy():
    code = "import sys, benchmarks.peers.programs.protocol; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    ).stdout.split()

    assert not {"bandit_service", "policies", "scipy", "msgspec"} & set(loaded)


class TestEnvironments:
    """With `pip` and `venv` replaced: nothing is downloaded."""

    @pytest.fixture
    def installed(self, monkeypatch):
        """What was installed, in order."""
        calls = []

        def make(home, with_pip):
            (home / "bin").mkdir(parents=True)
            (home / "bin" / "python").touch()

        def run(command, **_):
            calls.append(command)
            failed = "broken==1" in command
            return SimpleNamespace(returncode=int(failed), stderr="WARNING: x\nERROR: no such\n")

        monkeypatch.setattr("venv.create", make)
        monkeypatch.setattr("subprocess.run", run)
        return calls

    def test_one_is_made_once_and_again_when_its_recipe_changes(self, tmp_path, installed):
        recipe = environments.Recipe("river", ("river==1",))

        python = environments.ready(recipe, tmp_path)
        environments.ready(recipe, tmp_path)
        assert len(installed) == 1
        assert installed[0][0] == str(python)

        environments.ready(environments.Recipe("river", ("river==2",)), tmp_path)
        assert len(installed) == 2
        assert "river==2" in installed[1]

    def test_one_that_failed_is_not_taken_for_ready(self, tmp_path, installed):
        recipe = environments.Recipe("broken", ("broken==1",))

        for _ in range(2):
            with pytest.raises(environments.NotInstalled, match="ERROR: no such"):
                environments.ready(recipe, tmp_path)
        assert len(installed) == 2


def test_without_a_peer_the_rest_runs_and_the_end_says_who_is_missing(
    monkeypatch, tmp_path, capsys
):
    def refuse(recipe, _):
        raise environments.NotInstalled("no network")

    monkeypatch.setattr(environments, "ready", refuse)
    monkeypatch.setattr(contests, "OURS", ("uniform",))
    written = tmp_path / "found.json"
    monkeypatch.setattr(sys, "argv", ["peers", "--quick", "--json", str(written)])

    assert command.main() == 1

    printed = capsys.readouterr().out
    for name in environments.RECIPES:
        assert f"{name} could not be installed: no network" in printed
    found = json.loads(written.read_text())
    assert len(found["failures"]) == len(environments.RECIPES)
    (rows,) = found["sets"].values()
    (row,) = [row for row in rows if row["learner"] == "uniform"]
    assert row["seeds"] == 3
    (even,) = [row for row in rows if row["learner"] == "choosing evenly"]
    assert row["quality"]["mean"] == pytest.approx(even["quality"]["mean"], abs=0.01)


def test_our_table_of_a_file_keeps_vectors_costs_and_prices(stream):
    prices = np.full((len(stream.table.arms), 2), np.nan)
    prices[0] = 0.5, 2.0
    table = ours.table_of(
        stream.contexts[:, :-1], stream.table.quality, stream.table.cost_usd, prices
    )

    listed = [
        (arm.input_usd_per_million_tokens, arm.output_usd_per_million_tokens)
        for arm in table.arms[:2]
    ]
    assert listed == [(0.5, 2.0), (None, None)]

    assert np.array_equal(contexts_of(table).matrix, stream.contexts)
    assert np.array_equal(table.cost_usd, stream.table.cost_usd)


def test_what_ended_before_is_kept_for_who_starts_anew(monkeypatch, workshop, stream, stand_in):
    kept = replace(workshop, kept=workshop.folder / "kept")
    kept.kept.mkdir()
    first = kept.run(a_job(stand_in, {"first": 1}, stream))

    def refused(*_, **__):
        raise AssertionError("what had ended was run again")

    monkeypatch.setattr(subprocess, "run", refused)
    again = kept.run(a_job(stand_in, {"first": 1}, stream))
    assert np.array_equal(again.quality, first.quality)
    with pytest.raises(AssertionError, match="run again"):
        kept.run(a_job(stand_in, {"first": 2}, stream))


def test_what_the_package_made_of_budgets_is_told_by_quality_and_share_spent():
    def made(quality, cost_usd):
        unknown = np.zeros(2)
        numbers = np.array(quality), np.array(cost_usd), unknown, unknown, unknown
        return judge.Score((0, 1), 10, *numbers)

    cold = made([0.8, 0.9], [0.001, 0.003])
    other = made([0.7, 0.7], [0.002, 0.001])

    assert package.cells(cold, 0.002).split() == ["0.8500", "0.0500", "1.000", "1.500"]
    told = package.others({(package.COLD, 0.002): cold, (package.MANNERS[1], 0.002): other})
    assert "alpha 0.01, charging what calls cost" in told
    assert [line.split() for line in told.splitlines() if line.startswith("0.002")] == [
        ["0.002", "0.7000", "0.0000", "0.750", "1.000"]
    ]
