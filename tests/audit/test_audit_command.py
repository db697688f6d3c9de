"""Samples, journals that begin late, and the command."""

import json

import numpy as np
from sqlalchemy import text
from typer.testing import CliRunner

from bandit_service.checkpoints import BY_SECRET, Keeper
from bandit_service.cli import app
from bandit_service.store import open_store
from tests.audit.histories import audited, doctoring, rewritten
from tests.service.running import running
from tests.service.test_feedback import some_traffic


def test_a_sample_is_as_large_as_asked_and_the_same_again(copied):
    doctored = rewritten(copied, "means", lambda old: (np.frombuffer(old) + 1.0).tobytes())
    seeds = range(45)  # none of them would have it once in a million times
    samples = [audited(copied, sample=60, seed=seed) for seed in seeds]

    assert {one.sampled for one in samples} == {60}
    assert {one.decisions for one in samples} == {229}
    assert [one.findings for one in samples[:12]] == [
        audited(copied, sample=60, seed=seed).findings for seed in seeds[:12]
    ]
    hits = [bool(one.findings) for one in samples]
    assert {f.decision_id for one in samples for f in one.findings} <= {doctored}
    assert 0 < sum(hits) < len(hits)  # a quarter, more or less


async def test_where_the_journal_was_let_go_a_checkpoint_takes_its_place(copied):
    store = open_store(copied)
    (identity,) = store.policies()
    whole = audited(copied)
    async with running(copied) as service:
        lease = store.leases.take("test", "me", 60.0)
        assert lease is not None
        keeper = Keeper(store.checkpoints, BY_SECRET)
        made = keeper.save(identity, service.engine().snapshot(), lease)
        await some_traffic(service, seed=9)
    store.close()
    with doctoring(copied) as connection:
        connection.execute(text("DELETE FROM journal WHERE position <= 50"))

    found = audited(copied)
    assert found.holds
    assert found.journal.start == made.position == whole.journal.position
    assert found.rederived == 80 + 5  # what followed, and the last five before
    assert set(found.not_rederived) == {
        "before the oldest checkpoint, the journal up to there has been let go"
    }
    with doctoring(copied) as connection:
        connection.execute(text("DELETE FROM checkpoint_part"))
        connection.execute(text("DELETE FROM checkpoint"))
    without = audited(copied)
    assert not without.holds
    assert without.journal.wrong == "positions up to 50 are missing, and there is no checkpoint"


def test_the_command_says_what_holds_and_ends_accordingly(copied, tmp_path):

    def replayed(*words):
        return CliRunner().invoke(app, ["replay", "--verify", "--database", copied, *words])

    good = replayed()
    assert good.exit_code == 0, good.output
    assert "everything holds" in good.stdout
    doctored = rewritten(copied, "arm", lambda arm: (arm + 1) % 3)
    bad = replayed("--log-policy", "chat", "--json", "-")
    assert bad.exit_code == 10, bad.output
    (said,) = json.loads(bad.stdout)
    assert (said["holds"], said["policy"], said["sampled"]) == (False, "chat", 229)
    assert said["findings"][0]["decision_id"] == doctored
    assert "NOT EVERYTHING HOLDS" in replayed().stdout

    for words, code in (
        (("--policy", "uniform"), 2),
        (("--log-policy", "nobody"), 4),
        (("--since", "5", "--until", "4"), 3),
        (("--checkpoint-key", str(tmp_path / "none")), 3),
    ):
        assert replayed(*words).exit_code == code
