"""The same service on three stores, side by side: a model in memory, SQLite and Postgres."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import create_engine, text

from bandit_service.engine import PolicyEngine
from bandit_service.errors import BanditError
from bandit_service.model import JournalEntry, PolicyConfig
from bandit_service.ports import Store
from bandit_service.store.tables import metadata
from tests.builders import NOW, shape_of
from tests.faults.model_store import ModelStore
from tests.faults.replica import Answered, Replica, ask, create
from tests.faults.switched_store import SwitchedStore

T = TypeVar("T")

MOST = 100_000


class Three:
    """What is done to one is done to all; what they answer has to be the same."""

    def __init__(self, sqlite: Store, postgres: Store) -> None:
        self.now = NOW
        self.stores = [SwitchedStore(each) for each in (ModelStore(), sqlite, postgres)]
        self.replicas: list[Replica] = []
        self._past: dict[int, dict[int, JournalEntry]] = {}  # by policy, by position
        self.restart()

    def restart(self) -> None:
        """As after a kill: all that was in memory is gone."""
        self.replicas = [Replica(store, lambda: self.now) for store in self.stores]

    def same(self, of_one: Callable[[int], T]) -> T:
        """What the three of them say, each by its number; it has to be the same."""
        model, *others = (of_one(number) for number in range(3))
        assert others == [model, model], (model, others)
        return model

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

    def kept(self, policy_id: int = 1) -> list[JournalEntry]:
        """What their journals hold, which is the same."""
        return self.same(lambda n: self.stores[n].store.events(policy_id, 0, MOST))

    def journal(self, policy_id: int = 1) -> list[JournalEntry]:
        """Their common journal, with what retention has let go. AssertionError where an entry has
        become another."""
        past = self._past.setdefault(policy_id, {})
        for entry in self.kept(policy_id):
            assert past.setdefault(entry.position, entry) == entry
        return [past[position] for position in sorted(past)]

    def state(self, policy: str = "chat") -> tuple[int, str]:
        """Their common position and hash."""
        engines = [replica.engine(policy) for replica in self.replicas]
        return self.same(lambda n: (engines[n].position, engines[n].state_hash()))

    def folded(self, policy_id: int = 1) -> tuple[int, str]:
        """The same, of a fold from nothing of all that was ever in the journal."""
        (identity,) = [one for one in self.stores[0].store.policies() if one.id == policy_id]
        engine = PolicyEngine(identity, shape_of)
        for entry in self.journal(policy_id):
            engine.apply(entry)
        return engine.position, engine.state_hash()


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
