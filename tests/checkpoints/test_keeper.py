"""Checkpoints in a store: what was saved is found good, what is not whole is never taken."""

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from bandit_service.checkpoints import Keeper, Seal, dropped, fold, recover, restored
from bandit_service.engine import PolicyEngine
from bandit_service.errors import BadCheckpoint, LeaseLost
from bandit_service.model import CheckpointStatus, Lease, StoredPolicy
from bandit_service.ports import Store
from tests.builders import NOW, shape_of
from tests.checkpoints.folds import as_identity, events_of, folded, write

ROOT = Path(__file__).parents[2]


def from_zero(store: Store, identity: StoredPolicy) -> str:
    engine = PolicyEngine(identity, shape_of)
    fold(store, engine)
    return engine.state_hash()


def execute(store: Any, statement: str, **values: Any) -> None:
    with store._engine.connect().execution_options(write=True) as connection, connection.begin():
        assert connection.execute(text(statement), values).rowcount > 0


def test_what_was_saved_comes_back(
    store: Store, keeper: Keeper, lease: Lease, small_parts: Callable[[int], None]
) -> None:
    small_parts(700)
    identity = write(store, events_of(1))
    engine = folded(events_of(1), identity)

    saved = keeper.save(identity, engine.snapshot(), lease, pinned=True)

    assert keeper.of(identity.id) == [saved]
    assert (saved.status, saved.position, saved.pinned) == (CheckpointStatus.USABLE, 61, True)
    assert saved.parts == len(store.checkpoints.part_sizes(saved.id)) > 5
    assert restored(keeper, identity, saved, shape_of).state_hash() == engine.state_hash()


@pytest.mark.parametrize("seed", range(3))
def test_a_bit_that_flips_anywhere_is_found(
    store: Store, keeper: Keeper, lease: Lease, small_parts: Callable[[int], None], seed: int
) -> None:
    small_parts(1_000)
    identity = write(store, events_of(1))
    saved = keeper.save(identity, folded(events_of(1), identity).snapshot(), lease)
    luck = random.Random(seed)
    part = luck.randrange(saved.parts)
    body = bytearray(store.checkpoints.part(saved.id, part) or b"")
    body[luck.randrange(len(body))] ^= 1 << luck.randrange(8)
    change = "UPDATE checkpoint_part SET body = :body WHERE part = :part"
    execute(store, change, body=bytes(body), part=part)

    with pytest.raises(BadCheckpoint, match="SHA-256"):
        keeper.read(identity, saved)


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("DELETE FROM checkpoint_part WHERE part = 1", "bytes are there, in"),
        ("DELETE FROM checkpoint_part", "0 of its"),
        ("UPDATE checkpoint_part SET body = substr(body, 2) WHERE part = 0", "bytes are there"),
        ("UPDATE checkpoint_part SET part = part + 1000 WHERE part = 2", "part 2 has gone"),
    ],
)
def test_a_part_that_is_missing_is_missed(
    store: Store, keeper: Keeper, lease: Lease, small_parts: Callable[[int], None],
    statement: str, why: str,
) -> None:  # fmt: skip
    small_parts(1_000)
    identity = write(store, events_of(1))
    saved = keeper.save(identity, folded(events_of(1), identity).snapshot(), lease)
    execute(store, statement)

    with pytest.raises(BadCheckpoint, match=why):
        keeper.read(identity, saved)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE checkpoint SET position = position + 1",
        "UPDATE checkpoint SET fold_version = 2",
        "UPDATE checkpoint SET sha256 = :bytes",
        "UPDATE checkpoint SET mac = :bytes",
    ],
)
def test_what_is_said_of_a_checkpoint_is_sealed_too(
    store: Store, keeper: Keeper, lease: Lease, change: str
) -> None:
    identity = write(store, events_of(1))
    keeper.save(identity, folded(events_of(1), identity).snapshot(), lease)
    values = {"bytes": bytes(32)} if ":bytes" in change else {}
    execute(store, change, **values)

    with pytest.raises(BadCheckpoint, match=r"MAC|SHA-256"):
        keeper.read(identity, keeper.of(identity.id)[0])


def test_another_key_another_policy_and_another_database_are_told_apart(
    store: Store, lease: Lease
) -> None:
    old, new = b"o" * 32, b"n" * 32
    sealed = Keeper(store.checkpoints, Seal((old,)), lambda: NOW)
    identity = write(store, events_of(1))
    saved = sealed.save(identity, folded(events_of(1), identity).snapshot(), lease)

    for keys in ((new,), ()):
        with pytest.raises(BadCheckpoint, match="MAC"):
            Keeper(store.checkpoints, Seal(keys)).read(identity, saved)
    with pytest.raises(BadCheckpoint, match="MAC"):
        sealed.read(as_identity(identity, secret=b"of another database"), saved)
    both = Keeper(store.checkpoints, Seal((new, old)))
    assert both.read(identity, saved).folded.position == 61, "a key that is being replaced"


