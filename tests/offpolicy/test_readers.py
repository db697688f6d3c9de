"""Every format brings the same log, and says where it is broken."""

import gzip
import json
import math
import time

import msgspec
import numpy as np
import pandas as pd
import pytest

from bandit_service.errors import BadLog, InvalidField
from bandit_service.evaluation.logs import json_lines
from bandit_service.evaluation.logs.exporting import check_columns, in_batches, write
from bandit_service.evaluation.logs.mapping import mapped
from bandit_service.evaluation.logs.opening import of_frame, open_log
from bandit_service.evaluation.logs.rows import batch_of
from bandit_service.evaluation.logs.vowpal import Reading
from tests.evaluation.real_data import real_data
from tests.offpolicy.worlds import a_world, rows_of

FOREIGN = {
    "arm": "model",
    "probabilities": {"small": "p_small", "large": "p_large"},
    "context": ["f0"],
    "quality": {"column": "stars", "least": 1, "most": 5},
    "cost_usd": {"column": "cents", "times": 0.01},
    "create_time": "at",
    "session": "user",
    "flags": {"sticky": "pinned"},
}
TABLE = (
    "model,p_small,p_large,f0,stars,cents,at,user,pinned\n"
    "small,0.25,0.75,0.5,5,2,2024-01-01T00:00:00+00:00,u1,0\n"
    "large,0.25,0.75,-1,3,,1704067201,u1,no\n"
    "large,0,1,-1,3,1,1704067202,,1\n"
)


@pytest.fixture
def rows():
    made = rows_of(a_world(count=50), 0, cost_usd=0.5, segment="x", policy="chat")
    made[3] = msgspec.structs.replace(made[3], quality=None, session="s")
    made[4] = msgspec.structs.replace(made[4], sticky=True, session="s")
    return made


@pytest.mark.parametrize("name", ["log.jsonl", "log.jsonl.gz", "log.parquet"])
def test_what_is_written_is_read_again(rows, name, tmp_path):
    assert write(in_batches(rows), tmp_path / name) == 50
    log = open_log(tmp_path / name)
    whole = log.whole()
    kept = [row for at, row in enumerate(rows) if at != 4]

    assert (log.count, log.excluded, log.policy) == (49, {"sticky": 1}, "chat")
    np.testing.assert_array_equal(whole.contexts, [row.context for row in kept])
    np.testing.assert_array_equal(whole.propensities, [row.propensity for row in kept])
    np.testing.assert_array_equal(
        whole.quality, [np.nan if row.quality is None else row.quality for row in kept]
    )
    assert [whole.arms[slot] for slot in whole.chosen] == [row.arm for row in kept]
    assert whole.probabilities is not None
    for row, chances in zip(kept, whole.probabilities, strict=True):
        assert dict(zip(whole.arms, chances.tolist(), strict=True)) == row.probabilities
    assert whole.segments.tolist() == ["x"] * 49
    assert (whole.clusters >= 0).tolist() == [row.session is not None for row in kept]


def test_formats_have_equal_digests(rows, tmp_path):
    names = "log.jsonl", "log.jsonl.gz", "log.parquet"
    for name in names:
        write(in_batches(rows), tmp_path / name)

    assert len({open_log(tmp_path / name).digest for name in names}) == 1


def test_columns_can_be_chosen_and_unknown_ones_are_refused(rows, tmp_path):
    for name in ("log.jsonl", "log.parquet"):
        write(in_batches(rows), tmp_path / name, check_columns(["quality", "propensity"]))
        log = open_log(tmp_path / name)
        assert (log.dim, log.knows_all, log.knows_propensities) == (0, False, True)
    with pytest.raises(InvalidField, match="there is no 'reward'; known: arm, propensity"):
        check_columns(["reward"])


def test_an_export_is_whole_or_not_there(rows, tmp_path):
    def broken():
        yield batch_of(rows[:1], [1])
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write(broken(), tmp_path / "log.parquet")
    with pytest.raises(BadLog, match="no decision in that range"):
        write([], tmp_path / "log.jsonl")
    with pytest.raises(InvalidField, match=r"ends in \.parquet"):
        write(in_batches(rows), tmp_path / "log.csv")
    assert list(tmp_path.iterdir()) == []


