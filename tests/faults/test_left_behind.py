"""A replica that was away while retention let go what it had not read yet."""

import pytest

from bandit_service.checkpoints import CHORES
from bandit_service.engine import PolicyEngine
from bandit_service.model import JournalEntry, Query, Recorded, Submission, smallest_id
from bandit_service.retention import DAY
from tests.builders import NOW, a_config, packed, shape_of
from tests.faults import chores
from tests.faults.chores import HORIZON, SAVED
from tests.faults.replica import Replica, ask, create


class Past:
    """Two replicas on one store; the second one sleeps while the first one learns and saves."""

    def __init__(self, store) -> None:
        self.store, self.now, self.told = store, NOW, 0
        self.awake = Replica(store, self._clock)
        create(self.awake, a_config(feedback_horizon=HORIZON))
        self.asleep = Replica(store, self._clock)
        self.journal: dict[int, JournalEntry] = {}

    def _clock(self) -> float:
        return self.now

    def teach(self, replica: Replica) -> Recorded:
        self.told += 1
        query = Query("chat", vector=packed(0.1 * self.told, 0.5))
        name = f"{smallest_id(self.now)[:-12]}{self.told:012x}"
        decision = ask(replica, lambda answered: replica.route(query, name, answered))
        submission = Submission(decision.id, f"f{self.told}", score=0.5)
        answer = ask(replica, lambda answered: replica.feedback([submission], answered))
        recorded: Recorded = answer[0]
        self._note()
        return recorded

    def _note(self) -> None:
        self.journal |= {one.position: one for one in self.store.events(1, 0, 1_000)}

    def go_by(self) -> None:
        """Days, with enough checkpoints that the oldest ones go."""
        for _ in range(2):
            for _ in range(4):
                self.teach(self.awake)
                assert chores.checkpoint(self.awake, "awake", self._clock) == SAVED
            self.now += 3 * DAY
        chores.tidy(self.store, self.now)

    def truth(self) -> str:
        """Of a fold of all that was ever in the journal."""
        engine = PolicyEngine(self.store.policies()[0], shape_of)
        for place in sorted(self.journal):
            engine.apply(self.journal[place])
        return engine.state_hash()


@pytest.mark.parametrize("first", ["it reads on", "it is told something"])
def test_who_was_left_behind_goes_on_from_a_checkpoint(store, first, caplog):
    past = Past(store)
    past.go_by()
    kept = [one.position for one in store.events(1, 0, 1_000)]
    assert past.asleep.engine().position + 1 not in kept

    if first == "it reads on":
        assert ask(past.asleep, past.asleep.follow) is None
    assert past.teach(past.asleep).position == past.told + 1
    assert ask(past.awake, past.awake.follow) is None

    assert past.asleep.engine().position == past.awake.engine().position == past.told + 1
    assert past.asleep.engine().state_hash() == past.awake.engine().state_hash() == past.truth()
    assert caplog.text.count("it goes on from a checkpoint") == 1


def test_without_a_checkpoint_what_is_missing_is_told_and_nothing_is_acknowledged(store, caplog):
    past = Past(store)
    past.go_by()
    lease = store.leases.take(CHORES, "awake", 60.0)
    with store.checkpoints.fenced(lease) as writer:
        for one in store.checkpoints.of(1):
            writer.delete(one.id)
    before = store.events(1, 0, 1_000)

    query = Query("chat", vector=packed(0.3, 0.4))
    name = smallest_id(past.now)
    decision = ask(past.asleep, lambda answered: past.asleep.route(query, name, answered))
    told = [Submission(decision.id, "f", score=0.5)]
    for _ in range(2):
        refused = ask(past.asleep, lambda answered: past.asleep.feedback(told, answered))
        assert "restore the database from a copy" in str(refused)

    assert store.events(1, 0, 1_000) == before
    assert caplog.text.count("policy 1 cannot be followed past position 1") == 1
