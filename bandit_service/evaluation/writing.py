"""Writes a table in the normal form that `loading` reads; reading it back gives the same bits."""

import csv
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bandit_service.errors import BadTable
from bandit_service.evaluation.columns import ADVICE
from bandit_service.evaluation.files import SUFFIXES
from bandit_service.evaluation.loading import DECLARED, MEASURED
from bandit_service.evaluation.table import OutcomeTable, Pair

# Column -> its cells; all of one length.
Sheet = dict[str, Sequence[Any]]

_STEMS = ("queries", "outcomes", "models", "contexts", "pairs")


def write(
    table: OutcomeTable,
    folder: Path,
    *,
    pairs: Iterable[Pair] = (),
    parquet: bool = False,
    force: bool = False,
) -> None:
    """A new folder gets all its files at once, or is not made.

    With `force` the tables that are in `folder` are replaced, once all new ones are written
    beside it; other files there stay. Raises BadTable if it is there already and not empty, or
    cannot be written.
    """
    taken = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    if taken and not (force and folder.is_dir()):
        advice = "choose another, or --force" if folder.is_dir() else "choose another"
        raise BadTable(str(folder), f"is there already; {advice}")
    whole = folder.resolve()
    partial = whole.with_name(f".{whole.name}.{os.getpid()}.partial")
    try:
        partial.mkdir(parents=True)
        for stem, sheet in _sheets(table, list(pairs)).items():
            (_write_parquet if parquet else _write_csv)(partial / stem, sheet)
        if taken:
            _replace_tables(partial, folder)
        else:
            partial.rename(folder)
    except OSError as error:
        raise BadTable(str(folder), f"cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _replace_tables(partial: Path, folder: Path) -> None:
    for stem in _STEMS:
        for suffix in SUFFIXES:
            (folder / f"{stem}{suffix}").unlink(missing_ok=True)
    for path in partial.iterdir():
        path.replace(folder / path.name)


def _sheets(table: OutcomeTable, pairs: Sequence[Pair]) -> dict[str, Sheet]:
    prompts = table.prompts or ("",) * len(table)
    sheets: dict[str, Sheet] = {
        "queries": {"query_id": table.query_ids, "task": table.tasks, "prompt": prompts},
        "outcomes": _outcomes(table),
        "models": {
            "model": table.arm_names,
            **{column: [getattr(arm, of) for arm in table.arms] for column, of in DECLARED.items()},
        },
    }
    if table.contexts is not None:
        vectors = {f"x{at}": column.tolist() for at, column in enumerate(table.contexts.T)}
        sheets["contexts"] = {"query_id": table.query_ids, **vectors}
    if pairs:
        fields = Pair.__struct_fields__
        sheets["pairs"] = {field: [getattr(pair, field) for pair in pairs] for field in fields}
    return sheets


def _outcomes(table: OutcomeTable) -> Sheet:
    """One row for each query and arm of which anything is known."""
    numbers = {"quality": table.quality}
    numbers |= {column: getattr(table, field) for column, field in MEASURED.items()}
    if table.expected is not None:
        numbers["expected"] = table.expected
    known = ~np.isnan(np.stack(list(numbers.values()))).all(axis=0)
    rows, slots = np.nonzero(known)
    cells = {
        name: [None if np.isnan(value) else value for value in values[rows, slots].tolist()]
        for name, values in numbers.items()
    }
    names = table.arm_names
    return {
        "query_id": [table.query_ids[row] for row in rows],
        "model": [names[slot] for slot in slots],
        **cells,
    }


def _write_csv(path: Path, sheet: Sheet) -> None:
    """Floats with as many digits as tell them from their neighbours, so nothing is lost."""
    with path.with_name(f"{path.name}.csv").open("w", encoding="utf-8", newline="") as stream:
        # Lines end as in RFC 4180: with "\n" the csv module leaves a lone "\r" unquoted.
        lines = csv.writer(stream)
        lines.writerow(sheet)
        lines.writerows(zip(*sheet.values(), strict=True))


def _write_parquet(path: Path, sheet: Sheet) -> None:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise BadTable(path.name, f"writing Parquet needs pyarrow: {ADVICE}") from None
    texts = {"query_id", "task", "prompt", "model", "model_a", "model_b", "winner"}
    columns = {
        name: pa.array(cells, pa.string() if name in texts else pa.float64())
        for name, cells in sheet.items()
    }
    parquet.write_table(pa.table(columns), path.with_name(f"{path.name}.parquet"))
