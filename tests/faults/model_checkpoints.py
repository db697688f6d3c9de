"""Leases and checkpoints of the store in memory, from what ports.py promises and nothing else."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

import msgspec

from bandit_service.errors import LeaseLost
from bandit_service.model import Checkpoint, CheckpointStatus, Lease, LeaseStanding

if TYPE_CHECKING:
    from tests.faults.model_store import Tables

# A copy of the tables to change, which becomes the truth at the end.
Changing = Callable[[], AbstractContextManager["Tables"]]
Reading = Callable[[], "Tables"]


class ModelLeases:
    """See ports.Leases. `now` is the database's clock."""

    def __init__(self, changing: Changing, reading: Reading, now: Callable[[], float]) -> None:
        self._changing, self._reading, self._now = changing, reading, now

    def take(self, name: str, holder: str, seconds: float) -> Lease | None:
        with self._changing() as tables:
            lease, until = tables.leases.get(name, (Lease(name, holder, 1), 0.0))
            if lease.holder != holder:
                if until >= self._now():
                    return None
                lease = Lease(name, holder, lease.epoch + 1)
            tables.leases[name] = lease, self._now() + seconds
        return lease

    def drop(self, lease: Lease) -> None:
        with self._changing() as tables:
            if tables.leases.get(lease.name, (None,))[0] == lease:
                tables.leases[lease.name] = lease, 0.0

    def standing(self, name: str) -> LeaseStanding | None:
        found = self._reading().leases.get(name)
        return None if found is None else LeaseStanding(found[0], found[1] - self._now())


class ModelCheckpointWriter:
    """See ports.CheckpointWriter."""

    def __init__(self, tables: "Tables") -> None:
        self._tables = tables

    def add(self, checkpoint: Checkpoint) -> Checkpoint:
        self._tables.last_checkpoint += 1
        made = msgspec.structs.replace(checkpoint, id=self._tables.last_checkpoint)
        self._tables.checkpoints[made.id] = made
        return made

    def add_part(self, checkpoint_id: int, part: int, body: bytes) -> None:
        self._tables.parts[checkpoint_id, part] = body

    def mark(self, checkpoint_id: int, status: CheckpointStatus) -> None:
        made = self._tables.checkpoints[checkpoint_id]
        self._tables.checkpoints[checkpoint_id] = msgspec.structs.replace(made, status=status)

    def pin(self, checkpoint_id: int, pinned: bool) -> None:
        made = self._tables.checkpoints[checkpoint_id]
        self._tables.checkpoints[checkpoint_id] = msgspec.structs.replace(made, pinned=pinned)

    def delete(self, checkpoint_id: int) -> None:
        del self._tables.checkpoints[checkpoint_id]
        for key in [key for key in self._tables.parts if key[0] == checkpoint_id]:
            del self._tables.parts[key]


class ModelCheckpoints:
    """See ports.Checkpoints."""

    def __init__(self, changing: Changing, reading: Reading) -> None:
        self._changing, self._reading = changing, reading

    def of(self, policy_id: int) -> list[Checkpoint]:
        return self._listed(lambda one: one.policy_id == policy_id)

    def of_deleted_policies(self) -> list[Checkpoint]:
        return self._listed(lambda one: one.policy_id not in self._reading().heads)

    def _listed(self, wanted: Callable[[Checkpoint], bool]) -> list[Checkpoint]:
        mine = [one for one in self._reading().checkpoints.values() if wanted(one)]
        return sorted(mine, key=lambda one: (-one.position, -one.id))

    def part_sizes(self, checkpoint_id: int) -> list[int]:
        parts = self._reading().parts
        return [len(parts[key]) for key in sorted(parts) if key[0] == checkpoint_id]

    def part(self, checkpoint_id: int, part: int) -> bytes | None:
        return self._reading().parts.get((checkpoint_id, part))

    @contextmanager
    def fenced(self, lease: Lease) -> Iterator[ModelCheckpointWriter]:
        with self._changing() as tables:
            if tables.leases.get(lease.name, (None,))[0] != lease:
                raise LeaseLost(lease.name, lease.epoch)
            yield ModelCheckpointWriter(tables)
