"""Parts of documents that commands write: what stands between their markers is replaced."""

from pathlib import Path


def written(file: Path, name: str, text: str, command: str = "make systems") -> None:
    """Puts `text` between the markers of that name. Raises ValueError if they are not there."""
    begin, end = f"<!-- {name}: made by `{command}` -->\n", f"<!-- end of {name} -->"
    before, found, rest = file.read_text(encoding="utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"{file} lacks the markers {begin.strip()} and {end}")
    file.write_text(f"{before}{begin}\n{text.strip()}\n\n{end}{after}", encoding="utf-8")
