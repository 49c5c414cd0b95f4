"""The one text pass: every count about a document from one decoding and one split into lines and words."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hanji.curation.signals import lines, nemo, refinedweb, structure, words
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
from hanji.curation.signals.compiled import pure_kernel
from hanji.curation.signals.english import EnglishTables, english_words
from hanji.curation.signals.grams import Scratch
from hanji.curation.signals.lines import LineRoom, c4_counts, line_counts
from hanji.curation.signals.nemo import NemoTables, nemo_counts
from hanji.curation.signals.nemo_room import NemoScratch
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


class DocumentRoom(NamedTuple):
    """Room for one document, made once a table: see :func:`document_room`."""

    points: np.ndarray
    properties: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    spaced: np.ndarray
    halves: np.ndarray


def document_room(characters: int) -> DocumentRoom:
    """Room for documents of at most this many characters: their points, properties, words, counts of classes."""
    return DocumentRoom(
        points=np.empty(characters, np.int32),
        properties=np.empty(characters, np.uint32),
        starts=np.empty(characters + 1, np.int32),
        ends=np.empty(characters + 1, np.int32),
        spaced=np.empty((characters // 2 + 1, 4), np.int64),
        halves=np.zeros((2, 16), np.int64),
    )


@pure_kernel
def measure_all(
    data: np.ndarray,
    offsets: np.ndarray,
    languages: np.ndarray,
    stop_words: np.ndarray,
    table: PropertyTable,
    english: EnglishTables,
    nemo_tables: NemoTables,
    texts: DocumentRoom,
    room: Scratch,
    line_room: LineRoom,
    nemo_scratch: NemoScratch,
    out: np.ndarray,
) -> None:
    """Counts of all documents into ``out``: int64[documents, columns], zeros; columns as in COLUMNS.

    Where it is STRUCTURE columns wide, the counts that come after are left out.
    data: uint8[bytes] of UTF-8; offsets: int64[documents + 1]; languages: int8, 1 for Korean, else 0;
    stop_words: uint64[2, n], hashes of the English list and of Korean word endings, padded with 0.
    """
    documents = len(offsets) - 1
    points, properties, starts, ends = texts.points, texts.properties, texts.starts, texts.ends
    spaced, halves = texts.spaced, texts.halves
    for i in range(documents):
        row = out[i]
        count = decode_utf8(data, offsets[i], offsets[i + 1], points)
        look_up(points, count, table, properties)
        korean = languages[i] == 1
        _characters(points, properties, count, halves, row[CHARACTERS:WORDS])
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
        if out.shape[1] == STRUCTURE:
            continue
        between_spaces = spaced_words(points, properties, count, spaced)
        structure_counts(points, properties, spaced, between_spaces, count, row[STRUCTURE:REFINEDWEB])
        refinedweb_counts(points, properties, spaced, between_spaces, count, row[REFINEDWEB:NEMO])
        nemo_counts(points, properties, count, nemo_tables, nemo_scratch, row[NEMO:END])


@pure_kernel
def _characters(
    points: np.ndarray, properties: np.ndarray, count: int, halves: np.ndarray, row: np.ndarray
) -> None:
    """Counts of characters by class, and of single signs."""
    # Two histograms in turn: a count need not wait for the one of the character before.
    for kind in range(16):
        halves[0, kind] = halves[1, kind] = 0
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
    row[0] = count
    for place, kind in enumerate((HANGUL, JAMO, HAN, KANA, LATIN, DIGIT, SPACE)):
        row[1 + place] = halves[0, kind] + halves[1, kind]
    row[8], row[9], row[10], row[11] = hashes, ellipses, brackets, sentences
