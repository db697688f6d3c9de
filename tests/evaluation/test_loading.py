"""Tables from files and DataFrames: what is read, and what each mistake is answered with."""

import gzip
import io

import numpy as np
import pandas as pd
import pytest

from bandit_service.errors import BadTable
from bandit_service.evaluation.contexts import contexts_of
from bandit_service.evaluation.loading import from_frames, load, load_pairs
from bandit_service.evaluation.table import Pair
from bandit_service.model import Arm
from tests.evaluation.small_tables import same

NAN = np.nan

QUERIES = 'query_id,task,prompt\nq1,math,"1 + 1\n= ?"\nNA,,\n007,code,sort\n'
OUTCOMES = """query_id,model,quality,cost_usd,input_tokens,output_tokens,latency_s,energy_j
NA,big,1,0.02,10,20,1.5,3
q1,small,0.25,0.001,5,7,,
q1,big,,0.03,5,9,2,
007,small,0,,,,,
"""
MODELS = """model,price_in_usd_per_mtok,price_out_usd_per_mtok,j_per_output_token
small,0.1,0.4,
big,,,0.25
"""
CONTEXTS = "query_id,x0,x1\n007,5,6\nq1,1,-2\nNA,3,4.5\n"


@pytest.fixture
def folder(tmp_path):
    """Makes the folder `chat` of these files, CSV by default."""

    def make(**files):
        made = tmp_path / "chat"
        made.mkdir(exist_ok=True)
        for stem, text in files.items():
            (made / f"{stem}.csv").write_text(text, encoding="utf-8", newline="")
        return made

    return make


def frame(text):
    texts = dict.fromkeys(("query_id", "task", "prompt", "model"), str)
    return pd.read_csv(io.StringIO(text), dtype=texts, keep_default_na=False, na_values=[""])


def test_a_folder_in_the_normal_form(folder):
    table = load(folder(queries=QUERIES, outcomes=OUTCOMES, models=MODELS, contexts=CONTEXTS))

    assert table.name == "chat"
    assert table.query_ids == ("q1", "NA", "007")
    assert table.tasks == ("math", "", "code")
    assert table.prompts == ("1 + 1\n= ?", "", "sort")
    assert table.arms == (
        Arm(
            name="small",
            input_usd_per_million_tokens=0.1,
            output_usd_per_million_tokens=0.4,
        ),
        Arm(name="big", declared_joules_per_output_token=0.25),
    )
    np.testing.assert_array_equal(table.quality, [[0.25, NAN], [NAN, 1], [0, NAN]])
    np.testing.assert_array_equal(table.cost_usd, [[0.001, 0.03], [NAN, 0.02], [NAN, NAN]])
    np.testing.assert_array_equal(table.input_tokens, [[5, 5], [NAN, 10], [NAN, NAN]])
    np.testing.assert_array_equal(table.output_tokens, [[7, 9], [NAN, 20], [NAN, NAN]])
    np.testing.assert_array_equal(table.latency_seconds, [[NAN, 2], [NAN, 1.5], [NAN, NAN]])
    np.testing.assert_array_equal(table.energy_joules, [[NAN, NAN], [NAN, 3], [NAN, NAN]])
    np.testing.assert_array_equal(table.contexts, [[1, -2], [3, 4.5], [5, 6]])
    assert table.expected is None
    assert table.notes == ()


def test_only_three_columns_of_outcomes_and_one_of_queries_are_needed(folder):
    table = load(folder(queries="query_id\nq1\n", outcomes="model,query_id,quality\nb,q1,1\n"))

    assert table.arms == (Arm(name="b"),)
    assert table.tasks == ("",)
    assert table.prompts is None
    assert table.contexts is None
    assert np.isnan(table.cost_usd).all()


def test_without_models_arms_come_in_the_order_in_which_outcomes_name_them(folder):
    table = load(folder(queries=QUERIES, outcomes=OUTCOMES))

    assert table.arm_names == ("big", "small")


def test_data_frames_give_the_same_table(folder):
    texts = {"queries": QUERIES, "outcomes": OUTCOMES, "models": MODELS, "contexts": CONTEXTS}

    made = from_frames("chat", **{name: frame(text) for name, text in texts.items()})

    same(made, load(folder(**texts)))


