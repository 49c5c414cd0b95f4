"""Korean and structural counts, one sweep over a document: scripts, chat, endings, lists, tables, code, addresses.

The text is Markdown-like, as extraction makes it (headings "# ", items "- ", fences ```), or plain. A word is what
stands between white space, a line what stands between newlines, without the white space around it.
"""

from __future__ import annotations

import numpy as np

from hanji.curation.signals import structure_columns as c
from hanji.curation.signals.characters import HANGUL, LATIN
from hanji.curation.signals.compiled import pure_kernel
from hanji.curation.signals.korean_endings import (
    ENDS_WITHIN_LINE,
    HEADLINE,
    MARKED,
    NO_ENDING,
    ending,
    may_end,
)
from hanji.curation.signals.spaced import CLASS_SHIFT, FIRST_IN_LINE, zero
from hanji.curation.signals.structure_columns import COLUMNS as COLUMNS
from hanji.curation.signals.structure_lines import (
    CODE,
    HEADING,
    INDENTED_CODE,
    PROSE,
    TABLE,
    closes_fence,
    fence_length,
    line_kind,
)
from hanji.curation.signals.structure_words import LETTERS, count_word, sentences_within

_INDENT = 4
_CLASSES = (1 << 9) - 1
# Bit n: the character 32 + n, alone at the end of a word, is counted without a look at the rest of the word.
_TAIL = sum(1 << (ord(mark) - 32) for mark in '.,;:?!)"')


@pure_kernel
def structure_counts(
    points: np.ndarray, properties: np.ndarray, words: np.ndarray, number: int, count: int, row: np.ndarray
) -> None:
    """Fill int64 row[:len(COLUMNS)] for points[:count] (int32) with their properties (uint32).

    ``words``: the first ``number`` rows are the text's words, of :func:`spaced_words`.
    """
    row[: c.WIDTH] = 0
    fence, marks = zero(), zero()  # what opened the fence that the line is in, and how many of it
    may_be_code = True  # the line before is blank, or indented as code is
    end, i = zero(), zero()
    while i < number:
        first = words[i, 0]
        indent, newlines = _gap(points, end, first)
        may_be_code = indent >= _INDENT and (may_be_code or newlines > 1)
        if fence:
            kind = CODE
            if points[first] == fence and closes_fence(points, properties, first, count, fence, marks):
                fence = 0
        else:
            marks = fence_length(points, properties, first, count)
            if marks:
                kind, fence = CODE, points[first]
            else:
                kind = line_kind(points, properties, first, count, may_be_code)
        i = _line(points, properties, words, i, number, kind, row)
        end = words[i - 1, 1] + 1
    row[c.SPACED_WORDS] = number


@pure_kernel
def _gap(points: np.ndarray, start: int, end: int) -> tuple[int, int]:
    """(columns of indentation, newlines) of the white space points[start:end) between two lines."""
    indent, newlines = 0, 0
    for j in range(start, end):
        if points[j] == 10:
            indent, newlines = 0, newlines + 1
        else:
            indent += _INDENT if points[j] == 9 else 1
    return indent, newlines


@pure_kernel
def _line(
    points: np.ndarray,
    properties: np.ndarray,
    words: np.ndarray,
    i: int,
    number: int,
    kind: int,
    row: np.ndarray,
) -> int:
    """Count the words of the line whose first word is the i-th, then the line; returns the next line's first word.

    Most words are of one script, with at most one common mark, the last character: those are counted here, since
    a call a word would cost more than the counting. The others go to :func:`count_word`.
    """
    prose = kind != CODE and kind != INDENTED_CODE
    spoken = prose and kind != TABLE
    first = words[i, 0]
    characters, latin, hangul, longest, sentences, quotes, parentheses = 0, 0, 0, 0, 0, 0, 0
    classes, end = np.int64(0), NO_ENDING
    while True:
        start, last = words[i, 0], words[i, 1]
        inside, body = (words[i, 2] >> CLASS_SHIFT) & _CLASSES, words[i, 3] >> CLASS_SHIFT
        i += 1
        sentences += end >= ENDS_WITHIN_LINE
        end = NO_ENDING
        length = last - start + 1
        characters += length
        classes |= inside
        point = points[last]
        marked = (point >= 32) & (point < 96) & ((_TAIL >> ((point - 32) & 63)) & 1 == 1) & (length > 2)
        plain = np.int64(body if marked else inside)
        if plain == 1 << LATIN or plain == 1 << HANGUL:
            latin += plain == 1 << LATIN
            hangul += plain == 1 << HANGUL
            quotes += point == 34
            parentheses += point == 41
            longest = max(longest, length)
            if plain == 1 << HANGUL and prose:
                if marked | may_end(point):
                    end = ending(points, properties, start, last)
                else:
                    end = HEADLINE
        else:
            longest = max(longest, count_word(points, properties, start, last, inside, spoken, row))
            if inside & (1 << HANGUL) and prose:
                end = ending(points, properties, start, last)
                sentences += sentences_within(points, properties, start, last)
        if i == number or words[i, 2] & FIRST_IN_LINE:
            break
    row[c.SPACED_WORD_CHARACTERS] += characters
    row[c.LATIN_WORDS] += latin
    row[c.HANGUL_WORDS] += hangul
    row[c.QUOTATION_MARKS] += quotes
    row[c.PARENTHESES] += parentheses
    row[c.LONGEST_WORD] = max(row[c.LONGEST_WORD], longest)
    length = last - first + 1
    row[c.FILLED_LINES] += 1
    row[c.LINE_CHARACTERS] += length
    row[c.LONGEST_LINE] = max(row[c.LONGEST_LINE], length)
    row[c.LETTERLESS_LINES] += not classes & LETTERS
    if kind != PROSE:
        place = c.HEADING_LINES + 2 * (kind - HEADING)
        row[place] += 1
        row[place + 1] += length
    end &= ENDS_WITHIN_LINE - 1
    if end and kind != TABLE:
        row[c.MARKED_KOREAN_LINES + end - MARKED] += 1
        sentences += end != HEADLINE
    row[c.KOREAN_SENTENCE_ENDS] += sentences
    return i
