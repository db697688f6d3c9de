"""How a policy's challengers do beside the incumbent, by what was logged."""

from enum import StrEnum

import msgspec

from bandit_service.model.previews import Interval


class Verdict(StrEnum):
    """What the bounds on a challenger's quality minus the incumbent's say, against its margin."""

    BETTER = "better"  # surely not worse by more than the margin: it may be promoted
    WORSE = "worse"  # surely worse by more than the margin: its share is taken away
    OPEN = "open"


class ContestantView(msgspec.Struct, frozen=True):
    """What the incumbent or a challenger would have earned with all of the traffic.

    share      of the traffic that is its own
    effective  how many decisions of its own the log is worth
    means are a decision, of those where the amount is known; None where too little is known
    """

    name: str
    share: float
    effective: float
    quality: Interval | None
    cost_usd: Interval | None
    latency_seconds: Interval | None
    energy_joules: Interval | None


class ChallengerView(msgspec.Struct, frozen=True):
    """One challenger, on the decisions since `revision`, which began this contest.

    decisions, judged   that it decided on, too; of these, drawn and of known quality
    difference          its quality minus the incumbent's, with bounds that hold at every look
    """

    contestant: ContestantView
    algorithm: str
    margin: float
    revision: int
    decisions: int
    judged: int
    difference: Interval
    verdict: Verdict
    incumbent: ContestantView


class ChallengersView(msgspec.Struct, frozen=True):
    """All challengers of a policy, in the order of its configuration."""

    policy: str
    challengers: tuple[ChallengerView, ...]
