"""Words and sentences of English text as spaCy's blank English pipeline draws them, as kernels.

datatrove counts these words and sentences in its filters, so its verdicts can be reproduced with them. The rules
are spaCy's (MIT; ``spacy/tokenizer.pyx``, ``lang/punctuation.py``, ``lang/en``): a stretch between white space is
a word of the list of special cases, or prefixes and suffixes go off its ends one by one until it is such a case
or nothing goes; what remains is one address or falls apart at infixes. At the end, cases whose parts came out
next to each other are put together again. Regular expressions of spaCy stand here as code, over the classes of
characters in ``unicode.tsv``; lists are in ``english.tsv``. The tests compare all of it with spaCy itself.
"""

from __future__ import annotations

import numpy as np

from hanji.curation.signals.compiled import kernel
from hanji.curation.signals.english_addresses import is_address
from hanji.curation.signals.english_tables import (
    FIRST_PIECE,
    LENGTH,
    LONGEST,
    MOST_PARTS,
    PIECES,
    UNIT,
    EnglishTables,
    find_case,
    find_part,
    find_string,
    may_be_case,
    may_be_part,
    tables,
)
from hanji.curation.signals.unicode import (
    DECIMAL,
    SPACY_ALPHA,
    SPACY_BEFORE_FULL_STOP,
    SPACY_ICON,
    SPACY_LOWER,
    SPACY_MARK,
    SPACY_PREFIX,
    SPACY_QUOTE,
    SPACY_SENTENCE_END,
    SPACY_SUFFIX,
    SPACY_UPPER,
    WHITE,
    P,
)

__all__ = ["EnglishTables", "english_sentences", "english_words", "tables"]

_STOP, _ELLIPSIS, _APOSTROPHE, _DEGREE = 0x2E, 0x2026, 0x27, 0xB0


@kernel
def english_words(
    points: np.ndarray,
    properties: np.ndarray,
    begin: int,
    end: int,
    tables: EnglishTables,
    starts: np.ndarray,
    ends: np.ndarray,
) -> int:
    """Write the tokens of points[begin:end) that are not white space as [start, end); returns how many.

    points: int32; properties: uint32, of ``unicode.look_up``; starts, ends: int32[at least end - begin].
    """
    lengths = tables.lengths
    count, i = 0, begin
    while i < end:
        if properties[i] & WHITE:
            i += 1
            continue
        first, before, seen = i, 0, 0
        while i < end and not properties[i] & WHITE:
            before = seen
            seen |= properties[i]
            i += 1
        # Nearly every word is plain but for its last character, if that.
        last = i
        if seen & SPACY_MARK:
            if not before & SPACY_MARK and _ends_plain_word(points, properties, first, i):
                last = i - 1
            else:
                count = _cut(points, properties, first, i, seen, tables, starts, ends, count)
                continue
        if may_be_case(points, first, last, lengths) or (last < i and may_be_case(points, first, i, lengths)):
            count = _cut(points, properties, first, i, seen, tables, starts, ends, count)
            continue
        starts[count], ends[count] = first, last
        count += 1
        if last < i:
            starts[count], ends[count] = last, i
            count += 1
    row = _next_row(points, tables, starts, ends, 0, count)
    return _join(points, tables, starts, ends, count, row) if row < count else count


@kernel
def _ends_plain_word(points: np.ndarray, properties: np.ndarray, start: int, end: int) -> bool:
    """Whether the last character of points[start:end) is a suffix; no rule cuts at any other character of it."""
    if end - start < 2:
        return False
    if properties[end - 1] & SPACY_SUFFIX:
        return True
    return points[end - 1] == _STOP and properties[end - 2] & SPACY_BEFORE_FULL_STOP != 0


@kernel
def _pieces(
    start: int, case: int, tables: EnglishTables, starts: np.ndarray, ends: np.ndarray, count: int
) -> int:
    lengths = tables.strings[case, FIRST_PIECE]
    for _ in range(tables.strings[case, PIECES]):
        starts[count] = start
        start += lengths & 15
        ends[count] = start
        lengths >>= 4
        count += 1
    return count


