"""Whatever replicas do, the ledger says what a plain book says, and never holds more than its own.

On both databases; the book knows nothing of windows' sums.
"""

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import text

from bandit_service.ports import Store
from bandit_service.store import open_store
from tests.ledger.machine import LedgerMachine, walk

QUICK = settings(
    max_examples=6,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)
STEPS = 150


@pytest.fixture(params=["a file", "a server"])
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], LedgerMachine]:
    """Makes machines whose store is empty, and each their own."""
    if request.param == "a server":
        url: str = request.getfixturevalue("postgres_databases")("migrated")

        def emptied() -> Store:
            store: Any = open_store(url)
            with store._engine.begin() as connection:
                connection.execute(text("TRUNCATE policy, decision CASCADE"))
            made: Store = store
            return made

        return _machine(emptied)
    empty = tmp_path / "empty.db"
    open_store(f"sqlite:///{empty}").close()
    numbers = iter(range(10**6))

    def copied() -> Store:
        copy = Path(shutil.copy(empty, tmp_path / f"{next(numbers)}.db"))
        return open_store(f"sqlite:///{copy}")

    return _machine(copied)


def _machine(opened: Callable[[], Store]) -> type[LedgerMachine]:
    class Machine(LedgerMachine):
        def open(self) -> Store:
            return opened()

    return Machine


def test_the_ledger_says_what_a_plain_book_says(machine):
    run_state_machine_as_test(machine, settings=QUICK)


def test_the_same_on_long_walks(machine):
    happened = sum((walk(machine(), seed, STEPS) for seed in (1, 2)), Counter[str]())

    assert min(happened[each] for each in ("reserved", "stored again", "corrected", "expired")) > 10
