"""The chores of a simulated world: between two parts of a checkpoint all the rest goes on."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest import mock

from bandit_service.errors import StoreUnavailable
from bandit_service.model import Checkpoint
from tests.faults import chores
from tests.faults.model_store import ModelStore
from tests.faults.replica import Replica
from tests.faults.simulated_calls import Wrong

if TYPE_CHECKING:
    from tests.faults.simulation import World

# How often, a step: somebody looks at the chores; a disk spoils what it holds.
LOOK, ROT = 0.06, 0.01
TIDY = 0.5  # of those who have the lease
LEASE_SECONDS = 3.0  # thirty steps
# How often, a part, whoever writes it is stopped; and for how many steps.
NAPS, NAP = 0.02, 40
PART = 700  # bytes: a handful of parts


class Died(Exception):
    """The process that was at it is no more."""


class Chores:
    """`tidied` is when what is old was let go last."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._bad: set[int] = set()  # checkpoints that are spoiled
        self.tidied = 0.0

    def look(self, is_nested: bool = False) -> None:
        """Whoever it is, it may find that the lease is another's."""
        world, luck = self._world, self._world.luck
        if luck.random() < ROT:
            self._spoil()
        living = [
            one
            for number, one in enumerate(world.replicas)
            if one is not None and world.stopped.get(number, 0) <= world.step
        ]
        if not living or luck.random() >= LOOK:
            return
        replica = luck.choice(living)
        try:
            came_to = self._checkpoint(replica, is_nested)
            world.counts[f"checkpoints {came_to}"] += 1
            if came_to == chores.SAVED and luck.random() < TIDY:
                self._tidy()
        except Died:
            world.counts["checkpoints died"] += 1
        except StoreUnavailable:
            pass

    def _checkpoint(self, replica: Replica, is_nested: bool) -> str:
        world = self._world

        def meanwhile(_seconds: float) -> None:
            for _ in range(NAP if world.luck.random() < NAPS else 1):
                world.go_wrong()
                world.go_on()
                if not is_nested and world.luck.random() < LOOK:
                    self.look(is_nested=True)
            if replica not in world.replicas:
                raise Died

        with _parts(meanwhile):
            return chores.checkpoint(replica, str(id(replica)), lambda: world.now, LEASE_SECONDS)

    def _tidy(self) -> None:
        world = self._world
        before = len(world.store.tables.journal)
        self.tidied = max(self.tidied, world.now)  # perhaps, if nobody hears that it was done
        chores.tidy(world.store, world.now)
        world.counts["let go"] += before - len(world.store.tables.journal)

    def _spoil(self) -> None:
        """A byte of the newest good checkpoint, on the disk; another good one stays."""
        world, store = self._world, self._world.store
        good = self._good()
        if len(good) < 2 or store.tables is not store.synced:
            return
        tables = store.tables.copy()
        part = world.luck.randrange(good[0].parts)
        body = bytearray(tables.parts[good[0].id, part])
        body[world.luck.randrange(len(body))] ^= world.luck.randint(1, 255)
        tables.parts[good[0].id, part] = bytes(body)
        store.tables = store.synced = tables
        self._bad.add(good[0].id)
        world.counts["spoiled"] += 1

    def _good(self) -> list[Checkpoint]:
        """The newest first."""
        found = chores.usable(ModelStore(self._world.store.tables))
        return [one for one in found if one.id not in self._bad]

    def check_the_start(self, replica: Replica) -> None:
        """It has begun from the newest good one."""
        began = replica.started_from()
        if began != next(iter(self._good()), None):
            raise Wrong(f"it began from {began}, and there were {self._good()}")
        self._world.counts["starts from a checkpoint"] += began is not None


def _parts(meanwhile: Callable[[float], None]) -> Any:
    """Small parts, and something to do between them."""
    clock = SimpleNamespace(monotonic=lambda: 0.0, sleep=meanwhile)
    return mock.patch.multiple("bandit_service.checkpoints.keeper", time=clock, PART=PART)
