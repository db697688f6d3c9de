"""Our own Parquet: a column for each field of `rows.Row`, read and written in whole columns.

`probabilities` is a map from arm to chance, `context` a list of float64; every other column is
plain. Columns that are absent are unknown.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bandit_service.errors import BadLog
from bandit_service.evaluation.logs import packed
from bandit_service.evaluation.logs.asides import Chances
from bandit_service.evaluation.logs.columns import column_of
from bandit_service.evaluation.logs.log import MEASURES, Array
from bandit_service.evaluation.logs.rows import (
    FLAGS,
    Batch,
    Duels,
    Row,
    clusters_of,
    texts,
)

AT_ONCE = 50_000
ADVICE = "pip install 'bandit-service[evaluation]'"
NUMBERS = (
    *MEASURES, "propensity", "create_time", "input_tokens", "output_tokens", "pair_propensity",
    "preference",
)  # fmt: skip
TEXTS = (
    "arm", "session", "segment", "policy", "feature_version", "decision_id", "energy_source",
    "second_arm",
)  # fmt: skip


def batches(path: Path, at_once: int = AT_ONCE) -> Iterator[Batch]:
    """What stands in the file, row 1 first. Raises BadLog."""
    from pyarrow import ArrowException, parquet

    try:
        with parquet.ParquetFile(path) as file:
            columns = _columns(path, file.schema_arrow)
            seen = 0
            for part in file.iter_batches(batch_size=at_once, columns=columns):
                yield _batch(path, part, seen)
                seen += part.num_rows
    except ArrowException as error:
        reason = " ".join(str(error).split())
        raise BadLog(str(path), f"cannot be read as Parquet: {reason}") from error
    except OSError as error:
        raise BadLog(str(path), f"cannot be read: {' '.join(str(error).split())}") from error


def _columns(path: Path, schema: Any) -> list[str]:
    if "arm" not in schema.names:
        raise BadLog(str(path), f"needs a column 'arm'; its columns are: {', '.join(schema.names)}")
    return [name for name in schema.names if name in Row.__struct_fields__]


def _batch(path: Path, part: Any, seen: int) -> Batch:
    count = part.num_rows
    there = {name: part.column(name) for name in part.schema.names}

    def numbers(name: str) -> Array:
        if name not in there:
            return np.full(count, np.nan)
        return _floats(path, name, there[name])

    def words(name: str) -> list[Any]:
        return there[name].to_pylist() if name in there else [None] * count

    arms = words("arm")
    broken = [(seen + at + 1, "arm is empty") for at, arm in enumerate(arms) if not arm]
    names, probabilities = _map(there["probabilities"]) if "probabilities" in there else ((), None)
    contexts, lengths = _lists(there["context"]) if "context" in there else _none(count)
    made = Batch(
        lines=range(seen + 1, seen + count + 1),
        arms=arms,
        propensities=numbers("propensity"),
        names=names,
        probabilities=probabilities,
        contexts=contexts,
        lengths=lengths,
        outcomes={name: numbers(name) for name in MEASURES},
        times=numbers("create_time"),
        clusters=clusters_of(words("session")),
        segments=texts(word or "" for word in words("segment")),
        tokens=np.column_stack([numbers("input_tokens"), numbers("output_tokens")]),
        flags={
            flag: np.array([bool(each) for each in words(flag)], dtype=np.bool_) for flag in FLAGS
        },
        policies=[word or "" for word in words("policy")],
        feature_versions=[word or "" for word in words("feature_version")],
        revisions=np.nan_to_num(numbers("revision")).astype(np.int64),
        broken=broken,
        duels=Duels(seconds, numbers("pair_propensity"), numbers("preference"))
        if any(seconds := words("second_arm"))
        else None,
        asides=_asides(there["challengers"]) if "challengers" in there else None,
    )
    return made.without([at for at, arm in enumerate(arms) if not arm]) if broken else made


def _floats(path: Path, name: str, column: Any) -> Array:
    from pyarrow import ArrowException, float64

    try:
        made: Array = column.cast(float64()).to_numpy(zero_copy_only=False).astype(np.float64)
    except (ArrowException, ValueError) as error:
        raise BadLog(str(path), f"column {name!r} must hold numbers, not {column.type}") from error
    return made


def _none(count: int) -> tuple[Array, NDArray[np.intp]]:
    return np.empty((count, 0)), np.zeros(count, dtype=np.intp)


def _lists(column: Any) -> tuple[Array, NDArray[np.intp]]:
    """(n, widest) padded with NaN, and each row's length."""
    lengths = np.asarray(column.value_lengths().fill_null(0), dtype=np.intp)
    flat = column.flatten().to_numpy(zero_copy_only=False).astype(np.float64)
    return packed.filled(flat, lengths, np.nan), lengths


