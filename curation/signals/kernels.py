"""The one text pass: every count about a document from one decoding and one split into lines and words."""

from __future__ import annotations

import numpy as np

from hanji.curation.signals.characters import (
    DIGIT,
    HAN,
    HANGUL,
    JAMO,
    KANA,
    LATIN,
    OTHER,
    SPACE,
    chain,
    character_class,
    decode_utf8,
    is_word_character,
)
from hanji.curation.signals.columns import COLUMNS
from hanji.curation.signals.compiled import kernel

_INDEX = {name: position for position, name in enumerate(COLUMNS)}
CHARACTERS = _INDEX["characters"]
WORDS = _INDEX["words"]
WORD_CHARACTERS = _INDEX["word_characters"]
ALPHABETIC_WORDS = _INDEX["alphabetic_words"]
STOP_WORDS = _INDEX["stop_words"]
HASHES = _INDEX["hash_symbols"]
ELLIPSES = _INDEX["ellipses"]
BRACKETS = _INDEX["curly_brackets"]
SENTENCES = _INDEX["sentences"]
NEWLINES = _INDEX["newlines"]
LINES = _INDEX["lines"]
BULLET_LINES = _INDEX["bullet_lines"]
ELLIPSIS_LINES = _INDEX["ellipsis_lines"]
PUNCTUATED_LINES = _INDEX["punctuated_lines"]
SENTENCE_END_LINES = _INDEX["korean_ending_lines"]
SHORT_LINES = _INDEX["short_lines"]
DUPLICATE_LINES = _INDEX["duplicate_lines"]
DUPLICATE_LINE_CHARACTERS = _INDEX["duplicate_line_characters"]
PARAGRAPHS = _INDEX["paragraphs"]
DUPLICATE_PARAGRAPHS = _INDEX["duplicate_paragraphs"]
DUPLICATE_PARAGRAPH_CHARACTERS = _INDEX["duplicate_paragraph_characters"]
TOP_2 = _INDEX["top_2_gram_characters"]
DUPLICATE_5 = _INDEX["duplicate_5_gram_characters"]
HANGULS = _INDEX["hangul"]
JAMOS = _INDEX["jamo"]
HANS = _INDEX["han"]
KANAS = _INDEX["kana"]
LATINS = _INDEX["latin"]
DIGITS = _INDEX["digits"]
SPACES = _INDEX["spaces"]
SHORT_LINE = 30


@kernel
def measure_all(
    data: np.ndarray, offsets: np.ndarray, languages: np.ndarray, stop_words: np.ndarray, width: int
) -> np.ndarray:
    """Counts of all documents: int64[documents, width], columns as in COLUMNS.

    data: uint8[bytes] of UTF-8; offsets: int64[documents + 1]; languages: int8, 1 for Korean, else 0;
    stop_words: uint64[2, n], word hashes of the English list and of Korean word endings, padded with 0.
    """
    documents = len(offsets) - 1
    longest = 1
    for i in range(documents):
        longest = max(longest, offsets[i + 1] - offsets[i])
    points = np.empty(longest, np.int32)
    classes = np.empty(longest, np.int8)
    word_hash = np.empty(longest, np.uint64)
    word_length = np.empty(longest, np.int64)
    # Open addressing with a stamp: a table is emptied by counting the stamp up. A text of n bytes has at most
    # n words and n + 1 lines.
    table_size = _table_size(longest + 1)
    keys = np.zeros(table_size, np.uint64)
    counts = np.zeros(table_size, np.int64)
    stamps = np.zeros(table_size, np.int64)
    stamp = 0
    out = np.zeros((documents, width), np.int64)
    for i in range(documents):
        row = out[i]
        count = decode_utf8(data, offsets[i], offsets[i + 1], points)
        words = _characters_and_words(
            points, classes, count, languages[i], stop_words, word_hash, word_length, row
        )
        mask = _table_size(max(words, row[NEWLINES] + 1)) - 1
        stamp = _lines(points, classes, count, keys, stamps, mask, stamp, row)
        stamp = _paragraphs(points, classes, count, keys, stamps, mask, stamp, row)
        for n in range(2, 5):
            stamp += 1
            row[TOP_2 + n - 2] = _top_gram(
                word_hash, word_length, words, n, keys, counts, stamps, mask, stamp
            )
        for n in range(5, 11):
            stamp += 1
            row[DUPLICATE_5 + n - 5] = _duplicate_grams(
                word_hash, word_length, words, n, keys, stamps, mask, stamp
            )
    return out


