"""What policies may have besides what every policy is: who has it is asked by `isinstance`.

Learning pairs stands with the vocabulary of pairs, in `policies.policy`.
"""

from typing import Any, Protocol, runtime_checkable

from policies.policy import Array


@runtime_checkable
class LearnsChoices(Protocol):
    """What a policy has besides, that learns from the chances that its arms had."""

    def reinforce(
        self,
        state: Any,
        arm: int,
        context: Array,
        old: float | None,
        new: float | None,
        chances: Array,
        *,
        clock: float = 0.0,
    ) -> None:
        """Learn, in place, that `arm` earned `new` when it was chosen by `chances` (k,), k <= K.

        It comes after `update` or `revise` with the same quality. `old` is the value in place of
        which `new` comes, None if there was none; `new` None withdraws it.
        """
        ...

    def follows_choices(self) -> bool:
        """Whether what was learned so has a part in how it chooses, as it is set."""
        ...


@runtime_checkable
class WeighsPrices(Protocol):
    """What a policy has besides, that has the arms' list prices in its rule."""

    @property
    def prices(self) -> tuple[float | None, ...]:
        """USD for a million tokens in and a million out, an arm; None where it is not known. Such
        an arm, and one beyond the end, counts as dear as the dearest."""
        ...

    @property
    def price_weight(self) -> float:
        """What the dearest arm's price is worth; 0 where prices do not matter."""
        ...


@runtime_checkable
class WeighsJoules(Protocol):
    """What a policy has besides, that has the arms' declared joules in what it learns."""

    @property
    def joules(self) -> tuple[float | None, ...]:
        """A token, an arm; None where it is not known."""
        ...

    @property
    def energy_weight(self) -> float:
        """The share of energy in what is learned; 0 where joules do not matter."""
        ...
