"""Moments as people and logs write them."""

from datetime import UTC, datetime


def seconds_of(text: str) -> float:
    """Seconds since the epoch, from such a number or from ISO 8601, which is in UTC unless it says
    otherwise: equal logs are equal on every machine. Raises ValueError.

    >>> seconds_of("1704067201.5"), seconds_of("2024-01-01"), seconds_of("2024-01-01T01:00+01:00")
    (1704067201.5, 1704067200.0, 1704067200.0)
    """
    try:
        return float(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text[:40]!r} is neither seconds nor ISO 8601") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
