"""Whatever replicas do, the ledger says what a plain book says, and never holds more than its own.

On both databases; the book knows nothing of windows' sums.
"""

import shutil
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from bandit_service.ports import Store
from bandit_service.store import open_store
from tests.ledger.machine import LedgerMachine

QUICK = settings(
    max_examples=12,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)


def test_in_a_file(tmp_path: Path) -> None:
    empty = tmp_path / "empty.db"
    open_store(f"sqlite:///{empty}").close()
    made = iter(range(10**6))

    class Machine(LedgerMachine):
        def open(self) -> Store:
            copied = Path(shutil.copy(empty, tmp_path / f"{next(made)}.db"))
            return open_store(f"sqlite:///{copied}")

    run_state_machine_as_test(Machine, settings=QUICK)


def test_on_a_server(postgres_databases) -> None:
    url = postgres_databases("migrated")

    class Machine(LedgerMachine):
        def open(self) -> Store:
            store = open_store(url)
            engine = store._engine  # type: ignore[attr-defined]
            from sqlalchemy import text

            with engine.begin() as connection:
                connection.execute(text("TRUNCATE policy, decision CASCADE"))
            return store

    run_state_machine_as_test(Machine, settings=QUICK)
