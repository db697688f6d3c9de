"""Logs of a running service, and ways to doctor them behind its back."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from sqlalchemy import Connection, create_engine, text

from bandit_service.evaluation.audit.results import Audit
from bandit_service.evaluation.audit.verifying import verify
from bandit_service.model import Algorithm, Mode, Objective, Preference
from bandit_service.store import open_log_reader
from tests.builders import a_query, a_submission
from tests.service.running import Service, running
from tests.service.test_feedback import some_traffic

ACTING: dict[str, Any] = {
    "algorithm": Algorithm(name="linear_thompson"),
    "floor": 0.1,
    "objective": Objective(quality_per_usd=0.2),
}


async def a_history(url: str, **changes: Any) -> None:
    """Some 250 decisions under three revisions: sessions, duels, failures, forced choices."""
    async with running(url) as service:
        await service.create(**ACTING | changes)
        await some_traffic(service, seed=1)
        await sessions_and_duels(service)
        await service.administrator.update("chat", {"objective": Objective()}, "")
        await some_traffic(service, seed=2)
        await service.administrator.retire_arm("chat", "medium", "")
        await some_traffic(service, seed=3, rounds=4)
        await service.routed(5, allowed_arms=("large",))


async def sessions_and_duels(service: Service) -> None:
    luck = np.random.default_rng(5)
    for turn in range(12):
        query = a_query(vector=luck.normal(size=2).tobytes(), session=f"s{turn % 3}")
        await service.router.route(query)
        duel = (await service.routed(1, vector=luck.normal(size=2).tobytes(), duel=True))[0]
        if duel.second_arm:
            told = a_submission(
                decision_id=duel.decision.id,
                feedback_id=f"duel {turn}",
                preference=Preference(preferred_arm=duel.arm),
            )
            await service.recorder.record(told)


OBSERVING: dict[str, Any] = {"mode": Mode.OBSERVE, "default_arm": "small"}


def audited(url: str, policy: str = "chat", **how: Any) -> Audit:
    reader = open_log_reader(url)
    try:
        return verify(reader, policy, **how)
    finally:
        reader.close()


@contextmanager
def doctoring(url: str) -> Iterator[Connection]:
    """A connection that nobody else knows of."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def rewritten(
    url: str,
    column: str,
    change: Callable[[Any], Any],
    where: str = "sticky = 0 AND forced = 0",
) -> str:
    """Changes one decision in the middle of the log; returns its id."""
    with doctoring(url) as connection:
        rows = connection.execute(
            text(f"SELECT id, {column} FROM decision WHERE {where} ORDER BY id")  # noqa: S608
        ).fetchall()
        decision_id, value = rows[len(rows) // 2]
        values = {"id": decision_id, "value": change(value)}
        connection.execute(text(f"UPDATE decision SET {column} = :value WHERE id = :id"), values)  # noqa: S608
    return str(decision_id)
