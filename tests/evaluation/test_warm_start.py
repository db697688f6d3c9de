"""Warm starts against least squares, a written-out likelihood, differences of losses, and truth."""

import json
from dataclasses import replace

import numpy as np
import pytest
import typer
import yaml
from scipy.optimize import check_grad
from scipy.special import expit
from typer.testing import CliRunner

from bandit_service import configuration
from bandit_service.cli import policy as policy_commands
from bandit_service.cli.exits import Commands
from bandit_service.cli.policy_yaml import read_policy
from bandit_service.errors import BadTable, InvalidField
from bandit_service.evaluation import synthetic
from bandit_service.evaluation.contexts import contexts_of
from bandit_service.evaluation.table import Pair
from bandit_service.evaluation.warm_start import (
    Metadata,
    Strength,
    Verdicts,
    from_metadata,
    from_outcomes,
    from_preferences,
    from_preferences_as_pilot,
    from_siblings,
    metadata_of,
    verdicts_of,
)
from bandit_service.evaluation.warm_start.pilot import preference_loss, triplet_loss, unit
from bandit_service.evaluation.warm_start.preferences import strengths
from bandit_service.evaluation.writing import write
from bandit_service.model import (
    Algorithm,
    Arm,
    ArmWarmStart,
    Features,
    PolicyConfig,
    VectorFeatures,
    WarmStart,
)
from tests.builders import shape_of


@pytest.fixture(scope="module")
def table():
    made, _ = synthetic.make("linear", queries=300, arms=3, dim=5, seed=3)
    return made


def test_outcomes_give_each_arm_its_ridge_regression(table):
    x = contexts_of(table).matrix
    quality = table.quality.copy()
    quality[100:, 2] = np.nan  # known on fewer queries
    warm = from_outcomes(replace(table, quality=quality), x, n_eff=150.0, penalty=0.7)

    for arm, name in enumerate(table.arm_names):
        known = ~np.isnan(quality[:, arm])
        # The mean is not penalised: a column of ones, whose row of the penalty is 0.
        rows = np.concatenate((x[known], np.sqrt(0.7) * np.eye(x.shape[1])[:-1]))
        targets = np.concatenate((quality[known, arm], np.zeros(x.shape[1] - 1)))
        theta = np.linalg.lstsq(rows, targets, rcond=None)[0]
        made = warm.arms[name]
        assert made.weights is not None
        assert [*made.weights, made.level] == pytest.approx(theta.tolist(), abs=1e-9)
    assert [warm.arms[name].n_eff for name in table.arm_names] == [None, None, 100.0]
    np.testing.assert_allclose(warm.spread, np.mean(x[:, :-1] ** 2, axis=0))


def test_a_policy_that_starts_from_outcomes_knows_the_best_arm_at_once(table):
    x = contexts_of(table).matrix
    half = np.arange(150)
    warm = from_outcomes(table.rows(half), x[half], n_eff=100.0)
    arms = tuple(Arm(name=name) for name in table.arm_names)
    features = Features(vector=VectorFeatures(dimension=x.shape[1] - 1))

    def picked_best(warm_start: WarmStart | None) -> float:
        config = PolicyConfig(
            name="p", arms=arms, features=features, algorithm=Algorithm(name="linucb"),
            warm_start=warm_start,
        )  # fmt: skip
        policy = configuration.build(configuration.check(config, shape_of), x.shape[1])
        chances = policy.probabilities(policy.start(3), x[150:])
        assert table.expected is not None
        best = table.expected[150:].argmax(axis=1)
        return float(chances[np.arange(150), best].mean())

    assert picked_best(None) == pytest.approx(1 / 3)
    assert picked_best(warm) > 0.8


