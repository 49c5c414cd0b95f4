"""The one text pass: every count about a document from one decoding and one split into lines and words."""

from __future__ import annotations

import numpy as np

from hanji.curation.signals import lines, nemo, nemo_room, refinedweb, structure, words
from hanji.curation.signals.characters import (
    DIGIT,
    HAN,
    HANGUL,
    JAMO,
    KANA,
    LATIN,
    SPACE,
    decode_utf8,
)
from hanji.curation.signals.compiled import kernel
from hanji.curation.signals.english import EnglishTables, english_words
from hanji.curation.signals.grams import Scratch
from hanji.curation.signals.lines import LineRoom, c4_counts, line_counts
from hanji.curation.signals.nemo import NemoTables, nemo_counts
from hanji.curation.signals.refinedweb import refinedweb_counts
from hanji.curation.signals.spaced import spaced_words
from hanji.curation.signals.structure import structure_counts
from hanji.curation.signals.unicode import CLASS_MASK, TERMINAL, PropertyTable, look_up
from hanji.curation.signals.words import korean_words, word_counts

CHARACTER_COLUMNS: dict[str, str] = {
    "characters": "code points of the text",
    "hangul": "Hangul syllables",
    "jamo": "conjoining, compatibility and halfwidth jamo (ㅋㅋ, ㅠㅠ)",
    "han": "Chinese characters (hanja)",
    "kana": "Japanese kana",
    "latin": "Latin letters",
    "digits": "digits",
    "spaces": "white space, newlines included",
    "hash_symbols": "#",
    "ellipses": "… or ...",
    "curly_brackets": "{ and }",
    "sentences": "sentence ends: . ! ? and their like before a space, a mark or the end",
}
CHARACTERS = 0
WORDS = CHARACTERS + len(CHARACTER_COLUMNS)
LINES = WORDS + len(words.COLUMNS)
C4 = LINES + len(lines.LINE_COLUMNS)
STRUCTURE = C4 + len(lines.C4_COLUMNS)
REFINEDWEB = STRUCTURE + len(structure.COLUMNS)
NEMO = REFINEDWEB + len(refinedweb.COLUMNS)
END = NEMO + len(nemo.COLUMNS)


@kernel
def measure_all(
    data: np.ndarray,
    offsets: np.ndarray,
    languages: np.ndarray,
    stop_words: np.ndarray,
    table: PropertyTable,
    english: EnglishTables,
    nemo_tables: NemoTables,
    room: Scratch,
    line_room: LineRoom,
    core_only: bool,
) -> np.ndarray:
    """Counts of all documents: int64[documents, columns], columns as in COLUMNS; with ``core_only`` to STRUCTURE.

    data: uint8[bytes] of UTF-8; offsets: int64[documents + 1]; languages: int8, 1 for Korean, else 0;
    stop_words: uint64[2, n], hashes of the English list and of Korean word endings, padded with 0.
    """
    documents = len(offsets) - 1
    longest = 1
    for i in range(documents):
        longest = max(longest, offsets[i + 1] - offsets[i])
    points = np.empty(longest, np.int32)
    properties = np.empty(longest, np.uint32)
    starts = np.empty(longest + 1, np.int32)
    ends = np.empty(longest + 1, np.int32)
    spaced = np.empty((longest // 2 + 1, 4), np.int64)
    nemo_scratch = nemo_room.scratch(longest)
    out = np.zeros((documents, STRUCTURE if core_only else END), np.int64)
    for i in range(documents):
        row = out[i]
        count = decode_utf8(data, offsets[i], offsets[i + 1], points)
        look_up(points, count, table, properties)
        korean = languages[i] == 1
        _characters(points, properties, count, row[CHARACTERS:WORDS])
        if korean:
            found = korean_words(points, properties, count, starts, ends)
        else:
            found = english_words(points, properties, 0, count, english, starts, ends)
        stops = stop_words[1] if korean else stop_words[0]
        word_counts(points, properties, starts, ends, found, stops, korean, room, row[WORDS:LINES])
        line_counts(points, properties, count, room, row[LINES:C4])
        c4_counts(
            points, properties, count, starts, ends, found, english, not korean, line_room, row[C4:STRUCTURE]
        )
        if core_only:
            continue
        between_spaces = spaced_words(points, properties, count, spaced)
        structure_counts(points, properties, spaced, between_spaces, count, row[STRUCTURE:REFINEDWEB])
        refinedweb_counts(points, properties, spaced, between_spaces, count, row[REFINEDWEB:NEMO])
        nemo_counts(points, properties, count, nemo_tables, nemo_scratch, row[NEMO:END])
    return out


@kernel
def _characters(points: np.ndarray, properties: np.ndarray, count: int, row: np.ndarray) -> None:
    """Counts of characters by class, and of single signs."""
    # Two histograms in turn: a count need not wait for the one of the character before.
    halves = np.zeros((2, 16), np.int64)
    dots, hashes, ellipses, brackets, sentences = 0, 0, 0, 0, 0
    for i in range(count):
        kind = properties[i] & CLASS_MASK
        halves[i & 1, kind] += 1
        if kind:
            dots = 0
            continue
        point = points[i]
        dots = dots + 1 if point == 46 else 0
        if dots == 3 or point == 0x2026:
            ellipses += 1
            dots = 0
        elif point == 35:
            hashes += 1
        elif point == 123 or point == 125:
            brackets += 1
        if properties[i] & TERMINAL and (i + 1 == count or (properties[i + 1] & CLASS_MASK) <= SPACE):
            sentences += i == 0 or not properties[i - 1] & TERMINAL
    classes = halves[0] + halves[1]
    row[0] = count
    row[1], row[2], row[3], row[4] = classes[HANGUL], classes[JAMO], classes[HAN], classes[KANA]
    row[5], row[6], row[7] = classes[LATIN], classes[DIGIT], classes[SPACE]
    row[8], row[9], row[10], row[11] = hashes, ellipses, brackets, sentences
