"""Lines and paragraphs as NeMo Curator's filters cut them: at newlines and at pairs of newlines, nothing stripped.

A span's hash is made of its words' hashes and the white space between them; spans with equal hashes are compared
character by character.
"""

from __future__ import annotations

import numpy as np

from hanji.curation.signals.characters import mix
from hanji.curation.signals.compiled import pure_kernel
from hanji.curation.signals.nemo_room import NemoScratch, clear, slot_of

LINE_COLUMNS: dict[str, str] = {
    "nemo_lines": "lines that hold more than white space",
    "nemo_line_characters": "characters in those lines, white space at their ends included",
    "nemo_unique_lines": "different ones among them",
    "nemo_unique_line_characters": "characters in those",
    "nemo_bullet_lines": "lines that begin with a bullet character",
    "nemo_unpunctuated_lines": "lines that do not end in . ? ! or a plain quotation mark",
    "nemo_ellipsis_lines": "lines that end in an ellipsis or “read more”",
}
PARAGRAPH_COLUMNS: dict[str, str] = {
    "nemo_paragraphs": "stretches between pairs of newlines, empty ones too",
    "nemo_unique_paragraphs": "different ones among them",
    "nemo_unique_paragraph_characters": "characters in those",
    "nemo_boilerplate_paragraphs": "paragraphs with a phrase of cookie notices, privacy policies or terms of use",
}
BULLETS = (0x2022, 0x2023, 0x2043, 0x204C, 0x204D, 0x2219, 0x25CB, 0x25CF, 0x25D8, 0x25E6, 0x29BE, 0x29BF)
_BASE = np.uint64(0x9E3779B97F4A7C15)
_READ_MORE = 0x726561646D6F7265  # without its space


@pure_kernel
def line_counts(
    points: np.ndarray,
    words: int,
    newlines: int,
    room: NemoScratch,
    row: np.ndarray,
) -> None:
    """Counts of lines into row[:len(LINE_COLUMNS)]; ``room`` holds the words and newlines, and gets line_hashes."""
    ends, hashes, line_hashes, newlines_of_room, span_ends, span_hashes, span_starts, starts = (
        room.ends,
        room.hashes,
        room.line_hashes,
        room.newlines,
        room.span_ends,
        room.span_hashes,
        room.span_starts,
        room.starts,
    )
    start, word, lines, characters, bulleted, unpunctuated, ellipses = 0, 0, 0, 0, 0, 0, 0
    for line in range(newlines + 1):
        end = newlines_of_room[line]
        first, position = word, start
        value = np.uint64(1)
        while word < words and starts[word] < end:
            for i in range(position, starts[word]):
                value = value * _BASE + np.uint64(points[i])
            value = value * _BASE + hashes[word]
            position = ends[word]
            word += 1
        for i in range(position, end):
            value = value * _BASE + np.uint64(points[i])
        line_hashes[line] = value
        if word > first:
            span_starts[lines], span_ends[lines], span_hashes[lines] = start, end, mix(value)
            lines += 1
            characters += end - start
            tail = points[position - 1]
            bulleted += points[starts[first]] in BULLETS
            unpunctuated += not (tail == 46 or tail == 63 or tail == 33 or tail == 34 or tail == 39)
            ellipses += _ends_in_ellipsis(points, position)
        start = end + 1
    unique, unique_characters = _unique(points, lines, room)
    row[0], row[1], row[2], row[3] = lines, characters, unique, unique_characters
    row[4], row[5], row[6] = bulleted, unpunctuated, ellipses