def duels(count: int, theta: np.ndarray, seed: int) -> tuple[Verdicts, np.ndarray]:
    """Verdicts drawn from the model itself; contexts of length 1 with a constant."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, theta.shape[1]))
    x[:, :-1] = unit(x[:, :-1])
    x[:, -1] = 1.0
    first = rng.integers(len(theta), size=count)
    second = (first + rng.integers(1, len(theta), size=count)) % len(theta)
    chance = expit(np.einsum("nd,nd->n", theta[first] - theta[second], x))
    won = (rng.random(count) < chance).astype(float)
    names = tuple(f"arm {i}" for i in range(len(theta)))
    return Verdicts(names, first, second, np.arange(count), won), x


def test_strengths_are_where_the_likelihood_is_flat():
    """Bradley-Terry with a ridge: at the most likely strengths, what every arm won is what it was
    expected to win, less the ridge's pull. Written out verdict by verdict."""
    verdicts, x = duels(200, np.random.default_rng(0).normal(size=(4, 3)), seed=1)
    theta = strengths(verdicts, x, ridge=0.5)

    pull = np.zeros_like(theta)
    for a, b, row, y in zip(
        verdicts.first, verdicts.second, verdicts.rows, verdicts.preferred, strict=True
    ):
        surprise = y - expit((theta[a] - theta[b]) @ x[row])
        pull[a] += surprise * x[row]
        pull[b] -= surprise * x[row]
    np.testing.assert_allclose(pull, 0.5 * theta, atol=1e-4)
    np.testing.assert_allclose(theta.sum(axis=0), 0.0, atol=1e-12)


def test_preferences_find_the_order_that_they_were_drawn_from():
    theta = np.array([[1.0, 0.0, 1.5], [0.0, 0.5, 0.0], [-1.0, 0.0, -1.5]])
    verdicts, x = duels(4000, theta, seed=2)

    warm = from_preferences(verdicts, x, n_eff=40.0, pool_quality=0.7, ridge=0.1)

    levels = [warm.arms[name].level for name in verdicts.arms]
    # Against an arm of mean strength 0: sigmoid(1.5), 1/2 and sigmoid(-1.5), moved by .2.
    assert levels == pytest.approx([0.2 + expit(one) for one in (1.5, 0.0, -1.5)], abs=0.04)
    slope = (expit(1.5) * expit(-1.5)) * 1.0
    assert warm.arms["arm 0"].weights == pytest.approx((slope, 0.0), abs=0.06)


def test_graded_arms_bring_the_others_on_their_scale():
    theta = np.array([[0.0, 2.0], [0.0, 0.0], [0.0, -2.0]])
    verdicts, x = duels(3000, theta, seed=3)

    warm = from_preferences(
        verdicts, x, n_eff=40.0, graded={"arm 0": 0.9, "arm 2": 0.5}, ridge=0.01
    )

    levels = [warm.arms[name].level for name in verdicts.arms]
    assert levels[0] == pytest.approx(0.9)
    assert levels[2] == pytest.approx(0.5)
    assert levels[1] == pytest.approx(0.7, abs=0.03)  # half way, as is its rate of winning


def test_an_arm_nobody_judged_has_no_prior():
    verdicts = Verdicts(
        ("a", "b", "c"), np.array([0, 0]), np.array([1, 1]), np.array([0, 0]), np.array([1.0, 1.0])
    )

    warm = from_preferences(verdicts, np.ones((1, 1)), n_eff=50.0)

    assert set(warm.arms) == {"a", "b"}
    assert warm.arms["a"].n_eff == 2.0  # two verdicts are no fifty requests


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        (Pair("q9", "a", "b", "a"), "query 'q9', which is not there"),
        (Pair("q1", "a", "z", "a"), "names 'z'; the arms are a, b"),
    ],
)
def test_a_verdict_about_nobody_is_refused(pair, said):
    with pytest.raises(BadTable, match=said):
        verdicts_of([pair], ["q1"], ["a", "b"], "pairs")


