"""GreenServ: its traits, clusters and reward, against their definitions written out."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from policies import Parts, build
from policies.clusters import Clusters
from policies.greenserv import GreenServ
from policies.linucb import LinUCB
from policies.policy import Array

PARTS = Parts(embedding=4, readability=True, labels=5)
DIM = 4 + 2 + 1 + 5 + 1  # two features that are none of these


def some_contexts(count: int, seed: int = 0) -> Array:
    """Embeddings around three directions, readability on both sides of the cuts, one label each."""
    rng = np.random.default_rng(seed)
    made = np.zeros((count, DIM))
    centres = np.array([[1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 1.0, 0]])
    made[:, :4] = centres[rng.integers(3, size=count)] + 0.25 * rng.normal(size=(count, 4))
    made[:, 4:6] = rng.normal(size=(count, 2))
    made[:, 6] = rng.choice([0.1, 0.25, 0.6], size=count)
    made[np.arange(count), 7 + rng.integers(5, size=count)] = 1.0
    made[:, -1] = 1.0
    return made


def a_policy(joules: tuple[float | None, ...] = (), **settings: float) -> GreenServ:
    made = build("greenserv", dim=DIM, settings=settings, parts=PARTS, joules=joules)
    assert isinstance(made, GreenServ)
    return made


def published_clusters(vectors: Array, k: int = 3) -> tuple[Array, list[int]]:
    """Centroids after all vectors, and each one's cluster as it came: the rule, one at a time."""
    centroids: list[Array] = []
    counts: list[int] = []
    labels = []
    for x in vectors:
        if len(centroids) < k:
            if not any((x == known).all() for known in centroids):
                centroids.append(x.copy())
                counts.append(1)
            labels.append(0)
            continue
        cosines = [x @ c / np.linalg.norm(x) / np.linalg.norm(c) for c in centroids]
        chosen = int(np.argmax(cosines))
        counts[chosen] += 1
        centroids[chosen] = centroids[chosen] + (x - centroids[chosen]) / counts[chosen]
        labels.append(chosen)
    return np.array(centroids), labels


def test_clusters_are_the_published_online_k_means():
    vectors = some_contexts(60)[:, :4]
    vectors[1] = vectors[0]  # the second distinct one is the third

    clusters = Clusters.none(3, 4)
    seen_as = []
    for x in vectors:
        seen_as.append(int(clusters.labels(x[None])[0]))
        clusters.take(x)

    centroids, labels = published_clusters(vectors)
    np.testing.assert_allclose(clusters.centroids, centroids, rtol=1e-12)
    assert seen_as == labels


def taught(policy: GreenServ, contexts: Array, seed: int = 1) -> Any:
    rng, state = np.random.default_rng(seed), policy.start(3)
    for clock, x in enumerate(contexts):
        policy.update(state, clock % 3, x, float(rng.random()), clock=float(clock))
    return state


@pytest.mark.parametrize(("coded", "count"), [(1.0, 11), (0.0, 12)])
def test_traits_are_the_eleven_coded_or_the_twelve_described(coded, count):
    policy = a_policy(coded=coded)
    x = some_contexts(40)
    state = taught(policy, x)

    made = state.traits(x)

    centroids, _ = published_clusters(x[:, :4])
    cosines = (x[:, :4] @ centroids.T) / np.linalg.norm(centroids, axis=1)
    assert made.shape == (40, count)
    np.testing.assert_array_equal(made[:, :5], x[:, 7:12])
    np.testing.assert_array_equal(made[:, 5:8].argmax(axis=1), cosines.argmax(axis=1))
    np.testing.assert_array_equal(made[:, 5:8].sum(axis=1), 1.0)
    bins = np.select([x[:, 6] < 0.2, x[:, 6] < 0.3], [0, 1], 2)
    expected = np.eye(3)[bins][:, : 2 if coded else 3]
    np.testing.assert_array_equal(made[:, 8:-1], expected)
    np.testing.assert_array_equal(made[:, -1], 1.0)


@pytest.mark.parametrize("settling", [500, 40])
def test_what_is_believed_is_what_all_data_teach_under_the_clusters_as_they_are(settling):
    """Whether the observations are still kept, or have just settled into sums."""
    policy = a_policy(settling=settling)
    x = some_contexts(40)
    state = taught(policy, x)
    rewards = np.random.default_rng(1).random(40)

    seen, asked = state.traits(x), some_contexts(9, seed=5)
    believed = policy.estimates(state, asked)

    for arm in range(3):
        own = seen[arm::3]
        a = 0.05 * np.eye(12) + own.T @ own
        theta = np.linalg.solve(a, own.T @ rewards[arm::3])
        at = state.traits(asked)
        np.testing.assert_allclose(believed.mean[:, arm], at @ theta, atol=1e-9)
        wide = np.sqrt(np.einsum("nd,nd->n", at, np.linalg.solve(a, at.T).T))
        np.testing.assert_allclose(believed.deviation[:, arm], wide, atol=1e-9)
    best = (believed.mean + 0.1 * believed.deviation).argmax(axis=1)
    np.testing.assert_array_equal(policy.probabilities(state, asked).argmax(axis=1), best)


def test_clusters_stand_still_once_they_have_settled_and_deciding_never_moves_them():
    policy = a_policy(settling=30)
    x = some_contexts(60)
    state = taught(policy, x[:29])
    before = {k: v.tobytes() for k, v in state.canonical().items()}
    for _ in range(5):
        policy.probabilities(state, some_contexts(7, seed=8))
        policy.estimates(state, some_contexts(1, seed=9))
    assert {k: v.tobytes() for k, v in state.canonical().items()} == before

    policy.update(state, 0, x[29], 0.5, clock=29.0)
    assert state.settled
    assert len(state.rows) == 0
    fixed = state.clusters.centroids.copy()
    for clock in range(30, 60):
        policy.update(state, clock % 3, x[clock], 0.5, clock=float(clock))
    np.testing.assert_array_equal(state.clusters.centroids, fixed)
    np.testing.assert_allclose(fixed, published_clusters(x[:30, :4])[0], rtol=1e-12)
    assert state.observations.sum() == 60.0


