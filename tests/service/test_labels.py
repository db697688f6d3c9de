"""Labels of a query, from the call to what is learned of them."""

import numpy as np
import pytest

from bandit_service.drafting import request_digest
from bandit_service.errors import IdReused
from bandit_service.model import Algorithm, Arm, ArmState, Features, Routed, TextFeatures
from policies.trait_state import TraitState
from tests.builders import a_query, a_submission
from tests.service.running import Service, running

LABELS = "code", "maths", "chat"
FEATURES = Features(text=TextFeatures(dimensions=16, readability=True, labels=LABELS))
GREENSERV = Algorithm(name="greenserv", settings={"settling": 12.0})


def asked(label: str, text: str = "What is it?", **changes: object):
    return a_query(vector=None, text=text, labels=(label,), **changes)


async def told(service: Service, label: str, text: str, score: float) -> Routed:
    made = await service.router.route(asked(label, text))
    named = {"decision_id": made.decision.id, "feedback_id": made.decision.id}
    await service.recorder.record(a_submission(**named, score=score))
    return made


async def test_a_label_is_a_feature_of_its_query_alone(service):
    await service.create(name="words", features=FEATURES)

    answers = await service.router.route_many(
        [asked(label, policy="words") for label in ("maths", "chat", "unheard of")]
    )

    rows = [np.frombuffer(answer.decision.context) for answer in answers]
    assert [row[-4:-1].tolist() for row in rows] == [[0, 1, 0], [0, 0, 1], [0, 0, 0]]
    np.testing.assert_array_equal(rows[0][:-4], rows[1][:-4])
    assert len(rows[0]) == 16 + 8 + 1 + 3 + 1


async def test_what_greenserv_learned_is_the_same_after_a_restart(database):
    """Across the moment its clusters stand still, with an arm more and an arm less."""
    config = {"features": FEATURES, "algorithm": GREENSERV}
    async with running(database) as service:
        await service.create(**config)
        for turn in range(8):
            await told(service, LABELS[turn % 3], f"Question {turn} of them.", turn / 8)
        await service.administrator.add_arm("chat", Arm(name="huge"), "")
        await service.administrator.remove_arm("chat", "small", "")
        before = service.engine().state_hash()

    async with running(database) as service:
        assert service.engine().state_hash() == before
        kept = service.engine().state
        assert isinstance(kept, TraitState)
        assert not kept.settled
        for turn in range(20):
            await told(service, LABELS[turn % 3], f"Question {turn} and more.", turn / 20)
        after, state = service.engine().state_hash(), service.engine().state
        assert isinstance(state, TraitState)
        assert state.settled
        made = await service.router.route(asked("code", request_id="r1"))

    async with running(database) as service:
        engine = service.engine()
        assert engine.state_hash() == after != before
        assert engine.config.arms[0].state is ArmState.REMOVED
        assert engine.state.observations[0] == 0.0
        again = await service.router.route(asked("code", request_id="r1"))
        assert again == made
        with pytest.raises(IdReused):
            await service.router.route(asked("maths", request_id="r1"))


def test_labels_make_another_request():
    plain = a_query(request_id="r1")

    assert request_digest(plain) != request_digest(a_query(request_id="r1", labels=("code",)))
