"""A ledger kept as plain lists of what happened: what the real one is held against. In units."""

from dataclasses import dataclass, field


@dataclass
class Made:
    """A decision of one call; `told` is what its usage said last.

    `is_late`: stored after its lease had ended, with which its reservation went.
    """

    id: str
    window: int
    lease: int
    reserved: int
    stored: bool = False
    is_late: bool = False
    told: int | None = None

    @property
    def counts(self) -> int:
        """Against its window, besides what its lease has left."""
        if not self.stored:
            return 0
        cost = self.reserved if self.told is None else self.told
        return cost - self.reserved if self.is_late else cost

    @property
    def excess(self) -> int:
        return 0 if self.told is None or not self.stored else max(0, self.told - self.reserved)


@dataclass
class Lease:
    window: int
    granted: int = 0
    expired: bool = False
    left: int | None = None  # at its end, with what its holder had not given back


@dataclass
class Book:
    """Everything that ever happened, never summed up in advance."""

    made: list[Made] = field(default_factory=list)
    leases: dict[int, Lease] = field(default_factory=dict)

    def rest(self, number: int) -> int:
        """Of a lease: granted, and not drawn by stored decisions."""
        lease = self.leases[number]
        if lease.left is not None:
            return lease.left
        mine = (one for one in self.made if one.lease == number and one.stored)
        return lease.granted - sum(one.reserved for one in mine)

    def leased(self, window: int) -> int:
        """What replicas that keep their leases may still spend."""
        living = (
            number
            for number, one in self.leases.items()
            if one.window == window and not one.expired and one.left is None
        )
        return sum(map(self.rest, living))

    def counted(self, window: int) -> int:
        """All that counts against a window, however it is split."""
        rests = (self.rest(n) for n, one in self.leases.items() if one.window == window)
        return sum(rests) + sum(one.counts for one in self.made if one.window == window)

    def excess(self, window: int) -> int:
        return sum(one.excess for one in self.made if one.window == window)
