"""What the incumbent and its challengers would each have drawn from, as logs have it.

In rows: a map from the contestant's name to its chance of every eligible arm, by name; one that
could not decide is not there. In a log: for each contestant an array (n, K), with NaN in rows on
which it did not decide.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bandit_service.challenging import INCUMBENT

Array = NDArray[np.float64]

Chances = dict[str, dict[str, float]]


def of_page(
    said: Mapping[str, Sequence[Any]],
    arms: Sequence[str],
    challengers: Mapping[int, Sequence[str]],
) -> list[Chances | None]:
    """Of decisions, column by column. arms: of the slots; challengers: by revision, in order."""
    columns = zip(said["challengers"], said["exclusions"], said["revision"], strict=True)
    return [
        None if packed is None else _named(packed, codes, arms, challengers.get(revision, ()))
        for packed, codes, revision in columns
    ]


def _named(
    packed: bytes, codes: bytes, arms: Sequence[str], challengers: Sequence[str]
) -> Chances | None:
    rows = np.frombuffer(packed).reshape(-1, len(codes)).tolist()
    if len(rows) != 1 + len(challengers):
        return None  # of a revision that is not in the journal any more
    return {
        name: {arms[slot]: chance for slot, chance in enumerate(row) if chance > 0.0}
        for name, row in zip((INCUMBENT, *challengers), rows, strict=True)
        if not math.isnan(row[0])  # it could not decide this one
    }


def arrays(told: Sequence[Chances | None] | None, arms: Sequence[str]) -> dict[str, Array]:
    """By contestant, (n, K). What a row does not name of the log's arms it gives no chance."""
    if told is None:
        return {}
    places = {name: at for at, name in enumerate(arms)}
    found: dict[str, Array] = {}
    for row, each in enumerate(told):
        for name, chances in (each or {}).items():
            if name not in found:
                found[name] = np.full((len(told), len(arms)), np.nan)
            found[name][row] = 0.0
            for arm, chance in chances.items():
                if arm in places:
                    found[name][row, places[arm]] = chance
    return found


def one_after_the_other(
    parts: Sequence[tuple[int, dict[str, Array]]], arms: int
) -> dict[str, Array]:
    """Of blocks of so many rows; a block that does not know a contestant has NaN of it."""
    names = dict.fromkeys(name for _, known in parts for name in known)
    return {
        name: np.concatenate(
            [known.get(name, np.full((count, arms), np.nan)) for count, known in parts]
        )
        for name in names
    }
