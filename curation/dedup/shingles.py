"""From texts to shingle sets, band hashes and exact likeness: the Arrow side of the kernels."""

from __future__ import annotations

import hashlib
import itertools
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

from hanji.curation.columns import flat, text_buffers
from hanji.curation.dedup import kernels, letters, minima
from hanji.curation.dedup.plain import plain, plain_texts
from hanji.curation.recipe import MinHash, Shingles
from hanji.curation.signals.characters import mix

VERSION = 3
_SEED = 0x48414E4A49  # "HANJI": fixed, so that signatures of different runs can be compared
_BASE = 0xD1342543DE82EF95  # odd, of the polynomial in the hashes of units
_Table = np.ndarray
_Room = np.ndarray
_Scan = tuple[_Table, _Table, _Table, np.uint32, int, int, np.uint64, np.uint64, _Room, _Room, _Room]


@dataclass(frozen=True)
class ShingleSets:
    """Distinct shingles (uint64, sorted) of documents; those of i are hashes[bounds[i]:bounds[i + 1]]."""

    hashes: np.ndarray
    bounds: np.ndarray

    def sizes(self) -> np.ndarray:
        """Number of distinct shingles of each document; int64."""
        return np.diff(self.bounds)


@dataclass(frozen=True)
class Signatures:
    """``bands``: uint64[documents, bands], the hash of each band; ``shingles``: int64[documents], how many a
    text has, each as often as it stands. A text with none has band hashes like any other, which mean nothing."""

    bands: np.ndarray
    shingles: np.ndarray


def signatures(texts: pa.Array | pa.ChunkedArray, shingles: Shingles, settings: MinHash) -> Signatures:
    """Signatures of texts in one pass: those of ``band_hashes(shingle_sets(texts))``, without making the sets.

    Texts are compared in NFC and without regard to case. ``texts`` is large_string without nulls.
    """
    texts = flat(texts)
    found = _sign(texts, shingles, settings, letters.UNCOMPOSED)
    rows = np.flatnonzero(found.shingles == kernels.NOT_COMPOSED)
    if len(rows):
        again = _sign(_composed(texts.take(pa.array(rows))), shingles, settings, 0)
        found.bands[rows] = again.bands
        found.shingles[rows] = again.shingles
    return found


def _sign(texts: pa.Array, shingles: Shingles, settings: MinHash, watched: int) -> Signatures:
    data, offsets = text_buffers(texts)
    factors, terms = _permutations(settings.bands * settings.rows)
    found = Signatures(np.empty((len(texts), settings.bands), np.uint64), np.empty(len(texts), np.int64))
    minima.sign_texts(
        data,
        offsets,
        *_scan(shingles, watched),
        factors,
        terms,
        settings.rows,
        np.empty(kernels.BLOCK, np.uint64),
        np.empty(kernels.BLOCK, np.uint32),
        np.empty(len(factors), np.uint32),
        found.bands,
        found.shingles,
    )
    return found


