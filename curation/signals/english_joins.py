"""Special cases that rules have cut are put together again: spaCy's ``Tokenizer._apply_special_cases`` (MIT).

":-)" after a word falls into ":" and "-)", which are the parts of a case next to each other: a row.
"""

from __future__ import annotations

import numpy as np

from hanji.curation.signals.compiled import kernel, pure_kernel
from hanji.curation.signals.english_tables import (
    FIRST_PIECE,
    LENGTH,
    MOST_PARTS,
    PIECES,
    EnglishTables,
    find_part,
    may_be_part,
)


@pure_kernel
def pieces_of(
    start: int, case: int, tables: EnglishTables, starts: np.ndarray, ends: np.ndarray, count: int
) -> int:
    strings = tables.strings
    lengths = strings[case, FIRST_PIECE]
    for _ in range(strings[case, PIECES]):
        starts[count] = start
        start += lengths & 15
        ends[count] = start
        lengths >>= 4
        count += 1
    return count


@pure_kernel
def meet(points: np.ndarray, end: int, start: int) -> bool:
    """Whether no token of white space is between two tokens: nothing or one space."""
    return start == end or (start == end + 1 and points[end] == 32)


@pure_kernel
def next_row(
    points: np.ndarray, tables: EnglishTables, starts: np.ndarray, ends: np.ndarray, token: int, count: int
) -> int:
    """The next token, from ``token`` on, that may be the first part of a case with the one after it; or count."""
    lengths, last = tables.lengths, False
    for i in range(token, count):
        this = may_be_part(points, starts[i], ends[i], lengths)
        if this and last and _reach(points, tables, starts, ends, i - 1, i + 1) == 2:
            return i - 1
        last = this
    return count


@pure_kernel
def _reach(
    points: np.ndarray, tables: EnglishTables, starts: np.ndarray, ends: np.ndarray, token: int, count: int
) -> int:
    """How many tokens from ``token`` on are parts of a case in a row, no token of white space between them."""
    lengths, steps = tables.lengths, tables.steps
    node, i = 0, token
    while i < count:
        if i > token and not meet(points, ends[i - 1], starts[i]):
            break
        if not may_be_part(points, starts[i], ends[i], lengths):
            break
        part = find_part(points, starts[i], ends[i], tables)
        node = steps[node, part] if part >= 0 else 0
        if node == 0:
            break
        i += 1
    return i - token


@pure_kernel
def _case_of(
    points: np.ndarray, tables: EnglishTables, starts: np.ndarray, ends: np.ndarray, first: int, last: int
) -> int:
    """The case that the tokens first … last - 1 are the parts of, or -1; the trie leads as far."""
    steps = tables.steps
    node = 0
    for i in range(first, last):
        node = steps[node, find_part(points, starts[i], ends[i], tables)]
    case: int = steps[node, -1]
    return case


@kernel
def join_rows(
    points: np.ndarray, tables: EnglishTables, starts: np.ndarray, ends: np.ndarray, count: int, row: int
) -> int:
    """Put cases together whose parts are tokens in a row: ``Tokenizer._apply_special_cases``; ``row`` is the first.

    Longer rows go first, then earlier ones. A row with spaces in it stays as it is, but keeps its tokens from
    other rows.
    """
    first = row
    rows = np.empty(count - first, np.int64)
    reach = np.empty(count - first, np.int64)
    found = 0
    while row < count:
        rows[found], reach[found] = row, _reach(points, tables, starts, ends, row, count)
        found += 1
        row = next_row(points, tables, starts, ends, row + 1, count)
    taken = np.zeros(count - first, np.bool_)
    cases = np.full(found, -1, np.int64)
    sizes = np.zeros(found, np.int64)
    for size in range(MOST_PARTS, 1, -1):
        for k in range(found):
            if reach[k] < size:
                continue
            case = _case_of(points, tables, starts, ends, rows[k], rows[k] + size)
            if case < 0:
                continue
            place = rows[k] - first
            if not taken[place] and not taken[place + size - 1]:
                cases[k], sizes[k] = case, size
            taken[place : place + size] = True
    return _replace(rows, cases, sizes, found, tables, starts, ends, count)


@kernel
def _replace(
    rows: np.ndarray,
    cases: np.ndarray,
    sizes: np.ndarray,
    found: int,
    tables: EnglishTables,
    starts: np.ndarray,
    ends: np.ndarray,
    count: int,
) -> int:
    """Put cases in the place of their rows' tokens where no space is between; returns how many tokens there are."""
    strings = tables.strings
    new = i = rows[0]
    old_starts, old_ends = starts[i:count].astype(np.int64), ends[i:count].astype(np.int64)
    first = i
    for k in range(found):
        row, size = rows[k], sizes[k]
        characters = old_ends[row + size - 1 - first] - old_starts[row - first]
        if size == 0 or characters != strings[cases[k], LENGTH]:
            continue
        new = _copy(old_starts, old_ends, i - first, row - first, starts, ends, new)
        new = pieces_of(old_starts[row - first], cases[k], tables, starts, ends, new)
        i = row + size
    return _copy(old_starts, old_ends, i - first, count - first, starts, ends, new)


@pure_kernel
def _copy(
    old_starts: np.ndarray,
    old_ends: np.ndarray,
    first: int,
    last: int,
    starts: np.ndarray,
    ends: np.ndarray,
    count: int,
) -> int:
    for i in range(first, last):
        starts[count], ends[count] = old_starts[i], old_ends[i]
        count += 1
    return count
