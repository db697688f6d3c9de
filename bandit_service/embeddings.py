"""Embeddings of arms, as configured: what algorithms that compare arms by what they are know."""

from collections.abc import Sequence

from bandit_service.errors import InvalidField
from bandit_service.model import Arm

LARGEST = 1e3  # of a number's magnitude


def of_arms(arms: Sequence[Arm], dim: int) -> tuple[tuple[float, ...], ...]:
    """One vector (dim,) an arm, or nothing at all. Raises InvalidField.

    >>> of_arms([Arm(name="a", embedding=(0.5, 1.0)), Arm(name="b", embedding=(0.0, 1.0))], 2)
    ((0.5, 1.0), (0.0, 1.0))
    """
    if not any(arm.embedding for arm in arms):
        return ()
    for place, arm in enumerate(arms):
        field = f"arms[{place}].embedding"
        if not arm.embedding:
            raise InvalidField(
                field, f"{arm.name!r} has none, others have: give every arm one, or none"
            )
        if len(arm.embedding) != dim:
            raise InvalidField(
                field,
                f"needs {dim} numbers, one for each feature and the constant, "
                f"not {len(arm.embedding)}",
            )
    return tuple(arm.embedding for arm in arms)


def check(arm: Arm, where: str) -> None:
    """Raises InvalidField for a number that is not finite, or too large."""
    for place, number in enumerate(arm.embedding):
        if not abs(number) <= LARGEST:
            raise InvalidField(
                f"{where}.embedding[{place}]", f"must be within +-{LARGEST:g}, not {number:g}"
            )