def test_a_frame_may_number_its_queries_and_say_true():
    made = from_frames(
        "numbers",
        pd.DataFrame({"query_id": [7, 8]}, index=[70, 80]),
        pd.DataFrame({"query_id": [8, 7], "model": ["a", "a"], "quality": [True, False]}),
    )

    assert made.query_ids == ("7", "8")
    assert made.quality.tolist() == [[0.0], [1.0]]


def test_gzip_a_byte_order_mark_and_blank_lines_are_no_trouble(folder):
    plain = load(folder(queries=QUERIES, outcomes=OUTCOMES))
    made = folder(queries="\ufeff" + QUERIES)
    (made / "outcomes.csv").unlink()
    with gzip.open(made / "outcomes.csv.gz", "wt", encoding="utf-8") as stream:
        stream.write(OUTCOMES.replace("\n", "\n\n"))

    same(load(made), plain)


def test_queries_and_arms_without_a_known_quality_are_left_out_and_noted(folder):
    outcomes = "query_id,model,quality,cost_usd\nq1,a,1,\nNA,a,,0.5\n007,b,,1\n"
    table = load(folder(queries=QUERIES, outcomes=outcomes, contexts=CONTEXTS))

    assert table.query_ids == ("q1",)
    assert table.arm_names == ("a",)
    assert table.contexts is not None
    assert table.contexts.tolist() == [[1.0, -2.0]]
    assert table.notes == (
        "2 of 3 queries are left out: no quality is known",
        "arms left out, as no quality is known: b",
    )
    assert table.rows(np.array([0, 0])).notes == table.notes


GOOD = {"queries": QUERIES, "outcomes": OUTCOMES, "models": MODELS, "contexts": CONTEXTS}


