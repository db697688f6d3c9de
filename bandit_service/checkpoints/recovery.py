"""From the database to an engine: the newest checkpoint that is good, then the tail."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from bandit_service import failpoints
from bandit_service.checkpoints.keeper import Keeper
from bandit_service.configuration import ShapeOf
from bandit_service.engine import FOLD_VERSION, PolicyEngine
from bandit_service.errors import (
    BadCheckpoint,
    BrokenJournal,
    InvalidField,
    LostBeginning,
    NotUnderstood,
)
from bandit_service.model import Checkpoint, CheckpointStatus, StoredPolicy
from bandit_service.ports import Store

log = logging.getLogger(__name__)

PAGE = 5_000  # entries read at once

Progress = Callable[[int], None]  # of a position


def quietly(_position: int) -> None:
    """Tells nobody."""


@dataclass(frozen=True)
class Recovered:
    """An engine, and the checkpoint it started from; None: from zero.

    `stopped` is why it has not got to the end of its journal: a newer program wrote the rest.
    """

    engine: PolicyEngine
    checkpoint: Checkpoint | None
    stopped: NotUnderstood | None = None


def recover(
    store: Store,
    keeper: Keeper,
    identity: StoredPolicy,
    shape_of: ShapeOf,
    *,
    head: int | None = None,
    progress: Progress = quietly,
) -> Recovered:
    """The engine of a policy, as its whole journal makes it, or as much as is understood.

    `head` is the journal's last position, where it is known already. Raises BrokenJournal,
    LostBeginning, StoreUnavailable; a checkpoint that is not good raises nothing: it is left
    aside, with a warning that names it, and the next older one takes its place.
    """
    if head is None:
        head = store.heads().get(identity.id, 0)
    left_aside = 0
    for checkpoint in keeper.of(identity.id):
        if checkpoint.status is not CheckpointStatus.USABLE:
            continue
        try:
            if checkpoint.position > head:  # as where only the journal was set back to a copy
                raise BadCheckpoint(f"its journal ends at {head}")
            engine = restored(keeper, identity, checkpoint, shape_of)
        except BadCheckpoint as bad:
            left_aside += 1
            log.warning(
                "checkpoint %d of policy %r at position %d is left aside: %s",
                checkpoint.id,
                identity.name,
                checkpoint.position,
                bad.why,
            )
        else:
            break
    else:
        engine, checkpoint = PolicyEngine(identity, shape_of), None
    try:
        fold(store, engine, progress=progress, least=head)
    except NotUnderstood as newer:
        return Recovered(engine, checkpoint, newer)
    except BrokenJournal as broken:
        if left_aside and _is_gap(store, identity, engine.position):
            lost = LostBeginning(identity.id, identity.name, engine.position + 1)
            raise lost from broken
        raise
    return Recovered(engine, checkpoint)


def _is_gap(store: Store, identity: StoredPolicy, position: int) -> bool:
    """Whether entries follow this position, but not the next one."""
    try:
        following = store.events(identity.id, position, 1)
    except msgspec.MsgspecError:  # it is there, and cannot be read
        return False
    return bool(following) and following[0].position > position + 1


def restored(
    keeper: Keeper, identity: StoredPolicy, checkpoint: Checkpoint, shape_of: ShapeOf
) -> PolicyEngine:
    """The engine as it was at the checkpoint. Raises BadCheckpoint, StoreUnavailable."""
    if checkpoint.fold_version != FOLD_VERSION:
        raise BadCheckpoint(
            f"it has fold version {checkpoint.fold_version}, this program has {FOLD_VERSION}"
        )
    snapshot = keeper.read(identity, checkpoint)
    try:
        engine = PolicyEngine.restored(identity, shape_of, snapshot)
    except (ValueError, ArithmeticError, LookupError, InvalidField) as wrong:
        raise BadCheckpoint(f"it makes no engine: {wrong}") from wrong
    if engine.state_hash() != snapshot.state_hash():
        raise BadCheckpoint("it holds sums that its algorithm does not have")
    return engine


def fold(
    store: Store,
    engine: PolicyEngine,
    upto: int | None = None,
    progress: Progress = quietly,
    least: int = 1,
) -> None:
    """Applies what follows the engine's position in the journal, at most to `upto`.

    `progress` hears after every page how far it has come. Raises NotUnderstood where a newer
    program wrote what follows; the engine is then as it was before that.

    Raises BrokenJournal for a gap, for bytes that are no event, and for a journal that ends before
    `upto`, or before `least`: what retention has let go may be missing at its end.
    """
    identity = engine.identity
    try:
        while upto is None or engine.position < upto:
            count = PAGE if upto is None else min(PAGE, upto - engine.position)
            page = store.events(identity.id, engine.position, count)
            failpoints.hit("during_load")
            for entry in page:
                engine.apply(entry)
            progress(engine.position)
            if not page:
                break
    except (ValueError, ArithmeticError, LookupError, msgspec.MsgspecError) as wrong:
        raise BrokenJournal(identity.id, engine.position + 1) from wrong
    if engine.position < (max(1, least) if upto is None else upto):
        raise BrokenJournal(identity.id, engine.position + 1)
