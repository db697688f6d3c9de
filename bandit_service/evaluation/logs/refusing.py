"""Rows that could not be used, counted and named."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from bandit_service.errors import BadLog


@dataclass(slots=True)
class Refused:
    """Rows that could not be used: how many for each reason, and where the first one stands."""

    source: str
    count: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    firsts: dict[str, str] = field(default_factory=dict)

    def add(self, line: int, reason: str, detail: str) -> None:
        self.count += 1
        self.reasons[reason] = self.reasons.get(reason, 0) + 1
        self.firsts.setdefault(reason, f"line {line}: {detail}")

    def check(self) -> None:
        """Raises BadLog if any row was refused."""
        if self.count:
            reason = next(iter(self.firsts))
            more = ", ".join(f"{count:,} {why}" for why, count in self.reasons.items())
            raise BadLog(
                f"{self.source}, {self.firsts[reason].partition(':')[0]}",
                f"{self.firsts[reason].partition(': ')[2]} ({self.count:,} refused: {more}; "
                "--lenient goes on without them)",
            )

    def notes(self) -> Iterator[str]:
        for reason, count in self.reasons.items():
            yield f"{count:,} rows refused ({reason}), the first in {self.firsts[reason]}"
