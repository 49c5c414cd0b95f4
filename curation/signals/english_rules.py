"""What spaCy cuts off English words and out of them: its rules for prefixes, suffixes and infixes as code.

The regular expressions are those of ``spacy/lang/punctuation.py`` and ``lang/en/punctuation.py`` (spaCy, MIT).
A prefix is found by the first alternative that matches, a suffix by the longest; a lookbehind sees no further than
the stretch that is looked at.
"""

from __future__ import annotations

import numpy as np

from hanji.curation.signals.compiled import pure_kernel
from hanji.curation.signals.english_tables import LONGEST, UNIT, EnglishTables, find_string
from hanji.curation.signals.unicode import (
    SPACY_ALPHA,
    SPACY_BEFORE_FULL_STOP,
    SPACY_ICON,
    SPACY_LOWER,
    SPACY_MARK,
    SPACY_PREFIX,
    SPACY_QUOTE,
    SPACY_SUFFIX,
    SPACY_UPPER,
)

FULL_STOP = 0x2E
_ELLIPSIS, _APOSTROPHE, _DEGREE = 0x2026, 0x27, 0xB0


@pure_kernel
def _digit(point: int) -> bool:
    return 48 <= point <= 57


@pure_kernel
def prefix_length(points: np.ndarray, properties: np.ndarray, start: int, end: int) -> int:
    """Length of the prefix of points[start:end), 0 without one (TOKENIZER_PREFIXES); start < end."""
    if properties[start] & SPACY_PREFIX:
        return 1
    point = points[start]
    if point == 0x2B:  # +
        return 0 if start + 1 < end and _digit(points[start + 1]) else 1
    if point == FULL_STOP:
        return _stops(points, start, end)
    if point == 0x55 and start + 2 < end and points[start + 1] == 0x53 and points[start + 2] == 0x24:  # US$
        return 3
    if (point == 0x43 or point == 0x41) and start + 1 < end and points[start + 1] == 0x24:  # C$ A$
        return 2
    return 0


@pure_kernel
def _stops(points: np.ndarray, start: int, end: int) -> int:
    """Length of the run of full stops at ``start``; 0 for one alone."""
    i = start
    while i < end and points[i] == FULL_STOP:
        i += 1
    return i - start if i > start + 1 else 0


@pure_kernel
def suffix_length(points: np.ndarray, properties: np.ndarray, start: int, end: int) -> int:
    """Length of the suffix of points[start:end), units apart, 0 without one: the longest of TOKENIZER_SUFFIXES."""
    if start == end:
        return 0
    last = end - 1
    point = points[last]
    if point == FULL_STOP:
        return _last_stop(points, properties, start, last)
    if last > start:
        before = points[last - 1]
        if point == _ELLIPSIS and before == _ELLIPSIS:
            return 2
        if (point == 0x73 or point == 0x53) and (before == _APOSTROPHE or before == 0x2019):  # 's
            return 2
        if point == 0x2B and _digit(before):
            return 1
    return 1 if properties[last] & SPACY_SUFFIX else 0


@pure_kernel
def _last_stop(points: np.ndarray, properties: np.ndarray, start: int, last: int) -> int:
    """Length of the suffix with the full stop at ``last``."""
    first = last
    while first > start and points[first - 1] == FULL_STOP:
        first -= 1
    if first < last:
        return last + 1 - first
    if first == start:
        return 0
    if properties[last - 1] & SPACY_BEFORE_FULL_STOP:
        return 1
    if last - 2 < start:
        return 0
    if properties[last - 1] & SPACY_UPPER and properties[last - 2] & SPACY_UPPER:
        return 1
    letter = points[last - 1]
    return 1 if points[last - 2] == _DEGREE and (letter == 0x43 or letter == 0x46 or letter == 0x4B) else 0


@pure_kernel
def unit_length(points: np.ndarray, start: int, end: int, tables: EnglishTables) -> int:
    """Length of the unit or currency between the last digit and the end; 0 without. No unit has a digit in it."""
    if start == end or _digit(points[end - 1]):
        return 0
    i = end - 1
    while i > start and end - i <= LONGEST and not _digit(points[i - 1]):
        i -= 1
    if i == start or not _digit(points[i - 1]):
        return 0
    number = find_string(points, i, end, tables)
    return end - i if number >= 0 and tables.strings[number, UNIT] else 0


@pure_kernel
def cut_at_infixes(
    points: np.ndarray,
    properties: np.ndarray,
    start: int,
    end: int,
    starts: np.ndarray,
    ends: np.ndarray,
    count: int,
) -> int:
    """Tokens of points[start:end) between and at infixes; one at the very beginning does not count."""
    piece, i = start, start
    while i < end:
        if not properties[i] & SPACY_MARK:
            i += 1
            continue
        length = _infix(points, properties, start, i, end)
        if length == 0:
            i += 1
            continue
        if i > start:
            if i > piece:
                starts[count], ends[count] = piece, i
                count += 1
            starts[count], ends[count] = i, i + length
            count += 1
            piece = i + length
        i += length
    if piece < end:
        starts[count], ends[count] = piece, end
        count += 1
    return count


@pure_kernel
def _infix(points: np.ndarray, properties: np.ndarray, start: int, i: int, end: int) -> int:
    """Length of the infix at i of points[start:end), 0 without one (TOKENIZER_INFIXES of English)."""
    point = points[i]
    if point == FULL_STOP:
        stops = _stops(points, i, end)
        if stops:
            return stops
    if point == _ELLIPSIS or properties[i] & SPACY_ICON:
        return 1
    if i == start or i + 1 >= end:
        return 0
    before, after = properties[i - 1], properties[i + 1]
    if point == FULL_STOP:
        return 1 if before & (SPACY_LOWER | SPACY_QUOTE) and after & (SPACY_UPPER | SPACY_QUOTE) else 0
    if point == 0x2C:  # ,
        return 1 if before & SPACY_ALPHA and after & SPACY_ALPHA else 0
    digit = _digit(points[i - 1])
    numbers = digit and (_digit(points[i + 1]) or points[i + 1] == 0x2D)
    if numbers and (point == 0x2B or point == 0x2D or point == 0x2A or point == 0x5E):  # + - * ^
        return 1
    if not digit and not before & SPACY_ALPHA:
        return 0
    if point == 0x2D or point == 0x2013 or point == 0x2014 or point == 0x7E:  # - – — ~
        return _hyphens(points, properties, i, end)
    if point == 0x3A or point == 0x3C or point == 0x3E or point == 0x3D or point == 0x2F:  # : < > = /
        return 1 if after & SPACY_ALPHA else 0
    return 0


@pure_kernel
def _hyphens(points: np.ndarray, properties: np.ndarray, i: int, end: int) -> int:
    """Length of the hyphens at i if a letter follows them: one, ``--``, ``---`` or ``——``; else 0."""
    point = points[i]
    most = 3 if point == 0x2D else 2 if point == 0x2014 else 1
    for length in range(1, most + 1):
        if i + length >= end:
            return 0
        if properties[i + length] & SPACY_ALPHA:
            return length
        if points[i + length] != point:
            return 0
    return 0
