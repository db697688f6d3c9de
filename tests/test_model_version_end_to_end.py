"""Another model behind a live arm, declared by command, over SIGKILL and a journal read afresh."""

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from bandit_service.cli import app
from bandit_service.client import AsyncClient, Choice
from bandit_service.store import open_store
from policies import build
from policies.rising_state import RisingState
from tests.patience import PATIENCE
from tests.servers import a_server, policy_file

POLICY = """
name: chat
algorithm: {name: ti_ucb, settings: {window: 20}}
floor: 0.6
features: {vector: {dimension: 2}}
arms: [{name: small}, {name: middle}, {name: large}]
challengers: [{name: linear, algorithm: {name: linucb}}]
"""
VECTOR = [0.3, -0.2]


def bandit(address: str, *words: str) -> Any:
    done = CliRunner().invoke(app, ["policy", *words, "--server", address, "--json"])
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def declare(address: str, version: str) -> str:
    """What the command says to people."""
    words = ["policy", "update-arm", "chat", "middle", "--set", f"model_version={version}"]
    done = CliRunner().invoke(app, [*words, "--server", address])
    assert done.exit_code == 0, done.stderr
    assert f"middle {version}" in done.stdout
    return done.stderr


async def _asked(address: str, queries: int, arms: tuple[str, ...]) -> list[Choice]:
    async with AsyncClient(address, policy="chat", timeout=PATIENCE) as client:
        return [await client.route(vector=VECTOR, allowed_arms=arms) for _ in range(queries)]


async def _told(address: str, choices: list[Choice], score: float) -> list[str]:
    async with AsyncClient(address, policy="chat", feedback_timeout=PATIENCE) as client:
        told = [await client.feedback(one, score=score, latency_seconds=9.0) for one in choices]
        return [one.effect for one in told]


def asked(address: str, queries: int, *arms: str) -> list[Choice]:
    """Decisions, of these arms if any are named."""
    return asyncio.run(_asked(address, queries, arms))


def told(address: str, choices: list[Choice], score: float) -> list[str]:
    return asyncio.run(_told(address, choices, score))


@pytest.fixture
def policy(tmp_path: Path) -> str:
    return str(policy_file(tmp_path, POLICY))


def test_a_model_declared_replaced_is_learned_anew_and_a_kill_forgets_nothing_of_it(
    store_url: str, policy: str
) -> None:
    with a_server(store_url, "--policy", policy) as server:
        address = server.address
        first = asked(address, 20, "middle")
        assert set(told(address, first + asked(address, 20), 0.9)) == {"learned"}
        late = asked(address, 2, "middle")
        assert "learning of middle started afresh" in declare(address, "2026-03")
        known = bandit(address, "get", "chat")["policy"]["arms"][1]
        assert (known["model_version"], known["version_position"]) == ("2026-03", "42")
        assert told(address, late[:1], 0.9) == ["model_replaced"]
        assert told(address, first[:1], 0.1) == ["model_replaced"]  # a revision
        bare = bandit(address, "state", "chat")["arms"][1]
        assert bare == {"arm": "middle", "observations": 0.0}

        second = asked(address, 15, "middle")
        others = asked(address, 10, "small", "large")
        assert set(told(address, second + others, 0.2)) == {"learned"}
        before = bandit(address, "state", "chat")
        assert before["arms"][1]["observations"] == len(second)
        assert before["arms"][1]["mean_quality"] == pytest.approx(0.2)
        server.kill()

    with a_server(store_url) as server:
        after = bandit(server.address, "state", "chat")
        assert told(server.address, late[1:2], 0.9) == ["model_replaced"]
    assert [after[key] for key in ("position", "state_hash")] == [
        before[key] for key in ("position", "state_hash")
    ]
    assert_it_is_a_fresh_line(store_url, len(second))


def assert_it_is_a_fresh_line(store_url: str, plays: int) -> None:
    """The journal, read from its beginning: what it says of the arm after the declaration makes
    the state of a TI-UCB that never heard of it before."""
    store = open_store(store_url)
    (identity,) = store.policies()
    fresh = build("ti_ucb", dim=3, settings={"window": 20})
    state, taught = fresh.start(1), 0
    for entry in store.events(identity.id, 42, 10_000):
        for lesson in getattr(entry.event, "lessons", ()):
            if lesson.arm == 1:
                assert lesson.old is None
                context = np.frombuffer(lesson.context)
                fresh.update(state, 0, context, lesson.new, clock=lesson.clock)
                taught += 1
    store.close()
    assert taught == plays
    assert isinstance(state, RisingState)
    assert state.line(0).ahead == pytest.approx(0.2)
