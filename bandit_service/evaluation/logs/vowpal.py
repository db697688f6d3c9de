"""Vowpal Wabbit's logs of contextual bandits with action-dependent features: text and dsjson.

Arms are the positions of the actions, "1", "2", ...; the context is the shared features, hashed to
`dimensions` numbers (signed, so that collisions cancel on average) and a constant. A cost becomes a
quality by `cost_is`: "negative" quality (-1 is best, 0 worst) or "loss" (0 is best, 1 worst).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bandit_service.errors import InvalidField
from bandit_service.evaluation.logs.json_lines import AT_ONCE, batches, numbered
from bandit_service.evaluation.logs.rows import Batch, Row, batch_of
from bandit_service.evaluation.moments import seconds_of

COSTS: dict[str, Callable[[float], float]] = {
    "negative": lambda cost: 0.0 - cost,
    "loss": lambda cost: 1.0 - cost,
}
_dsjson = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class Reading:
    """How costs and features are read. Raises InvalidField."""

    cost_is: str = "negative"
    dimensions: int = 32

    def __post_init__(self) -> None:
        if self.cost_is not in COSTS:
            raise InvalidField("cost_is", f"must be {' or '.join(COSTS)}, not {self.cost_is!r}")
        if not 1 <= self.dimensions <= 4096:
            raise InvalidField("dimensions", f"must be from 1 to 4096, not {self.dimensions}")

    def quality(self, cost: float) -> float:
        return COSTS[self.cost_is](cost)

    def context(self, features: Iterable[tuple[str, float]]) -> list[float]:
        """(dimensions + 1,)"""
        made = np.zeros(self.dimensions + 1)
        for name, value in features:
            digest = blake2b(name.encode(), digest_size=8).digest()
            sign = 1.0 if digest[7] & 1 else -1.0
            made[int.from_bytes(digest[:4], "little") % self.dimensions] += sign * value
        made[-1] = 1.0
        return made.tolist()


def dsjson(path: Path, reading: Reading) -> Iterator[Batch]:
    """One decision a line; probabilities of all actions are in it. Raises BadLog."""
    return batches(path, lambda line: _dsjson_row(_dsjson(line), reading))


def _dsjson_row(said: Any, reading: Reading) -> Row:
    """Raises ValueError."""
    if not isinstance(said, dict):
        raise ValueError("expected an object")
    for key in ("_label_cost", "a", "p"):
        if key not in said:
            raise ValueError(f"has no {key!r}")
    if said.get("pdrop"):
        raise ValueError("pdrop is set: rows were dropped by chance, which is not made up for")
    actions, chances = said["a"], said["p"]
    if not actions or len(actions) != len(chances):
        raise ValueError(f"has {len(actions)} actions and {len(chances)} probabilities")
    shared = said.get("c", {})
    time = said.get("Timestamp")
    return Row(
        arm=str(actions[0]),
        propensity=float(said.get("_label_probability", chances[0])),
        probabilities={
            str(action): float(chance) for action, chance in zip(actions, chances, strict=True)
        },
        context=reading.context(_flattened("", shared)),
        quality=reading.quality(float(said["_label_cost"])),
        create_time=None if time is None else seconds_of(str(time)),
        decision_id=str(said.get("EventId", "")),
    )


def _flattened(prefix: str, said: Any) -> Iterator[tuple[str, float]]:
    """Shared features as names and values. What begins with "_" is of the actions, or a note."""
    if isinstance(said, Mapping):
        for name, value in said.items():
            if not name.startswith("_"):
                yield from _flattened(f"{prefix}^{name}" if prefix else str(name), value)
    elif isinstance(said, list):
        for place, value in enumerate(said):
            yield from _flattened(f"{prefix}^{place}", value)
    elif isinstance(said, bool):
        yield f"{prefix}={said}", float(said)
    elif isinstance(said, int | float):
        yield prefix, float(said)
    elif said is not None:
        yield f"{prefix}={said}", 1.0


def cb_adf(path: Path, reading: Reading, at_once: int = AT_ONCE) -> Iterator[Batch]:
    """Text, examples parted by blank lines; the chosen action's line has `action:cost:chance`.

    Messages name the first line of an example. Raises BadLog.
    """
    rows: list[Row] = []
    lines: list[int] = []
    broken: list[tuple[int, str]] = []
    for number, example in _examples(path):
        try:
            rows.append(_text_row(example, reading))
            lines.append(number)
        except ValueError as error:
            broken.append((number, str(error)))
        if len(rows) + len(broken) >= at_once:
            yield batch_of(rows, lines, broken)
            rows, lines, broken = [], [], []
    if rows or broken:
        yield batch_of(rows, lines, broken)


def _examples(path: Path) -> Iterator[tuple[int, list[str]]]:
    first, held, last = 0, list[str](), 0
    for number, line in numbered(path):  # without the blank ones, so a gap is a border
        if held and number != last + 1:
            yield first, held
            held = []
        if not held:
            first = number
        held.append(line.decode("utf-8", "replace").strip())
        last = number
    if held:
        yield first, held


def _text_row(example: list[str], reading: Reading) -> Row:
    """Raises ValueError."""
    shared: list[str] = []
    if example[0].startswith("shared"):
        shared, example = example[0].partition("|")[2].split("|"), example[1:]
    labels = [(at, line.partition("|")[0].split()) for at, line in enumerate(example, start=1)]
    labelled = [(at, words[0]) for at, words in labels if words]
    if len(labelled) != 1:
        raise ValueError(f"has {len(labelled)} labels, expected one action:cost:probability")
    at, label = labelled[0]
    parts = label.split(":")
    if len(parts) != 3:
        raise ValueError(f"label is {label!r}, expected action:cost:probability")
    cost, chance = float(parts[1]), float(parts[2])
    return Row(
        arm=str(at),
        propensity=chance,
        context=reading.context(_text_features(shared)),
        quality=reading.quality(cost),
    )


def _text_features(namespaces: Iterable[str]) -> Iterator[tuple[str, float]]:
    for text in namespaces:
        words = text.split()
        space = ""
        if words and not text.startswith(" "):
            space, _, weight = words.pop(0).partition(":")
            scale = float(weight) if weight else 1.0
        else:
            scale = 1.0
        for word in words:
            name, _, value = word.partition(":")
            yield f"{space}^{name}", scale * (float(value) if value else 1.0)
