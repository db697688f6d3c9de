"""What one replica does beside serving, by steps: checkpoints, and what is let go.

The order is that of `bandit_service.jobs`, without its clock and its threads.
"""

from collections.abc import Callable

from bandit_service.checkpoints import BY_SECRET, CHORES, Keeper
from bandit_service.errors import BadCheckpoint, LeaseLost, StoreUnavailable
from bandit_service.model import Checkpoint, CheckpointStatus, Pruned
from bandit_service.ports import Store
from bandit_service.retention import DAY, Keep, oldest_checkpoints, prune
from tests.faults.replica import Replica

LEASE_SECONDS = 15.0
HORIZON = DAY  # of feedback
KEEP = Keep(decisions_days=1, journal_days=1)

SAVED, NOT_MINE, LOST, AWAY, BAD = "saved", "not mine", "lost the lease", "away", "bad"


def checkpoint(
    replica: Replica, holder: str, now: Callable[[], float], seconds: float = LEASE_SECONDS
) -> str:
    """Saves what the replica has learned, if it has the lease or can take it; what came of it."""
    try:
        keeper = Keeper(replica.store.checkpoints, BY_SECRET, now)
        lease = replica.store.leases.take(CHORES, holder, seconds)
        if lease is None:
            return NOT_MINE
        for engine in list(replica.registry.by_id.values()):
            keeper.save(engine.identity, engine.snapshot(), lease)
            keeper.prune(engine.identity, lease)
    except LeaseLost:
        return LOST
    except StoreUnavailable:
        return AWAY
    except BadCheckpoint:  # what was read back is not what was written: the power had failed
        return BAD
    return SAVED


def tidy(store: Store, now: float) -> list[Pruned]:
    """Lets go what is old enough. Raises StoreUnavailable."""
    return prune(store, KEEP, now, oldest_checkpoints(store))


def usable(store: Store, policy_id: int = 1) -> list[Checkpoint]:
    """The newest first."""
    found = store.checkpoints.of(policy_id)
    return [one for one in found if one.status is CheckpointStatus.USABLE]
