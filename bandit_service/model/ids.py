"""The time that a decision's id begins with.

Ids are UUIDs of version 7 (RFC 9562) as text: the first 48 bits are milliseconds since the
epoch, so that ids sort bytewise by time, and a range of time is a range of ids.
"""

import re

_EARLIEST = "-7000-8000-000000000000"
_UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_MOST_MILLISECONDS = (1 << 48) - 1


def smallest_id(moment: float) -> str:
    """The id that sorts before every other one made at `moment`, seconds, or later.

    >>> smallest_id(1_700_000_000.0)
    '018bcfe5-6800-7000-8000-000000000000'
    """
    stamp = f"{min(max(int(moment * 1000), 0), _MOST_MILLISECONDS):012x}"
    return f"{stamp[:8]}-{stamp[8:]}{_EARLIEST}"


def moment_of(decision_id: str) -> float | None:
    """When an id was made, in seconds, to the millisecond below; None if it is not of ours."""
    if not _UUID7.fullmatch(decision_id):
        return None
    return int(decision_id[:8] + decision_id[9:13], 16) / 1000
