"""One policy, one seed, one stream: decided and taught by the engine that serves.

What is simulated is the traffic, nothing else. A query is decided by `PolicyEngine.decide`, and
its outcome comes back as the journal entry that `planning.plan` would make of the feedback of a
caller who sends score and usage in one call, or usage alone. A policy that learns pairs is asked
for a duel each time, and hears the bills of both calls and a verdict; see `verdicts`.

Time is one second a query, so a half-life in seconds is one in queries. Luck is the seed's: it
decides the order, who gives feedback, and (as the policy's secret) the draws. None of that
depends on the policy, so runs of one seed are paired.
"""

from collections import deque
from hashlib import blake2b
from time import thread_time

import numpy as np
from msgspec.structs import replace

from bandit_service import configuration
from bandit_service.engine import PolicyEngine
from bandit_service.errors import BanditError
from bandit_service.evaluation.allowances import Accounts, Allowance, payable_arms
from bandit_service.evaluation.arrivals import Arrivals, Order
from bandit_service.evaluation.bills import Bills
from bandit_service.evaluation.contestants import Entry, columns_of, configured, entry, shape_of
from bandit_service.evaluation.contexts import Contexts
from bandit_service.evaluation.optimal import Mask
from bandit_service.evaluation.runs import Run
from bandit_service.evaluation.table import Array, OutcomeTable
from bandit_service.evaluation.verdicts import Verdicts, verdict_event, verdict_luck
from bandit_service.model import (
    Decision,
    Effect,
    FeedbackEvent,
    JournalEntry,
    Lesson,
    PolicyConfig,
    PreferenceLearning,
    Query,
    RevisionEvent,
    StoredPolicy,
    UsageLesson,
)
from bandit_service.planning import chances_of

_START = 0.0  # s; the first query comes a second later


def simulate(
    table: OutcomeTable,
    contexts: Contexts,
    config: PolicyConfig,
    *,
    seed: int,
    order: Order = "shuffled",
    feedback_fraction: float = 1.0,
    feedback_delay: int = 0,
    quality_per_usd: float | None = None,
    allowance: Allowance | None = None,
) -> Run:
    """One run of one policy; see `Arrivals` for the settings. Raises InvalidField.

    A `config` without arms takes all of the table's. `quality_per_usd`, if given, takes the place
    of the policy's own; an `allowance` is kept to. Equal arguments give equal runs, but for the
    seconds.
    """
    arrivals = Arrivals(
        order=order, feedback_fraction=feedback_fraction, feedback_delay=feedback_delay
    )
    taking_part = entry(configured(config), table, contexts)
    return Simulation(table, taking_part).run(arrivals, seed, quality_per_usd, allowance)


