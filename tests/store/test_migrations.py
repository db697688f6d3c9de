"""The migrations make what the metadata says, from a checkout and from a wheel."""

import shutil
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text

from bandit_service.errors import OlderSchema
from bandit_service.store import migrate, open_store, schema
from bandit_service.store.engine import open_engine
from bandit_service.store.tables import metadata
from tests.patience import PATIENCE
from tests.store.records import a_policy

ROOT = Path(__file__).parents[2]
HEAD = str(ScriptDirectory.from_config(schema._config()).get_current_head())
LATER = f"""
from alembic import op
revision = "9999"
down_revision = "{HEAD}"
branch_labels = None
depends_on = None
def upgrade() -> None:
    op.execute("CREATE TABLE later (id INTEGER PRIMARY KEY)")
"""


@pytest.fixture
def later_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plays a version of the service that knows one migration more, "9999"."""
    folder = tmp_path / "migrations of a later % version"
    shutil.copytree(schema.migrations_folder(), folder)
    (folder / "versions" / "9999_later.py").write_text(LATER)
    monkeypatch.setattr(schema, "migrations_folder", lambda: folder)


def test_the_names_of_the_files_tell_the_revisions_and_their_order() -> None:
    walked = ScriptDirectory.from_config(schema._config()).walk_revisions()

    assert schema.revisions() == [script.revision for script in walked][::-1]


def tables_of(url: str) -> set[str]:
    """Without the partitions, which are told apart by their own tests."""
    engine = open_engine(url)
    names = set(inspect(engine).get_table_names())
    if not url.startswith("sqlite"):
        with engine.connect() as connection:
            asked = text("SELECT relname FROM pg_class WHERE relispartition")
            names -= set(connection.scalars(asked))
    engine.dispose()
    return names


def plain(index: Any) -> dict[str, Any]:
    """With its condition as text, which can be compared."""
    options = {name: str(value) for name, value in index["dialect_options"].items()}
    return {**index, "dialect_options": options}


def reflected(engine: Engine) -> dict[str, Any]:
    """All that can be asked of a database about its tables."""
    inspector = inspect(engine)
    names = set(inspector.get_table_names()) & {schema.VERSION_TABLE, *metadata.tables}
    names -= {schema.VERSION_TABLE}
    return {
        name: {
            "columns": [
                {**column, "type": repr(column["type"])} for column in inspector.get_columns(name)
            ],
            "key": inspector.get_pk_constraint(name),
            "foreign keys": inspector.get_foreign_keys(name),
            "checks": sorted(inspector.get_check_constraints(name), key=itemgetter("name")),
            "indexes": sorted(map(plain, inspector.get_indexes(name)), key=itemgetter("name")),
            "options": inspector.get_table_options(name),
        }
        for name in names
    }


def test_the_migrations_and_the_metadata_make_the_same_tables(
    empty_url: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    if empty_url.startswith("sqlite"):
        other_url = f"sqlite:///{tmp_path}/other.db"
    else:
        other_url = request.getfixturevalue("postgres_databases")("template0")
    migrate(empty_url)
    migrated, described = open_engine(empty_url), open_engine(other_url)
    metadata.create_all(described)

    found, wanted = reflected(migrated), reflected(described)
    migrated.dispose()
    described.dispose()

    assert found.keys() == metadata.tables.keys()
    assert found == wanted
    assert len(found["decision"]["checks"]) >= 14, "checks are seen at all"
    assert {one["name"] for one in found["decision"]["indexes"]} == {
        "decision_policy",
        "decision_session",
    }


def test_sqlite_is_as_strict_as_postgres(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/test.db"
    migrate(url)
    engine = open_engine(url)

    with engine.connect() as connection:
        listed = connection.execute(text("PRAGMA table_list")).mappings().all()
        settings = {
            name: connection.scalar(text(f"PRAGMA {name}"))
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    engine.dispose()

    ours = [one for one in listed if one["name"] in metadata.tables]
    assert len(ours) == len(metadata.tables)
    assert all(one["strict"] for one in ours)
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}  # 2 is FULL


def test_migrating_again_changes_nothing(empty_url: str) -> None:
    assert migrate(empty_url) == HEAD
    store = open_store(empty_url)
    policy = a_policy(store)
    store.close()

    assert migrate(empty_url) == HEAD

    store = open_store(empty_url)
    assert store.policies() == [policy]
    store.close()


def test_several_may_migrate_at_once(empty_url: str) -> None:
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(migrate, [empty_url] * 3)) == [HEAD] * 3


def test_several_processes_may_start_on_a_new_database(empty_url: str) -> None:
    start = f"from bandit_service.store import migrate; print(migrate({empty_url!r}))"
    command = [sys.executable, "-W", "error", "-c", start]

    running = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for _ in range(2)
    ]

    assert [one.communicate(timeout=4 * PATIENCE)[0] for one in running] == [
        f"{HEAD}\n".encode()
    ] * 2


def test_sqlite_sets_itself_up(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/test.db")

    assert store.policies() == []
    store.close()
    assert [one.name for one in tmp_path.iterdir()] == ["test.db"], "no copy of nothing"


def test_postgres_waits_for_its_migration(postgres_databases: Any) -> None:
    url = postgres_databases("template0")

    with pytest.raises(OlderSchema, match=f"schema 'none', this version needs '{HEAD}'"):
        open_store(url)

    assert tables_of(url) == set()


def test_an_older_sqlite_file_is_brought_up_to_date_beside_a_copy(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path}/test.db"
    store = open_store(url)
    policy = a_policy(store)
    store.close()
    request.getfixturevalue("later_version")

    store = open_store(url)

    assert store.policies() == [policy]
    store.close()
    assert "later" in tables_of(url)
    copy = f"sqlite:///{tmp_path}/test.db.{HEAD}.backup"
    assert tables_of(copy) == tables_of(url) - {"later"}


@pytest.mark.usefixtures("later_version")
def test_an_older_postgres_is_left_to_its_operator(postgres_databases: Any) -> None:
    url = postgres_databases("migrated")

    with pytest.raises(
        OlderSchema, match=f"'{HEAD}', this version needs '9999'; run `bandit-service"
    ):
        open_store(url)
    assert "later" not in tables_of(url)

    assert migrate(url) == "9999"
    assert "later" in tables_of(url)
    open_store(url).close()


def test_a_migration_that_fails_leaves_nothing_of_itself_behind(
    empty_url: str, later_version: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = schema.migrations_folder() / "versions" / "9999_later.py"
    broken.write_text(LATER + '    raise RuntimeError("half way")\n')

    with pytest.raises(RuntimeError, match="half way"):
        migrate(empty_url)

    # SQLite takes all or none; in Postgres each one that came before it is complete.
    complete = set() if empty_url.startswith("sqlite") else {*metadata.tables, "bandit_schema"}
    assert tables_of(empty_url) == complete
    broken.write_text(LATER)
    assert migrate(empty_url) == "9999"


def test_the_migrations_can_be_taken_back(empty_url: str) -> None:
    migrate(empty_url)
    engine = open_engine(empty_url)
    with engine.connect().execution_options(write=True) as connection:
        config = schema._config()
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    engine.dispose()
    assert tables_of(empty_url) == {schema.VERSION_TABLE}

    assert migrate(empty_url) == HEAD
    assert tables_of(empty_url) == {schema.VERSION_TABLE, *metadata.tables}


def test_the_wheel_carries_the_migrations_and_runs_them(tmp_path: Path) -> None:
    built = [sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(built, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "installed"
    zipfile.ZipFile(wheel).extractall(installed)
    code = (
        "import bandit_service.store as s; from bandit_service.store import schema; "
        f"print(s.migrate('sqlite:///{tmp_path}/test.db'), schema.migrations_folder())"
    )

    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert ran.stdout.split() == [HEAD, str(installed / "bandit_service" / "migrations")]
