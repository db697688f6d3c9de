"""RouterBench's table, and pickles, which are read without being run."""

import contextlib
import os
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.io.pickle import to_pickle  # type: ignore[attr-defined,unused-ignore]

from bandit_service.errors import BadTable
from bandit_service.evaluation.importers import inert_pickle, pickled_frame, routerbench
from bandit_service.evaluation.importers.inert_pickle import Call, Global, NotReadable
from bandit_service.model import Arm
from tests.evaluation.old_pickles import OLD_PICKLES

# -- pickles --------------------------------------------------------------------------


@pytest.fixture
def pickled(tmp_path):
    """pandas pickles anything; gives the file."""

    def make(value, protocol, name="value.pkl"):
        to_pickle(value, tmp_path / name, compression=None, protocol=protocol)
        return tmp_path / name

    return make


SHARED = ["in two places"]
PLAIN = [
    *(None, True, False, 0, -1, 255, 65536, -(2**31), 2**63, -(10**40), 1.5, -0.0, 5e-324),
    *("", "text", "é \u2028 \U0001f600", "x" * 70_000, b"", b"\x00\xff", b"y" * 300),
    *((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [], [1, [2, [3]]], {}, {"a": {"b": (1,)}, 2: []}),
    [SHARED, SHARED],
    list(range(3000)),
    {str(number): number for number in range(3000)},
]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_plain_data_comes_out_as_it_was(pickled, protocol):
    plain = [value for value in PLAIN if protocol > 2 or not isinstance(value, bytes)]

    assert inert_pickle.read(pickled(plain, protocol).read_bytes()) == plain


def test_bytearrays_of_protocol_5_come_out_as_they_were(pickled):
    assert inert_pickle.read(pickled(bytearray(b"abc"), 5).read_bytes()) == b"abc"


def test_a_list_that_holds_itself_is_followed_once(pickled):
    knot: list[Any] = [1]
    knot.append(knot)

    read = inert_pickle.read(pickled(knot, 4).read_bytes())

    assert read[0] == 1
    assert read[1] is read


class Order:
    """What a crafted pickle gives orders with."""

    def __init__(self, function, *arguments):
        self.order = (function, arguments)

    def __reduce__(self):
        return self.order


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_a_call_is_written_down_and_not_made(pickled, tmp_path, protocol):
    touched = tmp_path / "touched"
    path = pickled(Order(os.mkdir, str(touched)), protocol)

    tree = inert_pickle.read(path.read_bytes())

    assert isinstance(tree, Call)
    assert isinstance(tree.function, Global)
    assert tree.function.name == "mkdir"
    assert tree.arguments == (str(touched),)
    assert not touched.exists()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is no complete pickle"),
        (b"sample_id,prompt\n", "is no complete pickle"),
        (b"\x80\x04]", "is no complete pickle"),
        (b"\x80\x04a.", "is no complete pickle"),
        (b"\x80\x04h\x07.", "is no complete pickle"),
        (b"\x80\x04}]Ns.", "has a key that is neither text nor a number"),
        (b"\x80\x04NNb.", "sets the state of something that is no object"),
        (b"\x80\x04NNa.", "appends to something that is no list"),
        (b"\x80\x04NNNs.", "sets items of something that is no dict"),
        (b"(cos\nsystem\nVls\no.", "uses the opcode OBJ"),
        (b"(Vls\nios\nsystem\n.", "uses the opcode INST"),
        (b"Pname\n.", "uses the opcode PERSID"),
        (b"\x80\x02\x82\x01.", "uses the opcode EXT1"),
        (b"\x80\x05\x97.", "uses the opcode NEXT_BUFFER"),
    ],
)
def test_what_is_no_plain_pickle_is_refused(data, reason):
    with pytest.raises(NotReadable, match=reason):
        inert_pickle.read(data)


