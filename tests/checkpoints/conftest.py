"""What the tests of checkpoints are given."""

from collections.abc import Callable

import pytest

from bandit_service.checkpoints import BY_SECRET, Keeper
from bandit_service.model import Lease
from bandit_service.ports import Store
from tests.builders import NOW

LONG = 600.0  # seconds


@pytest.fixture
def keeper(store: Store) -> Keeper:
    return Keeper(store.checkpoints, BY_SECRET, lambda: NOW)


@pytest.fixture
def lease(store: Store) -> Lease:
    taken = store.leases.take("chores", "me", LONG)
    assert taken is not None
    return taken


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Makes parts of so many bytes, so that a small checkpoint has many."""

    def make(size: int) -> None:
        monkeypatch.setattr("bandit_service.checkpoints.keeper.PART", size)

    return make
