"""What NeMo Curator's heuristic filters for English look at (nemo-curator 1.4, Apache-2.0), counted as there.

Each of the filters splits the text again, with str.split and str.strip; here it is split once, into words (between
white space), lines (between newlines) and paragraphs (between pairs of newlines). The ratios that the filters judge
are in nemo_ratios.py, their thresholds in the preset nemo_en.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import NamedTuple

import numpy as np

from hanji.curation.signals.characters import decode_utf8, mix
from hanji.curation.signals.compiled import pure_kernel
from hanji.curation.signals.nemo_grams import GRAM_COLUMNS, gram_counts
from hanji.curation.signals.nemo_lines import (
    LINE_COLUMNS,
    PARAGRAPH_COLUMNS,
    ends_in_dots,
    line_counts,
    paragraph_counts,
)
from hanji.curation.signals.nemo_phrases import (
    POLICIES,
    find_urls,
    may_begin,
    phrase_table,
    phrase_with,
    url_characters,
)
from hanji.curation.signals.nemo_room import NemoScratch, scratch
from hanji.curation.signals.unicode import ALPHA, WHITE, PropertyTable, look_up

COLUMNS: dict[str, str] = {
    "nemo_plain_characters": "ASCII letters and digits, newlines and ? ! , .",
    "nemo_digits": "digits 0 to 9",
    "nemo_white_space": "tabs, newlines, carriage returns, backspaces and plain spaces",
    "nemo_brackets": "( ) [ ] { } ⟨ ⟩",
    "nemo_url_characters": "characters in http and https URLs",
    "nemo_pornographic_urls": "URLs with “porn” in them",
    "nemo_lorem_ipsum": "occurrences of “lorem ipsum”",
    "nemo_words": "words between white space, with their punctuation",
    "nemo_word_characters": "characters in those words",
    "nemo_longest_word": "characters in the longest of them",
    "nemo_alphabetic_words": "words with an alphabetic character of any script",
    "nemo_symbol_words": "words that are an ellipsis or made mostly of runs of #",
    "nemo_common_words": "occurrences of the, be, to, of, and, that, have, with, as written here",
    **LINE_COLUMNS,
    **PARAGRAPH_COLUMNS,
    **GRAM_COLUMNS,
}
"""What :func:`nemo_counts` fills, in this order."""

_INDEX = {name: place for place, name in enumerate(COLUMNS)}
URLS = _INDEX["nemo_url_characters"]
LINES = _INDEX["nemo_lines"]
PARAGRAPHS = _INDEX["nemo_paragraphs"]
GRAMS = _INDEX["nemo_top_2_gram_characters"]
LOREM = len(POLICIES)
BASE = np.uint64(0x9E3779B97F4A7C15)
# the be to of and that have with, eight bits a letter
COMMON = (0x746865, 0x6265, 0x746F, 0x6F66, 0x616E64, 0x74686174, 0x68617665, 0x77697468)


class NemoTables(NamedTuple):
    """Data that the kernel reads, see :func:`tables`."""

    alphabetic: np.ndarray
    """int32[n, 2]: ranges of characters that are alphabetic without being letters"""
    phrases: np.ndarray
    """int32[m, longest]: see nemo_phrases.phrase_table"""
    lengths: np.ndarray
    """int32[m, 2]"""
    in_url: np.ndarray
    """uint8[128]: which ASCII characters a URL is made of"""


@cache
def tables() -> NemoTables:
    """The tables of :func:`nemo_counts`."""
    text = resources.files("hanji.curation.signals").joinpath("alphabetic.tsv").read_text("ascii")
    ranges = [[int(end, 16) for end in line.split("\t")] for line in text.splitlines() if line[0] != "#"]
    return NemoTables(np.array(ranges, np.int32), *phrase_table(), url_characters())


def nemo_table(
    data: np.ndarray, offsets: np.ndarray, characters: PropertyTable, tables: NemoTables, width: int
) -> np.ndarray:
    """These signals alone, of texts in UTF-8 (uint8, int64[documents + 1]): int64[documents, width]."""
    longest = int(np.diff(offsets).max(initial=1))
    out = np.zeros((len(offsets) - 1, width), np.int64)
    points, properties = np.empty(longest, np.int32), np.empty(longest, np.uint32)
    _fill(data, offsets, characters, tables, points, properties, scratch(longest), out)
    return out


@pure_kernel
def _fill(
    data: np.ndarray,
    offsets: np.ndarray,
    characters: PropertyTable,
    tables: NemoTables,
    points: np.ndarray,
    properties: np.ndarray,
    room: NemoScratch,
    out: np.ndarray,
) -> None:
    for i in range(len(offsets) - 1):
        count = decode_utf8(data, offsets[i], offsets[i + 1], points)
        look_up(points, count, characters, properties)
        nemo_counts(points, properties, count, tables, room, out[i])


@pure_kernel
def nemo_counts(
    points: np.ndarray,
    properties: np.ndarray,
    count: int,
    tables: NemoTables,
    room: NemoScratch,
    row: np.ndarray,
) -> None:
    """Counts of points[:count] (int32) with their properties (uint32) into row[:len(COLUMNS)], which is zero."""
    _character_counts(points, count, row)
    words, newlines, policies = _word_counts(points, properties, count, tables, room, row[URLS:])
    line_counts(points, words, newlines, room, row[LINES:])
    paragraph_counts(points, newlines, policies, room, row[PARAGRAPHS:])
    gram_counts(points, room.starts, room.ends, room.hashes, words, room.grams, row[GRAMS:])


@pure_kernel
def _character_counts(points: np.ndarray, count: int, row: np.ndarray) -> None:
    plain, digits, white, brackets = 0, 0, 0, 0
    for i in range(count):
        point = points[i]
        letter = np.uint32((point | 32) - 97) < 26
        digit = np.uint32(point - 48) < 10
        mark = (point == 10) | (point == 33) | (point == 44) | (point == 46) | (point == 63)
        plain += bool(letter | digit | mark)
        digits += bool(digit)
        white += (np.uint32(point - 8) < 3) | (point == 13) | (point == 32)
        bracket = (
            (point == 40) | (point == 41) | (point == 91) | (point == 93) | (point == 123) | (point == 125)
        )
        brackets += bracket | (point == 0x27E8) | (point == 0x27E9)
    row[0], row[1], row[2], row[3] = plain, digits, white, brackets


@pure_kernel
def _word_counts(
    points: np.ndarray,
    properties: np.ndarray,
    count: int,
    tables: NemoTables,
    room: NemoScratch,
    row: np.ndarray,
) -> tuple[int, int, int]:
    """Finds words, newlines and policies, counts words and what is in them; returns how many there are of each."""
    starts, ends, hashes, breaks = room.starts, room.ends, room.hashes, room.newlines
    phrases, lengths, alphabetic_ranges, in_url = (
        tables.phrases,
        tables.lengths,
        tables.alphabetic,
        tables.in_url,
    )
    policy_places = room.phrases
    words, newlines, policies, start, packed, colon = 0, 0, 0, -1, 0, False
    value, any_point, any_of = np.uint64(0), np.int32(0), np.uint32(0)
    characters, longest, alphabetic, symbols, common = 0, 0, 0, 0, 0
    for i in range(count + 1):
        point = points[i] if i < count else np.int32(32)
        kind = properties[i] if i < count else np.uint32(WHITE)
        if not kind & WHITE:
            if start < 0:
                start, packed, colon = i, 0, False
                value, any_point, any_of = np.uint64(0), np.int32(0), np.uint32(0)
            value = value * BASE + np.uint64(point + 1)
            packed = packed << 8 | int(point)
            any_point |= point
            any_of |= kind
            colon |= point == 58
            continue
        if start >= 0:
            length = i - start
            starts[words], ends[words], hashes[words] = start, i, mix(value)
            words += 1
            characters += length
            longest = max(longest, length)
            if any_of & ALPHA:
                alphabetic += 1
            elif any_point >= 128:
                alphabetic += _is_alphabetic(points, start, i, alphabetic_ranges)
            if length <= 4 and any_point < 128:
                common += packed in COMMON
            if points[start] < 48 or points[start] == 91 or points[start] == 0x2026:
                symbols += _is_symbol(points, start, i)
            if colon:
                find_urls(points, start, i, in_url, row)
            if length > 1 and may_begin(points[start], points[start + 1]):
                phrase = phrase_with(points, start, count, phrases, lengths)
                if phrase == LOREM:
                    row[2] += 1
                elif phrase >= 0:
                    policy_places[policies] = start
                    policies += 1
            start = -1
        if point == 10:
            breaks[newlines] = i
            newlines += 1
    row[3], row[4], row[5] = words, characters, longest
    row[6], row[7], row[8] = alphabetic, symbols, common
    breaks[newlines] = count
    return words, newlines, policies


@pure_kernel
def _is_alphabetic(points: np.ndarray, start: int, end: int, ranges: np.ndarray) -> bool:
    """Whether a character of points[start:end) lies in one of the ranges."""
    for i in range(start, end):
        low, high = 0, len(ranges)
        while low < high:
            middle = (low + high) // 2
            if ranges[middle, 1] < points[i]:
                low = middle + 1
            else:
                high = middle
        if low < len(ranges) and ranges[low, 0] <= points[i]:
            return True
    return False


@pure_kernel
def _is_symbol(points: np.ndarray, start: int, end: int) -> bool:
    """Whether a word is ... [...] (...) … […] or -», or has more runs of # than half its characters."""
    first, last, length = points[start], points[end - 1], end - start
    if first == 35:
        runs = 0
        for i in range(start, end):
            runs += points[i] == 35 and (i == start or points[i - 1] != 35)
        return 2 * runs > length
    if first == 0x2026:
        return length == 1
    if first == 46:
        return length == 3 and ends_in_dots(points, end)
    if first == 91 and last == 93 and length == 3:
        return bool(points[start + 1] == 0x2026)
    if (first == 91 and last == 93) or (first == 40 and last == 41):
        return length == 5 and ends_in_dots(points, end - 1)
    return length == 2 and first == 45 and last == 0xBB
