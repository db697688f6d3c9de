"""The data set that comes with the package, as a table: what a command takes that is given none."""

import numpy as np

from bandit_service.evaluation.table import OutcomeTable
from bandit_service.model import Arm
from bandit_service.sample import load_sample

NAME = "bundled sample"


def bundled_table() -> OutcomeTable:
    """1,000 queries, 3 arms; the contexts are embeddings of the prompts, which are not here.

    >>> table = bundled_table()
    >>> len(table), len(table.arms), table.contexts.shape
    (1000, 3, (1000, 64))
    """
    sample = load_sample()
    prices = zip(
        sample.input_usd_per_million_tokens.tolist(),
        sample.output_usd_per_million_tokens.tolist(),
        strict=True,
    )
    arms = tuple(
        Arm(name=name, input_usd_per_million_tokens=read, output_usd_per_million_tokens=written)
        for name, (read, written) in zip(sample.arms, prices, strict=True)
    )
    unknown = np.full(sample.quality.shape, np.nan)
    return OutcomeTable(
        name=NAME,
        query_ids=tuple(f"sample-{row:04d}" for row in range(len(sample.tasks))),
        tasks=tuple(map(str, sample.tasks)),
        arms=arms,
        quality=sample.quality,
        cost_usd=sample.cost_usd,
        latency_seconds=unknown,
        energy_joules=unknown.copy(),
        input_tokens=sample.input_tokens,
        output_tokens=sample.output_tokens,
        contexts=sample.embeddings,
    )
