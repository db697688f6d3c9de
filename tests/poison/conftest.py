"""One server a file of tests: they share what it holds, and none may change it by a failure."""

from collections.abc import Iterator

import pytest

from tests.poison.house import House


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = House(tmp_path_factory.mktemp("poison"))
    yield house
    house.stop()
