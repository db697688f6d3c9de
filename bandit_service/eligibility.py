"""Which arms a query may get, and why the others fell out. Comes before every draw."""

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from bandit_service.errors import InvalidField
from bandit_service.model import Arm, ArmState, PolicyConfig, Query

Codes = NDArray[np.uint8]


class Exclusion(IntEnum):
    """Why an arm fell out. The numbers are stored with decisions: never renumber."""

    NONE = 0
    RETIRED = 1
    REMOVED = 2
    NOT_ALLOWED = 3
    MISSING_TAG = 4
    MISSING_MODALITY = 5
    CONTEXT_LIMIT = 6
    UNHEALTHY = 7
    SESSION = 8
    OBSERVED = 9
    BUDGET = 10
    UNPRICED = 11
    TOO_SLOW = 20
    UNKNOWN = 255


REASONS = {
    Exclusion.NONE: "",
    Exclusion.RETIRED: "the arm is retired",
    Exclusion.REMOVED: "the arm has been removed",
    Exclusion.NOT_ALLOWED: "not among the arms that the caller allows",
    Exclusion.MISSING_TAG: "lacks a required tag",
    Exclusion.MISSING_MODALITY: "lacks a required modality",
    Exclusion.CONTEXT_LIMIT: "the estimated tokens exceed its context limit",
    Exclusion.UNHEALTHY: "its latest calls all failed; it rests",
    Exclusion.SESSION: "the session stays with its last arm",
    Exclusion.OBSERVED: "the policy observes; its default arm is served",
    Exclusion.BUDGET: "what is left of the budget cannot pay for it",
    Exclusion.UNPRICED: "what it takes is not known, and a budget limits that",
    Exclusion.TOO_SLOW: "its calls take longer than the latency limit",
    Exclusion.UNKNOWN: "not known: the decision was recovered from its token",
}


class Eligibility:
    """The hard filters of one configuration.

    Answers for equal demands are kept: most queries ask for nothing in particular.
    """

    _MOST_KEPT = 1024

    def __init__(self, config: PolicyConfig) -> None:
        self._policy = config.name
        self._arms = config.arms
        self._slots = {arm.name: slot for slot, arm in enumerate(config.arms)}
        limits = [arm.context_limit_tokens for arm in config.arms]
        self._limits = np.array([np.inf if n is None else float(n) for n in limits])
        self._has_limits = bool(np.isfinite(self._limits).any())
        self._kept: dict[object, Codes] = {}
        self.everything = self._codes((), (), ())

    def exclusions(self, query: Query) -> Codes:
        """An Exclusion a slot, shape (K,). Not to be written to.

        Raises InvalidField if the query allows an arm that the policy never had.
        """
        codes = self.everything
        if query.required_tags or query.required_modalities or query.allowed_arms:
            key = (query.required_tags, query.required_modalities, query.allowed_arms)
            found = self._kept.get(key)
            codes = self._codes(*key) if found is None else found
            if found is None and len(self._kept) < self._MOST_KEPT:
                self._kept[key] = codes
        tokens = (query.input_tokens or 0) + (query.output_tokens or 0)
        if tokens and self._has_limits:
            too_small = (codes == Exclusion.NONE) & (self._limits < tokens)
            codes = np.where(too_small, np.uint8(Exclusion.CONTEXT_LIMIT), codes)
        return codes

    def reasons(self, codes: Sequence[int] | Codes) -> dict[str, str]:
        """Why each arm fell out, by name; only those that did."""
        pairs = zip(self._arms, codes, strict=True)
        return {arm.name: REASONS[Exclusion(int(code))] for arm, code in pairs if code}

    def _codes(
        self, tags: Sequence[str], modalities: Sequence[str], allowed: Sequence[str]
    ) -> Codes:
        for name in allowed:
            if name not in self._slots:
                raise InvalidField(
                    "allowed_arms", f"policy {self._policy!r} has no arm {name!r}", arm=name
                )
        codes = [_exclusion(arm, set(tags), set(modalities), set(allowed)) for arm in self._arms]
        return np.array(codes, dtype=np.uint8)


def _exclusion(arm: Arm, tags: set[str], modalities: set[str], allowed: set[str]) -> Exclusion:
    if arm.state is ArmState.REMOVED:
        return Exclusion.REMOVED
    if arm.state is ArmState.RETIRED:
        return Exclusion.RETIRED
    if allowed and arm.name not in allowed:
        return Exclusion.NOT_ALLOWED
    if not tags <= set(arm.tags):
        return Exclusion.MISSING_TAG
    if not modalities <= set(arm.modalities):
        return Exclusion.MISSING_MODALITY
    return Exclusion.NONE
