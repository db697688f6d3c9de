"""What stands of the decisions at hand while their feedback is planned, and under which terms."""

from collections.abc import Iterable
from enum import Enum

import msgspec

from bandit_service.model import Failure, Kind, Learned, Outcome, PolicyConfig

_OutcomeKey = tuple[str, int, Kind, str]


class Terms(msgspec.Struct, frozen=True):
    """What a policy learns from at one position of its journal.

    `epoch` rises when learning restarts or forgets at another pace; what was learned before
    `started_epoch`, which began at `started_position`, is not in the state any more.
    """

    config: PolicyConfig
    epoch: int
    started_epoch: int
    started_position: int
    feature_version: str


class Call(Enum):
    """What is known to have become of one arm's call for one decision."""

    ANSWERED = "answered"
    FAILED = "failed"


class Standing:
    """The outcomes that stand and the qualities learned, of the decisions at hand.

    Follows along while a batch is planned, and remembers what changed.
    """

    def __init__(self, outcomes: Iterable[Outcome], learned: Iterable[Learned]) -> None:
        self._outcomes: dict[tuple[str, int], dict[tuple[Kind, str], Outcome]] = {}
        self._learned = {(one.decision_id, one.arm): one for one in learned}
        self.changed_outcomes: dict[_OutcomeKey, Outcome] = {}
        self.changed_learned: dict[tuple[str, int], Learned] = {}
        for outcome in outcomes:
            self._keep(outcome)

    def of(self, decision_id: str, arm: int) -> list[Outcome]:
        """All that stands of one arm of one decision."""
        return list(self._outcomes.get((decision_id, arm), {}).values())

    def said(self, decision_id: str, arm: int, kind: Kind, source: str) -> Outcome | None:
        """What one source said last."""
        return self._outcomes.get((decision_id, arm), {}).get((kind, source))

    def latest(self, decision_id: str, arm: int, kind: Kind) -> Outcome | None:
        """What was said last, by whatever source."""
        told = [outcome for outcome in self.of(decision_id, arm) if outcome.kind is kind]
        return max(told, key=lambda outcome: outcome.position, default=None)

    def call(self, decision_id: str, arm: int) -> Call | None:
        """What stands of a call; None if nobody has spoken of it, for a preference does not.

        It failed if anybody says so, and answered if it is only spoken of otherwise: so each
        call counts once, whoever speaks of it and in whichever order. A refusal is an answer.
        """
        told = [one for one in self.of(decision_id, arm) if one.kind is not Kind.PREFERENCE]
        if not told:
            return None
        failures = [one.failure for one in told if one.failure is not None]
        has_failed = any(failure is not Failure.REFUSAL for failure in failures)
        return Call.FAILED if has_failed else Call.ANSWERED

    def learned(self, decision_id: str, arm: int, terms: Terms) -> Learned | None:
        """What the state holds of it; what was learned before a restart is gone."""
        found = self._learned.get((decision_id, arm))
        return found if found is not None and found.epoch >= terms.started_epoch else None

    def put(self, outcome: Outcome) -> None:
        self._keep(outcome)
        key = (outcome.decision_id, outcome.arm, outcome.kind, outcome.source)
        self.changed_outcomes[key] = outcome

    def learn(self, learned: Learned) -> None:
        key = (learned.decision_id, learned.arm)
        self._learned[key] = self.changed_learned[key] = learned

    def _keep(self, outcome: Outcome) -> None:
        mine = self._outcomes.setdefault((outcome.decision_id, outcome.arm), {})
        mine[outcome.kind, outcome.source] = outcome
