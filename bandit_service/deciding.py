"""From queries to decisions, under one configuration. Pure but for fresh ids.

In this order: hard filters, the learner's distribution under the objective, the floor,
then one draw from exactly what is logged. What a session keeps and what an observing policy
serves is settled before the draw, too; nothing overrides a draw.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

import policies
from bandit_service import draw, weighing
from bandit_service.calls import CallStatistics
from bandit_service.contending import Timed, mixture
from bandit_service.drafting import Array, Draft, Drafter, Mask, Moment
from bandit_service.eligibility import Codes, Eligibility, Exclusion
from bandit_service.errors import BanditError, NoEligibleArm
from bandit_service.model import Decision, Mode, PolicyConfig, Query
from bandit_service.offsets import Weigher, too_slow, without
from policies.budget import Restraint, scores


class Decider:
    """Makes decisions as one revision of a policy has it. Remembers nothing that could be told
    from its answers."""

    def __init__(
        self,
        config: PolicyConfig,
        policy: policies.Policy[Any],
        policy_id: int,
        secret: bytes,
        revision: int,
        feature_version: str,
    ) -> None:
        self.eligibility = Eligibility(config)
        self._config = config
        self._policy = policy
        self._pairs = policy if isinstance(policy, policies.LearnsPairs) else None
        self._all_active = not self.eligibility.everything.any()
        self._observing = config.mode is Mode.OBSERVE
        self._drafter = Drafter(
            policy_id,
            secret,
            revision,
            feature_version,
            self.eligibility.everything,
            self._observing,
        )
        objective = config.objective
        self._has_limit = objective.latency_limit is not None and (
            objective.quality_at_latency_limit is None
        )
        names = [arm.name for arm in config.arms]
        self._default = names.index(config.default_arm) if self._observing else None
        self._weigher = Weigher(objective, config.arms)

    def exclusions(self, query: Query, calls: CallStatistics, now: float) -> Codes | BanditError:
        """Why each arm falls out, (K,); an error if all of them do."""
        try:
            if query.objective is not None:
                weighing.allowed(self._config, query.objective)
            codes = self.eligibility.exclusions(query)
        except BanditError as error:
            return error
        if self._default is not None:
            # Whether the default arm is well is for the operator to see to; what it cannot do,
            # or the caller rules out, is not served even while observing.
            if codes[self._default] != Exclusion.NONE:
                return NoEligibleArm(self._config.name, self.eligibility.reasons(codes))
        elif calls.troubled:
            resting = (codes == Exclusion.NONE) & calls.resting(now)
            # If all of them rest, there is nothing better to try.
            if resting.any() and not resting[codes == Exclusion.NONE].all():
                codes = np.where(resting, np.uint8(Exclusion.UNHEALTHY), codes)
        if self._default is None and self._has_limit:
            codes = self._without_slow(codes, calls)
        if not self._is_open(codes) and codes.all():
            return NoEligibleArm(self._config.name, self.eligibility.reasons(codes))
        return codes

    def _without_slow(self, codes: Codes, calls: CallStatistics) -> Codes:
        """Arms beyond the latency limit fall out, too, unless no other is left."""
        slow = too_slow(self._config.objective, calls)
        if slow is None or not slow.any():  # most of the time
            return codes
        open_ = codes == Exclusion.NONE
        left = without(slow, open_[None])[0]
        return np.where(open_ & ~left, np.uint8(Exclusion.TOO_SLOW), codes)

    def decide(
        self,
        queries: Sequence[Query],
        contexts: Array,
        exclusions: list[Codes],
        moment: Moment,
        ids: Sequence[str] | None = None,
    ) -> list[Decision]:
        """One decision a query. contexts: (n, d); exclusions: n times (K,), none all closed.

        The decisions get fresh ids unless `ids` has n of them.
        """
        config = self._config
        began = None if moment.stopwatch is None else moment.stopwatch()
        ids = draw.new_ids(len(queries), moment.now) if ids is None else ids
        weighed = self._weigher.offsets(moment.calls, queries)
        added = None if weighed is None else weighed.added
        assumed = None if weighed is None else weighed.assumed
        eligible = None
        if not all(map(self._is_open, exclusions)):
            eligible = np.array(exclusions) == Exclusion.NONE
        pair = restraint = asides = None
        beliefs = self._policy.estimates(moment.state, contexts, clock=moment.clock)
        if moment.keeper is not None:
            restraint, exclusions, moment = self._restrained(
                exclusions, eligible, added, moment, beliefs
            )
            eligible = restraint.eligible

        def chances(offsets: Array | None, eligible: Mask | None) -> Array:
            return self._policy.probabilities(
                moment.state, contexts, eligible=eligible, offsets=offsets, clock=moment.clock
            )

        def floored(chances: Array) -> Array:
            if restraint is not None:
                return restraint.with_floor(chances, config.floor)
            return policies.with_floor(chances, eligible, config.floor)

        if self._pairs is not None and any(query.duel for query in queries):
            # Two prices would have to be drawn between for both arms: a pair has the mean price.
            judged = added if restraint is None else restraint.offsets(added)
            pair = self._pairs.pair_probabilities(
                moment.state, contexts, eligible=eligible, offsets=judged, clock=moment.clock
            )
        if restraint is not None:
            wanted = restraint.chances(chances, added, config.floor)
        elif pair is not None:
            wanted = floored(0.5 * (pair[0] + pair[1]))
        else:
            wanted = floored(chances(added, eligible))
        if moment.contenders:
            wanted, asides = self._contested(
                queries, contexts, wanted, eligible, restraint, moment, began
            )
        served, shown = self._served(wanted, exclusions, moment.kept)
        seconds: list[Array | None] = [None] * len(ids)
        if pair is not None:
            served = served.copy()
            self._pair_up(queries, pair, floored, moment, served, seconds)
        draft = Draft(contexts, served, wanted, beliefs, added, assumed, shown, seconds, asides)
        return self._drafter.records(queries, ids, moment, draft)

    def _contested(
        self,
        queries: Sequence[Query],
        contexts: Array,
        wanted: Array,
        eligible: NDArray[np.bool_] | None,
        restraint: Restraint | None,
        moment: Moment,
        began: float | None,
    ) -> tuple[Array, Array]:
        """What is drawn from (n, K), and what the incumbent and each challenger would have drawn
        from, (n, 1 + C, K). The incumbent `began` at that reading of the stopwatch."""
        timed = None
        if moment.stopwatch is not None and began is not None:
            timed = Timed(moment.stopwatch, moment.stopwatch() - began)
        given = queries, contexts, eligible, moment.calls, moment.clock, restraint, timed
        chances = [wanted, *(one.chances(*given) for one in moment.contenders)]
        mixed = mixture(chances, [one.share for one in moment.contenders])
        return mixed, np.stack(chances, axis=1)

    def _pair_up(
        self,
        queries: Sequence[Query],
        pair: tuple[Array, Array],
        floored: Callable[[Array], Array],
        moment: Moment,
        served: Array,
        seconds: list[Array | None],
    ) -> None:
        """Gives the duels among the queries their two distributions: in `served`, and `seconds`.

        Only where there is something to choose: what a session keeps, and what an observing
        policy serves, is one arm.
        """
        first, second = map(floored, pair)
        for row, query in enumerate(queries):
            if query.duel and moment.kept[row] is None and not self._observing:
                served[row] = first[row]
                seconds[row] = second[row]

    def _restrained(
        self,
        exclusions: list[Codes],
        eligible: Mask | None,
        added: Array | None,
        moment: Moment,
        beliefs: policies.Estimates,
    ) -> tuple[Restraint, list[Codes], Moment]:
        """What the budgets leave, the exclusions with theirs, and the moment without the arms of
        sessions that cannot be paid any more."""
        assert moment.keeper is not None
        judged = scores(self._policy, beliefs, moment.first)
        restraint = moment.keeper.restraint(judged if added is None else judged + added, eligible)
        if restraint.eligible is None:  # all can be paid: most of the time
            return restraint, exclusions, moment
        open_arms = np.array(exclusions) == Exclusion.NONE
        reason = np.where(moment.keeper.known, Exclusion.BUDGET, Exclusion.UNPRICED)
        lost = open_arms & ~restraint.eligible
        codes = [
            np.where(row, reason.astype(np.uint8), before) if row.any() else before
            for row, before in zip(lost, exclusions, strict=True)
        ]
        kept = [
            None if arm is None or lost[row, arm] else arm for row, arm in enumerate(moment.kept)
        ]
        return restraint, codes, msgspec.structs.replace(moment, kept=kept)

    def _is_open(self, codes: Codes) -> bool:
        """Whether no arm falls out: known without looking, for most queries."""
        return self._all_active and codes is self.eligibility.everything

    def _served(
        self, wanted: Array, exclusions: list[Codes], kept: Sequence[int | None]
    ) -> tuple[Array, list[Codes]]:
        """What is drawn from: the learner's wish, a session's arm, or the default arm."""
        if not self._observing and not any(arm is not None for arm in kept):
            return wanted, exclusions
        served, codes = wanted.copy(), list(exclusions)
        reason = Exclusion.OBSERVED if self._observing else Exclusion.SESSION
        for row, session_arm in enumerate(kept):
            arm = self._default if self._observing else session_arm
            if arm is None:
                continue
            served[row] = 0.0
            served[row, arm] = 1.0
            others = np.where(codes[row] == Exclusion.NONE, np.uint8(reason), codes[row])
            others[arm] = Exclusion.NONE
            codes[row] = others
        return served, codes
