"""Re-solving: the prices at which the recent queries would have spent what there is to spend.

See `dual` for the program and its solution.

Source: the re-solving heuristic, Jasin and Kumar (2012), "A Re-Solving Heuristic with Bounded
Revenue Loss for Network Revenue Management with Customer Choice", Mathematics of Operations
Research 37(2). Departs from it: the program is over a window of recent queries instead of known
types, and what has been spent too much or too little is made up for over the requests that are
left, within bounds, not at once.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from policies.budget.controller import Prices, Purse, check_rate, making_up
from policies.budget.dual import solve
from policies.policy import Array
from policies.settings import check, setting


@dataclass(slots=True, eq=False)
class Window:
    """The last scores, and the solution they gave.

    scores  (window, K), a ring; `count` of them ever noted
    """

    price: Array
    scores: Array = field(default_factory=lambda: np.empty((0, 0)))
    count: int = 0
    solved: int = -1
    prices: Prices | None = None

    def note(self, scores: Array, size: int) -> None:
        """Rows (n, K) of which the last `size` are kept. Another K starts afresh."""
        if self.scores.shape != (size, scores.shape[1]):
            self.scores, self.count = np.empty((size, scores.shape[1])), 0
            self.solved, self.prices = -1, None
        if len(scores) == 1:  # most of the time
            self.scores[self.count % size] = scores[0]
            self.count += 1
            return
        kept = scores[-size:]
        first = self.count % size
        ahead = min(len(kept), size - first)
        self.scores[first : first + ahead] = kept[:ahead]
        self.scores[: len(kept) - ahead] = kept[ahead:]
        self.count += len(kept)

    def recent(self) -> Array:
        return self.scores[: min(self.count, len(self.scores))]


@dataclass(frozen=True, kw_only=True)
class Resolving:
    """Prices from a linear program over recent queries, with credit that leaks.

    window   queries it is solved over, in [1, 1e5]
    leak     requests over which credit or debt is made up for where there is no end, and the
             fewest near an end, in [1, 1e6]
    least    of the rate, that is spent however deep the debt, in [0, 1]
    most     times the rate, that is spent however great the credit, in [1, 1e3]
    every    requests between two solutions, in [1, 1e4]; at first there are more
    """

    name: ClassVar[str] = "resolving"
    settles: ClassVar[bool] = False

    window: int = setting(300, least=1, most=1e5)
    leak: float = setting(200.0, least=1, most=1e6)
    least: float = setting(0.2, least=0, most=1)
    most: float = setting(3.0, least=1, most=1e3)
    every: int = setting(30, least=1, most=1e4)

    def __post_init__(self) -> None:
        check(self)

    def start(self, resources: int) -> Window:
        return Window(np.zeros(resources))

    def prices(self, state: Window, purse: Purse, amounts: Array, scores: Array) -> Prices:
        kept = self.again(state, scores)
        if kept is not None:
            return kept
        state.note(scores, self.window)
        check_rate(purse)
        targets = self.targets(purse)
        state.prices = solve(state.recent(), amounts, targets, state.price)
        state.price, state.solved = state.prices.mean, state.count
        return state.prices

    def again(self, state: Window, scores: Array) -> Prices | None:
        """The prices of the decisions before, noting the scores; None, noting nothing, when it is
        time to ask for others."""
        # While there is little to solve over, every query changes the solution. However many are
        # decided together, they have one price, so that a batch is not counted beforehand.
        due = min(self.every, 1 + (state.count + len(scores)) // 10)
        is_due = state.prices is None or 1 + state.count - state.solved >= due
        if is_due or state.scores.shape[1] != scores.shape[1]:
            return None
        state.note(scores, self.window)
        return state.prices

    def expire(self, state: Window, *, scores: bool) -> None:
        """Solves with the next request, from where the prices were."""
        state.prices = None
        if scores:
            state.count, state.solved = 0, -1

    def targets(self, purse: Purse) -> Array:
        """What to spend a request from here on, (R,)."""
        over = making_up(purse, self.leak)
        wanted = purse.rate + purse.credit / over
        bounded: Array = np.clip(wanted, self.least * purse.rate, self.most * purse.rate)
        return bounded

    def settle(self, state: Window, purse: Purse, taken: Array) -> None:
        """Nothing to learn: the purse says it all."""
