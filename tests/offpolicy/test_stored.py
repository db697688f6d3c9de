"""The service's own log: out of both databases, into files, into a replay."""

import itertools
import json
import threading

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from bandit_service.cli import app
from bandit_service.errors import BadLog, DamagedDatabase, OlderSchema, PolicyNotFound
from bandit_service.evaluation.logs import stored
from bandit_service.evaluation.logs.exporting import write
from bandit_service.evaluation.logs.opening import open_log
from bandit_service.model import (
    EnergySource,
    JournalEntry,
    Kind,
    Outcome,
    Source,
    Usage,
)
from bandit_service.store import open_log_reader, open_store
from tests.builders import NOW, SECRET, a_config, a_decision, a_revision, arms, packed
from tests.patience import PATIENCE

CHANCES = (0.25, 0.75)
COUNT = 40


def decisions(policy_id):
    """Every tenth is sticky; the third is a duel's."""
    for at in range(COUNT):
        slot, sticky = at % 2, at % 10 == 9
        yield a_decision(
            id=f"d{at:03d}",
            policy_id=policy_id,
            revision=1,
            create_time=NOW + at,
            clock=NOW + at,
            context=packed(0.1 * at, 1.0),
            arm=slot,
            probabilities=packed(*(np.eye(2)[slot] if sticky else CHANCES)),
            propensity=1.0 if sticky else (0.25 if at == 2 else CHANCES[slot]),
            means=packed(0.0, 0.0),
            deviations=packed(0.0, 0.0),
            exclusions=bytes([0, 0]) if not sticky else bytes([slot, 1 - slot]),
            second_arm=1 if at == 2 else None,
            sticky=sticky,
            session_hash=b"s" if at < 4 else None,
        )


def outcomes():
    """A judge and a user disagree on the first; the second's call is known; the rest succeed."""

    def one(at, kind, source, value=None, usage=None, arm=None):
        slot = at % 2 if arm is None else arm
        return Outcome(f"d{at:03d}", slot, kind, source, 2 + at, NOW + at, value, None, usage)

    yield one(0, Kind.SCORE, Source.JUDGE, 0.25)
    yield one(0, Kind.SCORE, Source.USER, 0.5)
    yield one(0, Kind.SUCCESS, Source.USER, 1.0)
    yield one(0, Kind.SCORE, Source.USER, 0.0, arm=1)  # of the arm that was not drawn
    yield one(1, Kind.USAGE, Source.USER,
              usage=Usage(0.01, 5, 7, 1.5, None, 3.0, EnergySource.MEASURED))  # fmt: skip
    # A user prefers the duel's first arm and a judge the second; one side alone says nothing.
    for source, value, position in ((Source.USER, 1.0, 4), (Source.JUDGE, 0.0, 5)):
        for arm, told in ((0, value), (1, 1.0 - value)):
            each = one(2, Kind.PREFERENCE, source, told, arm=arm)
            yield msgspec.structs.replace(each, position=position)
    yield one(3, Kind.PREFERENCE, Source.USER, 1.0)
    yield from (one(at, Kind.SUCCESS, Source.USER, 1.0) for at in range(3, COUNT))


@pytest.fixture
def url(store_url):
    store = open_store(store_url)
    with store.write() as transaction:
        policy = transaction.create_policy("chat", SECRET, NOW)
        other = transaction.create_policy("other", SECRET, NOW)
        transaction.lock_head(policy.id)
        config = a_config(name="chat", arms=arms("small", "large"))
        transaction.append(policy.id, [JournalEntry(1, a_revision(config))], [], [*outcomes()], [])
        transaction.add_decisions([*decisions(policy.id)])
        strange = [msgspec.structs.replace(each, id=f"{each.id}x") for each in decisions(other.id)]
        transaction.add_decisions(strange)
    store.close()
    return store_url


@pytest.fixture
def reader(url):
    reader = open_log_reader(url)
    yield reader
    reader.close()


def test_what_was_stored_is_the_log(reader, monkeypatch):
    monkeypatch.setattr("bandit_service.store.log_reader.PAGE", 7)
    log = stored.traffic(reader, "chat")
    whole = log.whole()
    kept = [at for at in range(COUNT) if at % 10 != 9]

    assert reader.names() == ["chat", "other"]
    assert (log.count, log.excluded) == (36, {"sticky": 4})
    assert log.arms == ("small", "large")
    np.testing.assert_array_equal(whole.chosen, [at % 2 for at in kept])
    np.testing.assert_array_equal(whole.contexts, [[0.1 * at, 1.0] for at in kept])
    np.testing.assert_array_equal(whole.probabilities, [CHANCES] * 36)
    np.testing.assert_array_equal(whole.propensities, [CHANCES[at % 2] for at in kept])
    np.testing.assert_array_equal(whole.times, [NOW + at for at in kept])
    np.testing.assert_array_equal(whole.quality, [0.5, np.nan, np.nan, *[1.0] * 33])
    assert whole.outcomes["cost_usd"][1] == 0.01
    assert whole.outcomes["energy_joules"][1] == 3.0
    assert np.isnan(whole.outcomes["latency_seconds"][0])
    assert (whole.clusters >= 0).tolist() == [at < 4 for at in kept]