def test_one_policys_checkpoint_is_never_anothers(
    store: Store, keeper: Keeper, lease: Lease
) -> None:
    one, other = write(store, events_of(1), "one"), write(store, events_of(1), "other")
    keeper.save(one, folded(events_of(1), one).snapshot(), lease)
    execute(store, "UPDATE checkpoint SET policy_id = :other", other=other.id)

    with pytest.raises(BadCheckpoint, match="MAC"):
        keeper.read(other, keeper.of(other.id)[0])


def test_who_lost_the_lease_leaves_nothing_that_could_be_used(
    store: Store, keeper: Keeper, lease: Lease, small_parts: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    small_parts(1_000)
    identity = write(store, events_of(1))
    writes = 0

    def lose(_seconds: float) -> None:
        nonlocal writes
        writes += 1
        if writes == 3:  # paused here, and replaced
            store.leases.drop(lease)
            assert store.leases.take("chores", "another", 600.0)

    monkeypatch.setattr("bandit_service.checkpoints.keeper.time.sleep", lose)

    with pytest.raises(LeaseLost):
        keeper.save(identity, folded(events_of(1), identity).snapshot(), lease)

    (left,) = keeper.of(identity.id)
    assert left.status is CheckpointStatus.WRITING
    assert len(store.checkpoints.part_sizes(left.id)) == 3
    assert recover(store, keeper, identity, shape_of).checkpoint is None


KILLED = """
import sys
from bandit_service.checkpoints import keeper as module, Keeper, BY_SECRET
from bandit_service.store import open_store
from tests.checkpoints.folds import events_of, folded

module.PART = 500
seen = 0

def sleep(_seconds):
    global seen
    seen += 1
    if seen == int(sys.argv[2]):
        print("here", flush=True)
        sys.stdin.read()  # until the SIGKILL

module.time.sleep = sleep
store = open_store(sys.argv[1])
(identity,) = store.policies()
lease = store.leases.take("chores", f"killed at {sys.argv[2]}", 600.0)
engine = folded(events_of(1)[:30 + int(sys.argv[2])], identity)
Keeper(store.checkpoints, BY_SECRET).save(identity, engine.snapshot(), lease)
"""


@pytest.mark.parametrize("part", [1, 7])
def test_sigkill_half_way_leaves_the_one_before(
    store_url: str, store: Store, keeper: Keeper, lease: Lease, part: int
) -> None:
    identity = write(store, events_of(1))
    good = keeper.save(identity, folded(events_of(1)[:20], identity).snapshot(), lease)
    store.leases.drop(lease)
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, store_url, str(part)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as child:  # fmt: skip
        assert child.stdout is not None
        said = child.stdout.readline()
        child.kill()
    assert said == b"here\n"

    recovered = recover(store, keeper, identity, shape_of)

    assert recovered.checkpoint == good
    assert recovered.engine.state_hash() == from_zero(store, identity)
    left, _ = keeper.of(identity.id)
    assert (left.status, left.position) == (CheckpointStatus.WRITING, 30 + part)
    assert left in dropped(keeper.of(identity.id), left.create_time + 3_601)


def test_pruning_takes_the_parts_too(store: Store, keeper: Keeper, lease: Lease) -> None:
    identity = write(store, events_of(1))
    made = [
        keeper.save(identity, folded(events_of(1)[:n], identity).snapshot(), lease)
        for n in (10, 20, 30, 40, 50)
    ]

    gone = keeper.prune(identity, lease)

    assert gone == [made[1], made[0]]
    assert keeper.of(identity.id) == made[:1:-1]
    assert [store.checkpoints.part_sizes(one.id) for one in made[:2]] == [[], []]


def test_checkpoints_of_a_policy_that_was_deleted_go(
    store: Store, keeper: Keeper, lease: Lease
) -> None:
    one, other = write(store, events_of(1), "one"), write(store, events_of(2), "other")
    for identity, seed in ((one, 1), (other, 2)):
        keeper.save(identity, folded(events_of(seed), identity).snapshot(), lease)
    with store.write() as tx:
        tx.delete_policy(one.id, NOW)

    keeper.prune_deleted_policies(lease)

    assert keeper.of(one.id) == []
    assert len(keeper.of(other.id)) == 1
