"""A table from one DataFrame, and where in it a mistake is."""

import io

import numpy as np
import pandas as pd
import pytest

from bandit_service.errors import BadTable
from bandit_service.evaluation import simulate_study
from bandit_service.evaluation.loading import from_frame, from_frames
from tests.evaluation.small_tables import same

ROWS = """query_id,model,quality,cost_usd,prompt,task
q2,a,1,0.1,why,x
q1,a,0,0.1,how,y
q2,b,0,0.2,why,x
q1,b,1,0.2,how,y
q3,a,0.5,,what,x
"""


def a_frame(**changes):
    """The rows above. Changes: a column and what stands in some rows of it."""
    frame = pd.read_csv(io.StringIO(ROWS)).astype({"query_id": object, "prompt": object})
    for name, cells in changes.items():
        for row, cell in cells.items():
            frame.loc[row, name] = cell
    return frame


def test_it_is_the_table_of_its_queries_and_outcomes():
    queries = pd.DataFrame(
        {
            "query_id": ["q2", "q1", "q3"],
            "task": ["x", "y", "x"],
            "prompt": ["why", "how", "what"],
        }
    )
    outcomes = pd.DataFrame(
        {
            "query_id": ["q1", "q1", "q2", "q2", "q3"],
            "model": ["a", "b", "a", "b", "a"],
            "quality": [0.0, 1.0, 1.0, 0.0, 0.5],
            "cost_usd": [0.1, 0.2, 0.1, 0.2, np.nan],
        }
    )

    same(from_frame(a_frame()), from_frames("frame", queries, outcomes))
    same(from_frame(a_frame().set_index([[9] * 5])), from_frames("frame", queries, outcomes))


def test_what_some_rows_do_not_know_of_a_query_others_tell():
    table = from_frame(
        a_frame(prompt={0: np.nan, 3: None, 4: np.nan}, task={2: "", 1: np.nan, 3: np.nan})
    )

    assert table.query_ids == ("q2", "q1", "q3")
    assert table.prompts == ("why", "how", "")
    assert table.tasks == ("x", "", "x")


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"prompt": {3: "HOW"}},
            "frame, row 3: query 'q1' has another prompt than in row 1",
        ),
        (
            {
                "prompt": {0: np.nan, 4: "why"},
                "query_id": {4: "q2"},
                "model": {4: "c"},
                "task": {4: "y"},
            },
            "frame, row 4: query 'q2' has another task than in row 0",
        ),
        (
            {"prompt": {0: np.nan, 4: "which"}, "query_id": {4: "q2"}, "model": {4: "c"}},
            "frame, row 4: query 'q2' has another prompt than in row 2",
        ),
        ({"query_id": {3: np.nan}}, "frame, row 3: query_id is empty"),
        ({"query_id": {3: ""}}, "frame, row 3: query_id is empty"),
        ({"model": {3: None}}, "frame, row 3: model is empty"),
        (
            {"quality": {2: 1.2}},
            "frame, row 2: quality is 1.2, expected a number from 0 to 1",
        ),
        (
            {"cost_usd": {3: -1.0}},
            "frame, row 3: cost_usd is -1.0, expected a number of at least 0",
        ),
        (
            {"model": {3: "a"}},
            "frame, row 3: query 'q1' and model 'a' stand in row 1 already",
        ),
    ],
)
def test_a_mistake_is_named_by_its_row_of_the_frame(changes, line):
    with pytest.raises(BadTable) as refused:
        simulate_study(a_frame(**changes))

    assert str(refused.value) == line


@pytest.mark.parametrize("column", ["query_id", "model", "quality"])
def test_a_column_that_is_not_there_is_named(column):
    with pytest.raises(BadTable, match=f"^frame: needs a column {column!r}; its columns are: "):
        simulate_study(a_frame().drop(columns=column))


def test_rows_are_counted_whatever_the_index_says():
    frame = a_frame(quality={4: 7.0}).set_index(pd.Index([50, 40, 30, 20, 10]))

    with pytest.raises(BadTable, match=r"^frame, row 4: quality is 7\.0"):
        from_frame(frame)


def test_an_unknown_number_of_a_frame_is_unknown_and_a_word_is_not():
    assert np.isnan(from_frame(a_frame(cost_usd={0: np.nan})).cost_usd[0, 0])

    worded = a_frame().astype({"cost_usd": object})
    worded.loc[0, "cost_usd"] = "nan"
    with pytest.raises(BadTable, match=r"^frame, row 0: cost_usd is 'nan', expected a number"):
        from_frame(worded)
