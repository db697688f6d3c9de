"""The columns of a pickled pandas DataFrame, taken from the inert tree of its pickle.

Layouts: pandas 0.25 to 1.2 (BlockManager with a state), and 1.3 to 3 (BlockManager called with
blocks); numpy arrays with their bytes inside, in protocols 2 to 5. Cells are numbers or objects.
Arrow and extension arrays (what pandas 3 makes of text unless told otherwise) are refused.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bandit_service.errors import BadTable
from bandit_service.evaluation.columns import Columns
from bandit_service.evaluation.importers import inert_pickle
from bandit_service.evaluation.importers.inert_pickle import Call, Global, NotReadable

_EXPORT = "export it to CSV or Parquet with pandas, where you trust its maker"
# What reading a tree of another shape than expected comes to.
_STRANGE = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    MemoryError,
    RecursionError,
)
# Where pandas and numpy have kept these over the years.
_FRAMES = {"pandas.DataFrame", "pandas.core.frame.DataFrame"}
_MANAGERS = {"pandas.core.internals.managers.BlockManager", "pandas.core.internals.BlockManager"}
_BLOCKS = {"pandas._libs.internals._unpickle_block", "pandas.core.internals.blocks.new_block"}
_INDEXES = {"pandas.core.indexes.base._new_Index", "pandas.indexes.base._new_Index"}
_EMPTY_ARRAYS = {"numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct"}
_FROM_BUFFERS = {"numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer"}
_SCALARS = {"numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"}
_DTYPES = {"numpy.dtype"}
_SLICES = {"builtins.slice", "__builtin__.slice"}
_ENCODES = {"_codecs.encode"}


def read(path: Path) -> Columns:
    """Runs nothing of the file. Raises BadTable."""
    try:
        tree = inert_pickle.read(path.read_bytes())
        cells = columns_of(tree)
    except OSError as error:
        raise BadTable(str(path), f"cannot be read: {error.strerror or error}") from error
    except NotReadable as error:
        raise BadTable(str(path), f"{error}; nothing of it was run") from error
    except _STRANGE as error:
        what = f"is no DataFrame in a layout known here; {_EXPORT}"
        raise BadTable(str(path), what) from error
    length = len(next(iter(cells.values()), ()))
    return Columns(str(path), cells, range(length))


def columns_of(tree: Any) -> dict[str, Sequence[Any]]:
    """Column -> cells. Raises NotReadable, or whatever a crafted tree makes Python raise."""
    _check_called(tree, _FRAMES, "a DataFrame")
    manager = tree.state["_mgr"] if "_mgr" in tree.state else tree.state["_data"]
    _check_called(manager, _MANAGERS, "the blocks of a DataFrame")
    names, blocks = _parts(manager)
    cells: dict[int, list[Any]] = {}
    for values, places in blocks:
        for place, row in zip(_places(places, len(names)), _array(values), strict=True):
            cells[place] = row.tolist()
    if len(set(names)) < len(names) or sorted(cells) != list(range(len(names))):
        raise NotReadable("has columns that are there twice or not at all")
    return {name: cells[place] for place, name in enumerate(names)}


def _parts(manager: Call) -> tuple[list[str], list[tuple[Any, Any]]]:
    """Names of the columns; each block's values (columns, rows) with the places of its columns."""
    if manager.arguments:
        blocks, axes = manager.arguments
        for block in blocks:
            _check_called(block, _BLOCKS, "a block of a DataFrame")
        pairs = [block.arguments[:2] for block in blocks]
    else:
        stored = manager.state[3]["0.14.1"]
        axes, pairs = stored["axes"], [(b["values"], b["mgr_locs"]) for b in stored["blocks"]]
    index = axes[0]
    _check_called(index, _INDEXES, "the names of columns")
    return [str(name) for name in _array(index.arguments[1]["data"]).tolist()], pairs


def _places(places: Any, count: int) -> Sequence[int]:
    if _is_call(places, _SLICES):
        return range(count)[slice(*places.arguments)]
    found: Sequence[int] = _array(places).tolist()
    return found


def _array(tree: Any) -> NDArray[Any]:
    """An array as numpy pickles it: from a buffer, or empty and with a state."""
    if _is_call(tree, _FROM_BUFFERS):
        data, dtype, shape, order = tree.arguments[:4]
        axes = tree.arguments[4] if len(tree.arguments) > 4 else None
        flat = np.frombuffer(_bytes(data), _dtype(dtype))
        if order == "K" and axes is not None:
            return flat.reshape(shape).transpose(axes)
        return flat.reshape(shape, order=order)
    _check_called(tree, _EMPTY_ARRAYS, "an array of numbers or objects")
    _, shape, dtype, by_columns, data = tree.state
    kind = _dtype(dtype)
    if kind.hasobject:
        flat = np.empty(len(data), dtype=object)
        for place, cell in enumerate(data):
            flat[place] = _plain(cell)
    else:
        flat = np.frombuffer(_bytes(data), kind)
    return flat.reshape(shape, order="F" if by_columns else "C")


def _plain(cell: Any) -> Any:
    """A cell of an object column: as it is, or the number that numpy wrapped in it."""
    is_texts = isinstance(cell, list) and all(isinstance(part, str) for part in cell)
    if is_texts or isinstance(cell, str | int | float | None):
        return cell
    _check_called(cell, _SCALARS, "text or a number in a cell")
    dtype, data = cell.arguments
    return np.frombuffer(_bytes(data), _dtype(dtype))[0].item()


def _bytes(data: Any) -> Any:
    """Before protocol 3 bytes are written as the text that encodes to them."""
    if _is_call(data, _ENCODES) and data.arguments[1] == "latin1":
        return data.arguments[0].encode("latin1")
    return data


def _dtype(tree: Any) -> np.dtype[Any]:
    _check_called(tree, _DTYPES, "a type of numbers")
    code = tree.arguments[0]
    if not (isinstance(code, str) and re.fullmatch(r"[fiubO]\d*", code)):
        raise NotReadable(f"has cells that are neither numbers nor objects; {_EXPORT}")
    order = tree.state[1] if tree.state else "="
    return np.dtype(f"{order}{code}" if order in ("<", ">") else code)


def _is_call(tree: Any, functions: set[str]) -> bool:
    if not isinstance(tree, Call) or not isinstance(tree.function, Global):
        return False
    return str(tree.function) in functions


def _check_called(tree: Any, functions: set[str], wanted: str) -> None:
    if _is_call(tree, functions):
        return
    found = type(tree).__name__
    if isinstance(tree, Call) and isinstance(tree.function, Global):
        found = f"a call of {str(tree.function)[:80]!r}"
    raise NotReadable(f"has {found} where {wanted} is expected; {_EXPORT}")
