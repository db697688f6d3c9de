"""A full-information table: what every arm would have earned on every query.

No live log has it; it comes from asking all models the same questions once. It lets a policy be
simulated exactly, and be held against what was possible.
"""

from dataclasses import dataclass, replace
from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from bandit_service.model import Arm

Array = NDArray[np.float64]
Rows = NDArray[np.intp]


class Pair(msgspec.Struct, frozen=True):
    """Somebody's verdict on two models' answers to one query: winner is a, b or tie."""

    query_id: str
    model_a: str
    model_b: str
    winner: str


@dataclass(frozen=True, slots=True, eq=False)
class OutcomeTable:
    """n queries, K arms. NaN is unknown, never zero.

    name             of the data set, for headings
    query_ids        (n,)
    tasks            (n,)   the kind of each query; "" where the source has none
    arms             (K,)   with the list prices that are known
    quality          (n, K) in [0, 1]; an arm is offered only where its quality is known
    cost_usd, latency_seconds, energy_joules, input_tokens, output_tokens   (n, K), >= 0
    prompts          (n,)   texts, None where there are none
    contexts         (n, d) the caller's own vectors, without the constant; None: there are none
    expected         (n, K) the mean that `quality` was drawn around, for made-up sets only
    notes            what a reader should know, such as queries that were left out
    pairs            verdicts on two answers to one of the queries
    is_judged        `quality` is the share of those verdicts that an answer won: where there is no
                     verdict, nothing tells who would have won
    """

    name: str
    query_ids: tuple[str, ...]
    tasks: tuple[str, ...]
    arms: tuple[Arm, ...]
    quality: Array
    cost_usd: Array
    latency_seconds: Array
    energy_joules: Array
    input_tokens: Array
    output_tokens: Array
    prompts: tuple[str, ...] | None = None
    contexts: Array | None = None
    expected: Array | None = None
    notes: tuple[str, ...] = ()
    pairs: tuple[Pair, ...] = ()
    is_judged: bool = False

    def __len__(self) -> int:
        return len(self.query_ids)

    @property
    def arm_names(self) -> tuple[str, ...]:
        return tuple(arm.name for arm in self.arms)

    @property
    def offered(self) -> NDArray[np.bool_]:
        """Where an arm's quality is known, so that it can be chosen: (n, K)."""
        known: NDArray[np.bool_] = ~np.isnan(self.quality)
        return known

    def rows(self, chosen: Rows) -> Self:
        """The same table with these rows only, in this order."""

        def taken(texts: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(texts[row] for row in chosen)

        kept = {self.query_ids[row] for row in chosen}
        return replace(
            self,
            pairs=tuple(pair for pair in self.pairs if pair.query_id in kept),
            query_ids=taken(self.query_ids),
            tasks=taken(self.tasks),
            quality=self.quality[chosen],
            cost_usd=self.cost_usd[chosen],
            latency_seconds=self.latency_seconds[chosen],
            energy_joules=self.energy_joules[chosen],
            input_tokens=self.input_tokens[chosen],
            output_tokens=self.output_tokens[chosen],
            prompts=None if self.prompts is None else taken(self.prompts),
            contexts=None if self.contexts is None else self.contexts[chosen],
            expected=None if self.expected is None else self.expected[chosen],
        )
