"""What every budget controller is, and what the service may ask of it.

A controller keeps a policy within what it may take: money, joules, seconds, or a floor of quality.
It returns shadow prices, never arms: what a unit of each resource is worth in quality, fixed
before the draw. The learner then judges arms by quality less price times amount. One price cannot
spend a budget exactly where it lies between two arms, so there are at most two, and a weight: the
chances are the mixture of the learner's chances under either, and are logged as such.

Controllers are frozen and hold settings only. What they keep follows decisions, not feedback: it
is control state, in a record of its own that has one owner and changes in place. Neither clock nor
luck: how many requests are left, and what has been spent, comes in as a `Purse`.

Shapes: n contexts, K arms, R resources.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

import numpy as np

from policies.policy import Array, Mask


@dataclass(frozen=True, slots=True, eq=False)
class Purse:
    """Where the budgets stand before a decision, in true units (USD, joules, seconds).

    rate      (R,)  what may be taken a request, on average
    spent     (R,)  taken so far, and reserved for calls that are not settled
    requests  decided so far; (R,) where the budgets began at different times
    left      requests still to come under these budgets, this one included; None: a rate without
              an end. (R,) where they differ, infinite without an end. A window of time knows it
              only as an estimate

    A budget over a window or a number of requests N is `rate = budget / N`.
    """

    rate: Array
    spent: Array
    requests: int | Array
    left: float | Array | None = None

    @property
    def credit(self) -> Array:
        """Behind (> 0) or ahead (< 0) of an even pace, (R,)."""
        behind: Array = self.rate * self.requests - self.spent
        return behind

    @property
    def remaining(self) -> Array:
        """What may still be taken in all, (R,); infinite for a rate without an end."""
        if self.left is None:
            return np.full(len(self.rate), np.inf)
        rest: Array = self.rate * (self.requests + self.left) - self.spent
        return rest


@dataclass(frozen=True, slots=True, eq=False)
class Prices:
    """Quality a unit of each resource, >= 0 (a virtual queue's may be of either sign).

    first, second  (R,) shadow prices; `second` is None where one will do
    weight         of the first, in [0, 1]
    open           (n, K) arms that may be played; None: all. Only a knapsack threshold closes any
    """

    first: Array
    second: Array | None = None
    weight: float = 1.0
    open: Mask | None = None

    @property
    def mean(self) -> Array:
        """The price as it is reported, (R,)."""
        if self.second is None:
            return self.first
        mixed: Array = self.weight * self.first + (1.0 - self.weight) * self.second
        return mixed


S = TypeVar("S")


class Controller(Protocol[S]):
    """A rule for keeping within budgets.

    settles  whether `settle` changes anything: otherwise nobody need call it
    """

    name: ClassVar[str]
    settles: ClassVar[bool]

    def start(self, resources: int) -> S:
        """The control state before the first decision."""
        ...

    def prices(self, state: S, purse: Purse, amounts: Array, scores: Array) -> Prices:
        """The prices for decisions about to be made.

        amounts  (K, R)  what a call of each arm is expected to take
        scores   (n, K)  what each arm would be judged by, were it free; -inf: not eligible

        Notes the scores, so each decision asks once.
        """
        ...

    def settle(self, state: S, purse: Purse, taken: Array) -> None:
        """A call took this, (R,). `purse` is as it stood before."""
        ...


AnyController = Controller[Any]


@runtime_checkable
class Lasting(Protocol):
    """A controller whose prices hold for a number of decisions."""

    def again(self, state: Any, scores: Array) -> Prices | None:
        """The prices of the decisions before, for n more with these scores (n, K), which it notes;
        None, and nothing is noted, when it is time to ask for others."""
        ...

    def expire(self, state: Any, *, scores: bool) -> None:
        """Others have to be asked for next: the budgets are not what they were; nor are the scores
        that were noted, if `scores`, because arms are judged otherwise now."""
        ...


def making_up(purse: Purse, leak: float) -> float | Array:
    """Requests over which credit or debt is made up for: those left, but at least `leak`."""
    if purse.left is None:
        return leak
    if isinstance(purse.left, float | int):
        return max(purse.left, leak)
    endless = np.isinf(purse.left)
    over: Array = np.where(endless, leak, np.maximum(purse.left, leak))
    return over


def check_rate(purse: Purse) -> None:
    """ValueError unless every rate is a positive number."""
    if not (np.isfinite(purse.rate).all() and (purse.rate > 0.0).all()):
        raise ValueError(f"every budget must be positive and finite, got {purse.rate.tolist()}")
