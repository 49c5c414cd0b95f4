"""From texts to lines: the Arrow side of the kernels."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa

from hanji.curation.columns import flat, text_buffers
from hanji.curation.dedup import letters
from hanji.curation.repeated import kernels

VERSION = 2
"""Of all that a line is and what goes: kernels, hashes, edits."""
_NEWLINE = 10


@dataclass(frozen=True)
class Lines:
    """The lines with content of documents; those of i are bounds[i] to bounds[i + 1] (int64[documents + 1]).

    ``hashes``: uint64; ``starts``, ``ends``: int64, code points of the text, without the newline; ``letters``:
    int64, letters and digits in the line; ``kinds``: uint8, PLAIN, HEADING or CODE.
    """

    hashes: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    letters: np.ndarray
    kinds: np.ndarray
    bounds: np.ndarray

    def __len__(self) -> int:
        return len(self.hashes)

    def documents(self) -> np.ndarray:
        """The number of the document of each line; int64[lines]."""
        return np.repeat(np.arange(len(self.bounds) - 1), np.diff(self.bounds))

    def longest(self) -> np.ndarray:
        """Of each document the hash of its longest line: what tells it from others; uint64[documents]."""
        out = np.zeros(len(self.bounds) - 1, np.uint64)
        kernels.longest_lines(self.hashes, self.letters, self.bounds, out)
        return out


def scan(texts: pa.Array, languages: pa.Array) -> Lines:
    """The lines of texts (large_string without nulls). Equal lines have equal hashes within a language."""
    texts = flat(texts)
    data, offsets = text_buffers(texts)
    most = int(np.count_nonzero(data[offsets[0] : offsets[-1]] == _NEWLINE)) + len(texts)
    names = languages.to_pylist()
    found = Lines(
        np.empty(most, np.uint64),
        np.empty(most, np.int64),
        np.empty(most, np.int64),
        np.empty(most, np.int64),
        np.empty(most, np.uint8),
        np.empty(len(texts) + 1, np.int64),
    )
    count = kernels.scan_lines(
        data,
        offsets,
        np.array([_seed(name or "") for name in names], np.uint64),
        *letters.table(),
        found.hashes,
        found.starts,
        found.ends,
        found.letters,
        found.kinds,
        found.bounds,
    )
    return Lines(
        found.hashes[:count],
        found.starts[:count],
        found.ends[:count],
        found.letters[:count],
        found.kinds[:count],
        found.bounds,
    )


@cache
def _seed(language: str) -> int:
    return int.from_bytes(hashlib.blake2b(f"line {language}".encode(), digest_size=8).digest(), "little")
