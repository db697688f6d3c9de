"""What is written is read back as it was, or nothing is written."""

import dataclasses
import sys

import numpy as np
import pytest

from bandit_service.errors import BadTable
from bandit_service.evaluation import synthetic, writing
from bandit_service.evaluation.bundled import bundled_table
from bandit_service.evaluation.loading import load, load_pairs
from tests.evaluation.small_tables import same

NAN = np.nan


def awkward():
    """Numbers with all their digits, unknown cells, and texts that CSV has to quote."""
    table = synthetic.linear(queries=6, arms=3, dim=3, seed=5, costs=True)
    assert table.expected is not None
    table.quality[0, 1] = table.cost_usd[0, 1] = table.expected[0, 1] = NAN
    table.energy_joules[2] = NAN
    table.quality[3, 0] = NAN
    table.cost_usd[4, 2] = 5e-324
    return dataclasses.replace(
        table,
        query_ids=("NA", "null", "007", "a,b", 'q"q', " blank "),
        tasks=("", "nan", "None", "x", "y", "1e5"),
        prompts=("two\r\nlines", "a lone \r", '"', "", "\u2028\x00", "é\n\n"),
    )


@pytest.mark.parametrize("parquet", [False, True])
@pytest.mark.parametrize("make", [awkward, bundled_table, synthetic.drifting])
def test_what_is_written_is_read_back_bit_for_bit(tmp_path, make, parquet):
    table = make()

    writing.write(table, tmp_path / table.name, parquet=parquet)

    same(load(tmp_path / table.name), table)
    assert {path.suffix for path in (tmp_path / table.name).iterdir()} == {
        ".parquet" if parquet else ".csv"
    }
    assert [path.name for path in tmp_path.iterdir()] == [table.name]


@pytest.mark.parametrize("parquet", [False, True])
def test_verdicts_are_written_too(tmp_path, parquet):
    table, pairs = synthetic.duels(queries=20, seed=1)

    writing.write(table, tmp_path / "d", pairs=pairs, parquet=parquet)

    assert load_pairs(tmp_path / "d") == pairs


def test_what_is_there_is_replaced_by_force_only_and_other_files_stay(tmp_path):
    table = synthetic.linear(queries=5)
    out = tmp_path / "set"
    writing.write(synthetic.linear(queries=7), out, parquet=True)
    (out / "README.md").write_text("mine")

    with pytest.raises(BadTable) as refused:
        writing.write(table, out)
    assert str(refused.value) == f"{out}: is there already; choose another, or --force"
    assert len(load(out)) == 7
    writing.write(table, out, force=True)

    assert len(load(out)) == 5
    assert sorted(path.name for path in out.iterdir()) == [
        "README.md",
        "contexts.csv",
        "models.csv",
        "outcomes.csv",
        "queries.csv",
    ]


def test_a_file_is_never_replaced_by_a_folder(tmp_path):
    (tmp_path / "set").write_text("mine")

    with pytest.raises(BadTable, match=r"set: is there already; choose another$"):
        writing.write(synthetic.linear(queries=5), tmp_path / "set", force=True)

    assert (tmp_path / "set").read_text() == "mine"


def test_an_empty_folder_is_filled_and_a_failure_leaves_nothing(tmp_path, monkeypatch):
    (tmp_path / "set").mkdir()
    writing.write(synthetic.linear(queries=5), tmp_path / "set")
    monkeypatch.setattr(writing, "_write_csv", _full_disk)

    with pytest.raises(BadTable, match=r"other: cannot be written: No space left on device$"):
        writing.write(synthetic.linear(queries=5), tmp_path / "other")

    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def _full_disk(*_):
    raise OSError(28, "No space left on device")


def test_without_pyarrow_parquet_says_what_to_install(tmp_path, monkeypatch):
    table = synthetic.linear(queries=5)
    writing.write(table, tmp_path / "set", parquet=True)
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(BadTable, match=r"reading Parquet needs pyarrow: pip install 'bandit-serv"):
        load(tmp_path / "set")
    with pytest.raises(BadTable, match=r"writing Parquet needs pyarrow: pip install 'bandit-serv"):
        writing.write(table, tmp_path / "other", parquet=True)

    assert [path.name for path in tmp_path.iterdir()] == ["set"]
