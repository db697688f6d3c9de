"""The service's own policy as it was at a checkpoint: what it knew then, and nothing of later."""

from collections.abc import Sequence

import msgspec

from bandit_service import configuration
from bandit_service.checkpoints import Keeper, Seal, restored
from bandit_service.engine import PolicyEngine
from bandit_service.errors import BadCheckpoint, BadInput, InvalidField
from bandit_service.evaluation.contestants import Contestant, shape_of
from bandit_service.evaluation.offpolicy.learner import Learner
from bandit_service.model import (
    CheckpointStatus,
    JournalEntry,
    PolicyConfig,
    RevisionEvent,
)
from bandit_service.ports import LogReader


class Frozen(Learner):
    """Serves with the state of a checkpoint, whatever came later; is not taught.

    Its rows have to be decisions made at the checkpoint's position or later: it knows what came of
    the others. `contestant` has its label, and its configuration with knobs turned or as it was.
    Raises InvalidField where the state means nothing under that, or to the log.
    """

    def __init__(
        self,
        contestant: Contestant,
        engine: PolicyEngine,
        arms: Sequence[str],
        feature_version: str,
    ) -> None:
        self.label, self.learns = contestant.label, False
        self.description = f"{contestant.description}; as it was at position {engine.position:,}"
        where = f"policy {self.label!r}"
        if engine.shape.version != feature_version:
            raise InvalidField(
                where,
                f"its features are {engine.shape.version}, those of the log {feature_version}",
            )
        if contestant.config != engine.config:
            engine = _changed(engine, contestant.config, where)
        lost = [name for name in engine.names if name not in arms]
        if lost:
            raise InvalidField(where, f"its arms {', '.join(lost)} are not in the log")
        self._columns = [arms.index(name) for name in engine.names]
        self._serve(engine, engine.learned_clock())

    def fresh(self) -> "Frozen":
        return self

    def teach(self, block: object) -> None:
        """It stays as it was."""


def engine_at(reader: LogReader, policy: str, checkpoint: str, seal: Seal) -> PolicyEngine:
    """What a checkpoint of the policy holds, by the number that `checkpoint list` shows.

    Raises InvalidField where there is no such, or none that is good; PolicyNotFound.
    """
    where = f"checkpoint {checkpoint!r}"
    identity, _ = reader.policy(policy)
    keeper = Keeper(reader.checkpoints, seal)
    known = {str(one.id): one for one in keeper.of(identity.id)}
    found = known.get(checkpoint)
    if found is None:
        listed = ", ".join(known) or "none"
        raise InvalidField(where, f"policy {policy!r} has no such; it has {listed}")
    if found.status is not CheckpointStatus.USABLE:
        raise InvalidField(where, f"is {found.status.value}, not usable")
    try:
        return restored(keeper, identity, found, shape_of)
    except BadCheckpoint as bad:
        raise InvalidField(where, bad.why) from bad


def _changed(engine: PolicyEngine, config: PolicyConfig, where: str) -> PolicyEngine:
    """The same state under another configuration."""
    try:
        config = configuration.check(config, shape_of)
    except BadInput as error:
        raise InvalidField(where, str(error)) from error
    if configuration.restarts(engine.config, config, shape_of):
        raise InvalidField(
            where, "with that change its learning would start afresh, and the checkpoint is lost"
        )
    made = PolicyEngine.restored(engine.identity, shape_of, engine.snapshot())
    event = RevisionEvent(
        revision=made.revision + 1,
        epoch=made.epoch,
        started_epoch=made.started_epoch,
        config=msgspec.structs.replace(config, challengers=()),
        time=made.update_time,
    )
    made.apply(JournalEntry(made.position + 1, event))
    return made
