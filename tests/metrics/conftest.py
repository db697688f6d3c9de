from collections.abc import Iterator

import pytest

from bandit_service.engine import Registry
from bandit_service.metrics import Metrics


@pytest.fixture
def engines() -> Registry:
    return Registry()


@pytest.fixture
def metrics(engines: Registry) -> Iterator[Metrics]:
    """Those of a service that has not started."""
    made = Metrics(engines, "127.0.0.1:0")
    yield made
    made.stop()
