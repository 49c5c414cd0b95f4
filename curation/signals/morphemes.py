"""Korean morphemes by Kiwi (kiwipiepy, Apache-2.0), and what is counted of them as words.

FineWeb-2's Korean thresholds are on Kiwi's morphemes; nothing else needs them, and Kiwi, at a quarter of a megabyte
a second, costs more than all the rest, so it is an optional dependency and a step of its own. A word is the stretch
of text that a morpheme covers, without white space at its ends; morphemes may share a stretch (했 is 하 and 었).

Kiwi is C++ that cannot be stopped half way, takes more than linear time and writes lengths in 16 bits. So it is
given at most PIECE code points at a time, cut at line ends, and no text of more than MAX_CHARACTERS: a bound on
size, not on time, gives the same numbers on every machine.
"""

from __future__ import annotations

import importlib.util
import os
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
from llvmlite import binding  # type: ignore[import-untyped]

from hanji.curation.columns import flat
from hanji.curation.signals import unicode, words
from hanji.curation.signals.characters import decode_utf8
from hanji.curation.signals.compiled import kernel, pure_kernel
from hanji.curation.signals.grams import Scratch, scratch
from hanji.curation.signals.unicode import WHITE, PropertyTable, look_up
from hanji.curation.signals.words import finished_hash, word_counts

VERSION = 1
PREFIX = "kiwi_"
LIBRARIES = ("kiwipiepy", "kiwipiepy_model")
MODEL = "cong"
# Words that no dictionary has, by a rule of length: how Kiwi did it before 0.23, when the thresholds were derived.
UNKNOWN_WORDS = "rule"
PIECE = 8192
MAX_CHARACTERS = 1_000_000
# FineWeb-2, configs/kor_Hang.yml: particles, endings and other frequent morphemes.
STOP_WORDS = (
    *("의", "다", "이", "는", "에", "을", "한", "년", "하", "은", "를", "했"),
    *("고", "에서", "가", "있", "으로", "인", "월", "로", "되"),
)
COLUMNS: dict[str, str] = {
    "kiwi_characters": "code points of the text in NFC, which is what Kiwi reads",
    "kiwi_unread": "1 if the text is longer than Kiwi is given: its words are then split at white space",
    **{f"{PREFIX}{name}": f"by Kiwi's morphemes: {text}" for name, text in words.COLUMNS.items()},
    "kiwi_words": "morphemes as Kiwi draws them, punctuation too",
    "kiwi_stop_words": "how many of FineWeb-2's Korean stop words are morphemes of the text",
}
"""Name and meaning of every integer column of :func:`measure`."""
WIDTH = len(words.COLUMNS)


def installed() -> bool:
    """Whether Kiwi is here: the extra ``korean``."""
    return importlib.util.find_spec("kiwipiepy") is not None


def measure(texts: pa.Array | pa.ChunkedArray) -> pa.Table:
    """Counts of Korean texts: one int64 column a name in COLUMNS, one row a text.

    ``texts`` is large_string without nulls; each is brought to NFC first.
    """
    composed = [unicodedata.normalize("NFC", text) for text in flat(texts).to_pylist()]
    return counts(composed, [morphemes(text) for text in composed])