def _map(column: Any) -> tuple[tuple[str, ...], Array | None]:
    """Names (K,) and chances (n, K), NaN where a row does not name the arm."""
    import pyarrow

    bounds = column.offsets.to_numpy()
    start, stop = int(bounds[0]), int(bounds[-1])
    if start == stop:
        return (), None
    keys = column.keys.slice(start, stop - start).dictionary_encode()
    chances = column.items.slice(start, stop - start).cast(pyarrow.float64())
    names = tuple(keys.dictionary.to_pylist())
    made = np.full((len(column), len(names)), np.nan)
    rows = np.repeat(np.arange(len(column)), np.diff(bounds))
    made[rows, keys.indices.to_numpy(zero_copy_only=False)] = chances.to_numpy(zero_copy_only=False)
    return names, made


def _asides(column: Any) -> list[Chances | None] | None:
    if column.null_count == len(column):
        return None
    return [
        None if each is None else {who: dict(chances) for who, chances in each}
        for each in column.to_pylist()
    ]


def schema() -> Any:
    """Of a file that we write."""
    import pyarrow as pa

    kinds = dict.fromkeys(NUMBERS, pa.float64()) | dict.fromkeys(TEXTS, pa.string())
    kinds |= dict.fromkeys(FLAGS, pa.bool_()) | {"revision": pa.int64()}
    kinds |= {
        "context": pa.list_(pa.float64()),
        "probabilities": pa.map_(pa.string(), pa.float64()),
        "challengers": pa.map_(pa.string(), pa.map_(pa.string(), pa.float64())),
    }
    return pa.schema([(name, kinds[name]) for name in Row.__struct_fields__])


def written(batches: Iterable[Batch], path: Path, columns: Sequence[str] = ()) -> int:
    """Writes batches as they come and returns how many rows; only these columns, if any are
    named."""
    import pyarrow as pa
    from pyarrow import parquet

    wanted = schema()
    if columns:
        wanted = pa.schema([field for field in wanted if field.name in columns])
    count = 0
    with parquet.ParquetWriter(path, wanted, **_LAYOUT) as writer:
        for batch in batches:
            cells = [_cells(batch, field.name, field.type) for field in wanted]
            writer.write_table(pa.Table.from_arrays(cells, schema=wanted))
            count += len(batch)
    return count


# A dictionary of floats that are all different is thrown away after it was made.
_LAYOUT: dict[str, Any] = {
    "compression": "zstd",
    "compression_level": 1,
    "use_dictionary": [*TEXTS, *FLAGS, "revision", "probabilities.key_value.key"],
}


def _cells(batch: Batch, name: str, kind: Any) -> Any:
    """A column as an array of Arrow."""
    import pyarrow as pa

    if name == "context":
        flat = batch.contexts[np.arange(batch.contexts.shape[1]) < batch.lengths[:, None]]
        return pa.ListArray.from_arrays(packed.offsets(batch.lengths), flat)
    if name == "probabilities":
        return _maps(batch, kind)
    if name == "challengers":
        told = batch.asides or [None] * len(batch)
        nested = [
            None if each is None else [(who, list(p.items())) for who, p in each.items()]
            for each in told
        ]
        return pa.array(nested, kind)
    values = column_of(batch, name)
    if isinstance(values, np.ndarray) and values.dtype == np.float64:
        return pa.array(values, kind, from_pandas=True)  # NaN is unknown
    return pa.array(values, kind)


def _maps(batch: Batch, kind: Any) -> Any:
    import pyarrow as pa

    if batch.probabilities is None:
        return pa.nulls(len(batch), kind)
    rows, slots = np.nonzero(~np.isnan(batch.probabilities))
    lengths = np.bincount(rows, minlength=len(batch))
    names = pa.array(batch.names, pa.string()).take(pa.array(slots))
    ends = packed.offsets(lengths)
    maps = pa.MapArray.from_arrays(ends, names, batch.probabilities[rows, slots])
    if (lengths > 0).all():
        return maps
    return pa.compute.if_else(pa.array(lengths > 0), maps, pa.nulls(len(batch), kind))