def test_broken_lines_are_named_and_counted(rows, tmp_path):
    file = tmp_path / "log.jsonl"
    json_lines.written(in_batches(rows[:3]), file)
    lines = file.read_text().splitlines()
    file.write_text("\n".join([lines[0], '{"arm": "a", ', "", '{"quality": 1}', lines[1]]) + "\n")

    with pytest.raises(BadLog, match=r"line 2: cannot be read: .*2 refused.*--lenient"):
        open_log(file)
    assert open_log(file, lenient=True).count == 2


def test_damaged_files_are_refused_even_leniently(rows, tmp_path):
    write(in_batches(rows), tmp_path / "log.jsonl.gz")
    whole = (tmp_path / "log.jsonl.gz").read_bytes()
    (tmp_path / "log.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadLog, match="the file is damaged"):
        open_log(tmp_path / "log.jsonl.gz", lenient=True)
    write(in_batches(rows), tmp_path / "log.parquet")
    whole = (tmp_path / "log.parquet").read_bytes()
    (tmp_path / "log.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadLog, match="cannot be read as Parquet"):
        open_log(tmp_path / "log.parquet", lenient=True)


def test_parquet_without_arms_or_with_words_for_numbers_is_refused(tmp_path):
    pd.DataFrame({"model": ["a"]}).to_parquet(tmp_path / "log.parquet")
    with pytest.raises(BadLog, match="needs a column 'arm'; its columns are: model"):
        open_log(tmp_path / "log.parquet")
    pd.DataFrame({"arm": ["a"], "quality": ["good"]}).to_parquet(tmp_path / "log.parquet")
    with pytest.raises(BadLog, match="column 'quality' must hold numbers"):
        open_log(tmp_path / "log.parquet")


def test_parquet_rows_without_an_arm_are_refused(tmp_path):
    frame = pd.DataFrame({"arm": ["a", None, "b"], "propensity": [0.5, 0.5, 0.5]})
    frame.to_parquet(tmp_path / "log.parquet")
    with pytest.raises(BadLog, match="line 2: arm is empty"):
        open_log(tmp_path / "log.parquet")
    log = open_log(tmp_path / "log.parquet", lenient=True)
    assert (log.count, log.arms) == (2, ("a", "b"))


def _as_csv(folder):
    (folder / "log.csv").write_text(TABLE)
    return open_log(folder / "log.csv", how=mapped(FOREIGN, "map"))


def _as_gzip(folder):
    (folder / "log.csv.gz").write_bytes(gzip.compress(TABLE.encode()))
    return open_log(folder / "log.csv.gz", how=mapped(FOREIGN, "map"))


def _as_json(folder):
    header, *lines = (line.split(",") for line in TABLE.splitlines())
    records = [json.dumps(dict(zip(header, line, strict=True))) for line in lines]
    (folder / "log.jsonl").write_text("\n".join(records))
    return open_log(folder / "log.jsonl", how=mapped(FOREIGN, "map"))


def _as_parquet(folder):
    _frame(folder).to_parquet(folder / "log.parquet")
    return open_log(folder / "log.parquet", how=mapped(FOREIGN, "map"))


def _as_frame(folder):
    return of_frame(_frame(folder), mapped(FOREIGN, "map"))


def _frame(folder):
    (folder / "table.csv").write_text(TABLE)
    return pd.read_csv(folder / "table.csv")


@pytest.mark.parametrize("read", [_as_csv, _as_gzip, _as_json, _as_parquet, _as_frame])
def test_a_foreign_table_is_mapped_by_hand(read, tmp_path):
    log = read(tmp_path)
    whole = log.whole()

    assert (log.count, log.excluded, log.arms) == (2, {"sticky": 1}, ("small", "large"))
    np.testing.assert_array_equal(whole.contexts, [[0.5, 1.0], [-1.0, 1.0]])
    np.testing.assert_array_equal(whole.quality, [1.0, 0.5])
    np.testing.assert_array_equal(whole.outcomes["cost_usd"], [0.02, np.nan])
    np.testing.assert_array_equal(whole.propensities, [0.25, 0.75])
    np.testing.assert_array_equal(whole.times, [1704067200.0, 1704067201.0])
    assert whole.clusters[0] == whole.clusters[1] >= 0


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ({}, "missing required field `arm`"),
        ({"arm": "a", "prob": "p"}, "unknown field `prob`"),
        ({"arm": "a", "flags": {"odd": "x"}}, "flags: there is no 'odd'; known: forced"),
        ({"arm": "a", "quality": {"column": "q", "least": 1, "most": 1}}, "most must be above"),
        ({"arm": "a", "category_buckets": 0}, "must be from 1 to 1024"),
    ],
)
def test_a_mapping_that_makes_no_sense_is_refused(said, complaint):
    with pytest.raises(InvalidField, match=f"map.yaml: .*{complaint}"):
        mapped(said, "map.yaml")


