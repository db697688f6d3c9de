"""The commands, a server process, SIGKILL, and its lease: challengers from outside."""

import asyncio
import json
import time

import numpy as np
import pytest
from typer.testing import CliRunner

from bandit_service.cli import app
from bandit_service.client import AsyncClient
from tests.audit.histories import audited
from tests.patience import PATIENCE
from tests.servers import a_server, policy_file

POLICY = """
name: chat
features: {vector: {dimension: 2}}
arms: [{name: small}, {name: middle}, {name: large}]
algorithm: {name: linear_thompson}
floor: 0.1
challengers:
- {name: guess, algorithm: {name: uniform}, share: 0.4, margin: 0.01}
- {name: cheap, algorithm: {name: linear_thompson}, objective: {quality_per_usd: 5}, floor: 0.2}
"""
CHANCES = {"small": 0.1, "middle": 0.5, "large": 0.9}


def traffic(address, seed, rounds):
    asyncio.run(some_traffic(address, np.random.default_rng(seed), rounds))


async def some_traffic(address, luck, rounds):
    """64 queries at once a round, and what came of each."""

    async def user(client):
        choice = await client.route(vector=luck.normal(size=2).tolist())
        score = float(luck.random() < CHANCES[choice.arm])
        await client.feedback(choice, score=score, cost_usd=0.01)

    async with AsyncClient(
        address, policy="chat", timeout=PATIENCE, feedback_timeout=PATIENCE
    ) as client:
        for _ in range(rounds):
            await asyncio.gather(*(user(client) for _ in range(64)))


def bandit(address, *words):
    done = CliRunner().invoke(app, ["policy", *words, "--server", address, "--json"])
    return done.exit_code, json.loads(done.stdout) if done.exit_code == 0 else done.stderr


def state(address):
    code, said = bandit(address, "state", "chat")
    assert code == 0
    return int(said["position"]), said["state_hash"]


def explained(address):
    """A decision says what each would have done: the mixture of these is what was drawn from."""
    words = ("--server", address)
    routed = CliRunner().invoke(app, ["route", "chat", "--vector", "0.5,1", *words, "--json"])
    chosen = json.loads(routed.stdout)
    asked = ["decision", chosen["decision_id"], *words]
    said = json.loads(CliRunner().invoke(app, [*asked, "--json"]).stdout)["decision"]
    own, guess, cheap = said["contestants"]
    assert [one["name"] for one in (own, guess, cheap)] == ["incumbent", "guess", "cheap"]
    assert [one["share"] for one in (own, guess, cheap)] == [pytest.approx(0.6), 0.4, 0.0]
    for arm in said["arms"]:
        mixed = 0.6 * own["probabilities"][arm["arm"]] + 0.4 / 3
        assert arm["probability"] == pytest.approx(mixed, abs=1e-12)
    assert guess["weight"] == pytest.approx(1 / 3 / chosen["propensity"])
    assert guess["evidence"]["judged_decisions"] == "192"  # it has just been asked for
    assert guess["evidence"]["low"] < guess["evidence"]["difference"] < guess["evidence"]["high"]
    assert "evidence" not in own
    shown = CliRunner().invoke(app, asked).stdout
    assert "evidence so far" in shown
    assert "by 192" in shown


def test_challengers_from_outside(tmp_path):
    url = f"sqlite:///{tmp_path}/bandit.db"
    with a_server(url, "--policy", str(policy_file(tmp_path, POLICY))) as server:
        address = server.address
        code, said = bandit(address, "get", "chat")
        guess, cheap = said["policy"]["challengers"]
        assert (guess["share"], guess["margin"], cheap["floor"]) == (0.4, 0.01, 0.2)
        assert cheap["objective"]["quality_per_usd"] == 5.0

        traffic(address, 0, 3)
        code, said = bandit(address, "challengers", "chat")
        guess, cheap = said["challengers"]
        assert code == 0
        assert (guess["challenger"]["name"], cheap["challenger"]["name"]) == ("guess", "cheap")
        assert (guess["decisions"], guess["judged_decisions"]) == ("192", "192")
        assert guess["incumbent"]["share"] == pytest.approx(0.6)
        explained(address)
        code, said = bandit(address, "promote", "chat", "cheap")
        assert code == 7
        assert "may be worse than the incumbent" in said

        traffic(address, 1, 20)
        until, share = time.monotonic() + 4 * PATIENCE, 0.4
        while share and time.monotonic() < until:  # until the chore has looked
            time.sleep(0.2)
            share = bandit(address, "get", "chat")[1]["policy"]["challengers"][0]["share"]
        assert share == 0.0
        code, said = bandit(address, "history", "chat")
        assert said["revisions"][0]["author"] == "rollback"
        assert "is taken away" in said["revisions"][0]["reason"]
        before = state(address)
        server.kill()

    with a_server(url) as server:
        assert state(server.address) == before
        code, said = bandit(server.address, "promote", "chat", "cheap", "--force")
        assert code == 0
        assert [one["name"] for one in said["policy"]["challengers"]] == ["guess"]
        assert said["policy"]["objective"]["quality_per_usd"] == 5.0
        assert bandit(server.address, "promote", "chat", "cheap", "--force")[0] == 4
        traffic(server.address, 100, 1)
        before = state(server.address)
        shown = CliRunner().invoke(app, ["policy", "challengers", "chat", "--server",
                                         server.address])  # fmt: skip
        assert "guess (uniform)" in shown.stdout
        assert "margin 0.01" in shown.stdout
    found = audited(url)
    assert found.holds
    assert (found.journal.position, found.journal.state_hash) == before
