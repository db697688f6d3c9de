"""The data files of the paretobandit package."""

import json
import zipfile

import numpy as np
import pytest

from bandit_service.errors import BadTable
from bandit_service.evaluation import importers
from bandit_service.evaluation.importers import paretobandit


def answered(source, **arms):
    answers = {name: {"reward": reward, "cost": cost} for name, (reward, cost) in arms.items()}
    return json.dumps({"prompt": f"of {source}\u2028?", "source": source, "arms": answers})


MODELS = [
    {"model_id": "cheap", "input_cost_per_m": 0.1, "output_cost_per_m": 0.2},
    {"model_id": "dear", "input_cost_per_m": 1, "output_cost_per_m": 10.0},
]
FILES = {
    "val.jsonl": [
        answered("gsm8k", cheap=(0.5, 1e-5), dear=(1, 0.02)),
        answered("mmlu", dear=(0, 1)),
    ],
    "test_holdout.jsonl": [answered("mbpp", dear=(0.75, 0.03), cheap=(0, 2e-5))],
}


@pytest.fixture
def package(tmp_path):
    """Makes an unpacked folder."""

    def make(models=MODELS, **changed):
        config, examples = (
            tmp_path / "pareto_bandit" / part for part in ("config", "data/examples")
        )
        for folder in (config, examples):
            folder.mkdir(parents=True, exist_ok=True)
        (config / "models.json").write_text(json.dumps({"models": models}))
        for name, lines in (FILES | changed).items():
            (examples / name).write_text("\n".join(lines) + "\n")
        return tmp_path

    return make


def test_the_packages_files_are_read_from_a_folder_and_from_a_wheel_alike(package):
    folder = package()
    wheel = folder / "paretobandit-0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path in folder.rglob("*.json*"):
            archive.write(path, path.relative_to(folder))

    for table in (paretobandit.read(folder), importers.read("paretobandit", wheel)):
        assert table.query_ids == ("val-00000", "val-00001", "test_holdout-00000")
        assert table.tasks == ("gsm8k", "mmlu", "mbpp")
        assert table.prompts == ("of gsm8k\u2028?", "of mmlu\u2028?", "of mbpp\u2028?")
        assert [arm.name for arm in table.arms] == ["cheap", "dear"]
        assert [arm.output_usd_per_million_tokens for arm in table.arms] == [0.2, 10.0]
        np.testing.assert_array_equal(table.quality, [[0.5, 1], [np.nan, 0], [0, 0.75]])
        np.testing.assert_array_equal(table.cost_usd, [[1e-5, 0.02], [np.nan, 1], [2e-5, 0.03]])


VAL = "pareto_bandit/data/examples/val.jsonl"


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        (
            {"val.jsonl": [*FILES["val.jsonl"], answered("x", cheap=(1.5, 0))]},
            f", {VAL}, row 3: reward is 1.5, expected a number from 0 to 1",
        ),
        (
            {"val.jsonl": [answered("x", cheap=(1, -2))]},
            f", {VAL}, row 1: cost is -2, expected a number of at least 0",
        ),
        (
            {"val.jsonl": [answered("x", cheap=("good", 0))]},
            f", {VAL}, row 1: reward is 'good', expected a number, or nothing where unknown",
        ),
        ({"val.jsonl": ["{"]}, f", {VAL}, row 1: is not JSON: Expecting property name"),
        ({"val.jsonl": ["[]"]}, f", {VAL}, row 1: expected an object with `arms`"),
        (
            {"models": [{"model_id": "a"}]},
            ", pareto_bandit/config/models.json: expected models with model_id and costs",
        ),
    ],
)
def test_files_that_are_not_the_packages_are_refused(package, changed, line):
    folder = package(**changed)

    with pytest.raises(BadTable) as refused:
        paretobandit.read(folder)

    assert str(refused.value).startswith(f"{folder}{line}")


def test_a_folder_or_archive_without_the_files_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "other.whl", "w") as archive:
        archive.writestr("other.txt", "")
    (tmp_path / "no.whl").write_text("no zip")

    for source, reason in [
        (tmp_path, "does not have all files of paretobandit: .*val.jsonl"),
        (tmp_path / "other.whl", "does not have all files of paretobandit: .*val.jsonl"),
        (tmp_path / "no.whl", "is not a wheel of paretobandit: File is not a zip file"),
        (tmp_path / "none.whl", "does not have all files of paretobandit: .*none.whl"),
    ]:
        with pytest.raises(BadTable, match=reason):
            paretobandit.read(source)
