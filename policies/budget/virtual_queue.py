"""Virtual queues (drift plus penalty): for ceilings and floors that hold on average.

    queue <- max(0, queue + taken - rate)        price = queue / patience

The queue is what has been taken beyond what may be, so far. Arms are judged by quality less
price times amount, which minimises `patience` times the quality forgone plus the drift of the
queue. Where queries come alike, quality is within O(1 / patience) of the best that keeps the
ceilings, and the queue, which is the excess in total, is O(patience).

A floor is a ceiling of the negative amount: for quality of at least .8, an amount of
minus quality and a rate of -.8. So rates and amounts may be of either sign here.

Source: Neely (2010), "Stochastic Network Optimization with Application to Communication and
Queueing Systems", Morgan & Claypool, chapter 4.

When it goes wrong: it keeps an average over the long run, not a sum. At the start the queue is
empty and everything is free; a budget that must not be exceeded needs the purse's hard limit too.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from policies.budget.controller import Prices, Purse
from policies.policy import Array
from policies.settings import check, setting


@dataclass(slots=True, eq=False)
class Queues:
    """In excess of the rates so far, (R,), in multiples of the size of each rate; >= 0."""

    length: Array


@dataclass(frozen=True, kw_only=True)
class VirtualQueue:
    """Prices that are the excess so far.

    patience  V: how many requests' whole rate may be in excess before a request's rate is worth
              one of quality, in [1e-6, 1e9]
    """

    name: ClassVar[str] = "virtual_queue"
    settles: ClassVar[bool] = True

    patience: float = setting(1000.0, least=1e-6, most=1e9)

    def __post_init__(self) -> None:
        check(self)

    def start(self, resources: int) -> Queues:
        return Queues(np.zeros(resources))

    def prices(self, state: Queues, purse: Purse, amounts: Array, scores: Array) -> Prices:
        return Prices(state.length / (self.patience * _size(purse)))

    def settle(self, state: Queues, purse: Purse, taken: Array) -> None:
        state.length = np.maximum(state.length + (taken - purse.rate) / _size(purse), 0.0)


def _size(purse: Purse) -> Array:
    """Of each rate. ValueError for 0, which has none."""
    size = np.abs(purse.rate)
    if not (np.isfinite(size).all() and (size > 0.0).all()):
        raise ValueError(f"every rate must be finite and not 0, got {purse.rate.tolist()}")
    return size
