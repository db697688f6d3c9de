"""Tables of outcomes from files or DataFrames in the normal form.

queries    query_id, task, prompt                      only query_id is required
outcomes   query_id, model, quality, cost_usd, input_tokens, output_tokens, latency_s, energy_j,
           expected                                    only the first three are required
models     model, price_in_usd_per_mtok, price_out_usd_per_mtok, j_per_output_token     optional
contexts   query_id and d columns of numbers, one vector a query                        optional
pairs      query_id, model_a, model_b, winner          verdicts on two answers              optional

Other columns are ignored. An empty cell or a row that is not there is unknown; a word such as "nan"
in place of a number is refused. Queries keep the order of their file; arms that of `models`, else
the order in which outcomes name them. A folder with verdicts and no outcomes makes a table, too:
quality is then the share of its comparisons that an answer won.
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from bandit_service.errors import BadTable
from bandit_service.evaluation import files
from bandit_service.evaluation.columns import Columns
from bandit_service.evaluation.frames import queries_of
from bandit_service.evaluation.pairs import known_to, verdicts_of
from bandit_service.evaluation.table import Array, OutcomeTable, Pair
from bandit_service.evaluation.validation import distinct, positions, usable
from bandit_service.evaluation.vectors import vectors_of
from bandit_service.model import Arm

if TYPE_CHECKING:
    import pandas as pd

# Column of the normal form -> field of OutcomeTable.
MEASURED = {
    "cost_usd": "cost_usd",
    "latency_s": "latency_seconds",
    "energy_j": "energy_joules",
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
}
OPTIONAL = "outcomes", "models", "contexts", "pairs"
# Column of models.* -> field of Arm.
DECLARED = {
    "price_in_usd_per_mtok": "input_usd_per_million_tokens",
    "price_out_usd_per_mtok": "output_usd_per_million_tokens",
    "j_per_output_token": "declared_joules_per_output_token",
}


def load(folder: Path) -> OutcomeTable:
    """The table of a folder, named after it. Raises BadTable."""
    name, found = folder.resolve().name, {stem: files.find(folder, stem) for stem in OPTIONAL}
    parts = {stem: files.read(path) for stem, path in found.items() if path is not None}
    queries, models = files.read(_there(folder, "queries")), parts.get("models")
    contexts = parts.get("contexts")
    pairs = verdicts_of(parts["pairs"], queries) if "pairs" in parts else []
    if pairs and "outcomes" not in parts:
        return _judged(name, queries, pairs, models, contexts)
    outcomes = files.read(_there(folder, "outcomes"))
    table = _assembled(name, queries, outcomes, models, contexts)
    return replace(table, pairs=known_to(table, pairs))


def from_frames(
    name: str,
    queries: "pd.DataFrame",
    outcomes: "pd.DataFrame",
    models: "pd.DataFrame | None" = None,
    contexts: "pd.DataFrame | None" = None,
) -> OutcomeTable:
    """The same from pandas DataFrames with the columns of the files. Raises BadTable."""
    return _assembled(
        name,
        Columns.of_frame("queries", queries),
        Columns.of_frame("outcomes", outcomes),
        None if models is None else Columns.of_frame("models", models),
        None if contexts is None else Columns.of_frame("contexts", contexts),
    )


def from_frame(frame: "pd.DataFrame") -> OutcomeTable:
    """The table of one DataFrame that has a row for each query and model, `task` and `prompt`
    among its columns. Complaints name the row's position in it. Raises BadTable."""
    outcomes = Columns.of_frame("frame", frame)
    return _assembled("frame", queries_of(outcomes), outcomes, None, None)


def load_queries(folder: Path) -> OutcomeTable:
    """The queries of a folder alone, as a table without arms. Raises BadTable."""
    queries = files.read(_there(folder, "queries"))
    contexts = files.find(folder, "contexts")
    ids = distinct(queries, "query_id")
    prompts = queries.texts("prompt")
    nothing = np.zeros((len(ids), 0))
    measured: dict[str, Any] = dict.fromkeys(MEASURED.values(), nothing)
    return OutcomeTable(
        name=folder.resolve().name,
        query_ids=tuple(ids),
        tasks=tuple(queries.texts("task")),
        arms=(),
        quality=nothing,
        prompts=tuple(prompts) if any(prompts) else None,
        contexts=None if contexts is None else vectors_of(files.read(contexts), ids),
        **measured,
    )


def load_pairs(folder: Path) -> list[Pair]:
    """The verdicts of a folder, which has queries too but may lack outcomes. Raises BadTable."""
    return verdicts_of(files.read(_there(folder, "pairs")), files.read(_there(folder, "queries")))


