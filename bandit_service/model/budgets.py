"""Budgets: what may be taken, where the ledger stands, and what a decision has taken of it.

The ledger counts in whole units, so that its sums are exact: billionths of a dollar, millionths of
a joule. Everything else is in dollars and joules.
"""

import math

import msgspec

from bandit_service.model.words import Resource

RATE_REQUESTS = 1_000
UNITS = {Resource.USD: 1e9, Resource.JOULES: 1e6}  # of the ledger, in one dollar or joule
MOST_UNITS = 2**55  # of one call: 36 million dollars, 36 gigajoules; more is counted as that


def to_units(resource: Resource, amount: float) -> int:
    """Rounded up: a reservation covers what it is for. At most MOST_UNITS; windows hold more.

    >>> to_units(Resource.USD, 2.5e-9)
    3
    """
    return whole_units(amount, UNITS[resource])


def whole_units(amount: float, scale: float) -> int:
    """The same, of a resource of which one dollar or joule is so many units."""
    units = amount * scale
    if not units < MOST_UNITS:
        return MOST_UNITS
    whole = int(units)
    # Most of the time it is plain which way a thousandth would be rounded.
    return whole + 1 if units - whole > 0.001 else math.ceil(round(units, 3))


def from_units(resource: Resource, units: float) -> float:
    return units / UNITS[resource]


class Charge(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a decision has reserved of one budget, in units.

    window  the ledger's, to which the decision is charged for ever
    lease   from which it was taken
    arms    (slot, reserved) of each call: two of a duel
    """

    budget: str
    resource: Resource
    window: int
    lease: int
    arms: tuple[tuple[int, int], ...]

    @property
    def reserved(self) -> int:
        return sum(units for _, units in self.arms)


class Priced(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the budgets made of a decision's chances: enough to make them again.

    R budgets, K arms, all float64; in the order of the charges.

    first, second  (R,) shadow prices; `second` is None where one did
    weight         of the first
    amounts        (K, R) a call was expected to take
    room           (R,) that the floor might take
    untried        (K,) one byte an arm to be tried soon
    """

    first: bytes
    second: bytes | None
    weight: float
    amounts: bytes
    room: bytes
    untried: bytes


class Spending(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """All that a decision has to do with budgets. `priced` is None where they did not steer;
    `exhausted` names the budget that could pay for no arm, so that its `when_exhausted` served."""

    charges: tuple[Charge, ...]
    priced: Priced | None = None
    exhausted: str = ""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Spending).decode


def pack(spending: Spending) -> bytes:
    return _encode(spending)


def unpack(body: bytes) -> Spending:
    """ValueError (msgspec's) for what `pack` did not make."""
    return _decode(body)


class Ask(msgspec.Struct, frozen=True):
    """What a replica wants of the ledger for one budget of a policy, in units.

    seconds, requests  how long a window is: one of the two
    least   what it needs to hold, to be able to decide
    wish    what it would use up soon
    window  of its lease, on which `rest` is left; if that is over, it counts for nothing
    """

    policy_id: int
    budget: str
    resource: Resource
    amount: int
    revision: int
    seconds: float | None
    requests: int | None
    least: int
    wish: int
    window: int = 0
    rest: int = 0

    @property
    def span(self) -> str:
        return f"{self.requests} requests" if self.seconds is None else f"{self.seconds!r} s"


class Grant(msgspec.Struct, frozen=True):
    """How a budget stands, seen by a holder of a lease, in units; by the database's clock.

    lease, granted, drawn  the lease: granted in all, and drawn by decisions that are stored;
                           `granted` has risen by what was just granted
    requests   decisions charged to the window, those of `own_requests` of this lease included
    pending    reserved by stored decisions that are not settled
    free       that nobody holds yet; negative where the overrun is greater than the rest
    elapsed, left   seconds since the window began, and until it ends; `left` is None where it has
                    no end in time
    last_rate  requests a second of the window before; None where there was none
    """

    budget: str
    window: int
    lease: int
    granted: int
    drawn: int
    own_requests: int
    amount: int
    settled: int
    overrun: int
    pending: int
    free: int
    requests: int
    elapsed: float
    left: float | None
    last_rate: float | None


class Settlement(msgspec.Struct, frozen=True):
    """What feedback changes in one window, in units: `released` of what was reserved, and by how
    much what is settled and what is overrun rise. Both may fall when usage is revised."""

    window: int
    released: int
    settled: int
    overrun: int


class BudgetWindow(msgspec.Struct, frozen=True, kw_only=True):
    """One window of one budget, as the ledger has it, in units.

    leased    held by replicas, and not reserved by any stored decision
    reserved  by decisions that are not settled
    settled   of calls whose usage is known, as far as it was reserved; and what timed out
    overrun   taken beyond what was reserved
    end_time  None where a window has no end in time
    """

    id: int
    policy_id: int
    budget: str
    resource: Resource
    amount: int
    leased: int
    reserved: int
    settled: int
    overrun: int
    requests: int
    start_time: float
    end_time: float | None
    span: str
    closed: bool

    @property
    def spent(self) -> int:
        """What is not settled counts as spent."""
        return self.reserved + self.settled + self.overrun
