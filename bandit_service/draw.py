"""Names for decisions, and the one draw each of them gets.

The number that decides is a keyed hash of the decision's id: a pseudo-random function
of (policy secret, decision id). So there is no generator state to keep, and the same
id and logged probabilities give the same arm again, exactly.
"""

import os
from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_MANTISSA = 1 << 53
_FIRST = b"first arm"
_SECOND = b"second arm"
_FEW = 64  # numbers up to which plain Python is quicker than numpy


def new_ids(count: int, now: float) -> list[str]:
    """`count` fresh ids, UUIDs of version 7 (RFC 9562), whose first 48 bits are `now` in ms.

    Text that begins with the time keeps the decisions' index append-only.
    """
    stamp = f"{int(now * 1000):012x}"
    prefix = f"{stamp[:8]}-{stamp[8:]}-7"
    random = os.urandom(10 * count).hex()
    ids = []
    for start in range(0, 20 * count, 20):
        r = random[start : start + 20]
        variant = "89ab"[int(r[3], 16) & 3]
        ids.append(f"{prefix}{r[:3]}-{variant}{r[4:7]}-{r[7:19]}")
    return ids


def uniform(secret: bytes, decision_id: str, purpose: bytes = _FIRST) -> float:
    """A number in (0, 1] that depends on nothing else. Never 0, so that an arm of
    probability 0 cannot be drawn."""
    keyed = _keyed(secret, purpose).copy()
    keyed.update(decision_id.encode())
    return ((int.from_bytes(keyed.digest(), "little") >> 11) + 1) / _MANTISSA


@lru_cache(1_024)
def _keyed(secret: bytes, purpose: bytes) -> blake2b:
    """The hash before its message: to set a key takes as long as all the rest."""
    return blake2b(digest_size=8, key=secret, person=purpose)


def draw(probabilities: Array, uniforms: Sequence[float]) -> list[int]:
    """One arm a row: probabilities (n, K), n uniforms in (0, 1] -> n arms.

    The first arm whose cumulated probability reaches the uniform. Rows are summed in
    order, one by one, so a row draws the same arm alone as among others.
    """
    rows, arms = probabilities.shape
    if rows * arms <= _FEW:
        return [_draw_one(row, u) for row, u in zip(probabilities.tolist(), uniforms, strict=True)]
    cumulated = probabilities.cumsum(axis=1)
    targets = np.array(uniforms) * cumulated[:, -1]
    drawn: list[int] = (cumulated < targets[:, None]).sum(axis=1).tolist()
    return drawn


def _draw_one(probabilities: list[float], uniform: float) -> int:
    """The same in plain Python, which is quicker for a few numbers, and bit for bit equal."""
    cumulated = list(accumulate(probabilities))
    return bisect_left(cumulated, uniform * cumulated[-1])


def draw_first(secret: bytes, ids: Sequence[str], probabilities: Array) -> list[int]:
    """The arms that these n decisions get from these probabilities (n, K)."""
    return draw(probabilities, [uniform(secret, i) for i in ids])


def draw_second(
    secret: bytes, decision_id: str, probabilities: Array, first: int, eligible: Mask
) -> tuple[int, float] | None:
    """The other arm of a duel, and its chance given the first.

    From the same probabilities (K,) without the first; where they leave nothing, because
    the first was certain, evenly from the other eligible arms (K,). None if there are none.
    """
    others = probabilities.copy()
    others[first] = 0.0
    total = float(others.sum())
    if total <= 0.0:
        others = eligible.astype(np.float64)
        others[first] = 0.0
        total = float(others.sum())
    if total <= 0.0:
        return None
    second = draw(others[None, :], [uniform(secret, decision_id, _SECOND)])[0]
    return second, float(others[second]) / total


def draw_independent_second(secret: bytes, decision_id: str, probabilities: Array) -> int:
    """The other arm of a duel from chances (K,) of its own; it may be the first one again."""
    return draw(probabilities[None, :], [uniform(secret, decision_id, _SECOND)])[0]


def keyed_hash(secret: bytes, what: str) -> bytes:
    """16 bytes that tell equal from different, and nothing else, without the secret."""
    return blake2b(what.encode(), digest_size=16, key=secret, person=b"keyed hash").digest()
