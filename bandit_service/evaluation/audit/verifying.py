"""The audit of one policy: its log is read once, its journal folded once."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from itertools import groupby
from operator import attrgetter

import msgspec

from bandit_service.checkpoints import BY_SECRET, PAGE, Keeper, Seal, restored
from bandit_service.configuration import Shape
from bandit_service.engine import PolicyEngine
from bandit_service.errors import BadCheckpoint
from bandit_service.evaluation.audit import draws
from bandit_service.evaluation.audit.fairness import Draws
from bandit_service.evaluation.audit.results import Audit, Finding, Fold
from bandit_service.evaluation.audit.states import Rederiver
from bandit_service.evaluation.audit.telling import lessons_misfit
from bandit_service.features import features_of
from bandit_service.model import (
    CheckpointStatus,
    Decision,
    Features,
    FeedbackEvent,
    JournalEntry,
    StoredPolicy,
)
from bandit_service.ports import LogReader

ALWAYS = (0.0, 1e11)
SAMPLE = 20_000  # decisions; they are kept in memory until the fold has come to them

BEFORE = "before the oldest checkpoint, the journal up to there has been let go"
AFTER = "after the journal broke off"

Progress = Callable[[int], None]


def verify(
    reader: LogReader,
    policy: str,
    *,
    sample: int = SAMPLE,
    seed: int = 0,
    since: float = ALWAYS[0],
    until: float = ALWAYS[1],
    seal: Seal = BY_SECRET,
    progress: Progress | None = None,
) -> Audit:
    """Of decisions made at or after `since` and before `until`, seconds since the epoch.

    The draws of all of them are tested, and `sample` of them derived again; the journal is folded
    to its end. Raises PolicyNotFound, StoreUnavailable, DamagedDatabase.
    """
    identity, config = reader.policy(policy)
    fairness, chosen = Draws([arm.name for arm in config.arms]), Sample(sample, seed)
    for page in reader.pages(identity.id, since, until):
        fairness.add(page.decisions)
        chosen.add(page.decisions)
        if progress is not None:
            progress(len(page.decisions))
    decisions = chosen.decisions()
    found = [finding for one in decisions for finding in draws.findings(one, identity.secret)]
    folding = _Folding(reader, identity, seal)
    found += folding.run(decisions, progress)
    return Audit(
        policy=policy,
        decisions=fairness.seen,
        left_out=dict(fairness.left_out),
        sampled=len(decisions),
        rederived=folding.rederived,
        not_rederived=dict(folding.left),
        seed=seed,
        journal=folding.fold,
        arms=fairness.verdicts(),
        findings=tuple(sorted(found, key=attrgetter("position", "decision_id"))),
        undecided=folding.undecided,
    )


class Sample:
    """At most `size` decisions, the same ones for the same seed however they are read."""

    def __init__(self, size: int, seed: int) -> None:
        self._size, self._seed = size, str(seed).encode()
        self._kept: list[tuple[bytes, Decision]] = []

    def add(self, decisions: Sequence[Decision]) -> None:
        for one in decisions:
            luck = blake2b(one.id.encode(), digest_size=16, key=self._seed).digest()
            self._kept.append((luck, one))
        if len(self._kept) > 2 * self._size:
            self._shrink()

    def _shrink(self) -> None:
        self._kept.sort(key=lambda each: each[0])
        del self._kept[self._size :]

    def decisions(self) -> list[Decision]:
        """By position."""
        self._shrink()
        return sorted((one for _, one in self._kept), key=attrgetter("position", "id"))


class _Folding:
    """Folds a journal once, in order, and stops wherever a decision of the sample was made."""

    fold: Fold

    def __init__(self, reader: LogReader, identity: StoredPolicy, seal: Seal) -> None:
        self._reader, self._identity, self._seal = reader, identity, seal
        self.rederived = self.undecided = 0
        self.left: Counter[str] = Counter()

    def run(self, decisions: Sequence[Decision], progress: Progress | None) -> list[Finding]:
        """decisions: by position."""
        reader, identity = self._reader, self._identity
        head = reader.head(identity.id)
        engine, why = self._start()
        start = engine.position
        self.left[BEFORE] = sum(one.position < start for one in decisions)
        rederiver, by_id = Rederiver(engine), {one.id: one for one in decisions}
        found: list[Finding] = []
        waiting = groupby((one for one in decisions if one.position >= start), _position)
        position, here = next(waiting, (None, iter(())))
        while position is not None and position == start and start > 0:
            found += rederiver.findings(list(here))
            position, here = next(waiting, (None, iter(())))
        try:
            for entry in self._entries(engine) if why is None else ():
                engine.apply(entry)
                if isinstance(entry.event, FeedbackEvent):
                    spoken_of = by_id.get(entry.event.decision_id)
                    if spoken_of is not None and not spoken_of.recovered:
                        wrong = lessons_misfit(entry.event, entry.position, spoken_of)
                        found += [] if wrong is None else [wrong]
                if entry.position == position:
                    found += rederiver.findings(list(here))
                    position, here = next(waiting, (None, iter(())))
        except (ValueError, ArithmeticError, LookupError, msgspec.MsgspecError) as broken:
            why = f"position {engine.position + 1} cannot be folded: {broken}"
        if why is None and engine.position < head:
            why = f"position {engine.position + 1} is missing, the journal should end at {head}"
        while position is not None:
            found += self._beyond(list(here), why)
            position, here = next(waiting, (None, iter(())))
        self.rederived, self.undecided = rederiver.rederived, rederiver.undecided
        self.left.update(rederiver.left)
        self.left += Counter()  # without what is 0
        state = engine.state_hash() if engine.revision else ""
        self.fold = Fold(start, engine.position, head, state, why)
        return found

    def _start(self) -> tuple[PolicyEngine, str | None]:
        """An engine to begin with, and why there is none that the journal can go on from."""
        reader, identity = self._reader, self._identity
        engine = PolicyEngine(identity, shape_of)
        first = reader.events(identity.id, 0, 1)
        if not first or first[0].position == 1:
            return engine, None
        keeper, why = Keeper(reader.checkpoints, self._seal), "there is no checkpoint"
        for one in reversed(keeper.of(identity.id)):  # the oldest that is good
            if one.status is CheckpointStatus.USABLE and one.position >= first[0].position - 1:
                try:
                    return restored(keeper, identity, one, shape_of), None
                except BadCheckpoint as bad:
                    why = f"checkpoint {one.id}: {bad.why}"
        return engine, f"positions up to {first[0].position - 1} are missing, and {why}"

    def _entries(self, engine: PolicyEngine) -> Iterator[JournalEntry]:
        while page := self._reader.events(self._identity.id, engine.position, PAGE):
            yield from page

    def _beyond(self, decisions: list[Decision], why: str | None) -> list[Finding]:
        """Decisions at positions to which the fold did not come."""
        if why is not None:
            self.left[AFTER] += len(decisions)
            return []
        end = "beyond the journal's end"
        return [Finding(one.id, one.position, "position", str(one.position), end)
                for one in decisions]  # fmt: skip


def shape_of(features: Features) -> Shape:
    made = features_of(features)
    return Shape(made.version, made.dim)


_position = attrgetter("position")
