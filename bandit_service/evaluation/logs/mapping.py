"""Foreign logs: which column says what, in a small YAML file.

    arm: model_name                 # the only one that must be there
    propensity: prob                # or, for all arms at once:
    probabilities: {small: p_small, large: p_large}
    context: [f0, f1, f2]           # columns of numbers
    categories: [country]           # columns of words, each hashed to `category_buckets` numbers
    quality: {column: reward, least: 0, most: 5}    # brought to [0, 1]
    cost_usd: {column: cents, times: 0.01}
    latency_seconds: ms_taken       # with `times: 0.001` where it is in other units
    create_time: ts                 # seconds since the epoch, or ISO 8601 (UTC unless it says)
    session: user
    segment: task
    revision: variant               # a number: which of several policies drew it
    flags: {sticky: was_pinned}     # columns of 0 and 1

Works on CSV, plain or gzipped, on JSON lines of flat objects, on Parquet, and on DataFrames.
"""

from collections.abc import Callable, Iterator, Mapping
from hashlib import blake2b
from typing import Any

import msgspec

from bandit_service.errors import InvalidField
from bandit_service.evaluation.logs.log import MEASURES
from bandit_service.evaluation.logs.rows import FLAGS, Batch, Row, batch_of
from bandit_service.evaluation.moments import seconds_of

AT_ONCE = 20_000
_YES, _NO = ("1", "true", "yes"), ("0", "false", "no", "")


class Number(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A column of numbers: `(value - least) / (most - least)`, then times `times`."""

    column: str
    times: float = 1.0
    least: float = 0.0
    most: float = 1.0


class Mapped(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which column says what. See the module."""

    arm: str
    propensity: str | None = None
    probabilities: dict[str, str] = {}
    context: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    category_buckets: int = 8
    quality: str | Number | None = None
    cost_usd: str | Number | None = None
    latency_seconds: str | Number | None = None
    energy_joules: str | Number | None = None
    create_time: str | None = None
    session: str | None = None
    segment: str | None = None
    policy: str | None = None
    revision: str | None = None
    flags: dict[str, str] = {}

    def columns(self) -> list[str]:
        """All that it names."""
        plain = (self.arm, self.propensity, self.create_time, self.session, self.segment)
        found = [name for name in (*plain, self.policy, self.revision) if name is not None]
        found += [*self.probabilities.values(), *self.context, *self.categories]
        found += [number.column for _, number in self.numbers()]
        return [*found, *self.flags.values()]

    def numbers(self) -> Iterator[tuple[str, Number]]:
        for measure in MEASURES:
            said = getattr(self, measure)
            if said is not None:
                yield measure, Number(said) if isinstance(said, str) else said


def mapped(said: Any, source: str) -> Mapped:
    """A mapping as it was written. Raises InvalidField."""
    try:
        made = msgspec.convert(said, Mapped)
    except msgspec.ValidationError as error:
        raise InvalidField(source, str(error)) from None
    if odd := sorted(made.flags.keys() - set(FLAGS)):
        raise InvalidField(source, f"flags: there is no {odd[0]!r}; known: {', '.join(FLAGS)}")
    for measure, number in made.numbers():
        if not number.most > number.least:
            raise InvalidField(source, f"{measure}: most must be above least")
    if not 1 <= made.category_buckets <= 1024:
        raise InvalidField(source, "category_buckets: must be from 1 to 1024")
    return made


Records = Iterator[tuple[int, Mapping[str, Any] | str]]


def batches(records: Records, how: Mapped) -> Iterator[Batch]:
    """Batches of records by their lines; a record that is text is a complaint."""
    rows: list[Row] = []
    lines: list[int] = []
    broken: list[tuple[int, str]] = []
    for line, record in records:
        try:
            if isinstance(record, str):
                raise ValueError(record)
            rows.append(row_of(record, how))
            lines.append(line)
        except (ValueError, KeyError, TypeError) as error:
            said = f"has no {error}" if isinstance(error, KeyError) else str(error)
            broken.append((line, said))
        if len(rows) + len(broken) >= AT_ONCE:
            yield batch_of(rows, lines, broken)
            rows, lines, broken = [], [], []
    if rows or broken:
        yield batch_of(rows, lines, broken)


def row_of(record: Mapping[str, Any], how: Mapped) -> Row:
    """Raises ValueError, KeyError."""
    probabilities = {
        arm: chance
        for arm, column in how.probabilities.items()
        if (chance := _number(record, column)) is not None
    }
    outcomes: dict[str, Any] = {}
    for measure, number in how.numbers():
        value = _number(record, number.column)
        if value is not None:
            value = (value - number.least) / (number.most - number.least) * number.times
        outcomes[measure] = value
    context = [_present(record, column) for column in how.context]
    for column in how.categories:
        context += _hashed(column, _text(record, column), how.category_buckets)
    if context:
        context.append(1.0)
    flags: dict[str, Any] = {flag: _flag(record, name) for flag, name in how.flags.items()}
    arm = _text(record, how.arm)
    if not arm:
        raise ValueError(f"{how.arm} is empty")
    return Row(
        arm=arm,
        propensity=_maybe(record, how.propensity, _number),
        probabilities=probabilities or None,
        context=context,
        create_time=_maybe(record, how.create_time, _moment),
        session=_maybe(record, how.session, _text),
        segment=_maybe(record, how.segment, _text) or "",
        policy=_maybe(record, how.policy, _text) or "",
        revision=_maybe(record, how.revision, _whole) or 0,
        **outcomes,
        **flags,
    )


def _maybe(record: Mapping[str, Any], column: str | None, read: Callable[..., Any]) -> Any:
    return None if column is None else read(record, column)


def _text(record: Mapping[str, Any], column: str) -> str:
    value = record[column]
    return "" if value is None or value != value else str(value)


def _number(record: Mapping[str, Any], column: str) -> float | None:
    text = _text(record, column)
    if text == "":
        return None
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{column} is {text[:40]!r}, expected a number") from None


def _whole(record: Mapping[str, Any], column: str) -> int | None:
    value = _number(record, column)
    if value is not None and not (value.is_integer() and 0.0 <= value < 2.0**53):
        raise ValueError(f"{column} is {value:g}, expected a whole number")
    return None if value is None else int(value)


def _present(record: Mapping[str, Any], column: str) -> float:
    value = _number(record, column)
    if value is None:
        raise ValueError(f"{column} is empty, expected a number of the context")
    return value


def _moment(record: Mapping[str, Any], column: str) -> float | None:
    text = _text(record, column)
    try:
        return seconds_of(text) if text else None
    except ValueError as error:
        raise ValueError(f"{column}: {error}") from None


def _flag(record: Mapping[str, Any], column: str) -> bool:
    text = _text(record, column).lower()
    if text not in _YES + _NO:
        raise ValueError(f"{column} is {text[:40]!r}, expected 0 or 1")
    return text in _YES


def _hashed(column: str, text: str, buckets: int) -> list[float]:
    """One number in one of the buckets, with a sign, so that collisions cancel on average."""
    made = [0.0] * buckets
    if text:
        digest = blake2b(f"{column}={text}".encode(), digest_size=8).digest()
        made[int.from_bytes(digest[:4], "little") % buckets] = 1.0 if digest[7] & 1 else -1.0
    return made
