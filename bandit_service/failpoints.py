"""Named places where a test can make the service die, stop or fail: "at any instant", enumerated.

BANDIT_FAILPOINTS="after_commit=kill@3,before_commit=error@1" kills the process the third time it
has committed, and makes its first commit fail as if the database had not answered. Nothing is
armed by anything but that variable, and a place that is not armed costs one look at an empty
dictionary.
"""

import logging
import os
import re
import signal

from bandit_service.errors import InvalidField, StoreUnavailable

VARIABLE = "BANDIT_FAILPOINTS"

KILL, STOP, ERROR = "kill", "stop", "error"  # SIGKILL, SIGSTOP, StoreUnavailable

# Where the database may fail, in the order in which a batch comes by.
_OF_THE_STORE = (
    "during_load",
    "before_log",
    "after_log",
    "after_begin",
    "after_decisions",
    "after_head",
    "after_journal",
    "after_recorded",
    "before_commit",
    "after_commit",
)
# Behind the commit: here only the process can fail.
_BEHIND = ("before_deliver", "before_answers", "after_answers")
# Between the parts of a checkpoint, beside all that.
_BESIDE = ("during_checkpoint",)
POINTS = {
    **dict.fromkeys(_OF_THE_STORE, (KILL, STOP, ERROR)),
    **dict.fromkeys(_BEHIND, (KILL, STOP)),
    **dict.fromkeys(_BESIDE, (KILL, STOP, ERROR)),
}

log = logging.getLogger(__name__)

_armed: dict[str, tuple[str, int]] = {}  # action, and the hits still to come
_SPELLING = re.compile(r"(\w+)=(\w+)@([1-9]\d*)")


def arm(text: str) -> None:
    """Arms the places of `text`, and no others. Raises InvalidField for one that makes no sense."""
    wanted: dict[str, tuple[str, int]] = {}
    for part in filter(None, text.split(",")):
        spelled = _SPELLING.fullmatch(part)
        if spelled is None:
            raise InvalidField(VARIABLE, f"{part!r} is not <place>=<action>@<which time>")
        place, action, hit = spelled.groups()
        if action not in POINTS.get(place, ()):
            known = "; ".join(f"{name}: {', '.join(does)}" for name, does in POINTS.items())
            raise InvalidField(VARIABLE, f"cannot {action!r} at {place!r}; there are {known}")
        wanted[place] = action, int(hit)
    _armed.clear()
    _armed.update(wanted)
    if _armed:
        log.warning("failpoints are armed: %s", text)


def hit(place: str) -> None:
    """Does what `place` is armed for, if it is, and if this is the time."""
    if _armed and place in _armed:
        _count(place)


def _count(place: str) -> None:
    action, left = _armed[place]
    if left > 1:
        _armed[place] = action, left - 1
        return
    del _armed[place]
    log.warning("failpoint %s: %s", place, action)
    if action == ERROR:
        raise StoreUnavailable
    os.kill(os.getpid(), signal.SIGKILL if action == KILL else signal.SIGSTOP)
