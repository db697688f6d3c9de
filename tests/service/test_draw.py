"""Ids, the number each decision gets, and the arms that follow from it."""

import uuid
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bandit_service.draw import draw, draw_first, draw_second, keyed_hash, new_ids, uniform
from policies.policy import Array
from tests.builders import NOW, SECRET

MANY = 20_000


def seeded_ids(count: int = MANY, seed: int = 1) -> list[str]:
    rng = np.random.default_rng(seed)
    return [str(uuid.UUID(bytes=rng.bytes(16), version=4)) for _ in range(count)]


@st.composite
def chances_with_zeros(draw_value: st.DrawFn) -> Array:
    """Up to 12 probabilities, of which at least one is not 0."""
    weights = st.one_of(st.just(0.0), st.floats(1e-12, 1.0))
    made = np.array(draw_value(st.lists(weights, min_size=1, max_size=12).filter(any)))
    normalised: Array = made / made.sum()
    return normalised


def test_ids_are_valid_uuids_of_version_7_and_carry_their_time():
    ids = new_ids(500, NOW + 0.123)

    parsed = [uuid.UUID(made) for made in ids]
    assert [str(one) for one in parsed] == ids
    assert {one.version for one in parsed} == {7}
    assert {one.variant for one in parsed} == {uuid.RFC_4122}
    assert {int.from_bytes(one.bytes[:6]) for one in parsed} == {int((NOW + 0.123) * 1000)}


def test_no_two_ids_are_equal():
    ids = [made for _ in range(20) for made in new_ids(1_000, NOW)]

    assert len(set(ids)) == 20_000


def test_later_ids_sort_later():
    ids = [new_ids(1, NOW + i / 1000)[0] for i in range(2_000)]

    assert sorted(ids) == ids


def test_no_ids_are_made_when_none_are_wanted():
    assert new_ids(0, NOW) == []


@settings(deadline=None, derandomize=True)
@given(st.binary(min_size=1, max_size=64), st.text(max_size=60))
def test_the_number_of_a_decision_is_above_0_and_never_above_1(secret, decision_id):
    assert 0.0 < uniform(secret, decision_id) <= 1.0


@pytest.mark.parametrize(("digest", "number"), [(b"\x00" * 8, 2.0**-53), (b"\xff" * 8, 1.0)])
def test_even_the_least_and_the_greatest_hash_stay_within(monkeypatch, digest, number):
    hashed = SimpleNamespace(update=lambda _: None, digest=lambda: digest)
    keyed = SimpleNamespace(copy=lambda: hashed)
    monkeypatch.setattr("bandit_service.draw._keyed", lambda *_: keyed)

    assert uniform(SECRET, "d1") == number


@settings(deadline=None, derandomize=True)
@given(st.binary(min_size=1, max_size=64), st.text(max_size=60))
def test_the_same_secret_and_id_give_the_same_number(secret, decision_id):
    assert uniform(secret, decision_id) == uniform(secret, decision_id)


def test_another_secret_another_id_or_another_purpose_give_another_number():
    numbers = {
        uniform(SECRET, "d1"),
        uniform(b"another secret", "d1"),
        uniform(SECRET, "d2"),
        uniform(SECRET, "d1", b"second arm"),
    }

    assert len(numbers) == 4


@pytest.mark.parametrize("ids", [seeded_ids(), [f"decision {i}" for i in range(MANY)]])
def test_the_numbers_of_many_ids_are_uniform(ids):
    numbers = [uniform(SECRET, one) for one in ids]

    # Fixed ids: about one secret in a thousand would fall below this.
    assert stats.kstest(numbers, "uniform").pvalue > 1e-3


def test_the_numbers_for_the_first_and_the_second_arm_are_unrelated():
    ids = seeded_ids()

    first = [uniform(SECRET, one) for one in ids]
    second = [uniform(SECRET, one, b"second arm") for one in ids]

    assert abs(np.corrcoef(first, second)[0, 1]) < 4 / np.sqrt(MANY)  # 4 standard errors


@settings(deadline=None, derandomize=True)
@given(chances_with_zeros(), st.floats(0.0, 1.0, exclude_min=True))
def test_an_arm_of_probability_0_is_never_drawn(chances, number):
    arm = draw(chances[None, :], [number])[0]

    assert chances[arm] > 0.0


