"""How hard a text is to read, and labels that queries bring, as features."""

import numpy as np
import pytest

from bandit_service.configuration import check
from bandit_service.errors import InvalidField, WrongContext
from bandit_service.features import features_of, text_features, vector_features
from bandit_service.features.readability import readability, syllables
from bandit_service.model import Features, TextFeatures
from tests.builders import a_config, shape_of

# Syllables as dictionaries hyphenate them.
COUNTED = {
    "the": 1, "cat": 1, "make": 1, "table": 2, "people": 2, "reading": 2, "university": 5,
    "complexity": 4, "understand": 3, "science": 2, "banana": 3, "house": 1, "queue": 1, "a": 1,
}  # fmt: skip


def test_syllables_are_those_of_the_dictionary_but_for_a_few():
    right = [word for word, count in COUNTED.items() if syllables(word) == count]

    assert len(right) >= len(COUNTED) - 1, set(COUNTED) - set(right)


def test_readability_is_100_less_the_flesch_reading_ease():
    """Six words of one syllable in two sentences: ease 206.835 - 1.015 * 3 - 84.6 = 119.19, so 0.
    Twelve syllables in three words of one sentence: 206.835 - 3.045 - 338.4 < 0, so 1."""
    easy, hard = "The cat sat. The dog ran.", "Universities understand complexity."
    middling = "The people make a table."  # 7 syllables, 5 words: 206.835 - 5.075 - 118.44 = 83.32

    assert readability([easy, hard, middling, "", "12 + 3"]).tolist() == pytest.approx(
        [0.0, 1.0, (100 - 83.32) / 100, 0.0, 0.0], abs=1e-9
    )


def test_they_stand_between_the_statistics_and_the_constant():
    plain = text_features(64)
    rich = text_features(64, readability=True, labels=("code", "maths", "chat"))
    texts = ["The people make a table.", "Universities understand complexity."]

    made = rich.from_texts(texts, [("maths", "unheard of"), ()])

    assert rich.dim == plain.dim + 4
    np.testing.assert_array_equal(made[:, :72], plain.from_texts(texts)[:, :72])
    np.testing.assert_allclose(made[:, 72], readability(texts))
    np.testing.assert_array_equal(made[:, 73:76], [[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    np.testing.assert_array_equal(made[:, 76], 1.0)
    np.testing.assert_array_equal(rich.from_texts(texts)[:, 73:76], 0.0)
    np.testing.assert_array_equal(
        plain.from_texts(texts, [("code",), ()]), made[:, [*range(72), 76]]
    )


def test_versions_tell_which_labels_there_are_and_in_what_order():
    versions = {
        text_features(64, *more).version
        for more in ((), (True,), (True, ("a",)), (True, ("a", "b")), (True, ("b", "a")))
    }

    assert len(versions) == 5
    assert text_features(64).version.endswith("+statistics-8+constant")  # as before there were any


def test_equal_configurations_give_the_same_map():
    text = TextFeatures(dimensions=32, readability=True, labels=("a", "b"))

    assert features_of(Features(text=text)) is features_of(Features(text=text))
    assert shape_of(Features(text=text)).dim == 32 + 8 + 1 + 2 + 1


def test_vectors_take_no_texts_with_labels_either():
    with pytest.raises(WrongContext, match="need a vector of 2 numbers, got text"):
        vector_features(2).from_texts(["x"], [("a",)])


@pytest.mark.parametrize(
    ("labels", "field"),
    [
        (("a", "a"), "features.text.labels[1]"),
        (("",), "features.text.labels[0]"),
        (("a\n",), "features.text.labels[0]"),
        (tuple(map(str, range(65))), "features.text.labels"),
    ],
)
def test_labels_that_make_no_sense_are_refused(labels, field):
    features = Features(text=TextFeatures(labels=labels))

    with pytest.raises(InvalidField) as refused:
        check(a_config(features=features), shape_of)

    assert refused.value.field == field
