"""Of queries that are decided together one may be refused: nothing is charged for it."""

import pytest

from bandit_service.errors import Unpriced
from bandit_service.model import Arm, Routed, WhenExhausted
from tests.builders import a_query
from tests.ledger.budgeted import SMALL, a_budget, charges, told_of

UNKNOWN = Arm(name="unknown")


@pytest.mark.parametrize("first_is_refused", [True, False])
async def test_who_is_refused_is_not_charged_and_loses_the_session(service, first_is_refused):
    budget = a_budget(10.0, when_exhausted=WhenExhausted.REFUSE)
    await service.create(budget, arms=(SMALL, UNKNOWN))
    await service.decide()  # a lease is there
    engine = service.service.engine()
    (holding,) = engine.account.holdings
    before = holding.rest, holding.decided
    refused = a_query(allowed_arms=("unknown",), session="refused")
    served = a_query(allowed_arms=("small",), session="served")

    queries = [refused, served] if first_is_refused else [served, refused]
    answers = await service.service.router.route_many(queries)

    kinds = [Routed, Unpriced]
    assert [type(one) for one in answers] == (kinds[::-1] if first_is_refused else kinds)
    (answer,) = [one for one in answers if isinstance(one, Routed)]
    (charge,) = charges(told_of(answer))
    assert holding.rest == before[0] - charge.reserved
    assert holding.decided == before[1] + 1
    assert engine.session_hash("served") in engine.sessions
    assert engine.session_hash("refused") not in engine.sessions
