"""Eight cheap numbers about a text, each in [0, 1], that an average of word vectors cannot tell.

name          formula, for a text of n characters; every share is of those n
length        ln(1 + n) / ln(1 + 8192)
sentences     ln(1 + s) / ln(1 + 256); s = marks . ! ? just before whitespace or the end, and
              runs of the full-width marks anywhere
code          1 if the text has a ``` fence, else 5 x share of the characters {}[]<>;_`|&#@~\\
digits        4 x share of 0-9
maths         10 x share of + * / = ^ % < > and the signs in MATHS_SIGNS
questions     ln(1 + q) / ln(1 + 16); q = question marks + English question words
non_ascii     share of characters beyond ASCII
variety       distinct words / words, in lower case; 0 if there is none

Each is cut off at 1. The factors before the shares bring text that is plainly code, arithmetic
or maths to about 1, where the bare share would stay near 0.1. The hyphen is no maths sign here:
in prose it is mostly a hyphen.

These formulas are part of the feature schema: changing one makes another version.
"""

import math
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

NAMES = (
    "length",
    "sentences",
    "code",
    "digits",
    "maths",
    "questions",
    "non_ascii",
    "variety",
)

# ln(1 + x) = 1 on the scale of each count: longer texts than this are all alike to a router.
FULL_LENGTH = math.log1p(8192)
FULL_SENTENCES = math.log1p(256)
FULL_QUESTIONS = math.log1p(16)

CODE_FENCE = "```"
CODE_CHARACTERS = b"{}[]<>;_`|&#@~\\"
DIGITS = b"0123456789"
MATHS_CHARACTERS = b"+*/=^%<>"
# multiplication, division, plus-minus, minus, root, sum, integral, at most, at least, not equal,
# infinity, element of, for all, pi
MATHS_SIGNS = "\u00d7\u00f7\u00b1\u2212\u221a\u2211\u222b\u2264\u2265\u2260\u221e\u2208\u2200\u03c0"
NON_ASCII_BYTES = bytes(range(128, 256))

QUESTION_WORDS = frozenset(("how", "what", "when", "where", "which", "who", "whom", "whose", "why"))
FULL_WIDTH_QUESTION_MARK = "\uff1f"

# One mark, not a run of them, before the whitespace: that stays linear in "......x".
SENTENCE_END = re.compile(r"[.!?](?!\S)|[\u3002\uff01\uff1f]+")
WORD = re.compile(r"\w+")


def text_statistics(texts: Sequence[str]) -> NDArray[np.float64]:
    """The eight numbers of each text, shape (n, 8), in the order of NAMES; all 0 for an empty one.

    The texts must be cut to length and free of lone surrogates beforehand.
    """
    return np.array([_of_one(text) for text in texts], dtype=np.float64).reshape(-1, len(NAMES))


def _of_one(text: str) -> tuple[float, ...]:
    characters = len(text)
    if characters == 0:
        return (0.0,) * len(NAMES)
    # ASCII is counted in the bytes: no byte of a longer UTF-8 sequence is below 128.
    raw = text.encode()
    words = WORD.findall(text.lower())
    fenced = CODE_FENCE in text
    code = characters if fenced else 5 * _count(raw, CODE_CHARACTERS)
    non_ascii = characters - len(raw.translate(None, NON_ASCII_BYTES))
    maths = _count(raw, MATHS_CHARACTERS)
    asked = raw.count(b"?") + sum(map(QUESTION_WORDS.__contains__, words))
    if non_ascii:
        maths += sum(map(text.count, MATHS_SIGNS))
        asked += text.count(FULL_WIDTH_QUESTION_MARK)
    return (
        min(1.0, math.log1p(characters) / FULL_LENGTH),
        min(1.0, math.log1p(len(SENTENCE_END.findall(text))) / FULL_SENTENCES),
        min(1.0, code / characters),
        min(1.0, 4 * _count(raw, DIGITS) / characters),
        min(1.0, 10 * maths / characters),
        min(1.0, math.log1p(asked) / FULL_QUESTIONS),
        non_ascii / characters,
        len(set(words)) / len(words) if words else 0.0,
    )


def _count(raw: bytes, characters: bytes) -> int:
    """How many bytes of `raw` are among `characters`."""
    return len(raw) - len(raw.translate(None, characters))