@pytest.mark.parametrize("number", [2.0**-53, 0.25, 0.5, 0.5 + 2.0**-53, 1.0])
def test_zeros_in_front_between_and_behind_are_passed_over(number):
    chances = np.array([0.0, 0.0, 0.5, 0.0, 0.5, 0.0, 0.0])

    arm = draw(chances[None, :], [number])[0]

    assert arm == (2 if number <= 0.5 else 4)


@pytest.mark.parametrize("seed", range(3))
def test_arms_come_as_often_as_their_probabilities_say(seed):
    chances = np.random.default_rng(seed).dirichlet(np.full(7, 0.5))

    drawn = draw_first(SECRET, seeded_ids(seed=seed), np.tile(chances, (MANY, 1)))

    seen = np.bincount(drawn, minlength=7)
    likely = chances * MANY >= 5  # where chi-square holds
    seen, expected = np.append(seen[likely], 0), np.append(chances[likely], 0.0) * MANY
    seen[-1], expected[-1] = MANY - seen.sum(), MANY - expected.sum()
    keep = expected > 1e-6
    assert stats.chisquare(seen[keep], expected[keep]).pvalue > 1e-3


@settings(deadline=None, derandomize=True)
@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(1, 300))
def test_a_row_draws_the_same_alone_as_among_others(seed, rows, arms):
    chances = np.random.default_rng(seed).dirichlet(np.full(arms, 0.3), size=rows)
    ids = seeded_ids(rows, seed)

    together = draw_first(SECRET, ids, chances)

    alone = [draw_first(SECRET, [ids[i]], chances[i : i + 1])[0] for i in range(rows)]
    assert list(together) == alone


ALL = np.ones(4, dtype=bool)


def second_of(decision_id, chances, first, eligible):
    drawn = draw_second(SECRET, decision_id, chances, first, eligible)
    assert drawn is not None
    return drawn


def test_the_second_arm_of_a_duel_is_never_the_first():
    chances = np.array([0.6, 0.0, 0.3, 0.1])

    seconds = {second_of(one, chances, 0, ALL)[0] for one in seeded_ids(2_000)}

    assert seconds == {2, 3}


def test_the_second_arm_comes_as_often_as_its_share_of_what_the_first_left():
    chances = np.array([0.1, 0.2, 0.3, 0.4])

    drawn = [second_of(one, chances, 3, ALL) for one in seeded_ids()]

    seen = np.bincount(np.array([arm for arm, _ in drawn]), minlength=4)[:3]
    share = chances[:3] / (1 - 0.4)
    assert stats.chisquare(seen, share * MANY).pvalue > 1e-3
    assert dict(drawn) == pytest.approx(dict(enumerate(share)))


def test_beside_a_certain_first_arm_the_others_are_drawn_evenly():
    certain, eligible = np.array([0.0, 1.0, 0.0, 0.0]), np.array([True, True, False, True])

    drawn = [second_of(one, certain, 1, eligible) for one in seeded_ids(2_000)]

    assert {chance for _, chance in drawn} == {0.5}
    firsts = sum(arm == 0 for arm, _ in drawn)
    assert {arm for arm, _ in drawn} == {0, 3}
    assert abs(firsts - 1_000) < 4 * np.sqrt(2_000 * 0.25)  # four standard errors


def test_the_chance_of_the_second_arm_is_exact_where_the_first_is_nearly_certain():
    nearly = np.array([1.0 - 4e-16, 1e-16, 3e-16, 0.0])

    drawn = dict(second_of(one, nearly, 0, ALL) for one in seeded_ids(200))

    assert drawn == pytest.approx({1: 0.25, 2: 0.75})


def test_there_is_no_second_arm_when_no_other_is_eligible():
    alone = np.array([False, True, False])

    assert draw_second(SECRET, "d1", np.array([0.0, 1.0, 0.0]), 1, alone) is None


def test_drawing_the_second_arm_leaves_the_probabilities_alone():
    chances = np.array([0.5, 0.5])

    draw_second(SECRET, "d1", chances, 0, np.ones(2, dtype=bool))

    assert chances.tolist() == [0.5, 0.5]


def test_a_keyed_hash_tells_people_apart_only_with_the_secret():
    hashed = keyed_hash(SECRET, "alice")

    assert hashed == keyed_hash(SECRET, "alice")
    assert hashed != keyed_hash(SECRET, "bob")
    assert hashed != keyed_hash(b"another secret", "alice")
    assert len(hashed) == 16