def test_both_losses_of_pilot_have_the_gradients_that_they_say():
    rng = np.random.default_rng(4)
    anchor, near, far = rng.normal(size=(3, 20, 4))
    projection = rng.normal(size=12)
    theta = rng.normal(size=15)
    who = np.eye(5)[rng.integers(5, size=30)] - np.eye(5)[rng.integers(5, size=30)]
    psi, y = unit(rng.normal(size=(30, 3))), rng.choice([0.0, 0.5, 1.0], 30)

    def triplets(flat, which):
        return triplet_loss(flat.reshape(3, 4), anchor, near, far, 0.3)[which]

    def preferences(flat, which):
        return preference_loss(flat.reshape(5, 3), who, psi, y, 0.4)[which]

    for loss, at in ((triplets, projection), (preferences, theta)):
        assert check_grad(lambda f, g=loss: g(f, 0), lambda f, g=loss: g(f, 1), at) < 1e-5


@pytest.mark.parametrize("strength", Strength)
def test_pilots_prior_predicts_verdicts_that_it_has_not_seen(strength):
    theta = 6.0 * np.array([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]])
    seen, x = duels(600, theta, seed=5)
    new, asked = duels(400, theta, seed=6)
    warm = from_preferences_as_pilot(
        seen, x, n_eff=60.0, strength=strength, dimensions=3, temperature=0.5
    )
    config = PolicyConfig(
        name="p",
        arms=tuple(Arm(name=name) for name in seen.arms),
        features=Features(vector=VectorFeatures(dimension=3)),
        algorithm=Algorithm(name="pilot"),
        warm_start=warm,
    )

    policy = configuration.build(configuration.check(config, shape_of), 4)
    means = policy.estimates(policy.start(3), asked).mean

    every = np.arange(400)
    right = (means[every, new.first] > means[every, new.second]) == (new.preferred > 0.5)
    truth = (np.einsum("nd,nd->n", theta[new.first] - theta[new.second], asked) > 0.0) == (
        new.preferred > 0.5
    )
    assert right.mean() > 0.5 + 0.75 * (truth.mean() - 0.5)


def test_a_sibling_lends_its_prior_for_few_requests():
    warm = WarmStart(
        arms={
            "old": ArmWarmStart(weights=(1.0, 0.0), level=0.5),
            "older": ArmWarmStart(weights=(0.0, 2.0), level=0.7),
        },
        n_eff=80.0,
    )

    made = from_siblings(warm, ["old", "older"], "new", n_eff=12.0).arms["new"]

    assert made == ArmWarmStart(weights=(0.5, 1.0), level=made.level, n_eff=12.0)
    assert made.level == pytest.approx(0.6)
    with pytest.raises(InvalidField, match="'nobody' has no prior; there are old, older"):
        from_siblings(warm, ["nobody"], "new")


def known_arms(count: int, noise: float, seed: int = 0) -> tuple[WarmStart, dict[str, Metadata]]:
    """Quality grows with log price, and a family has a tenth more."""
    rng = np.random.default_rng(seed)
    arms, about = {}, {}
    for i in range(count):
        usd, good = float(10.0 ** rng.uniform(-1, 1)), bool(i % 2)
        level = 0.5 + 0.1 * np.log10(usd) + 0.1 * good + noise * rng.normal()
        arms[f"arm {i}"] = ArmWarmStart(weights=(0.2, 0.0), level=float(level))
        about[f"arm {i}"] = Metadata(usd=usd, family="good" if good else "plain")
    return WarmStart(arms=arms), about


def test_metadata_gives_an_unseen_arm_what_its_price_and_family_promise():
    warm, about = known_arms(12, noise=0.0)
    unseen = {"new": Metadata(usd=4.0, family="good"), "strange": Metadata()}

    made = from_metadata(warm, about, unseen).arms

    assert made["new"].level == pytest.approx(0.5 + 0.1 * np.log10(4.0) + 0.1, abs=0.02)
    assert made["new"].weights == pytest.approx((0.2, 0.0), abs=1e-6)
    levels = [one.level for one in warm.arms.values()]
    assert min(levels) < made["strange"].level < max(levels)  # type: ignore[type-var, operator]


