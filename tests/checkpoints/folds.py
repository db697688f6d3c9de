"""Engines that have folded something, and journals of them in a store."""

import msgspec

from bandit_service.engine import PolicyEngine
from bandit_service.model import Event, JournalEntry, StoredPolicy
from bandit_service.ports import Store
from tests.builders import NOW, SECRET, shape_of
from tests.service.journals import RandomJournal

IDENTITY = StoredPolicy(1, "chat", SECRET, NOW)


def events_of(seed: int, count: int = 60, algorithm: str = "linear_thompson") -> list[Event]:
    return RandomJournal(seed, algorithm).write(count)


def folded(events: list[Event], identity: StoredPolicy = IDENTITY) -> PolicyEngine:
    engine = PolicyEngine(identity, shape_of)
    return go_on(engine, events)


def go_on(engine: PolicyEngine, events: list[Event]) -> PolicyEngine:
    """Applies the events after the engine's position."""
    for position in range(engine.position + 1, len(events) + 1):
        engine.apply(JournalEntry(position, events[position - 1]))
    return engine


def write(store: Store, events: list[Event], name: str = "chat") -> StoredPolicy:
    """A policy whose journal says this."""
    with store.write() as tx:
        identity = tx.create_policy(name, SECRET, NOW)
        append(store, tx, identity, events)
    return identity


def append(store: Store, tx, identity: StoredPolicy, events: list[Event]) -> None:
    head = tx.lock_head(identity.id)
    entries = [JournalEntry(head + place, event) for place, event in enumerate(events, 1)]
    tx.append(identity.id, entries, [], [], [])


def as_identity(identity: StoredPolicy, **changes) -> StoredPolicy:
    return msgspec.structs.replace(identity, **changes)
