"""What the fault tests are given."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.clients import POLICY
from tests.nursery import Nursery, the_nursery
from tests.servers import policy_file


@pytest.fixture
def nursery() -> Nursery:
    return the_nursery()


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """On the disk: what is killed here is to be killed while it waits for one."""
    with tempfile.TemporaryDirectory(prefix="bandit-faults-") as folder:
        yield Path(folder)


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
