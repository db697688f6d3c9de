"""Decisions under budgets are derived again from the prices that are stored with them."""

import numpy as np
import pytest
from sqlalchemy import text

from bandit_service.model import Algorithm, WhenExhausted, unpack
from tests.audit.histories import audited, doctoring
from tests.ledger.budgeted import Budgeted, a_budget
from tests.service.running import running

NEARLY_USED_UP, PLENTY = 0.6, 60.0


async def a_budgeted_history(path, algorithm, *, first=NEARLY_USED_UP, count=60):
    """Bound by two budgets, of which one may be nearly used up; half of the calls are paid."""
    rng = np.random.default_rng(2)
    async with running(path) as service:
        budgeted = Budgeted(service)
        whole = a_budget(first, requests=count, when_exhausted=WhenExhausted.CHEAPEST)
        await budgeted.create(whole, a_budget(0.004, rate=True, name="each"), algorithm=algorithm)
        made = []
        for at in range(count):
            vector = rng.normal(size=2)
            decision = await budgeted.decide(vector=(vector / np.linalg.norm(vector)).tobytes())
            made.append(decision)
            if at % 2:
                await budgeted.tell(decision, 0.001 + 0.01 * decision.arm, score=float(at % 3 > 0))
    return made


@pytest.mark.parametrize("name", ["linear_thompson", "linucb", "hierarchical_thompson"])
async def test_probabilities_follow_from_the_stored_prices(tmp_path, name):
    path = tmp_path / "audit.db"
    made = await a_budgeted_history(path, Algorithm(name=name))
    steered = [unpack(one.spending or b"") for one in made]
    assert any(np.frombuffer(one.priced.first).any() for one in steered if one.priced)

    found = audited(f"sqlite:///{path}")

    assert found.findings == ()
    assert (found.decisions, found.rederived, found.not_rederived) == (60, 60, {})


async def test_another_price_or_another_chance_is_found(tmp_path):
    path = tmp_path / "audit.db"
    # How many decisions leave both arms a chance is luck where little is left. The most even two
    # are changed: a price of 5 more says nothing of an arm that had no chance anyway.
    made = await a_budgeted_history(path, Algorithm(name="linear_thompson"), first=PLENTY)
    moved, nudged = sorted(made, key=lambda one: np.frombuffer(one.probabilities).min())[-2:]
    assert np.frombuffer(moved.probabilities).min() > 1e-3
    spending = bytearray(moved.spending or b"")
    priced = unpack(bytes(spending)).priced
    assert priced is not None
    at = spending.index(priced.first)
    spending[at : at + 8] = np.array([np.frombuffer(priced.first)[0] + 5.0]).tobytes()
    chances = np.frombuffer(nudged.probabilities) + np.array([1e-6, -1e-6])
    with doctoring(f"sqlite:///{path}") as connection:
        for column, body, one in (
            ("spending", bytes(spending), moved),
            ("probabilities", chances.tobytes(), nudged),
        ):
            connection.execute(
                text(f"UPDATE decision SET {column} = :body WHERE id = :id"),  # noqa: S608
                {"body": body, "id": one.id},
            )

    found = audited(f"sqlite:///{path}")

    wrong = {one.decision_id for one in found.findings if one.what == "probabilities"}
    assert wrong == {moved.id, nudged.id}
