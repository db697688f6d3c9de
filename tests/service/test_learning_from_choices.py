"""Policies that learn from the chances of what was chosen are told them, by the journal."""

import numpy as np
import pytest

from bandit_service.model import Algorithm, Arm, Lesson, Preference, PreferenceLearning
from tests.builders import NOW, a_config, a_decision, a_query, an_engine, decide, packed, tell
from tests.service.desk import CONTEXT, Desk, duel

ARMS = tuple(
    Arm(name=name, input_usd_per_million_tokens=1.0, output_usd_per_million_tokens=2.0)
    for name in ("small", "medium", "large")
)
TAUGHT = a_config(arms=ARMS, algorithm=Algorithm(name="mixllm", settings={"step": 0.05}))
LOGGED = packed(0.5, 0.3, 0.2)


def test_lessons_carry_the_logged_chances_for_who_learns_from_them_alone():
    told = Desk(a_decision(), config=TAUGHT).hear(score=0.75)
    others = Desk(a_decision()).hear(score=0.75)

    assert told.lessons == (Lesson(0, CONTEXT, NOW, None, 0.75, chances=LOGGED),)
    assert others.lessons == (Lesson(0, CONTEXT, NOW, None, 0.75),)


def test_what_was_recovered_or_drawn_as_a_pair_has_no_chances_to_learn_from():
    nothing = packed(np.nan, np.nan, np.nan)
    lost = a_decision(recovered=True, probabilities=nothing)
    config = a_config(
        arms=ARMS, algorithm=TAUGHT.algorithm, preference_learning=PreferenceLearning.AS_QUALITY
    )

    assert Desk(lost, config=TAUGHT).hear(score=1.0).lessons[0].chances == b""
    pair = Desk(duel(), config=config).hear(preference=Preference(preferred_arm="large"))
    assert [lesson.chances for lesson in pair.lessons] == [b"", b""]


def test_the_fold_pushes_by_the_chances_of_the_decision():
    engine = an_engine(TAUGHT)
    made = decide(engine, [a_query()])[0]
    event = Desk(made, config=TAUGHT).hear(decision_id=made.id, score=1.0)

    tell(engine, event)

    x, pi = np.frombuffer(made.context), np.frombuffer(made.probabilities)
    lead = np.eye(3)[made.arm] - pi
    pushed = engine.state.canonical()["pushes"]
    np.testing.assert_allclose(pushed, np.outer(lead, x / max(1.0, float(np.linalg.norm(x)))))
    assert engine.state.canonical()["verdicts"][made.arm] == pytest.approx([1.0, 1.0])
