"""Settings of policies: each declares its range where it is defined, and one check reads them."""

from dataclasses import field, fields
from typing import Any, TypeVar

T = TypeVar("T", int, float, bool)
INFINITY = float("inf")


def setting(default: T, *, least: float = -INFINITY, most: float = INFINITY) -> T:
    """A dataclass field in [least, most], and finite."""
    left, right = "[" if least > -INFINITY else "(", "]" if most < INFINITY else ")"
    meta = {"least": least, "most": most, "wanted": f"{left}{least:g}, {most:g}{right}"}
    made: T = field(default=default, metadata=meta)
    return made


def check(policy: Any) -> None:
    """ValueError that says wanted and got, for the first setting of `policy` out of its range."""
    for entry in fields(policy):
        if "wanted" not in entry.metadata:
            continue
        value, meta = getattr(policy, entry.name), entry.metadata
        if not (abs(value) < INFINITY and meta["least"] <= value <= meta["most"]):
            raise ValueError(f"{entry.name} must be in {meta['wanted']}, got {value}")


def check_dim_and_half_life(dim: int, half_life: float | None) -> None:
    """ValueError unless dim >= 1 and the half-life, where there is one, is positive and finite."""
    if dim < 1:
        raise ValueError(f"dim must be at least 1, got {dim}")
    if half_life is not None and not 0 < half_life < INFINITY:
        raise ValueError(f"half_life must be in (0, inf) or None, got {half_life}")


def coerced(kind: type, name: str, value: float) -> float:
    """`value` as the int or bool the setting wants; ValueError where that would change it."""
    if kind is float:
        return float(value)
    if not abs(value) < INFINITY or kind(value) != value:
        wanted = "0 or 1" if kind is bool else "a whole number"
        raise ValueError(f"{name} must be {wanted}, got {value}")
    whole: float = kind(value)
    return whole