@kernel
def _cut(
    points: np.ndarray,
    properties: np.ndarray,
    start: int,
    end: int,
    seen: int,
    tables: EnglishTables,
    starts: np.ndarray,
    ends: np.ndarray,
    count: int,
) -> int:
    """Tokens of points[start:end), which has no white space; ``seen`` is every property in it."""
    # Suffixes, which are found from the last on, wait at the end of the room that this stretch can need.
    bottom = count + end - start
    low = bottom
    lengths = tables.lengths
    case = -1
    while start < end:
        if may_be_case(points, start, end, lengths):
            case = find_case(points, start, end, tables)
            if case >= 0:
                break
        prefix = _prefix(points, properties, start, end)
        if prefix:
            starts[count], ends[count] = start, start + prefix
            if start + prefix < end and may_be_case(points, start + prefix, end, lengths):
                case = find_case(points, start + prefix, end, tables)
                if case >= 0:
                    count += 1
                    start += prefix
                    break
        suffix = 0
        if seen & DECIMAL:
            suffix = _unit(points, start + prefix, end, tables)
        if suffix == 0:
            suffix = _suffix(points, properties, start + prefix, end)
        if suffix:
            low -= 1
            if start < end - suffix and may_be_case(points, start, end - suffix, lengths):
                case = find_case(points, start, end - suffix, tables)
                if case >= 0:
                    starts[low], ends[low] = end - suffix, end
                    end -= suffix
                    break
        if not prefix and not suffix:
            break
        if prefix:
            count += 1
            start += prefix
        if suffix:
            starts[low], ends[low] = end - suffix, end
            end -= suffix
    if case >= 0:
        count = _pieces(start, case, tables, starts, ends, count)
    elif start < end:
        if is_address(points, properties, start, end):
            starts[count], ends[count] = start, end
            count += 1
        else:
            count = _infixes(points, properties, start, end, starts, ends, count)
    for k in range(low, bottom):
        starts[count], ends[count] = starts[k], ends[k]
        count += 1
    return count


@kernel
def _digit(point: int) -> bool:
    return 48 <= point <= 57


@kernel
def _prefix(points: np.ndarray, properties: np.ndarray, start: int, end: int) -> int:
    """Length of the prefix of points[start:end), 0 without one (TOKENIZER_PREFIXES); start < end."""
    if properties[start] & SPACY_PREFIX:
        return 1
    point = points[start]
    if point == 0x2B:  # +
        return 0 if start + 1 < end and _digit(points[start + 1]) else 1
    if point == _STOP:
        return _stops(points, start, end)
    if point == 0x55 and start + 2 < end and points[start + 1] == 0x53 and points[start + 2] == 0x24:  # US$
        return 3
    if (point == 0x43 or point == 0x41) and start + 1 < end and points[start + 1] == 0x24:  # C$ A$
        return 2
    return 0


@kernel
def _stops(points: np.ndarray, start: int, end: int) -> int:
    """Length of the run of full stops at ``start``; 0 for one alone."""
    i = start
    while i < end and points[i] == _STOP:
        i += 1
    return i - start if i > start + 1 else 0


@kernel
def _suffix(points: np.ndarray, properties: np.ndarray, start: int, end: int) -> int:
    """Length of the suffix of points[start:end), units apart, 0 without one: the longest of TOKENIZER_SUFFIXES."""
    if start == end:
        return 0
    last = end - 1
    point = points[last]
    if point == _STOP:
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


@kernel
def _last_stop(points: np.ndarray, properties: np.ndarray, start: int, last: int) -> int:
    """Length of the suffix with the full stop at ``last``."""
    first = last
    while first > start and points[first - 1] == _STOP:
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


@kernel
def _unit(points: np.ndarray, start: int, end: int, tables: EnglishTables) -> int:
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


