"""Every estimator against plain loops, against what follows from its definition, and the truth."""

import numpy as np
import pytest

from bandit_service.errors import NoOverlap
from bandit_service.evaluation.offpolicy import estimators
from bandit_service.evaluation.offpolicy.evidence import Evidence, check_overlap
from bandit_service.evaluation.offpolicy.tuning import FAMILIES, error_bound, tuned
from tests.offpolicy.worlds import a_world

# Three decisions, worked out by hand: w, y, q(x, a), v(x).
HAND = Evidence(
    weights=np.array([2.0, 0.5, 0.0]),
    outcomes=np.array([1.0, 0.5, 1.0]),
    modelled=np.array([0.5, 0.5, 0.5]),
    expected=np.array([0.6, 0.4, 0.2]),
    taught=np.array([True, True, False]),
)


@pytest.mark.parametrize(
    ("terms", "by_hand"),
    [
        (estimators.dm(HAND), (0.6 + 0.4) / 2),
        (estimators.ips(HAND), (2 + 0.25 + 0) / 3),
        (estimators.clipped_ips(HAND, 1.0), (1 + 0.25 + 0) / 3),
        (estimators.snips(HAND), 2.25 / 2.5),
        (estimators.dr(HAND), (0.6 + 1.0 + 0.4 + 0.0 + 0.2) / 3),
        (estimators.sndr(HAND), 1.2 / 3 + 1.0 / 2.5),
        (estimators.switch_dr(HAND, 1.0), 1.2 / 3),
        (estimators.switch_dr(HAND, 2.0), 2.2 / 3),
        (estimators.dr_os(HAND, 4.0), (1.2 + 4 * 2 / (4 + 4) * 0.5) / 3),
        (estimators.sub_gaussian(HAND, 0.5), (2 / 1.5 * 1 + 0.5 / 0.75 * 0.5) / 3),
    ],
)
def test_three_decisions_by_hand(terms, by_hand):
    assert terms.value == pytest.approx(by_hand, abs=1e-15)


def _loop(name: str, parameter: float, evidence: Evidence) -> float:
    """The definitions, one row at a time."""
    total = share = base = 0.0
    rows = zip(
        evidence.weights, evidence.outcomes, evidence.modelled, evidence.expected, strict=True
    )
    for w, y, q, v in rows:
        share += w
        match name:
            case "ips" | "snips":
                total += w * y
            case "clipped_ips":
                total += min(w, parameter) * y
            case "sub_gaussian":
                total += w / (1 - parameter + parameter * w) * y
            case "dr" | "sndr":
                base, total = base + v, total + w * (y - q)
            case "switch_dr":
                base, total = base + v, total + (w * (y - q) if w <= parameter else 0.0)
            case "dr_os":
                base += v
                total += parameter * w / (w * w + parameter) * (y - q)
    count = len(evidence)
    return base / count + total / (share if name in ("snips", "sndr") else count)


@pytest.mark.parametrize("name", ["ips", "snips", "dr", "sndr", *FAMILIES])
@pytest.mark.parametrize("parameter", [0.3, 0.9])
def test_loops_come_to_the_same(name, parameter):
    world = a_world(seed=4)
    evidence = world.evidence(1, model=np.clip(world.means + 0.1, 0, 1))
    if name in FAMILIES:
        terms = FAMILIES[name].estimate(evidence, parameter)
    else:
        terms = estimators.PLAIN[name](evidence)

    assert terms.value == pytest.approx(_loop(name, parameter, evidence), rel=1e-12)


def test_a_policy_on_its_own_log_earns_the_mean():
    world = a_world(seed=2)
    same = type(world)(world.contexts, world.means, world.logger, world.logger)
    evidence = same.evidence(3)

    np.testing.assert_array_equal(evidence.weights, 1.0)
    for name in ("ips", "snips", "dr", "sndr"):
        value = estimators.PLAIN[name](evidence).value
        assert value == pytest.approx(evidence.outcomes.mean(), abs=1e-15)
    assert evidence.effective_size == pytest.approx(len(evidence))


def test_without_a_model_doubly_robust_is_inverse_propensity():
    evidence = a_world().evidence(1)

    assert estimators.dr(evidence).value == estimators.ips(evidence).value
    assert estimators.sndr(evidence).value == estimators.snips(evidence).value


def test_shrinkage_goes_from_the_direct_method_to_doubly_robust():
    world = a_world()
    evidence = world.evidence(1, model=world.means)

    assert estimators.dr_os(evidence, 0.0).value == estimators.dm(evidence).value
    assert estimators.dr_os(evidence, np.inf).value == estimators.dr(evidence).value
    assert estimators.dr_os(evidence, 1e12).value == pytest.approx(estimators.dr(evidence).value)
    assert estimators.sub_gaussian(evidence, 0.0).value == estimators.ips(evidence).value
    assert estimators.clipped_ips(evidence, 1e9).value == estimators.ips(evidence).value


@pytest.mark.parametrize("name", ["ips", "dr"])
def test_the_truth_is_met_on_average(name):
    """With a wrong model too. Over 400 logs, within four standard errors."""
    world = a_world(count=200, seed=7)
    wrong = 1.0 - world.means
    values = [estimators.PLAIN[name](world.evidence(seed, wrong)).value for seed in range(400)]

    error = np.std(values, ddof=1) / np.sqrt(len(values))
    assert abs(np.mean(values) - world.truth) < 4 * error
    assert error < 0.01  # so that the test can tell


