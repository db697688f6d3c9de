"""Made-up sets have the truth they claim."""

import dataclasses
import itertools

import numpy as np
import pytest
from scipy import integrate, stats

from bandit_service.errors import InvalidField
from bandit_service.evaluation import synthetic
from bandit_service.evaluation.contexts import contexts_of
from bandit_service.model import Arm

KINDS = sorted(synthetic.KINDS)


def made(kind, **settings):
    """The table alone."""
    return synthetic.make(kind, **settings)[0]


@pytest.mark.parametrize("kind", KINDS)
def test_equal_seeds_give_equal_sets_and_others_others(kind):
    first, again, other = (made(kind, queries=50, seed=seed) for seed in (3, 3, 4))

    for field in dataclasses.fields(first):
        np.testing.assert_array_equal(getattr(first, field.name), getattr(again, field.name))
    assert (first.quality != other.quality).any()


@pytest.mark.parametrize("kind", KINDS)
def test_all_is_in_range_and_costs_follow_from_tokens_and_list_prices(kind):
    asked = {"costs": True} if kind == "linear" else {}
    table = made(kind, queries=300, arms=4, dim=7, seed=1, **asked)

    for means in (table.quality, table.expected):
        assert means.shape == (300, 4)
        assert ((means >= 0) & (means <= 1)).all()
    assert table.contexts.shape == (300, 6)  # the service adds the seventh, the constant
    np.testing.assert_allclose(np.linalg.norm(table.contexts, axis=1), 1)
    for slot, arm in enumerate(table.arms):
        paid = (
            table.input_tokens[:, slot] * arm.input_usd_per_million_tokens
            + table.output_tokens[:, slot] * arm.output_usd_per_million_tokens
        ) / 1e6
        np.testing.assert_allclose(table.cost_usd[:, slot], paid)
        joules = table.output_tokens[:, slot] * arm.declared_joules_per_output_token
        np.testing.assert_allclose(table.energy_joules[:, slot], joules)
    assert (np.diff(table.cost_usd.mean(axis=0)) > 0).all()
    assert (table.latency_seconds > 0).all()


@pytest.mark.parametrize("kind", ["linear", "duels"])
def test_a_linear_set_has_no_costs_unless_asked_and_is_the_same_otherwise(kind):
    settings = {"queries": 50, "seed": 3}
    plain, priced = made(kind, **settings), made(kind, **settings, costs=True)

    assert contexts_of(plain).matrix.shape == (50, 16)
    assert plain.arms == tuple(Arm(name=f"arm-{slot}") for slot in range(5))
    for unknown in (
        plain.cost_usd,
        plain.latency_seconds,
        plain.energy_joules,
        plain.input_tokens,
        plain.output_tokens,
    ):
        assert np.isnan(unknown).all()
    np.testing.assert_array_equal(plain.quality, priced.quality)
    np.testing.assert_array_equal(plain.contexts, priced.contexts)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("noise", [0.05, 0.5])
def test_quality_is_drawn_around_expected_even_at_the_edges(kind, noise):
    table = made(kind, queries=4000, noise=noise, seed=2)
    off = table.quality - table.expected

    for cells in (off, off[table.expected < 0.25], off[table.expected > 0.75]):
        if cells.size:
            assert abs(cells.mean()) <= 4 * noise / np.sqrt(cells.size)
    if noise == 0.05:  # too little to reach an edge from the middle
        middle = off[abs(table.expected - 0.5) < 0.2]
        # a standard deviation is known to within itself / sqrt(2 n)
        assert abs(middle.std() - noise) < 4 * noise / np.sqrt(2 * middle.size)


def test_without_noise_quality_is_the_mean_and_linear_in_the_context():
    table = made("linear", queries=400, arms=3, dim=6, noise=0.0, seed=8)

    np.testing.assert_array_equal(table.quality, table.expected)
    inside = ((table.expected > 0) & (table.expected < 1)).all(axis=1)
    design = np.column_stack([np.ones(inside.sum()), table.contexts[inside]])
    fitted, *_ = np.linalg.lstsq(design, table.expected[inside])
    np.testing.assert_allclose(design @ fitted, table.expected[inside], atol=1e-12)
    np.testing.assert_allclose(fitted[0], 0.5)


def test_an_even_choice_on_the_linear_set_loses_what_the_published_comparison_lost():
    # The mean of the largest of five standard normals, by quadrature.
    largest, _ = integrate.quad(lambda x: 5 * x * stats.norm.pdf(x) * stats.norm.cdf(x) ** 4, -8, 8)
    expected = [made("linear", seed=seed).expected for seed in range(30)]
    gaps = np.array([means.max(axis=1) - means.mean(axis=1) for means in expected])

    regret = gaps.sum(axis=1)
    error = regret.std(ddof=1) / np.sqrt(len(regret))
    assert abs(regret.mean() - 2000 * synthetic.SPREAD * largest) < 4 * error
    assert 370 < regret.mean() < 410
    assert 88 < gaps[:, :500].sum(axis=1).mean() < 106


