"""Records for tests: a test spells out what matters to it, the rest is made up here."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from bandit_service.configuration import Shape
from bandit_service.engine import PolicyEngine
from bandit_service.features import features_of
from bandit_service.model import (
    Arm,
    Decision,
    Effect,
    Event,
    Features,
    FeedbackEvent,
    JournalEntry,
    Lesson,
    PolicyConfig,
    Query,
    RevisionEvent,
    Source,
    StoredPolicy,
    Submission,
    VectorFeatures,
)
from policies.policy import Array

NOW = 1_700_000_000.0
SECRET = b"a secret of thirty-two bytes...."
VERSION = "vector.v1:2+constant"


def shape_of(features: Features) -> Shape:
    made = features_of(features)
    return Shape(made.version, made.dim)


def arms(*names: str) -> tuple[Arm, ...]:
    return tuple(Arm(name=name, model=name) for name in names)


def a_config(**changes: Any) -> PolicyConfig:
    """A policy of three arms that takes vectors of two numbers."""
    given: dict[str, Any] = {
        "name": "chat",
        "arms": arms("small", "medium", "large"),
        "features": Features(vector=VectorFeatures(dimension=2)),
    }
    return PolicyConfig(**(given | changes))


def packed(*numbers: float) -> bytes:
    return np.array(numbers).tobytes()


def a_query(**changes: Any) -> Query:
    given: dict[str, Any] = {"policy": "chat", "vector": packed(0.6, 0.8)}
    return Query(**(given | changes))


def a_decision(**changes: Any) -> Decision:
    """A decision for the first of three arms."""
    given: dict[str, Any] = {
        "id": "d1",
        "policy_id": 1,
        "revision": 1,
        "position": 1,
        "create_time": NOW,
        "clock": NOW,
        "feature_version": VERSION,
        "context": packed(0.6, 0.8, 1.0),
        "arm": 0,
        "propensity": 0.5,
        "probabilities": packed(0.5, 0.3, 0.2),
        "means": packed(0.5, 0.5, 0.5),
        "deviations": packed(1.0, 1.0, 1.0),
        "exclusions": bytes(3),
    }
    return Decision(**(given | changes))


def a_submission(**changes: Any) -> Submission:
    given: dict[str, Any] = {"decision_id": "d1", "feedback_id": "f1"}
    return Submission(**(given | changes))


def a_lesson(arm: int, new: float | None, old: float | None = None, **changes: Any) -> Lesson:
    given: dict[str, Any] = {"context": packed(0.6, 0.8, 1.0), "clock": NOW}
    return Lesson(arm=arm, old=old, new=new, **(given | changes))


def a_feedback_event(*lessons: Lesson, **changes: Any) -> FeedbackEvent:
    given: dict[str, Any] = {
        "feedback_id": "f1",
        "decision_id": "d1",
        "source": Source.USER,
        "time": NOW,
        "effect": Effect.LEARNED,
    }
    return FeedbackEvent(lessons=lessons, **(given | changes))


def a_revision(config: PolicyConfig, revision: int = 1, epoch: int = 0) -> RevisionEvent:
    return RevisionEvent(revision, epoch, epoch, config, NOW)


def an_engine(config: PolicyConfig | None = None, *events: Event) -> PolicyEngine:
    """An engine that has applied the configuration, then these events."""
    engine = PolicyEngine(StoredPolicy(1, "chat", SECRET, NOW), shape_of)
    for event in (a_revision(config or a_config()), *events):
        tell(engine, event)
    return engine


def tell(engine: PolicyEngine, event: Event) -> None:
    engine.apply(JournalEntry(engine.position + 1, event))


def decide(
    engine: PolicyEngine, queries: Sequence[Query], contexts: Array | None = None, now: float = NOW
) -> list[Decision]:
    """Decisions for queries of which none is refused."""
    if contexts is None:
        contexts = np.tile([0.6, 0.8, 1.0], (len(queries), 1))
    made = []
    for answer in engine.decide(queries, contexts, now):
        assert isinstance(answer, Decision), answer
        made.append(answer)
    return made


def chances(decision: Decision) -> Array:
    return np.frombuffer(decision.probabilities)
