"""What the duelling benchmark compares with, and how its numbers are made."""

from typing import Any

import numpy as np
import pytest

from benchmarks import paired, sections
from benchmarks.duelling.duellists import DoubleThompson
from benchmarks.duelling.made_up import ENTRIES, regret
from benchmarks.duelling.variants import OwnArm
from policies.fgts_cdb import FGTSCDB

NOTHING, EVERYBODY = np.zeros(1), np.ones(4)
# The third arm beats every other; none of the others is beaten by all.
BEATS = np.array([[0.5, 0.7, 0.3, 0.4], [0.3, 0.5, 0.2, 0.7], [0.7, 0.8, 0.5, 0.75],
                  [0.6, 0.3, 0.25, 0.5]])  # fmt: skip


def test_double_thompson_sampling_finds_the_arm_that_beats_every_other():
    rng, duellist, chosen = np.random.default_rng(0), DoubleThompson(4), []
    for _ in range(2000):
        first, second = duellist.choose(rng, NOTHING, EVERYBODY)
        chosen.append((first, second))
        if first != second:
            won = float(rng.random() < BEATS[first, second])
            duellist.learn(first, second, NOTHING, won, 0.0)

    late = chosen[1000:]
    assert np.mean([pair == (2, 2) for pair in late]) > 0.8


def test_double_thompson_sampling_keeps_to_what_is_offered():
    rng, duellist = np.random.default_rng(1), DoubleThompson(4)
    for _ in range(200):
        first, second = duellist.choose(rng, NOTHING, np.array([1.0, 0.0, 0.0, 1.0]))
        assert {first, second} <= {0, 3}
        duellist.learn(first, second, NOTHING, float(first == 0), 0.0)


def test_the_wrong_variant_measures_against_the_samplers_own_arm():
    settings: dict[str, Any] = {"dim": 2, "embeddings": ((1.0, 0.0), (0.0, 1.0)), "mu": 0.5}
    right, wrong = FGTSCDB(**settings), OwnArm(**settings)
    states = right.start(2), wrong.start(2)
    for state in states:
        state.rows.add((0, np.ones(2)), (1, np.ones(2)), 1.0, 1.0, 0.0)
    theta, weights = np.array([[1.0, 2.0]]), np.ones(1)

    of_other, of_own = (state._feel_good(theta, 1, weights)[0] for state in states)

    # The second arm is the best under theta; the first sampler chose the first arm, its rival the
    # second.
    assert of_other.tolist() == [0.0, 0.0]
    assert of_own.tolist() == [-1.0, 1.0]


def test_runs_of_a_seed_are_repeatable_and_random_is_what_it_should_be():
    assert regret("double Thompson, no context", 3) == regret("double Thompson, no context", 3)
    # 600 rounds of the gap between the best of eight and an even choice: 467 in the mean.
    assert np.mean([regret("random", seed) for seed in range(6)]) == pytest.approx(467, rel=0.15)
    assert {"fgts_cdb", "own arm, mu .05", "fixed step .1"} <= set(ENTRIES)


def test_the_error_of_a_ratio_is_that_of_the_jackknife():
    rng = np.random.default_rng(2)
    others = rng.normal(10.0, 1.0, size=200)
    values = 0.3 * others + rng.normal(0.0, 0.2, size=200)

    share, error = paired.ratio(values, others)

    count = len(values)
    left_out = [np.delete(values, i).mean() / np.delete(others, i).mean() for i in range(count)]
    spread = np.sqrt((count - 1) * np.var(left_out))
    assert share == pytest.approx(values.mean() / others.mean())
    assert error == pytest.approx(spread, rel=0.02)


def test_a_part_of_a_document_is_replaced_and_the_rest_stays(tmp_path):
    file = tmp_path / "page.md"
    file.write_text("top\n<!-- x: made by `make systems` -->\nold\n<!-- end of x -->\nbottom\n")

    sections.written(file, "x", "new")
    sections.written(file, "x", "newer")

    assert file.read_text() == (
        "top\n<!-- x: made by `make systems` -->\n\nnewer\n\n<!-- end of x -->\nbottom\n"
    )
    with pytest.raises(ValueError, match="lacks the markers"):
        sections.written(file, "y", "new")


def test_a_table_made_again_takes_the_place_of_the_one_with_its_title(tmp_path):
    file = tmp_path / "page.md"
    tables = "### A: one (3 seeds)\n\nold\n\n### A: two (3 seeds)\n\nkept"
    file.write_text(f"<!-- x: made by `make systems` -->\n{tables}\n<!-- end of x -->\n")

    sections.updated(file, "x", "### A: one (20 seeds)\n\nmade\n\n### A: three (20 seeds)\n\nadded")

    assert file.read_text() == (
        "<!-- x: made by `make systems` -->\n\n"
        "### A: one (20 seeds)\n\nmade\n\n### A: two (3 seeds)\n\nkept\n\n"
        "### A: three (20 seeds)\n\nadded\n\n<!-- end of x -->\n"
    )
