"""The benchmarks of starts, change, new arms and the dial: what they count, on tables made here."""

import json
from dataclasses import replace

import numpy as np
import pytest

from bandit_service.evaluation import synthetic
from bandit_service.evaluation.contexts import contexts_of
from bandit_service.evaluation.warm_start import Metadata
from bandit_service.evaluation.writing import write
from bandit_service.model import ArmWarmStart, WarmStart
from benchmarks import greenserv, rising, systems
from benchmarks.learning import arrivals, drift, unseen, warm
from benchmarks.learning.ground import Ground, regrets, started
from benchmarks.learning.kept import Kept
from policies.ti_ucb import TIUCB


def a_ground(queries: int = 120, arms: int = 3, **settings) -> Ground:
    table = synthetic.linear(queries=queries, arms=arms, dim=4, costs=True, **settings)
    return Ground(table, contexts_of(table))


def test_what_was_worked_out_once_is_not_worked_out_again(tmp_path):
    file = tmp_path / "kept.jsonl"
    first = Kept(file)
    assert first.numbers("a", lambda: [1.0, 2.0]) == [1.0, 2.0]
    assert first.numbers("b", lambda: [3.0]) == [3.0]
    cut = file.read_text() + '{"name": "c", "numb'  # killed while it wrote
    file.write_text(cut)

    def never() -> list[float]:
        raise AssertionError("worked out again")

    again = Kept(file)
    assert again.numbers("a", never) == [1.0, 2.0]
    assert again.numbers("b", never) == [3.0]
    assert again.numbers("c", lambda: [4.0]) == [4.0]


def test_an_answer_kept_after_a_line_that_was_cut_short_is_found_again(tmp_path):
    file = tmp_path / "kept.jsonl"
    file.write_text('{"name": "a", "numb')
    Kept(file).numbers("b", lambda: [5.0])

    def never() -> list[float]:
        raise AssertionError("worked out again")

    assert Kept(file).numbers("b", never) == [5.0]


def test_lost_and_waited_are_those_of_each_phase():
    """Arm 0 is worth 1, then 0; arm 1 is worth .5 throughout. Noticed after 60 requests."""
    value = np.zeros((300, 2))
    value[:, 1] = 0.5
    value[:100, 0] = 1.0
    scene = drift.Scene(a_ground(), value, (100,))
    arms = np.zeros(300, dtype=np.intp)
    arms[160:] = 1

    assert scene.lost(arms) == pytest.approx(60 * 0.5)
    # Seven in ten of fifty: 35 of them come from the 60th on, so it begins 15 before.
    assert scene.waits(arms) == [45.0]
    assert scene.waits(np.zeros(300, dtype=np.intp)) == [200.0]


def test_the_best_arm_is_worse_for_the_middle_third_alone():
    ground = a_ground()
    scene = drift.degraded(ground, seed=3)
    rows = np.random.default_rng((3, 4)).permutation(120)
    best = int(ground.table.quality.mean(axis=0).argmax())
    before = ground.table.quality[rows, best]

    taken = before - scene.value[:, 0]

    assert scene.changes == (40, 80)
    np.testing.assert_allclose(taken[:40], 0.0)
    np.testing.assert_allclose(taken[40:80], np.minimum(before[40:80], 0.3))
    np.testing.assert_allclose(taken[80:], 0.0)


def test_prices_change_the_value_and_the_bills():
    ground = a_ground()
    scene = drift.priced(ground, seed=1)
    rows = np.random.default_rng((1, 4)).permutation(120)
    changed = scene.ground.table.cost_usd / ground.table.cost_usd[rows]

    times = np.unique(changed[40:80].round(6))
    assert times.tolist() == [1.0, 20.0]
    np.testing.assert_allclose(changed[:40], 1.0)
    np.testing.assert_allclose(
        scene.value, scene.ground.table.quality - 20.0 * scene.ground.table.cost_usd
    )


def test_verdicts_are_won_by_the_higher_score():
    ground = a_ground()
    verdicts = warm.verdicts_on(ground, seed=2)
    quality = ground.table.quality

    assert len(verdicts.rows) == 2 * len(quality)
    assert (verdicts.first != verdicts.second).all()
    lead = quality[verdicts.rows, verdicts.first] - quality[verdicts.rows, verdicts.second]
    np.testing.assert_array_equal(verdicts.preferred, np.where(lead > 0, 1.0, 0.0))