def morphemes(text: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Starts and ends (int32, code points) of Kiwi's morphemes in a text; None if it is too long for Kiwi."""
    if len(text) > MAX_CHARACTERS:
        return None
    starts: list[int] = []
    ends: list[int] = []
    tokenize = _kiwi().tokenize
    for first, last in pieces(text):
        for token in tokenize(text[first:last], oov_handling=UNKNOWN_WORDS):
            start = first + token.start
            starts.append(start)
            ends.append(start + token.len)
    return np.array(starts, np.int32), np.array(ends, np.int32)


def pieces(text: str) -> Iterator[tuple[int, int]]:
    """A text in stretches of at most PIECE code points, cut after a newline, else after a space, else anywhere."""
    first = 0
    while first < len(text):
        last = first + PIECE
        if last < len(text):
            cut = text.rfind("\n", first, last)
            if cut <= first:
                cut = text.rfind(" ", first, last)
            if cut > first:
                last = cut + 1
        yield first, min(last, len(text))
        first = last


def counts(texts: Sequence[str], spans: Sequence[tuple[np.ndarray, np.ndarray] | None]) -> pa.Table:
    """The columns of :func:`measure` over given words: for each text starts and ends (int32, code points).

    White space at the ends of a word is not part of it. None stands for words split at white space.
    """
    array = pa.array(texts, pa.large_string())
    _, offsets, data = array.buffers()
    given = [span for span in spans if span is not None]
    bounds = np.zeros(len(texts) + 1, np.int64)
    np.cumsum([0 if span is None else len(span[0]) for span in spans], out=bounds[1:])
    none = np.empty(0, np.int32)
    starts = np.concatenate([none, *(start for start, _ in given)])
    ends = np.concatenate([none, *(end for _, end in given)])
    # Morphemes share characters, so that there may be more of them, and longer ones in all, than text.
    room = max([1, *map(len, texts), *(max(len(start), int((end - start).sum())) for start, end in given)])
    unread = np.array([span is None for span in spans], np.int64)
    out = _count(
        np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(1, np.uint8),
        np.frombuffer(offsets, np.int64)[: len(texts) + 1] if len(texts) else np.zeros(1, np.int64),
        starts,
        ends,
        bounds,
        unread,
        unicode.table(),
        _stop_words(),
        scratch(room),
    )
    columns = {f"{PREFIX}{name}": out[:, place] for place, name in enumerate(words.COLUMNS)}
    columns["kiwi_characters"] = np.array([len(text) for text in texts], np.int64)
    columns["kiwi_unread"] = unread
    return pa.table({name: pa.array(columns[name], pa.int64()) for name in COLUMNS})


@kernel
def _count(
    data: np.ndarray,
    offsets: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    bounds: np.ndarray,
    unread: np.ndarray,
    table: PropertyTable,
    stop_words: np.ndarray,
    room: Scratch,
) -> np.ndarray:
    """Counts of all documents: int64[documents, columns of words.py]; words of document i are bounds[i:i + 1]."""
    documents = len(offsets) - 1
    longest = 1
    for i in range(documents):
        longest = max(longest, offsets[i + 1] - offsets[i], bounds[i + 1] - bounds[i])
    points = np.empty(longest, np.int32)
    properties = np.empty(longest, np.uint32)
    first = np.empty(longest, np.int32)
    last = np.empty(longest, np.int32)
    out = np.zeros((documents, WIDTH), np.int64)
    for i in range(documents):
        count = decode_utf8(data, offsets[i], offsets[i + 1], points)
        look_up(points, count, table, properties)
        if unread[i]:
            found = _between_spaces(properties, count, first, last)
        else:
            found = 0
            for k in range(bounds[i], bounds[i + 1]):
                start, end = starts[k], ends[k]
                while start < end and properties[start] & WHITE:
                    start += 1
                while end > start and properties[end - 1] & WHITE:
                    end -= 1
                if start < end:
                    first[found], last[found] = start, end
                    found += 1
        word_counts(points, properties, first, last, found, stop_words, False, room, out[i])
    return out


@pure_kernel
def _between_spaces(properties: np.ndarray, count: int, first: np.ndarray, last: np.ndarray) -> int:
    """Words of properties[:count] between white space, into ``first`` and ``last``; returns how many."""
    found, start = 0, -1
    for i in range(count + 1):
        space = i == count or (properties[i] & WHITE) != 0
        if space and start >= 0:
            first[found], last[found] = start, i
            found += 1
            start = -1
        elif not space and start < 0:
            start = i
    return found


@cache
def _stop_words() -> np.ndarray:
    points = [np.array([ord(character) for character in word], np.int32) for word in STOP_WORDS]
    return np.array([finished_hash(word, 0, len(word)) for word in points], np.uint64)


@cache
def _kiwi() -> Any:
    """The analyser (two seconds of loading, once a process), in this thread alone."""
    # Kiwi takes the widest vectors that it finds, and not all kinds round alike; AVX2's are the most common.
    if binding.get_host_cpu_features().get("avx2"):
        os.environ.setdefault("KIWI_ARCH_TYPE", "avx2")
    from kiwipiepy import Kiwi

    return Kiwi(model_type=MODEL, num_workers=1)