class Simulation:
    """One policy on one table, ready for any number of runs.

    Keeps all that does not depend on a seed in the form that the loop reads fastest: a list
    element takes a tenth of the time of an array's.
    """

    def __init__(self, table: OutcomeTable, whose: Entry) -> None:
        self._label, self._config, self._table = whose.label, whose.config, table
        self._entry = whose
        self._columns = columns_of(whose.config, table)
        matrix = whose.contexts.matrix
        self._contexts = [matrix[row : row + 1] for row in range(len(table))]
        self._queries = self._asked(table)
        self._scores: list[list[float]] = table.quality[:, self._columns].tolist()
        self._bills = Bills(table, self._columns)
        self._source = whose.config.quality_sources[0]
        duels = whose.config.preference_learning is PreferenceLearning.AS_PAIRS
        self._verdicts = Verdicts.of(table, self._columns) if duels else None

    def _asked(self, table: OutcomeTable) -> list[Query]:
        """A query a row. Its caller allows only the arms whose outcome is known."""
        return self._allowing(table.offered[:, self._columns])

    def _payable(self, allowance: Allowance) -> list[Query]:
        """The same, without arms of which is not known what they take of what is limited."""
        offered = self._table.offered[:, self._columns]
        for resource in allowance.rates:
            offered = offered & payable_arms(resource, self._entry, self._table)
        return self._allowing(offered)

    def _allowing(self, offered: Mask) -> list[Query]:
        names = [arm.name for arm in self._config.arms]
        duel = self._config.preference_learning is PreferenceLearning.AS_PAIRS
        plain = Query(self._config.name, duel=duel)
        asked = []
        for row in offered.tolist():
            if all(row):
                asked.append(plain)
                continue
            allowed = tuple(name for name, known in zip(names, row, strict=True) if known)
            asked.append(Query(self._config.name, allowed_arms=allowed, duel=duel))
        return asked

    def run(
        self,
        arrivals: Arrivals,
        seed: int,
        quality_per_usd: float | None = None,
        allowance: Allowance | None = None,
    ) -> Run:
        """All queries of the table, once."""
        engine = self.opened(seed, quality_per_usd)
        rows = arrivals.rows(self._table, seed)
        scored = arrivals.scored(len(rows), seed).tolist()
        accounts = None
        queries, contexts, delay = self._queries, self._contexts, arrivals.feedback_delay
        if allowance is not None:
            accounts = Accounts(allowance, self._entry, self._table, len(rows))
            queries = self._payable(allowance)
        waiting: deque[tuple[Decision, int, bool, float]] = deque()
        slots: list[int] = []
        others: list[int] = []
        luck = verdict_luck(len(rows), seed)
        propensities: list[float] = []
        prices: list[Array] = []
        start = thread_time()
        for step, row in enumerate(rows.tolist()):
            now, keeper = _START + 1.0 + step, None if accounts is None else accounts.keeper
            (decision,) = engine.decide(
                (queries[row],), contexts[row], now, (f"query-{step}",), keeper
            )
            if isinstance(decision, BanditError):
                raise decision
            slots.append(decision.arm)
            if self._verdicts is not None:
                other = decision.second_arm
                others.append(decision.arm if other is None else other)
            propensities.append(decision.propensity)
            if accounts is not None:
                prices.append(accounts.keeper.price)
                accounts.reserve(_called(decision))
            waiting.append((decision, row, scored[step], luck[step]))
            if len(waiting) > delay:
                settled, of_row, is_scored, verdict = waiting.popleft()
                if accounts is not None:
                    accounts.settle(of_row, _called(settled))
                for event in self.heard(settled, of_row, is_scored, verdict, now):
                    engine.apply(JournalEntry(engine.position + 1, event))
        seconds = thread_time() - start
        return Run(
            policy=self._label,
            seed=seed,
            quality_per_usd=quality_per_usd,
            order=rows,
            arms=np.array(self._columns, dtype=np.intp)[slots],
            propensities=np.array(propensities),
            seconds=seconds,
            allowance=allowance,
            prices=np.array(prices) if prices else None,
            second_arms=np.array(self._columns, dtype=np.intp)[others] if others else None,
        )

    def opened(self, seed: int, quality_per_usd: float | None = None) -> PolicyEngine:
        """The policy's engine before the first query. Raises InvalidField for an odd dial."""
        config = self._config
        if quality_per_usd is not None:
            objective = replace(config.objective, quality_per_usd=quality_per_usd)
            config = configuration.check(replace(config, objective=objective), shape_of)
        secret = blake2b(b"simulation %d" % seed, digest_size=32).digest()
        engine = PolicyEngine(StoredPolicy(1, config.name, secret, _START), shape_of)
        engine.apply(JournalEntry(1, RevisionEvent(1, 0, 0, config, _START)))
        return engine

    def heard(
        self, decision: Decision, row: int, is_scored: bool, luck: float, now: float
    ) -> list[FeedbackEvent]:
        """All that the journal keeps of what is heard of a decision: of a duel, the bill of each
        call, and a verdict; of one arm, its score and bill."""
        if self._verdicts is None:
            event = self.feedback(decision, row, is_scored, now)
            return [] if event is None else [event]
        events = []
        first, second = decision.arm, decision.second_arm
        for slot in _called(decision):
            usage = self._bills.usage(row, slot)
            if usage is not None:
                lesson, id_ = UsageLesson(slot, decision.clock, None, usage), decision.id
                bill = f"{id_}-{slot}", id_, self._source, now, Effect.RECORDED, (), None, lesson
                events.append(FeedbackEvent(*bill, None, slot))
        if second is not None and is_scored:
            preferred = self._verdicts.preferred(row, first, second, luck)
            if preferred is not None:
                events.append(verdict_event(decision, preferred, self._source, now))
        return events

    def feedback(
        self, decision: Decision, row: int, is_scored: bool, now: float
    ) -> FeedbackEvent | None:
        """What the journal keeps of what is heard of a decision; None if that is nothing."""
        arm, usage = decision.arm, self._bills.usage(row, decision.arm)
        if usage is None and not is_scored:
            return None
        lessons: tuple[Lesson, ...] = ()
        if is_scored:
            score = self._scores[row][arm]
            chances = chances_of(decision, self._config)
            lessons = (Lesson(arm, decision.context, decision.clock, None, score, chances=chances),)
        return FeedbackEvent(
            decision.id,  # one piece of feedback a decision: its id will do
            decision.id,
            self._source,
            now,
            Effect.LEARNED if is_scored else Effect.RECORDED,
            lessons,
            None,
            None if usage is None else UsageLesson(arm, decision.clock, None, usage),
            None,
            arm,
        )


def _called(decision: Decision) -> tuple[int, ...]:
    """The slots that were called: one, or both of a duel."""
    second = decision.second_arm
    return (decision.arm,) if second is None else (decision.arm, second)
