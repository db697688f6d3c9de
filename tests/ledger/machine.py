"""Replicas that lease, decide, die and come back, in whatever order; and a book beside them."""

import random
from collections import Counter
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import text

from bandit_service.ledger.booking import settlements
from bandit_service.model import (
    Ask,
    Charge,
    Decision,
    Kind,
    Resource,
    Spending,
    Usage,
    from_units,
    pack,
)
from bandit_service.ports import Store
from bandit_service.standing import Standing
from tests.builders import a_decision
from tests.ledger.book import Book, Lease, Made
from tests.store.records import a_policy, an_outcome

AMOUNT = 1_000
REQUESTS = 12
FEW = st.integers(0, 3)
UNITS = st.integers(0, 400)


class Replica:
    """What one process remembers: its lease, what is left of it, and what it has not stored."""

    def __init__(self, holder: str) -> None:
        self.holder = holder
        self.lease = self.window = 0
        self.rest = self.known = 0
        self.backlog: list[Made] = []


class LedgerMachine(RuleBasedStateMachine):
    """`open` gives an empty store."""

    store: Store

    def open(self) -> Store:
        raise NotImplementedError

    @initialize()
    def begin(self) -> None:
        self.store = self.open()
        self.policy = a_policy(self.store).id
        self.book, self.born, self.decided = Book(), 0, 0
        self.replicas = [self.new_replica() for _ in range(3)]
        self.rows: dict[str, Decision] = {}
        self.revised: set[int] = set()  # windows in which usage was corrected
        self.happened: Counter[str] = Counter()
        for which in range(3):
            self.ask(which, 150, 0, True)

    def new_replica(self) -> Replica:
        self.born += 1
        return Replica(f"replica {self.born}")

    # -- what may happen ------------------------------------------------------------------------

    @rule(which=FEW, least=UNITS, wish=UNITS, is_heard=st.booleans())
    def ask(self, which: int, least: int, wish: int, is_heard: bool) -> None:
        """For more, or for a first lease, or one on the next window; the answer may be lost."""
        one = self.replicas[which % 3]
        asked = Ask(self.policy, "usd", Resource.USD, AMOUNT, 1, None, REQUESTS, least, wish)
        (grant,) = self.store.ledger.lease([asked], one.holder, 600.0)
        lease = self.book.leases.setdefault(grant.lease, Lease(grant.window))
        assert lease.window == grant.window
        assert grant.granted >= lease.granted
        lease.granted, lease.expired = grant.granted, False
        if not is_heard:
            return
        if grant.lease != one.lease:
            self.return_all(one)
            one.lease, one.window, one.known = grant.lease, grant.window, grant.drawn
            one.rest = 0
        one.rest += grant.granted - one.known
        one.known = grant.granted

    @rule(which=FEW, reserved=UNITS, is_stored=st.booleans())
    def decide(self, which: int, reserved: int, is_stored: bool) -> None:
        one = self.replicas[which % 3]
        if not one.rest:
            self.ask(which, 250, 0, True)
        taken = min(reserved, one.rest)
        one.rest -= taken
        self.happened["reserved"] += taken > 0
        self.decided += 1
        made = Made(f"d{self.decided}", one.window, one.lease, taken)
        self.book.made.append(made)
        charge = Charge("usd", Resource.USD, one.window, one.lease, ((0, taken),))
        self.rows[made.id] = a_decision(
            id=made.id, policy_id=self.policy, spending=pack(Spending((charge,)))
        )
        one.backlog.append(made)
        if is_stored:
            self.store_backlog(which)

    @rule(which=FEW)
    def store_backlog(self, which: int) -> None:
        """A replica's decisions, those included that an earlier attempt may have stored."""
        backlog = self.replicas[which % 3].backlog
        if backlog:
            self.write(backlog)
            for made in backlog:
                made.is_late = self.book.leases[made.lease].left is not None
                made.stored = True
            backlog.clear()

    @rule(number=st.integers(0, 1_000))
    def store_again(self, number: int) -> None:
        """Whoever did not hear of a commit writes the same rows once more."""
        stored = [made for made in self.book.made if made.stored]
        if stored:
            self.happened["stored again"] += 1
            self.write([stored[number % len(stored)]])

    @rule(number=st.integers(0, 1_000), units=st.integers(0, 600))
    def tell(self, number: int, units: int) -> None:
        """What a call took, at any time after it, maybe not for the first time."""
        stored = [made for made in self.book.made if made.stored]
        if not stored:
            return
        made = stored[number % len(stored)]
        before = () if made.told is None else (self.usage(made, made.told),)
        after = Standing(before, ())
        after.put(self.usage(made, units, position=2))
        booked = settlements({made.id: self.rows[made.id]}, before, after)
        with self.store.write() as transaction:
            transaction.settle(booked)
        if made.told is not None and units != made.told:
            self.happened["corrected"] += 1
            self.revised.add(made.window)
        made.told = units

    @rule(which=FEW)
    def give_back(self, which: int) -> None:
        self.return_all(self.replicas[which % 3])

    @rule(which=FEW)
    def stop(self, which: int) -> None:
        """In good order: everything is stored, and what is left is given back."""
        self.store_backlog(which)
        one = self.replicas[which % 3]
        if one.lease and self.book.leases[one.lease].left is None:
            self.store.ledger.end({one.lease: one.rest})
            lease = self.book.leases[one.lease]
            lease.granted -= one.rest
            lease.left = self.book.rest(one.lease)
        self.replicas[which % 3] = self.new_replica()

    @rule(which=FEW)
    def kill(self, which: int) -> None:
        """Nothing of what it had in memory is left, whoever was answered with it."""
        one = self.replicas[which % 3]
        self.book.made = [made for made in self.book.made if made not in one.backlog]
        self.replicas[which % 3] = self.new_replica()

    @rule()
    def much_time_passes(self) -> None:
        """Every lease runs out; windows that are over are closed."""
        engine = self.store._engine  # type: ignore[attr-defined]
        with engine.connect().execution_options(write=True) as connection, connection.begin():
            connection.execute(text("UPDATE budget_lease SET until = until - 1200"))
        self.happened["expired"] += 1
        closed = {window.id for window in self.store.ledger.sweep()}
        for number, lease in self.book.leases.items():
            lease.expired = True
            if lease.window in closed and lease.left is None:
                lease.left = self.book.rest(number)

    # -- what always holds ----------------------------------------------------------------------

    @invariant()
    @precondition(lambda self: hasattr(self, "book"))
    def the_ledger_says_what_the_book_says(self) -> None:
        for window in self.store.ledger.windows(self.policy, "usd", 100):
            assert window.leased + window.reserved + window.settled <= window.amount == AMOUNT
            assert min(window.leased, window.reserved, window.settled, window.overrun) >= 0
            assert window.leased == self.book.leased(window.id)
            everything = window.leased + window.reserved + window.settled + window.overrun
            assert everything == self.book.counted(window.id)
            if window.id not in self.revised:
                assert window.overrun == self.book.excess(window.id)
            assert everything <= AMOUNT + self.book.excess(window.id) + (
                10**9 if window.id in self.revised else 0
            )

    def return_all(self, one: Replica) -> None:
        if one.lease and one.rest and self.book.leases[one.lease].left is None:
            self.store.ledger.give_back({one.lease: one.rest})
            self.book.leases[one.lease].granted -= one.rest
            one.known -= one.rest
            one.rest = 0

    def write(self, made: list[Made]) -> None:
        with self.store.write() as transaction:
            transaction.add_decisions([self.rows[one.id] for one in made])

    def usage(self, made: Made, units: int, **changes: Any) -> Any:
        usage = Usage(cost_usd=from_units(Resource.USD, units))
        return an_outcome(decision_id=made.id, kind=Kind.USAGE, value=None, usage=usage, **changes)

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()


def walk(machine: LedgerMachine, seed: int, steps: int) -> Counter[str]:
    """The same without Hypothesis, which likes to try few rules at a time; what happened."""
    luck = random.Random(seed)

    def units() -> int:
        return luck.choice((0, luck.randrange(60), luck.randrange(400)))

    likely = {
        "decide": 8,
        "tell": 8,
        "store_again": 3,
        "store_backlog": 2,
        "ask": 3,
        "give_back": 1,
        "kill": 1,
        "stop": 1,
        "much_time_passes": 1,
    }
    machine.begin()
    for _ in range(steps):
        (name,) = luck.choices(list(likely), list(likely.values()))
        which = luck.randrange(3)
        if name == "ask":
            machine.ask(which, units(), units(), luck.random() < 0.8)
        elif name == "decide":
            machine.decide(which, units(), luck.random() < 0.7)
        elif name == "tell":
            machine.tell(luck.randrange(1_000), units())
        elif name == "store_again":
            machine.store_again(luck.randrange(1_000))
        elif name == "much_time_passes":
            machine.much_time_passes()
        else:
            getattr(machine, name)(which)
        machine.the_ledger_says_what_the_book_says()
    machine.teardown()
    return machine.happened
