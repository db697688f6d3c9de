"""What a call of each arm takes, learned from what calls took.

Apart from quality, and weighed against it only when deciding. A mean over the last calls, so that
a price that changes without notice is followed. An arm that nobody has paid for yet is guessed
from its list price, in the proportion of the arms that are known, and guessed high: the list
knows nothing of hidden reasoning or of long answers, and what was too dear is found out by paying.
"""

from dataclasses import dataclass, field
from math import isnan, sqrt

import numpy as np

from policies.policy import Array, Mask

MEMORY = 300.0  # calls of an arm after which an older one counts a third
UNPAID = 3.0  # an arm never paid for is expected to take so many times what its list price says
UNPAID_UPPER = 10.0  # and at most so many times
PRIOR_CALLS = 2.0  # for how many calls it counts that amounts vary as much as their mean is high
LISTED_CALLS = 4.0  # that a list price counts for where calls to come are set aside
GUESSED_CALLS = 1.0  # that the upper guess counts for beside the first bills of an arm
HOPE = 2.0  # standard errors by which an arm may turn out to take less
DEVIATIONS = 2.0  # of a single call, that an upper estimate lies above the mean


@dataclass(slots=True, eq=False)
class Consumption:
    """Sums over the calls of K arms, of R resources.

    calls   (K, R)  that were noted; the other sums fade
    listed  (K, R)  a guess of what a call takes before any was paid, in true units: its list
                    price times the tokens of a usual call. NaN: there is no list price
    """

    listed: Array
    totals: Array = field(init=False)
    squares: Array = field(init=False)
    weights: Array = field(init=False)
    calls: Array = field(init=False)
    _means: Array | None = field(init=False, default=None)
    _uppers: Array | None = field(init=False, default=None)
    _reserves: Array | None = field(init=False, default=None)
    _asides: Array | None = field(init=False, default=None)
    _usual: Array | None = field(init=False, default=None)
    _all_paid: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        shape = self.listed.shape
        self.totals, self.squares, self.weights, self.calls = (np.zeros(shape) for _ in range(4))

    def note(self, arm: int, taken: Array) -> None:
        """One call of `arm` took this, (R,); NaN where that is not known."""
        means, uppers, asides = self._means, self._uppers, self._asides
        self._forget()
        for column, amount in enumerate(taken.tolist()):
            if not isnan(amount):
                self._add(arm, column, amount)
        if self._all_paid and means is not None and uppers is not None:
            # No other arm is guessed by this one, so only its own numbers have changed.
            self._means, self._uppers = means.copy(), uppers.copy()
            row = slice(arm, arm + 1)
            sums = self.totals[row], self.squares[row], self.weights[row]
            self._means[row] = sums[0] / sums[2]
            self._uppers[row] = _upper(self._means[row], *sums)
            if asides is not None:
                self._asides = asides.copy()
                self._asides[row] = self._aside(row)

    def _add(self, arm: int, column: int, amount: float) -> None:
        for sums, value in (
            (self.totals, amount),
            (self.squares, amount * amount),
            (self.weights, 1.0),
        ):
            sums[arm, column] = sums.item(arm, column) * (1.0 - 1.0 / MEMORY) + value
        self.calls[arm, column] += 1.0

    def reprice(self, listed: Array) -> None:
        """New list prices (K, R): what was learned under the old ones moves with them, at once."""
        known = (self.listed > 0.0) & (listed > 0.0)
        ratio = np.where(known, listed / np.where(known, self.listed, 1.0), 1.0)
        self.totals *= ratio
        self.squares *= ratio**2
        self.listed = listed
        self._forget()

    def _forget(self) -> None:
        """What was worked out of the sums does not hold any more."""
        self._means = self._uppers = self._reserves = self._asides = self._usual = None

    def means(self) -> Array:
        """Expected of a call, (K, R); NaN where neither calls nor list prices say anything.

        An arm that cannot be guessed is taken to be as dear as the dearest that can.
        """
        if self._means is None:
            paid = self.weights > 0.0
            seen = self.totals / np.where(paid, self.weights, 1.0)
            self._all_paid = bool(paid.all())
            self._means = (
                seen if self._all_paid else np.where(paid, seen, self._guessed(seen, paid))
            )
        return self._means

    def asides(self) -> Array:
        """What to set aside a call for those that are sure to come, (K, R); NaN as in `means`.

        The mean, as if the list price had been paid a few times, too, and a standard error: where a
        call in ten takes most of the total, the first ones say too little, and what seems left is
        spent on trying.
        """
        if self._asides is None:
            self._asides = self._aside(slice(None))
        return self._asides

    def uppers(self) -> Array:
        """What a single call hardly ever exceeds, (K, R): to be reserved; NaN as in `means`."""
        if self._uppers is None:
            means, paid = self.means(), self.weights > 0.0
            weights = np.where(paid, self.weights, 1.0)
            seen = _upper(means, self.totals, self.squares, weights)
            self._uppers = np.where(paid, seen, means * UNPAID_UPPER / UNPAID)
        return self._uppers

    def lowers(self) -> Array:
        """What a call may turn out to take on average once more is known, (K, R); NaN as in
        `means`.

        Some standard errors below the mean, for one call may take most of what an arm took so far;
        but no less than a third of what is usual for its list price, so that of arms of which next
        to nothing is known the one that is listed cheapest is tried. As listed of an arm that was
        never paid for.
        """
        means, paid = self.means(), self.weights > 0.0
        errors = self._deviations(slice(None)) / np.sqrt(np.where(paid, self.weights, 1.0))
        least = self.usual() * np.where(self.listed > 0.0, self.listed, 0.0) / UNPAID
        seen = np.minimum(np.maximum(means - HOPE * errors, least), means)
        return np.where(paid, seen, means / UNPAID)

    def reserves(self) -> Array:
        """What to set aside for a call that is not settled yet, (K, R).

        Of many calls of an arm whose amounts are known it is the mean that counts, with a margin
        for what is not known of the mean. An arm never paid for is set aside at its upper amount:
        where bills come late, a thousand calls may have been made at a guess. That amount counts
        for a call more, for the first bills of an arm need not be its dear ones.
        """
        if self._reserves is None:
            means, weights = self.means(), np.where(self.weights > 0.0, self.weights, 1.0)
            likely = means + (self.uppers() - means) / np.sqrt(1.0 + weights)
            guess = np.maximum(likely, UNPAID_UPPER * self.usual() * np.nan_to_num(self.listed))
            seen = (weights * likely + GUESSED_CALLS * guess) / (weights + GUESSED_CALLS)
            self._reserves = np.where(self.weights > 0.0, seen, self.uppers())
        return self._reserves

    def _aside(self, rows: slice) -> Array:
        means, listed, weights = self.means()[rows], self.listed[rows], self.weights[rows]
        both = (weights > 0.0) & (listed > 0.0)
        with_listed = self.totals[rows] + LISTED_CALLS * np.where(both, listed, 0.0)
        mean = np.where(both, np.maximum(means, with_listed / (weights + LISTED_CALLS)), means)
        # Of all calls ever: the later ones weigh more in the mean, but what they leave unknown is
        # about what is left of the budget, not about the latest price.
        error = self._deviations(rows) / np.sqrt(self.calls[rows] + LISTED_CALLS)
        return np.where(weights > 0.0, mean + error, mean)

    def _deviations(self, rows: slice) -> Array:
        """Of a single call, by what its upper estimate lies above the mean; where one was paid."""
        weights = np.where(self.weights[rows] > 0.0, self.weights[rows], 1.0)
        above: Array = self.uppers()[rows] - self.means()[rows]
        return above / (DEVIATIONS * np.sqrt(1.0 + 1.0 / weights))

    def usual(self) -> Array:
        """What calls took for their list price, (R,): the middle one of the arms that are known.

        Not the mean: one call that takes fifty times what is usual would make every arm that was
        never paid for look dear, the cheapest too, for ever.
        """
        if self._usual is None:
            columns = zip(self.totals.T, self.weights.T, self.listed.T, strict=True)
            self._usual = np.array([_middle_ratio(*column) for column in columns])
        return self._usual

    def _guessed(self, seen: Array, paid: Mask) -> Array:
        """For arms never paid for, (K, R). `seen` are the means of the others."""
        guessed = UNPAID * self.usual() * self.listed
        dearest = np.where(paid, seen, guessed)
        known = ~np.isnan(dearest)
        most = np.where(known.any(axis=0), np.where(known, dearest, 0.0).max(axis=0), np.nan)
        return np.where(np.isnan(guessed), most, guessed)


def _middle_ratio(totals: Array, weights: Array, listed: Array) -> float:
    """Of (K,) arms, the median of what a call took over what is listed; of two in the middle the
    geometric mean. 1 where nothing is known."""
    arms = zip(totals.tolist(), weights.tolist(), listed.tolist(), strict=True)
    ratios = sorted(total / weight / price for total, weight, price in arms if weight and price > 0)
    if not ratios:
        return 1.0
    middle = len(ratios) // 2
    return ratios[middle] if len(ratios) % 2 else sqrt(ratios[middle - 1] * ratios[middle])


def _upper(means: Array, totals: Array, squares: Array, weights: Array) -> Array:
    """What a call hardly ever exceeds, by calls that were paid."""
    about = np.maximum(squares - means * totals, 0.0)
    deviation = np.sqrt((about + PRIOR_CALLS * means**2) / (weights + PRIOR_CALLS))
    upper: Array = means + DEVIATIONS * deviation * np.sqrt(1.0 + 1.0 / weights)
    return upper
