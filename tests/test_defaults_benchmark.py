"""The tables that shipped defaults rest on, and the speed of simulation: what the two benchmarks
count, on tables made here."""

import functools
import json
from time import thread_time

import numpy as np
import pytest
from scipy import stats

from bandit_service import configuration
from bandit_service.evaluation import simulate_study, synthetic
from bandit_service.evaluation.contestants import entered, named
from bandit_service.evaluation.writing import write
from benchmarks import defaults, simulation

SPECS = "default", "default:width=0.5", "uniform"
NAN = np.nan


def rows_of(made):
    """The cells of each row of a Markdown table, the header first."""
    lines = [line for line in made.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_a_mark_is_a_paired_difference_of_more_than_two_standard_errors():
    rng = np.random.default_rng(0)
    marked = []
    for shift in np.linspace(-0.02, 0.02, 41):
        default = rng.normal(0.6, 0.05, 20)
        earned = default + shift + rng.normal(0.0, 0.02, 20)
        far = abs(stats.ttest_rel(earned, default).statistic) > 2.0
        marked.append(far)

        assert defaults.cell(earned, default, 4) == f"{earned.mean():.4f}" + "*" * bool(far)
    assert 5 < sum(marked) < 36


def test_a_policy_that_a_set_cannot_feed_has_no_number_and_one_order_no_mark():
    assert defaults.cell(np.full(3, NAN), np.ones(3), 4) == "-"
    assert defaults.cell(np.array([0.25]), np.array([0.5]), 4) == "0.2500"
    assert defaults.cell(np.array([21.25, 23.5]), np.array([21.25, 23.5]), 1) == "22.4"


def test_the_table_has_a_row_a_policy_and_a_column_a_set():
    columns = {
        "mine": [np.array([0.5, 0.6, 0.7]), np.full(3, NAN)],
        defaults.LINEAR: [np.array([20.0, 24.0, 25.0]), np.array([40.0, 44.0, 45.5])],
    }

    made = rows_of(defaults.markdown(["default", "uniform"], columns, seeds=3))
    errors = [stats.sem(column[0]) for column in columns.values()]
    assert made == [
        ["policy", "mine", "linear (regret)"],
        ["`default`", "0.6000", "23.0"],
        ["`uniform`", "-", "43.2*"],
        ["standard error of the defaults", f"{errors[0]:.4f}", f"{errors[1]:.1f}"],
    ]


def test_the_table_takes_the_place_of_the_one_below_the_marker(tmp_path):
    marker = "<!-- below: made by `make defaults` -->\n"
    page, new = tmp_path / "page.md", tmp_path / "new.md"
    page.write_text(f"# Words\n\nof ours.\n\n{marker}\n| old |\n")

    for file in (page, new):
        defaults.written(file, "| table |\n")
    assert page.read_text() == f"# Words\n\nof ours.\n\n{marker}\n| table |\n"
    assert new.read_text() == f"{marker}\n| table |\n"


def test_quality_is_that_of_whole_streams_and_of_policies_that_the_set_can_feed():
    table = synthetic.linear(queries=80, arms=3, dim=4)

    *found, unfed = defaults.outcomes(table, [*SPECS, "default:dimensions=16"], 3, 1)
    judged = simulate_study(table, SPECS, seeds=3).policies
    assert np.isnan(unfed).all()
    for earned, policy in zip(found, judged, strict=True):
        assert earned.shape == (3,)
        assert earned.mean() == pytest.approx(policy.whole.quality.mean, rel=1e-12)
        assert stats.sem(earned) == pytest.approx(policy.whole.quality.standard_error, rel=1e-9)


def test_regret_is_that_of_a_world_a_seed(monkeypatch):
    small = functools.partial(synthetic.linear, queries=400)
    monkeypatch.setattr(synthetic, "linear", small)

    unfed, even = defaults.regrets(["default:dimensions=16", "uniform"], 3, 1)
    assert np.isnan(unfed).all()
    for seed, regret in enumerate(even):
        world = small(seed=seed)
        assert world.expected is not None
        lost = world.expected.max(axis=1, keepdims=True) - world.expected
        luck = np.sqrt(lost.var(axis=1).sum())
        assert abs(regret - lost.mean(axis=1).sum()) < 4.0 * luck
        (judged,) = simulate_study(world, ["uniform"], seeds=1, first_seed=seed).policies
        assert regret == pytest.approx(judged.whole.regret.mean, rel=1e-12)
    assert len(set(even)) == 3


def test_every_row_is_one_setting_away_from_the_defaults():
    table = synthetic.linear(queries=5, arms=2, dim=4)
    specs = defaults.rows()
    fed = [spec for spec in specs if "dimensions" not in spec]

    assert specs[0] == "default"
    assert len(set(specs)) == len(specs)
    assert len(entered([named(spec) for spec in fed], table)) == len(fed)


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """One real set, few queries, two policies. Returns the page that is to be written."""
    tiny = functools.partial(synthetic.linear, queries=30, arms=2, dim=4)
    write(tiny(seed=5), tmp_path / "data" / "mine")
    monkeypatch.setattr(defaults, "SETS", ("mine",))
    monkeypatch.setattr(defaults, "rows", lambda: ["default", "uniform"])
    monkeypatch.setattr(defaults, "bundled_table", functools.partial(tiny, seed=6))
    monkeypatch.setattr(synthetic, "linear", tiny)
    monkeypatch.delenv("BANDIT_DATA", raising=False)
    page = tmp_path / "page.md"
    page.write_text("words\n<!-- below: made by `make defaults` -->\n\n| old |\n")
    return page


def test_the_whole_benchmark_writes_what_it_prints(quick, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("BANDIT_DATA", str(tmp_path / "data"))

    defaults.main(["--seeds", "3", "--jobs", "1", "--write", str(quick)])
    said, made = capsys.readouterr().out, quick.read_text()
    assert "mine: 30 queries, 2 arms" in said
    assert made.startswith("words\n")
    assert "old" not in made
    header, default, even, _ = rows_of(made)
    assert rows_of(said) == rows_of(made)
    assert header == ["policy", "mine", "linear", "linear (regret)"]
    judged = simulate_study(synthetic.linear(seed=5), ["default", "uniform"], seeds=3).policies
    for row, policy in zip((default, even), judged, strict=True):
        assert float(row[1].rstrip("*")) == pytest.approx(policy.whole.quality.mean, abs=5.1e-5)


@pytest.mark.parametrize("data", [[], ["--data", "empty"]])
def test_a_table_without_the_real_sets_is_not_written(quick, data, monkeypatch, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(defaults, "run_all", None)
    before = quick.read_text()

    with pytest.raises(SystemExit) as refused:
        defaults.main([*data, "--write", str(quick)])
    assert refused.value.code == 2
    said = capsys.readouterr().err
    assert "without mine: name the folder that has them with --data or BANDIT_DATA" in said
    assert quick.read_text() == before


def test_without_the_real_sets_a_table_is_printed(quick, capsys):
    defaults.main(["--seeds", "2", "--jobs", "1"])

    assert rows_of(capsys.readouterr().out)[0] == ["policy", "linear", "linear (regret)"]


@pytest.mark.parametrize("name", simulation.NAMES)
def test_the_policy_alone_is_the_one_that_is_simulated(name, monkeypatch):
    """As configured, over each query once, each learned before the next."""
    table = synthetic.linear(queries=40, arms=3, dim=4)
    (entry,) = entered([named(name)], table)
    built = configuration.build
    made = []

    def watched(config, dim):
        policy = built(config, dim=dim)
        made.append(Watched(policy))
        return made[-1]

    monkeypatch.setattr(configuration, "build", watched)
    start = thread_time()
    rate = simulation.alone(table, entry, seed=0)
    seconds = thread_time() - start

    (seen,) = made
    assert seen.policy.half_life == (300.0 if "half_life" in name else None)
    assert type(seen.policy) is type(built(entry.config, dim=4))
    assert seen.calls == ["probabilities", "update"] * 40
    assert seen.clocks == [step for step in range(1, 41) for _ in ("probabilities", "update")]
    contexts = {context.tobytes(): row for row, context in enumerate(entry.contexts.matrix)}
    taught = [contexts[context.tobytes()] for context, _, _ in seen.taught]
    assert sorted(taught) == list(range(40))
    assert all(
        reward == table.quality[row, arm]
        for row, (_, arm, reward) in zip(taught, seen.taught, strict=True)
    )
    assert rate > 40 / seconds


class Watched:
    """A policy, and what it is asked."""

    def __init__(self, policy):
        self.policy, self.calls, self.taught, self.clocks = policy, [], [], []

    def start(self, arms):
        return self.policy.start(arms)

    def probabilities(self, state, contexts, *, clock):
        self.calls.append("probabilities")
        self.clocks.append(clock)
        return self.policy.probabilities(state, contexts, clock=clock)

    def update(self, state, arm, context, reward, *, clock):
        self.calls.append("update")
        self.taught.append((context, arm, reward))
        self.clocks.append(clock)
        return self.policy.update(state, arm, context, reward, clock=clock)


def test_speeds_are_printed_and_kept(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(simulation, "QUERIES", 10)
    monkeypatch.setattr(simulation, "TURNS", 1)
    file = tmp_path / "numbers.json"

    simulation.main(["--json", str(file)])
    found, said = json.loads(file.read_text()), capsys.readouterr().out
    assert set(found) == set(simulation.NAMES)
    for name, numbers in found.items():
        assert min(numbers.values()) > 0
        assert f"  {name:<21} {numbers['decisions_per_second']:>7,} (" in said


def test_the_ratio_is_the_engines_speed_in_that_of_the_policy_alone(monkeypatch):
    """Clocks that say what we say: the engine takes 2 s, then 4 and 8, the policy alone 1."""
    table = synthetic.linear(queries=20, arms=2, dim=4)
    plain = iter([2.0, 4.0, 8.0])

    class Stopped:
        def __init__(self, *_):
            pass

        def run(self, arrivals, seed, dial):
            seconds = next(plain) if dial is None else 10.0
            return type("Run", (), {"seconds": seconds})

    monkeypatch.setattr(simulation, "Simulation", Stopped)
    monkeypatch.setattr(simulation, "alone", lambda table, entry, seed: 20.0)
    monkeypatch.setattr(simulation, "TURNS", 3)

    assert simulation.measured(table, "uniform") == {
        "decisions_per_second": 5,
        "with_a_price": 2,
        "policy_alone": 20,
        "ratio": 0.25,
    }
