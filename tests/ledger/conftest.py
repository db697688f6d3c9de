"""A service whose policy has budgets, on either database."""

from collections.abc import AsyncIterator

import pytest

from bandit_service.store import open_store
from tests.ledger.budgeted import Budgeted
from tests.service.running import running


@pytest.fixture
async def service(store_url: str) -> AsyncIterator[Budgeted]:
    open_store(store_url).close()
    async with running(store_url, degraded_after=5.0) as made:
        yield Budgeted(made)
