"""What a process asked of the kernel, in the order in which strace saw it.

A reply is told from a write to the disk by what is in it: an id that nothing else contains.
"""

import re
from collections.abc import Iterable, Sequence

TRACED = "fdatasync,fsync,pwrite64,write,writev,sendto,sendmsg,sendmmsg"
_SYNCS = ("fdatasync", "fsync")
_TO_DISK = ("pwrite64",)

_STARTED = re.compile(r"(\d+) +(\w+)\((.*)")
_RESUMED = re.compile(r"(\d+) +<\.\.\. (\w+) resumed>(.*)")
_FILE = re.compile(r"(\d+)")


def too_early(trace: Iterable[str], ids: Sequence[str]) -> tuple[list[str], set[str]]:
    """The ids that were sent before a sync of what holds them had ended; and all that were sent."""
    written: dict[str, set[str]] = {}  # by file
    syncing: dict[str, set[str]] = {}  # by thread: what was written before its sync began
    durable: set[str] = set()
    early: list[str] = []
    sent: set[str] = set()
    pattern, wanted = _shapes(ids), set(ids)
    for line in trace:
        if (resumed := _RESUMED.match(line)) is not None:
            thread, call, _ = resumed.groups()
            if call in _SYNCS and thread in syncing:
                durable |= syncing.pop(thread)
            continue
        started = _STARTED.match(line)
        if started is None:
            continue
        thread, call, rest = started.groups()
        number = _FILE.match(rest)
        found = wanted.intersection(pattern.findall(rest))
        if call in _SYNCS:
            assert number is not None
            covered = set(written.get(number[1], ()))
            if "unfinished" in rest:
                syncing[thread] = covered
            elif rest.rstrip().endswith("= 0"):
                durable |= covered
        elif call in _TO_DISK and number is not None:
            written.setdefault(number[1], set()).update(found)
        else:
            early += sorted(found - durable - sent)
            sent |= found
    return early, sent


def _shapes(ids: Iterable[str]) -> re.Pattern[str]:
    """What the ids look like, the longest first: thousands of ids have a few shapes, and one look
    for each of them at every line would take longer than the calls did."""
    shapes = {re.sub("[0-9a-f]", "[0-9a-f]", re.escape(one)) for one in ids}
    return re.compile("|".join(sorted(shapes, key=lambda shape: (-len(shape), shape))))
