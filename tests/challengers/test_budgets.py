"""Challengers of a policy with a budget: it is the traffic's, whoever decides on it."""

import msgspec
import numpy as np

from bandit_service.eligibility import Exclusion
from bandit_service.model import Algorithm, WhenExhausted
from tests.audit.histories import audited
from tests.challengers.contests import BOLDER, rows_of
from tests.ledger.budgeted import LARGE_UPPER, SMALL_UPPER, Budgeted, a_budget
from tests.service.running import running

EAGER = msgspec.structs.replace(BOLDER, floor=0.5, share=0.5)


async def test_what_cannot_be_paid_has_no_chance_with_anybody(database):
    """There is money for twenty small calls, or for one large one."""
    async with running(database) as service:
        budgeted = Budgeted(service)
        hard = a_budget(20 * SMALL_UPPER, requests=20, when_exhausted=WhenExhausted.REFUSE)
        await budgeted.create(
            hard, algorithm=Algorithm(name="linear_thompson"), challengers=(EAGER,)
        )
        short = rich = 0
        for _ in range(12):
            (answer,) = await budgeted.route()
            made = answer.decision  # type: ignore[union-attr]
            rows, chances = rows_of(made), np.frombuffer(made.probabilities)
            np.testing.assert_allclose(chances, rows.mean(axis=0), atol=1e-15)
            np.testing.assert_allclose(rows.sum(axis=1), 1.0)
            if made.exclusions[1] == Exclusion.BUDGET:
                short += 1
                np.testing.assert_array_equal(rows, [[1.0, 0.0], [1.0, 0.0]])
            else:
                rich += 1
                assert (rows > 0.0).all()
            await budgeted.tell(made, (SMALL_UPPER, LARGE_UPPER)[made.arm])
        assert short > 0

    found = audited(f"sqlite:///{database}")
    assert found.holds
    assert found.decisions == found.rederived == short + rich
    assert found.not_rederived == {}