DEEP = 60_000


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"]" * DEEP + b"a" * (DEEP - 1), "has list where a DataFrame is expected"),
        (b"}" + b")" + b"\x85" * DEEP + b"Ns", "has a key that is neither text nor a number"),
        (b")" + b"\x85" * DEEP + b"\x8c\x01x\x93", "asks for something whose name is no text"),
        (b"]" + b")R" * DEEP, "has Call where a DataFrame is expected"),
    ],
)
def test_nesting_without_end_is_refused_and_overflows_nothing(tmp_path, data, reason):
    path = tmp_path / "deep.pkl"
    path.write_bytes(b"\x80\x04" + data + b".")

    with pytest.raises(BadTable, match=reason):
        pickled_frame.read(path)


# -- RouterBench ------------------------------------------------------------------------

FRAME = pd.DataFrame(
    {
        "sample_id": ["a.1", "a.2"],
        "prompt": ["['Be brief.', '1 + 1?']", "['2 + 2?']"],
        "eval_name": ["math", "math"],
        "small": [1.0, 0.25],
        "small|total_cost": [1e-4, 2e-4],
        "small|model_response": ["['2']", "['5']"],
        "big|total_cost": [1e-3, 3e-3],
        "big": [1.0, 0.5],
        "oracle_model_to_route_to": ["small", "big"],
    }
)


def with_objects(frame):
    """As the published table is: text of dtype object, in the names of columns too."""
    texts = {name: object for name in frame.columns if frame[name].dtype == "str"}
    return frame.astype(texts).set_axis(pd.Index(list(frame.columns), dtype=object), axis=1)


def is_the_frame(table):
    assert table.query_ids == ("a.1", "a.2")
    assert table.tasks == ("math", "math")
    assert table.prompts == ("Be brief.\n\n1 + 1?", "2 + 2?")
    assert table.arms == (Arm(name="small"), Arm(name="big"))
    np.testing.assert_array_equal(table.quality, [[1.0, 1.0], [0.25, 0.5]])
    np.testing.assert_array_equal(table.cost_usd, [[1e-4, 1e-3], [2e-4, 3e-3]])
    for unknown in (table.latency_seconds, table.energy_joules, table.input_tokens):
        assert np.isnan(unknown).all()


@pytest.mark.parametrize("name", OLD_PICKLES)
def test_pickles_of_older_pandas_are_read(tmp_path, name):
    path = tmp_path / "routerbench_0shot.pkl"
    path.write_bytes(OLD_PICKLES[name])

    table = routerbench.read(path)

    is_the_frame(table)
    assert table.name == "routerbench_0shot"


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickles_of_this_pandas_are_read(pickled, protocol):
    is_the_frame(routerbench.read(pickled(with_objects(FRAME), protocol)))


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("order", ["sorted", "columns turned", "sliced"])
def test_memory_in_another_order_is_read_in_the_right_one(pickled, order, protocol):
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(rng.random((7, 4)), columns=list("abcd"))
    frame["e"] = np.arange(7)
    frame["f"] = np.arange(7) % 2 == 0
    frame["g"] = np.array([None, 1, "x", 2.5, np.float64(3), np.int64(4), True], dtype=object)
    turned = {
        "sorted": frame.sort_values("a"),
        "columns turned": frame[list(frame.columns[::-1])],
        "sliced": frame.iloc[1::2],
    }[order]
    made = turned.set_axis(pd.Index(list(turned.columns), dtype=object), axis=1)
    made = made.assign(h=np.arange(len(made), dtype=">f4"))

    columns = pickled_frame.read(pickled(made, protocol))

    assert list(columns.cells) == list(made.columns)
    for name in made.columns:
        assert columns.cells[name] == made[name].tolist()


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".parquet"])
def test_exports_of_the_table_are_read_too(tmp_path, ending):
    path = tmp_path / f"table{ending}"
    if ending == ".parquet":
        FRAME.to_parquet(path)
    else:
        FRAME.to_csv(path)

    is_the_frame(routerbench.read(path))


