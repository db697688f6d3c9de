"""A contest: since when a challenger and the incumbent have been deciding as they do now.

Evidence of before says nothing of what they do now, and a bound that is to hold at every look
may not begin wherever it looks best: so it begins with the last revision that changed how
either of them chooses, or how the traffic is shared.
"""

from collections.abc import Sequence

import msgspec

from bandit_service import challenging
from bandit_service.model import Challenger, JournalEntry, PolicyConfig, RevisionEvent


class Contest(msgspec.Struct, frozen=True):
    """`revision` began it, at `time`. `places` has, for each revision since, the challenger's row
    among the logged probabilities: a challenger that comes or goes moves the others."""

    challenger: Challenger
    incumbent_share: float
    revision: int
    time: float
    places: dict[int, int]


def contests(entries: Sequence[JournalEntry]) -> list[Contest]:
    """One for each challenger of the last revision. entries: all revisions, by position."""
    events = [one.event for one in entries if isinstance(one.event, RevisionEvent)]
    return [_contest(events, one) for one in events[-1].config.challengers] if events else []


def _contest(events: Sequence[RevisionEvent], challenger: Challenger) -> Contest:
    now = events[-1].config
    wanted = _terms(now, challenger.name)
    places: dict[int, int] = {}
    first = events[-1]
    for event in reversed(events):
        # A promotion changes what the incumbent knows, even where it chooses as before.
        if _terms(event.config, challenger.name) != wanted:
            break
        first = event
        names = [one.name for one in event.config.challengers]
        places[event.revision] = 1 + names.index(challenger.name)
        if event.promoted:
            break
    return Contest(challenger, 1.0 - challenging.shares(now), first.revision, first.time, places)


def _terms(config: PolicyConfig, name: str) -> object:
    """All that makes one contest out of two revisions; None where it has no such challenger."""
    mine = next((one for one in config.challengers if one.name == name), None)
    if mine is None:
        return None
    return (
        (config.algorithm, config.objective, config.floor, config.features, config.forgetting),
        (mine.algorithm, mine.objective, mine.floor, mine.share),
        challenging.shares(config),
        config.mode,
    )
