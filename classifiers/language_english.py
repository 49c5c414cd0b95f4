"""How English a stretch of Latin script is: function words and letter trigrams, as log-odds.

fastText's lid.176 calls one snippet in nine of the languages that it does not know English. Function words
are what English shares with no other language, and the trigrams of its spelling are the second witness where
there are few of them (lists, titles, names). The weights were fitted by logistic regression on snippets of
100 to 400 characters: English of half the documents at hand against half of the other languages of the
Universal Declaration of Human Rights, each language weighing the same (``benchmarks/language.py`` reports on
both halves). The trigram table is in ``language_trigrams``.
"""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from hanji.classifiers.language_trigrams import TABLE

LETTERS = 27
LEVELS = 8
BITS = 1.5  # of a level of the table: log2 of a probability, from 0 to −12

# Function words that English has alone, or nearly.
_STRONG = (
    "the and of that with this which from have they their there were what would been has had his you your "
    "when who them then than these those into could should about because other such its it our also after "
    "where does did how my she being between through while without within though every under must shall may "
    "can not by are but if all some more most very just like upon both each before over again any many much "
    "own same too out up down off here why whose whom him us we he only during until against "
    "themselves himself itself"
)
# Function words that other languages have as words too.
_WEAK = "a in is to an on as at me no so do was for be or i will her one new"
# Log-odds = these times (share of strong words, of weak words, mean log2 of a trigram's probability, share
# of letters outside a to z), plus the constant.
_STRONG_WEIGHT, _WEAK_WEIGHT, _TRIGRAM_WEIGHT, _FOREIGN_WEIGHT, _CONSTANT = 11.2, 5.9, 3.6, -3.9, 12.5

# So many function words, and such a share of them, leave no doubt; the level that English then has.
_PLAIN_WORDS, _PLAIN_SHARE, _USUAL_LEVEL = 8, 0.22, 2.0

_PLAIN_WORD = re.compile(r"""(?<!\S)[(“"']?[A-Za-z]+(?:[-’'][a-z]+)*[.,;:!?)”"']*(?!\S)""")
_CODE_MARK = re.compile(r"[{}()<>;=_/\\\[\]|$#@]")
# Lowered bytes → a to z and spaces; → the same with bytes beyond ASCII kept; → 0 to 26, where 0 is a space.
_SPACES = bytes(range(97, 123)).rjust(123, b" ").ljust(256, b" ")
_WORDS = _SPACES[:128] + bytes(range(128, 256))
_CODES = bytes(max(byte - 96, 0) if byte < 123 else 0 for byte in range(256))
# All but the lead bytes, in UTF-8, of characters that are mostly letters: not U+0080 to U+00BF, nor U+2000
# to U+2FFF, where punctuation is.
_NO_LETTER_LEADS = bytes(b for b in range(256) if not (0xC3 <= b <= 0xED and b != 0xE2))


@dataclass(frozen=True)
class English:
    """Log-odds that a stretch is English, the number of its words, and those that are function words."""

    log_odds: float
    words: int
    function_words: int


def judge(text: str) -> English:
    """Evidence for English in a stretch of text; a text without Latin letters has log-odds far below 0.

    The spelling is not looked at where function words leave no doubt.
    """
    lowered = text.lower().encode("utf-8", "replace")
    words = lowered.translate(_WORDS).split()
    strong, weak = word_sets()
    found = sum(map(strong.__contains__, words))
    also = sum(map(weak.__contains__, words))
    if found >= _PLAIN_WORDS and found >= _PLAIN_SHARE * len(words):
        return English(log_odds(found / len(words), also / len(words), _USUAL_LEVEL, 0.0), len(words), found)
    spelled = b" " + b" ".join(lowered.translate(_SPACES).split()) + b" "
    if len(spelled) < 3:
        return English(-20.0, len(words), 0)
    level = float(_table()[_trigrams(spelled)].mean())
    foreign = len(lowered.translate(None, _NO_LETTER_LEADS)) if len(lowered) > len(text) else 0
    letters = foreign + len(spelled) - spelled.count(b" ")
    odds = log_odds(found / len(words), also / len(words), level, foreign / letters)
    return English(odds, len(words), found)


def log_odds(strong: float, weak: float, level: float, foreign: float) -> float:
    """Log-odds of English from the shares of strong and weak function words, the mean level of the trigrams
    and the share of letters that are not a to z."""
    return (
        _STRONG_WEIGHT * strong
        + _WEAK_WEIGHT * weak
        - _TRIGRAM_WEIGHT * BITS * level
        + _FOREIGN_WEIGHT * foreign
        + _CONSTANT
    )


def plain(text: str) -> str:
    """The plain words of a text: no addresses, names with marks or digits in them, or pieces of code."""
    return " ".join(_PLAIN_WORD.findall(text))


def code(text: str) -> bool:
    """Whether a text has more marks of code than prose has: one character in twenty-five."""
    return 25 * len(_CODE_MARK.findall(text)) >= len(text)


def prose(text: str) -> bool:
    """Whether a line or sentence reads as English prose: two function words, and one word in seven."""
    words = text.lower().encode("utf-8", "replace").translate(_WORDS).split()
    strong, weak = word_sets()
    found = sum(map(strong.__contains__, words))
    return found >= 2 and 7 * (found + sum(map(weak.__contains__, words)) / 2) >= len(words)


def table_of(texts: Iterable[str]) -> bytes:
    """The trigram table of the plain words of texts (no markup, no addresses), as ``language_trigrams`` has it.

    uint8[27³], levels of −log2 P(third | first two) / BITS, where letter 0 is all that is none from a to z;
    zlib, base 85. Unseen trigrams take the bigram's probability with the weight of eight sightings.
    """
    counts = np.zeros(LETTERS**3)
    for text in texts:
        words = plain(text).lower().encode("utf-8", "replace").translate(_SPACES)
        counts += np.bincount(_trigrams(b" " + b" ".join(words.split()) + b" "), minlength=LETTERS**3)
    cube = counts.reshape(LETTERS, LETTERS, LETTERS)
    pairs = cube.sum(axis=0) + 0.5
    backoff = pairs / pairs.sum(axis=1, keepdims=True)
    chance = (cube + 8 * backoff[None]) / (cube.sum(axis=2, keepdims=True) + 8)
    packed = np.clip(np.rint(-np.log2(chance) / BITS), 0, LEVELS).astype(np.uint8).tobytes()
    return base64.b85encode(zlib.compress(packed, 9))


def _trigrams(spelled: bytes) -> np.ndarray:
    """int32[bytes − 2]: the trigrams of a text of letters from a to z and spaces, as places in the table."""
    codes = np.frombuffer(spelled.translate(_CODES), np.uint8).astype(np.int32)
    return (codes[:-2] * LETTERS + codes[1:-1]) * LETTERS + codes[2:]


def levels() -> np.ndarray:
    """uint8[27³]: levels of improbability, in BITS, of trigrams of a to z and of all else as letter 0."""
    return np.frombuffer(zlib.decompress(base64.b85decode("".join(TABLE.split()))), np.uint8)


@lru_cache(maxsize=1)
def _table() -> np.ndarray:
    """float32[27³] of levels."""
    return levels().astype(np.float32)


@lru_cache(maxsize=1)
def word_sets() -> tuple[frozenset[bytes], frozenset[bytes]]:
    """Function words that English has alone, or nearly, and those that other languages have as words too."""
    return frozenset(_STRONG.encode().split()), frozenset(_WEAK.encode().split())
