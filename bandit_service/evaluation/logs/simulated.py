"""A log with known truth: the decisions of a simulated policy over a table of real outcomes.

What the table knows of the arms that were not drawn is what an estimate should come to.
"""

import numpy as np

from bandit_service.errors import BanditError
from bandit_service.evaluation.arrivals import Arrivals
from bandit_service.evaluation.bundled import bundled_table
from bandit_service.evaluation.contestants import Contestant, entered, named
from bandit_service.evaluation.logs.rows import Row, batch_of
from bandit_service.evaluation.logs.traffic import Traffic
from bandit_service.evaluation.simulation import Simulation
from bandit_service.evaluation.table import OutcomeTable
from bandit_service.model import JournalEntry, Query

SAMPLE_POLICY = "linear_thompson:floor=0.2"
EPOCH = 1_700_000_000.0  # when the first query came; one a second


def simulated_rows(
    table: OutcomeTable, contestant: Contestant, seed: int, *, rounds: int = 1
) -> tuple[list[Row], list[int]]:
    """What the policy decided on every query of the table and what it earned, and for each decision
    the table's row. The table is gone through `rounds` times, each in an order of its own.
    """
    (whose,) = entered([contestant], table)
    simulation = Simulation(table, whose)
    engine = simulation.opened(seed)
    names = [arm.name for arm in whose.config.arms]
    columns = [table.arm_names.index(name) for name in names]
    offered = table.offered[:, columns]
    made: list[Row] = []
    served: list[int] = []
    for turn in range(rounds):
        for row in Arrivals().rows(table, seed * rounds + turn).tolist():
            now = EPOCH + len(made)
            allowed = () if offered[row].all() else tuple(np.array(names)[offered[row]].tolist())
            query = Query(whose.config.name, allowed_arms=allowed)
            context = whose.contexts.matrix[row : row + 1]
            (decision,) = engine.decide((query,), context, now, (f"query-{len(made)}",))
            if isinstance(decision, BanditError):
                raise decision
            event = simulation.feedback(decision, row, True, now)
            if event is not None:
                engine.apply(JournalEntry(engine.position + 1, event))
            chances = np.frombuffer(decision.probabilities)
            column = columns[decision.arm]
            made.append(
                Row(
                    arm=names[decision.arm],
                    propensity=decision.propensity,
                    probabilities={
                        name: float(chance)
                        for name, chance, open_ in zip(names, chances, offered[row], strict=True)
                        if open_
                    },
                    context=np.frombuffer(decision.context).tolist(),
                    quality=_known(table.quality[row, column]),
                    cost_usd=_known(table.cost_usd[row, column]),
                    latency_seconds=_known(table.latency_seconds[row, column]),
                    energy_joules=_known(table.energy_joules[row, column]),
                    create_time=now,
                    # The same query again is no new evidence.
                    session=table.query_ids[row] if rounds > 1 else None,
                    segment=table.tasks[row],
                    policy=whose.config.name,
                    revision=decision.revision,
                    feature_version=decision.feature_version,
                    decision_id=decision.id,
                    forced=decision.forced,
                )
            )
            served.append(row)
    return made, served


def sample_traffic(seed: int = 1) -> Traffic:
    """A log made of the bundled sample: five times its queries, by a policy that explores a lot."""
    rows, _ = simulated_rows(bundled_table(), named(SAMPLE_POLICY), seed, rounds=5)
    batch = batch_of(rows, range(1, len(rows) + 1))
    return Traffic("simulated log of the bundled sample", lambda: iter([batch]))


def _known(amount: float) -> float | None:
    return None if np.isnan(amount) else float(amount)
