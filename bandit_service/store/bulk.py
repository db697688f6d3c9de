"""Writes many rows with few statements.

The writer's thread shares the interpreter's lock with the event loop, and gives it up and
waits for it anew at every statement. So rows go many to a statement: in SQLite as a list
of VALUES, in Postgres as one array a column. Both are given columns, for two reasons:
SQLite's driver takes about half a microsecond for each None, bool and bytes that it binds,
ten times what it takes for a float; so columns that hold nothing but their default are
left out, and bytes are passed as bytearray, which it takes as it is.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Connection, Double, Integer, LargeBinary, Table
from sqlalchemy.types import TypeEngine

from bandit_service.store.engine import is_sqlite

CHUNKS = (256, 128, 64, 32, 16, 8, 4, 2, 1)  # rows a statement in SQLite, so all stay prepared
AT_ONCE = 128  # rows; SQLite's driver keeps a statement of each size prepared

Values = Sequence[Any]


def replacing(table_columns: Sequence[str], key: Sequence[str]) -> str:
    """The conflict clause of rows that take the place of those with the same key."""
    rest = ", ".join(f"{name} = excluded.{name}" for name in table_columns if name not in key)
    return f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {rest}"


class Bulk:
    """An insert of many rows into one table.

    `conflict` is the ON CONFLICT clause, the same in both databases.
    """

    def __init__(self, table: Table, conflict: str = "") -> None:
        self._columns = tuple(table.columns)
        self._head = f"INSERT INTO {table.name}"
        self._conflict = conflict
        self._values_text = lru_cache(256)(self._values)
        self._arrays_text = lru_cache(256)(self._arrays)

    def insert_at_once(self, connection: Connection, columns: Sequence[Values]) -> None:
        """Writes up to AT_ONCE rows with one statement, so that it needs no transaction."""
        names, kept = self._kept(columns)
        if not is_sqlite(connection):
            self.insert(connection, columns)
            return
        rows = list(zip(*map(_bindable, kept), strict=True))
        text = self._values_text(names, len(rows), "?")
        connection.exec_driver_sql(text, tuple(chain.from_iterable(rows)))

    def insert(self, connection: Connection, columns: Sequence[Values]) -> int:
        """Writes rows, given as columns in the table's order; returns how many were written."""
        names, kept = self._kept(columns)
        if is_sqlite(connection):
            return self._insert_chunks(connection, names, kept)
        if len(kept[0]) == 1:  # arrays of one would cost twice as much
            text = self._values_text(names, 1, "%b")
            return connection.exec_driver_sql(text, tuple(one for (one,) in kept)).rowcount
        text = self._arrays_text(names)
        return connection.exec_driver_sql(text, tuple(map(list, kept))).rowcount

    def _insert_chunks(
        self, connection: Connection, names: tuple[str, ...], columns: list[Values]
    ) -> int:
        rows = list(zip(*map(_bindable, columns), strict=True))
        written = start = 0
        for size in CHUNKS:
            while len(rows) - start >= size:
                values = tuple(chain.from_iterable(rows[start : start + size]))
                text = self._values_text(names, size, "?")
                written += connection.exec_driver_sql(text, values).rowcount
                start += size
        return written

    def _kept(self, columns: Sequence[Values]) -> tuple[tuple[str, ...], list[Values]]:
        """The columns that hold anything but their default, with their names."""
        names: list[str] = []
        kept: list[Values] = []
        for column, values in zip(self._columns, columns, strict=True):
            if column.nullable and values.count(None) == len(values):
                continue
            if isinstance(column.type, Boolean) and not any(values):
                continue
            names.append(column.name)
            kept.append(values)
        return tuple(names), kept

    def _values(self, names: tuple[str, ...], rows: int, mark: str) -> str:
        row = f"({', '.join([mark] * len(names))})"
        values = ", ".join([row] * rows)
        return f"{self._head} ({', '.join(names)}) VALUES {values} {self._conflict}"

    def _arrays(self, names: tuple[str, ...]) -> str:
        types = {column.name: _array_of(column) for column in self._columns}
        arrays = ", ".join(f"%b::{types[name]}" for name in names)  # binary: a fifth of the time
        listed = ", ".join(names)
        return f"{self._head} ({listed}) SELECT * FROM unnest({arrays}) {self._conflict}"


def _bindable(values: Values) -> Iterable[Any]:
    """The same values, of types that SQLite's driver takes without asking around."""
    kinds = set(map(type, values))
    if kinds == {bytes}:
        return map(bytearray, values)
    if bytes in kinds:
        return [None if value is None else bytearray(value) for value in values]
    if bool in kinds:
        return map(int, values)
    return values


def _array_of(column: Column[Any]) -> str:
    kinds: dict[type[TypeEngine[Any]], str] = {
        BigInteger: "bigint[]",  # before Integer, which it is one of
        Integer: "integer[]",
        Double: "float8[]",
        LargeBinary: "bytea[]",
        Boolean: "boolean[]",
    }
    return next((array for kind, array in kinds.items() if isinstance(column.type, kind)), "text[]")
