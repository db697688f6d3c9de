"""How a server is put together."""

import gc
import re
from collections.abc import Callable

import psycopg

from bandit_service import app
from tests.servers import a_server

TABLES = ("decision", "outcome", "learned")


def test_what_is_there_at_the_start_stays_out_of_full_collections():
    before = gc.get_freeze_count()
    try:
        app.keep_out_of_collections()

        assert gc.get_freeze_count() > before + 10_000  # the modules alone
        assert len(gc.get_objects()) < 10_000
    finally:
        gc.unfreeze()


def test_a_server_makes_the_partitions_that_are_missing(
    postgres_databases: Callable[[str], str],
) -> None:
    url = postgres_databases("migrated")
    names = "SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r' ORDER BY relname"
    with psycopg.connect(url, autocommit=True) as connection:
        before = connection.execute(names).fetchall()
        last = [max(name for (name,) in before if re.match(rf"{one}_\d", name)) for one in TABLES]
        connection.execute(f"DROP TABLE {', '.join(last)}".encode())

        with a_server(url) as server:
            code, logged = server.terminate()

        assert connection.execute(names).fetchall() == before
    assert code == 0
    assert f"made partitions: {', '.join(last)}" in logged
