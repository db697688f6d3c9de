"""Decisions a second out of both databases into files, by this process's own time on the CPU.

Beside it what could not be quicker, the same rows fetched by the driver and dropped, and the least
that anybody would write: the same columns by a bare SELECT in pages, with `json.dumps` of a dict a
row. What Postgres itself works for it is in the rows a second by the clock only.
"""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
from sqlalchemy import create_engine, text

from bandit_service.evaluation.logs import stored
from bandit_service.evaluation.logs.exporting import uncollected, write
from bandit_service.model import Decision, JournalEntry, Kind, Outcome, Source, Usage
from bandit_service.store import open_log_reader, open_store
from benchmarks import processes
from tests.builders import NOW, SECRET, a_config, a_decision, a_revision, arms

DIM, ARMS = 64, 16
AT_ONCE = 5_000


def exported(rows: int) -> dict[str, dict[str, float]]:
    """By database and format: rows a second of CPU time and of the clock."""
    found = {}
    with processes.databases() as urls, tempfile.TemporaryDirectory() as folder:
        for database, url in urls.items():
            _fill(url, rows)
            _one(url, Path(folder, "warm.parquet"))  # imports are not what is measured
            found[f"{database}, fetched by the driver and dropped"] = _fetched(url)
            found[f"{database}, SELECT and json.dumps"] = _plain(url, Path(folder, "plain.jsonl"))
            for ending in ("parquet", "jsonl"):
                found[f"{database} to {ending}"] = _one(url, Path(folder, f"log.{ending}"))
    return found


def _one(url: str, file: Path) -> dict[str, float]:
    reader = open_log_reader(url)
    start, worked = perf_counter(), process_time()
    count = write(stored.batches(reader, "chat"), file)
    seconds, worked = perf_counter() - start, process_time() - worked
    reader.close()
    return _told(count, seconds, worked) | {"megabytes": round(file.stat().st_size / 1e6, 1)}


def _fetched(url: str) -> dict[str, float]:
    """Tuples of the driver, by the statements of an export."""
    reader = open_log_reader(url)
    policy, _ = reader.policy("chat")
    start, worked = perf_counter(), process_time()
    with uncollected():
        count = sum(len(page.decisions["id"]) for page in reader.columns(policy.id, *stored.ALWAYS))
    seconds, worked = perf_counter() - start, process_time() - worked
    reader.close()
    return _told(count, seconds, worked)


_DECISIONS = (
    "SELECT id, arm, propensity, probabilities, context, create_time, policy_id, revision, "
    "feature_version FROM decision WHERE id > :after ORDER BY id LIMIT 5000"
)
_OUTCOMES = (
    "SELECT decision_id, kind, value, cost_usd, latency_seconds FROM outcome "
    "WHERE decision_id >= :first AND decision_id <= :last"
)


def _plain(url: str, file: Path) -> dict[str, float]:
    """What is to be beaten."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    count, after = 0, ""
    start, worked = perf_counter(), process_time()
    with engine.connect() as connection, file.open("w") as stream:
        while rows := connection.execute(text(_DECISIONS), {"after": after}).fetchall():
            ends = {"first": rows[0][0], "last": rows[-1][0]}
            came: dict[str, dict[str, float]] = {}
            for decision, kind, value, cost, latency in connection.execute(text(_OUTCOMES), ends):
                told = came.setdefault(decision, {})
                told |= {"quality": value} if kind == "success" else {"cost": cost, "s": latency}
            for name, arm, chance, chances, context, *rest in rows:
                line = {
                    "decision_id": name,
                    "arm": f"arm-{arm}",
                    "propensity": chance,
                    "probabilities": {
                        f"arm-{slot}": each
                        for slot, each in enumerate(np.frombuffer(chances).tolist())
                    },
                    "context": np.frombuffer(context).tolist(),
                    "rest": rest,
                    **came.get(name, {}),
                }
                stream.write(json.dumps(line) + "\n")
            count, after = count + len(rows), rows[-1][0]
    seconds, worked = perf_counter() - start, process_time() - worked
    engine.dispose()
    return _told(count, seconds, worked)


def _told(count: int, seconds: float, worked: float) -> dict[str, float]:
    return {
        "rows": count,
        "rows_per_cpu_second": round(count / worked),
        "rows_per_second": round(count / seconds),
    }


def _fill(url: str, rows: int) -> None:
    """Every decision with a thumb and its cost: two outcomes."""
    store = open_store(url)
    names = [f"arm-{slot}" for slot in range(ARMS)]
    with store.write() as transaction:
        policy = transaction.create_policy("chat", SECRET, NOW)
        transaction.lock_head(policy.id)
        config = a_config(name="chat", arms=arms(*names))
        transaction.append(policy.id, [JournalEntry(1, a_revision(config))], [], [], [])
    for start in range(0, rows, AT_ONCE):
        some = range(start, min(rows, start + AT_ONCE))
        with store.write() as transaction:
            transaction.lock_head(policy.id)
            transaction.add_decisions(list(_decisions(policy.id, some)))
            # Outcomes without the events that brought them: nothing here folds the journal.
            transaction.append(policy.id, [], [], list(_outcomes(some)), [])
    store.close()


def _decisions(policy_id: int, some: range) -> Iterator[Decision]:
    luck = np.random.default_rng(some.start)
    even = np.full(ARMS, 1.0 / ARMS).tobytes()
    for at, context in zip(some, luck.normal(size=(len(some), DIM)), strict=True):
        yield a_decision(
            id=f"d{at:09d}",
            policy_id=policy_id,
            create_time=NOW + at,
            context=context.tobytes(),
            arm=at % ARMS,
            propensity=1.0 / ARMS,
            probabilities=even,
            means=even,
            deviations=even,
            exclusions=bytes(ARMS),
        )


def _outcomes(some: range) -> Iterator[Outcome]:
    for at in some:
        name, arm = f"d{at:09d}", at % ARMS
        yield Outcome(name, arm, Kind.SUCCESS, Source.USER, 2, NOW, float(at % 2))
        usage = Usage(cost_usd=0.001 * arm, latency_seconds=0.5)
        yield Outcome(name, arm, Kind.USAGE, Source.USER, 2, NOW, usage=usage)
