"""A start takes the newest checkpoint that is good, and what the journal says since then."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from bandit_service.batch import Known
from bandit_service.checkpoints import BY_SECRET, Keeper, fold, pack, recover
from bandit_service.checkpoints.seal import sha256
from bandit_service.engine import FOLD_VERSION, PolicyEngine, Registry
from bandit_service.errors import BrokenJournal, LostBeginning
from bandit_service.journal import Journal
from bandit_service.model import (
    Checkpoint,
    CheckpointStatus,
    JournalEntry,
    Lease,
    Limits,
    StoredPolicy,
)
from bandit_service.ports import Store
from bandit_service.store import open_store
from policies import CATALOGUE
from tests.builders import NOW, shape_of
from tests.checkpoints.folds import events_of, folded, write
from tests.checkpoints.test_keeper import execute
from tests.checkpoints.test_packing import archive_of, described, members_of, npy_of
from tests.service.running import running


class CountingStore:
    """Notes from where the journal was read."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.read: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def events(self, policy_id: int, after: int, limit: int) -> list[JournalEntry]:
        page = self._store.events(policy_id, after, limit)
        self.read += [entry.position for entry in page]
        return page


def from_zero(store: Store, identity: StoredPolicy) -> PolicyEngine:
    engine = PolicyEngine(identity, shape_of)
    fold(store, engine)
    return engine


def some_checkpoints(
    store: Store, keeper: Keeper, lease: Lease, at: tuple[int, ...] = (20, 30, 40)
) -> tuple[StoredPolicy, list[Checkpoint]]:
    events = events_of(1)
    identity = write(store, events)
    made = [keeper.save(identity, folded(events[:n], identity).snapshot(), lease) for n in at]
    return identity, made


def break_one(store: Store, one: Checkpoint) -> None:
    change = "UPDATE checkpoint_part SET body = substr(body, 1, 2000) WHERE checkpoint_id = :id"
    execute(store, change, id=one.id)


@pytest.mark.parametrize("algorithm", CATALOGUE)
def test_only_the_tail_is_read(store: Store, keeper: Keeper, lease: Lease, algorithm: str) -> None:
    events = events_of(1, algorithm=algorithm)
    identity = write(store, events)
    made = keeper.save(identity, folded(events[:40], identity).snapshot(), lease)
    counting: Any = CountingStore(store)

    recovered = recover(counting, keeper, identity, shape_of)

    assert recovered.checkpoint == made
    assert counting.read == list(range(41, 62))
    assert recovered.engine.state_hash() == from_zero(store, identity).state_hash()


def test_without_one_the_whole_journal_is_folded(store: Store, keeper: Keeper) -> None:
    identity = write(store, events_of(1))
    counting: Any = CountingStore(store)

    recovered = recover(counting, keeper, identity, shape_of)

    assert recovered.checkpoint is None
    assert counting.read == list(range(1, 62))
    assert recovered.engine.state_hash() == from_zero(store, identity).state_hash()


@pytest.mark.parametrize("broken", [1, 2, 3])
def test_a_damaged_one_is_left_aside_and_said_aloud(
    store: Store, keeper: Keeper, lease: Lease, broken: int, caplog: pytest.LogCaptureFixture
) -> None:
    identity, made = some_checkpoints(store, keeper, lease)
    for one in made[-broken:]:
        break_one(store, one)

    with caplog.at_level(logging.WARNING):
        recovered = recover(store, keeper, identity, shape_of)

    assert recovered.checkpoint == (made[-1 - broken] if broken < 3 else None)
    assert recovered.engine.state_hash() == from_zero(store, identity).state_hash()
    assert [record.getMessage() for record in caplog.records] == [
        f"checkpoint {one.id} of policy 'chat' at position {one.position} is left aside: "
        f"2000 of its {one.size} bytes are there, in 1 of 1 parts"
        for one in reversed(made[-broken:])
    ]


