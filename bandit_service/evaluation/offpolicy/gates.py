"""Conditions for promotion, such as `quality >= incumbent - 0.01 and cost_usd <= 0.8 * incumbent`.

    gate        = comparison { "and" comparison }
    comparison  = sum ( ">=" | "<=" | ">" | "<" ) sum
    sum         = product { ( "+" | "-" ) product }
    product     = factor { ( "*" | "/" ) factor }
    factor      = number | measure | "incumbent" [ "." measure ] | "(" sum ")" | "-" factor

A measure is the candidate's; `incumbent` is the logging policy's value of the only measure that its
comparison names. Everything is linear: a product has at most one factor that is not a number.
"""

import re
from dataclasses import dataclass
from typing import NoReturn

from bandit_service.errors import BadInput
from bandit_service.evaluation.logs.log import MEASURES

CANDIDATE, INCUMBENT = "candidate", "incumbent"
Quantity = tuple[str, str]  # whose, and of what

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)"
    r"|(?P<word>[A-Za-z_][A-Za-z_0-9.]*)|(?P<sign>>=|<=|>|<|[-+*/()]))"
)
_SIGNS = (">=", "<=", ">", "<")
_DEEPEST = 50


class BadGate(BadInput):
    """A gate that cannot be read; the message shows where."""


@dataclass(frozen=True, slots=True)
class Linear:
    """constant + sum of weight * quantity."""

    constant: float
    weights: dict[Quantity, float]

    def plus(self, other: "Linear", times: float = 1.0) -> "Linear":
        weights = dict(self.weights)
        for quantity, weight in other.weights.items():
            weights[quantity] = weights.get(quantity, 0.0) + times * weight
        return Linear(self.constant + times * other.constant, weights)

    def times(self, factor: float) -> "Linear":
        scaled = {quantity: factor * weight for quantity, weight in self.weights.items()}
        return Linear(factor * self.constant, scaled)


@dataclass(frozen=True, slots=True)
class Condition:
    """`margin` must be >= 0, or > 0 where `strict`. `text` is how it was written."""

    text: str
    margin: Linear
    strict: bool


def parsed(text: str) -> tuple[Condition, ...]:
    """The conditions, all of which must hold. Raises BadGate."""
    return _Parser(text).gate()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text, self._tokens, self._at, self._depth = text, [], 0, 0
        place = 0
        while text[place:].strip():
            found = _TOKEN.match(text, place)
            if found is None:
                start = place + len(text[place:]) - len(text[place:].lstrip())
                self._refuse(start, f"{text[start]!r} means nothing here")
            kind = str(found.lastgroup)
            self._tokens.append((kind, found[kind], found.start(kind)))
            place = found.end()

    def gate(self) -> tuple[Condition, ...]:
        conditions = [self._comparison()]
        while self._next() is not None:
            if not self._takes("and"):
                self._expected("`and`, or the end")
            conditions.append(self._comparison())
        return tuple(conditions)

    def _comparison(self) -> Condition:
        start = self._place()
        left = self._sum()
        token = self._next()
        if token is None or token[1] not in _SIGNS:
            self._expected("one of >=, <=, >, <")
        sign = token[1]
        self._at += 1
        right = self._sum()
        margin = left.plus(right, -1.0) if sign.startswith(">") else right.plus(left, -1.0)
        end = self._place()
        margin = self._resolved(margin, start)
        return Condition(self._text[start:end].strip(), margin, strict="=" not in sign)

    def _resolved(self, margin: Linear, start: int) -> Linear:
        """A bare `incumbent` is of the measure that its comparison names."""
        named = {measure for _, measure in margin.weights if measure}
        if not named:
            self._refuse(start, f"the comparison names no measure; known: {', '.join(MEASURES)}")
        bare = (INCUMBENT, "")
        if bare not in margin.weights:
            return margin
        if len(named) > 1:
            self._refuse(start, f"say of what: incumbent.{min(named)}")
        whole = (INCUMBENT, named.pop())
        weights = dict(margin.weights)
        weights[whole] = weights.get(whole, 0.0) + weights.pop(bare)
        return Linear(margin.constant, weights)

    def _sum(self) -> Linear:
        made = self._product()
        while (token := self._next()) and token[1] in ("+", "-"):
            self._at += 1
            made = made.plus(self._product(), 1.0 if token[1] == "+" else -1.0)
        return made

    def _product(self) -> Linear:
        made = self._factor()
        while (token := self._next()) and token[1] in ("*", "/"):
            self._at += 1
            other = self._factor()
            if token[1] == "/":
                if other.weights or other.constant == 0.0:
                    self._refuse(token[2], "divides by what is not a number, or is 0")
                made = made.times(1.0 / other.constant)
            elif not other.weights:
                made = made.times(other.constant)
            elif not made.weights:
                made = other.times(made.constant)
            else:
                self._refuse(token[2], "multiplies two measures; one of them must be a number")
        return made

    def _factor(self) -> Linear:
        token = self._next()
        if token is None:
            self._expected("a number, a measure or `incumbent`")
        kind, word, place = token
        self._at += 1
        if kind == "number":
            return Linear(float(word), {})
        if kind == "word" and word != "and":
            return Linear(0.0, {self._quantity(word, place): 1.0})
        if word not in ("(", "-"):
            self._at -= 1
            self._expected("a number, a measure or `incumbent`")
        self._depth += 1
        if self._depth > _DEEPEST:
            self._refuse(place, "is nested too deeply")
        made = self._factor().times(-1.0) if word == "-" else self._closed()
        self._depth -= 1
        return made

    def _closed(self) -> Linear:
        made = self._sum()
        if not self._takes(")"):
            self._expected("`)`")
        return made

    def _quantity(self, word: str, place: int) -> Quantity:
        if word == INCUMBENT:
            return INCUMBENT, ""
        whose, _, measure = word.rpartition(".")
        if measure not in MEASURES or word.removeprefix(INCUMBENT + ".") != measure:
            known = ", ".join((*MEASURES, INCUMBENT))
            self._refuse(place, f"there is no {word!r}; known: {known}")
        return (INCUMBENT if whose else CANDIDATE), measure

    def _next(self) -> tuple[str, str, int] | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _place(self) -> int:
        token = self._next()
        return len(self._text) if token is None else token[2]

    def _takes(self, word: str) -> bool:
        token = self._next()
        if token is None or token[1] != word:
            return False
        self._at += 1
        return True

    def _expected(self, what: str) -> NoReturn:
        token = self._next()
        came = "the end" if token is None else repr(token[1])
        self._refuse(self._place(), f"expected {what}, came {came}")

    def _refuse(self, place: int, what: str) -> NoReturn:
        raise BadGate("gate", f"{what}, at character {place + 1} of {self._text!r}")
