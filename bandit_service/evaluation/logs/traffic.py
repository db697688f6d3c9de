"""A whole log, in blocks: read once to know what is in it, and again only if it is too large to
keep."""

from collections.abc import Callable, Iterator
from hashlib import sha256

import numpy as np

from bandit_service.errors import BadLog
from bandit_service.evaluation.logs.checking import Checker
from bandit_service.evaluation.logs.log import Log, joined
from bandit_service.evaluation.logs.rows import Batch

KEPT_BYTES = 256 * 2**20
Batches = Callable[[], Iterator[Batch]]
Progress = Callable[[int], None]


class Traffic:
    """The good rows of a log, with what is to be known of the others.

    source          what messages call it
    policy, feature_version, arms   that its rows agree on
    count           good rows
    digest          SHA-256 of the good rows, in hex: equal for equal logs, whatever the format
    first, last     times of the first and the last row, NaN where unknown
    excluded        decisions left out because nothing was drawn for them, by flag
    early           decisions left out because a candidate's checkpoint may have learned from them
    refusals        rows refused; empty unless `lenient`

    Raises BadLog for a log with bad rows (unless `lenient`) or without any good one.
    """

    def __init__(
        self,
        source: str,
        batches: Batches,
        *,
        lenient: bool = False,
        policy: str = "",
        keep: int = KEPT_BYTES,
        progress: Progress | None = None,
    ) -> None:
        self.source = source
        self._batches, self._policy = batches, policy
        self._kept: list[Log] | None = []
        checker = Checker(source, policy)
        digest = _Digest()
        self.count, size, times = 0, 0, []
        self.early = 0
        self.known_outcomes: dict[str, int] = {}
        for batch in batches():
            block = checker.block(batch)
            if progress is not None:
                progress(len(batch) + len(batch.broken))
            if not len(block):
                continue
            self.count += len(block)
            digest.add(block)
            times.append((np.nanmin(block.times), np.nanmax(block.times))
                         if not np.isnan(block.times).all() else (np.nan, np.nan))  # fmt: skip
            for name, values in block.outcomes.items():
                found = int((~np.isnan(values)).sum())
                self.known_outcomes[name] = self.known_outcomes.get(name, 0) + found
            size += block.nbytes
            if self._kept is not None:
                self._kept.append(block)
                if size > keep:
                    self._kept = None
        if not lenient:
            checker.refused.check()
        self._check_some(checker)
        self.policy, self.arms = checker.policy, checker.arms
        self.feature_version, self.dim = checker.feature_version or "", checker.dim or 0
        self.knows_propensities, self.knows_all = bool(checker.known), bool(checker.full)
        self.excluded, self.refusals = checker.excluded, tuple(checker.refused.notes())
        self.refused, self.other_policies = checker.refused.count, checker.other_policies
        self.digest = digest.hex()
        moments = np.array(times)
        known = ~np.isnan(moments).all()
        self.first = float(np.nanmin(moments)) if known else np.nan
        self.last = float(np.nanmax(moments)) if known else np.nan

    def _check_some(self, checker: Checker) -> None:
        if self.count:
            return
        left = sum(checker.excluded.values())
        why = f"{checker.refused.count:,} refused, {left:,} left out as nothing was drawn for them"
        if checker.other_policies:
            why += f", {checker.other_policies:,} of other policies than {checker.policy!r}"
        raise BadLog(self.source, f"has no usable decision ({why})")

    def __len__(self) -> int:
        return self.count

    def blocks(self, rows: int) -> Iterator[Log]:
        """The log again, `rows` at a time; the last block may be smaller."""
        waiting: list[Log] = []
        held = 0
        for block in self._again():
            start = 0
            while start < len(block):
                part = block.rows(slice(start, start + rows - held))
                waiting.append(part)
                held, start = held + len(part), start + len(part)
                if held == rows:
                    yield joined(waiting)
                    waiting, held = [], 0
        if waiting:
            yield joined(waiting)

    def whole(self) -> Log:
        """All of it at once, in memory."""
        return joined(list(self._again()))

    def _again(self) -> Iterator[Log]:
        if self._kept is not None:
            yield from (block.with_arms(self.arms) for block in self._kept)
            return
        checker = Checker(self.source, self._policy, arms=self.arms)
        for batch in self._batches():
            block = checker.block(batch)
            if len(block):
                yield block.with_arms(self.arms)


class _Digest:
    """A hash a column, so that the borders of blocks leave no trace."""

    def __init__(self) -> None:
        self._columns = {
            name: sha256()
            for name in ("arms", "contexts", "propensities", "times", "clusters", "chances")
        }
        self._outcomes = sha256()

    def add(self, block: Log) -> None:
        columns = self._columns
        names = np.array(block.arms, dtype=np.object_)[block.chosen]
        columns["arms"].update("\n".join(names.tolist()).encode() + b"\n")
        columns["contexts"].update(block.contexts.tobytes())
        columns["propensities"].update(block.propensities.tobytes())
        columns["times"].update(block.times.tobytes())
        columns["clusters"].update(block.clusters.tobytes())
        outcomes = np.column_stack(list(block.outcomes.values()))
        self._outcomes.update(outcomes.tobytes())
        if block.probabilities is not None:
            # An arm that nobody has seen yet has no chance, so it leaves no trace either.
            order = np.argsort(block.arms)
            rows, slots = np.nonzero(block.eligible[:, order])
            chances = block.probabilities[:, order][rows, slots]
            columns["chances"].update(chances.tobytes())

    def hex(self) -> str:
        whole = sha256(self._outcomes.digest())
        for name in sorted(self._columns):
            whole.update(self._columns[name].digest())
        return whole.hexdigest()
