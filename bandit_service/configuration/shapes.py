"""What features amount to, and what a change of a configuration is."""

from collections.abc import Callable

import msgspec

from bandit_service.model import Features, PolicyConfig


class Shape(msgspec.Struct, frozen=True):
    """What features amount to: their version, and their number, the constant included."""

    version: str
    dim: int


ShapeOf = Callable[[Features], Shape]
Change = Callable[[PolicyConfig], PolicyConfig]
