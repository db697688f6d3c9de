"""`policy front`, against a service whose front is known."""

import json
from typing import Any

import pytest

from bandit_service.rpc.pb import policy_pb2 as pb
from tests.cli.fake_policies import FakePolicies

TAKEN = {"cost_usd": 0.01, "energy_joules": 200.0}  # where nothing is weighed


class KnownFront(FakePolicies):
    """Where what is weighed is worth w points, or the dial is at w, 1 / (1 + w) is taken of each
    amount that is `known`."""

    known: tuple[str, ...] = ("cost_usd", "energy_joules")

    async def PreviewPolicy(self, request: Any, context: Any) -> Any:
        before = await self._found(request.policy.name, context, request.policy.etag)
        sides = [self._at(one.objective) for one in (before, request.policy)]
        answer = pb.PreviewPolicyResponse(basis=pb.PREVIEW_BASIS_TRAFFIC)
        for field in ("quality", *self.known):
            one, other = (pb.Interval(value=side[field]) for side in sides)
            getattr(answer, field).CopyFrom(pb.AmountPreview(before=one, after=other))
        return answer

    def _at(self, objective: Any) -> dict[str, float]:
        usd = objective.quality_per_usd * TAKEN["cost_usd"]
        joules = objective.quality_per_joule * TAKEN["energy_joules"]
        worth = usd + joules + objective.accuracy_energy_dial
        return {
            "quality": 0.9 - 0.1 * worth / (1.0 + worth),
            **{field: taken / (1.0 + worth) for field, taken in TAKEN.items()},
        }


@pytest.fixture
def policies():
    return KnownFront()


@pytest.fixture
def chat(run, server):
    made = run("policy", "create", "chat", "--arm", "a", "--set", "objective.quality_per_usd=50")
    assert made.exit_code == 0, made.output


def test_what_a_dollar_and_a_joule_are_worth_is_swept(run, chat, policies):
    before = policies.policies["chat"].SerializeToString()

    done = run("policy", "front", "chat", "--json")

    assert done.exit_code == 0, done.output
    usd, joules = json.loads(done.stdout)["fronts"]
    assert (usd["resource"], usd["swept"]) == ("cost_usd", "objective.quality_per_usd")
    assert joules["swept"] == "objective.quality_per_joule"
    assert usd["present"]["amount"]["value"] == pytest.approx(0.01 / 1.5)  # 50 x .01 = .5 points
    assert usd["present"]["quality"]["value"] == pytest.approx(0.9 - 0.1 * 0.5 / 1.5)
    worth = [0.0, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0]
    assert [each["value"] * 0.01 for each in usd["settings"]] == pytest.approx(worth)
    assert [each["amount"]["value"] for each in usd["settings"]] == pytest.approx(
        [0.01 / (1.0 + w) for w in worth]
    )
    # The dollar keeps its worth while the joule is swept: what it takes then is the unit.
    taken = 200.0 / 1.5
    assert [each["value"] * taken for each in joules["settings"]] == pytest.approx(worth)
    assert policies.policies["chat"].SerializeToString() == before


def test_a_dial_is_swept_where_there_is_one(run, server, policies):
    made = run(
        *("policy", "create", "chat", "--arm", "a"),
        *("--set", "objective.accuracy_energy_dial=3", "--set", "objective.reference_joules=10"),
    )
    assert made.exit_code == 0, made.output

    usd, joules = json.loads(run("policy", "front", "chat", "--json").stdout)["fronts"]

    assert usd["swept"] == joules["swept"] == "objective.accuracy_energy_dial"
    assert [each["value"] for each in joules["settings"]] == list(range(11))
    assert joules["present"]["amount"]["value"] == pytest.approx(200.0 / 4.0)


def test_the_table_and_the_pictures_have_the_present_setting(run, chat, policies, tmp_path):
    png, html = tmp_path / "front.png", tmp_path / "front.html"

    done = run("policy", "front", "chat", "--png", png, "--html", html)

    assert done.exit_code == 0, done.output
    (present, _) = [line for line in done.stdout.splitlines() if "as it is" in line]
    assert present.split() == ["as", "it", "is", "0.8667", "0.006667"]
    assert png.read_bytes().startswith(b"\x89PNG\r\n")
    page = html.read_text()
    assert "0.867 at 0.006667 USD a decision" in page
    assert "http" not in page.replace("http://www.w3.org", "")


def test_without_amounts_there_is_no_front(run, chat, policies):
    policies.known = ()

    done = run("policy", "front", "chat")

    assert (done.exit_code, done.stdout) == (3, "")
    assert done.stderr.count("\n") == 1
    assert "policy 'chat': needs what calls cost or take of energy" in done.stderr


def test_a_picture_that_cannot_be_written_is_named(run, chat, tmp_path):
    done = run("policy", "front", "chat", "--png", tmp_path / "nowhere" / "front.png")

    assert done.exit_code == 3
    assert "--png" in done.stderr
