"""Parts of documents that commands write: what stands between their markers is replaced."""

import re
from pathlib import Path


def written(file: Path, name: str, text: str, command: str = "make systems") -> None:
    """Puts `text` between the markers of that name. Raises ValueError if they are not there."""
    before, _, after = _parts(file, name, command)
    file.write_text(f"{before}\n{text.strip()}\n\n{after}", encoding="utf-8")


def updated(file: Path, name: str, text: str, command: str = "make systems") -> None:
    """Puts the subsections of `text` in place of those of the same title, but for what stands in
    brackets behind it; the others stay, and new ones come last."""
    _, there, _ = _parts(file, name, command)
    made = _by_title(there)
    made |= _by_title(text)
    written(file, name, "\n\n".join(made.values()), command)


def _parts(file: Path, name: str, command: str) -> tuple[str, str, str]:
    """What stands before, between and behind the markers; they are with the outer two."""
    begin, end = f"<!-- {name}: made by `{command}` -->\n", f"<!-- end of {name} -->"
    before, found, rest = file.read_text(encoding="utf-8").partition(begin)
    inside, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"{file} lacks the markers {begin.strip()} and {end}")
    return before + begin, inside, end + after


def _by_title(text: str) -> dict[str, str]:
    """Subsections by their titles without the brackets; what comes before the first has none."""
    pieces = re.split(r"^(?=### )", text.strip(), flags=re.MULTILINE)
    titled = {piece.partition("\n")[0].partition(" (")[0]: piece.strip() for piece in pieces}
    return {title: piece for title, piece in titled.items() if piece}
