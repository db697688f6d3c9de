"""Logs with challengers, out of the database, into files, and replayed without computing again."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from bandit_service.cli import app
from bandit_service.evaluation.challengers.judging import judge
from bandit_service.evaluation.logs import stored
from bandit_service.evaluation.logs.opening import open_log
from bandit_service.store import open_log_reader
from tests.builders import NOW
from tests.challengers.contests import BOLDER, a_contest
from tests.challengers.test_judging import GUESSING, QUALITIES, contesting, earning

GUESS, BOLD, OWN = "guessing", "bolder", "incumbent"


@pytest.fixture
async def reader(database):
    """Of 500 decisions: the first 100 without challengers, and 400 with two."""
    async with contesting(database) as service:
        await service.create(**a_contest(floor=0.1))
        await earning(service, seed=0, rounds=2)
        await service.administrator.update("chat", {"challengers": (GUESSING,)}, "")
        await earning(service, seed=1, rounds=4)
        await service.administrator.update("chat", {"challengers": (BOLDER, GUESSING)}, "")
        await earning(service, seed=2, rounds=4)
    reader = open_log_reader(f"sqlite:///{database}")
    yield reader
    reader.close()


def since(log, row):
    return float(log.times[row])


async def test_what_was_logged_of_challengers_is_in_the_log(reader):
    log = stored.traffic(reader, "chat").whole()

    assert log.asides.keys() == {OWN, GUESS, BOLD}
    assert np.isnan(log.asides[GUESS][:100]).all()
    assert np.isnan(log.asides[BOLD][:300]).all()
    np.testing.assert_allclose(log.asides[GUESS][100:], 1 / 3)
    assert log.probabilities is not None
    mixed = 0.7 * log.asides[OWN][100:] + 0.3 * log.asides[GUESS][100:]
    np.testing.assert_allclose(log.probabilities[100:], mixed, atol=1e-15)
    assert not np.allclose(log.asides[BOLD][300:], log.asides[OWN][300:])


@pytest.mark.parametrize("name", ["log.parquet", "log.jsonl.gz"])
async def test_an_export_keeps_them(reader, database, tmp_path, name):
    file = tmp_path / name
    done = CliRunner().invoke(
        app, ["export", "chat", str(file), "--database", f"sqlite:///{database}"]
    )
    assert done.exit_code == 0, done.output
    mine, other = stored.traffic(reader, "chat").whole(), open_log(file).whole()

    assert mine.asides.keys() == other.asides.keys()
    for who, chances in mine.asides.items():
        np.testing.assert_array_equal(other.asides[who], chances)


def replayed(database, *words):
    command = ["replay", "--database", f"sqlite:///{database}", "--log-policy", "chat", *words]
    return CliRunner().invoke(app, [*command, "--resamples", "100", "--json", "-"])


async def test_a_replay_judges_them_by_what_was_logged(reader, database):
    log = stored.traffic(reader, "chat").whole()
    words = ("--policy", f"challenger:{GUESS}", "--policy", f"challenger:{OWN}")
    done = replayed(database, *words, "--since", repr(since(log, 100)))

    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert (said["judged"], said["training"]) == (400, 0)
    guess, own = said["candidates"]
    assert log.probabilities is not None
    rows = np.arange(100, 500), log.chosen[100:]
    weights = (1 / 3) / log.probabilities[rows]
    snips = float(weights @ log.quality[100:] / weights.sum())
    found = {
        one["estimator"]: one["value"] for one in guess["estimates"] if one["measure"] == "quality"
    }
    assert found["snips"] == pytest.approx(snips, abs=1e-12)
    assert snips == pytest.approx(QUALITIES.mean(), abs=0.12)

    # The same number as `policy challengers` gives for the decisions of its contest.
    bolder, guessing = judge(reader, "chat").challengers
    assert (bolder.decisions, guessing.decisions) == (200, 400)
    assert guessing.contestant.quality is not None
    assert guessing.contestant.quality.value == pytest.approx(snips, abs=1e-12)
    assert own["label"] == "challenger:incumbent"


async def test_who_did_not_decide_on_all_of_it_is_refused(reader, database):
    for name in (GUESS, BOLD, "nobody"):
        done = replayed(database, "--policy", f"challenger:{name}", "--since", repr(NOW))
        assert done.exit_code == 3, done.output
        assert f"'challenger:{name}'" in done.stderr
        assert "its probabilities were not logged" in done.stderr
