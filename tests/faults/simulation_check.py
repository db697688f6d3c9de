"""What has to hold when a simulation is over, counted from what its clients sent and heard."""

from collections import Counter

import numpy as np

from bandit_service.engine import PolicyEngine
from bandit_service.model import FeedbackEvent
from tests.builders import shape_of
from tests.faults import chores
from tests.faults.chores import HORIZON
from tests.faults.model_store import ModelStore
from tests.faults.replica import ask
from tests.faults.simulated_calls import Wrong
from tests.faults.simulation import World


def check(world: World) -> None:
    """Raises Wrong, or AssertionError from numpy."""
    tables = world.store.whole()
    positions = sorted(position for _, position in tables.journal)
    if positions != list(range(1, tables.heads[1] + 1)):
        raise Wrong(f"the journal's positions are {positions}")
    told: Counter[str] = Counter()
    for entry in tables.journal.values():
        if isinstance(entry.event, FeedbackEvent):
            told[entry.event.feedback_id] += 1
    if told and max(told.values()) > 1:
        raise Wrong(f"in the journal more than once: {told.most_common(3)}")
    _check_what_is_kept(world)
    for request_id, decision in world.decisions.items():
        if tables.decisions.get(decision.id) != decision:
            raise Wrong(f"the decision for {request_id} is lost")
    for feedback_id, answer in world.feedback.items():
        kept = tables.recorded.get((1, feedback_id))
        if kept is None or (kept.position, kept.effect) != (answer.position, answer.effect):
            raise Wrong(f"feedback {feedback_id} is lost, or elsewhere")
    _check_states(world)


def _check_what_is_kept(world: World) -> None:
    """Retention has taken nothing that feedback or a checkpoint could still need."""
    tables, needed = world.store.synced, world.chores.tidied - HORIZON
    for decision in world.decisions.values():
        if decision.create_time >= needed and decision.id not in tables.decisions:
            raise Wrong(f"{decision.id} has been let go too early")
    kept = [one.position for one in chores.usable(ModelStore(tables))]
    for key, entry in world.store.whole().journal.items():
        is_old = isinstance(entry.event, FeedbackEvent) and entry.event.time < needed
        if key not in tables.journal and not (is_old and entry.position <= min(kept, default=0)):
            raise Wrong(f"entry {entry.position} has been let go too early")


def _check_states(world: World) -> None:
    tables = world.store.whole()
    engine = PolicyEngine(tables.policies[1], shape_of)
    for position in range(1, tables.heads[1] + 1):
        engine.apply(tables.journal[1, position])
    _check_sums(world, engine)
    for replica in world.replicas:
        assert replica is not None
        if (wrong := ask(replica, replica.follow)) is not None:
            raise Wrong(f"a replica cannot follow: {wrong!r}")
        if replica.engine().position != engine.position:
            raise Wrong(f"a replica stands at {replica.engine().position}, not {engine.position}")
        if replica.engine().state_hash() != engine.state_hash():
            raise Wrong("a replica's state is no fold of the journal")
    begun = world.start().engine()
    if (begun.position, begun.state_hash()) != (engine.position, engine.state_hash()):
        raise Wrong("a checkpoint and its tail are no fold of the journal")


def _check_sums(world: World, engine: PolicyEngine) -> None:
    """The last value of each decision, by the order of the journal, from what clients sent; of the
    model that answers now, for what its predecessor earned is forgotten."""
    tables = world.store.whole()
    order = sorted((one.position, feedback_id) for (_, feedback_id), one in tables.recorded.items())
    standing: dict[str, float] = {}
    for _, feedback_id in order:
        decision, _ = world.sent[feedback_id]
        if feedback_id not in world.scores:
            world.counts["unheard and too late"] += 1
            return  # of two values that were sent under this id it may be either
        standing[decision.id] = world.scores[feedback_id]
    sums = np.zeros((len(engine.names), 2))
    for decision_id, score in standing.items():
        made = tables.decisions[decision_id]
        if made.position >= engine.config.arms[made.arm].version_position:
            sums[made.arm] += score, 1.0
    np.testing.assert_allclose(engine.calls.qualities, sums, rtol=1e-9, atol=1e-9)
