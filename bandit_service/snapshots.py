"""All that a policy's fold holds at one position, kept while the engine goes on."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

import policies
from bandit_service.model import Folded

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """Taken by the engine's owner in microseconds; never changes, so any thread may read it.

    state  what the policy has learned
    calls  the sums of `CallStatistics`
    challengers  what the challengers have learned, each name before its sums'
    """

    folded: Folded
    state: policies.Snapshot
    calls: Arrays
    challengers: policies.Snapshot = field(default_factory=lambda: policies.CopiedSums({}))

    def state_hash(self) -> str:
        """That of the engine at this moment."""
        folded = self.folded
        return state_hash(
            folded.fold_version,
            folded.position,
            folded.feature_version,
            (self.state.canonical(), self.calls, self.challengers.canonical()),
        )


def state_hash(
    fold_version: int, position: int, feature_version: str, parts: tuple[Arrays, ...]
) -> str:
    """SHA-256, in hex, over the canonical sums: equal journals, equal hashes."""
    digest = hashlib.sha256(f"{fold_version} {position} {feature_version}".encode())
    for name, array in _in_order(parts):
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _in_order(parts: tuple[Arrays, ...]) -> Iterator[tuple[str, NDArray[Any]]]:
    for part in parts:
        for name in sorted(part):
            yield name, np.ascontiguousarray(part[name])