def test_a_table_that_lacks_a_column_or_has_odd_cells_is_refused(tmp_path):
    file = tmp_path / "log.csv"
    how = mapped(FOREIGN, "map")
    file.write_text(TABLE.replace("stars", "points"))
    with pytest.raises(BadLog, match="needs a column 'stars'; its columns are: model"):
        open_log(file, how=how)
    file.write_text(TABLE.replace("-1,3,,", "x,3,,"))
    with pytest.raises(BadLog, match="line 3: f0 is 'x', expected a number"):
        open_log(file, how=how)
    file.write_text(TABLE + "small,0.25\n")
    with pytest.raises(BadLog, match="line 5: has 2 cells, expected 9"):
        open_log(file, how=how)
    with pytest.raises(BadLog, match="needs a mapping of its columns, or a format"):
        open_log(file)
    with pytest.raises(BadLog, match="there is no such file"):
        open_log(tmp_path / "none.csv", how=how)


CB_ADF = """shared |user age:2 male
0:-1:0.75 |action cheap
|action dear

shared |user age:1
|action cheap
0:-0.5:0.25 |action dear
"""


@pytest.fixture
def far_east(monkeypatch):
    """A machine whose own time is nine hours ahead of UTC."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("far_east")
def test_a_time_without_a_zone_is_in_utc_wherever_it_is_read(tmp_path):
    table = tmp_path / "log.csv"
    table.write_text("model,p,stars,at\nsmall,1,1,2024-01-01 00:00:00\nsmall,1,1,1704067201\n")
    names = {"arm": "model", "propensity": "p", "quality": "stars", "create_time": "at"}
    said = {"_label_cost": -1, "_label_probability": 1, "a": [1], "p": [1]}
    (tmp_path / "log.dsjson").write_text(json.dumps(said | {"Timestamp": "2024-01-01T00:00:02"}))

    read = open_log(table, how=mapped(names, "map")).whole()
    vowpal = open_log(tmp_path / "log.dsjson").whole()

    assert read.times.tolist() == [1704067200, 1704067201]
    assert vowpal.times.tolist() == [1704067202]


def test_text_of_vowpal_wabbit(tmp_path):
    (tmp_path / "log.vw").write_text(CB_ADF)
    reading = Reading(dimensions=64)
    whole = open_log(tmp_path / "log.vw", reading=reading).whole()

    assert whole.arms == ("1", "2")
    assert whole.chosen.tolist() == [0, 1]
    np.testing.assert_array_equal(whole.propensities, [0.75, 0.25])
    np.testing.assert_array_equal(whole.quality, [1.0, 0.5])
    assert whole.probabilities is None
    # One feature of value 2 and one of 1, whatever the places and signs of their hashes.
    assert sorted(np.abs(whole.contexts[0][whole.contexts[0] != 0.0])) == [1.0, 1.0, 2.0]
    place = int(np.argmax(np.abs(whole.contexts[0, :-1])))
    assert whole.contexts[1, place] == whole.contexts[0, place] / 2


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (CB_ADF.replace("0:-0.5:0.25 ", ""), "line 5: has 0 labels"),
        (CB_ADF.replace("0:-0.5:0.25 ", "0:-0.5 "), "line 5: label is '0:-0.5'"),
        (CB_ADF.replace("0:-0.5", "0:2.5"), r"line 5: quality is -2.5, expected in \[0, 1\]"),
    ],
)
def test_bad_text_of_vowpal_wabbit_is_refused(text, complaint, tmp_path):
    (tmp_path / "log.vw").write_text(text)
    with pytest.raises(BadLog, match=complaint):
        open_log(tmp_path / "log.vw")


def test_dsjson(tmp_path):
    lines = [
        {
            "_label_cost": 0.25,
            "_label_probability": 0.8,
            "_label_Action": 2,
            "_labelIndex": 1,
            "Timestamp": "2024-01-01T00:00:00Z",
            "EventId": "e1",
            "a": [2, 1],
            "c": {"User": {"id": "x", "age": 3}, "_multi": [{"A": 1}, {"A": 2}]},
            "p": [0.8, 0.2],
        },
        {"_label_cost": 1, "a": [1, 2], "c": {}, "p": [0.4, 0.6]},
        {"_label_cost": 0, "a": [1, 2], "c": {}, "p": [0.4, 0.6], "pdrop": 0.5},
        {"a": [1, 2], "p": [0.4, 0.6]},
    ]
    file = tmp_path / "log.dsjson"
    file.write_text("\n".join(map(json.dumps, lines[:2])))
    whole = open_log(file, reading=Reading(cost_is="loss", dimensions=16)).whole()

    assert whole.arms == ("2", "1")
    np.testing.assert_array_equal(whole.quality, [0.75, 0.0])
    np.testing.assert_array_equal(whole.probabilities, [[0.8, 0.2], [0.6, 0.4]])
    np.testing.assert_array_equal(whole.propensities, [0.8, 0.4])
    assert whole.times[0] == 1704067200.0
    assert math.isnan(whole.times[1])
    assert set(np.abs(whole.contexts[0, :-1])) >= {3.0}
    file.write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(BadLog, match=r"line 3: cannot be read: pdrop is set.*2 refused"):
        open_log(file, reading=Reading(cost_is="loss"))
    with pytest.raises(InvalidField, match="must be negative or loss, not 'gain'"):
        Reading(cost_is="gain")


OPEN_BANDIT = (
    "timestamp,item_id,position,click,propensity_score,user_feature_0,user_feature_1,"
    "user_feature_2,user_feature_3\n"
    "2019-11-24 00:00:01+00:00,7,2,1,0.0125,a,b,c,d\n"
    "2019-11-24 00:00:01+00:00,9,3,0,0.0125,a,b,c,d\n"
)


def test_the_open_bandit_format(tmp_path):
    (tmp_path / "all_random.csv").write_text(OPEN_BANDIT)
    whole = open_log(tmp_path / "all_random.csv", form="open-bandit").whole()

    assert whole.arms == ("7", "9")
    np.testing.assert_array_equal(whole.contexts[:, :3], [[0, 1, 0], [0, 0, 1]])
    np.testing.assert_array_equal(whole.contexts[0, 3:], whole.contexts[1, 3:])
    assert whole.clusters[0] == whole.clusters[1]
    (tmp_path / "odd.csv").write_text(OPEN_BANDIT.replace(",9,3,", ",9,4,"))
    with pytest.raises(BadLog, match="line 3: position is '4'"):
        open_log(tmp_path / "odd.csv", form="open-bandit")


def test_the_open_bandit_dataset_itself():
    log = open_log(real_data("open_bandit") / "all_random.csv.gz", form="open-bandit")
    whole = log.whole()

    assert (log.count, len(log.arms), log.refused) == (10_000, 80, 0)
    assert whole.quality.mean() == pytest.approx(0.0038)
    np.testing.assert_allclose(whole.propensities, 1 / 80)