def test_pages_are_bounded_and_miss_nothing(url, monkeypatch):
    monkeypatch.setattr("bandit_service.store.log_reader.PAGE", 7)
    reader = open_log_reader(url)
    policy, config = reader.policy("chat")
    pages = list(reader.pages(policy.id, NOW + 3, NOW + 20))
    reader.close()

    assert [arm.name for arm in config.arms] == ["small", "large"]
    assert [len(page.decisions) for page in pages] == [7, 7, 3]
    found = [each.create_time for page in pages for each in page.decisions]
    assert found == [NOW + at for at in range(3, 20)]
    assert all(set(page.outcomes) == {each.id for each in page.decisions} for page in pages)


def test_a_range_of_time_and_an_unknown_policy(reader):
    assert stored.traffic(reader, "chat", since=NOW + 10, until=NOW + 15).count == 5
    with pytest.raises(BadLog, match="has no usable decision"):
        stored.traffic(reader, "chat", since=NOW + 1000)
    with pytest.raises(BadLog, match="the range is empty"):
        stored.traffic(reader, "chat", since=5.0, until=5.0)
    with pytest.raises(PolicyNotFound, match="no policy 'nobody'"):
        stored.traffic(reader, "nobody")


def test_a_duel_has_its_pair_and_the_most_trusted_preference(reader, tmp_path):
    for file in (tmp_path / "log.parquet", tmp_path / "log.jsonl"):
        write(stored.batches(reader, "chat"), file)
        for log in (stored.traffic(reader, "chat").whole(), open_log(file).whole()):
            assert log.seconds.tolist() == [1 if at == 2 else -1 for at in range(36)]
            np.testing.assert_array_equal(log.pairs[:4], [np.nan, np.nan, 0.25, np.nan])
            np.testing.assert_array_equal(log.preferences[:4], [np.nan, np.nan, 1.0, np.nan])


@pytest.fixture
def paging(url, monkeypatch):
    """A reader of small pages."""
    monkeypatch.setattr("bandit_service.store.log_reader.PAGE", 7)
    reader = open_log_reader(url)
    yield reader
    reader.close()


def test_columns_say_what_pages_say(paging):
    """Two ways out of one database: records, and columns of them."""
    policy, _ = paging.policy("chat")
    pages = [*paging.pages(policy.id, 0.0, 1e11)]
    columns = [*paging.columns(policy.id, 0.0, 1e11)]
    assert [len(page.decisions["id"]) for page in columns] == [7, 7, 7, 7, 7, 5]
    records = [decision for page in pages for decision in page.decisions]

    for name in columns[0].decisions:
        told = [value for page in columns for value in page.decisions[name]]
        if name == "is_duel":
            assert list(map(bool, told)) == [each.second_arm is not None for each in records]
        else:
            assert told == [getattr(each, name) for each in records], name
    values = [
        (page.decisions["id"][row], kind, source, value)
        for page in columns
        for row, kind, source, value in zip(
            *(page.outcomes[name] for name in ("row", "kind", "source", "value")), strict=True
        )
        if row is not None
    ]
    standing = [each for page in pages for some in page.outcomes.values() for each in some]
    expected = [(one.decision_id, one.kind, one.source, one.value) for one in standing]
    assert sorted(values, key=str) == sorted(expected, key=str)


def test_a_page_that_nobody_waits_for_any_more_is_waited_for_at_the_end(paging, monkeypatch):
    policy, _ = paging.policy("chat")
    fetch, held, calls = paging._fetched, threading.Event(), itertools.count()

    def slowly(*given):
        if next(calls) >= 2:  # of the second page
            assert held.wait(PATIENCE)
        return fetch(*given)

    monkeypatch.setattr(paging, "_fetched", slowly)
    assert len(next(paging.columns(policy.id, 0.0, 1e11)).decisions["id"]) == 7
    closing = threading.Thread(target=paging.close)
    closing.start()
    closing.join(0.1)
    assert closing.is_alive()
    held.set()
    closing.join(PATIENCE)
    assert not closing.is_alive()
    assert paging._engine.pool.checkedout() == 0
    with pytest.raises(RuntimeError, match="after shutdown"):
        next(paging.columns(policy.id, 0.0, 1e11))


