"""What the log holds of a contest: both sides' chances of the arm drawn, and what that earned."""

import numpy as np
from numpy.typing import NDArray

from bandit_service.evaluation.challengers.contests import Contest
from bandit_service.evaluation.logs import packed
from bandit_service.evaluation.logs.log import MEASURES
from bandit_service.evaluation.logs.outcomes import told
from bandit_service.model import PolicyConfig
from bandit_service.ports import LogColumns, LogReader

Array = NDArray[np.float64]

# Clocks of replicas differ: rows are told apart by their revision, this only finds the page.
MARGIN = 3600.0
# Nothing was drawn for them; or a pair was.
_NOT_DRAWN = ("sticky", "observed", "forced", "recovered", "is_duel")


class Evidence:
    """Of one contest; n decisions on which one arm was drawn, and the challenger decided, too.

    decided      all decisions of the contest that the challenger decided on
    undecided    the others: unknown is no chance of 0, so they say nothing of it
    drawn        (n,) the chance of the arm, as it was drawn
    incumbent, challenger   (n,) the chances that either would have drawn it with
    outcomes     (n,) each of MEASURES, NaN where unknown
    """

    def __init__(self, decided: int, undecided: int, pieces: list[Array]) -> None:
        columns = np.concatenate([np.empty((3 + len(MEASURES), 0)), *pieces], axis=1)
        self.decided, self.undecided = decided, undecided
        self.drawn, self.incumbent, self.challenger = columns[:3]
        self.outcomes: dict[str, Array] = dict(zip(MEASURES, columns[3:], strict=True))


def gather(
    reader: LogReader, policy_id: int, config: PolicyConfig, found: list[Contest]
) -> list[Evidence]:
    """The log is read once, from where the first of the contests began."""
    decided, undecided = [0] * len(found), [0] * len(found)
    pieces = [list[Array]() for _ in found]
    since = max(0.0, min((one.time for one in found), default=0.0) - MARGIN)
    for page in reader.columns(policy_id, since, 1e11) if found else ():
        outcomes = told(page, config.quality_sources).outcomes
        drawn = ~np.any([packed.flags(page.decisions[name]) for name in _NOT_DRAWN], axis=0)
        for at, contest in enumerate(found):
            rows, places = _rows(page, contest)
            chances = _chances(page, rows, places)
            known = ~np.isnan(chances[2])
            decided[at] += int(known.sum())
            undecided[at] += int((~known).sum())
            kept = known & drawn[rows]
            told_of = [outcomes[name][rows[kept]] for name in MEASURES]
            pieces[at].append(np.vstack([chances[:, kept], *told_of]))
    return [Evidence(*each) for each in zip(decided, undecided, pieces, strict=True)]


def _rows(page: LogColumns, contest: Contest) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The page's decisions of this contest, (m,), and the challenger's row in each."""
    found = [
        (row, place)
        for row, (revision, aside) in enumerate(
            zip(page.decisions["revision"], page.decisions["challengers"], strict=True)
        )
        if aside is not None and (place := contest.places.get(revision)) is not None
    ]
    rows, places = np.array(found, dtype=np.intp).reshape(-1, 2).T
    return rows, places


def _chances(page: LogColumns, rows: NDArray[np.intp], places: NDArray[np.intp]) -> Array:
    """(3, m): of each arm drawn, as it was drawn, the incumbent's and the challenger's."""
    said = page.decisions
    chances = np.empty((3, len(rows)))
    for at, (row, place) in enumerate(zip(rows.tolist(), places.tolist(), strict=True)):
        aside = np.frombuffer(said["challengers"][row]).reshape(-1, len(said["exclusions"][row]))
        arm = said["arm"][row]
        chances[:, at] = said["propensity"][row], aside[0, arm], aside[place, arm]
    return chances
