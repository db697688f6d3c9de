"""How much an input token weighs beside an output token, learned per arm on one device.

Every window whose calls told their tokens is one equation: joules above idle = rest + sum over
arms of a * input tokens + b * output tokens. Non-negative least squares over the latest of them
gives a and b. The rest, what a running device takes whatever it works on, is fitted so that it
does not spoil them, and is shared like everything else.
"""

from collections import deque
from collections.abc import Mapping

import numpy as np
from scipy.optimize import nnls

LEAST_WINDOWS, MOST_WINDOWS = 60, 1200
EVERY = 30  # windows between two fits

Weights = tuple[float, float]
UNFITTED: Weights = (0.0, 1.0)


class TokenWeights:
    """Joules (a, b) a token by arm. Until they are fitted, output tokens alone count: as
    `declared` says (joules each, by arm), or else all alike."""

    def __init__(self, declared: Mapping[str, float] | None = None) -> None:
        self._declared = declared or {}
        self._windows: deque[tuple[float, float, dict[str, Weights]]] = deque(maxlen=MOST_WINDOWS)
        self._since_fit = 0
        self.fitted: dict[str, Weights] = {}

    def of(self, arms: set[str]) -> dict[str, Weights]:
        """Comparable with each other: if one arm is not fitted, none counts as fitted."""
        if arms <= self.fitted.keys():
            return {arm: self.fitted[arm] for arm in arms}
        if arms <= self._declared.keys():
            return {arm: (0.0, self._declared[arm]) for arm in arms}
        return dict.fromkeys(arms, UNFITTED)

    def learn(self, joules: float, seconds: float, tokens: Mapping[str, Weights]) -> None:
        """One window: joules above idle, seconds in which calls ran, tokens by arm."""
        self._windows.append((joules, seconds, dict(tokens)))
        self._since_fit += 1
        if len(self._windows) >= LEAST_WINDOWS and self._since_fit >= EVERY:
            self._since_fit = 0
            self.fitted = self._fit()

    def _fit(self) -> dict[str, Weights]:
        arms = sorted({arm for _, _, tokens in self._windows for arm in tokens})
        table = np.array(
            [
                [seconds, *(n for arm in arms for n in tokens.get(arm, (0.0, 0.0)))]
                for _, seconds, tokens in self._windows
            ]
        )
        joules = np.array([window[0] for window in self._windows])
        scale = np.maximum(table.max(axis=0), 1e-12)
        solution = nnls(table / scale, joules)[0] / scale
        pairs = {arm: solution[1 + 2 * at : 3 + 2 * at] for at, arm in enumerate(arms)}
        # Input tokens are read many at once, so one is never dearer than an output token: a fit
        # that says so has taken the length of answers for that of prompts.
        return {arm: (float(min(a, b)), float(b)) for arm, (a, b) in pairs.items() if b > 0.0}