def test_the_direct_method_believes_a_wrong_model():
    world = a_world(count=200, seed=7)
    values = [estimators.dm(world.evidence(s, 1.0 - world.means)).value for s in range(50)]

    assert abs(np.mean(values) - world.truth) > 0.1


def test_a_good_model_saves_variance_and_shrinkage_keeps_the_error_low():
    world = a_world(count=200, seed=7, floor=0.05)
    errors: dict[str, list[float]] = {"ips": [], "dr": [], "dr_os": []}
    for seed in range(300):
        evidence = world.evidence(seed, np.clip(world.means + 0.05, 0, 1))
        errors["ips"].append(estimators.ips(evidence).value - world.truth)
        errors["dr"].append(estimators.dr(evidence).value - world.truth)
        errors["dr_os"].append(tuned(evidence, FAMILIES["dr_os"])[1].value - world.truth)

    squares = {name: np.mean(np.square(found)) for name, found in errors.items()}
    assert squares["dr"] < squares["ips"]
    assert squares["dr_os"] < squares["ips"]


@pytest.mark.parametrize("name", list(estimators.PLAIN))
def test_standard_errors_are_those_seen_over_many_logs(name):
    world = a_world(count=400, seed=5, floor=0.3)
    found = [
        estimators.PLAIN[name](world.evidence(seed, np.full(world.means.shape, 0.5)))
        for seed in range(400)
    ]
    seen = np.std([terms.value for terms in found], ddof=1)
    claimed = np.mean([terms.standard_error for terms in found])

    # Contexts are the same in every log, so the direct method never varies here.
    assert seen == pytest.approx(0.0, abs=1e-12) if name == "dm" else (
        0.8 < seen / claimed < 1.15
    )  # fmt: skip


@pytest.mark.parametrize("name", list(FAMILIES))
def test_the_parameter_chosen_has_the_least_bound_of_all_tried(name):
    world = a_world(seed=9, floor=0.02)
    evidence, family = world.evidence(2, world.means), FAMILIES[name]
    parameter, terms = tuned(evidence, family)

    bounds = [error_bound(evidence, family, each) for each in family.grid(evidence.largest_weight)]
    assert error_bound(evidence, family, parameter) == min(bounds)
    assert np.isfinite(bounds).all()
    assert terms.value == family.estimate(evidence, parameter).value


def test_the_error_bound_is_variance_and_bias_as_written():
    world = a_world(seed=9)
    evidence, clip = world.evidence(2), 1.5
    lowered = np.minimum(evidence.weights, clip)
    missed = (evidence.weights - lowered) * evidence.outcomes
    count, log = len(evidence), np.log(2 / 0.05)
    bias = (
        abs(missed.mean())
        + np.sqrt(2 * np.mean(missed**2) * log / count)
        + 2 * missed.max() * log / (3 * count)
    )
    variance = np.var(lowered * evidence.outcomes, ddof=1) / count

    bound = error_bound(evidence, FAMILIES["clipped_ips"], clip)
    assert bound == pytest.approx(variance + bias**2, rel=1e-12)


def test_effective_size_is_kishs():
    evidence = Evidence.plain(np.array([1.0, 2.0, 3.0]), np.zeros(3))

    assert evidence.effective_size == pytest.approx(36 / 14)
    assert evidence.largest_weight == 3.0


def test_no_overlap_is_an_error_never_a_number():
    nothing = Evidence.plain(np.zeros(4), np.ones(4))
    with pytest.raises(NoOverlap, match="never chooses an arm that was drawn in any of 4"):
        check_overlap("uniform", 4, nothing.largest_weight)
    with pytest.raises(NoOverlap, match="no logged decision has this outcome"):
        check_overlap("uniform", 0, 0.0)


def test_two_frozen_loggers_balanced_are_unbiased_with_less_variance():
    """Half of the rows logged by one, half by the other, each seldom draws what the other does."""
    rng = np.random.default_rng(0)
    loggers = np.array([[0.9, 0.1], [0.1, 0.9]])
    means, target = np.array([0.3, 0.8]), np.array([0.5, 0.5])
    own, balanced = [], []
    for _ in range(600):
        who = np.repeat([0, 1], 50)
        arms = (rng.random(100) > loggers[who, 0]).astype(int)
        wins = (rng.random(100) < means[arms]).astype(float)
        weights = estimators.balanced_weights(target[arms], loggers.T[arms], np.array([0.5, 0.5]))
        balanced.append((weights * wins).mean())
        own.append((target[arms] / loggers[who, arms] * wins).mean())

    truth = float(target @ means)
    assert abs(np.mean(balanced) - truth) < 4 * np.std(balanced) / np.sqrt(600)
    assert np.var(balanced) < 0.6 * np.var(own)


def test_balanced_weights_refuse_what_is_no_mixture():
    with pytest.raises(ValueError, match="shares sum to"):
        estimators.balanced_weights(np.ones(2), np.ones((2, 2)), np.array([0.5, 0.4]))
    with pytest.raises(ValueError, match="no chance under any"):
        estimators.balanced_weights(np.ones(1), np.zeros((1, 1)), np.ones(1))
    with pytest.raises(ValueError, match="need loggers"):
        estimators.balanced_weights(np.ones(2), np.ones((2, 1)), np.array([0.5, 0.5]))
