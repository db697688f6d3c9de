"""How policies over sums learn: the state does the work, under the policy's own prior."""

from typing import Any, Protocol

from policies.policy import Array


class TeachableSums(Protocol):
    """A state such as `LinearState`: sums that hold for any prior, caches for one."""

    prior: Any

    def adopt(self, prior: Any) -> None: ...

    def learn(self, arm: int, x: Array, quality: float, weight: float, clock: float) -> None: ...

    def revise(
        self, arm: int, x: Array, old: float, new: float | None, weight: float, clock: float
    ) -> None: ...


class LearnsSums:
    """`update` and `revise` of `policies.policy.Policy`."""

    prior: Any

    def update(
        self,
        state: TeachableSums,
        arm: int,
        context: Array,
        quality: float,
        *,
        weight: float = 1.0,
        clock: float = 0.0,
    ) -> None:
        if state.prior is not self.prior:
            state.adopt(self.prior)
        state.learn(arm, context, quality, weight, clock)

    def revise(
        self,
        state: TeachableSums,
        arm: int,
        context: Array,
        old: float,
        new: float | None,
        *,
        weight: float = 1.0,
        clock: float = 0.0,
    ) -> None:
        if state.prior is not self.prior:
            state.adopt(self.prior)
        state.revise(arm, context, old, new, weight, clock)
