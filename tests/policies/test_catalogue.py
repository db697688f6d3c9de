"""Building a policy by name, and what is said when that cannot be done."""

import pytest

from policies import CATALOGUE, build, known_settings


def test_the_catalogue_lists_every_policy_under_its_own_name() -> None:
    assert set(CATALOGUE) == {
        "uniform", "epsilon_greedy", "linucb", "linear_thompson", "hierarchical_thompson",
        "beta_thompson", "squarecb", "fgts_cdb", "ti_ucb", "contextual_ti_ucb", "d_linucb",
        "sw_linucb", "alarmed_linucb", "pilot", "paretobandit", "metallm", "greenserv",
        "greenserv_thompson", "greenserv_epsilon", "mixllm",
    }  # fmt: skip
    assert all(policy.name == name for name, policy in CATALOGUE.items())


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown policy 'ucb'; known: uniform, epsilon_greedy"):
        build("ucb", dim=2)


@pytest.mark.parametrize("name", CATALOGUE)
def test_an_unknown_setting_is_answered_with_the_known_ones(name: str) -> None:
    listed = ", ".join(known_settings(name)) or "none"

    with pytest.raises(ValueError, match=f"unknown setting 'wdth' of {name}; known: {listed}$"):
        build(name, dim=2, settings={"wdth": 1.0})


@pytest.mark.parametrize(
    ("name", "setting", "value", "said"),
    [
        ("linucb", "width", -1.0, r"width must be in \[0, 1e\+06\], got -1"),
        ("linucb", "width", float("nan"), r"width must be in \[0, 1e\+06\], got nan"),
        ("linucb", "delta", 2.0, r"delta must be in \[1e-12, 1\], got 2"),
        ("linucb", "ridge", 0.0, r"ridge must be in \[0.001, 1e\+06\], got 0"),
        (
            "linucb",
            "prior_mean",
            float("inf"),
            r"prior_mean must be in \[-1e\+06, 1e\+06\], got inf",
        ),
        ("linucb", "oful", 0.5, "oful must be 0 or 1, got 0.5"),
        ("epsilon_greedy", "epsilon", 1.5, r"epsilon must be in \[0, 1\], got 1.5"),
        ("linear_thompson", "noise", 0.0, r"noise must be in \[1e-06, 1e\+06\], got 0"),
        ("beta_thompson", "clusters", 1.5, "clusters must be a whole number, got 1.5"),
        ("beta_thompson", "clusters", 3, r"clusters must be in \[1, 2\] \(dim\), got 3"),
        ("beta_thompson", "prior_wins", 0.5, r"prior_wins must be in \[1, 1e\+06\], got 0.5"),
        ("squarecb", "gamma0", -2.0, r"gamma0 must be in \[0, 1e\+09\], got -2"),
    ],
)
def test_a_setting_out_of_range_says_wanted_and_got(
    name: str, setting: str, value: float, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        build(name, dim=2, settings={setting: value})


@pytest.mark.parametrize("name", CATALOGUE)
def test_dimension_and_half_life_are_checked_too(name: str) -> None:
    with pytest.raises(ValueError, match="dim must be at least 1, got 0"):
        build(name, dim=0)
    with pytest.raises(ValueError, match="half_life must be"):
        build(name, dim=1, half_life=0.0)


def test_switches_and_counts_may_come_as_floats() -> None:
    oful, clustered = (
        build("linucb", dim=2, settings={"oful": 1.0}),
        build("beta_thompson", dim=2, settings={"clusters": 2.0}),
    )

    assert getattr(oful, "oful", None) is True
    assert getattr(clustered, "clusters", None) == 2
