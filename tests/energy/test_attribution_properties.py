"""Whatever calls and windows come, in whatever order: the books close, to the nanojoule."""

from fractions import Fraction
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bandit_service.energy.attribution import Attribution
from bandit_service.energy.books import parts
from bandit_service.energy.calls import Call
from bandit_service.energy.records import NANOJOULES, Window
from bandit_service.model import CallEnergy

DEVICES = ("a", "b")
NOW = 1_700_000_000.0  # floats of seconds since the epoch are coarse

moments = st.integers(0, 80).map(lambda eighths: NOW + eighths / 8)
tokens = st.one_of(st.none(), st.integers(0, 500))


@st.composite
def calls(draw: st.DrawFn) -> list[tuple[float, str, int, Any]]:
    """Events (time, kind, call, value) of up to six calls that overlap at random."""
    events: list[tuple[float, str, int, Any]] = []
    for number in range(draw(st.integers(0, 6))):
        start, end = sorted((draw(moments), draw(moments)))
        where = draw(st.sampled_from([("a",), ("b",), ("a", "b")]))
        events.append((start, "0 start", number, (where, draw(tokens))))
        told = sorted(draw(st.lists(st.integers(0, 500), max_size=3)))
        between = sorted(min(max(draw(moments), start), end) for _ in told)
        events += [(t, "1 tell", number, n) for t, n in zip(between, told, strict=True)]
        last = draw(tokens)
        last = last if last is None or not told else max(last, told[-1])
        events.append((end, "2 end", number, last))
    return events


@st.composite
def windows(draw: st.DrawFn) -> list[tuple[float, str, int, Any]]:
    """Windows of both devices without gaps, some of them void, over the same ten seconds."""
    events: list[tuple[float, str, int, Any]] = []
    for device in DEVICES:
        edges = [NOW, *sorted(set(draw(st.lists(moments, max_size=12))) - {NOW}), NOW + 10.125]
        for start, end in pairwise(edges):
            amount = draw(st.one_of(st.none(), st.integers(0, 10**13)))
            events.append((end, "3 window", 0, Window(device, start, end, amount)))
    return events


def run(
    events: list[tuple[float, str, int, Any]], idle: float | None
) -> tuple[Attribution, list[CallEnergy]]:
    meter = Attribution(dict.fromkeys(DEVICES, idle), settle_seconds=4.0)
    done: list[CallEnergy] = []
    for time, kind, number, value in sorted(events, key=lambda e: (e[0], e[1], e[2])):
        if kind == "0 start":
            where, read = value
            meter.start(Call(f"c{number}", f"d{number}", f"arm{number % 2}", where, time, read))
        elif kind == "1 tell":
            done += meter.tell(f"c{number}", time, value)
        elif kind == "2 end":
            done += meter.end(f"c{number}", time, value)
        else:
            done += meter.add(value, time)
    done += meter.expire(NOW + 100)
    return meter, done


@settings(max_examples=150, deadline=None)
@given(calls(), windows(), st.sampled_from([None, 0.0, 40.0, 1e6]))
def test_shares_and_idle_are_what_the_counter_said(called, counted, idle) -> None:
    meter, done = run(called + counted, idle)

    for device, books in meter.books.items():
        seen = [w.nanojoules for *_, w in counted if w.device == device]
        assert books.total == sum(n for n in seen if n is not None)
        assert books.given + books.idle + books.unclaimed == books.total
        assert min(books.given, books.idle, books.unclaimed) >= 0
        assert sum(books.by_arm.values()) == books.given
        assert all(amount >= 0 for amount in books.by_arm.values())
    started = {number for _, kind, number, _ in called if kind == "0 start"}
    assert sorted(call.call_id for call in done) == sorted(f"c{number}" for number in started)
    assert not meter.calls
    assert not any(books.calls or books.pending for books in meter.books.values())


@settings(max_examples=100, deadline=None)
@given(calls(), windows())
def test_the_calls_own_joules_sum_to_what_the_devices_gave(called, counted) -> None:
    whole = [
        (t, k, n, Window(w.device, w.start, w.end, w.nanojoules or 0)) for t, k, n, w in counted
    ]
    meter, done = run(called + whole, idle=40.0)

    known = [call.energy_joules for call in done if call.energy_joules is not None]
    given_away = sum(books.given for books in meter.books.values()) / NANOJOULES
    assert all(joules >= 0 for joules in known)
    assert {call.why for call in done} <= {"", "it took no time"}
    assert abs(sum(known) - given_away) <= 1e-9 * max(1, given_away)


@given(
    st.integers(0, 10**18),
    st.lists(st.floats(0, 1e12), min_size=1, max_size=20).filter(any),
)
def test_parts_lose_nothing_and_are_in_proportion(amount: int, weights: list[float]) -> None:
    made = parts(amount, weights)

    assert sum(made) == amount
    assert min(made) >= 0
    total = sum(map(Fraction, weights))
    for part, weight in zip(made, weights, strict=True):
        exact = amount * Fraction(weight) / total
        assert abs(part - exact) <= 1 + Fraction(amount, 10**15)  # a float's worth of rounding
