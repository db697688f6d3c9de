"""The same service on three stores, side by side: a model in memory, SQLite and Postgres."""

from collections.abc import Callable
from functools import partial
from typing import Any

from sqlalchemy import create_engine, text

from bandit_service.errors import BanditError
from bandit_service.model import JournalEntry, PolicyConfig
from bandit_service.ports import Store
from bandit_service.store.tables import metadata
from tests.builders import NOW
from tests.faults.checker import fold
from tests.faults.model_store import ModelStore
from tests.faults.replica import Answered, Replica, ask, create
from tests.faults.switched_store import SwitchedStore

MOST = 100_000


class Three:
    """What is done to one is done to all; what they answer has to be the same."""

    def __init__(self, sqlite: Store, postgres: Store) -> None:
        self.now = NOW
        self.stores = [SwitchedStore(each) for each in (ModelStore(), sqlite, postgres)]
        self.replicas: list[Replica] = []
        self.restart()

    def restart(self) -> None:
        """As after a kill: all that was in memory is gone."""
        self.replicas = [Replica(store, lambda: self.now) for store in self.stores]

    def create(self, config: PolicyConfig) -> None:
        assert len({create(replica, config) for replica in self.replicas}) == 1

    def fail(self, fault: str) -> None:
        for store in self.stores:
            store.fault = fault

    def ask(self, send: Callable[[Replica, Answered], None]) -> Any:
        """Their common answer: errors as what they say, without where they come from."""
        answers = [_plain(ask(each, partial(send, each))) for each in self.replicas]
        assert len({store.fault for store in self.stores}) == 1  # they came by it alike
        model, *others = answers
        assert others == [model, model], answers
        return model

    def journal(self, policy_id: int = 1) -> list[JournalEntry]:
        """Their common journal."""
        model, *others = (each.store.events(policy_id, 0, MOST) for each in self.stores)
        assert others == [model, model]
        return model

    def state(self) -> tuple[int, str]:
        """Their common position and hash."""
        found = {(r.engine().position, r.engine().state_hash()) for r in self.replicas}
        assert len(found) == 1, found
        return found.pop()

    def folded(self) -> tuple[int, str]:
        """The same, of a fold from nothing of what each store holds."""
        engines = [fold(each.store) for each in self.stores]
        found = {(engine.position, engine.state_hash()) for engine in engines}
        assert len(found) == 1, found
        return found.pop()


def _plain(answer: Any) -> Any:
    if isinstance(answer, list):
        return [_plain(each) for each in answer]
    if isinstance(answer, BanditError):
        return type(answer).__name__, str(answer)
    if isinstance(answer, Exception):  # a constraint: each database has its own word for it
        return "refused by the database"
    return answer


def empty(url: str) -> None:
    """Removes every row, and begins to count policies at 1 again."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    names = [table.name for table in metadata.sorted_tables]
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"TRUNCATE {', '.join(names)} RESTART IDENTITY"))
        else:
            for name in reversed(names):
                connection.execute(text(f"DELETE FROM {name}"))  # noqa: S608
    engine.dispose()