def test_after_settling_it_is_linucb_on_the_traits_to_the_bit():
    policy = a_policy(settling=20)
    x, rng = some_contexts(70), np.random.default_rng(1)
    rewards = rng.random(70)
    state = policy.start(3)
    for clock in range(70):
        policy.update(state, clock % 3, x[clock], float(rewards[clock]), clock=float(clock))
    plain = LinUCB(dim=12, width=0.1, ridge=0.05, intercept_ridge=0.05, prior_mean=0.0)
    other = plain.start(3)
    for clock, seen in enumerate(state.traits(x)):
        plain.update(other, clock % 3, seen, float(rewards[clock]), clock=float(clock))

    assert state.linear.canonical()["sums"].tobytes() == other.canonical()["sums"].tobytes()


def test_a_value_revised_or_withdrawn_after_settling_leaves_no_trace():
    policy = a_policy(settling=10)
    x = some_contexts(30)
    state, never = taught(policy, x), policy.start(3)
    rewards = np.random.default_rng(1).random(30)
    for clock in range(30):
        if clock != 24:
            value = 0.9 if clock == 20 else float(rewards[clock])
            policy.update(never, clock % 3, x[clock], value, clock=float(clock))

    policy.revise(state, 20 % 3, x[20], float(rewards[20]), 0.9, clock=20.0)
    policy.revise(state, 24 % 3, x[24], float(rewards[24]), None, clock=24.0)

    for name, array in never.canonical().items():
        np.testing.assert_allclose(state.canonical()[name], array, atol=1e-10)


def test_energy_is_in_the_reward_between_the_pools_least_and_most():
    """r = (1 - .3) accuracy + .3 (1 - en), en = 0, 1, and 1/2 for who declares nothing."""
    policy = a_policy((0.2, 1.4, None), energy_weight=0.3, settling=0)
    state, x = policy.start(3), some_contexts(1)[0]
    for arm in range(3):
        for _ in range(4000):
            policy.update(state, arm, x, 0.8)

    learned = state.linear.read(state.traits(x[None]), 0.0)[0][0]
    np.testing.assert_allclose(learned, [0.7 * 0.8 + 0.3, 0.7 * 0.8, 0.7 * 0.8 + 0.15], atol=1e-3)
    np.testing.assert_allclose(policy.estimates(state, x[None]).mean[0], 0.8, atol=1e-3)


def test_another_weight_of_energy_acts_at_once_while_observations_are_kept():
    policy = a_policy((0.2, 1.4, None), energy_weight=0.0)
    x = some_contexts(60)
    state = taught(policy, x)

    turned = a_policy((0.2, 1.4, None), energy_weight=0.6)
    taken_over = turned.estimates(policy.restore(state.canonical()), x[:5])
    afresh = turned.estimates(taught(turned, x), x[:5])

    np.testing.assert_allclose(taken_over.mean, afresh.mean, atol=1e-9)


def test_an_arm_added_and_one_removed_mid_stream():
    policy = a_policy(settling=25)
    x = some_contexts(60)
    state = policy.start(2)
    for clock in range(20):
        policy.update(state, clock % 2, x[clock], 0.4, clock=float(clock))
    state.add_arm()
    state.drop_arm(0)
    gone = np.array([[False, True, True]])
    chances = policy.probabilities(state, x[:1], eligible=gone)
    np.testing.assert_array_equal(chances[0] > 0.0, [False, False, True])  # untried is wider
    for clock in range(20, 60):
        policy.update(state, 2, x[clock], 0.9, clock=float(clock))

    assert state.settled
    assert state.observations.tolist() == [0.0, 10.0, 40.0]
    believed = policy.estimates(state, x[:20]).mean
    assert (believed[:, 2] > believed[:, 1]).all()


def test_random_choices_fall_with_what_was_observed():
    """epsilon max(.01, .985^n), the rest on the best."""
    policy = build("greenserv_epsilon", dim=DIM, parts=PARTS)
    state, x = policy.start(2), some_contexts(1)
    for count in range(3):
        share = 0.985**count
        chances = policy.probabilities(state, x)[0]
        best = 1.0 - share + share / 2 if count else 0.5
        assert chances.max() == pytest.approx(best)
        policy.update(state, 0, x[0], 0.8, clock=float(count))
    for clock in range(3, 400):
        policy.update(state, 0, x[0], 0.8, clock=float(clock))
    assert policy.probabilities(state, x)[0].max() == pytest.approx(0.995)


def test_thompson_draws_with_the_studys_variance():
    """Untaught: x'theta has variance 2 an active trait; two arms, one ahead by its offset."""
    policy = build("greenserv_thompson", dim=DIM, parts=PARTS)
    state, x = policy.start(2), some_contexts(1)
    active = float((policy.start(1).traits(x) ** 2).sum())

    chance = policy.probabilities(state, x, offsets=np.array([0.0, 1.0]))[0, 1]

    rng = np.random.default_rng(0)
    ahead = 1.0 + rng.normal(size=400_000) * np.sqrt(2 * 2.0 * active)
    assert chance == pytest.approx((ahead > 0.0).mean(), abs=0.003)


def test_features_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="dim must be at least 11 with these features, got 9"):
        build("greenserv", dim=9, parts=PARTS)
    assert replace(PARTS, embedding=None).embedded(DIM) == DIM - 1 - 1 - 5
