"""What the fault tests are given."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.clients import POLICY
from tests.faults.processes import Nursery
from tests.servers import policy_file


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    nursery = Nursery(tmp_path_factory.mktemp("services"))
    yield nursery
    nursery.close()


@pytest.fixture
def policy(tmp_path: Path) -> str:
    return str(policy_file(tmp_path, POLICY))


@pytest.fixture(params=["sqlite", "postgres"])
def fresh_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of this test's own, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/test.db"
    make: Callable[[str], str] = request.getfixturevalue("postgres_databases")
    return make("migrated")