def _judged(
    name: str,
    queries: Columns,
    pairs: list[Pair],
    models: Columns | None,
    contexts: Columns | None,
) -> OutcomeTable:
    """A table of verdicts alone: an answer's quality is the share of its comparisons that it won,
    a tie being half a win."""
    ids = distinct(queries, "query_id")
    named = dict.fromkeys(model for pair in pairs for model in (pair.model_a, pair.model_b))
    columns = Columns("pairs", {"model": list(named)}, range(len(named)))
    arms = _arms(columns, models)
    rows = {query: row for row, query in enumerate(ids)}
    slots = {arm.name: slot for slot, arm in enumerate(arms)}
    won, compared = np.zeros((2, len(ids), len(arms)))
    for pair in pairs:
        row = rows[pair.query_id]
        of_first = {"a": 1.0, "b": 0.0, "tie": 0.5}[pair.winner]
        for model, share in ((pair.model_a, of_first), (pair.model_b, 1.0 - of_first)):
            if model not in slots:
                raise BadTable(models.source if models else name, f"has no model {model!r}")
            won[row, slots[model]] += share
            compared[row, slots[model]] += 1.0
    unknown = np.full(won.shape, np.nan)
    prompts = queries.texts("prompt")
    table = OutcomeTable(
        name=name,
        query_ids=tuple(ids),
        tasks=tuple(queries.texts("task")),
        arms=arms,
        quality=np.divide(won, compared, out=unknown.copy(), where=compared > 0.0),
        prompts=tuple(prompts) if any(prompts) else None,
        contexts=None if contexts is None else vectors_of(contexts, ids),
        notes=("quality is the share of its comparisons that an answer won, a tie being half",),
        pairs=tuple(pairs),
        is_judged=True,
        **{field: unknown.copy() for field in MEASURED.values()},
    )
    return usable(table, name)


def _there(folder: Path, stem: str) -> Path:
    names = ", ".join(stem + suffix for suffix in files.SUFFIXES)
    if folder.is_file():
        raise BadTable(str(folder), f"is a file, expected a folder with one of {names}")
    if not folder.is_dir():
        raise BadTable(str(folder), "there is no such folder")
    found = files.find(folder, stem)
    if found is None:
        raise BadTable(str(folder), f"needs one of {names}")
    return found


def _assembled(
    name: str,
    queries: Columns,
    outcomes: Columns,
    models: Columns | None,
    contexts: Columns | None,
) -> OutcomeTable:
    ids = distinct(queries, "query_id")
    arms = _arms(outcomes, models)
    rows = positions(outcomes, "query_id", ids)
    slots = positions(outcomes, "model", [arm.name for arm in arms])
    _check_once(outcomes, rows * len(arms) + slots)

    def spread(column: str, most: float = np.inf) -> Array:
        """A column of `outcomes` as (n, K)."""
        table = np.full((len(ids), len(arms)), np.nan)
        table[rows, slots] = outcomes.numbers(column, most=most)
        return table

    prompts = queries.texts("prompt")
    outcomes.require("quality")
    measured: dict[str, Any] = {field: spread(column) for column, field in MEASURED.items()}
    table = OutcomeTable(
        name=name,
        query_ids=tuple(ids),
        tasks=tuple(queries.texts("task")),
        arms=arms,
        quality=spread("quality", most=1.0),
        prompts=tuple(prompts) if any(prompts) else None,
        contexts=None if contexts is None else vectors_of(contexts, ids),
        expected=spread("expected", most=1.0) if "expected" in outcomes else None,
        **measured,
    )
    return usable(table, outcomes.source)


def _arms(outcomes: Columns, models: Columns | None) -> tuple[Arm, ...]:
    if models is None:
        return tuple(Arm(name=model) for model in dict.fromkeys(outcomes.ids("model")))
    names = distinct(models, "model")
    declared = [models.numbers(column).tolist() for column in DECLARED]
    return tuple(
        msgspec.convert({"name": name, **_known(DECLARED.values(), numbers)}, Arm)
        for name, *numbers in zip(names, *declared, strict=True)
    )


def _known(fields: Iterable[str], numbers: Iterable[float]) -> dict[str, float]:
    pairs = zip(fields, numbers, strict=True)
    return {field: number for field, number in pairs if not np.isnan(number)}


def _check_once(outcomes: Columns, keys: NDArray[np.intp]) -> None:
    _, firsts = np.unique(keys, return_index=True)
    if len(firsts) == len(keys):
        return
    again = np.ones(len(keys), dtype=bool)
    again[firsts] = False
    second = int(np.flatnonzero(again)[0])
    first = int(np.flatnonzero(keys == keys[second])[0])
    query, model = outcomes.texts("query_id")[second], outcomes.texts("model")[second]
    what = f"query {query!r} and model {model!r} stand in row {outcomes.rows[first]} already"
    raise outcomes.bad(second, what)
