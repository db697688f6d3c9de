"""What both feature maps promise, and where their numbers come from."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from bandit_service.errors import WrongContext
from bandit_service.features import embedding, text_features, vector_features
from bandit_service.features.schema import READ_CHARACTERS
from bandit_service.features.text_statistics import text_statistics

TEXTS = [
    "How do I reverse a linked list in Python?",
    "Translate 'good morning' into French.",
    "Prove that the square root of 2 is irrational. " * 40,
    "def f(x):\n    return x ** 2  # what does this do?",
    "\u6f22\u5b57\u4eee\u540d\u4ea4\u3058\u308a\u6587",
    "x",
    "",
]
ODD_TEXTS = {
    "empty": "",
    "white space": " \n\t ",
    "emoji": "\U0001f600" * 9000,
    "joined emoji": "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "null bytes": "\0" * 100,
    "punctuation": "?!.,;:-" * 50,
    "one word": "a" * 20_000,
    "lone surrogate": "bad \ud800 end",
    "private use": "\ue000\U0010ffff",
    "special tokens": "<s></s><unk>",
    "right to left": "\u202e\u05e9\u05dc\u05d5\u05dd",
}


def test_versions_name_everything_a_context_is_made_of():
    assert vector_features(32).version == "vector.v1:32+constant"
    assert text_features().version == "text.v1:wordllama-0.4-64+statistics-8+constant"
    assert text_features(128).version == "text.v1:wordllama-0.4-128+statistics-8+constant"


@pytest.mark.parametrize("dimensions", [1, 32, 64, 256])
def test_a_text_context_is_unit_embedding_then_scaled_statistics_then_one(dimensions):
    features = text_features(dimensions)

    contexts = features.from_texts(TEXTS[:-1])

    assert contexts.shape == (len(TEXTS) - 1, features.dim) == (6, dimensions + 9)
    np.testing.assert_allclose(np.linalg.norm(contexts[:, :dimensions], axis=1), 1.0, rtol=1e-14)
    # scale 0.5 / sqrt(8): eight statistics in [0, 1] have length 1/2 at most
    scaled = text_statistics(TEXTS[:-1]) * 0.5 / np.sqrt(8)
    np.testing.assert_allclose(contexts[:, dimensions:-1], scaled, rtol=1e-15)
    np.testing.assert_array_equal(contexts[:, -1], 1.0)


def test_the_embedding_is_wordllamas_own_cut_and_normalised():
    found = text_features(64).from_texts(TEXTS[:-1])[:, :64]
    import wordllama  # only now: its import sets up logging unless the line above was first

    folder = Path(wordllama.__file__).parent
    model = wordllama.WordLlama.load(cache_dir=folder, disable_download=True)
    wanted = model.embed(TEXTS[:-1])[:, :64].astype(np.float64)
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)

    np.testing.assert_allclose(found, wanted, atol=2e-6)  # theirs is summed in single precision


def test_the_meaning_of_version_one_has_not_moved():
    # First and last components as this version first gave them. If this fails, so does every
    # state learned under the version: make a new version, do not edit the numbers.
    context = text_features(64).from_texts(["What is the capital of France?"])[0]

    np.testing.assert_allclose(
        context[:4], [0.07279450, -0.07994688, -0.00200396, 0.04886056], atol=1e-7
    )
    np.testing.assert_allclose(
        context[-9:-1],
        [
            0.06736728,
            0.02208156,
            0.00000000,
            0.00000000,
            0.00000000,
            0.06854727,
            0.00000000,
            0.17677670,
        ],
        atol=1e-7,
    )


@pytest.mark.parametrize("size", [2, 3, 7])
def test_a_text_has_the_same_bits_alone_and_in_a_batch(size):
    features = text_features(64)
    alone = np.vstack([features.from_texts([text]) for text in TEXTS])

    batches = [features.from_texts(TEXTS[i : i + size]) for i in range(0, len(TEXTS), size)]

    np.testing.assert_array_equal(np.vstack(batches), alone)


@pytest.mark.parametrize("text", ODD_TEXTS.values(), ids=ODD_TEXTS.keys())
def test_no_text_gives_anything_but_finite_numbers_of_bounded_length(text):
    context = text_features(64).from_texts([text])[0]

    assert np.isfinite(context).all()
    assert np.linalg.norm(context) <= 1.5 + 1e-12  # sqrt(1 + 1/4 + 1)


def test_an_empty_text_is_only_the_constant():
    np.testing.assert_array_equal(text_features(8).from_texts([""])[0], [0.0] * 16 + [1.0])


def test_only_the_first_8192_characters_are_read():
    features = text_features(64)
    start = "a long story " * 1000
    assert len(start) > READ_CHARACTERS == 8192

    contexts = features.from_texts([start, start[:8192] + "?" * 99, start[:8192], start[:8191]])

    np.testing.assert_array_equal(contexts[0], contexts[2])
    np.testing.assert_array_equal(contexts[1], contexts[2])
    assert (contexts[3] != contexts[2]).any()


def test_vectors_come_back_unchanged_with_the_constant_last():
    given = np.array([[0.25, -1.5], [3.0, 0.0]], dtype=np.float32)

    contexts = vector_features(2).from_vectors(given)

    np.testing.assert_array_equal(contexts, [[0.25, -1.5, 1.0], [3.0, 0.0, 1.0]])
    assert contexts.dtype == np.float64


@pytest.mark.parametrize("shape", [(2,), (1, 1), (1, 3), (1, 2, 1)])
def test_vectors_of_another_shape_are_refused(shape):
    with pytest.raises(WrongContext, match="need vectors of 2 numbers"):
        vector_features(2).from_vectors(np.zeros(shape))


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, 1.1e6, -1.1e6])
def test_a_number_that_would_poison_the_state_is_refused_by_its_place(number):
    vectors = np.zeros((3, 2))
    vectors[2, 1] = number

    with pytest.raises(WrongContext, match="number 1 of vector 2 is not finite"):
        vector_features(2).from_vectors(vectors)


def test_each_map_takes_only_its_own_kind_of_input():
    with pytest.raises(WrongContext, match="need a vector of 2 numbers, got text"):
        vector_features(2).from_texts(["hello"])
    with pytest.raises(WrongContext, match="need text, got a vector"):
        text_features(64).from_vectors(np.zeros((1, 72)))


def test_sizes_out_of_range_are_refused():
    with pytest.raises(ValueError, match="need dim >= 1, got 0"):
        vector_features(0)
    for dimensions in (0, 257):
        with pytest.raises(ValueError, match="need dimensions in 1"):
            text_features(dimensions)


def test_an_empty_batch_has_no_rows_and_the_right_width():
    assert vector_features(2).from_vectors(np.zeros((0, 2))).shape == (0, 3)
    assert text_features(64).from_texts([]).shape == (0, 73)


def test_threads_share_one_load_and_get_the_same_bits():
    dimensions = 61  # no other test uses it, so both threads find the weights unloaded
    assert dimensions not in embedding._loaded
    features = text_features(dimensions)

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: features.from_texts(TEXTS), range(20)))

    for contexts in found:
        np.testing.assert_array_equal(contexts, found[0])


def run_apart(code):
    """Runs `code` in a fresh interpreter, where nothing is loaded yet."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_text_needs_no_network():
    run_apart("""
import socket
def refuse(*_, **__): raise AssertionError("went to the network")
class Refused(socket.socket):
    __init__ = refuse
socket.socket, socket.create_connection, socket.getaddrinfo = Refused, refuse, refuse
from bandit_service.features import text_features
assert text_features().from_texts(["hello"]).shape == (1, 73)
""")


def test_vectors_never_load_the_embedding():
    run_apart("""
import sys
from bandit_service.features import text_features, vector_features
vector_features(2).from_vectors([[1.0, 2.0]])
text_features().version
assert not {"wordllama", "tokenizers", "safetensors"} & sys.modules.keys()
""")


def test_loading_the_embedding_leaves_the_root_logger_alone():
    run_apart("""
import logging
from bandit_service.features import text_features
text_features().from_texts(["hello"])
assert logging.getLogger().handlers == []
assert logging.getLogger().level == logging.WARNING
""")
