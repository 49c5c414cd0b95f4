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

from hanji.curation.signals.compiled import pure_kernel
from hanji.curation.signals.english_addresses import is_address
from hanji.curation.signals.english_joins import join_rows, meet, next_row, pieces_of
from hanji.curation.signals.english_rules import (
    FULL_STOP,
    cut_at_infixes,
    prefix_length,
    suffix_length,
    unit_length,
)
from hanji.curation.signals.english_tables import EnglishTables, find_case, may_be_case, tables
from hanji.curation.signals.unicode import (
    DECIMAL,
    SPACY_BEFORE_FULL_STOP,
    SPACY_MARK,
    SPACY_SENTENCE_END,
    SPACY_SUFFIX,
    WHITE,
    P,
)

__all__ = ["EnglishTables", "english_sentences", "english_words", "tables"]


@pure_kernel
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
    zero = begin - begin  # numba would compile again what takes a literal 0
    count, i = zero, begin
    while i < end:
        if properties[i] & WHITE:
            i += 1
            continue
        first, before, seen = i, 0, 0
        # Unsigned places: numba asks of no other whether they count from the end.
        k, last_place = np.uint64(i), np.uint64(end)
        while k < last_place and not properties[k] & WHITE:
            before = seen
            seen |= properties[k]
            k += np.uint64(1)
        i = np.int64(k)  # type: ignore[assignment]
        # Nearly every word is plain but for its last character, if that.
        last = i
        cut = seen & SPACY_MARK != 0
        if cut and not before & SPACY_MARK and _ends_plain_word(points, properties, first, i):
            last, cut = i - 1, False
        if not cut:
            cut = may_be_case(points, first, last, lengths) and find_case(points, first, last, tables) >= 0
        if not cut and last < i:
            cut = may_be_case(points, first, i, lengths) and find_case(points, first, i, tables) >= 0
        if cut:
            count = _cut(points, properties, first, i, seen, tables, starts, ends, count)
            continue
        starts[count], ends[count] = first, last
        count += 1
        if last < i:
            starts[count], ends[count] = last, i
            count += 1
    row = next_row(points, tables, starts, ends, zero, count)
    return join_rows(points, tables, starts, ends, count, row) if row < count else count


@pure_kernel
def _ends_plain_word(points: np.ndarray, properties: np.ndarray, start: int, end: int) -> bool:
    """Whether the last character of points[start:end) is a suffix; no rule cuts at any other character of it."""
    if end - start < 2:
        return False
    if points[end - 1] == FULL_STOP:
        return bool(properties[end - 2] & SPACY_BEFORE_FULL_STOP)
    return bool(properties[end - 1] & SPACY_SUFFIX)


@pure_kernel
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
        prefix = prefix_length(points, properties, start, end)
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
            suffix = unit_length(points, start + prefix, end, tables)
        if suffix == 0:
            suffix = suffix_length(points, properties, start + prefix, end)
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
        count = pieces_of(start, case, tables, starts, ends, count)
    elif start < end:
        if is_address(points, properties, start, end):
            starts[count], ends[count] = start, end
            count += 1
        else:
            count = cut_at_infixes(points, properties, start, end, starts, ends, count)
    for k in range(low, bottom):
        starts[count], ends[count] = starts[k], ends[k]
        count += 1
    return count


@pure_kernel
def english_sentences(
    points: np.ndarray,
    properties: np.ndarray,
    begin: int,
    end: int,
    starts: np.ndarray,
    ends: np.ndarray,
    first_word: int,
    last_word: int,
) -> int:
    """How many sentences datatrove's split_into_sentences (spaCy's Sentencizer) finds in points[begin:end).

    Its words are [starts, ends)[first_word:last_word). Empty text counts as one sentence. White space that is a
    token (all but single spaces between and after words) begins a sentence after a full stop, as in spaCy.
    """
    sentences, ended, place = 1, False, begin
    for word in range(first_word, last_word):
        start, stop = starts[word], ends[word]
        if ended and not meet(points, place, start):
            sentences += 1
            ended = False
        if stop - start == 1 and properties[start] & SPACY_SENTENCE_END:
            ended = True
        elif ended and not _punctuation(properties, start, stop):
            sentences += 1
            ended = False
        place = stop
    if ended and not meet(points, place, end):
        sentences += 1
    return sentences


@pure_kernel
def _punctuation(properties: np.ndarray, start: int, end: int) -> bool:
    i = start
    while i < end and properties[i] & P:
        i += 1
    return i == end
