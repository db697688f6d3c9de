"""Arms derived again from the logged probabilities and the policy's key."""

from collections.abc import Iterator

import numpy as np

from bandit_service import draw
from bandit_service.eligibility import Exclusion
from bandit_service.evaluation.audit.results import Finding
from bandit_service.model import Decision

SUM = 1e-12  # how far from 1 the probabilities of a row may add up


def findings(decision: Decision, secret: bytes) -> Iterator[Finding]:
    """What does not hold of its draw. Nothing is asked of one that was made of its token: the
    probabilities went with its row."""
    if decision.recovered:
        return
    chances = np.frombuffer(decision.probabilities)
    eligible = np.frombuffer(decision.exclusions, dtype=np.uint8) == Exclusion.NONE
    if complaint := _complaint(chances, eligible):
        yield _finding(decision, "probabilities", _shown(chances), complaint)
        return
    (first,) = draw.draw_first(secret, [decision.id], chances[None, :])
    if first != decision.arm:
        yield _finding(decision, "arm", str(decision.arm), f"{first} is what the key draws")
        return
    second, propensity = _pair(decision, secret, chances, eligible)
    if second != decision.second_arm:
        yield _finding(decision, "second arm", str(decision.second_arm), str(second))
    elif propensity != decision.propensity:
        yield _finding(decision, "propensity", f"{decision.propensity:.17g}", f"{propensity:.17g}")


def _complaint(chances: np.ndarray, eligible: np.ndarray) -> str | None:
    if len(chances) != len(eligible):
        return f"{len(eligible)} numbers are wanted"
    if not (np.isfinite(chances).all() and (chances >= 0.0).all()):
        return "chances are from 0 to 1"
    if abs(float(chances.sum()) - 1.0) > SUM:
        return f"they add up to {chances.sum():.17g}"
    if chances[~eligible].any():
        return "an arm that fell out has a chance"
    return None


def _pair(
    decision: Decision, secret: bytes, chances: np.ndarray, eligible: np.ndarray
) -> tuple[int | None, float]:
    """The second arm of a duel and the pair's chance; None and the arm's own otherwise."""
    propensity = float(chances[decision.arm])
    if decision.second_probabilities is not None:
        seconds = np.frombuffer(decision.second_probabilities)
        other = draw.draw_independent_second(secret, decision.id, seconds)
        propensity *= float(seconds[other])
        return None if other == decision.arm else other, min(1.0, propensity)
    if decision.second_arm is not None:
        drawn = draw.draw_second(secret, decision.id, chances, decision.arm, eligible)
        return (None, propensity) if drawn is None else (drawn[0], min(1.0, propensity * drawn[1]))
    return None, min(1.0, propensity)


def _finding(decision: Decision, what: str, logged: str, found: str) -> Finding:
    return Finding(decision.id, decision.position, what, logged, found)


def _shown(numbers: np.ndarray) -> str:
    return "[" + ", ".join(f"{number:.6g}" for number in numbers) + "]"
