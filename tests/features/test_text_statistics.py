"""The eight statistics against formulas worked out by hand."""

from math import log

import numpy as np
import pytest

from bandit_service.features.text_statistics import MATHS_SIGNS, NAMES, text_statistics


def statistics_of(text):
    return dict(zip(NAMES, text_statistics([text])[0], strict=True))


def test_every_statistic_of_a_short_question_agrees_with_its_formula():
    # 25 characters; 2 sentence ends; digits 1 2 3 4; one +, one =; words: what is 12 34 it is.
    found = statistics_of("What is 12 + 34 =? It is.")

    assert found == pytest.approx(
        {
            "length": log(26) / log(8193),
            "sentences": log(3) / log(257),
            "code": 0.0,
            "digits": 4 * 4 / 25,
            "maths": 10 * 2 / 25,
            "questions": log(3) / log(17),  # "?" and "what"
            "non_ascii": 0.0,
            "variety": 5 / 6,  # "is" twice
        }
    )


def test_signs_beyond_ascii_count_as_characters_not_as_bytes():
    # 40 characters, 2 beyond ASCII, both maths signs; full-width question mark ends a sentence.
    found = statistics_of("\u221a2 \u2264 2" + " " * 33 + "\uff1f")

    assert found["non_ascii"] == pytest.approx(3 / 40)
    assert found["maths"] == pytest.approx(10 * 2 / 40)
    assert found["questions"] == pytest.approx(log(2) / log(17))
    assert found["sentences"] == pytest.approx(log(2) / log(257))


@pytest.mark.parametrize("sign", MATHS_SIGNS)
def test_every_maths_sign_is_one_character_beyond_ascii(sign):
    assert len(sign) == 1
    assert not sign.isascii()


def test_a_fence_makes_a_text_code_whatever_else_is_in_it():
    assert statistics_of("see ```x``` " + "and so on " * 100)["code"] == 1.0


def test_without_a_fence_code_is_five_times_the_share_of_code_characters():
    assert statistics_of("f[a]; " + "x" * 24)["code"] == pytest.approx(5 * 3 / 30)


def test_dots_inside_numbers_and_names_end_no_sentence():
    assert statistics_of("pi is 3.14 in a.b.c")["sentences"] == 0.0


def test_each_statistic_stays_within_zero_and_one():
    texts = [
        "",
        " ",
        "0" * 8192,
        "?" * 8192,
        ". " * 4096,
        "+=" * 4096,
        "{}" * 4096,
        "\u00e9" * 8192,
    ]

    found = text_statistics(texts)

    assert found.min() == 0.0
    assert found.max() == 1.0


def test_a_text_without_words_has_no_variety():
    assert statistics_of("?!, --")["variety"] == 0.0


def test_no_texts_give_no_rows():
    assert text_statistics([]).shape == (0, len(NAMES))


def test_an_empty_text_is_all_zeros():
    np.testing.assert_array_equal(text_statistics([""]), np.zeros((1, len(NAMES))))
