"""Results that outlive an interruption: one JSON line each, as soon as it is there."""

import json
from collections.abc import Callable
from pathlib import Path


class Kept:
    """Numbers by name. What stands in the file already is not worked out again."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._known: dict[str, list[float]] = {}
        if file is not None and file.exists():
            text = file.read_text(encoding="utf-8")
            for line in text.splitlines():
                entry = _whole(line)
                if entry is not None:
                    self._known[entry[0]] = entry[1]
            if text and not text.endswith("\n"):
                with file.open("a", encoding="utf-8") as out:
                    out.write("\n")

    def numbers(self, name: str, work: Callable[[], list[float]]) -> list[float]:
        """Those of this name: from the file, else by `work`, and into the file."""
        if name not in self._known:
            self._known[name] = work()
            if self._file is not None:
                with self._file.open("a", encoding="utf-8") as out:
                    out.write(json.dumps({"name": name, "numbers": self._known[name]}) + "\n")
        return self._known[name]


def _whole(line: str) -> tuple[str, list[float]] | None:
    """None for a line that a kill cut short."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return str(entry["name"]), [float(number) for number in entry["numbers"]]
