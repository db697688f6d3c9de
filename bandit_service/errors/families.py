"""What all errors have in common, and their families."""

from typing import Any


class BanditError(Exception):
    """`str(error)` is for people; `facts` is the same for programs."""

    def __init__(self, message: str, **facts: object) -> None:
        super().__init__(message)
        self.facts = {name: str(fact) for name, fact in facts.items()}

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and travels between processes, whatever its class takes to be made."""
        return _as_it_was, (type(self), self.args, self.__dict__)


def _as_it_was(kind: type[BanditError], args: tuple[str], rest: dict[str, Any]) -> BanditError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(rest)
    return error


class BadInput(BanditError):
    """The request makes no sense, whatever the state. `field` is the one at fault."""

    def __init__(self, field: str, message: str, **facts: object) -> None:
        super().__init__(f"{field}: {message}", field=field, **facts)
        self.field = field


class NotFound(BanditError):
    """What the request names is not there."""


class AlreadyExists(BanditError):
    """The name or id is taken."""


class FailedPrecondition(BanditError):
    """The request makes sense, but not in this state."""


class Stale(BanditError):
    """Somebody else was quicker."""


class Denied(BanditError):
    """The caller has not shown that it may."""


class Exhausted(BanditError):
    """There is too much of something; later it may fit."""


class Unavailable(BanditError):
    """Cannot be done now; the same call with the same id may be sent again."""


class BadStore(BanditError):
    """The database cannot be used as it is. Raised at the start; while serving, only for a
    journal that was damaged meanwhile."""
