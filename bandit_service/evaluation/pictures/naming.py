"""Names that fit: labels short enough for a picture, and safe as names of files."""

import re
from collections import Counter
from collections.abc import Iterable

LONGEST_LABEL = 26
LONGEST_FILE_NAME = 60


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Each name without its maker, its middle left out where it is long; no two alike.

    >>> short_names(["google/gemini-2.5-flash", "a/gpt", "b/gpt"])
    {'google/gemini-2.5-flash': 'gemini-2.5-flash', 'a/gpt': 'a/gpt', 'b/gpt': 'b/gpt'}
    """
    names = list(dict.fromkeys(names))
    short = {name: _printable(name) for name in names}
    for shorten in (_without_maker, _without_middle):
        shorter = {name: shorten(text) for name, text in short.items()}
        times = Counter(shorter.values())
        short = {
            name: shorter[name] if times[shorter[name]] == 1 else short[name] for name in names
        }
    return _told_apart(short)


def file_names(labels: Iterable[str]) -> dict[str, str]:
    """Each label as part of a file name, on any system; no two alike, whatever their case.

    >>> file_names(["../etc/passwd", "Linear UCB", "linear/ucb"])
    {'../etc/passwd': 'etc-passwd', 'Linear UCB': 'linear-ucb', 'linear/ucb': 'linear-ucb-2'}
    """
    safe = {
        label: re.sub(r"[^a-z0-9._]+", "-", label.lower())[:LONGEST_FILE_NAME].strip("-._")
        for label in labels
    }
    return _told_apart({label: text or "policy" for label, text in safe.items()}, "{}-{}")


def one_line(name: str) -> str:
    """A single name for a heading, its middle left out where it is long."""
    return _without_middle(_printable(name))


def _printable(name: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in name).split()) or "(no name)"


def _without_maker(name: str) -> str:
    return name.rstrip("/").rpartition("/")[2] or name


def _without_middle(name: str) -> str:
    """Versions stand at the end, so both ends are kept."""
    if len(name) <= LONGEST_LABEL:
        return name
    tail = LONGEST_LABEL // 2 - 1
    return f"{name[: LONGEST_LABEL - tail - 1]}…{name[-tail:]}"


def _told_apart(texts: dict[str, str], numbered: str = "{} ({})") -> dict[str, str]:
    """The same, with a number behind what came before."""
    used: set[str] = set()
    apart = {}
    for name, text in texts.items():
        candidate, number = text, 1
        while candidate in used:
            number += 1
            candidate = numbered.format(text, number)
        used.add(candidate)
        apart[name] = candidate
    return apart
