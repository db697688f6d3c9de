"""Checkpoints as rows of a database: looked at and spoiled by statements of its own."""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

from sqlalchemy import create_engine, text

NAP = 3_600.0  # seconds, more than any lease lasts

Undo = Callable[[], None]


class Shelf:
    """The tables of checkpoints, behind the service's back. Ids are the newest first."""

    def __init__(self, url: str) -> None:
        self._engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))

    def _ask(self, statement: str, **values: Any) -> list[Any]:
        with self._engine.connect() as connection:
            return list(connection.execute(text(statement), values))

    def _tell(self, statement: str, **values: Any) -> None:
        with self._engine.begin() as connection:
            assert connection.execute(text(statement), values).rowcount > 0, statement

    def usable(self) -> list[int]:
        return self._with_status("usable")

    def unfinished(self) -> list[int]:
        return self._with_status("writing")

    def _with_status(self, status: str) -> list[int]:
        asked = "SELECT id FROM checkpoint WHERE status = :status ORDER BY position DESC, id DESC"
        return [one for (one,) in self._ask(asked, status=status)]

    def parts(self, checkpoint: int) -> int:
        ((count,),) = self._ask("SELECT parts FROM checkpoint WHERE id = :id", id=checkpoint)
        return int(count)

    def nobody_waits_for_the_dead(self) -> None:
        self._tell("UPDATE lease SET until = until - :nap", nap=NAP)

    def damage(self, checkpoint: int, luck: random.Random) -> Undo:
        """Changes one thing of it; what is returned takes that back."""
        kinds = (self._damage_row, self._lose_part, *[self.damage_part] * 4)
        return luck.choice(kinds)(checkpoint, luck)

    def damage_part(self, checkpoint: int, luck: random.Random) -> Undo:
        """Of its bytes, not of what is said of it."""
        part, body = self._a_part(checkpoint, luck)
        how = luck.choice((_a_bit, _a_byte, _shorter, _longer, _of_zeros))
        change = partial(
            self._tell,
            "UPDATE checkpoint_part SET body = :body WHERE checkpoint_id = :id AND part = :part",
            id=checkpoint,
            part=part,
        )
        change(body=how(body, luck))
        return partial(change, body=body)

    def _lose_part(self, checkpoint: int, luck: random.Random) -> Undo:
        part, body = self._a_part(checkpoint, luck)
        key = {"id": checkpoint, "part": part}
        self._tell("DELETE FROM checkpoint_part WHERE checkpoint_id = :id AND part = :part", **key)
        back = "INSERT INTO checkpoint_part (checkpoint_id, part, body) VALUES (:id, :part, :body)"
        return partial(self._tell, back, body=body, **key)

    def _a_part(self, checkpoint: int, luck: random.Random) -> tuple[int, bytes]:
        part = luck.randrange(self.parts(checkpoint))
        asked = "SELECT body FROM checkpoint_part WHERE checkpoint_id = :id AND part = :part"
        ((body,),) = self._ask(asked, id=checkpoint, part=part)
        return part, bytes(body)

    def _damage_row(self, checkpoint: int, luck: random.Random) -> Undo:
        """What is said of it is sealed, too."""
        name = luck.choice(("position", "fold_version", "sha256", "mac", "size", "parts"))
        ((before,),) = self._ask(f"SELECT {name} FROM checkpoint WHERE id = :id", id=checkpoint)  # noqa: S608
        after: Any = before + 1 if isinstance(before, int) else _a_bit(bytes(before), luck)
        change = partial(
            self._tell,
            f"UPDATE checkpoint SET {name} = :value WHERE id = :id",  # noqa: S608
            id=checkpoint,
        )
        change(value=after)
        return partial(change, value=before)

    def close(self) -> None:
        self._engine.dispose()


def _a_bit(body: bytes, luck: random.Random) -> bytes:
    changed = bytearray(body)
    changed[luck.randrange(len(changed))] ^= 1 << luck.randrange(8)
    return bytes(changed)


def _a_byte(body: bytes, luck: random.Random) -> bytes:
    changed = bytearray(body)
    changed[luck.randrange(len(changed))] ^= luck.randint(1, 255)
    return bytes(changed)


def _shorter(body: bytes, luck: random.Random) -> bytes:
    return body[: luck.randrange(len(body))]


def _longer(body: bytes, luck: random.Random) -> bytes:
    return body + luck.randbytes(luck.randint(1, 20))


def _of_zeros(body: bytes, luck: random.Random) -> bytes:
    """As a disk leaves a sector that was never written."""
    return bytes(len(body)) if any(body) else _a_bit(body, luck)
