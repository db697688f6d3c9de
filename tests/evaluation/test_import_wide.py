"""A wide table, read by a map."""

import numpy as np
import pytest

from bandit_service.errors import BadTable
from bandit_service.evaluation.importers import wide
from bandit_service.model import Arm

WIDE = "id,kind,ask,s,s_usd,b,b_sec\n1,x,hi,1,0.5,10,2\n2,y,,4,,5.5,\n3,y,,,1,,\n"
MAP = {
    "query_id": "id",
    "task": "kind",
    "prompt": "ask",
    "arms": {
        "small": {"quality": "s", "cost_usd": "s_usd", "scale": {"least": 0, "most": 4}},
        "big": {
            "quality": "b",
            "latency_seconds": "b_sec",
            "scale": {"least": 1, "most": 10},
            "input_usd_per_million_tokens": 2,
        },
    },
}


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "table.of.mine.csv"
    path.write_text(WIDE)
    return path


def test_a_wide_table_is_read_by_its_map(source):
    table = wide.read(source, wide.checked_map(MAP, "map.yaml"))

    assert table.name == "table"
    assert table.query_ids == ("1", "2")
    assert table.tasks == ("x", "y")
    assert table.prompts == ("hi", "")
    assert table.arms == (Arm(name="small"), Arm(name="big", input_usd_per_million_tokens=2.0))
    np.testing.assert_array_equal(table.quality, [[0.25, 1.0], [1.0, 0.5]])
    np.testing.assert_array_equal(table.cost_usd, [[0.5, np.nan], [np.nan, np.nan]])
    np.testing.assert_array_equal(table.latency_seconds, [[np.nan, 2.0], [np.nan, np.nan]])
    assert table.notes == ("1 of 3 queries are left out: no quality is known",)


def mapped(**small):
    return {"query_id": "id", "arms": {"small": {"quality": "s"} | small}}


@pytest.mark.parametrize(
    ("mapping", "line"),
    [
        (
            MAP | {"id": "x"},
            "no such key 'id'; there are query_id, arms, task, prompt",
        ),
        (
            mapped(cost="s_usd"),
            "arms[...]: no such key 'cost'; there are quality, cost_usd, latency_seconds, "
            "energy_joules, input_tokens, output_tokens, scale, input_usd_per_million_tokens, "
            "output_usd_per_million_tokens, declared_joules_per_output_token",
        ),
        (
            mapped(scale={"least": 0, "max": 1}),
            "arms[...].scale: no such key 'max'; there are least, most",
        ),
        ({"arms": {}}, "Object missing required field query_id"),
        (mapped(quality=1), "arms[...].quality: Expected str, got int"),
        (mapped(scale={"least": 1, "most": 1}), "arms.small.scale: least must be below most"),
        ({"query_id": "id", "arms": {}}, "arms: expected at least one"),
    ],
)
def test_a_map_that_says_something_unknown_is_refused(mapping, line):
    with pytest.raises(BadTable) as refused:
        wide.checked_map(mapping, "map.yaml")

    assert str(refused.value) == f"map.yaml: {line}"


@pytest.mark.parametrize(
    ("mapping", "line"),
    [
        (
            mapped(quality="score"),
            ": needs a column 'score'; its columns are: id, kind, ask, s, s_usd, b, b_sec",
        ),
        (mapped(), ", row 3: s is 4, expected a number from 0 to 1"),
        (
            mapped(scale={"least": 0, "most": 4}) | {"query_id": "kind"},
            ", row 4: kind 'y' stands in row 3 already",
        ),
        (
            mapped(cost_usd="usd"),
            ": needs a column 'usd'; its columns are: id, kind, ask, s, s_usd, b, b_sec",
        ),
        (mapped(quality="ask"), ", row 2: ask is 'hi', expected a number, or nothing where"),
    ],
)
def test_a_table_that_the_map_does_not_fit_is_refused(source, mapping, line):
    mapping["arms"]["small"].setdefault("scale", {"least": 0, "most": 4})
    if line.startswith(", row 3: s is 4"):
        del mapping["arms"]["small"]["scale"]

    with pytest.raises(BadTable) as refused:
        wide.read(source, wide.checked_map(mapping, "map.yaml"))

    assert str(refused.value).startswith(f"{source}{line}")