def test_only_the_unseen_arm_has_another_start():
    known = WarmStart(
        arms={
            name: ArmWarmStart(level=level)
            for name, level in zip("abc", (0.2, 0.4, 0.9), strict=True)
        }
    )
    about = {
        name: Metadata(usd=usd) for name, usd in zip("abcd", (1.0, 2.0, 10.0, 11.0), strict=True)
    }

    assert unseen.start(known, unseen.COLD, "d", about) == known
    mean = unseen.start(known, unseen.MEAN, "d", about)
    told = unseen.start(known, unseen.METADATA, "d", about)
    assert mean.arms["d"].level == pytest.approx(0.5)
    assert told.arms["d"].level is not None
    assert told.arms["d"].level > 0.6  # it is as dear as the best
    assert {name: told.arms[name] for name in "abc"} == known.arms


def test_regret_is_against_the_best_answer_to_each_query():
    ground = a_ground(40)
    run = ground.run(started("linucb", None), seed=0)

    lost = regrets(ground.table, run)

    by_hand = [
        max(ground.table.quality[row]) - ground.table.quality[row][arm]
        for row, arm in zip(run.order, run.arms, strict=True)
    ]
    np.testing.assert_array_equal(run.order, np.arange(40))
    np.testing.assert_allclose(lost, by_hand)


def test_a_much_better_arm_that_comes_late_is_taken_and_a_much_worse_one_is_not():
    ground = a_ground(900)
    name = ground.table.arm_names[0]
    luck = np.random.default_rng(0).random(ground.table.quality.shape)
    for level, few in ((0.95, False), (0.05, True)):
        quality = (luck < np.array([level, 0.5, 0.5])).astype(np.float64)
        table = replace(ground.table, quality=quality)
        moved = arrivals.last(replace(ground, table=table), name)

        went = arrivals.taken(moved, "default", seed=0)

        assert moved.table.arm_names[-1] == name
        assert len(went) == 300
        assert (went[150:].mean() < 0.1) if few else (went[150:].mean() > 0.9)


def test_the_dial_is_measured_drawn_and_resumed(tmp_path, capsys):
    table = synthetic.linear(queries=60, arms=4, dim=4, costs=True)
    energy = table.energy_joules.copy()
    energy[:, 3] = np.nan
    table = replace(
        table,
        contexts=None,
        expected=None,
        prompts=tuple(f"What is {row} plus {row}?" for row in range(60)),
        tasks=("adding", "talking") * 30,
        energy_joules=energy,
    )
    write(table, tmp_path / "routerbench")
    options = ["--data", str(tmp_path), "--seeds", "2", "--queries", "25"]
    options += ["--resume", str(tmp_path / "kept.jsonl"), "--json", str(tmp_path / "found.json")]

    greenserv.main([*options, "--png", str(tmp_path / "front.png")])
    first = json.loads((tmp_path / "found.json").read_text())
    assert (tmp_path / "front.png").read_bytes().startswith(b"\x89PNG")
    assert "estimated" in capsys.readouterr().out
    kept = (tmp_path / "kept.jsonl").read_text()
    greenserv.main(options)

    assert json.loads((tmp_path / "found.json").read_text()) == first
    assert (tmp_path / "kept.jsonl").read_text() == kept
    assert np.array(first["fronts"]["greenserv"]).shape == (11, 2, 2)
    smallest = np.nanmean(energy[:, 0])
    assert first["fixed"]["smallest, arm-0"][1] == pytest.approx(smallest)
    joules = np.array(first["fronts"]["greenserv_weighed"])[:, :, 1].mean(axis=1)
    assert joules[-1] < joules[0]


@pytest.mark.parametrize(
    ("world", "settings"),
    [
        (rising.GAUSSIAN, {"alarm": 2.9, "window": 50}),
        (rising.THUMBS, {"alarm": 2.9, "window": 50}),
        (rising.THUMBS, {"alarm": 3.0, "window": 12, "block": 5}),
    ],
)
def test_false_alarms_are_counted_as_the_policy_raises_them(world, settings):
    policy, found = TIUCB(dim=1, **settings), []
    for seed in range(12):
        state, rewards = policy.start(1), rising.steady(seed, world, count=600)
        for clock, reward in enumerate(rewards.tolist()):
            policy.update(state, 0, np.ones(1), reward, clock=float(clock))
        found.append(bool(state.alarms[0]))
        assert rising.is_false_alarm(rewards, policy) == found[-1]
    assert 0 < sum(found) < 12


def test_times_alone_are_put_into_the_table_that_is_there():
    document = (
        "| system | has | decide | learn |\n| `a` | 1 | 9 us | 8 us |\n| `ab` | 2 | 7 us | 6 us |\n"
    )

    made = systems.with_times(document, {"a": ("1 us", "2 us")})

    assert made == document.replace("9 us | 8 us", "1 us | 2 us")
    with pytest.raises(ValueError, match="no row of c"):
        systems.with_times(document, {"c": ("1 us", "2 us")})
