"""Text signals: counts from the one text pass, and a few of phrases, for a column of texts."""

from __future__ import annotations

from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hanji.curation.columns import flat
from hanji.curation.signals import english, nemo, nemo_room, unicode
from hanji.curation.signals.columns import COLUMNS
from hanji.curation.signals.grams import scratch
from hanji.curation.signals.kernels import STRUCTURE, document_room, measure_all
from hanji.curation.signals.lines import line_room
from hanji.curation.signals.words import finished_hash

VERSION = 3

# Gopher's list (Rae et al. 2021), and what FineWeb-2's kor_Hang recipe asks of Korean, at the ends of words.
ENGLISH_STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
KOREAN_ENDINGS = (
    *("의", "다", "이", "는", "에", "을", "한", "년", "하", "은", "를", "했", "고"),
    *("에서", "가", "있", "으로", "인", "월", "로", "되", "도", "요", "와", "과"),
)
# Counted in text whose ASCII letters are made small: name, phrase, meaning. To add one, add a line.
PHRASES: dict[str, tuple[str, str]] = {}
SIGNALS: dict[str, str] = COLUMNS | {name: meaning for name, (_, meaning) in PHRASES.items()}
"""Name and meaning of every integer column of :func:`measure`."""


def measure(
    texts: pa.Array | pa.ChunkedArray, languages: pa.Array | pa.ChunkedArray, *, core_only: bool = False
) -> pa.Table:
    """Signals of texts: one int64 column a name in SIGNALS, one row a text.

    ``texts`` is large_string without nulls, ``languages`` a string a text; "ko" counts Korean words and endings.
    With ``core_only`` just what Gopher's, C4's and FineWeb's rules look at: for benchmarks; a run has all.
    """
    array = flat(texts)
    _, offsets, data = array.buffers()
    bounds = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    raw = np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(1, np.uint8)
    korean = pc.fill_null(pc.equal(flat(languages), "ko"), False).to_numpy(zero_copy_only=False)
    longest = int(np.diff(bounds).max(initial=1))
    names = list(COLUMNS)[:STRUCTURE] if core_only else list(COLUMNS)
    counts = np.zeros((len(array), len(names)), np.int64)
    measure_all(
        raw,
        bounds,
        korean.astype(np.int8),
        _stop_hashes(),
        unicode.table(),
        english.tables(),
        nemo.tables(),
        document_room(longest),
        scratch(longest),
        line_room(longest),
        nemo_room.scratch(longest),
        counts,
    )
    columns = {name: pa.array(counts[:, place]) for place, name in enumerate(names)}
    if core_only:
        return pa.table(columns)
    lowered = pc.ascii_lower(array) if PHRASES else array
    for name, (phrase, _) in PHRASES.items():
        columns[name] = pc.count_substring(lowered, phrase).cast(pa.int64())
    return pa.table(columns)


def word_hash(word: str) -> int:
    """The kernels' hash of a word, in its own case."""
    points = np.array([ord(character) for character in word], np.int32)
    return int(finished_hash(points, 0, len(points)))


@cache
def _stop_hashes() -> np.ndarray:
    width = max(len(ENGLISH_STOP_WORDS), len(KOREAN_ENDINGS))
    hashes = np.zeros((2, width), np.uint64)
    for row, words in enumerate((ENGLISH_STOP_WORDS, KOREAN_ENDINGS)):
        hashes[row, : len(words)] = [word_hash(word) for word in words]
    return hashes
