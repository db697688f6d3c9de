"""One server for all files of tests that run in this process."""

from collections.abc import Iterator

import pytest

from tests.poison.house import House


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = House(tmp_path_factory.mktemp("poison"))
    yield house
    house.stop()
