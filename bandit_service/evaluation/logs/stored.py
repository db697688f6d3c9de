"""The service's own log: from stored decisions and outcomes to batches, column by column."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bandit_service.errors import BadLog
from bandit_service.evaluation.logs import asides, packed
from bandit_service.evaluation.logs.outcomes import Standing, told
from bandit_service.evaluation.logs.rows import FLAGS, Batch, Duels, clusters_of
from bandit_service.evaluation.logs.traffic import Progress, Traffic
from bandit_service.model import PolicyConfig, RevisionEvent
from bandit_service.ports import LogColumns, LogReader

ALWAYS = (0.0, 1e11)


class Early:
    """Decisions left out, because a checkpoint may have learned what came of them: those whose
    feedback may be at its `position` or before. `count` is of the last reading."""

    def __init__(self, position: int) -> None:
        self.position, self.count = position, 0

    def found(self, positions: Sequence[int]) -> NDArray[np.bool_]:
        """(n,); feedback comes after the position that a decision was made at."""
        early: NDArray[np.bool_] = np.array(positions) < self.position
        self.count += int(early.sum())
        return early


def batches(
    reader: LogReader,
    policy: str,
    since: float = ALWAYS[0],
    until: float = ALWAYS[1],
    early: Early | None = None,
) -> Iterator[Batch]:
    """A policy's decisions, a page at a time; lines are counted from 1. Raises PolicyNotFound."""
    stored, config = reader.policy(policy)
    seen, challengers = 0, _challengers(reader, stored.id)
    if early is not None:
        early.count = 0
    for page in reader.columns(stored.id, since, until):
        batch, count = _batch(page, config, seen, challengers), len(page.decisions["id"])
        # Of what is recovered from a token, the probabilities of the others are not known.
        left_out = packed.flags(page.decisions["recovered"])
        if early is not None:
            left_out |= early.found(page.decisions["position"])
        places = np.flatnonzero(left_out).tolist()
        yield batch.without(places) if places else batch
        seen += count


def traffic(
    reader: LogReader,
    policy: str,
    *,
    since: float = ALWAYS[0],
    until: float = ALWAYS[1],
    lenient: bool = False,
    progress: Progress | None = None,
    checkpoint: int = 0,
) -> Traffic:
    """The same, checked, and without what a checkpoint at a position may have learned from. Raises
    BadLog where nothing is left."""
    source = f"policy {policy!r}"
    if since >= until:
        raise BadLog(source, "the range is empty: --since is not before --until")
    early = Early(checkpoint)
    try:
        made = Traffic(
            source,
            lambda: batches(reader, policy, since, until, early),
            lenient=lenient,
            policy=policy,
            progress=progress,
        )
    except BadLog as bad:
        if early.count:
            raise BadLog(
                source,
                f"{early.count:,} decisions were made before position {checkpoint:,}, where the "
                f"checkpoint is, and may have taught it; of what was made after it: {bad}",
            ) from bad
        raise
    made.early = early.count
    return made


def _challengers(reader: LogReader, policy_id: int) -> dict[int, tuple[str, ...]]:
    """Their names by revision, in the order of their chances."""
    events = (entry.event for entry in reader.revisions(policy_id))
    return {
        event.revision: tuple(one.name for one in event.config.challengers)
        for event in events
        if isinstance(event, RevisionEvent)
    }


def _batch(
    page: LogColumns, config: PolicyConfig, seen: int, challengers: Mapping[int, tuple[str, ...]]
) -> Batch:
    said = page.decisions
    count = len(said["id"])
    names = tuple(arm.name for arm in config.arms)
    contexts, lengths = packed.matrix(said["context"])
    standing = told(page, config.quality_sources)
    is_duel, second_slots = packed.flags(said["is_duel"]), said["second_arm"]
    return Batch(
        lines=range(seen + 1, seen + count + 1),
        arms=[names[slot] for slot in said["arm"]],
        # Of a duel it is the pair's; the first arm was drawn from the probabilities.
        propensities=np.where(is_duel, np.nan, packed.column(said["propensity"])),
        names=names,
        probabilities=_chances(said["probabilities"], said["exclusions"], len(names)),
        contexts=contexts,
        lengths=lengths,
        outcomes=standing.outcomes,
        times=packed.column(said["create_time"]),
        clusters=clusters_of(sessions := _hexed(said["session_hash"])),
        segments=np.full(count, "", dtype=np.object_),
        tokens=np.column_stack(
            [packed.column(said["input_tokens"]), packed.column(said["output_tokens"])]
        ),
        flags={flag: packed.flags(said[flag]) for flag in FLAGS},
        policies=[config.name] * count,
        feature_versions=said["feature_version"],
        revisions=np.array(said["revision"], dtype=np.int64),
        duels=_duels(second_slots, names, said["propensity"], standing),
        notes={
            "session": sessions,
            "decision_id": said["id"],
            "energy_source": standing.energy_sources,
        },
        asides=asides.of_page(said, names, challengers)
        if said["challengers"].count(None) < count
        else None,
    )


def _chances(
    chances: Sequence[bytes], exclusions: Sequence[bytes], arms: int
) -> NDArray[np.float64]:
    """(n, K) by the arms of today, NaN for those that were not eligible or not there yet."""
    found, _ = packed.matrix(chances)
    codes, _ = packed.matrix(exclusions, np.uint8)
    made = np.full((len(found), arms), np.nan)
    made[:, : found.shape[1]] = np.where(codes == 0, found, np.nan)
    return made


def _hexed(hashes: Sequence[bytes | None]) -> list[str | None]:
    return [None if each is None else each.hex() for each in hashes]


def _duels(
    slots: Sequence[int | None],
    names: Sequence[str],
    propensities: Sequence[float],
    standing: Standing,
) -> Duels | None:
    if slots.count(None) == len(slots):
        return None
    seconds = [None if slot is None else names[slot] for slot in slots]
    met = np.array([slot is not None for slot in slots], dtype=np.bool_)
    pairs = np.where(met, packed.column(propensities), np.nan)
    return Duels(seconds, pairs, standing.preferences)
