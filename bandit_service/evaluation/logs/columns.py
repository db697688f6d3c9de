"""A batch on its way out: whole columns for Parquet, rows for JSON lines."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import chain, islice, repeat
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from bandit_service.evaluation.logs.log import MEASURES, Array
from bandit_service.evaluation.logs.rows import FLAGS, Batch, Row

_PLAIN = {
    "arm": "arms", "propensity": "propensities", "create_time": "times", "segment": "segments",
    "policy": "policies", "feature_version": "feature_versions",
    "revision": "revisions",
}  # fmt: skip
_DUEL = {
    "second_arm": "second_arms", "pair_propensity": "propensities", "preference": "preferences",
}  # fmt: skip


def column_of(batch: Batch, name: str) -> Any:
    """A field of `Row`, (n,), of all rows: floats with NaN, or a sequence with None; but for
    `context` and `probabilities`. None where no row has it."""
    if name in _PLAIN:
        return getattr(batch, _PLAIN[name])
    if name in MEASURES:
        return batch.outcomes[name]
    if name in FLAGS:
        return batch.flags[name]
    if name in _DUEL:
        unknown = [None] * len(batch)
        return unknown if batch.duels is None else getattr(batch.duels, _DUEL[name])
    if name == "challengers":
        return [None] * len(batch) if batch.asides is None else batch.asides
    if name in ("input_tokens", "output_tokens"):
        return batch.tokens[:, ("input_tokens", "output_tokens").index(name)]
    return batch.notes[name]


def rows_of(batch: Batch, names: Sequence[str]) -> Iterator[list[Row]]:
    """The rows themselves, with these fields only, some at a time: the numbers of a few dozen
    rows stay in a processor's cache until they are text, those of a page do not."""
    columns = [
        _told(batch, name) if name in names else repeat(default)
        for name, default in zip(Row.__struct_fields__, _DEFAULTS, strict=True)
    ]
    rows = map(Row, *columns)
    while part := list(islice(rows, _TOGETHER)):
        yield part


_TOGETHER = 50
_DEFAULTS = (None, *Row.__struct_defaults__[:2], [], *Row.__struct_defaults__[3:])


def _told(batch: Batch, name: str) -> Iterable[Any]:
    if name == "context":
        listed = chain.from_iterable(part.tolist() for part in _parts(batch.contexts))
        if (batch.lengths == batch.contexts.shape[1]).all():
            return listed
        return (row[:length] for row, length in zip(listed, batch.lengths.tolist(), strict=True))
    if name == "probabilities":
        return _named(batch)
    values = column_of(batch, name)
    if not isinstance(values, np.ndarray):
        return values  # type: ignore[no-any-return]
    if values.dtype != np.float64:
        return values.tolist()  # type: ignore[no-any-return]
    told: NDArray[np.object_] = values.astype(np.object_)
    told[np.isnan(values)] = None
    return told.tolist()  # type: ignore[no-any-return]


@cache
def _record(names: tuple[str, ...]) -> Callable[..., Any] | None:
    """Makes records of a chance an arm, which are written like dicts and cost half as much. None
    where a name cannot be a field's."""
    fields = [(f"slot_{at}", float, msgspec.field(name=name)) for at, name in enumerate(names)]
    try:
        return msgspec.defstruct("Chances", fields, gc=False)
    except ValueError:  # what would have to be escaped
        return None


def _named(batch: Batch) -> Iterable[Any]:
    """Each row's chances by the names of its eligible arms; for writing."""
    if batch.probabilities is None:
        return repeat(None)
    names, parts = batch.names, _parts(batch.probabilities)
    if not np.isnan(batch.probabilities).any() and (record := _record(names)) is not None:
        return chain.from_iterable(map(record, *part.T.tolist()) for part in parts)
    return (
        {name: chance for name, chance in zip(names, row, strict=True) if chance == chance} or None
        for part in parts
        for row in part.tolist()
    )


def _parts(numbers: Array) -> Iterator[Array]:
    """The same rows, some at a time."""
    return (numbers[start : start + _TOGETHER] for start in range(0, len(numbers), _TOGETHER))