@pytest.mark.parametrize("name", ["log.parquet", "log.jsonl"])
def test_an_export_is_the_log(url, name, tmp_path):
    file = tmp_path / name
    done = CliRunner().invoke(app, ["export", "chat", str(file), "--database", url, "--json"])
    reader = open_log_reader(url)
    mine = stored.traffic(reader, "chat")
    reader.close()

    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {"policy": "chat", "file": str(file), "decisions": 40}
    assert open_log(file).digest == mine.digest
    assert open_log(file).excluded == {"sticky": 4}


def test_a_replay_reads_the_database_itself(url):
    words = ["replay", "--database", url, "--log-policy", "chat", "--policy", "arm:large",
             "--resamples", "100", "--json", "-"]  # fmt: skip
    done = CliRunner().invoke(app, words)

    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert (said["decisions"], said["excluded"]) == (36, {"sticky": 4})


def candidates(url, *named, more=()):
    words = ["replay", "--database", url, "--log-policy", "chat", "--training", "0.3",
             "--resamples", "100", "--json", "-", *more]  # fmt: skip
    for each in named:
        words += ["--candidate", each]
    return CliRunner().invoke(app, words)


def test_a_stored_revision_and_the_live_policy_with_knobs_turned_are_candidates(url):
    store = open_store(url)
    (policy,) = (each for each in store.policies() if each.name == "chat")
    with store.write() as transaction:
        head = transaction.lock_head(policy.id)
        config = a_config(name="chat", arms=arms("small", "large"), floor=0.5)
        changed = msgspec.structs.replace(a_revision(config), revision=2)
        transaction.append(policy.id, [JournalEntry(head + 1, changed)], [], [], [])
    store.close()
    done = candidates(url, "live", "revision:1", "live,floor=0.9", "live,quality_per_usd=2,floor=1")

    assert done.exit_code == 0, done.output
    found = {each["label"]: each for each in json.loads(done.stdout)["candidates"]}
    assert "floor 0.5" in found["live"]["description"]
    assert "floor 0.9" in found["live,floor=0.9"]["description"]
    assert "quality_per_usd 2" in found["live,quality_per_usd=2,floor=1"]["description"]
    assert f"floor {a_config().floor:g}" in found["revision:1"]["description"]
    # All floor and nothing else is an even draw.
    even = found["live,quality_per_usd=2,floor=1"]["arms"]
    assert [each["candidate"] for each in even] == pytest.approx([0.5, 0.5])


def test_candidates_that_are_not_stored_are_refused(url, tmp_path):
    for named, complaint in (
        ("revision:9", "'chat' has no such revision"),
        ("revision:last", "'last' is not the number of a revision"),
        ("live,floor", "'floor' must be like dial=3"),
        ("live,floor=high", "Expected `float`, got `str`"),
        ("live,odd=1", "unknown field `odd`"),
        ("live,dial=11", "accuracy_energy_dial"),
    ):
        done = candidates(url, named)
        assert (done.exit_code, complaint in done.stderr) == (3, True), (named, done.stderr)
    done = CliRunner().invoke(app, ["replay", "--candidate", "live", "--resamples", "100"])
    assert "give --database and --log-policy" in done.stderr
    done = candidates(url, "live", more=("--budget-usd-per-query", "1e-9"))
    assert "the cost of no judged decision is known" in done.stderr


def test_exports_that_cannot_be_are_refused(url, tmp_path):
    def export(*words):
        return CliRunner().invoke(app, ["export", *map(str, words), "--database", url])

    for words, code, complaint in (
        (("nobody", tmp_path / "x.jsonl"), 4, "no policy 'nobody'"),
        (("chat", tmp_path / "x.csv"), 3, "ends in .parquet"),
        (("chat", tmp_path / "x.jsonl", "--since", "tomorrow"), 3, "neither seconds nor ISO"),
        (("chat", tmp_path / "x.jsonl", "--since", "2", "--until", "1"), 3, "is not before"),
        (("chat", tmp_path / "x.jsonl", "--since", "2090-01-01"), 3, "no decision in that range"),
        (("chat", tmp_path / "x.jsonl", "--columns", "odd"), 3, "there is no 'odd'"),
        (("chat", tmp_path / "no" / "x.jsonl"), 3, "cannot be written"),
    ):
        done = export(*words)
        assert (done.exit_code, complaint in done.stderr) == (code, True), done.output
    assert list(tmp_path.glob("*.jsonl")) == []


def test_a_reader_changes_nothing(tmp_path):
    with pytest.raises(DamagedDatabase, match="there is no such file"):
        open_log_reader(f"sqlite:///{tmp_path}/none.db")
    assert list(tmp_path.iterdir()) == []
    empty = tmp_path / "empty.db"
    empty.touch()
    with pytest.raises(OlderSchema):
        open_log_reader(f"sqlite:///{empty}")
    assert empty.stat().st_size == 0
