"""What an operator does with checkpoints, on a database whose service may be up or down."""

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import msgspec

from bandit_service.checkpoints.keeper import Keeper
from bandit_service.checkpoints.recovery import recover, restored
from bandit_service.checkpoints.verifying import Truth, fold_whole
from bandit_service.configuration import ShapeOf
from bandit_service.engine import PolicyEngine
from bandit_service.errors import BadCheckpoint, CheckpointNotFound, LeaseHeld, PolicyNotFound
from bandit_service.model import Checkpoint, CheckpointStatus, Lease, StoredPolicy
from bandit_service.ports import Store

CHORES, OPERATOR = "chores", "operator"  # leases: of the replicas, of these commands
OPERATOR_SECONDS = 60.0

Progress = Callable[[str, int], None]  # of a policy's name and the position reached


class Verdict(msgspec.Struct, frozen=True):
    """`wrong` says what is wrong with a checkpoint; None: nothing. `compared` says with what its
    sums were compared; empty where that was not asked for, or did not come to it."""

    policy: str
    checkpoint: Checkpoint
    wrong: str | None
    compared: str = ""


class Restored(msgspec.Struct, frozen=True):
    """What the next start will find: from which checkpoint (None: from zero), and where it ends."""

    policy: str
    checkpoint: Checkpoint | None
    withdrawn: tuple[Checkpoint, ...]
    position: int
    state_hash: str


class Operations:
    """The commands, on one store."""

    def __init__(self, store: Store, keeper: Keeper, shape_of: ShapeOf, progress: Progress) -> None:
        self._store = store
        self._keeper = keeper
        self._shape_of = shape_of
        self._progress = progress

    def policies(self, names: Sequence[str] = ()) -> list[StoredPolicy]:
        """Those of these names, or all. Raises PolicyNotFound."""
        stored = {one.name: one for one in self._store.policies()}
        for name in names:
            if name not in stored:
                raise PolicyNotFound(name)
        return [stored[name] for name in names or stored]

    def listed(self, names: Sequence[str] = ()) -> list[tuple[StoredPolicy, Checkpoint]]:
        """The newest first, policy by policy."""
        return [(one, made) for one in self.policies(names) for made in self._keeper.of(one.id)]

    def create(self, names: Sequence[str] = (), *, pinned: bool = False) -> list[Checkpoint]:
        """A checkpoint of each policy, at the end of its journal."""
        made = []
        for identity in self.policies(names):
            told = partial(self._progress, identity.name)
            recovered = recover(self._store, self._keeper, identity, self._shape_of, progress=told)
            with self._lease() as lease:
                made.append(
                    self._keeper.save(identity, recovered.engine.snapshot(), lease, pinned=pinned)
                )
        return made

    def verify(self, names: Sequence[str] = (), *, against_journal: bool = False) -> list[Verdict]:
        """Reads every checkpoint that recovery might use, as recovery would, the oldest first;
        `against_journal`: and compares it with what its journal gives, see `Truth`."""
        return [
            verdict
            for identity in self.policies(names)
            for verdict in self._verified(identity, against_journal)
        ]

    def _verified(self, identity: StoredPolicy, against_journal: bool) -> Iterator[Verdict]:
        told = partial(self._progress, identity.name)
        truth = Truth(self._store, identity, self._shape_of, told)
        for one in reversed(self._keeper.of(identity.id)):
            if one.status is not CheckpointStatus.USABLE:
                continue
            wrong, compared = None, ""
            try:
                engine = restored(self._keeper, identity, one, self._shape_of)
                if against_journal:
                    compared = truth.compare(one, engine)
            except BadCheckpoint as bad:
                wrong = bad.why
            yield Verdict(identity.name, one, wrong, compared)

    def restore(self, checkpoint_id: int) -> Restored:
        """Makes this checkpoint the one that the next start begins from.

        Those after it are withdrawn; nothing else is changed, and what was learned since then
        comes back from the journal. Raises LeaseHeld while a service runs (it would go on with
        what it has in memory), BadCheckpoint, CheckpointNotFound.
        """
        identity, chosen = self._find(checkpoint_id)
        self._check_that_no_service_runs()
        engine = restored(self._keeper, identity, chosen, self._shape_of)
        made = self._keeper.of(identity.id)
        newer = made[: [one.id for one in made].index(chosen.id)]
        return self._start_over(engine, chosen, newer)

    def restore_from_zero(self, name: str) -> Restored:
        """Withdraws all checkpoints of a policy: the next start folds its whole journal.

        Raises PrunedJournal where that has lost its beginning.
        """
        (identity,) = self.policies([name])
        self._check_that_no_service_runs()
        engine = PolicyEngine(identity, self._shape_of)
        return self._start_over(engine, None, self._keeper.of(identity.id))

    def _start_over(
        self, engine: PolicyEngine, chosen: Checkpoint | None, newer: Sequence[Checkpoint]
    ) -> Restored:
        told = partial(self._progress, engine.identity.name)
        head = self._store.heads().get(engine.identity.id, 0)
        fold_whole(self._store, engine, None, told, head)
        withdrawn = tuple(one for one in newer if one.status is CheckpointStatus.USABLE)
        with self._lease() as lease:
            self._keeper.mark(withdrawn, CheckpointStatus.WITHDRAWN, lease)
            if chosen is not None and chosen.status is not CheckpointStatus.USABLE:
                self._keeper.mark([chosen], CheckpointStatus.USABLE, lease)
        return Restored(
            engine.identity.name, chosen, withdrawn, engine.position, engine.state_hash()
        )

    def pin(self, checkpoint_id: int, pinned: bool) -> Checkpoint:
        """A pinned checkpoint is kept whatever its age."""
        _, one = self._find(checkpoint_id)
        with self._lease() as lease:
            return self._keeper.pin(one, pinned, lease)

    def _find(self, checkpoint_id: int) -> tuple[StoredPolicy, Checkpoint]:
        for identity, one in self.listed():
            if one.id == checkpoint_id and one.status is not CheckpointStatus.WRITING:
                return identity, one
        raise CheckpointNotFound(checkpoint_id)

    def _check_that_no_service_runs(self) -> None:
        standing = self._store.leases.standing(CHORES)
        if standing is not None and standing.seconds_left > 0:
            raise LeaseHeld(CHORES, standing.lease.holder, standing.seconds_left)

    @contextmanager
    def _lease(self) -> Iterator[Lease]:
        """Of the operators alone: a service that makes checkpoints goes on meanwhile."""
        leases = self._store.leases
        holder = f"{socket.gethostname()}:{os.getpid()}"
        lease = leases.take(OPERATOR, holder, OPERATOR_SECONDS)
        if lease is None:
            standing = leases.standing(OPERATOR)
            assert standing is not None
            raise LeaseHeld(OPERATOR, standing.lease.holder, standing.seconds_left)
        yield lease
        leases.drop(lease)
