"""Reads from the log what the calls of each arm took, by where the number comes from.

A call is an arm of a decision: of a duel there are two. Its energy is that of the latest usage,
which holds what earlier ones said. A call without one is counted, as unmeasured.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Engine

from bandit_service.model import EnergySource, RecordedEnergy
from bandit_service.store import rows
from bandit_service.store.engine import answering, open_existing_engine
from bandit_service.store.schema import check_schema

# One row a call, with the joules that stand. Bound: since, until, twice.
_CALLS = """
WITH call AS (
    SELECT policy_id, id, arm FROM decision WHERE create_time >= {p} AND create_time < {p}
    UNION ALL
    SELECT policy_id, id, second_arm FROM decision
    WHERE create_time >= {p} AND create_time < {p} AND second_arm IS NOT NULL
)
SELECT call.policy_id, call.arm, spent.energy_source, count(*), sum(spent.energy_joules),
    sum(CASE WHEN spent.energy_joules IS NULL THEN 0 ELSE coalesce(spent.output_tokens, 0) END),
    sum(CASE WHEN spent.output_tokens IS NULL THEN 0.0
        ELSE coalesce(spent.energy_joules, 0.0) END)
FROM call LEFT JOIN outcome AS spent
    ON spent.decision_id = call.id AND spent.arm = call.arm AND spent.kind = 'usage'
    AND NOT EXISTS (
        SELECT 1 FROM outcome AS later
        WHERE later.decision_id = spent.decision_id AND later.arm = spent.arm
        AND later.kind = 'usage' AND later.position > spent.position
    )
GROUP BY call.policy_id, call.arm, spent.energy_source
"""
# A deleted policy's name may be another one's by now.
_NAMES = """
SELECT id, CASE WHEN delete_time IS NULL THEN name ELSE name || ' (deleted)' END FROM policy
"""
# The arms of a policy only ever grow, and keep their slots: the last revision names them all.
_REVISIONS = """
SELECT policy_id, position, body FROM journal AS one WHERE kind = 'revision' AND position = (
    SELECT max(position) FROM journal AS other
    WHERE other.policy_id = one.policy_id AND other.kind = 'revision'
)
"""

FIRST_MOMENT, LAST_MOMENT = 0.0, 1e11


class SqlEnergyLog:
    """See ports.EnergyLog."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def energy(
        self, policy: str | None = None, since: float | None = None, until: float | None = None
    ) -> list[RecordedEnergy]:
        mark = "?" if self._engine.dialect.name == "sqlite" else "%s"
        between = (
            FIRST_MOMENT if since is None else since,
            LAST_MOMENT if until is None else until,
        )
        with answering(), self._engine.connect() as connection:
            names: dict[int, str] = dict(connection.exec_driver_sql(_NAMES).fetchall())
            revisions = connection.exec_driver_sql(_REVISIONS).fetchall()
            found = connection.exec_driver_sql(_CALLS.format(p=mark), between * 2).fetchall()
        arms = _arms(names, revisions)
        recorded = [
            _recorded(names[row[0]], arms[row[0]][row[1]], row)
            for row in sorted(found, key=_place)
            if policy is None or names[row[0]] == policy
        ]
        return sorted(recorded, key=lambda one: one.policy)  # arms in their own order

    def close(self) -> None:
        self._engine.dispose()


def open_energy_log(url: str) -> SqlEnergyLog:
    """Reads only; a database that is not up to date stays as it is. Raises as `open_store`."""
    engine = open_existing_engine(url)
    try:
        check_schema(engine)
    except BaseException:
        engine.dispose()
        raise
    return SqlEnergyLog(engine)


def _arms(names: dict[int, str], revisions: Iterable[Any]) -> dict[int, list[str]]:
    """The names of each policy's arms, by slot. Raises NotUnderstood."""
    named = {}
    for policy_id, position, body in revisions:
        last = rows.revision_of(names[policy_id], (position, body))
        named[policy_id] = [arm.name for arm in last.config.arms]
    return named


def _place(row: Any) -> tuple[int, int, int]:
    """Policies and arms in the order they came; sources as good as they are, unmeasured last."""
    policy_id, arm, source = row[:3]
    known = len(EnergySource) if source is None else list(EnergySource).index(source)
    return policy_id, arm, known


def _recorded(policy: str, arm: str, row: Any) -> RecordedEnergy:
    _, _, source, calls, joules, tokens, joules_with_tokens = row
    return RecordedEnergy(
        policy=policy,
        arm=arm,
        source=None if source is None else EnergySource(source),
        calls=int(calls),
        energy_joules=None if joules is None else float(joules),
        output_tokens=int(tokens),
        energy_joules_with_tokens=float(joules_with_tokens),
    )