def test_each_cluster_has_its_best_arm_and_the_dear_arm_is_the_best_single_one():
    table = made("clustered", queries=1000, arms=5, clusters=4, seed=1)

    kinds = np.array([int(task.removeprefix("cluster-")) for task in table.tasks])
    assert set(kinds) == {0, 1, 2, 3}
    np.testing.assert_array_equal(table.expected.argmax(axis=1), kinds)
    assert table.expected.mean(axis=0).argmax() == 4
    # A query is nearer to the mean direction of its own cluster than to another's.
    centres = np.array([table.contexts[kinds == kind].mean(axis=0) for kind in range(4)])
    np.testing.assert_array_equal((table.contexts @ centres.T).argmax(axis=1), kinds)


def test_arms_change_places_at_the_told_times():
    table = made("drifting", queries=2000, arms=4, shifts=3, seed=6)

    assert table.tasks == tuple(f"phase-{phase}" for phase in range(4) for _ in range(500))
    levels = table.expected.reshape(4, 500, 4).mean(axis=1)
    for before, after in itertools.pairwise(levels):
        # The linear part deviates by about .05 a row, .05 / sqrt(500) in the mean of a phase.
        np.testing.assert_allclose(after, np.roll(before, 1), atol=0.02)
    assert np.ptp(levels[0]) > 0.3


def test_rising_arms_rise_as_written():
    queries, arms = 1000, 5
    table = made("rising", queries=queries, arms=arms, seed=0)

    np.testing.assert_allclose(table.expected[0], [0.5, 0.4, 0.3, 0.2, 0.1])
    assert (np.diff(table.expected, axis=0) >= 0).all()
    for slot, row in enumerate([100, 200, 300, 400, 500]):
        start, ceiling = 0.5 - 0.1 * slot, 0.5 + 0.1 * slot
        np.testing.assert_allclose(
            table.expected[row, slot], ceiling - (ceiling - start) * np.exp(-1)
        )
    assert table.expected[0].argmax() == 0
    assert table.expected[-1].argmax() == 4


def test_duels_follow_bradley_and_terry():
    settings = {"queries": 4000, "arms": 4, "seed": 9}
    table, pairs = synthetic.make("duels", **settings, sharpness=6.0)
    expected = made("linear", **settings).expected

    slot = {name: at for at, name in enumerate(table.arm_names)}
    gaps, wins = [], []
    for row, pair in enumerate(pairs):
        assert pair.query_id == table.query_ids[row]
        assert pair.model_a != pair.model_b
        gaps.append(expected[row, slot[pair.model_a]] - expected[row, slot[pair.model_b]])
        wins.append(pair.winner == "a")
    chances, won = stats.logistic.cdf(6.0 * np.array(gaps)), np.array(wins)
    for part in (chances < 0.3, (chances >= 0.3) & (chances <= 0.7), chances > 0.7):
        spread = np.sqrt((chances[part] * (1 - chances[part])).sum())
        assert part.sum() > 100
        assert abs((won[part] - chances[part]).sum()) < 4 * spread
    for end in ("model_a", "model_b"):
        counts = np.bincount([slot[getattr(pair, end)] for pair in pairs], minlength=4)
        assert abs(counts - 1000).max() < 4 * np.sqrt(4000 * 0.25 * 0.75)
    np.testing.assert_array_equal(table.expected, expected)
    assert table.name == "duels"


@pytest.mark.parametrize(
    ("kind", "settings", "line"),
    [
        ("linear", {"queries": 0}, "queries: must be at least 1, not 0"),
        ("linear", {"arms": 0}, "arms: must be at least 1, not 0"),
        ("rising", {"dim": 1}, "dim: must be at least 2, not 1"),
        ("linear", {"noise": -0.1}, "noise: must be a number of at least 0, not -0.1"),
        ("linear", {"noise": np.nan}, "noise: must be a number of at least 0, not nan"),
        ("linear", {"seed": -1}, "seed: must be at least 0, not -1"),
        ("clustered", {"clusters": 0}, "clusters: must be at least 1, not 0"),
        ("drifting", {"shifts": 9, "queries": 9}, "shifts: must be at least 0 and below queries"),
        ("duels", {"arms": 1}, "arms: must be at least 2 for duels, not 1"),
    ],
)
def test_settings_out_of_range_are_refused(kind, settings, line):
    with pytest.raises(InvalidField, match=f"^{line}"):
        synthetic.make(kind, **settings)


@pytest.mark.parametrize("kind", [*KINDS, "duels"])
def test_the_smallest_sets_can_be_made(kind):
    settings = {"shifts": 0} if kind == "drifting" else {}
    table = made(kind, queries=1, arms=2, dim=2, **settings)

    assert table.quality.shape == (1, 2)
