"""From texts to shingle sets, band hashes and exact likeness: the Arrow side of the kernels."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hanji.curation.columns import flat
from hanji.curation.dedup import kernels
from hanji.curation.recipe import MinHash, Shingles
from hanji.curation.signals.characters import mix

VERSION = 1
_SEED = 0x48414E4A49  # "HANJI": fixed, so that signatures of different runs can be compared
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True)
class ShingleSets:
    """Distinct shingles (uint64, sorted) of documents; those of i are hashes[bounds[i]:bounds[i + 1]]."""

    hashes: np.ndarray
    bounds: np.ndarray

    def sizes(self) -> np.ndarray:
        """Number of distinct shingles of each document; int64."""
        return np.diff(self.bounds)


def shingle_sets(texts: pa.Array | pa.ChunkedArray, shingles: Shingles) -> ShingleSets:
    """Shingle sets of lower-cased texts. ``texts`` is large_string without nulls."""
    lowered = pc.utf8_lower(flat(texts))
    _, offsets, data = lowered.buffers()
    bounds = np.frombuffer(offsets, np.int64)[lowered.offset : lowered.offset + len(lowered) + 1]
    raw = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
    kind = kernels.WORD if shingles.unit == "word" else kernels.SYLLABLE
    return ShingleSets(*kernels.shingle_all(raw, bounds, kind, shingles.n))


def band_hashes(sets: ShingleSets, settings: MinHash) -> np.ndarray:
    """Band hashes, uint64[documents, bands]; a document without shingles gets hashes like any other."""
    factors, terms = _permutations(settings.bands * settings.rows)
    return kernels.band_hashes(sets.hashes, sets.bounds, factors, terms, settings.rows)


def likeness(sets: ShingleSets, left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Exact (Jaccard, containment of the smaller set in the larger) of pairs of documents; float64 each."""
    shared = kernels.overlap(sets.hashes, sets.bounds, left, right).astype(np.float64)
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
    normal = _SPACES.sub("", unicodedata.normalize("NFKC", text).casefold())
    return hashlib.blake2b(normal.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _permutations(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Odd factors and terms of ``count`` multiply-shift hashes, from a fixed splitmix64 stream."""
    state = np.arange(1, 2 * count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    values = np.array([mix(np.uint64(int(s) ^ _SEED)) for s in state], np.uint64)
    return values[:count] | np.uint64(1), values[count:]
