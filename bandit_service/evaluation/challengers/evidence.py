"""What the log holds of a contest: both sides' chances of the arm drawn, and what that earned."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from bandit_service.evaluation.challengers.contests import Contest
from bandit_service.evaluation.logs.outcomes import quality_of, usage_of
from bandit_service.model import Decision, PolicyConfig, Usage
from bandit_service.ports import LogReader

Array = NDArray[np.float64]

AMOUNTS = ("cost_usd", "latency_seconds", "energy_joules")
# Clocks of replicas differ: rows are told apart by their revision, this only finds the page.
MARGIN = 3600.0


class Evidence:
    """Of one contest; n decisions on which one arm was drawn.

    decided      all decisions of the contest
    drawn        (n,) the chance of the arm, as it was drawn
    incumbent, challenger   (n,) the chances that either would have drawn it with
    outcomes     (n,) each: quality and AMOUNTS, NaN where unknown
    """

    def __init__(self, decided: int, rows: Iterable[tuple[float, ...]]) -> None:
        columns = np.array(list(rows), dtype=np.float64).reshape(-1, 4 + len(AMOUNTS)).T
        self.decided = decided
        self.drawn, self.incumbent, self.challenger = columns[:3]
        self.outcomes: dict[str, Array] = dict(zip(("quality", *AMOUNTS), columns[3:], strict=True))


def gather(reader: LogReader, policy_id: int, config: PolicyConfig, found: list[Contest]) -> list[
    Evidence
]:  # fmt: skip
    """The log is read once, from where the first of the contests began."""
    decided = [0] * len(found)
    rows: list[list[tuple[float, ...]]] = [[] for _ in found]
    since = min((one.time for one in found), default=0.0) - MARGIN
    for page in reader.pages(policy_id, max(0.0, since), 1e11) if found else ():
        for one in page.decisions:
            if one.challengers is None:
                continue
            outcomes = [each for each in page.outcomes[one.id] if each.arm == one.arm]
            known = quality_of(outcomes, config.quality_sources), usage_of(outcomes)
            for at, contest in enumerate(found):
                if (place := contest.places.get(one.revision)) is not None:
                    decided[at] += 1
                    rows[at].extend(_row(one, place, *known))
    return [Evidence(count, each) for count, each in zip(decided, rows, strict=True)]


def _row(
    one: Decision, place: int, quality: float | None, usage: Usage
) -> Iterator[tuple[float, ...]]:
    """Nothing, where nothing was drawn, or a pair."""
    if one.sticky or one.observed or one.forced or one.recovered:
        return
    if one.second_arm is not None or one.second_probabilities is not None:
        return
    chances = np.frombuffer(one.challengers or b"").reshape(-1, len(one.exclusions))
    told = (quality, *(getattr(usage, name) for name in AMOUNTS))
    yield (
        one.propensity,
        chances[0, one.arm],
        chances[place, one.arm],
        *(np.nan if value is None else value for value in told),
    )