@pytest.mark.parametrize(
    ("files", "line"),
    [
        (
            {"queries": "id,task\nq1,x\n"},
            "queries.csv: needs a column 'query_id'; its columns are: id, task",
        ),
        (
            {"outcomes": "query_id,model\nq1,big\n"},
            "outcomes.csv: needs a column 'quality'; its columns are: query_id, model",
        ),
        (
            {"queries": QUERIES + "q1,again,\n"},
            "queries.csv, row 5: query_id 'q1' stands in row 2 already",
        ),
        ({"queries": QUERIES + ",x,\n"}, "queries.csv, row 5: query_id is empty"),
        (
            {"outcomes": OUTCOMES + "\nq1,small,1,,,,,\n"},
            "outcomes.csv, row 7: query 'q1' and model 'small' stand in row 3 already",
        ),
        (
            {"outcomes": OUTCOMES + "q9,small,1,,,,,\n"},
            "outcomes.csv, row 6: query_id 'q9' is not among the 3 known ones",
        ),
        (
            {"outcomes": OUTCOMES + "NA,huge,1,,,,,\n"},
            "outcomes.csv, row 6: model 'huge' is not among the 2 known ones",
        ),
        (
            {"outcomes": OUTCOMES + "NA,small,1.2,,,,,\n"},
            "outcomes.csv, row 6: quality is 1.2, expected a number from 0 to 1",
        ),
        (
            {"outcomes": OUTCOMES + "NA,small,-0.1,,,,,\n"},
            "outcomes.csv, row 6: quality is -0.1, expected a number from 0 to 1",
        ),
        (
            {"outcomes": OUTCOMES + "NA,small,good,,,,,\n"},
            "outcomes.csv, row 6: quality is 'good', expected a number, or nothing where unknown",
        ),
        (
            {"outcomes": OUTCOMES + "NA,small,nan,,,,,\n"},
            "outcomes.csv, row 6: quality is 'nan', expected a number, or nothing where unknown",
        ),
        (
            {"outcomes": OUTCOMES + "NA,small,1,NaN,,,,\n"},
            "outcomes.csv, row 6: cost_usd is 'NaN', expected a number, or nothing where unknown",
        ),
        (
            {"outcomes": OUTCOMES + "NA,small,1,-1,,,,\n"},
            "outcomes.csv, row 6: cost_usd is -1, expected a number of at least 0",
        ),
        (
            {"outcomes": OUTCOMES + "NA,small,1,,-1,,,\n"},
            "outcomes.csv, row 6: input_tokens is -1, expected a number of at least 0",
        ),
        (
            {"outcomes": OUTCOMES + "NA,small,1,,,-1,,\n"},
            "outcomes.csv, row 6: output_tokens is -1, expected a number of at least 0",
        ),
        (
            {"outcomes": OUTCOMES + "NA,small,1,,,,-2,\n"},
            "outcomes.csv, row 6: latency_s is -2, expected a number of at least 0",
        ),
        (
            {"outcomes": OUTCOMES + "NA,small,1,,,,,-3\n"},
            "outcomes.csv, row 6: energy_j is -3, expected a number of at least 0",
        ),
        (
            {"outcomes": OUTCOMES + "NA,small,1,inf,,,,\n"},
            "outcomes.csv, row 6: cost_usd is inf, expected a number of at least 0",
        ),
        (
            {"outcomes": OUTCOMES + "NA,small,1\n"},
            "outcomes.csv, row 6: has 3 cells, expected 8 as in the header",
        ),
        (
            {"outcomes": "query_id,quality,model,quality\n"},
            "outcomes.csv: column 'quality' is there twice",
        ),
        ({"outcomes": ""}, "outcomes.csv: is empty, expected a header"),
        (
            {"outcomes": OUTCOMES + 'NA,"small,1,,,,,\n'},
            "outcomes.csv, row 6: is not CSV: unexpected end of data",
        ),
        (
            {"queries": "query_id\n", "contexts": "query_id,x0\n", "outcomes": OUTCOMES[:74]},
            "outcomes.csv: is an empty set: 0 queries and 2 arms, but no known quality",
        ),
        (
            {"outcomes": OUTCOMES[:74]},
            "outcomes.csv: is an empty set: 3 queries and 2 arms, but no known quality",
        ),
        (
            {"models": MODELS + "small,,,\n"},
            "models.csv, row 4: model 'small' stands in row 2 already",
        ),
        (
            {"models": MODELS + "tiny,-1,,\n"},
            "models.csv, row 4: price_in_usd_per_mtok is -1, expected a number of at least 0",
        ),
        (
            {"contexts": "query_id,x0,x1\n007,5,6\nq1,1\n"},
            "contexts.csv, row 3: has 2 cells, expected 3 as in the header",
        ),
        (
            {"contexts": "query_id,x0,x1\n007,5,6\nq1,1,\nNA,1,2\n"},
            "contexts.csv, row 3: x1 is unknown, expected 2 numbers a query",
        ),
        (
            {"contexts": "query_id,x0,x1\n007,5,-inf\nq1,1,2\nNA,1,2\n"},
            "contexts.csv, row 2: x1 is -inf, expected a number from -1e+06 to 1e+06",
        ),
        (
            {"contexts": "query_id,x0,x1\n007,5,6\nq1,-1000001,2\nNA,1,2\n"},
            "contexts.csv, row 3: x0 is -1000001, expected a number from -1e+06 to 1e+06",
        ),
        (
            {"contexts": "query_id,x0,x1\n007,5,nan\nq1,1,2\nNA,1,2\n"},
            "contexts.csv, row 2: x1 is 'nan', expected a number, or nothing where unknown",
        ),
        (
            {"contexts": "query_id,x0\n007,5\nNA,1\n"},
            "contexts.csv: has no vector of query 'q1'",
        ),
        (
            {"contexts": "query_id,x0\n007,5\nNA,1\nq1,1\nq2,1\n"},
            "contexts.csv, row 5: query_id 'q2' is not among the 3 known ones",
        ),
        (
            {"contexts": "query_id\n007\nNA\nq1\n"},
            "contexts.csv: needs columns of numbers beside query_id",
        ),
    ],
)
def test_every_mistake_is_one_line_with_file_and_row(folder, files, line):
    made = folder(**(GOOD | files))

    with pytest.raises(BadTable) as refused:
        load(made)

    assert str(refused.value) == f"{made}/{line}"


def test_rows_are_counted_as_a_spreadsheet_does_whatever_lines_a_prompt_takes(folder):
    made = folder(queries='query_id,prompt\nq1,"a\nb\nc"\nq1,again\n', outcomes=OUTCOMES)

    with pytest.raises(BadTable, match=r"queries\.csv, row 3: query_id 'q1' stands in row 2"):
        load(made)


def test_what_is_not_there_is_named(tmp_path, folder):
    with pytest.raises(BadTable, match=r"nowhere: there is no such folder$"):
        load(tmp_path / "nowhere")
    with pytest.raises(BadTable, match=r"chat: needs one of queries\.csv, queries\.csv\.gz, quer"):
        load(folder())
    with pytest.raises(BadTable, match=r"chat: needs one of outcomes\.csv, outcomes\.csv\.gz, "):
        load(folder(queries=QUERIES))