@kernel
def _table_size(entries: int) -> int:
    """A power of two that leaves at least half of the table free."""
    size = 16
    while size < 2 * entries + 2:
        size *= 2
    return size


@kernel
def _find(
    key: np.uint64, keys: np.ndarray, stamps: np.ndarray, mask: int, stamp: int
) -> tuple[np.int64, bool]:
    """(slot, whether the key is there); a new key is entered."""
    slot = np.int64(key & np.uint64(mask))
    while stamps[slot] == stamp:
        if keys[slot] == key:
            return slot, True
        slot = (slot + 1) & mask
    stamps[slot] = stamp
    keys[slot] = key
    return slot, False


@kernel
def _characters_and_words(
    points: np.ndarray,
    classes: np.ndarray,
    count: int,
    korean: int,
    stop_words: np.ndarray,
    word_hash: np.ndarray,
    word_length: np.ndarray,
    row: np.ndarray,
) -> int:
    """Character classes, words and what is counted in them; returns the number of words.

    A word is a run of letters and digits; an apostrophe or hyphen between letters belongs to it.
    """
    words = 0
    row[CHARACTERS] = count
    seen = np.uint64(0)
    value, length, letters, last, before_last = np.uint64(0), 0, False, 0, 0
    for j in range(count + 1):
        if j < count:
            point = points[j]
            kind = character_class(point)
            classes[j] = kind
        else:
            point, kind = 32, SPACE
        inside = is_word_character(kind)
        if not inside and length > 0 and (point == 39 or point == 0x2019 or point == 45) and j + 1 < count:
            inside = is_word_character(character_class(points[j + 1])) and letters
        if inside:
            lowered = point + 32 if 65 <= point <= 90 else point
            value = chain(value, np.uint64(lowered))
            length += 1
            letters = letters or kind > DIGIT
            before_last, last = last, point
        elif length > 0:
            word_hash[words] = value
            word_length[words] = length
            words += 1
            row[WORD_CHARACTERS] += length
            row[ALPHABETIC_WORDS] += letters
            if korean == 1:
                seen |= _stop_bit(chain(np.uint64(0), np.uint64(last)), stop_words[1])
                two = chain(chain(np.uint64(0), np.uint64(before_last)), np.uint64(last))
                seen |= _stop_bit(two, stop_words[1])
            else:
                seen |= _stop_bit(value, stop_words[0])
            value, length, letters, last, before_last = np.uint64(0), 0, False, 0, 0
        if j == count:
            break
        if kind == HANGUL:
            row[HANGULS] += 1
        elif kind == LATIN:
            row[LATINS] += 1
        elif kind == SPACE:
            row[SPACES] += 1
            row[NEWLINES] += point == 10
        elif kind == DIGIT:
            row[DIGITS] += 1
        elif kind == JAMO:
            row[JAMOS] += 1
        elif kind == HAN:
            row[HANS] += 1
        elif kind == KANA:
            row[KANAS] += 1
        elif kind == OTHER:
            if point == 35:
                row[HASHES] += 1
            elif point == 123 or point == 125:
                row[BRACKETS] += 1
            elif point == 0x2026 or (point == 46 and j >= 2 and points[j - 1] == 46 and points[j - 2] == 46):
                row[ELLIPSES] += 1
            if _ends_sentence(point) and (j + 1 == count or character_class(points[j + 1]) in (SPACE, OTHER)):
                row[SENTENCES] += j == 0 or not _ends_sentence(points[j - 1])
    row[WORDS] = words
    while seen:
        row[STOP_WORDS] += 1
        seen &= seen - np.uint64(1)
    return words


@kernel
def _stop_bit(value: np.uint64, stop_words: np.ndarray) -> np.uint64:
    for k in range(len(stop_words)):
        if stop_words[k] == value:
            return np.uint64(1) << np.uint64(k)
    return np.uint64(0)


@kernel
def _ends_sentence(point: int) -> bool:
    """Full stop, question and exclamation mark, also fullwidth and ideographic."""
    return point in (46, 33, 63, 0x3002, 0xFF01, 0xFF0E, 0xFF1F)


