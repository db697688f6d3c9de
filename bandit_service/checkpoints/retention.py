"""Which checkpoints are kept: the last three, one an hour for a day, one a day for a month, and
those that are pinned."""

from collections.abc import Sequence

from bandit_service.model import Checkpoint, CheckpointStatus

LAST = 3
HOUR, DAY = 3_600.0, 86_400.0
MONTH = 30 * DAY
# What was never finished may still be under way elsewhere; what was withdrawn may be looked into.
UNFINISHED_SECONDS, WITHDRAWN_SECONDS = HOUR, DAY


def dropped(checkpoints: Sequence[Checkpoint], now: float) -> list[Checkpoint]:
    """Those of one policy, the newest first, that are not kept any longer. Times in seconds."""
    usable = [one for one in checkpoints if one.status is CheckpointStatus.USABLE]
    kept = {one.id for one in usable[:LAST]}
    for period, seconds in ((HOUR, DAY), (DAY, MONTH)):
        newest: dict[float, int] = {}
        for one in usable:
            if now - one.create_time < seconds:
                newest.setdefault(one.create_time // period, one.id)
        kept |= set(newest.values())
    return [one for one in checkpoints if not (one.pinned or one.id in kept or _is_young(one, now))]


def _is_young(one: Checkpoint, now: float) -> bool:
    """Whether it is not usable, but too young to be taken away."""
    ages = {
        CheckpointStatus.WRITING: UNFINISHED_SECONDS,
        CheckpointStatus.WITHDRAWN: WITHDRAWN_SECONDS,
    }
    return now - one.create_time < ages.get(one.status, 0.0)
