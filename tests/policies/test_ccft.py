"""Embeddings of arms from labelled categories."""

import numpy as np
import pytest
from scipy.optimize import check_grad

from policies.ccft import WAYS, Labelled, contrast, embeddings, projection


def some_labelled(seed=0, per=6, noise=1.0):
    """Four categories that only the first two of eight directions tell apart; noise in the rest."""
    rng = np.random.default_rng(seed)
    centres = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    categories = np.repeat(np.arange(4), per)
    x = np.hstack((0.4 * centres[categories], noise * rng.normal(size=(4 * per, 6))))
    x[:, :2] += 0.1 * rng.normal(size=(4 * per, 2))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    quality = np.array([[0.9, 0.2, 0.4], [0.8, 0.3, 0.4], [0.1, 0.9, 0.4], [0.2, 0.8, 0.5]])
    cost = np.tile([1.0, 4.0, 2.0], (4, 1))
    return Labelled(np.column_stack((x, np.ones(len(x)))), categories, quality, cost)


def test_the_slope_is_that_of_the_loss():
    labelled, rng = some_labelled(), np.random.default_rng(1)
    x, size = labelled.contexts[:, :-1], 8

    def value(flat):
        return contrast(flat.reshape(size, size), x, labelled.categories)[0]

    def slope(flat):
        return contrast(flat.reshape(size, size), x, labelled.categories)[1].ravel()

    for _ in range(3):
        assert check_grad(value, slope, np.eye(size).ravel() + 0.3 * rng.normal(size=64)) < 1e-4


def test_the_loss_is_the_cross_entropy_of_means_without_the_query():
    labelled = some_labelled(per=3)
    x, categories = labelled.contexts[:, :-1], labelled.categories
    w = np.random.default_rng(2).normal(size=(8, 8))
    losses = []
    for i, (one, own) in enumerate(zip(x, categories, strict=True)):
        likenesses = []
        for category in range(4):
            others = [x[j] for j in range(len(x)) if categories[j] == category and j != i]
            likenesses.append((w @ one) @ (w @ np.mean(others, axis=0)) / 0.1)
        losses.append(np.logaddexp.reduce(likenesses) - likenesses[own])

    assert contrast(w, x, categories)[0] == pytest.approx(np.mean(losses), rel=1e-10)


def test_the_projection_tells_new_queries_apart_better_than_the_encoder_does():
    labelled, fresh = some_labelled(seed=3, noise=0.3), some_labelled(seed=4, per=200, noise=0.3)
    x, means = (
        fresh.contexts[:, :-1],
        np.stack(
            [labelled.contexts[labelled.categories == one, :-1].mean(axis=0) for one in range(4)]
        ),
    )

    def right(w):
        return float(((x @ w.T @ w @ means.T).argmax(axis=1) == fresh.categories).mean())

    assert right(projection(labelled)) > right(np.eye(8)) + 0.03


def test_a_projection_that_is_held_fast_does_nothing():
    np.testing.assert_allclose(projection(some_labelled(), strength=1e6), np.eye(8), atol=1e-4)


def test_arms_point_to_the_queries_they_are_good_at():
    labelled, fresh = some_labelled(noise=0.2), some_labelled(seed=9, per=100, noise=0.2)

    for way in WAYS:
        made = embeddings(labelled, way, top=1, cost_weight=0.1)
        likeness = fresh.contexts[:, :-1] @ made[:, :-1].T
        first = np.isin(fresh.categories, (0, 1))  # what the first arm is best at
        assert (likeness[first, 0] > likeness[first, 1]).mean() > 0.9
        assert (likeness[~first, 1] > likeness[~first, 0]).mean() > 0.9


def test_the_constant_carries_the_level_and_masks_weigh_alike():
    labelled = some_labelled()

    made = embeddings(labelled, "excel_mask", top=1, cost_weight=0.0, projected=False)

    level = labelled.quality.mean(axis=0)
    np.testing.assert_allclose(made[:, -1], (level - level.mean()) / level.std())
    x, categories = labelled.contexts[:, :-1], labelled.categories
    means = np.stack([x[categories == one].mean(axis=0) for one in range(4)])
    vectors = means - means.mean(axis=0)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    first = vectors[0] + vectors[1]  # the categories where the first arm is best
    np.testing.assert_allclose(made[0, :-1], first / np.linalg.norm(first) * np.sqrt(8))
    assert not made[2, :-1].any()  # never the best: it has its level alone


def test_dear_arms_lose_categories_where_cost_counts():
    labelled = some_labelled()
    dear, cheap = (embeddings(labelled, "perf_cost", cost_weight=weight) for weight in (0.0, 2.0))

    assert dear[1, -1] > dear[2, -1]
    assert cheap[1, -1] < cheap[2, -1]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda one: embeddings(one, "best"), "way must be one of perf, perf_cost"),  # type: ignore[arg-type]
        (lambda one: embeddings(one, "excel_mask", top=4), "top must be from 1 to 3 arms, got 4"),
        (
            lambda one: embeddings(
                Labelled(one.contexts, one.categories, one.quality), "perf_cost"
            ),
            "perf_cost needs what arms cost; choose perf, or a cost_weight of 0",
        ),
        (
            lambda one: Labelled(one.contexts[:7], one.categories[:7], one.quality[:2]),
            "need at least two queries of every category",
        ),
        (
            lambda one: Labelled(one.contexts[:6], one.categories[:6], one.quality[:1]),
            "need at least two categories, got 1",
        ),
    ],
)
def test_what_cannot_be_embedded_is_refused(change, what):
    with pytest.raises(ValueError, match=what):
        change(some_labelled())