def test_an_order_in_a_cell_is_refused_and_not_carried_out(pickled, tmp_path):
    touched = tmp_path / "touched"
    frame = with_objects(FRAME)
    frame["small"] = np.array([Order(os.mkdir, str(touched)), 1.0], dtype=object)
    path = pickled(frame, 4)

    with pytest.raises(BadTable) as refused:
        routerbench.read(path)

    assert str(refused.value) == (
        f"{path}: has a call of 'posix.mkdir' where text or a number in a cell is expected; "
        "export it to CSV or Parquet with pandas, where you trust its maker; nothing of it was run"
    )
    assert not touched.exists()


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"a": 1}, "has dict where a DataFrame is expected"),
        (Order(eval, "1 + 1"), "has a call of 'builtins.eval' where a DataFrame is expected"),
        (pd.Series([1.0]), "has a call of 'pandas.Series' where a DataFrame is expected"),
        (FRAME, "has a call of 'pandas.arrays.ArrowStringArray' where an array of numbers or"),
        (
            with_objects(FRAME).assign(small=pd.Timestamp(0)),
            "where an array of numbers or objects is expected",
        ),
    ],
)
def test_another_pickle_is_refused_in_one_line(pickled, value, found):
    with pytest.raises(BadTable, match=found) as refused:
        routerbench.read(pickled(value, 4))

    assert "\n" not in str(refused.value)


@settings(max_examples=100, deadline=None)
@given(
    name=st.sampled_from(sorted(OLD_PICKLES)),
    changes=st.lists(st.tuples(st.integers(0, 1500), st.integers(0, 255)), min_size=1, max_size=6),
    cut=st.integers(0, 2000),
)
def test_damaged_pickles_are_refused_or_read_and_never_anything_else(
    tmp_path_factory, name, changes, cut
):
    damaged = bytearray(OLD_PICKLES[name])
    for place, value in changes:
        damaged[place % len(damaged)] = value
    path = tmp_path_factory.getbasetemp() / "damaged.pkl"
    path.write_bytes(damaged[: cut or None])

    # Whatever else is raised fails the test.
    with contextlib.suppress(BadTable):
        columns = pickled_frame.read(path)
        assert all(len(cells) == len(columns) for cells in columns.cells.values())


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            {"columns": ["eval_name"]},
            ": needs a column 'eval_name'; its columns are: sample_id, prompt, small, "
            "small|total_cost, small|model_response, big|total_cost, big, "
            "oracle_model_to_route_to",
        ),
        (
            {"columns": ["small|total_cost", "big"]},
            ": has no pair of columns '<model>' and '<model>|total_cost'",
        ),
        ({"small": [1.0, 1.5]}, ", row 3: small is 1.5, expected a number from 0 to 1"),
        (
            {"big|total_cost": [-0.5, 1]},
            ", row 2: big|total_cost is -0.5, expected a number of at least 0",
        ),
        ({"sample_id": ["a", "a"]}, ", row 3: sample_id 'a' stands in row 2 already"),
    ],
)
def test_a_table_that_is_not_routerbench_is_refused(tmp_path, change, line):
    path = tmp_path / "table.csv"
    dropped = change.pop("columns", [])
    FRAME.assign(**change).drop(columns=dropped).to_csv(path, index=False)

    with pytest.raises(BadTable) as refused:
        routerbench.read(path)

    assert str(refused.value) == f"{path}{line}"


def test_a_file_that_is_not_there_or_of_another_kind_is_refused(tmp_path):
    (tmp_path / "table.xlsx").touch()

    with pytest.raises(BadTable, match=r"none\.pkl: cannot be read: No such file or directory$"):
        routerbench.read(tmp_path / "none.pkl")
    with pytest.raises(BadTable, match=r"none\.csv: there is no such file$"):
        routerbench.read(tmp_path / "none.csv")
    with pytest.raises(BadTable, match=r"table\.xlsx: expected a name that ends with one of \.csv"):
        routerbench.read(tmp_path / "table.xlsx")
