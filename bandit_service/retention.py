"""How long decisions, feedback ids and the journal are kept, and what that lets go.

Nothing goes that can still be needed. Feedback needs its decision, what came of it so far, and
the ids that tell a repeat, until the longest horizon of all policies has passed. The fold needs
the journal from the oldest kept checkpoint on; events hold all that they teach, so it needs no
decision.
"""

import math
from collections.abc import Mapping

import msgspec

from bandit_service.model import CheckpointStatus, Limits, Pruned
from bandit_service.ports import Store

DAY = 86_400.0
MARGIN = DAY  # the clocks of replicas, and of one machine before and after a reboot, differ


class Keep(msgspec.Struct, frozen=True):
    """For how many days; 0 is for ever. Never shorter than the feedback horizon."""

    decisions_days: int = 0
    journal_days: int = 0


def prune(
    store: Store,
    keep: Keep,
    now: float,
    checkpointed: Mapping[int, int],
    dry_run: bool = False,
) -> list[Pruned]:
    """Lets go what is older than `keep` says and is needed by nobody; says what it was.

    `checkpointed` holds, for a policy's id, the position of its oldest kept checkpoint; the
    journal of a policy without one stays whole. A dry run only looks. Blocks, for minutes if
    there is much: call it from a thread of its own. May be called by several at once.

    Raises StoreUnavailable, or RefusedByDatabase if dropping tables is not ours to do.
    """
    if not dry_run:
        store.make_partitions(now)
    return store.prune(limits(keep, _longest_horizon(store), now, checkpointed), dry_run)


def oldest_checkpoints(store: Store) -> dict[int, int]:
    """The position of each policy's oldest usable checkpoint, by the policy's id."""
    found: dict[int, int] = {}
    for policy in store.policies():
        usable = [
            one.position
            for one in store.checkpoints.of(policy.id)
            if one.status is CheckpointStatus.USABLE
        ]
        if usable:
            found[policy.id] = min(usable)
    return found


def limits(keep: Keep, horizon: float, now: float, checkpointed: Mapping[int, int]) -> Limits:
    """`horizon` in seconds, the longest of all policies; infinite if one is not known."""
    decisions = _before(keep.decisions_days, horizon, now)
    journal = _before(keep.journal_days, horizon, now)
    return Limits(
        decisions_before=decisions,
        feedback_ids_before=decisions,
        journal_before=journal,
        journal={} if journal is None else dict(checkpointed),
    )


def _before(days: int, horizon: float, now: float) -> float | None:
    moment = now - max(days * DAY, horizon) - MARGIN
    return moment if days and math.isfinite(moment) and moment > 0 else None


def _longest_horizon(store: Store) -> float:
    revisions = store.last_revisions()
    return max(
        (
            revisions[policy.id].config.feedback_horizon if policy.id in revisions else math.inf
            for policy in store.policies()
        ),
        default=0.0,
    )
