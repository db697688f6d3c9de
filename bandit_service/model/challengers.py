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
    undecided           others, that it failed to decide on
    stopped             position of the event that it failed to learn; from there on it only fails,
                        until it begins anew. None: it goes on
    last_failure        what went wrong the last time, if it did in this process
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
    undecided: int = 0
    stopped: int | None = None
    last_failure: str = ""


class Judged(msgspec.Struct, frozen=True):
    """How a challenger stood when the log was read, `time` seconds since the epoch."""

    view: ChallengerView
    time: float


class ChallengersView(msgspec.Struct, frozen=True):
    """All challengers of a policy, in the order of its configuration."""

    policy: str
    challengers: tuple[ChallengerView, ...]
