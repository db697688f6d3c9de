"""Writes checkpoints, reads them back, and takes away those that are not needed any more.

Everything here blocks: it runs in a thread of its own. The bytes lie in the database whatever
their size, in parts of a quarter of a megabyte with a transaction each. A file beside the
database would be on one replica's disk and missing from the database's backup, and would have
to be kept in step with its row through every crash; one large value would hold up the writer of
decisions.
"""

import time
from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from bandit_service import failpoints
from bandit_service.checkpoints.packing import MOST_BYTES, pack, unpack
from bandit_service.checkpoints.retention import dropped
from bandit_service.checkpoints.seal import Seal, sha256
from bandit_service.errors import BadCheckpoint
from bandit_service.model import Checkpoint, CheckpointStatus, Lease, StoredPolicy
from bandit_service.ports import Checkpoints
from bandit_service.snapshots import Snapshot

PART = 2**18  # bytes
PAUSES = 2.0  # as long as a part took, so many times: what the others have of the database
LONGEST_PAUSE = 0.1  # seconds

replace = msgspec.structs.replace


class Keeper:
    """The checkpoints of one store. `now`: seconds since the epoch."""

    def __init__(
        self, checkpoints: Checkpoints, seal: Seal, now: Callable[[], float] = time.time
    ) -> None:
        self._checkpoints = checkpoints
        self._seal = seal
        self._now = now

    def save(
        self, identity: StoredPolicy, snapshot: Snapshot, lease: Lease, *, pinned: bool = False
    ) -> Checkpoint:
        """Stores a snapshot; what is returned has been read back and found good.

        Raises LeaseLost, StoreUnavailable, or BadCheckpoint where what was read is not what
        was written. Then what is stored is never used.
        """
        blob = pack(snapshot)
        unsealed = Checkpoint(
            id=0,
            policy_id=identity.id,
            position=snapshot.folded.position,
            fold_version=snapshot.folded.fold_version,
            size=len(blob),
            parts=-(-len(blob) // PART),
            sha256=sha256(blob),
            mac=b"",
            epoch=lease.epoch,
            create_time=self._now(),
            status=CheckpointStatus.WRITING,
            pinned=pinned,
        )
        sealed = replace(unsealed, mac=self._seal.mac(identity, unsealed))
        with self._checkpoints.fenced(lease) as writer:
            made = writer.add(sealed)
        for part in range(made.parts):
            failpoints.hit("during_checkpoint")
            started = time.monotonic()
            with self._checkpoints.fenced(lease) as writer:
                writer.add_part(made.id, part, bytes(blob[part * PART : (part + 1) * PART]))
            time.sleep(min(PAUSES * (time.monotonic() - started), LONGEST_PAUSE))
        self.read(identity, made)
        with self._checkpoints.fenced(lease) as writer:
            writer.mark(made.id, CheckpointStatus.USABLE)
        return replace(made, status=CheckpointStatus.USABLE)

    def read(self, identity: StoredPolicy, checkpoint: Checkpoint) -> Snapshot:
        """What a stored checkpoint holds. Raises BadCheckpoint, StoreUnavailable."""
        blob = self._bytes_of(checkpoint)
        self._seal.check(identity, checkpoint, blob)
        snapshot = unpack(blob)
        folded = snapshot.folded
        if (folded.policy_id, folded.position) != (checkpoint.policy_id, checkpoint.position):
            raise BadCheckpoint(f"it holds policy {folded.policy_id} at position {folded.position}")
        return snapshot

    def _bytes_of(self, checkpoint: Checkpoint) -> memoryview:
        sizes = self._checkpoints.part_sizes(checkpoint.id)
        if len(sizes) != checkpoint.parts or sum(sizes) != checkpoint.size:
            raise BadCheckpoint(
                f"{sum(sizes)} of its {checkpoint.size} bytes are there, in {len(sizes)} of "
                f"{checkpoint.parts} parts"
            )
        if checkpoint.size > MOST_BYTES:
            raise BadCheckpoint(f"it has {checkpoint.size} bytes; at most {MOST_BYTES} are read")
        # Not a bytearray: that is filled with zeros first, while nobody else can run.
        blob = np.empty(checkpoint.size, np.uint8).data
        at = 0
        for part, size in enumerate(sizes):
            body = self._checkpoints.part(checkpoint.id, part)
            if body is None or len(body) != size:
                raise BadCheckpoint(f"its part {part} has gone")
            blob[at : at + size] = body
            at += size
        return blob

    def of(self, policy_id: int) -> list[Checkpoint]:
        """All of a policy, the newest first."""
        return self._checkpoints.of(policy_id)

    def prune(self, identity: StoredPolicy, lease: Lease) -> list[Checkpoint]:
        """Takes away what is not kept any more; only after a newer one was saved."""
        gone = dropped(self.of(identity.id), self._now())
        self._delete(gone, lease)
        return gone

    def prune_deleted_policies(self, lease: Lease) -> None:
        self._delete(self._checkpoints.of_deleted_policies(), lease)

    def mark(
        self, checkpoints: Sequence[Checkpoint], status: CheckpointStatus, lease: Lease
    ) -> None:
        """All of them or none."""
        with self._checkpoints.fenced(lease) as writer:
            for one in checkpoints:
                writer.mark(one.id, status)

    def pin(self, checkpoint: Checkpoint, pinned: bool, lease: Lease) -> Checkpoint:
        with self._checkpoints.fenced(lease) as writer:
            writer.pin(checkpoint.id, pinned)
        return replace(checkpoint, pinned=pinned)

    def _delete(self, gone: list[Checkpoint], lease: Lease) -> None:
        for one in gone:
            with self._checkpoints.fenced(lease) as writer:
                writer.delete(one.id)
