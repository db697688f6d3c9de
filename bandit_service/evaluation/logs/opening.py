"""From a file, or a DataFrame, to its traffic."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bandit_service.errors import BadLog, InvalidField
from bandit_service.evaluation.logs import (
    json_lines,
    mapping,
    open_bandit,
    parquet,
    tabular,
    vowpal,
)
from bandit_service.evaluation.logs.mapping import Mapped
from bandit_service.evaluation.logs.rows import Batch
from bandit_service.evaluation.logs.traffic import Batches, Progress, Traffic

FORMATS = ("auto", "rows", "vw", "dsjson", "open-bandit")
_JSON, _CSV = (".jsonl", ".jsonl.gz", ".ndjson", ".json"), (".csv", ".csv.gz")


def open_log(
    path: Path,
    *,
    form: str = "auto",
    how: Mapped | None = None,
    reading: vowpal.Reading | None = None,
    lenient: bool = False,
    policy: str = "",
    progress: Progress | None = None,
) -> Traffic:
    """A log file. `how` maps the columns of a foreign one; `reading` is for Vowpal Wabbit's.

    `auto` goes by the name: .jsonl[.gz] and .parquet are our own unless `how` is given, .dsjson is
    dsjson, .vw and .dat are text of Vowpal Wabbit, .csv[.gz] needs `how`. Raises BadLog,
    InvalidField.
    """
    if form not in FORMATS:
        raise InvalidField("format", f"must be one of {', '.join(FORMATS)}, not {form!r}")
    if not path.is_file():
        raise BadLog(str(path), "there is no such file")
    source = _batches(path, form, how, reading or vowpal.Reading())
    return Traffic(str(path), source, lenient=lenient, policy=policy, progress=progress)


def of_frame(
    frame: Any, how: Mapped, *, lenient: bool = False, policy: str = "", source: str = "frame"
) -> Traffic:
    """A pandas DataFrame with the columns that `how` names. Raises BadLog."""

    def again() -> Iterator[Batch]:
        return mapping.batches(tabular.frame_records(frame, how), how)

    return Traffic(source, again, lenient=lenient, policy=policy)


def _batches(path: Path, form: str, how: Mapped | None, reading: vowpal.Reading) -> Batches:
    name = path.name
    if form == "open-bandit":
        return lambda: mapping.batches(open_bandit.records(path), open_bandit.MAPPING)
    if form == "dsjson" or (form == "auto" and name.endswith((".dsjson", ".dsjson.gz"))):
        return lambda: vowpal.dsjson(path, reading)
    if form == "vw" or (form == "auto" and name.endswith((".vw", ".vw.gz", ".dat", ".dat.gz"))):
        return lambda: vowpal.cb_adf(path, reading)
    if how is not None:
        records = _records(path, how)
        return lambda: mapping.batches(records(), how)
    if name.endswith(".parquet"):
        return lambda: parquet.batches(path)
    if name.endswith(_JSON):
        return lambda: json_lines.batches(path)
    wanted = "a mapping of its columns" if name.endswith(_CSV) else "a name ending in .jsonl"
    raise BadLog(str(path), f"needs {wanted}, or a format: {', '.join(FORMATS[1:])}")


def _records(path: Path, how: Mapped) -> Callable[[], mapping.Records]:
    if path.name.endswith(_CSV):
        return lambda: tabular.csv_records(path, how)
    if path.name.endswith(_JSON):
        return lambda: tabular.json_records(path)
    if path.name.endswith(".parquet"):
        return lambda: tabular.parquet_records(path, how)
    raise BadLog(str(path), f"expected a name that ends in {', '.join((*_JSON, *_CSV))}, .parquet")
