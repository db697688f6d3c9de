"""Columns that are longer than memory should be."""

from collections.abc import Iterator
from tempfile import TemporaryFile
from typing import IO, Any
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

KEPT_BYTES = 4 * 2**20


class Column:
    """An array in the making, in blocks. The first few megabytes stay in memory, the rest goes to a
    temporary file, which is gone with the column."""

    def __init__(self) -> None:
        self._kept: list[NDArray[Any]] = []
        self._bytes, self._spilled = 0, 0
        self._file: IO[bytes] | None = None

    def add(self, part: NDArray[Any]) -> None:
        self._bytes += part.nbytes
        if self._bytes <= KEPT_BYTES:
            self._kept.append(part)
            return
        if self._file is None:
            self._file = TemporaryFile()  # noqa: SIM115  # closed with the column
            finalize(self, self._file.close)
        self._file.seek(0, 2)
        np.save(self._file, part)
        self._spilled += 1

    def __len__(self) -> int:
        """Blocks."""
        return len(self._kept) + self._spilled

    def parts(self) -> Iterator[NDArray[Any]]:
        """The blocks as they came. One reader at a time."""
        yield from self._kept
        if self._file is not None:
            self._file.flush()
            self._file.seek(0)
            for _ in range(self._spilled):
                yield np.load(self._file)

    def whole(self) -> NDArray[Any]:
        """All of it in memory."""
        return np.concatenate(list(self.parts())) if len(self) else np.zeros(0)
