"""What a log says of decisions, before anybody has checked it. Also the schema of our own files.

JSON lines have one `Row` a line, Parquet one column a field: `probabilities` is a map from arm to
chance, `context` a list of numbers. Fields that are not here are ignored.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from bandit_service.evaluation.logs.asides import Chances
from bandit_service.evaluation.logs.log import MEASURES, Array

FLAGS = ("forced", "sticky", "observed", "degraded")


class Row(msgspec.Struct, gc=False, omit_defaults=True):
    """One decision and what came of it.

    arm              the one that was drawn; the only field that must be there
    propensity       the chance it was drawn with
    probabilities    the chance of every eligible arm; they sum to 1
    context          the feature vector that the policy saw, with its constant if it has one
    quality          in [0, 1]; absent where no feedback came
    cost_usd, latency_seconds, energy_joules   of the call, >= 0
    energy_source    measured, sampled or estimated
    create_time      seconds since the epoch
    session          decisions of one session are not independent, so they are resampled together
    segment          estimates are also given for each of them
    forced, sticky, observed, degraded   as the service flags decisions
    second_arm       of a duel, whose first arm is `arm`; `propensity` is absent then
    pair_propensity  the chance of that pair in that order
    preference       how good the first arm was beside the second, in [0, 1]; a tie is 0.5
    challengers      what `incumbent` and each challenger would have drawn from, by name: the chance
                     of every arm that has one; `probabilities` are their mixture
    """

    arm: str
    propensity: float | None = None
    probabilities: dict[str, float] | None = None
    context: list[float] = []
    quality: float | None = None
    cost_usd: float | None = None
    latency_seconds: float | None = None
    energy_joules: float | None = None
    energy_source: str | None = None
    create_time: float | None = None
    session: str | None = None
    segment: str = ""
    policy: str = ""
    revision: int = 0
    feature_version: str = ""
    decision_id: str = ""
    input_tokens: float | None = None
    output_tokens: float | None = None
    forced: bool = False
    sticky: bool = False
    observed: bool = False
    degraded: bool = False
    second_arm: str | None = None
    pair_propensity: float | None = None
    preference: float | None = None
    challengers: Chances | None = None


@dataclass(slots=True)
class Duels:
    """What rows say of the second arm, (n,) each: its name, None where only one was drawn, the
    chance of the pair, and the preference, NaN where unknown."""

    second_arms: Sequence[str | None]
    propensities: Array
    preferences: Array

    def without(self, kept: NDArray[np.bool_]) -> "Duels":
        names = [self.second_arms[row] for row in np.flatnonzero(kept).tolist()]
        return Duels(names, self.propensities[kept], self.preferences[kept])


@dataclass(slots=True)
class Batch:
    """n rows as they were found, not checked.

    lines          (n,)  how messages call each row
    revisions      (n,)  0 where not given
    arms           (n,)  names
    propensities   (n,)  NaN where not given
    names          (K,)  arms that `probabilities` speaks of
    probabilities  (n, K), NaN where a row does not name the arm; None where no row names any
    contexts       (n, d), padded with NaN where rows differ; `lengths` (n,) tells how long each is
    broken         line and complaint of rows that could not even be read
    duels          None where no row has a second arm
    notes          (n,) each: what only exports tell, such as the id of a decision
    asides         (n,) what challengers would have drawn from; None where no row tells
    """

    lines: Sequence[int]
    arms: Sequence[str]
    propensities: Array
    names: tuple[str, ...]
    probabilities: Array | None
    contexts: Array
    lengths: NDArray[np.intp]
    outcomes: dict[str, Array]
    times: Array
    clusters: NDArray[np.int64]
    segments: NDArray[np.object_]
    tokens: Array
    flags: dict[str, NDArray[np.bool_]]
    policies: Sequence[str]
    feature_versions: Sequence[str]
    revisions: NDArray[np.int64]
    broken: list[tuple[int, str]] = field(default_factory=list)
    duels: Duels | None = None
    notes: dict[str, Sequence[Any]] = field(default_factory=dict)
    asides: Sequence[Chances | None] | None = None

    def __len__(self) -> int:
        return len(self.arms)

    def without(self, places: Sequence[int]) -> "Batch":
        """The same without the rows at these places."""
        kept = np.ones(len(self), dtype=np.bool_)
        kept[list(places)] = False
        at = np.flatnonzero(kept).tolist()
        return replace(
            self,
            lines=[self.lines[row] for row in at],
            arms=[self.arms[row] for row in at],
            propensities=self.propensities[kept],
            probabilities=None if self.probabilities is None else self.probabilities[kept],
            contexts=self.contexts[kept],
            lengths=self.lengths[kept],
            outcomes={name: values[kept] for name, values in self.outcomes.items()},
            times=self.times[kept],
            clusters=self.clusters[kept],
            segments=self.segments[kept],
            tokens=self.tokens[kept],
            flags={flag: values[kept] for flag, values in self.flags.items()},
            policies=[self.policies[row] for row in at],
            feature_versions=[self.feature_versions[row] for row in at],
            revisions=self.revisions[kept],
            duels=None if self.duels is None else self.duels.without(kept),
            notes={name: [told[row] for row in at] for name, told in self.notes.items()},
            asides=None if self.asides is None else [self.asides[row] for row in at],
        )


NOTES = ("session", "decision_id", "energy_source")


def batch_of(
    rows: Sequence[Row], lines: Sequence[int], broken: Iterable[tuple[int, str]] = ()
) -> Batch:
    names = tuple(dict.fromkeys(name for row in rows for name in row.probabilities or ()))
    probabilities = None
    if names:
        place = {name: at for at, name in enumerate(names)}
        probabilities = np.full((len(rows), len(names)), np.nan)
        for at, row in enumerate(rows):
            for name, chance in (row.probabilities or {}).items():
                probabilities[at, place[name]] = chance
    lengths = np.array([len(row.context) for row in rows], dtype=np.intp)
    contexts = np.full((len(rows), int(lengths.max(initial=0))), np.nan)
    if len(rows) and (lengths == lengths[0]).all():
        contexts[:] = np.array([row.context for row in rows], dtype=np.float64)
    else:
        for at, row in enumerate(rows):
            contexts[at, : lengths[at]] = row.context
    return Batch(
        lines=lines,
        arms=[row.arm for row in rows],
        propensities=numbers(row.propensity for row in rows),
        names=names,
        probabilities=probabilities,
        contexts=contexts,
        lengths=lengths,
        outcomes={name: numbers(getattr(row, name) for row in rows) for name in MEASURES},
        times=numbers(row.create_time for row in rows),
        clusters=clusters_of([row.session for row in rows]),
        segments=texts(row.segment for row in rows),
        tokens=np.column_stack(
            [
                numbers(row.input_tokens for row in rows),
                numbers(row.output_tokens for row in rows),
            ]
        ),
        flags={
            flag: np.array([getattr(row, flag) for row in rows], dtype=np.bool_) for flag in FLAGS
        },
        policies=[row.policy for row in rows],
        feature_versions=[row.feature_version for row in rows],
        revisions=np.array([row.revision for row in rows], dtype=np.int64),
        broken=list(broken),
        duels=_duels(rows),
        notes={name: [getattr(row, name) for row in rows] for name in NOTES},
        asides=[row.challengers for row in rows] if any(row.challengers for row in rows) else None,
    )


def _duels(rows: Sequence[Row]) -> Duels | None:
    seconds = [row.second_arm for row in rows]
    if not any(seconds):
        return None
    return Duels(
        seconds,
        numbers(row.pair_propensity for row in rows),
        numbers(row.preference for row in rows),
    )


def numbers(values: Iterable[float | None]) -> Array:
    """(n,), NaN for None."""
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def texts(values: Iterable[str]) -> NDArray[np.object_]:
    listed = list(values)
    made = np.empty(len(listed), dtype=np.object_)
    made[:] = listed
    return made


def clusters_of(sessions: Sequence[Any]) -> NDArray[np.int64]:
    """(n,), 63 bits of each session's hash, equal in every run; -1 where there is none."""
    found = {
        session: -1 if session in (None, "") else _hash_of(str(session))
        for session in set(sessions)
    }
    return np.array([found[session] for session in sessions], dtype=np.int64)


def _hash_of(session: str) -> int:
    digest = blake2b(session.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
