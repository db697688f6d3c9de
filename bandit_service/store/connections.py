"""The connections of one store: those that write, and how to break off those that hang."""

import os
import socket
import weakref
from contextlib import suppress
from threading import Lock
from typing import Any

from sqlalchemy import Connection, Engine, event

from bandit_service.store.engine import HEAD_WAIT_SECONDS, is_sqlite


class Writers:
    """Two connections for writing; whoever has the lock may use them."""

    def __init__(self, engine: Engine) -> None:
        self.lock = Lock()
        self._engine = engine
        self._transactions: Connection | None = None
        self._statements: Connection | None = None

    def for_transactions(self) -> Connection:
        if self._transactions is None:
            connection = self._engine.connect().execution_options(write=True)
            if not is_sqlite(connection):
                # One policy's journal may not hold all the others up.
                _limit(connection)
            self._transactions = connection
        return self._transactions

    def for_statements(self) -> Connection:
        """Every statement commits itself."""
        if self._statements is None:
            self._statements = self._engine.connect().execution_options(
                isolation_level="AUTOCOMMIT"
            )
        return self._statements

    def drop(self) -> None:
        """Closes them for good: after an error nobody knows what state they are in."""
        dropped = [one for one in (self._transactions, self._statements) if one is not None]
        self._transactions = self._statements = None
        for connection in dropped:
            connection.invalidate()
            connection.close()


class Lines:
    """Every connection to a server that an engine has made, to be broken off together.

    A driver that waits for a peer that is silent, but not gone, waits for ever: to close its
    socket under it is the only way to make it return. A file has no such lines.
    """

    def __init__(self, engine: Engine) -> None:
        self._lock = Lock()
        self._made: weakref.WeakSet[Any] = weakref.WeakSet()
        self._broken: weakref.WeakSet[Any] = weakref.WeakSet()
        if not is_sqlite(engine):
            # Before all else: what is said on a new connection first can hang as well.
            event.listen(engine, "connect", self._add, insert=True)
            event.listen(engine, "checkin", self._refuse_broken)

    def break_off(self) -> None:
        """Whoever waits on one of them gets an error, as soon as the system lets it."""
        with self._lock:
            made, self._made = list(self._made), weakref.WeakSet()
            self._broken.update(made)
        for connection in made:
            with suppress(Exception):  # it may be closing just now, by itself
                _break_off(connection)

    def _add(self, connection: Any, _record: object) -> None:
        with self._lock:
            self._made.add(connection)

    def _refuse_broken(self, connection: Any, record: Any) -> None:
        """It is not for the pool any more, even if it has not noticed."""
        with self._lock:
            is_broken = connection in self._broken
        if is_broken:
            record.invalidate()


def _limit(connection: Connection) -> None:
    try:
        wait = f"SET lock_timeout = {round(1000 * HEAD_WAIT_SECONDS)}"
        connection.exec_driver_sql(wait)
        connection.commit()
    except BaseException:
        connection.invalidate()
        connection.close()
        raise


def _break_off(connection: Any) -> None:
    with socket.socket(fileno=os.dup(connection.pgconn.socket)) as line:
        line.shutdown(socket.SHUT_RDWR)