def test_a_file_is_no_folder(folder):
    made = folder(queries=QUERIES, outcomes=OUTCOMES) / "queries.csv"

    with pytest.raises(BadTable) as refused:
        load(made)

    said = "is a file, expected a folder with one of queries.csv, queries.csv.gz, queries.parquet"
    assert str(refused.value) == f"{made}: {said}"


def test_vectors_may_be_as_large_as_policies_take_them(folder):
    vectors = CONTEXTS.replace("-2", "-1000000").replace("4.5", "1e6")
    table = load(folder(queries=QUERIES, outcomes=OUTCOMES, contexts=vectors))

    made = contexts_of(table)
    np.testing.assert_array_equal(made.matrix[:, :-1], [[1, -1e6], [3, 1e6], [5, 6]])


def test_two_files_for_one_table_are_one_too_many(folder):
    made = folder(queries=QUERIES, outcomes=OUTCOMES)
    (made / "queries.parquet").touch()

    with pytest.raises(BadTable, match=r"has queries\.csv and queries\.parquet; keep one of them"):
        load(made)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("outcomes.csv.gz", b"no gzip", "is damaged: Not a gzipped file"),
        ("outcomes.csv.gz", gzip.compress(OUTCOMES.encode())[:-20], "is damaged: "),
        ("outcomes.csv.gz", gzip.compress(OUTCOMES.encode())[:20] + b"\xff" * 90, "is damaged: "),
        ("outcomes.csv", b"query_id,model,quality\n\xff,a,1\n", "is not text in UTF-8"),
        ("outcomes.parquet", b"PAR1 but not really PAR1", "cannot be read as Parquet: "),
        ("outcomes.parquet", b"", "cannot be read as Parquet: "),
    ],
)
def test_a_damaged_file_is_named(folder, name, content, reason):
    made = folder(queries=QUERIES)
    (made / name).write_bytes(content)

    with pytest.raises(BadTable) as refused:
        load(made)

    assert str(refused.value).startswith(f"{made}/{name}: {reason}")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("column", "cells", "line"),
    [
        ("quality", [0.5, 1.5], "outcomes, row 1: quality is 1.5, expected a number from 0 to 1"),
        (
            "cost_usd",
            [-1.0, 0.5],
            "outcomes, row 0: cost_usd is -1.0, expected a number of at least 0",
        ),
        (
            "quality",
            [0.5, [1]],
            "outcomes, row 1: quality is [1], expected a number, or nothing where unknown",
        ),
        ("model", ["a", None], "outcomes, row 1: model is empty"),
        (
            "model",
            ["a", "a"],
            "outcomes, row 1: query 'q1' and model 'a' stand in row 0 already",
        ),
    ],
)
def test_in_a_frame_rows_are_positions(column, cells, line):
    outcomes = {"query_id": ["q1", "q1"], "model": ["a", "b"], "quality": [0.5, 0.5]}
    frame = pd.DataFrame(outcomes | {column: cells}, index=[5, 6])

    with pytest.raises(BadTable) as refused:
        from_frames("t", pd.DataFrame({"query_id": ["q1"]}), frame)

    assert str(refused.value) == line


PAIRS = "query_id,model_a,model_b,winner,judge\nq1,a,b,a,x\nNA,b,a,tie,x\n"


def test_verdicts_are_read_from_a_folder_that_has_no_outcomes(folder):
    made = folder(queries=QUERIES, pairs=PAIRS)

    assert load_pairs(made) == [Pair("q1", "a", "b", "a"), Pair("NA", "b", "a", "tie")]


@pytest.mark.parametrize(
    ("row", "line"),
    [
        ("q1,a,b,both,x\n", "row 4: winner is 'both', expected a, b or tie"),
        ("q9,a,b,a,x\n", "row 4: query_id 'q9' is not among the 3 known ones"),
        ("q1,,b,a,x\n", "row 4: model_a is empty"),
    ],
)
def test_verdicts_that_make_no_sense_are_refused(folder, row, line):
    made = folder(queries=QUERIES, pairs=PAIRS + row)

    with pytest.raises(BadTable) as refused:
        load_pairs(made)

    assert str(refused.value) == f"{made}/pairs.csv, {line}"
