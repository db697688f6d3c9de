"""The bundled sample, and the real sets where they are at hand."""

import numpy as np
import pytest

from bandit_service.evaluation.bundled import bundled_table
from bandit_service.evaluation.loading import load, load_pairs
from bandit_service.sample import load_sample
from tests.evaluation.real_data import real_data


def test_the_bundled_table_is_the_sample_with_its_embeddings_as_contexts():
    table, sample = bundled_table(), load_sample()

    np.testing.assert_array_equal(table.quality, sample.quality)
    np.testing.assert_array_equal(table.cost_usd, sample.cost_usd)
    np.testing.assert_array_equal(table.contexts, sample.embeddings)
    assert table.arm_names == sample.arms
    assert [arm.output_usd_per_million_tokens for arm in table.arms] == [0.1, 1.5, 10.0]
    assert len(set(table.query_ids)) == 1000
    assert table.prompts is None


# From the reference tables of the sets' own READMEs, computed by other code: queries, arms, best
# single arm with its mean quality and cost (USD a query), mean quality of an even choice.
REFERENCES = [
    ("routerbench", 2201, 11, "gpt-4-1106-preview", 0.8764, 0.005004, 0.6797),
    ("llmrouter", 4203, 9, "llama-3.1-nemotron-51b-instruct", 0.6262, None, 0.4271),
    ("paretobandit", 2477, 4, "google/gemini-2.5-pro", 0.9354, 0.01478, 0.8961),
    ("routellm", 10841, 2, "gpt-4-1106-preview", 0.8140, 0.001347, 0.7464),
    ("routerarena", 559, 2, "gemini-2.0-flash-001", 0.6798, 4.799e-05, 0.5975),
    ("llmdrift", 1105, 4, "gpt-4-0314", 0.8281, 0.03535, 0.5722),
    ("alpacaeval", 566, 56, "FuseChat-Gemma-2-9B-Instruct", 0.7197, 0.0001533, 0.1166),
]


@pytest.mark.parametrize(
    ("name", "queries", "arms", "best", "quality", "cost", "even"),
    REFERENCES,
    ids=[row[0] for row in REFERENCES],
)
def test_real_sets_agree_with_their_reference_tables(
    name, queries, arms, best, quality, cost, even
):
    table = load(real_data(name))

    assert (len(table), len(table.arms)) == (queries, arms)
    means = np.nanmean(table.quality, axis=0)
    slot = int(means.argmax())
    assert table.arm_names[slot] == best
    assert f"{means[slot]:.4f}" == f"{quality:.4f}"
    if cost is None:
        assert np.isnan(table.cost_usd).all()
    else:
        assert f"{np.nanmean(table.cost_usd[:, slot]):.4g}" == f"{cost:.4g}"
    answered_by_all = table.offered.all(axis=1)
    assert abs(table.quality[answered_by_all].mean() - even) <= 0.00005
    assert table.prompts is not None
    assert table.contexts is None


def test_real_verdicts():
    assert len(load_pairs(real_data("pandalm"))) == 2187
    assert len(load_pairs(real_data("alpacaeval"))) == 60507
