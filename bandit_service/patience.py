"""How long a challenger may take on this replica, and when it is not asked any more. Pure: seconds
come from whoever has a clock.

Time differs from one machine to the next, so nothing that is learned depends on it: who is
suspended goes on learning, and only its decisions are left out, here.
"""

# What a decision may take in the mean, or as many times as long as the incumbent took for it,
# whichever is more: of two learners with thousands of numbers neither is at fault.
DECISION_SECONDS = 0.01
TIMES_THE_INCUMBENT = 4.0
# Seconds that it may be ahead of that; what one call counts at most, so that a single stall of
# the machine suspends nobody.
MOST_AHEAD = 0.5
ONE_CALL = 0.2
# Each suspension is twice as long as the one before, until it has made up for what it took.
FIRST_PAUSE, LONGEST_PAUSE = 60.0, 3600.0


class Patience:
    """With one challenger: a bucket that what it takes too much fills, and what it saves empties.

    seconds   that it took for decisions so far, in this process
    ahead     s, in [0, MOST_AHEAD], of what it may take
    """

    __slots__ = ("_pause", "_until", "ahead", "seconds")

    def __init__(self) -> None:
        self.seconds = self.ahead = self._pause = 0.0
        self._until = float("-inf")

    def left(self, now: float) -> float:
        """Seconds until it is asked again; 0 where it is not suspended."""
        return max(0.0, self._until - now)

    def took(self, now: float, decisions: int, own: float, incumbent: float) -> None:
        """What it took for these decisions until `now`, and what the incumbent took; all in s."""
        self.seconds += own
        allowed = max(decisions * DECISION_SECONDS, TIMES_THE_INCUMBENT * incumbent)
        self.ahead = max(0.0, self.ahead + min(own - allowed, ONE_CALL))
        if self.ahead == 0.0:
            self._pause = 0.0
        elif self.ahead >= MOST_AHEAD:
            # Still that far ahead when it is asked again: then one slow call is enough.
            self.ahead = MOST_AHEAD
            self._pause = min(2.0 * self._pause, LONGEST_PAUSE) or FIRST_PAUSE
            self._until = now + self._pause