@kernel
def _lines(
    points: np.ndarray,
    classes: np.ndarray,
    count: int,
    keys: np.ndarray,
    stamps: np.ndarray,
    mask: int,
    stamp: int,
    row: np.ndarray,
) -> int:
    """Everything about lines (text between newlines; empty ones are not counted); returns the used stamp."""
    stamp += 1
    start = 0
    for j in range(count + 1):
        if j < count and points[j] != 10:
            continue
        first, last = start, j - 1
        while first <= last and classes[first] == SPACE:
            first += 1
        while last >= first and classes[last] == SPACE:
            last -= 1
        start = j + 1
        if last < first:
            continue
        length = last - first + 1
        row[LINES] += 1
        row[SHORT_LINES] += length <= SHORT_LINE
        head, tail = points[first], points[last]
        row[BULLET_LINES] += head in (0x2022, 0x25CF, 0x25AA, 0x25E6, 0x00B7, 0x2219) or (
            head in (45, 42) and length > 1 and points[first + 1] == 32
        )
        dots = length >= 3 and tail == 46 and points[last - 1] == 46 and points[last - 2] == 46
        row[ELLIPSIS_LINES] += tail == 0x2026 or dots
        closing = last
        # A quotation mark or bracket may close after the full stop.
        while closing > first and points[closing] in (34, 39, 41, 0x201D, 0x2019, 0x300D, 0x300F, 93):
            closing -= 1
        punctuated = _ends_sentence(points[closing]) or tail in (34, 39, 0x201D, 0x2019, 0x2026)
        row[PUNCTUATED_LINES] += punctuated
        # 다 요 죠 까 네 음 함 임: how Korean sentences end, with or without a full stop.
        end = points[closing]
        row[SENTENCE_END_LINES] += not punctuated and end in (
            0xB2E4,
            0xC694,
            0xC8E0,
            0xAE4C,
            0xB124,
            0xC74C,
            0xD568,
            0xC784,
        )
        value = np.uint64(0)
        for k in range(first, last + 1):
            value = chain(value, np.uint64(points[k]))
        _, known = _find(value, keys, stamps, mask, stamp)
        if known:
            row[DUPLICATE_LINES] += 1
            row[DUPLICATE_LINE_CHARACTERS] += length
    return stamp


@kernel
def _paragraphs(
    points: np.ndarray,
    classes: np.ndarray,
    count: int,
    keys: np.ndarray,
    stamps: np.ndarray,
    mask: int,
    stamp: int,
    row: np.ndarray,
) -> int:
    """Paragraphs are separated by two or more newlines; returns the used stamp."""
    stamp += 1
    value, length, newlines = np.uint64(0), 0, 0
    for j in range(count + 1):
        if j < count and points[j] == 10:
            newlines += 1
            continue
        if (newlines >= 2 or j == count) and length > 0:
            row[PARAGRAPHS] += 1
            _, known = _find(value, keys, stamps, mask, stamp)
            if known:
                row[DUPLICATE_PARAGRAPHS] += 1
                row[DUPLICATE_PARAGRAPH_CHARACTERS] += length
            value, length = np.uint64(0), 0
        if j == count:
            break
        if newlines > 0 and length > 0:
            value = chain(value, np.uint64(10))
            length += 1
        newlines = 0
        value = chain(value, np.uint64(points[j]))
        length += 1
    return stamp


@kernel
def _gram(word_hash: np.ndarray, start: int, n: int) -> np.uint64:
    value = np.uint64(n)
    for k in range(start, start + n):
        value = chain(value, word_hash[k])
    return value


@kernel
def _gram_length(word_length: np.ndarray, start: int, n: int) -> int:
    """Characters of n words with one space between them."""
    length = n - 1
    for k in range(start, start + n):
        length += word_length[k]
    return length


@kernel
def _top_gram(
    word_hash: np.ndarray,
    word_length: np.ndarray,
    words: int,
    n: int,
    keys: np.ndarray,
    counts: np.ndarray,
    stamps: np.ndarray,
    mask: int,
    stamp: int,
) -> int:
    """Characters covered by the most frequent n-gram; 0 if none stands twice (Gopher, table A1)."""
    most, best = 1, 0
    for start in range(words - n + 1):
        slot, known = _find(_gram(word_hash, start, n), keys, stamps, mask, stamp)
        counts[slot] = counts[slot] + 1 if known else 1
        if counts[slot] > 1:
            covered = counts[slot] * _gram_length(word_length, start, n)
            if counts[slot] > most or (counts[slot] == most and covered > best):
                most, best = counts[slot], covered
    return best


@kernel
def _duplicate_grams(
    word_hash: np.ndarray,
    word_length: np.ndarray,
    words: int,
    n: int,
    keys: np.ndarray,
    stamps: np.ndarray,
    mask: int,
    stamp: int,
) -> int:
    """Characters in n-grams that stood before, none counted twice (Gopher, table A1)."""
    covered, start = 0, 0
    while start + n <= words:
        _, known = _find(_gram(word_hash, start, n), keys, stamps, mask, stamp)
        if known:
            covered += _gram_length(word_length, start, n)
            start += n
        else:
            start += 1
    return covered
