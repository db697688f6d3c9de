"""How hard a text is to read: 100 less the Flesch reading ease, cut to [0, 100], as a share.

Source: Flesch (1948), "A New Readability Yardstick", Journal of Applied Psychology 32: ease is
206.835 - 1.015 words a sentence - 84.6 syllables a word. GreenServ (Ziller et al. 2026) turns it
round as here.

Departs from it: syllables are counted as runs of vowels, less an e that ends the word unheard, one
at least. Text without a word of a Latin alphabet is 0, as an empty one is.

These formulas are part of the feature schema: changing one makes another version.
"""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

WORD = re.compile(r"[A-Za-z\u00c0-\u024f]+")
SENTENCE_END = re.compile(r"[.!?]+(?!\S)")
VOWELS = re.compile(r"[aeiouy\u00e0-\u00e6\u00e8-\u00ef\u00f2-\u00f6\u00f8-\u00fd]+")
UNHEARD = re.compile(r"[^aeiouyl]e$|[aeiouy]le$")


def readability(texts: Sequence[str]) -> NDArray[np.float64]:
    """Of each text, (n,), in [0, 1]: the larger, the harder."""
    return np.array([_of_one(text) for text in texts], dtype=np.float64)


def syllables(word: str) -> int:
    """Of one word in lower case.

    >>> [syllables(word) for word in ("the", "cat", "make", "table", "reading", "complexity")]
    [1, 1, 1, 2, 2, 4]
    """
    runs = len(VOWELS.findall(word))
    return max(1, runs - bool(UNHEARD.search(word)))


def _of_one(text: str) -> float:
    words = WORD.findall(text.lower())
    if not words:
        return 0.0
    sentences = max(1, len(SENTENCE_END.findall(text)))
    ease = 206.835 - 1.015 * len(words) / sentences - 84.6 * sum(map(syllables, words)) / len(words)
    return min(max(100.0 - ease, 0.0), 100.0) / 100.0
