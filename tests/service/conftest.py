"""What the tests of the service are given."""

import shutil
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest

from bandit_service import draw
from bandit_service.model import Clock, Forgetting
from bandit_service.store import open_store
from tests.service.running import Service, running


@pytest.fixture
def seeded_ids(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Makes the ids of decisions, and so every draw, follow from a seed."""

    def seed(number: int) -> None:
        rng = np.random.default_rng(number)

        def new_ids(count: int, _now: float) -> list[str]:
            return [str(uuid.UUID(bytes=rng.bytes(16), version=4)) for _ in range(count)]

        monkeypatch.setattr(draw, "new_ids", new_ids)

    return seed


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with all its tables: to copy it is quicker than to make another."""
    path: Path = tmp_path_factory.mktemp("empty") / "bandit.db"
    open_store(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def database(tmp_path: Path, empty_database: Path) -> Path:
    return Path(shutil.copy(empty_database, tmp_path))


@pytest.fixture
async def service(database: Path) -> AsyncIterator[Service]:
    """A service with one policy, "chat", of three arms and vectors of two numbers."""
    async with running(database) as made:
        await made.create()
        yield made


@pytest.fixture
def by_requests() -> Forgetting:
    return Forgetting(half_life=50.0, clock=Clock.REQUESTS)
