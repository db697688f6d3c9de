"""How a command ends: an exit code, and one line that says why."""

from typing import Any

import typer
from typer.core import TyperGroup

UNEXPECTED, BAD_INPUT, NOT_FOUND, CONFLICT, UNAVAILABLE, PRECONDITION, DENIED = 1, 3, 4, 5, 6, 7, 9
DOES_NOT_HOLD = 10

EXITS = (
    "Exit codes: 0 done; 1 unexpected; 2 wrong usage; 3 bad input or configuration; 4 not found; "
    "5 exists already, or somebody else was quicker; 6 unavailable; 7 not in this state, or too "
    "much of something; 8 a gate is closed; 9 not allowed; 10 a log is not what it should be."
)

_OF_A_STATUS = {
    "INVALID_ARGUMENT": BAD_INPUT,
    "OUT_OF_RANGE": BAD_INPUT,
    "NOT_FOUND": NOT_FOUND,
    "ALREADY_EXISTS": CONFLICT,
    "ABORTED": CONFLICT,
    "UNAVAILABLE": UNAVAILABLE,
    "DEADLINE_EXCEEDED": UNAVAILABLE,
    "FAILED_PRECONDITION": PRECONDITION,
    "RESOURCE_EXHAUSTED": PRECONDITION,
    "PERMISSION_DENIED": DENIED,
}


class Commands(TyperGroup):
    """The one place where errors end: no command has a handler of its own."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            code = exit_code(error)
            if code is None or ctx.params.get("traceback"):
                raise
            typer.echo(f"bandit-service: {_line(error, code)}", err=True)
            raise typer.Exit(code) from None


def exit_code(error: Exception) -> int | None:
    """None for what typer itself handles: an exit, an abort, wrong usage, and a reader that has
    seen enough, as `head` has."""
    its_own = typer.Exit | typer.Abort | typer.BadParameter | BrokenPipeError
    if isinstance(error, its_own) or _is_usage(error):
        return None
    if status := getattr(error, "code", None):
        name = getattr(status() if callable(status) else status, "name", "")
        return _OF_A_STATUS.get(name, UNEXPECTED)
    return _of_our_own(error)


def _of_our_own(error: Exception) -> int:
    from bandit_service import errors

    codes = {
        errors.BadInput: BAD_INPUT,
        errors.NotFound: NOT_FOUND,
        errors.AlreadyExists: CONFLICT,
        errors.Stale: CONFLICT,
        errors.Unavailable: UNAVAILABLE,
        errors.FailedPrecondition: PRECONDITION,
        errors.Exhausted: PRECONDITION,
        errors.Denied: DENIED,
        errors.BadStore: PRECONDITION,
        # Certificates of no use, a server that may not be called in the clear.
        ValueError: BAD_INPUT,
    }
    found = (codes[kind] for kind in type(error).__mro__ if kind in codes)
    return next(found, UNEXPECTED)


def _is_usage(error: Exception) -> bool:
    # typer brings its own copy of click, whose base class it does not export.
    return hasattr(error, "exit_code") and hasattr(error, "show")


def _line(error: Exception, code: int) -> str:
    text = getattr(error, "message", None) or str(error)
    line = " ".join(str(text).split())
    if code == UNEXPECTED:
        return f"unexpected {type(error).__name__}: {line} (--traceback shows where)"
    return line
