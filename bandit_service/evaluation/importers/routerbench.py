"""RouterBench's published table: one row a query, 11 models.

Source: Hu et al. (2024), "RouterBench: A Benchmark for Multi-LLM Routing System",
arXiv:2403.12031. Columns: sample_id, prompt, eval_name, and for each model its score in [0, 1]
under its own name, '<model>|total_cost' in USD and '<model>|model_response' (not read).

It is published as a pickled pandas DataFrame (routerbench_0shot.pkl, routerbench_5shot.pkl), read
here without running it; a CSV or Parquet file made from it is as good.
"""

import ast
import warnings
from pathlib import Path

from bandit_service.errors import BadTable
from bandit_service.evaluation import files
from bandit_service.evaluation.importers import pickled_frame, wide
from bandit_service.evaluation.table import OutcomeTable

_COST = "|total_cost"


def read(source: Path) -> OutcomeTable:
    """From a .pkl, .csv, .csv.gz or .parquet file. Raises BadTable."""
    is_pickle = source.suffix in (".pkl", ".pickle")
    columns = pickled_frame.read(source) if is_pickle else files.read(source)
    columns.require("sample_id", "prompt", "eval_name")
    models = [name for name in columns.cells if name + _COST in columns]
    if not models:
        what = f"has no pair of columns '<model>' and '<model>{_COST}'"
        raise BadTable(columns.source, what)
    with warnings.catch_warnings(action="ignore", category=SyntaxWarning):
        columns.cells["prompt"] = [_plain(prompt) for prompt in columns.texts("prompt")]
    wide_map = wide.WideMap(
        query_id="sample_id",
        task="eval_name",
        prompt="prompt",
        arms={name: wide.ArmColumns(quality=name, cost_usd=name + _COST) for name in models},
    )
    return wide.tabulate(wide.named(source), columns, wide_map)


def _plain(prompt: str) -> str:
    """Prompts are kept as Python writes lists of texts, one text a turn.

    >>> _plain("['Be brief.', 'What is 2 + 2?']")
    'Be brief.\\n\\nWhat is 2 + 2?'
    >>> _plain("[x] or [y]?")
    '[x] or [y]?'
    """
    if not prompt.startswith("["):
        return prompt
    try:
        turns = ast.literal_eval(prompt)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return prompt
    is_turns = isinstance(turns, list) and all(isinstance(turn, str) for turn in turns)
    return "\n\n".join(turns) if is_turns else prompt
