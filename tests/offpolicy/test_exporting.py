"""What is written, against rows put together by hand and `json.dumps`: byte for byte."""

import gc
import gzip
import json
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest

from bandit_service.evaluation.logs import stored
from bandit_service.evaluation.logs.exporting import uncollected, write
from bandit_service.evaluation.logs.outcomes import told
from bandit_service.model import Kind, Outcome, Source
from bandit_service.ports import LogColumns
from bandit_service.store import open_log_reader
from tests.builders import NOW
from tests.offpolicy.test_stored import CHANCES, COUNT, decisions, outcomes, url

__all__ = ["url"]  # a fixture
NAMES = ("small", "large")


def by_hand():
    """The rows of `test_stored`, in the order of `Row`, without what is not known."""
    said: dict[tuple[str, int], list[Outcome]] = {}
    for one in outcomes():
        said.setdefault((one.decision_id, one.arm), []).append(one)
    for at, decision in enumerate(decisions(1)):
        mine = said.get((decision.id, decision.arm), [])
        usages = [one.usage for one in mine if one.usage is not None]
        # The user's score before the judge's, and before his own thumb.
        qualities = {(one.source, one.kind): one.value for one in mine if one.usage is None}
        found = [
            qualities.get((source, kind))
            for source in (Source.USER, Source.JUDGE)
            for kind in (Kind.SCORE, Kind.SUCCESS)
        ]
        row: dict[str, Any] = {"arm": NAMES[decision.arm]}
        if at != 2:
            row["propensity"] = decision.propensity
        chances = np.frombuffer(decision.probabilities).tolist()
        row["probabilities"] = {
            name: chance
            for name, chance, code in zip(NAMES, chances, decision.exclusions, strict=True)
            if code == 0
        }
        row["context"] = np.frombuffer(decision.context).tolist()
        told_of = [each for each in found if each is not None]
        row |= {"quality": told_of[0]} if told_of else {}
        if usages:
            row |= {"cost_usd": 0.01, "latency_seconds": 1.5, "energy_joules": 3.0}
            row["energy_source"] = "measured"
        row["create_time"] = NOW + at
        if at < 4:
            row["session"] = b"s".hex()
        row |= {
            "policy": "chat",
            "revision": 1,
            "feature_version": decision.feature_version,
            "decision_id": decision.id,
        }
        row |= {"sticky": True} if decision.sticky else {}
        row |= (
            {"second_arm": "large", "pair_propensity": 0.25, "preference": 1.0} if at == 2 else {}
        )
        yield row


@pytest.fixture
def batches(url, monkeypatch):
    monkeypatch.setattr("bandit_service.store.log_reader.PAGE", 7)
    reader = open_log_reader(url)
    yield lambda: stored.batches(reader, "chat")
    reader.close()


@pytest.mark.parametrize("name", ["log.jsonl", "log.jsonl.gz"])
def test_json_lines_are_those_of_the_standard_library(batches, tmp_path, name):
    assert write(batches(), tmp_path / name) == COUNT
    opened = gzip.open if name.endswith("gz") else open
    with opened(tmp_path / name, "rb") as stream:
        lines = stream.read().decode().splitlines()
    assert lines == [json.dumps(row, separators=(",", ":")) for row in by_hand()]


def test_parquet_says_the_same(batches, tmp_path):
    write(batches(), tmp_path / "log.parquet")
    found = pyarrow.parquet.read_table(tmp_path / "log.parquet").to_pylist()
    defaults = {"forced": False, "observed": False, "degraded": False, "segment": ""}
    for row, wanted in zip(found, by_hand(), strict=True):
        row["probabilities"] = dict(row["probabilities"])
        known = {name: value for name, value in row.items() if value is not None}
        assert known == {"sticky": False} | defaults | wanted


def test_names_that_json_escapes_and_arms_that_were_closed(batches, tmp_path):
    first, *_ = batches()
    names = NAMES
    for names in (("small", 'a "large" one'), ("klein", "größer\\☃")):
        first.names = names
        write([first], tmp_path / "log.jsonl")
        for line, wanted in zip(
            (tmp_path / "log.jsonl").read_text("utf-8").splitlines(), by_hand(), strict=False
        ):
            chances = dict(zip(names, wanted["probabilities"].values(), strict=True))
            assert json.loads(line)["probabilities"] == chances
    first.probabilities[0, 0] = np.nan
    first.probabilities[1] = np.nan
    write([first], tmp_path / "log.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text("utf-8").splitlines()]
    assert lines[0]["probabilities"] == {names[1]: CHANCES[1]}
    assert "probabilities" not in lines[1]
    assert lines[3]["probabilities"] == dict(zip(names, CHANCES, strict=True))


def plainly(page, listened):
    """The qualities and costs that count, one decision after the other."""
    fineness = {"score": 1, "success": 0}
    for row, arm in enumerate(page.decisions["arm"]):
        mine = [
            dict(zip(page.outcomes, values, strict=True))
            for values in zip(*page.outcomes.values(), strict=True)
        ]
        mine = [one for one in mine if one["row"] == row and one["arm"] == arm]
        spoken = [one for one in mine if one["kind"] in fineness and one["source"] in listened]
        best = min(
            spoken,
            key=lambda one: (listened.index(one["source"]), -fineness[one["kind"]]),
            default={"value": None},
        )
        used = min(
            (one for one in mine if one["kind"] == "usage"),
            key=lambda one: list(Source).index(one["source"]),
            default={"cost_usd": None, "energy_source": None},
        )
        yield best["value"], used["cost_usd"], used["energy_source"]


@pytest.mark.parametrize("seed", range(5))
def test_of_all_that_stands_the_same_counts_as_read_one_by_one(seed):
    luck = np.random.default_rng(seed)
    count, said = 30, 200

    def some(*choices):
        return [choices[at] for at in luck.integers(len(choices), size=said)]

    decided: dict[str, Any] = {
        "id": [f"d{at}" for at in range(count)],
        "second_arm": [None] * count,
    }
    decided["arm"] = luck.integers(3, size=count).tolist()
    kinds = some("success", "score", "usage", "failure")
    outcome: dict[str, Any] = {
        "row": some(*range(count), None),
        "arm": some(0, 1, 2),
        "kind": kinds,
        "source": some(*(source.value for source in Source)),
        "position": list(range(said)),
        "value": [float(v) if k in ("success", "score") else None
                  for k, v in zip(kinds, luck.random(said), strict=True)],
        "cost_usd": some(None, 0.5, 0.25),
        "latency_seconds": [None] * said,
        "energy_joules": some(None, 1.0),
        "energy_source": some(None, "measured", "estimated"),
    }  # fmt: skip
    page = LogColumns(decided, outcome)
    listened = (Source.USER, Source.JUDGE, Source.EXPERT)
    found = told(page, listened)

    qualities, costs, sources = zip(*plainly(page, [one.value for one in listened]), strict=True)
    np.testing.assert_array_equal(found.outcomes["quality"], np.array(qualities, dtype=float))
    np.testing.assert_array_equal(found.outcomes["cost_usd"], np.array(costs, dtype=float))
    assert found.energy_sources == list(sources)
    assert sum(value is not None for value in qualities) > 10


def test_the_collector_of_cycles_is_as_it_was():
    def failing():
        with uncollected():
            assert not gc.isenabled()
            raise KeyError

    assert gc.isenabled()
    with pytest.raises(KeyError):
        failing()
    assert gc.isenabled()