@pure_kernel
def _ends_in_ellipsis(points: np.ndarray, end: int) -> bool:
    """Whether ... … [...] […] (...) -» or “read more”, also with two full stops, stands before ``end``."""
    tail = points[end - 1]
    if tail == 46:
        return ends_in_dots(points, end) or (
            end >= 2 and points[end - 2] == 46 and _read_more(points, end - 2)
        )
    if tail == 93:
        return _bracketed_dots(points, end, 91) or (
            end >= 3 and points[end - 2] == 0x2026 and points[end - 3] == 91
        )
    if tail == 41:
        return _bracketed_dots(points, end, 40)
    if tail == 0xBB:
        return end >= 2 and points[end - 2] == 45
    return tail == 0x2026 or _read_more(points, end)


@pure_kernel
def ends_in_dots(points: np.ndarray, end: int) -> bool:
    """Whether three full stops stand before ``end``."""
    return end >= 3 and points[end - 1] == 46 and points[end - 2] == 46 and points[end - 3] == 46


@pure_kernel
def _bracketed_dots(points: np.ndarray, end: int, bracket: int) -> bool:
    return end >= 5 and ends_in_dots(points, end - 1) and points[end - 5] == bracket


@pure_kernel
def _read_more(points: np.ndarray, end: int) -> bool:
    if end < 9 or points[end - 5] != 32:
        return False
    packed = 0
    for i in range(end - 9, end):
        if points[i] >= 128:
            return False
        if i != end - 5:
            packed = packed << 8 | points[i] | 32
    return packed == _READ_MORE


@pure_kernel
def paragraph_counts(
    points: np.ndarray, newlines: int, phrases: int, room: NemoScratch, row: np.ndarray
) -> None:
    """Paragraphs as str.split cuts at pairs of newlines: the third of three newlines begins the next one."""
    line_hashes, newlines_of_room, phrases_of_room, span_ends, span_hashes, span_starts = (
        room.line_hashes,
        room.newlines,
        room.phrases,
        room.span_ends,
        room.span_hashes,
        room.span_starts,
    )
    start, paragraphs, phrase, boilerplate, line = 0, 0, 0, 0, 0
    value = np.uint64(1)
    while line <= newlines:
        value = value * _BASE + line_hashes[line]
        end = newlines_of_room[line]
        cut = line + 1 < newlines and newlines_of_room[line + 1] == end + 1
        if cut or line == newlines:
            span_starts[paragraphs], span_ends[paragraphs] = start, end
            span_hashes[paragraphs] = mix(value)
            paragraphs += 1
            boilerplate += phrase < phrases and phrases_of_room[phrase] < end
            while phrase < phrases and phrases_of_room[phrase] < end:
                phrase += 1
            start, value = end + 2, np.uint64(1)
        line += 2 if cut else 1
    unique, unique_characters = _unique(points, paragraphs, room)
    row[0], row[1] = paragraphs, unique
    row[2], row[3] = unique_characters, boilerplate


@pure_kernel
def _unique(points: np.ndarray, spans: int, room: NemoScratch) -> tuple[int, int]:
    """(different spans, characters in them). Equal hashes are compared character by character."""
    table, span_ends, span_hashes, span_starts = (
        room.grams,
        room.span_ends,
        room.span_hashes,
        room.span_starts,
    )
    mask = clear(spans, table)
    unique, characters = 0, 0
    for span in range(spans):
        start, end, key = span_starts[span], span_ends[span], span_hashes[span] | np.uint64(1)
        slot = slot_of(key, mask)
        while table.keys[slot] != 0 and not (
            table.keys[slot] == key and _same(points, start, end, table.ids[slot], room)
        ):
            slot = (slot + 1) & mask
        if table.keys[slot] == 0:
            table.keys[slot], table.ids[slot] = key, span
            unique += 1
            characters += end - start
    return unique, characters


@pure_kernel
def _same(points: np.ndarray, start: int, end: int, span: int, room: NemoScratch) -> bool:
    span_ends, span_starts = room.span_ends, room.span_starts
    first = span_starts[span]
    if span_ends[span] - first != end - start:
        return False
    k = 0
    while k < end - start and points[start + k] == points[first + k]:
        k += 1
    return k == end - start
