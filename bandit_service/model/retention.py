"""What may leave the database, and what left it."""

from collections.abc import Mapping

import msgspec


class Limits(msgspec.Struct, frozen=True):
    """What lies below these may go. None, and a policy that is not named: nothing may.

    `decisions_before` and `feedback_ids_before` are moments. `journal` holds, for a policy's
    id, the position up to which its feedback before `journal_before` is in every checkpoint
    that is kept.
    """

    decisions_before: float | None = None
    feedback_ids_before: float | None = None
    journal_before: float | None = None
    journal: Mapping[int, int] = {}


class Pruned(msgspec.Struct, frozen=True):
    """Rows that went, or would go. Of a whole partition `rows` is the database's estimate, None
    where it has none, and `bytes` is what it takes on disk."""

    table: str
    rows: int | None
    partition: str | None = None
    bytes: int | None = None
