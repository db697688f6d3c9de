"""A candidate frozen at a checkpoint: what it does, and whom it may be judged by."""

import json

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from bandit_service.checkpoints import BY_SECRET, Keeper
from bandit_service.cli import app
from bandit_service.errors import InvalidField
from bandit_service.evaluation.contestants import configured
from bandit_service.evaluation.logs import stored
from bandit_service.evaluation.offpolicy.frozen import Frozen, engine_at
from bandit_service.model import Algorithm, Arm, ArmState, Decision
from bandit_service.store import open_log_reader, open_store
from tests.builders import a_query, a_submission
from tests.challengers.contests import THOMPSON
from tests.challengers.test_judging import QUALITIES
from tests.service.running import running

replace = msgspec.structs.replace
BEFORE, AT, LATER = 60, 80, 60


async def decided(service, count, luck):
    queries = [a_query(vector=luck.normal(size=2).tobytes()) for _ in range(count)]
    return [one.decision for one in await service.router.route_many(queries)]


async def heard(service, decisions, luck, qualities=QUALITIES):
    told = [
        a_submission(
            decision_id=one.id,
            feedback_id=one.id,
            success=bool(luck.random() < qualities[one.arm]),
        )
        for one in decisions
    ]
    await service.recorder.record_many(told)


def saved_checkpoint(database, engine):
    store = open_store(f"sqlite:///{database}")
    lease = store.leases.take("test", "me", 60.0)
    assert lease is not None
    made = Keeper(store.checkpoints, BY_SECRET).save(engine.identity, engine.snapshot(), lease)
    store.leases.drop(lease)
    store.close()
    return made


@pytest.fixture
def database(tmp_path):
    return tmp_path / "bandit.db"


