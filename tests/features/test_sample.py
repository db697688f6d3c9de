"""The bundled sample is what it says it is."""

from dataclasses import fields
from importlib import resources

import numpy as np
import pytest

from bandit_service.sample import load_sample
from bandit_service.sample.load import FILE_NAME

# Over all 3,609 queries of the source: mean and standard deviation of quality and of cost in USD.
WHOLE = {
    "meta-llama/llama-3.1-8b-instruct": (0.790964, 0.2155, 2.89338e-05, 2.345e-05),
    "mistralai/mistral-large-2512": (0.923900, 0.1112, 0.00051495, 0.0005017),
    "google/gemini-2.5-pro": (0.933549, 0.0977, 0.0150967, 0.009498),
}


@pytest.fixture(scope="module")
def sample():
    return load_sample()


def test_a_thousand_queries_meet_three_arms_with_their_list_prices(sample):
    assert sample.arms == tuple(WHOLE)
    assert sample.embeddings.shape == (1000, 64)
    assert sample.tasks.shape == (1000,)
    for table in (sample.quality, sample.cost_usd, sample.input_tokens, sample.output_tokens):
        assert table.shape == (1000, 3)
    np.testing.assert_array_equal(sample.input_usd_per_million_tokens, [0.1, 0.5, 1.25])
    np.testing.assert_array_equal(sample.output_usd_per_million_tokens, [0.1, 1.5, 10.0])


def test_quality_and_cost_are_known_and_in_range(sample):
    assert ((sample.quality >= 0) & (sample.quality <= 1)).all()
    assert ((sample.cost_usd > 0) & (sample.cost_usd < 1)).all()


def test_token_counts_the_source_does_not_give_are_unknown_not_zero(sample):
    assert np.isnan(sample.input_tokens).all()
    assert np.isnan(sample.output_tokens).all()


def test_embeddings_are_distinct_and_of_unit_length(sample):
    # stored in single precision: each of 64 squares is off by at most 1.2e-7 of itself
    np.testing.assert_allclose(np.linalg.norm(sample.embeddings, axis=1), 1.0, atol=2e-7)
    assert len(np.unique(sample.embeddings, axis=0)) > 990
    assert sample.embeddings.dtype == np.float64


@pytest.mark.parametrize("arm", range(3))
def test_means_agree_with_the_whole_source(sample, arm):
    # Within 4 standard errors of a simple random sample of 1,000 out of 3,609 without
    # replacement; stratifying by task only makes them smaller.
    quality, quality_sd, cost, cost_sd = WHOLE[sample.arms[arm]]
    errors = np.sqrt((1 - 1000 / 3609) / 1000)

    assert abs(sample.quality[:, arm].mean() - quality) < 4 * errors * quality_sd
    assert abs(sample.cost_usd[:, arm].mean() - cost) < 4 * errors * cost_sd


def test_each_task_has_its_share_and_the_order_is_shuffled(sample):
    names, counts = np.unique(sample.tasks, return_counts=True)
    found = dict(zip(names, counts, strict=True))

    # shares of 3,609: mmlu 796, gsm8k 720, bbh/snarks 52; rounded up or down
    assert found["mmlu"] in (220, 221)
    assert found["gsm8k"] in (199, 200)
    assert found["bbh/snarks"] in (14, 15)
    # Neighbours share a task about as often as chance has it (sum of squared shares, 0.125),
    # within 4 standard errors of 999 pairs; in blocks they nearly always would.
    chance = float(np.sum((counts / 1000) ** 2))
    together = np.mean(sample.tasks[1:] == sample.tasks[:-1])
    assert abs(together - chance) < 4 * np.sqrt(chance * (1 - chance) / 999)


def test_no_text_longer_than_a_name_is_in_the_file_and_nothing_pickled():
    file = resources.files("bandit_service.sample") / FILE_NAME

    with file.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
        texts = {name: stored[name] for name in stored.files if stored[name].dtype.kind != "f"}

    assert set(texts) == {"tasks", "arms"}
    for array in texts.values():
        assert array.dtype.kind == "U"
        assert max(map(len, array)) < 50
        assert not any(" " in name for name in array)


def test_the_file_is_small_enough_to_ship():
    file = resources.files("bandit_service.sample") / FILE_NAME

    assert len(file.read_bytes()) < 500_000


def test_two_loads_share_no_memory():
    first, second = load_sample(), load_sample()

    for field in fields(first):
        if field.name != "arms":
            assert not np.shares_memory(getattr(first, field.name), getattr(second, field.name))
