"""How fast the store writes, next to the bare driver: `python -m benchmarks.store`.

Decisions have a context of 32 dimensions and 8 arms. Every batch is one transaction,
durable when it returns (SQLite in WAL mode with synchronous FULL, Postgres with its
defaults). The bare driver writes the same rows by its `executemany`, on the same tables.
A ratio below 1 is quicker than that; `cpu` is the processor time of our own thread. The
last lines share the interpreter with a thread that computes all the time, as the writer
shares it with a busy event loop.
"""

import argparse
import json
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import chain
from operator import attrgetter
from pathlib import Path
from random import Random
from threading import Event, Thread
from typing import Any

import psycopg

from bandit_service.model import (
    Decision,
    Effect,
    FeedbackEvent,
    JournalEntry,
    Kind,
    Learned,
    Lesson,
    Outcome,
    RecordedFeedback,
    Source,
)
from bandit_service.ports import Store
from bandit_service.store import open_store, rows
from benchmarks import processes

DIMENSIONS, ARMS = 32, 8
ROWS = {1: 64, 16: 640, 64: 2560, 512: 8192}  # of a run, by batch
FEEDBACK_BATCH, FEEDBACK_ROWS = 100, 2000
REPEATS = 3  # the best counts: the machine is shared

Write = Callable[[Sequence[Any]], None]


@dataclass(frozen=True)
class Measured:
    database: str
    what: str
    batch: int
    us_per_row: float
    cpu_us_per_row: float
    bare_us_per_row: float | None = None

    @property
    def rows_per_second(self) -> float:
        return 1e6 / self.us_per_row

    @property
    def ratio(self) -> float | None:
        return self.us_per_row / self.bare_us_per_row if self.bare_us_per_row else None

    def facts(self) -> dict[str, Any]:
        return asdict(self) | {"rows_per_second": self.rows_per_second, "ratio": self.ratio}

    def line(self) -> str:
        line = (
            f"{self.database:9} {self.what:30} {self.batch:5} {self.rows_per_second:9,.0f} "
            f"{self.us_per_row:8.1f} {self.cpu_us_per_row:8.1f}"
        )
        if self.ratio is None:
            return line
        return f"{line} {self.bare_us_per_row:8.1f} {self.ratio:6.2f}"


class Luck:
    """Records with ids that rise, as those of the service do."""

    def __init__(self) -> None:
        self._random = Random(1)
        self._count = 0

    def decisions(self, count: int) -> list[Decision]:
        return [self._decision() for _ in range(count)]

    def _decision(self) -> Decision:
        self._count += 1
        numbers = self._random.randbytes
        return Decision(
            id=f"{self._count:08x}-0000-7000-8000-{self._random.getrandbits(48):012x}",
            policy_id=1,
            revision=1,
            position=0,
            create_time=1.7e9 + self._count * 1e-4,
            clock=1.7e9,
            feature_version="1",
            context=numbers(8 * DIMENSIONS),
            arm=self._count % ARMS,
            propensity=0.125,
            probabilities=numbers(8 * ARMS),
            means=numbers(8 * ARMS),
            deviations=numbers(8 * ARMS),
            exclusions=bytes(ARMS),
            input_tokens=100,
        )


def timed(write: Write, items: Sequence[Any], batch: int) -> tuple[float, float]:
    """Microseconds a row: by the clock, and of this thread's processor time."""
    start, used = time.perf_counter(), time.thread_time()
    for first in range(0, len(items), batch):
        write(items[first : first + batch])
    passed, used = time.perf_counter() - start, time.thread_time() - used
    return passed / len(items) * 1e6, used / len(items) * 1e6


def store_decisions(store: Store) -> Write:
    def write(decisions: Sequence[Decision]) -> None:
        with store.write() as transaction:
            transaction.add_decisions(decisions)

    return write


def feedback(decisions: Sequence[Decision], head: int) -> tuple[list[Any], ...]:
    """What a batch of feedback appends: one event each, of one lesson."""
    entries, recorded, outcomes, learned = [], [], [], []
    for position, one in enumerate(decisions, head + 1):
        lesson = Lesson(one.arm, one.context, one.clock, None, 1.0)
        told = FeedbackEvent(one.id, one.id, Source.USER, 1.7e9, Effect.LEARNED, (lesson,))
        entries.append(JournalEntry(position, told))
        recorded.append(RecordedFeedback(one.id, one.id[:16].encode(), position, Effect.LEARNED))
        outcomes.append(
            Outcome(one.id, one.arm, Kind.SUCCESS, Source.USER, position, 1.7e9, value=1.0)
        )
        learned.append(Learned(one.id, one.arm, 1.0, 0))
    return entries, recorded, outcomes, learned


