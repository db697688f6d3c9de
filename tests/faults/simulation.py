"""Several replicas, their database, their clients and the network, in one thread and one seed.

Every step one thing happens: a message arrives, a writer commits, a loop delivers, a replica
dies, a writer hangs and is given up, the database goes away, the clock jumps. What is driven is
the product's own journal, writer, batches, planning and engines (`replica`); what is asserted is
what clients were told, and counts that the simulation keeps for itself.
"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bandit_service import revising
from bandit_service.batch import Batch
from bandit_service.configuration import arm_added, arm_updated, updated
from bandit_service.errors import DecisionExpired, IdReused, StoreUnavailable
from bandit_service.hearing import Hearing
from bandit_service.model import (
    Algorithm,
    Arm,
    Decision,
    Query,
    Recorded,
    Submission,
    smallest_id,
)
from bandit_service.retention import DAY
from tests.builders import NOW, a_config, arms, packed
from tests.faults.chores import HORIZON
from tests.faults.replica import Replica, create
from tests.faults.simulated_calls import Call, Wrong
from tests.faults.simulated_chores import Chores
from tests.faults.simulated_store import SimulatedStore

STEPS = 250
REPLICAS = 3
CLIENTS = 6
# How often things go wrong, a step.
CRASH, OUTAGE, JUMP, REVISION, POWER, HANG = 0.02, 0.01, 0.02, 0.01, 0.01, 0.02
# How often nobody calls for days, and a process is stopped for a while.
LEAP, STOP = 0.005, 0.005


@dataclass
class World:
    seed: int
    is_durable: bool = True
    hearing: Callable[..., Hearing] = Hearing
    now: float = NOW
    latest: float = NOW  # it has been
    step: int = 0
    clients: int = CLIENTS
    network: list[tuple[int, Callable[[], None]]] = field(default_factory=list)
    calls: dict[str, Call] = field(default_factory=dict)
    decisions: dict[str, Decision] = field(default_factory=dict)  # acknowledged, by request id
    feedback: dict[str, Recorded] = field(default_factory=dict)  # acknowledged, by id
    sent: dict[str, tuple[Decision, float]] = field(default_factory=dict)  # and score
    scores: dict[str, float] = field(default_factory=dict)  # acknowledged, by feedback id
    hashes: dict[int, str] = field(default_factory=dict)  # of states, by position
    counts: Counter[str] = field(default_factory=Counter)
    stopped: dict[int, int] = field(default_factory=dict)  # replicas, until which step

    def __post_init__(self) -> None:
        self.luck = random.Random(self.seed)
        self.store = SimulatedStore(self.luck, self.is_durable)
        self.store.now = lambda: self.step / 10  # the database's clock does not jump
        self.chores = Chores(self)
        config = a_config(
            algorithm=Algorithm("linucb"), arms=arms("a", "b", "c"), feedback_horizon=HORIZON
        )
        self.replicas: list[Replica | None] = [self.start()]
        assert self.replicas[0] is not None
        create(self.replicas[0], config)
        self.store.sync()
        self.replicas += [self.start() for _ in range(REPLICAS - 1)]
        self.store.failures = self.luck.choice((0.0, 0.05, 0.3))

    def start(self) -> Replica:
        """Raises StoreUnavailable."""
        made = Replica(self.store, lambda: self.now, self.hearing)
        self.chores.check_the_start(made)
        return made

    # -- one thing after another ----------------------------------------------------------

    def run(self, steps: int = STEPS) -> Counter[str]:
        for _ in range(steps):
            self.go_wrong()
            self.go_on()
            self.chores.look()
        self._heal()
        self.counts["commits"] += self.store.commits
        self.counts["unheard commits"] += self.store.unheard
        self.counts["acknowledged"] += len(self.decisions) + len(self.feedback)
        return self.counts

    def go_wrong(self) -> None:
        luck, store = self.luck, self.store
        if luck.random() < CRASH:
            self.replicas[luck.randrange(REPLICAS)] = None
            self.counts["crashes"] += 1
        if luck.random() < OUTAGE * (10 if store.is_down else 1):
            store.is_down = not store.is_down
            self.counts["outages"] += store.is_down
        if luck.random() < JUMP:
            self.now += luck.uniform(-7_200, 7_200)
            self.counts["clock jumps"] += 1
        if luck.random() < LEAP:
            self.now += luck.uniform(1.0, 4.0) * DAY
        if luck.random() < STOP:
            self.stopped[luck.randrange(REPLICAS)] = self.step + luck.randrange(200)
            self.counts["stops"] += 1
        if luck.random() < POWER:
            store.crash()
            self.counts["power failures"] += 1
        if luck.random() < 0.1:
            store.sync()
        if luck.random() < REVISION:
            self._revise()
        living = [one for one in self.replicas if one is not None]
        if living and luck.random() < HANG:
            self.counts["hung writers"] += 1
            # Now, with news that nobody has heard of yet; or while somebody's commit is under way.
            give_up = luck.choice(living).give_up_writer
            if luck.random() < 0.5:
                give_up()
            else:
                store.meanwhile = give_up

    def go_on(self) -> None:
        """The clock moves, clients send, messages arrive, every replica may take a turn."""
        luck = self.luck
        self.step += 1
        self.now += luck.expovariate(10.0)
        self.latest = max(self.latest, self.now)
        if sum(not call.answered for call in self.calls.values()) < self.clients:
            call = self._new_call()
            self.calls[call.id] = call
        for call in [one for one in self.calls.values() if not one.answered]:
            if self.step - call.sent_at > 20:
                self._send(call)
        due = [one for one in self.network if one[0] <= self.step]
        self.network = [one for one in self.network if one[0] > self.step]
        luck.shuffle(due)
        for _, arrive in due:
            arrive()
        for number, replica in enumerate(self.replicas):
            if self.stopped.get(number, 0) > self.step:
                continue
            if replica is None:
                if luck.random() < 0.2:
                    self._restart(number)
                continue
            if luck.random() < 0.05:
                replica.follow(lambda _: None)
            if luck.random() < 0.4:
                replica.write()
            if luck.random() < 0.6:
                replica.deliver()
                self._see(replica)

    def _restart(self, number: int) -> None:
        try:
            self.replicas[number] = self.start()
        except StoreUnavailable:
            return  # it tries again
        self._see(self.replicas[number])

    def _see(self, replica: Replica | None) -> None:
        """Equal positions, equal states: of all replicas, at all times."""
        assert replica is not None
        engine = replica.engine()
        if engine.position == replica.seen:
            return
        replica.seen = engine.position
        found = engine.state_hash()
        if self.hashes.setdefault(engine.position, found) != found:
            raise Wrong(f"two states at position {engine.position}")

    # -- what clients want ---------------------------------------------------------------

    def _new_call(self) -> Call:
        name, luck = f"{len(self.calls)}", self.luck
        if not self.decisions or luck.random() < 0.4:
            return self._route(f"r{name}")
        decision = luck.choice(list(self.decisions.values()))
        if self.sent and luck.random() < 0.15:
            return self._again(name, luck.choice(list(self.sent)))
        return self._feedback(f"f{name}", f"f{name}", decision, luck.random())

    def _route(self, request_id: str) -> Call:
        luck = self.luck
        query = Query("chat", vector=packed(luck.gauss(0, 1), luck.gauss(0, 1)))
        query = Query("chat", vector=query.vector, request_id=request_id)

        def send(replica: Replica, answered: Callable[[Any], None]) -> None:
            name = f"{smallest_id(self.now)[:-12]}{luck.getrandbits(48):012x}"
            replica.route(query, name, answered)

        return Call(request_id, send)

    def _feedback(self, name: str, feedback_id: str, decision: Decision, score: float) -> Call:
        self.sent.setdefault(feedback_id, (decision, score))
        submission = Submission(decision.id, feedback_id, score=score)

        def send(replica: Replica, answered: Callable[[Any], None]) -> None:
            replica.feedback([submission], answered)

        return Call(name, send, score, decision)

    def _again(self, name: str, feedback_id: str) -> Call:
        """Somebody else uses an id a second time, now and then for something else."""
        decision, score = self.sent[feedback_id]
        if self.luck.random() < 0.5:
            return self._feedback(f"again {name}", feedback_id, decision, score)
        return self._feedback(f"other {name}", feedback_id, decision, score / 2 + 0.01)

    def _revise(self) -> None:
        living = [one for one in self.replicas if one is not None]
        if not living:
            return
        kind = self.luck.random()
        if kind < 0.3:
            change = arm_added(Arm(name=f"arm{self.step}"))
        elif kind < 0.5:
            version = {"model_version": f"of step {self.step}"}
            change = arm_updated(self.luck.choice("abc"), version)
            self.counts["models replaced"] += 1
        else:
            change = updated({"floor": self.luck.random() / 9})

        def work(batch: Batch) -> object:
            return revising.revise(batch, 1, "", change)

        self.luck.choice(living).change(work, lambda _: None)

    # -- the network ----------------------------------------------------------------------

    def _send(self, call: Call) -> None:
        call.sent_at = self.step
        number = self.luck.randrange(REPLICAS)
        self._carry(lambda: self._arrive(call, number))

    def _carry(self, arrive: Callable[[], None]) -> None:
        """Once, late, twice, or never."""
        for _ in range(self.luck.choice((0, 1, 1, 1, 1, 1, 2))):
            self.network.append((self.step + int(self.luck.expovariate(0.5)), arrive))

    def _arrive(self, call: Call, number: int) -> None:
        replica = self.replicas[number]
        if replica is None:
            return

        def answered(result: Any) -> None:
            answer = result[0] if isinstance(result, list) else result
            if isinstance(answer, Recorded) and replica.engine().position < answer.position:
                raise Wrong(f"{answer} was acknowledged before it was learned")
            self._carry(lambda: self._hear(call, answer))

        call.send(replica, answered)

    def _hear(self, call: Call, answer: Any) -> None:
        if isinstance(answer, StoreUnavailable):
            return  # sent again when its time has come
        call.answered = True
        if isinstance(answer, Decision):
            known = self.decisions.setdefault(call.id, answer)
            is_young = self.latest - min(known.create_time, answer.create_time) <= HORIZON
            if known != answer and is_young:  # beyond it, nobody remembers the request
                raise Wrong(f"two decisions for {call.id}")
        elif isinstance(answer, Recorded):
            first = self.feedback.setdefault(answer.feedback_id, answer)
            if (first.position, first.effect) != (answer.position, answer.effect):
                raise Wrong(f"{first} and then {answer}")
            assert call.score is not None
            if self.scores.setdefault(answer.feedback_id, call.score) != call.score:
                raise Wrong(f"{answer.feedback_id} was accepted with two values")
            self.counts["duplicates"] += answer.duplicate
        elif isinstance(answer, DecisionExpired) and call.decision is not None:
            if self.latest - call.decision.create_time <= HORIZON:
                raise Wrong(f"{call.id}: it is not that late: {answer!r}")
            self.counts["too late"] += 1
        elif not (isinstance(answer, IdReused) and call.id.startswith(("f", "other", "again"))):
            raise Wrong(f"{call.id}: {answer!r}")

    # -- the end ----------------------------------------------------------------------------

    def _heal(self) -> None:
        """Everything works again, and everybody gets an answer."""
        self.store.is_down, self.store.failures, self.clients = False, 0.0, 0
        self.stopped.clear()
        for _ in range(3_000):
            self.go_on()
            if all(call.answered for call in self.calls.values()) and not self.network:
                break
        else:
            raise Wrong("some calls are never answered")
        for living in filter(None, self.replicas):
            living.settle()  # changes that nobody waits for
        self.store.crash()
        for number, replica in enumerate(self.replicas):
            if replica is None:
                self._restart(number)