def cut_off(blob: bytes) -> bytes:
    return blob[: len(blob) // 2]


def flipped(blob: bytes) -> bytes:
    """A bit of the sums: the header, and the archive, are as they were."""
    middle = blob.index(b"calls.calls.npy") + 200
    return blob[:middle] + bytes([blob[middle] ^ 1]) + blob[middle + 1 :]


def with_objects(blob: bytes) -> bytes:
    pickled = b"\x80\x04K\x01." + bytes(19)
    return with_clocks(blob, npy_of(described((3,), "|O"), pickled))


def with_a_huge_shape(blob: bytes) -> bytes:
    return with_clocks(blob, npy_of(described((2**62, 2**62)), bytes(24)))


def with_clocks(blob: bytes, member: bytes) -> bytes:
    return archive_of(members_of(blob) | {"state.clocks.npy": member})


def plant(store: Store, identity: StoredPolicy, blob: bytes, lease: Lease) -> None:
    """Bytes that nobody packed, with the hash and the MAC that they need to be believed."""
    unsealed = Checkpoint(
        id=0, policy_id=identity.id, position=61, fold_version=FOLD_VERSION, size=len(blob),
        parts=1, sha256=sha256(blob), mac=b"", epoch=lease.epoch, create_time=NOW,
        status=CheckpointStatus.USABLE, pinned=False,
    )  # fmt: skip
    sealed = msgspec.structs.replace(unsealed, mac=BY_SECRET.mac(identity, unsealed))
    with store.checkpoints.fenced(lease) as writer:
        writer.add_part(writer.add(sealed).id, 0, blob)


@pytest.mark.parametrize("spoil", [cut_off, flipped, with_objects, with_a_huge_shape])
async def test_a_bad_one_that_is_sealed_well_is_left_aside_and_the_service_starts(
    tmp_path: Path, spoil: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    """As who may write to all of the database could plant it."""
    store = open_store(f"sqlite:///{tmp_path}/test.db")
    identity = write(store, events_of(1))
    lease = store.leases.take("chores", "me", 600.0)
    assert lease is not None
    truth = from_zero(store, identity)
    plant(store, identity, spoil(bytes(pack(truth.snapshot()))), lease)
    before = store.checkpoints.of(identity.id)
    store.close()

    async with running(tmp_path / "test.db") as service:
        assert service.journal.started_from == {}
        assert service.engine().state_hash() == truth.state_hash()
        assert await service.decide()
        assert service.store.checkpoints.of(identity.id) == before

    assert f"checkpoint {before[0].id} of policy 'chat' at position 61 is left aside" in caplog.text


@pytest.mark.parametrize("status", [CheckpointStatus.WRITING, CheckpointStatus.WITHDRAWN])
def test_one_that_is_not_usable_is_passed_over(
    store: Store, keeper: Keeper, lease: Lease, status: CheckpointStatus,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    identity, made = some_checkpoints(store, keeper, lease)
    keeper.mark(made[-1:], status, lease)

    assert recover(store, keeper, identity, shape_of).checkpoint == made[-2]
    assert caplog.records == []


def test_of_another_fold_version_none_is_used(
    store: Store, keeper: Keeper, lease: Lease, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    identity, made = some_checkpoints(store, keeper, lease)
    old = from_zero(store, identity).state_hash()
    be_another_version(monkeypatch)

    recovered = recover(store, keeper, identity, shape_of)

    assert recovered.checkpoint is None
    assert len(caplog.records) == len(made)
    assert "it has fold version 1, this program has 2" in caplog.text
    assert recovered.engine.state_hash() == from_zero(store, identity).state_hash() != old


def test_where_checkpoints_alone_hold_the_beginning_another_fold_version_refuses(
    store: Store, keeper: Keeper, lease: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity, made = some_checkpoints(store, keeper, lease)
    truth = recover(store, keeper, identity, shape_of)
    held = Limits(journal_before=NOW + 1e9, journal={identity.id: made[0].position})
    assert store.prune(held, dry_run=False)
    before = store.events(identity.id, 0, 100)

    with monkeypatch.context() as patch:
        be_another_version(patch)
        with pytest.raises(LostBeginning, match="'chat' does not have position 2 any more"):
            recover(store, keeper, identity, shape_of)

    assert store.events(identity.id, 0, 100) == before
    again = recover(store, keeper, identity, shape_of)
    assert again.checkpoint == truth.checkpoint == made[-1]
    assert again.engine.state_hash() == truth.engine.state_hash()


def be_another_version(monkeypatch: pytest.MonkeyPatch, version: int = 2) -> None:
    for module in ("engine", "revising", "journal", "checkpoints.recovery"):
        monkeypatch.setattr(f"bandit_service.{module}.FOLD_VERSION", version)


def test_a_gap_in_the_tail_is_no_matter_of_checkpoints(
    store: Store, keeper: Keeper, lease: Lease
) -> None:
    identity, _ = some_checkpoints(store, keeper, lease)
    execute(store, "DELETE FROM journal WHERE position = 50")

    with pytest.raises(BrokenJournal, match="position 50"):
        recover(store, keeper, identity, shape_of)


def test_what_came_before_the_checkpoint_is_not_even_looked_at(
    store: Store, keeper: Keeper, lease: Lease
) -> None:
    identity, _ = some_checkpoints(store, keeper, lease)
    truth = from_zero(store, identity).state_hash()
    execute(store, "DELETE FROM journal WHERE position <= 40")

    assert recover(store, keeper, identity, shape_of).engine.state_hash() == truth


def test_a_checkpoint_of_more_than_the_journal_has_is_never_what_a_policy_goes_on_from(
    store: Store, keeper: Keeper, lease: Lease, caplog: pytest.LogCaptureFixture
) -> None:
    """As when the database was set back to a copy, and the checkpoints were not."""
    identity, made = some_checkpoints(store, keeper, lease)
    execute(store, "DELETE FROM journal WHERE position > 35")
    execute(store, "UPDATE policy_head SET head = 35")

    recovered = recover(store, keeper, identity, shape_of)

    assert recovered.checkpoint == made[1]
    assert recovered.engine.position == 35
    assert "is left aside: its journal ends at 35" in caplog.text


def test_the_journal_starts_from_it(store: Store, keeper: Keeper, lease: Lease) -> None:
    identity, made = some_checkpoints(store, keeper, lease)
    registry = Registry()
    journal = Journal(store, registry, shape_of, lambda: NOW)

    journal.load()

    engine, truth = registry.by_name["chat"], from_zero(store, identity)
    assert journal.started_from == {identity.id: made[-1]}
    assert engine.state_hash() == truth.state_hash()
    known = Known(engine)  # what the writer begins with
    assert (known.position, known.revision) == (61, truth.revision)
    assert known.terms == truth.terms()


def test_nothing_of_the_database_is_changed_by_it(
    store: Store, keeper: Keeper, lease: Lease
) -> None:
    identity, made = some_checkpoints(store, keeper, lease)
    break_one(store, made[-1])

    recover(store, keeper, identity, shape_of)

    assert keeper.of(identity.id) == made[::-1]
    with store._engine.connect() as connection:  # type: ignore[attr-defined]
        assert connection.scalar(text("SELECT count(*) FROM journal")) == 61
