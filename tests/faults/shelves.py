"""The checkpoints of three stores: made, broken off, spoiled and let go, alike."""

import random

import msgspec

from bandit_service import failpoints
from bandit_service.errors import StoreUnavailable
from bandit_service.model import Checkpoint, FeedbackEvent
from bandit_service.store.partitions import PARTITIONED
from tests.faults import chores
from tests.faults.damage import Shelf
from tests.faults.model_store import ModelStore
from tests.faults.three_stores import Three

POLICIES = (1, 2)


class Shelves:
    """Knows which of them it has spoiled: no start may take one."""

    def __init__(self, three: Three, urls: tuple[str, str]) -> None:
        self._three = three
        self._shelves = [Shelf(url) for url in urls]
        self._bad: list[set[int]] = [set(), set(), set()]  # ids, by store

    def checkpoint(self, broken: int) -> str:
        """What came of it; broken off before the part of that number, counted over both policies;
        0: not at all."""

        def save(number: int) -> str:
            failpoints.arm(f"during_checkpoint=error@{broken}" if broken else "")
            replica = self._three.replicas[number]
            try:
                return chores.checkpoint(replica, "the only one", lambda: self._three.now)
            finally:
                failpoints.arm("")

        came_to = self._three.same(save)
        self._forget_what_has_gone()
        return came_to

    def tidy(self) -> bool:
        """Whether it was done; the database may be away. Postgres lets decisions and what came of
        them go by whole weeks, the others row by row."""

        def tidy(number: int) -> dict[str, int | None] | None:
            try:
                gone = chores.tidy(self._three.stores[number], self._three.now)
            except StoreUnavailable:
                return None
            return {one.table: one.rows for one in gone if one.table not in PARTITIONED}

        return self._three.same(tidy) is not None

    def may_be_damaged(self) -> bool:
        """What is left has to do: another good one, or the whole journal."""
        return self._newest() is not None and (
            len(self._usable(0, 1) - self._bad[0]) > 1
            or len(self._three.kept()) == len(self._three.journal())
        )

    def damage(self, pick: int) -> None:
        """A few bytes of the newest good one of the first policy."""
        newest = self._newest()
        assert newest is not None
        model = self._three.stores[0].store
        assert isinstance(model, ModelStore)
        body = bytearray(model.tables.parts[newest.id, 0])
        body[pick % len(body)] ^= 1 + pick % 255
        model.tables.parts[newest.id, 0] = bytes(body)
        self._bad[0].add(newest.id)
        for number, shelf in enumerate(self._shelves, 1):
            (mine,) = [one.id for one in self._good(number, 1) if one.position == newest.position][
                :1
            ]
            shelf.damage_part(mine, random.Random(pick))
            self._bad[number].add(mine)

    def _newest(self) -> Checkpoint | None:
        """The newest good one of the first policy."""
        return next(iter(self._good(0, 1)), None)

    def _good(self, number: int, policy_id: int) -> list[Checkpoint]:
        found = chores.usable(self._three.stores[number].store, policy_id)
        return [one for one in found if one.id not in self._bad[number]]

    def _usable(self, number: int, policy_id: int) -> set[int]:
        found = chores.usable(self._three.stores[number].store, policy_id)
        return {one.id for one in found}

    def _forget_what_has_gone(self) -> None:
        """Its id may be given again."""
        for number, bad in enumerate(self._bad):
            bad &= {i for policy_id in POLICIES for i in self._usable(number, policy_id)}

    # -- what has to hold -----------------------------------------------------------------

    def check_the_start(self, policy_id: int) -> bool:
        """Each has begun from its newest good one; whether there was any."""
        for number, replica in enumerate(self._three.replicas):
            began = replica.started_from(policy_id)
            assert began == next(iter(self._good(number, policy_id)), None)
        return self._three.replicas[0].started_from(policy_id) is not None

    def check_what_is_kept(self, needed: float) -> None:
        """They have the same checkpoints, with the same bytes. What has left a journal is feedback
        of before `needed`, and every usable checkpoint has learned it."""
        for policy_id in POLICIES:
            self._three.same(lambda n, policy_id=policy_id: self._described(n, policy_id))  # type: ignore[misc]
            kept = {entry.position for entry in self._three.kept(policy_id)}
            found = chores.usable(self._three.stores[0].store, policy_id)
            oldest = min((one.position for one in found), default=0)
            for entry in self._three.journal(policy_id):
                if entry.position not in kept:
                    assert isinstance(entry.event, FeedbackEvent)
                    assert entry.event.time < needed
                    assert entry.position <= oldest

    def _described(self, number: int, policy_id: int) -> list[Checkpoint]:
        found = self._three.stores[number].store.checkpoints.of(policy_id)
        return [msgspec.structs.replace(one, id=0) for one in found]

    def close(self) -> None:
        for shelf in self._shelves:
            shelf.close()
