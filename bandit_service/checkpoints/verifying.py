"""Holds checkpoints against their journal, as far as that reaches back."""

from bandit_service.checkpoints.recovery import Progress, fold
from bandit_service.configuration import ShapeOf
from bandit_service.engine import PolicyEngine
from bandit_service.errors import BadCheckpoint, BrokenJournal, PrunedJournal
from bandit_service.model import Checkpoint, StoredPolicy
from bandit_service.ports import Store

NOTHING = "nothing: the journal before it was pruned"


class Truth:
    """What a policy's journal gives at one position after another.

    It is folded from zero, or, where retention has let its beginning go, from the oldest checkpoint
    that is good. What that one holds itself nothing can tell any more but its seal.
    """

    def __init__(
        self, store: Store, identity: StoredPolicy, shape_of: ShapeOf, progress: Progress
    ) -> None:
        self._store = store
        self._progress = progress
        self._engine = PolicyEngine(identity, shape_of)
        self._begins = "zero"
        self._is_settled = False  # something has been compared, so where it begins is certain

    def compare(self, one: Checkpoint, engine: PolicyEngine) -> str:
        """Says what a checkpoint was compared with; `engine` was made of it. The oldest first.

        Raises BadCheckpoint where the journal gives another state, BrokenJournal.
        """
        try:
            fold_whole(self._store, self._engine, one.position, self._progress)
        except PrunedJournal as pruned:
            if self._is_settled:  # retention takes nothing from behind a checkpoint
                raise BrokenJournal(one.policy_id, self._engine.position + 1) from pruned
            self._engine, self._begins = engine, f"checkpoint {one.id}"
            self._is_settled = True
            return NOTHING
        self._is_settled = True
        if engine.state_hash() != self._engine.state_hash():
            raise BadCheckpoint(f"its journal, folded from {self._begins}, gives another state")
        return f"the journal, folded from {self._begins}"


def fold_whole(
    store: Store, engine: PolicyEngine, upto: int | None, progress: Progress, least: int = 1
) -> None:
    """As `fold`, but raises PrunedJournal where what comes next has been let go."""
    try:
        fold(store, engine, upto, progress, least)
    except BrokenJournal as broken:
        following = store.events(engine.identity.id, engine.position, 1)
        if following and following[0].position == engine.position + 1:
            raise
        raise PrunedJournal(engine.identity.name, engine.position + 1) from broken
