"""Writes rows to a file that the readers of this folder read."""

import gc
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path

from bandit_service.errors import BadLog, InvalidField
from bandit_service.evaluation.logs import json_lines, parquet
from bandit_service.evaluation.logs.rows import Batch, Row, batch_of

ENDINGS = (".parquet", ".jsonl", ".jsonl.gz")


def check_columns(named: Sequence[str]) -> tuple[str, ...]:
    """Raises InvalidField for a column that there is not."""
    for name in named:
        if name not in Row.__struct_fields__:
            known = ", ".join(Row.__struct_fields__)
            raise InvalidField("columns", f"there is no {name!r}; known: {known}")
    # Without the arm a row says nothing.
    return tuple(dict.fromkeys(("arm", *named))) if named else ()


def in_batches(rows: Iterable[Row]) -> Iterator[Batch]:
    """Rows, some at a time."""
    left, seen = iter(rows), 0
    while part := list(islice(left, json_lines.AT_ONCE)):
        yield batch_of(part, range(seen + 1, seen + len(part) + 1))
        seen += len(part)


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the collector of cycles: rows have none, and it would look at each page's hundred
    thousand tuples again and again, a sixth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def write(batches: Iterable[Batch], path: Path, columns: Sequence[str] = ()) -> int:
    """Writes the whole file or nothing, and returns how many rows. Raises BadLog, InvalidField."""
    ending = next((each for each in ENDINGS if path.name.endswith(each)), None)
    if ending is None:
        raise InvalidField(str(path), f"expected a name that ends in {', '.join(ENDINGS)}")
    # The ending tells how to write.
    partial = path.with_name(f".{path.name.removesuffix(ending)}.{os.getpid()}.partial{ending}")
    left = filter(len, batches)
    first = next(left, None)
    if first is None:
        raise BadLog(str(path), "not written: there is no decision in that range")
    try:
        everything = chain([first], left)
        writer = parquet.written if ending == ".parquet" else json_lines.written
        with uncollected():
            count = writer(everything, partial, columns)
        partial.replace(path)
    except OSError as error:
        raise InvalidField(str(path), f"cannot be written: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)
    return count