def test_metadata_that_tells_little_counts_for_few_requests():
    exact = from_metadata(*known_arms(12, noise=0.0), {"new": Metadata(usd=1.0)}).arms["new"]
    vague = from_metadata(*known_arms(12, noise=0.3), {"new": Metadata(usd=1.0)}).arms["new"]

    assert exact.n_eff == 50.0  # the most
    # A level missed by a deviation of about .3 counts for .4^2 / .3^2 requests.
    assert vague.n_eff is not None
    assert 0.5 < vague.n_eff < 5.0


def test_metadata_comes_from_prices_and_tags():
    arm = Arm(
        name="m",
        input_usd_per_million_tokens=1.0,
        output_usd_per_million_tokens=3.0,
        tags=("family:llama", "size:70b", "eu"),
    )

    assert metadata_of(arm) == Metadata(4.0, 70.0, "llama", frozenset({"eu"}))
    assert metadata_of(Arm(name="m")) == Metadata()


def test_two_known_arms_are_too_few_to_learn_from():
    with pytest.raises(InvalidField, match="needs 3 arms with a level to learn from, got 2"):
        from_metadata(*known_arms(2, noise=0.0), {"new": Metadata()})


@pytest.fixture
def run():
    app = typer.Typer(cls=Commands)
    app.add_typer(policy_commands.app, name="policy")
    return lambda *words: CliRunner().invoke(
        app, ["policy", "prior", *(str(word) for word in words)]
    )


def test_commands_write_the_part_of_a_policy_that_it_starts_from(run, tmp_path):
    made, pairs = synthetic.make("duels", queries=60, arms=4, dim=4, seed=1)
    write(made, tmp_path / "set", pairs=pairs)
    policy = {
        "name": "chat",
        "features": {"vector": {"dimension": 3}},
        "arms": [{"name": name, "tags": [f"size:{7 + i}b"]}
                 for i, name in enumerate(made.arm_names)],
    }  # fmt: skip
    for words, algorithm in (
        (("outcomes", tmp_path / "set"), "hierarchical_thompson"),
        (("preferences", tmp_path / "set", "--pool-quality", "0.6"), "linear_thompson"),
        (("pilot", tmp_path / "set", "--space", "2"), "pilot"),
    ):
        done = run(*words, "--n-eff", "30", "--out", tmp_path / "part.yaml")
        assert done.exit_code == 0, done.output
        part = yaml.safe_load((tmp_path / "part.yaml").read_text())
        file = tmp_path / "policy.yaml"
        file.write_text(yaml.safe_dump(policy | part | {"algorithm": {"name": algorithm}}))
        config = configuration.check(read_policy(file), shape_of)
        assert config.warm_start is not None
        assert set(config.warm_start.arms) == set(made.arm_names)
        assert config.warm_start.n_eff == 30.0

    whole = yaml.safe_load((tmp_path / "policy.yaml").read_text())
    del whole["warm_start"]["arms"][made.arm_names[3]]
    (tmp_path / "policy.yaml").write_text(yaml.safe_dump(whole))
    done = run("metadata", tmp_path / "policy.yaml", "--json")
    assert done.exit_code == 0, done.output
    assert set(json.loads(done.stdout)["warm_start"]["arms"]) == set(made.arm_names)
    done = run("sibling", tmp_path / "policy.yaml", "--arm", "new", "--of", made.arm_names[0])
    assert done.exit_code == 0, done.output
    inherited = yaml.safe_load(done.stdout)["warm_start"]["arms"]
    assert inherited["new"]["weights"] == inherited[made.arm_names[0]]["weights"]


def test_commands_say_what_is_wrong(run, tmp_path):
    (tmp_path / "policy.yaml").write_text("name: chat\narms: [{name: a}]\n")

    assert "has no warm_start" in run("metadata", tmp_path / "policy.yaml").output
    assert run("outcomes", tmp_path / "nowhere").exit_code != 0
    assert "must be one of" in run("pilot", tmp_path, "--strength", "strong").output
