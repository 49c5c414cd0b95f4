"""Lines and paragraphs of a document, with datatrove's definitions (Apache-2.0): Gopher's, FineWeb's and C4's.

Three notions of a line differ at blank lines and rare line ends: FineWeb's lines are those between newlines that
hold more than white space; Gopher's repetition rules cut at runs of newlines; Gopher's bullets and C4 cut where
Python's ``str.splitlines`` does.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hanji.curation.signals.compiled import pure_kernel
from hanji.curation.signals.english import EnglishTables, english_sentences, english_words
from hanji.curation.signals.grams import BASE, FINISH, Scratch, character_hash, empty_table, find
from hanji.curation.signals.unicode import ANCHOR, BREAK, DECIMAL, TERMINAL, WHITE

SHORT_LINE = 30
LINE_COLUMNS: dict[str, str] = {
    "newlines": "newline characters",
    "lines": "lines that hold more than white space",
    "punctuated_lines": "of those: lines that end in terminal punctuation of any script",
    "short_lines": "of those: lines of at most 30 characters",
    "repeated_line_characters": "of those: characters in lines that stood before",
    "split_lines": "pieces between runs of newlines",
    "duplicate_lines": "of those: pieces that stood before",
    "duplicate_line_characters": "characters in those",
    "paragraphs": "stretches between blank lines",
    "duplicate_paragraphs": "paragraphs that stood before",
    "duplicate_paragraph_characters": "characters in those",
    "break_lines": "lines between line ends of any kind, blank ones too",
    "bullet_lines": "of those: lines that begin with • or -",
    "ellipsis_lines": "of those: lines that end in an ellipsis",
}
C4_COLUMNS: dict[str, str] = {
    "c4_kept_lines": "lines that C4 keeps: 3 words or more, none over 1,000 characters, no “javascript” or policy",
    "c4_sentences": "sentences in lines that C4 keeps",
    "c4_terminal_sentences": "sentences in those of them that end in . ! ? or a quotation mark",
    "c4_lorem_ipsum_lines": "lines of at least 3 words with “lorem ipsum”",
    "c4_bracket_lines": "lines of at least 3 words, without “javascript”, with {",
    "c4_javascript_lines": "lines of at least 3 words with “javascript”",
    "c4_policy_lines": "lines of at least 3 words that speak of cookies, terms of use or a privacy policy",
}
_JAVASCRIPT, _LOREM, _POLICY, _BRACKET, _CITATION = 1, 2, 4, 8, 16


_LONGEST = len("[citation needed]")


def _points(phrase: str) -> tuple[int, ...]:
    """Its code points and zeros after them: of one length, so that a kernel is compiled once for all phrases."""
    return tuple(map(ord, phrase.ljust(_LONGEST, "\0")))


# Phrases as tuples of code points: constants that kernels index without making strings.
_EDIT, _NEEDED = _points("[edit]"), _points("[citation needed]")
_SCRIPT, _IPSUM, _COOKIE = _points("javascript"), _points("lorem ipsum"), _points("cookie")
_PRIVACY, _TERMS, _COOKIE_POLICY = (
    _points("privacy policy"),
    _points("terms of use"),
    _points("cookie policy"),
)
_USES, _USE_OF, _USE = _points("uses cookies"), _points("use of cookies"), _points("use cookies")


@pure_kernel
def _strip(properties: np.ndarray, begin: int, end: int) -> tuple[int, int]:
    while begin < end and properties[begin] & WHITE:
        begin += 1
    while end > begin and properties[end - 1] & WHITE:
        end -= 1
    return begin, end


@pure_kernel
def line_counts(
    points: np.ndarray, properties: np.ndarray, count: int, room: Scratch, row: np.ndarray
) -> None:
    """Counts of lines and paragraphs into row[:len(LINE_COLUMNS)], which is zero."""
    powers, keys, lengths, slots = room.powers, room.gram, room.counts, room.slots
    newlines, breaks = 0, 0
    for i in range(count):
        newlines += points[i] == 10
        breaks += (properties[i] & BREAK) != 0
    row[0] = newlines
    begin, end = _strip(properties, 0, count)
    stripped = begin == 0 and end == count
    shift, stamp = empty_table(newlines + 2, room)
    paragraph, in_paragraph = np.uint64(0), -1
    start = 0
    # Lines first, with the hashes of their paragraphs from those of the lines; these are looked up afterwards.
    paragraphs = 0
    for i in range(count + 1):
        if i < count and points[i] != 10:
            continue
        value = character_hash(points, start, i)
        _line(properties, start, i, count, value * FINISH, shift, stamp, slots, row)
        if breaks == newlines and (i < count or start < i):
            _break_line(points, properties, start, i, row)
        if i > start:
            if in_paragraph >= 0:
                paragraph = (paragraph * BASE + np.uint64(11)) * powers[i - start] + value
                in_paragraph += 1 + i - start
            else:
                paragraph, in_paragraph = value, i - start
        if in_paragraph >= 0 and i in (start, count):
            keys[paragraphs], lengths[paragraphs] = paragraph * FINISH, in_paragraph
            paragraphs += 1
            in_paragraph = -1
        start = i + 1
    if stripped and count > 0:
        shift, stamp = empty_table(paragraphs, room)
        for k in range(paragraphs):
            _paragraph(keys[k], lengths[k], shift, stamp, slots, row)
    else:
        shift, stamp = empty_table(newlines + 1, room)
        _stripped_paragraphs(points, begin, end, shift, stamp, slots, row)
    start = 0
    while breaks != newlines and start < count:
        end = start
        while end < count and not properties[end] & BREAK:
            end += 1
        _break_line(points, properties, start, end, row)
        start = next_break(points, end, count)


@pure_kernel
def next_break(points: np.ndarray, end: int, count: int) -> int:
    """Where the next line begins after a line end at ``end``: a carriage return and newline are one."""
    if end + 1 < count and points[end] == 13 and points[end + 1] == 10:
        return end + 2
    return end + 1


@pure_kernel
def _line(
    properties: np.ndarray,
    start: int,
    end: int,
    count: int,
    key: np.uint64,
    shift: np.uint64,
    stamp: np.uint64,
    slots: np.ndarray,
    row: np.ndarray,
) -> None:
    length = end - start
    if length == 0 and start > 0 and end < count:
        return  # between two newlines: a run of them cuts once
    row[5] += 1
    known = find(key, shift, stamp, 0, slots) >= 0
    if known:
        row[6] += 1
        row[7] += length
    while start < end and properties[start] & WHITE:
        start += 1
    if start == end:
        return
    row[1] += 1
    row[2] += (properties[end - 1] & TERMINAL) != 0
    row[3] += length <= SHORT_LINE
    if known:
        row[4] += length


@pure_kernel
def _paragraph(
    key: np.uint64, length: int, shift: np.uint64, stamp: np.uint64, slots: np.ndarray, row: np.ndarray
) -> None:
    row[8] += 1
    if find(key, shift, stamp, 0, slots) >= 0:
        row[9] += 1
        row[10] += length


@pure_kernel
def _stripped_paragraphs(
    points: np.ndarray,
    begin: int,
    end: int,
    shift: np.uint64,
    stamp: np.uint64,
    slots: np.ndarray,
    row: np.ndarray,
) -> None:
    """Paragraphs of a text that begins or ends with white space, or is empty."""
    start, i = begin, begin
    while True:
        if i < end and not (points[i] == 10 and i + 1 < end and points[i + 1] == 10):
            i += 1
            continue
        _paragraph(character_hash(points, start, i) * FINISH, i - start, shift, stamp, slots, row)
        if i >= end:
            return
        while i < end and points[i] == 10:
            i += 1
        start = i


@pure_kernel
def _break_line(points: np.ndarray, properties: np.ndarray, start: int, end: int, row: np.ndarray) -> None:
    row[11] += 1
    start, end = _strip(properties, start, end)
    if start == end:
        return
    row[12] += points[start] == 0x2022 or points[start] == 45
    row[13] += ends_in_ellipsis(points, start, end) or points[end - 1] == 0x2026


@pure_kernel
def ends_in_ellipsis(points: np.ndarray, start: int, end: int) -> bool:
    """Whether points[start:end) ends in three full stops."""
    return end - start >= 3 and points[end - 1] == 46 and points[end - 2] == 46 and points[end - 3] == 46


class LineRoom(NamedTuple):
    """Room for a line without its citations."""

    points: np.ndarray
    properties: np.ndarray
    starts: np.ndarray
    ends: np.ndarray


def line_room(characters: int) -> LineRoom:
    """Room for lines of at most this many characters."""
    return LineRoom(
        np.empty(characters, np.int32),
        np.empty(characters, np.uint32),
        np.empty(characters + 1, np.int32),
        np.empty(characters + 1, np.int32),
    )


@pure_kernel
def c4_counts(
    points: np.ndarray,
    properties: np.ndarray,
    count: int,
    starts: np.ndarray,
    ends: np.ndarray,
    words: int,
    tables: EnglishTables,
    english: bool,
    room: LineRoom,
    row: np.ndarray,
) -> None:
    """Counts of C4's line rules into row[:len(C4_COLUMNS)], which is zero; [starts, ends) are the words.

    In other languages than English a line has as many sentences as it has ends of sentences, but one at least.
    """
    start, word = 0, 0
    # English words cover all but the white space: those between it are where one does not begin at another's end.
    marks = BREAK | ANCHOR if english else BREAK | ANCHOR | WHITE
    while start < count:
        end, found, longest, begun, seen = start, 0, 0, start, 0
        while True:
            k = np.uint64(end)
            while k < np.uint64(count) and not properties[k] & marks:
                k += np.uint64(1)
            end = np.int64(k)  # type: ignore[assignment]
            stop = end == count or (properties[end] & BREAK) != 0
            if stop or properties[end] & WHITE:
                found += end > begun
                longest = max(longest, end - begun)
                begun = end + 1
                if stop:
                    break
            else:
                seen |= _phrase(points, end, start, count)
            end += 1
        from_word = word
        if english:
            found, longest, begun, before = 0, 0, start, start - 1
        while word < words and starts[word] < end:
            if english:
                if starts[word] != before:
                    found, begun = found + 1, np.int64(starts[word])  # type: ignore[assignment]
                before = np.int64(ends[word])  # type: ignore[assignment]
                longest = max(longest, before - begun)
            word += 1
        if found >= 3 and longest <= 1000:
            first, last = _strip(properties, start, end)
            length = -1
            if seen & _CITATION:
                length = _without_citations(points, properties, first, last, room)
            if length >= 0:
                _cited_line(length, tables, english, room, row)
            elif _is_kept(seen, row):
                if english:
                    sentences = english_sentences(
                        points, properties, first, last, starts, ends, from_word, word
                    )
                else:
                    sentences = max(1, _marks(points, properties, first, last))
                _count_sentences(points, first, last, sentences, row)
        start = next_break(points, end, count)


@pure_kernel
def _cited_line(length: int, tables: EnglishTables, english: bool, room: LineRoom, row: np.ndarray) -> None:
    """The same for a line that was copied to ``room`` without its citations: its words are other ones."""
    seen = 0
    for i in range(length):
        if room.properties[i] & ANCHOR:
            seen |= _phrase(room.points, i, 0, length)
    if not _is_kept(seen, row):
        return
    if english:
        words = english_words(room.points, room.properties, 0, length, tables, room.starts, room.ends)
        sentences = english_sentences(
            room.points, room.properties, 0, length, room.starts, room.ends, 0, words
        )
    else:
        sentences = max(1, _marks(room.points, room.properties, 0, length))
    _count_sentences(room.points, 0, length, sentences, row)


@pure_kernel
def _is_kept(seen: int, row: np.ndarray) -> bool:
    """Whether C4 keeps a line with these phrases; counts what it looks for, in C4's order."""
    if seen & _LOREM:
        row[3] += 1
    if seen & _JAVASCRIPT:
        row[5] += 1
        return False
    if seen & _BRACKET:
        row[4] += 1
    if seen & _POLICY:
        row[6] += 1
        return False
    row[0] += 1
    return True


