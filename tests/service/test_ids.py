"""Ids and their times: a range of time is a range of ids."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from bandit_service.draw import new_ids
from bandit_service.model import moment_of, smallest_id

MOMENTS = st.floats(0, 1e11)


@given(MOMENTS)
def test_the_smallest_id_of_a_moment_sorts_before_all_that_are_made_then(moment):
    smallest = smallest_id(moment)

    parsed = uuid.UUID(smallest)
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    assert str(parsed) == smallest
    assert all(smallest <= made for made in new_ids(20, moment))


@given(MOMENTS, MOMENTS)
def test_ids_are_divided_by_a_moment_as_their_times_are(made_at, moment):
    (made,) = new_ids(1, made_at)

    is_later = int(made_at * 1000) >= int(moment * 1000)  # an id knows milliseconds
    assert (made >= smallest_id(moment)) == is_later


@given(MOMENTS)
def test_an_id_tells_when_it_was_made(moment):
    (made,) = new_ids(1, moment)

    assert moment_of(made) == uuid.UUID(made).int // 2**80 / 1000
    assert 0.0 <= moment - moment_of(made) < 0.0011


def test_what_is_no_decision_id_has_no_time():
    for text in ("", "d1", str(uuid.uuid4()), new_ids(1, 1e9)[0].upper(), new_ids(1, 1.0)[0] + "0"):
        assert moment_of(text) is None
