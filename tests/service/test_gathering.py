"""When what has gathered goes on, by a clock that the test moves."""

import asyncio
from collections.abc import Callable

import pytest

from bandit_service.gathering import LONGEST_WAIT_SECONDS, MOST_ROWS, PAUSE_SECONDS, Gathering


class _Timer:
    def __init__(self, due: float, call: Callable[[], None]) -> None:
        self.due, self.call, self.cancelled = due, call, False

    def cancel(self) -> None:
        self.cancelled = True


class _Loop:
    """As much of an event loop as is asked for, with a clock of its own."""

    def __init__(self) -> None:
        self.now = 0.0
        self._soon: list[Callable[[], None]] = []
        self._timers: list[_Timer] = []

    def time(self) -> float:
        return self.now

    def call_soon(self, call: Callable[[], None]) -> None:
        self._soon.append(call)

    def call_later(self, seconds: float, call: Callable[[], None]) -> _Timer:
        self._timers.append(_Timer(self.now + seconds, call))
        return self._timers[-1]

    def turn(self) -> None:
        soon, self._soon = self._soon, []
        for call in soon:
            call()

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        self.turn()
        while due := [one for one in self._timers if one.due <= end and not one.cancelled]:
            first = min(due, key=lambda one: one.due)
            self._timers.remove(first)
            self.now = first.due
            first.call()
            self.turn()
        self.now = end


class _Writer:
    """A gathering, and a writer that has so many rows in hand."""

    def __init__(self, loop: _Loop) -> None:
        self.loop = loop
        self.rows = 0
        self.groups: list[list[int]] = []
        self.gathering: Gathering[int] = Gathering(self.groups.append, lambda: self.rows)

    def come_to_know(self, rows: int) -> None:
        """Has been as busy as this for a while."""
        self.rows = rows
        for _ in range(100):
            self.gathering.add(0)
            self.loop.wait(1.0)
        self.groups.clear()


@pytest.fixture
def writer(monkeypatch: pytest.MonkeyPatch) -> _Writer:
    loop = _Loop()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: loop)
    return _Writer(loop)


def test_who_is_alone_goes_at_once(writer):
    writer.gathering.add(1)
    assert writer.groups == []  # what is read in the same turn of the loop comes along
    writer.gathering.add(2)
    writer.loop.turn()
    assert writer.groups == [[1, 2]]


def test_under_load_they_go_when_nobody_comes_any_more(writer):
    writer.come_to_know(rows=6)
    writer.gathering.add(1)
    writer.loop.wait(0.9 * PAUSE_SECONDS)
    writer.gathering.add(2)
    writer.loop.wait(PAUSE_SECONDS)
    assert writer.groups == []  # somebody came in the pause
    writer.loop.wait(PAUSE_SECONDS)
    assert writer.groups == [[1, 2]]


def test_under_load_company_is_waited_for_only_so_long(writer):
    writer.come_to_know(rows=6)
    for item in range(20):
        writer.gathering.add(item)
        writer.loop.wait(0.5 * PAUSE_SECONDS)
    first = writer.groups[0]
    assert first == list(range(len(first)))
    assert (
        LONGEST_WAIT_SECONDS
        <= len(first) * 0.5 * PAUSE_SECONDS
        <= (LONGEST_WAIT_SECONDS + 2 * PAUSE_SECONDS)
    )


@pytest.mark.parametrize("rows", [0, 6, 40])
def test_as_many_as_gain_by_it_wait_for_nobody(writer, rows):
    writer.come_to_know(rows)
    writer.gathering.add(1)
    writer.gathering.add(2, size=MOST_ROWS)
    writer.loop.turn()
    assert writer.groups == [[1, 2]]
