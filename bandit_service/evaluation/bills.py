"""What a caller would report that a call took."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bandit_service.evaluation.table import Array, OutcomeTable
from bandit_service.model import EnergySource, Usage

_NOTHING = Usage()


class Bills:
    """Of each call there could be: the table's rows, and these of its columns, as slots.

    Kept as lists: an element takes a tenth of the time of an array's.
    """

    def __init__(self, table: OutcomeTable, columns: Sequence[int]) -> None:
        self._amounts = (
            _listed(table.cost_usd[:, columns]),
            _listed(table.input_tokens[:, columns], is_count=True),
            _listed(table.output_tokens[:, columns], is_count=True),
            _listed(table.latency_seconds[:, columns]),
            _listed(table.energy_joules[:, columns]),
        )

    def usage(self, row: int, slot: int) -> Usage | None:
        """What a caller would report of the call; None if nothing is known."""
        costs, inputs, outputs, latencies, energies = self._amounts
        joules = energies[row][slot]
        # Joules need a source, and the table has none to tell.
        source = None if joules is None else EnergySource.ESTIMATED
        usage = Usage(
            costs[row][slot],
            inputs[row][slot],
            outputs[row][slot],
            latencies[row][slot],
            None,  # time to the first token
            joules,
            source,
        )
        return None if usage == _NOTHING else usage


def _listed(amounts: Array, is_count: bool = False) -> list[list[Any]]:
    """(n, K) as lists, None for NaN."""
    unknown = np.isnan(amounts)
    if unknown.all():
        return [[None] * amounts.shape[1]] * len(amounts)
    known: NDArray[Any] = amounts
    if is_count:
        known = np.where(unknown, 0.0, amounts).round().astype(np.int64)
    known = known.astype(object)
    known[unknown] = None
    listed: list[list[Any]] = known.tolist()
    return listed
