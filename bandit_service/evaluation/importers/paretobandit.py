"""The judged queries that come with the `paretobandit` package on PyPI.

Source: ParetoBandit 0.1.1 (https://github.com/ParetoBandit/ParetoBandit), Apache-2.0. Of its wheel
three data files are read; none of its code runs. Its validation and test queries follow one another
and keep their order: their ids begin with "val" and "test_holdout".
"""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from bandit_service.errors import BadTable
from bandit_service.evaluation.columns import Columns
from bandit_service.evaluation.table import Array, OutcomeTable
from bandit_service.evaluation.validation import usable
from bandit_service.model import Arm

QUERY_FILES = (
    "pareto_bandit/data/examples/val.jsonl",
    "pareto_bandit/data/examples/test_holdout.jsonl",
)
MODELS_FILE = "pareto_bandit/config/models.json"


def read(source: Path) -> OutcomeTable:
    """From the wheel, or the folder it was unpacked into. Raises BadTable."""
    found = texts(source)
    arms = _arms(source, found[MODELS_FILE])
    ids: list[str] = []
    queries: list[dict[str, Any]] = []
    tables = []
    for name in QUERY_FILES:
        part = _queries(f"{source}, {name}", found[name])
        ids += [f"{Path(name).stem}-{row:05d}" for row in range(len(part))]
        queries += part
        tables.append(_outcomes(f"{source}, {name}", part, arms))
    quality, cost = (np.concatenate(parts) for parts in zip(*tables, strict=True))
    unknown = np.full(quality.shape, np.nan)
    table = OutcomeTable(
        name="paretobandit",
        query_ids=tuple(ids),
        tasks=tuple(str(query.get("source", "")) for query in queries),
        arms=arms,
        quality=quality,
        cost_usd=cost,
        latency_seconds=unknown,
        energy_joules=unknown.copy(),
        input_tokens=unknown.copy(),
        output_tokens=unknown.copy(),
        prompts=tuple(str(query.get("prompt", "")) for query in queries),
    )
    return usable(table, str(source))


def texts(source: Path) -> dict[str, str]:
    """The package's data files by their names in the wheel. Raises BadTable."""
    names = (*QUERY_FILES, MODELS_FILE)
    try:
        if source.is_dir():
            return {name: (source / name).read_text("utf-8") for name in names}
        with zipfile.ZipFile(source) as wheel:
            return {name: wheel.read(name).decode("utf-8") for name in names}
    except (FileNotFoundError, KeyError) as error:
        missing = getattr(error, "filename", None) or error.args[0]
        raise BadTable(str(source), f"does not have all files of paretobandit: {missing}") from None
    except (zipfile.BadZipFile, UnicodeDecodeError) as error:
        raise BadTable(str(source), f"is not a wheel of paretobandit: {error}") from error
    except OSError as error:
        raise BadTable(str(source), f"cannot be read: {error.strerror or error}") from error


def _arms(source: Path, text: str) -> tuple[Arm, ...]:
    try:
        return tuple(
            Arm(
                name=model["model_id"],
                input_usd_per_million_tokens=float(model["input_cost_per_m"]),
                output_usd_per_million_tokens=float(model["output_cost_per_m"]),
            )
            for model in json.loads(text)["models"]
        )
    except (ValueError, TypeError, KeyError) as error:
        what = f"expected models with model_id and costs a million tokens: {error!r}"
        raise BadTable(f"{source}, {MODELS_FILE}", what) from None


def _queries(source: str, text: str) -> list[dict[str, Any]]:
    """One a line. Not splitlines(): prompts hold other line separators, such as U+2028."""
    queries = []
    for row, line in enumerate(text.strip().split("\n"), start=1):
        try:
            query = json.loads(line)
        except ValueError as error:
            raise BadTable(f"{source}, row {row}", f"is not JSON: {error}") from None
        if not isinstance(query, dict) or not isinstance(query.get("arms"), dict):
            raise BadTable(f"{source}, row {row}", "expected an object with `arms`")
        queries.append(query)
    return queries


def _outcomes(
    source: str, queries: list[dict[str, Any]], arms: tuple[Arm, ...]
) -> tuple[Array, Array]:
    """Quality and cost, (n, K) each."""
    qualities, costs = [], []
    for arm in arms:
        answers = [query["arms"].get(arm.name) or {} for query in queries]
        columns = Columns(
            source,
            {name: [answer.get(name) for answer in answers] for name in ("reward", "cost")},
            range(1, len(queries) + 1),
        )
        qualities.append(columns.numbers("reward", most=1.0))
        costs.append(columns.numbers("cost"))
    return np.column_stack(qualities), np.column_stack(costs)