@pure_kernel
def _count_sentences(points: np.ndarray, first: int, last: int, sentences: int, row: np.ndarray) -> None:
    row[1] += sentences
    tail = points[last - 1] if last > first else 0
    if tail in (46, 63, 33, 34, 39) and not ends_in_ellipsis(points, first, last):
        row[2] += sentences


@pure_kernel
def _without_citations(
    points: np.ndarray, properties: np.ndarray, first: int, last: int, room: LineRoom
) -> int:
    """Copy a line without [1], [], [edit] and [citation needed]; its length, or −1 if there is none."""
    length, found, i = 0, False, first
    while i < last:
        if points[i] == 91:
            skip = _citation(points, properties, i, last)
            if skip > 0 and not found:
                found = True
                for k in range(first, i):
                    room.points[k - first], room.properties[k - first] = points[k], properties[k]
                length = i - first
            if skip > 0:
                i += skip
                continue
        if found:
            room.points[length], room.properties[length] = points[i], properties[i]
            length += 1
        i += 1
    return length if found else -1


@pure_kernel
def _citation(points: np.ndarray, properties: np.ndarray, start: int, last: int) -> int:
    """Characters of the citation that begins with the bracket at ``start``; 0 if none does."""
    i = start + 1
    while i < last and properties[i] & DECIMAL:
        i += 1
    if i < last and points[i] == 93:
        return i + 1 - start
    if _stands(points, start, last, _EDIT):
        return len("[edit]")
    return _LONGEST if _stands(points, start, last, _NEEDED) else 0