@kernel
def _infixes(
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


@kernel
def _infix(points: np.ndarray, properties: np.ndarray, start: int, i: int, end: int) -> int:
    """Length of the infix at i of points[start:end), 0 without one (TOKENIZER_INFIXES of English)."""
    point = points[i]
    if point == _STOP:
        stops = _stops(points, i, end)
        if stops:
            return stops
    if point == _ELLIPSIS or properties[i] & SPACY_ICON:
        return 1
    if i == start or i + 1 >= end:
        return 0
    before, after = properties[i - 1], properties[i + 1]
    if point == _STOP:
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


@kernel
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


@kernel
def _meet(points: np.ndarray, end: int, start: int) -> bool:
    """Whether no token of white space is between two tokens: nothing or one space."""
    return start == end or (start == end + 1 and points[end] == 32)


@kernel
def _next_row(
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


@kernel
def _reach(
    points: np.ndarray, tables: EnglishTables, starts: np.ndarray, ends: np.ndarray, token: int, count: int
) -> int:
    """How many tokens from ``token`` on are parts of a case in a row, no token of white space between them."""
    node, i = 0, token
    while i < count:
        if i > token and not _meet(points, ends[i - 1], starts[i]):
            break
        if not may_be_part(points, starts[i], ends[i], tables.lengths):
            break
        part = find_part(points, starts[i], ends[i], tables)
        node = tables.steps[node, part] if part >= 0 else 0
        if node == 0:
            break
        i += 1
    return i - token


@kernel
def _case_of(
    points: np.ndarray, tables: EnglishTables, starts: np.ndarray, ends: np.ndarray, first: int, last: int
) -> int:
    """The case that the tokens first … last - 1 are the parts of, or -1; the trie leads as far."""
    node = 0
    for i in range(first, last):
        node = tables.steps[node, find_part(points, starts[i], ends[i], tables)]
    return tables.steps[node, -1]


@kernel
def _join(
    points: np.ndarray, tables: EnglishTables, starts: np.ndarray, ends: np.ndarray, count: int, row: int
) -> int:
    """Put cases together whose parts are tokens in a row: ``Tokenizer._apply_special_cases``; ``row`` is the first.

    Longer rows go first, then earlier ones. A row with spaces in it stays as it is, but keeps its tokens from
    other rows.
    """
    first = row
    rows = np.empty(count - first, np.int32)
    reach = np.empty(count - first, np.int32)
    found = 0
    while row < count:
        rows[found], reach[found] = row, _reach(points, tables, starts, ends, row, count)
        found += 1
        row = _next_row(points, tables, starts, ends, row + 1, count)
    taken = np.zeros(count - first, np.bool_)
    cases = np.full(found, -1, np.int32)
    sizes = np.zeros(found, np.int32)
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
    new = i = rows[0]
    old_starts, old_ends = starts[i:count].copy(), ends[i:count].copy()
    first = i
    for k in range(found):
        row, size = rows[k], sizes[k]
        if size == 0 or old_ends[row + size - 1 - first] - old_starts[row - first] != _length(
            tables, cases[k]
        ):
            continue
        new = _copy(old_starts, old_ends, i - first, row - first, starts, ends, new)
        new = _pieces(old_starts[row - first], cases[k], tables, starts, ends, new)
        i = row + size
    return _copy(old_starts, old_ends, i - first, count - first, starts, ends, new)


@kernel
def _length(tables: EnglishTables, string: int) -> int:
    return tables.strings[string, LENGTH]


@kernel
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


@kernel
def english_sentences(
    points: np.ndarray,
    properties: np.ndarray,
    begin: int,
    end: int,
    starts: np.ndarray,
    ends: np.ndarray,
    first_word: int,
    last_word: int,
    tables: EnglishTables,
) -> int:
    """How many sentences datatrove's split_into_sentences (spaCy's Sentencizer) finds in points[begin:end).

    Its words are [starts, ends)[first_word:last_word). Empty text counts as one sentence. White space that is a
    token (all but single spaces between and after words) begins a sentence after a full stop, as in spaCy.
    """
    sentences, ended, place = 1, False, begin
    for word in range(first_word, last_word):
        start, stop = starts[word], ends[word]
        if ended and not _meet(points, place, start):
            sentences += 1
            ended = False
        if stop - start == 1 and properties[start] & SPACY_SENTENCE_END:
            ended = True
        elif ended and not _punctuation(properties, start, stop):
            sentences += 1
            ended = False
        place = stop
    if ended and not _meet(points, place, end):
        sentences += 1
    return sentences


@kernel
def _punctuation(properties: np.ndarray, start: int, end: int) -> bool:
    i = start
    while i < end and properties[i] & P:
        i += 1
    return i == end
