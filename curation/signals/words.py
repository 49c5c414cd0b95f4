"""Words: Korean ones by default, and what is counted of any words, with datatrove's definitions (Apache-2.0).

Words come as spans [starts, ends) of code points: runs of letters and digits for Korean (eojeol without their
punctuation), spaCy's tokens for English (:mod:`hanji.curation.signals.english`), or morphemes.
"""

from __future__ import annotations

import numpy as np

from hanji.curation.signals.characters import DIGIT, mix
from hanji.curation.signals.compiled import pure_kernel
from hanji.curation.signals.grams import (
    Scratch,
    character_hash,
    duplicate_grams,
    prepare,
    top_grams,
)
from hanji.curation.signals.unicode import ALPHA, CLASS_MASK, PEER_PUNCTUATION

COLUMNS: dict[str, str] = {
    "words": "English: tokens as spaCy draws them, punctuation too; Korean: eojeol without punctuation",
    "content_words": "words that are not punctuation alone",
    "content_word_characters": "characters in those",
    "alphabetic_words": "words with at least one letter",
    "stop_words": "how many different stop words (Korean: particles and endings of words) occur",
    "top_2_gram_characters": "characters that the most frequent word 2-gram covers, with one space between words",
    "top_3_gram_characters": "the same for 3-grams",
    "top_4_gram_characters": "the same for 4-grams",
    "duplicate_5_gram_characters": "characters in word 5-grams that stood before, none counted twice",
    "duplicate_6_gram_characters": "the same for 6-grams",
    "duplicate_7_gram_characters": "the same for 7-grams",
    "duplicate_8_gram_characters": "the same for 8-grams",
    "duplicate_9_gram_characters": "the same for 9-grams",
    "duplicate_10_gram_characters": "the same for 10-grams",
}
"""What :func:`word_counts` fills, in this order."""


@pure_kernel
def korean_words(
    points: np.ndarray, properties: np.ndarray, count: int, starts: np.ndarray, ends: np.ndarray
) -> int:
    """Runs of letters and digits of points[:count]; an apostrophe or hyphen between letters belongs to one.

    Writes int32 spans and returns how many.
    """
    words, start, letters = 0, -1, False
    for i in range(count):
        kind = properties[i] & CLASS_MASK
        inside = kind >= DIGIT
        if not inside and start >= 0 and letters and i + 1 < count:
            point = points[i]
            if point == 39 or point == 0x2019 or point == 45:
                inside = (properties[i + 1] & CLASS_MASK) >= DIGIT
        if inside:
            if start < 0:
                start, letters = i, False
            letters = letters or kind > DIGIT
        elif start >= 0:
            starts[words], ends[words] = start, i
            words += 1
            start = -1
    if start >= 0:
        starts[words], ends[words] = start, count
        words += 1
    return words


@pure_kernel
def finished_hash(points: np.ndarray, start: int, end: int) -> np.uint64:
    """Hash of points[start:end) as lists of stop words have it."""
    return mix(character_hash(points, start, end))


@pure_kernel
def word_counts(
    points: np.ndarray,
    properties: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    words: int,
    stop_words: np.ndarray,
    endings: bool,
    room: Scratch,
    row: np.ndarray,
) -> None:
    """Counts of the words [starts, ends) into row[:len(COLUMNS)].

    stop_words: uint64 hashes (:func:`finished_hash`), at most 64; with ``endings`` the last one or two characters
    of a word are looked up, else the word, in its own case.
    """
    prepare(points, properties, starts, ends, words, room)
    all_of, any_of, word_hash = room.all_of, room.any_of, room.word_hash
    content, characters, alphabetic = 0, 0, 0
    found = np.uint64(0)
    some = np.uint64(0)  # which values of six bits the hashes of stop words begin with
    for k in range(len(stop_words)):
        some |= np.uint64(1) << (stop_words[k] >> np.uint64(58))
    for i in range(words):
        start, end = starts[i], ends[i]
        if not all_of[i] & PEER_PUNCTUATION:
            content += 1
            characters += end - start
        alphabetic += (any_of[i] & ALPHA) != 0
        if endings:
            found |= _bit(finished_hash(points, end - 1, end), some, stop_words)
            if end - start >= 2:
                found |= _bit(finished_hash(points, end - 2, end), some, stop_words)
        elif end - start <= 4:
            found |= _bit(mix(word_hash[i]), some, stop_words)
    row[0], row[1], row[2], row[3] = words, content, characters, alphabetic
    row[4] = 0
    while found:
        row[4] += 1
        found &= found - np.uint64(1)
    top_grams(words, room, row[5:8])
    duplicate_grams(words, room, row[8:14])


@pure_kernel
def _bit(value: np.uint64, some: np.uint64, stop_words: np.ndarray) -> np.uint64:
    """The bit of a stop word, 0 for other words."""
    if not some >> (value >> np.uint64(58)) & np.uint64(1):
        return np.uint64(0)
    for k in range(len(stop_words)):
        if stop_words[k] == value:
            return np.uint64(1) << np.uint64(k)
    return np.uint64(0)
