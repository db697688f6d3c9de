"""Probabilities derived again from the state at a decision's position."""

from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

import policies
from bandit_service.contending import mixture
from bandit_service.eligibility import Eligibility, Exclusion
from bandit_service.engine import FOLD_VERSION, PolicyEngine
from bandit_service.evaluation.audit.results import Finding
from bandit_service.evaluation.audit.telling import of
from bandit_service.model import Decision, Query, unpack
from bandit_service.offsets import offsets
from policies.budget import Prices, Restraint

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

EQUAL = 1e-9

# Why the state does not say what a decision's probabilities were.
OLDER_FOLD = "folded by another version of the service"
OTHER_FEATURES = "made with another version of the features"
RECOVERED = "made of a token; the probabilities went with the row"


class Rederiver:
    """Decides again with what an engine knows at its position; changes nothing."""

    def __init__(self, engine: PolicyEngine) -> None:
        self._engine = engine
        self._everything: tuple[int, NDArray[np.uint8]] | None = None
        self.rederived = self.undecided = 0
        self.left: Counter[str] = Counter()  # by reason

    def findings(self, decisions: Sequence[Decision]) -> Iterator[Finding]:
        """decisions: made at the engine's position."""
        alike: dict[tuple[float, bytes], list[Decision]] = {}
        for one in decisions:
            reason = self._unknowable(one)
            if reason is not None:
                self.left[reason] += 1
                continue
            self.rederived += 1
            if wrong := self._misfit(one):
                yield wrong
            else:
                alike.setdefault((one.clock, _prices(one)), []).append(one)
        for (clock, _), made in alike.items():
            yield from self._compare(made, clock)

    def _unknowable(self, one: Decision) -> str | None:
        engine = self._engine
        if one.recovered:
            return RECOVERED
        if engine.journal_fold_version != FOLD_VERSION:
            return OLDER_FOLD
        if one.feature_version != engine.shape.version and one.revision == engine.revision:
            return OTHER_FEATURES
        return None

    def _misfit(self, one: Decision) -> Finding | None:
        """What cannot have been made here at all."""
        engine = self._engine
        facts = (
            ("revision", one.revision, engine.revision),
            ("arms", len(one.exclusions), len(engine.names)),
            ("context", len(one.context) // 8, engine.shape.dim),
        )
        for what, logged, found in facts:
            if logged != found:
                return Finding(one.id, one.position, what, str(logged), str(found))
        codes = np.frombuffer(one.exclusions, dtype=np.uint8)
        everything = self._closed()
        if (codes[everything != 0] != everything[everything != 0]).any():
            return of(one, "exclusions", codes, everything)
        rests = engine.calls.resting(one.create_time)
        if (codes[~rests] == Exclusion.UNHEALTHY).any():
            return of(one, "exclusions", codes, np.where(rests, np.uint8(Exclusion.UNHEALTHY), 0))
        return None

    def _closed(self) -> NDArray[np.uint8]:
        """What no query can get, whatever it asks for, (K,)."""
        if self._everything is None or self._everything[0] != self._engine.revision:
            self._everything = self._engine.revision, Eligibility(self._engine.config).everything
        return self._everything[1]

    def _compare(self, made: Sequence[Decision], clock: float) -> Iterator[Finding]:
        engine, policy = self._engine, self._engine.policy
        contexts = np.array([np.frombuffer(one.context) for one in made])
        if not np.isfinite(contexts).all():
            for one in made:
                yield of(one, "context", contexts, np.zeros(0))
            return
        eligible = np.array([_choosable(one) for one in made])
        beliefs = policy.estimates(engine.state, contexts, clock=clock)
        added = self._offsets(made)
        restraint, floor = _restraint(made[0], eligible), engine.config.floor

        def learner(offsets: Array | None, eligible: Mask | None) -> Array:
            return policy.probabilities(
                engine.state, contexts, eligible=eligible, offsets=offsets, clock=clock
            )

        pairs = self._pairs(made, contexts, eligible, added, clock, restraint)
        if restraint is None:
            wanted = policies.with_floor(learner(added, eligible), eligible, floor)
        else:
            wanted = restraint.chances(learner, added, floor)
        asides = self._asides(made, contexts, eligible, wanted, added, clock, restraint)
        if asides is not None:
            wanted = mixture(list(asides.swapaxes(0, 1)), [c.share for c in engine.contenders])
        for row, one in enumerate(made):
            numbers = [
                ("means", one.means, beliefs.mean[row]),
                ("deviations", one.deviations, beliefs.deviation[row]),
            ]
            if added is not None or one.offsets is not None:
                mine = np.zeros(len(engine.names)) if added is None else added[row]
                numbers.append(("offsets", one.offsets or mine.tobytes(), mine))
            if asides is not None or one.challengers is not None:
                mine = np.zeros(0) if asides is None else asides[row].ravel()
                numbers.append(("challengers' probabilities", one.challengers or b"", mine))
            if one.observed:
                numbers.append(("shadow probabilities", one.shadow or b"", wanted[row]))
            elif one.second_probabilities is not None:
                assert pairs is not None
                numbers.append(("probabilities", one.probabilities, pairs[0][row]))
                numbers.append(("second probabilities", one.second_probabilities, pairs[1][row]))
            elif not one.sticky:
                numbers.append(("probabilities", one.probabilities, wanted[row]))
            yield from _differences(one, numbers)

    def _offsets(self, made: Sequence[Decision]) -> Array | None:
        """What the objective added, (n, K). Where queries may bring an objective of their own it is
        taken from the log: what they asked for is not stored."""
        engine = self._engine
        added = self._own_offsets(made)
        if engine.config.override_limits is None:
            return added
        nothing = bytes(8 * len(engine.names))
        return np.array([np.frombuffer(one.offsets or nothing) for one in made])

    def _own_offsets(self, made: Sequence[Decision]) -> Array | None:
        """What the policy's own objective adds, (n, K)."""
        config, calls = self._engine.config, self._engine.calls
        weighed = offsets(config.objective, config.arms, calls, _queries(made, config.name))
        return None if weighed is None else weighed.added

    def _asides(
        self,
        made: Sequence[Decision],
        contexts: Array,
        eligible: Mask,
        wanted: Array,
        added: Array | None,
        clock: float,
        restraint: Restraint | None,
    ) -> Array | None:
        """What the incumbent and each challenger would have drawn from, (n, 1 + C, K).

        Of a query with an objective of its own that of the challengers is taken from the log.
        """
        engine = self._engine
        if not engine.contenders:
            return None
        queries = _queries(made, engine.config.name)
        parts = [
            one.chances(queries, contexts, eligible, engine.calls, clock, restraint)
            for one in engine.contenders
        ]
        asides = np.stack([wanted, *parts], axis=1)
        self._settle_failures(made, asides, queries, contexts, eligible, clock)
        if engine.config.override_limits is not None and added is not None:
            own = self._own_offsets(made)
            own = np.zeros_like(added) if own is None else own
            for row in np.flatnonzero(
                ~np.isclose(own, added, rtol=EQUAL, atol=EQUAL).all(axis=1)
            ).tolist():
                logged = np.frombuffer(made[row].challengers or b"")
                if logged.size == asides[row].size:
                    asides[row, 1:] = logged.reshape(asides[row].shape)[1:]
        return asides

    def _settle_failures(
        self,
        made: Sequence[Decision],
        asides: Array,
        queries: Sequence[Query],
        contexts: Array,
        eligible: Mask,
        clock: float,
    ) -> None:
        """Where a challenger failed, then or now: puts into `asides` what is to be held against
        what was logged."""
        engine = self._engine
        for row, one in enumerate(made):
            logged = np.frombuffer(one.challengers or b"")
            if logged.size != asides[row].size:
                continue
            failed = np.isnan(logged.reshape(asides[row].shape)[:, 0])
            # Others of these queries may have made it fail: alone, as then.
            for at in np.flatnonzero(np.isnan(asides[row, :, 0]) & ~failed).tolist():
                asides[row, at] = engine.contenders[at - 1].chances(
                    queries[row : row + 1],
                    contexts[row : row + 1],
                    eligible[row : row + 1],
                    engine.calls,
                    clock,
                    None,
                )[0]
            # What failed then is not held against what does not now: memory may have run out.
            # What came of it is: the share went to the incumbent, whose own chances never fail.
            failed[0] = False
            asides[row, failed] = np.nan
            self.undecided += bool(failed.any())

    def _pairs(
        self,
        made: Sequence[Decision],
        contexts: Array,
        eligible: Mask,
        added: Array | None,
        clock: float,
        restraint: Restraint | None,
    ) -> tuple[Array, Array] | None:
        engine = self._engine
        if not isinstance(engine.policy, policies.LearnsPairs):
            return None
        if all(one.second_probabilities is None for one in made):
            return None
        judged = added if restraint is None else restraint.offsets(added)
        first, second = engine.policy.pair_probabilities(
            engine.state, contexts, eligible=eligible, offsets=judged, clock=clock
        )
        floor = engine.config.floor
        if restraint is not None:
            return restraint.with_floor(first, floor), restraint.with_floor(second, floor)
        return policies.with_floor(first, eligible, floor), policies.with_floor(
            second, eligible, floor
        )


def _prices(one: Decision) -> bytes:
    """What budgets made of a decision, equal for those that they made the same of."""
    priced = None if one.spending is None else unpack(one.spending).priced
    return b"" if priced is None else msgspec.msgpack.encode(priced)


def _restraint(one: Decision, eligible: Mask) -> Restraint | None:
    """As the budgets were when it was made, from what is stored with it; None where they did not
    steer. What could be paid is in its exclusions."""
    priced = None if one.spending is None else unpack(one.spending).priced
    if priced is None:
        return None
    first = np.frombuffer(priced.first)
    second = None if priced.second is None else np.frombuffer(priced.second)
    return Restraint(
        Prices(first, second, priced.weight),
        np.frombuffer(priced.amounts).reshape(-1, len(first)),
        eligible,
        np.frombuffer(priced.room),
        np.frombuffer(priced.untried, dtype=np.bool_),
    )


def _queries(made: Sequence[Decision], policy: str) -> list[Query]:
    """As far as the log has them."""
    return [
        Query(policy, input_tokens=one.input_tokens, output_tokens=one.output_tokens)
        for one in made
    ]


def _choosable(one: Decision) -> Mask:
    """What the learner chose from: whatever session or mode then left of it, (K,)."""
    codes = np.frombuffer(one.exclusions, dtype=np.uint8)
    open_: Mask = codes == Exclusion.NONE
    if one.sticky:
        open_ = open_ | (codes == Exclusion.SESSION)
    if one.observed:
        open_ = open_ | (codes == Exclusion.OBSERVED)
    return open_


def _differences(one: Decision, numbers: Sequence[tuple[str, bytes, Array]]) -> Iterator[Finding]:
    for what, logged, found in numbers:
        mine = np.frombuffer(logged)
        relative = 0.0 if "probabilities" in what else EQUAL
        if len(mine) != len(found) or not np.allclose(
            mine, found, rtol=relative, atol=EQUAL, equal_nan=True
        ):
            yield of(one, what, mine, found)
