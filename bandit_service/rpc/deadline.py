"""How long the caller of the present call still waits, for whoever handles it."""

from contextvars import ContextVar

_LEFT: ContextVar[float | None] = ContextVar("left", default=None)

# What gRPC says of a call without a deadline, or of one that is as good as that.
_FOR_EVER_SECONDS = 86_400.0


def begin(left: float | None) -> None:
    """Notes what gRPC says: seconds from now, or None."""
    _LEFT.set(left if left is not None and left < _FOR_EVER_SECONDS else None)


def time_left() -> float | None:
    """Seconds, as of the call's arrival; None without a deadline."""
    return _LEFT.get()
