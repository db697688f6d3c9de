"""What a table holds, in a few numbers."""

from collections import Counter
from typing import Any

import numpy as np

from bandit_service.evaluation.optimal import known_mean
from bandit_service.evaluation.table import Array, OutcomeTable


def described(table: OutcomeTable) -> dict[str, Any]:
    """As it is printed and written to JSON. Means are over the known cells; None: there are none.

    >>> from bandit_service.evaluation.bundled import bundled_table
    >>> [arm["mean_energy_joules"] for arm in described(bundled_table())["arms"]]
    [None, None, None]
    """
    tasks = Counter(task for task in table.tasks if task)
    means = {
        "mean_quality": _means(table.quality),
        "mean_cost_usd": _means(table.cost_usd),
        "mean_latency_seconds": _means(table.latency_seconds),
        "mean_energy_joules": _means(table.energy_joules),
        "mean_input_tokens": _means(table.input_tokens),
        "mean_output_tokens": _means(table.output_tokens),
    }
    known = table.offered.mean(axis=0).tolist()
    return {
        "name": table.name,
        "queries": len(table),
        "prompts": table.prompts is not None,
        "context_dimension": None if table.contexts is None else table.contexts.shape[1],
        "known_truth": table.expected is not None,
        "tasks": [{"task": task, "queries": count} for task, count in tasks.most_common()],
        "arms": [
            {"arm": name, "known_share": known[slot], **{of: m[slot] for of, m in means.items()}}
            for slot, name in enumerate(table.arm_names)
        ],
        "notes": list(table.notes),
    }


def _means(values: Array) -> list[float | None]:
    """(n, K) -> K means over what is known."""
    return [None if np.isnan(mean) else float(mean) for mean in known_mean(values)]