@pytest.fixture
async def log(database):
    """60 decisions with feedback, and 10 whose feedback comes after the checkpoint; 80 made at its
    position; 60 made later. The checkpoint, and the last two kinds of decisions."""
    luck = np.random.default_rng(0)
    async with running(f"sqlite:///{database}") as service:
        await service.create(algorithm=THOMPSON, floor=0.2)
        pending = await decided(service, 10, luck)
        for _ in range(6):
            await heard(service, await decided(service, BEFORE // 6, luck), luck)
        saved = saved_checkpoint(database, service.engine())
        made = await decided(service, AT, luck)
        await heard(service, [*pending, *made], luck, 1.0 - QUALITIES)  # the best is now the worst
        later = await decided(service, LATER, luck)
        await heard(service, later, luck)
    return saved, made, later


@pytest.fixture
def reader(log, database):
    reader = open_log_reader(f"sqlite:///{database}")
    yield reader
    reader.close()


def replayed(database, *words):
    common = ("--database", f"sqlite:///{database}", "--log-policy", "chat", "--resamples", "100")
    return CliRunner().invoke(app, ["replay", *common, *words, "--json", "-"])


async def test_it_decides_as_the_service_did_at_the_checkpoint(log, reader):
    saved, made, _ = log
    engine = engine_at(reader, "chat", str(saved.id), BY_SECRET)
    traffic = stored.traffic(reader, "chat", checkpoint=engine.position)
    whole, before = traffic.whole(), engine.state_hash()
    candidate = Frozen(configured(engine.config), engine, traffic.arms, traffic.feature_version)
    found = candidate.fresh().probabilities(whole)

    assert engine.position == saved.position
    assert (traffic.early, len(whole)) == (BEFORE + 10, AT + LATER)
    # Nothing was learned in between: the very same chances, and weights of 1.
    logged = {one.context: np.frombuffer(one.probabilities) for one in made}
    own = [row for row, each in enumerate(whole.contexts) if each.tobytes() in logged]
    assert len(own) == AT
    for row in own:
        wanted = logged[whole.contexts[row].tobytes()]
        np.testing.assert_allclose(found[row], wanted, rtol=0, atol=1e-12)
    weights = found[np.arange(len(whole)), whole.chosen] / whole.propensities
    np.testing.assert_allclose(weights[own], 1.0, rtol=0, atol=1e-9)
    assert whole.probabilities is not None
    moved = np.abs(found - whole.probabilities).max(axis=1)
    assert np.delete(moved, own).max() > 0.1
    # Later: what the service would decide if it had learned nothing since.
    alone = engine.decide([a_query()] * len(whole), whole.contexts, now=0.0)
    for mine, one in zip(found, alone, strict=True):
        assert isinstance(one, Decision)
        np.testing.assert_allclose(mine, np.frombuffer(one.probabilities), rtol=0, atol=1e-12)
    candidate.teach(whole)
    assert engine.state_hash() == before


async def test_what_it_may_have_learned_from_stays_out_and_is_counted(log, database):
    saved, _, _ = log
    done = replayed(database, "--candidate", f"frozen:{saved.id}")
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert (said["training"], said["judged"]) == (0, AT + LATER)
    assert said["excluded"] == {"before a checkpoint": BEFORE + 10}
    assert any("may have learned what came of them" in note for note in said["notes"])
    (candidate,) = said["candidates"]
    assert f"as it was at position {saved.position}" in candidate["description"]


async def test_with_knobs_turned_and_beside_a_learner(log, database):
    words = ["--training", "0.25"]
    for knobs in ("", ",floor=1", ",quality_per_usd=2"):
        words += ["--candidate", f"frozen:{log[0].id}{knobs}"]
    done = replayed(database, *words, "--candidate", "live")
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert (said["training"], said["judged"]) == (35, AT + LATER - 35)  # of what came after it
    even = said["candidates"][1]["arms"]
    assert [one["candidate"] for one in even] == pytest.approx([1 / 3] * 3)


@pytest.mark.parametrize(
    ("who", "complaint"),
    [
        ("frozen:77", "has no such; it has 1"),
        ("frozen:", "has no such"),
        ("frozen:1,algorithm.name=beta_thompson", "would start afresh"),
        ("frozen:1,floor=7", "floor"),
    ],
)
async def test_what_cannot_be_is_refused(log, database, who, complaint):
    assert log[0].id == 1
    done = replayed(database, "--candidate", who)
    assert done.exit_code == 3, done.output
    assert complaint in done.stderr


async def test_a_checkpoint_that_is_newer_than_the_log_is_refused(log, database):
    async with running(f"sqlite:///{database}") as service:
        late = saved_checkpoint(database, service.engine())
    done = replayed(database, "--candidate", f"frozen:{late.id}")
    assert done.exit_code == 3, done.output
    assert f"210 decisions were made before position {late.position}" in done.stderr


def test_it_needs_the_database():
    done = CliRunner().invoke(app, ["replay", "--candidate", "frozen:1"])
    assert done.exit_code == 3
    assert "give --database and --log-policy" in done.stderr


async def test_other_features_and_arms_mean_nothing_to_it(log, reader):
    engine = engine_at(reader, "chat", "1", BY_SECRET)
    plain, names, version = configured(engine.config), engine.names, engine.shape.version
    with pytest.raises(InvalidField, match="its features are"):
        Frozen(plain, engine, names, "other")
    with pytest.raises(InvalidField, match=f"its arms {names[2]} are not in the log"):
        Frozen(plain, engine, names[:2], version)
    more = replace(engine.config, arms=(*engine.config.arms, Arm(name="new")))
    with pytest.raises(InvalidField, match="its arms new are not"):
        Frozen(configured(more), engine, names, version)
    other = replace(engine.config, algorithm=Algorithm(name="no such"))
    with pytest.raises(InvalidField, match="no such"):
        Frozen(configured(other), engine, names, version)
    retired = [
        replace(each, state=ArmState.RETIRED) if each.name == names[0] else each
        for each in engine.config.arms
    ]
    one = Frozen(configured(replace(engine.config, arms=tuple(retired))), engine, names, version)
    whole = stored.traffic(reader, "chat").whole()
    assert (one.probabilities(whole)[:, 0] == 0.0).all()
