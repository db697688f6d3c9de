"""What the columns of all tables are made of."""

from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Double, Integer, MetaData, Text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.types import TypeEngine

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pk",
        "fk": "%(table_name)s_%(column_0_name)s_fk",
        "ck": "%(table_name)s_%(constraint_name)s",
    }
)

# Bytewise order in both databases, whatever the locale of the server.
Word = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
Whole = BigInteger().with_variant(Integer(), "sqlite")
Real: TypeEngine[Any] = Double().with_variant(sqlite.REAL(), "sqlite")
Flag = Boolean().with_variant(Integer(), "sqlite")

FIRST_MOMENT, LAST_MOMENT = 0, 100_000_000_000


def one_of(column: str, words: type[StrEnum]) -> CheckConstraint:
    listed = ", ".join(f"'{word.value}'" for word in words)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def moment(column: str) -> CheckConstraint:
    return CheckConstraint(f"{column} >= {FIRST_MOMENT} AND {column} < {LAST_MOMENT}", name=column)


def flag(column: str) -> CheckConstraint:
    check = CheckConstraint(f"{column} IN (0, 1)", name=column)
    return check.ddl_if(dialect="sqlite")  # Postgres has a type for it


def amount(column: str) -> CheckConstraint:
    finite = "" if column.endswith("tokens") else f" AND {column} < 1e300"
    return CheckConstraint(f"{column} >= 0{finite}", name=column)