@pure_kernel
def _stands(points: np.ndarray, start: int, last: int, phrase: tuple[int, ...]) -> bool:
    """Whether an ASCII phrase stands at ``start``, as it is written."""
    for k in range(_LONGEST):
        if phrase[k] == 0:
            return True
        if start + k >= last or points[start + k] != phrase[k]:
            return False
    return True


@pure_kernel
def _stands_in_any_case(
    points: np.ndarray, start: int, first: int, last: int, phrase: tuple[int, ...]
) -> bool:
    """The same for a lower-case phrase in any case; ``start`` may lie before ``first``, and then it does not."""
    if start < first:
        return False
    for k in range(_LONGEST):
        if phrase[k] == 0:
            return True
        if start + k >= last or _lower(points[start + k]) != phrase[k]:
            return False
    return True


@pure_kernel
def _lower(point: int) -> int:
    if 65 <= point <= 90:
        return point + 32
    return 107 if point == 0x212A else point  # the sign of kelvin


@pure_kernel
def _phrase(points: np.ndarray, i: int, first: int, last: int) -> int:
    """Which of C4's phrases stands around an anchor. Each is looked for at its rarest letter.

    ``last`` may lie behind the line: no phrase holds an end of line.
    """
    point = points[i]
    if point == 123:
        return _BRACKET
    if point == 91:
        return _CITATION
    letter = _lower(point)
    if letter == 106:
        return _JAVASCRIPT if _stands_in_any_case(points, i, first, last, _SCRIPT) else 0
    if letter == 107:
        if _stands_in_any_case(points, i - 3, first, last, _COOKIE):
            return _cookies(points, i - 3, first, last)
        return 0
    if letter == 118:
        return _POLICY if _stands_in_any_case(points, i - 3, first, last, _PRIVACY) else 0
    # m: of "terms of use" or "lorem ipsum".
    if i > first and _lower(points[i - 1]) == 114:
        return _POLICY if _stands_in_any_case(points, i - 3, first, last, _TERMS) else 0
    return _LOREM if _stands_in_any_case(points, i - 4, first, last, _IPSUM) else 0


@pure_kernel
def _cookies(points: np.ndarray, at: int, first: int, last: int) -> int:
    """``cookie`` stands at ``at``: whether one of the policy's phrases is around it."""
    if _stands_in_any_case(points, at, first, last, _COOKIE_POLICY):
        return _POLICY
    found = (
        _stands_in_any_case(points, at - 5, first, last, _USES)
        or _stands_in_any_case(points, at - 7, first, last, _USE_OF)
        or _stands_in_any_case(points, at - 4, first, last, _USE)
    )
    return _POLICY if found else 0


@pure_kernel
def _marks(points: np.ndarray, properties: np.ndarray, first: int, last: int) -> int:
    """Ends of sentences: terminal punctuation before white space or the end."""
    found = 0
    for i in range(first, last):
        if properties[i] & TERMINAL and (i + 1 == last or properties[i + 1] & WHITE):
            found += 1
    return found