def shingle_sets(texts: pa.Array | pa.ChunkedArray, shingles: Shingles) -> ShingleSets:
    """Shingle sets of texts in NFC, case folded. ``texts`` is large_string without nulls."""
    texts = flat(texts)
    data, offsets = text_buffers(texts)
    units = int(offsets[-1] - offsets[0])
    # Most of this is never touched, and memory that is not touched is not taken.
    hashes = np.empty(units // 2 + 2 * len(texts) + 1 if shingles.unit == "word" else units + 1, np.uint64)
    bounds = np.empty(len(texts) + 1, np.int64)
    scan = _scan(shingles, letters.UNCOMPOSED)
    if kernels.write_shingles(data, offsets, *scan, hashes, bounds) < len(texts):
        data, offsets = text_buffers(_composed(texts))
        hashes = np.empty(int(offsets[-1] - offsets[0]) + 1, np.uint64)
        kernels.write_shingles(data, offsets, *_scan(shingles, 0), hashes, bounds)
    for first, last in itertools.pairwise(bounds.tolist()):
        hashes[first:last].sort()
    return ShingleSets(hashes[: kernels.keep_distinct(hashes, bounds)].copy(), bounds)


def band_hashes(sets: ShingleSets, settings: MinHash) -> np.ndarray:
    """Band hashes, uint64[documents, bands]; a document without shingles gets hashes like any other."""
    factors, terms = _permutations(settings.bands * settings.rows)
    out = np.empty((len(sets.bounds) - 1, settings.bands), np.uint64)
    halves = np.empty(kernels.BLOCK, np.uint32)
    smallest = np.empty(len(factors), np.uint32)
    minima.sign_sets(sets.hashes, sets.bounds, factors, terms, settings.rows, halves, smallest, out)
    return out


def _composed(texts: pa.Array) -> pa.Array:
    return pa.array([unicodedata.normalize("NFC", text) for text in texts.to_pylist()], pa.large_string())


def _scan(shingles: Shingles, watched: int) -> _Scan:
    """What ``kernels.next_shingles`` needs beside the text: tables, settings, and room for where it stands."""
    return (
        *letters.table(),
        _steps(),
        np.uint32(watched),
        kernels.WORD if shingles.unit == "word" else kernels.SYLLABLE,
        shingles.n,
        np.uint64(_BASE),
        np.uint64(pow(_BASE, shingles.n, 1 << 64)),
        np.zeros(kernels.STATE, np.int64),
        np.zeros(1 + shingles.n + kernels.BLOCK, np.uint64),
        np.empty(kernels.BLOCK, np.uint64),
    )


@cache
def _steps() -> np.ndarray:
    """``kernels.step_of`` the letters and digits of ASCII, folded; 0 for its other characters; uint64[128]."""
    _, cells = letters.table()
    return np.array(
        [
            kernels.step_of(np.uint32(point ^ int(cells[point]) & letters.FOLD)) if cells[point] else 0
            for point in range(128)
        ],
        np.uint64,
    )


def likeness(sets: ShingleSets, left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Exact (Jaccard, containment of the smaller set in the larger) of pairs of documents; float64 each."""
    found = np.empty(len(left), np.int64)
    kernels.overlap(sets.hashes, sets.bounds, left, right, found)
    shared = found.astype(np.float64)
    sizes = sets.sizes()
    a, b = sizes[left].astype(np.float64), sizes[right].astype(np.float64)
    union = a + b - shared
    smaller = np.minimum(a, b)
    jaccard = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    containment = np.divide(shared, smaller, out=np.zeros_like(shared), where=smaller > 0)
    return jaccard, containment


def alike(jaccard: np.ndarray, containment: np.ndarray, settings: MinHash) -> np.ndarray:
    """Which pairs are duplicates by the recipe: alike enough, or one inside the other; bool[pairs]."""
    return (jaccard >= settings.min_jaccard) | (containment >= settings.min_containment)


def exact_hash(text: str) -> bytes:
    """128-bit blake2b of the text in NFKC, case-folded, without white space: equal texts but for layout."""
    return _hashed(plain(text))


def exact_hashes(texts: pa.Array) -> np.ndarray:
    """``exact_hash`` of each text; uint64[texts, 2]."""
    digests = b"".join(map(_hashed, plain_texts(texts)))
    return np.frombuffer(digests, np.uint64).reshape(-1, 2)


def _hashed(normal: Any) -> bytes:
    return hashlib.blake2b(normal, digest_size=16).digest()


@cache
def _permutations(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Odd factors and terms (uint32) of ``count`` permutations, from a fixed splitmix64 stream."""
    state = np.arange(1, 2 * count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    values = np.array([mix(np.uint64(int(s) ^ _SEED)) for s in state], np.uint64)
    halves = (values >> np.uint64(32)).astype(np.uint32)
    return halves[:count] | np.uint32(1), halves[count:]
