"""What this process has answered of late, by request id: so that a repeat gets the same answer
while the database, which knows for certain, cannot be asked. Within bounds, and of this process
alone.
"""

from collections import OrderedDict

from bandit_service.model import Decision

MOST_BYTES = 16 * 2**20  # some ten thousand decisions
_BESIDE_ITS_BYTES = 1_000  # what a decision takes in memory besides its longer fields


class Answered:
    """Belongs to the event loop's thread. The longest unused answers are let go."""

    def __init__(self, most_bytes: int | None = None) -> None:
        self._most_bytes = MOST_BYTES if most_bytes is None else most_bytes
        self._decisions: OrderedDict[tuple[int, str], Decision] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._decisions)

    def remember(self, decision: Decision) -> None:
        """The decision that holds its request id, as far as is known; in place of any other."""
        if decision.request_id is None:
            return
        key = decision.policy_id, decision.request_id
        before = self._decisions.pop(key, None)
        self.bytes += size_of(decision) - (0 if before is None else size_of(before))
        self._decisions[key] = decision
        while self.bytes > self._most_bytes:
            _, oldest = self._decisions.popitem(last=False)
            self.bytes -= size_of(oldest)

    def of(self, policy_id: int, request_id: str) -> Decision | None:
        return self._decisions.get((policy_id, request_id))


def size_of(decision: Decision) -> int:
    """Bytes of memory, about. The same with and without a request id."""
    longer = (
        decision.context,
        decision.probabilities,
        decision.means,
        decision.deviations,
        decision.shadow,
        decision.offsets,
        decision.second_probabilities,
        decision.assumed,
        decision.spending,
        decision.challengers,
    )
    return _BESIDE_ITS_BYTES + sum(len(one) for one in longer if one is not None)