def store_feedback(store: Store, *, read: bool) -> Write:
    def write(decisions: Sequence[Decision]) -> None:
        with store.write() as transaction:
            head = transaction.lock_head(1)
            if read:  # as a use case does
                ids = [one.id for one in decisions]
                transaction.recorded(1, ids)
                transaction.decisions(ids)
                transaction.standing(ids)
            entries, recorded, outcomes, learned = feedback(decisions, head)
            transaction.append(1, entries, recorded, outcomes, learned)

    return write


class Bare:
    """The driver by itself: `executemany`, on a connection that is in autocommit."""

    def __init__(self, connection: Any, begin: str, mark: str) -> None:
        self._connection, self._begin, self._mark = connection, begin, mark
        self._head = 0

    def _insert(self, cursor: Any, table: str, values: Sequence[Sequence[Any]]) -> None:
        marks = ", ".join([self._mark] * len(values[0]))
        cursor.executemany(f"INSERT INTO {table} VALUES ({marks})", values)  # noqa: S608 - our names

    def decisions(self, decisions: Sequence[Decision]) -> None:
        fields = attrgetter(*Decision.__struct_fields__)
        cursor = self._connection.cursor()
        cursor.execute(self._begin)
        self._insert(cursor, "decision", list(map(fields, decisions)))
        cursor.execute("COMMIT")
        cursor.close()

    def feedback(self, decisions: Sequence[Decision]) -> None:
        entries, recorded, outcomes, learned = feedback(decisions, self._head)
        self._head += len(entries)
        cursor = self._connection.cursor()
        cursor.execute(self._begin)
        self._insert(cursor, "journal", [rows.journal_row(2, one) for one in entries])
        answers = [rows.recorded_row(2, one) for one in recorded]
        self._insert(cursor, "recorded_feedback", answers)
        self._insert(cursor, "outcome", list(map(rows.outcome_row, outcomes)))
        self._insert(cursor, "learned", list(map(rows.learned_row, learned)))
        cursor.execute("COMMIT")
        cursor.close()


def measure(database: str, store: Store, bare: Bare) -> Iterator[Measured]:
    luck = Luck()
    with store.write() as transaction:
        transaction.create_policy("one", b"secret", 0.0)

    def compare(what: str, ours: Write, theirs: Write, batch: int, count: int) -> Measured:
        """The best of each, by turns."""
        runs = [
            (timed(ours, luck.decisions(count), batch), timed(theirs, luck.decisions(count), batch))
            for _ in range(REPEATS)
        ]
        clock, processor = (min(column) for column in zip(*(mine for mine, _ in runs), strict=True))
        return Measured(database, what, batch, clock, processor, min(one[0] for _, one in runs))

    def with_reads(what: str, count: int) -> Measured:
        told = luck.decisions(count)
        timed(store_decisions(store), told, 512)
        cycle = timed(store_feedback(store, read=True), told, FEEDBACK_BATCH)
        return Measured(database, what, FEEDBACK_BATCH, *cycle)

    decide, tell = store_decisions(store), store_feedback(store, read=False)
    for batch, count in ROWS.items():
        yield compare("decisions", decide, bare.decisions, batch, count)
    yield compare("feedback", tell, bare.feedback, FEEDBACK_BATCH, FEEDBACK_ROWS)
    yield with_reads("feedback, with what it reads", FEEDBACK_ROWS)
    with busy_thread():
        yield compare("decisions, busy", decide, bare.decisions, 64, 256)
        yield with_reads("feedback, with reads, busy", 400)


@contextmanager
def busy_thread() -> Iterator[None]:
    done = Event()

    def compute() -> None:
        while not done.is_set():
            sum(range(1000))

    thread = Thread(target=compute)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def on_sqlite(folder: Path) -> Iterator[Measured]:
    path = folder / "bench.db"
    store = open_store(f"sqlite:///{path}")
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = FULL")
    try:
        yield from measure("sqlite", store, Bare(connection, "BEGIN IMMEDIATE", "?"))
    finally:
        connection.close()
        store.close()


def on_postgres(folder: Path) -> Iterator[Measured]:
    with processes.postgres(folder) as url:
        store = open_store(url)
        try:
            with psycopg.connect(url, autocommit=True) as connection:
                yield from measure("postgres", store, Bare(connection, "BEGIN", "%s"))
        finally:
            store.close()


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=sys.modules[__name__].__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here too")
    arguments = parser.parse_args(given)
    head = f"{'':9} {'':30} {'batch':>5} {'rows/s':>9}"
    print(f"{head} {'us/row':>8} {'cpu':>8} {'bare':>8} {'ratio':>6}")
    found = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        for measured in chain(on_sqlite(Path(folder)), on_postgres(Path(folder))):
            print(measured.line())
            found.append(measured)
    if arguments.json:
        arguments.json.write_text(json.dumps([one.facts() for one in found], indent=2) + "\n")


if __name__ == "__main__":
    main()
