"""Compiled kernels of MinHash: signatures straight from texts or from ready-made shingles (Broder 1997).

A permutation of 32-bit integers is h → factor·h + term modulo 2^32 with an odd factor; h is the lower half of a
shingle, which splitmix64 has mixed. The signature keeps the smallest value under each permutation, so a shingle
that stands twice changes nothing and need not be found. Shingles are taken in blocks that stay in the nearest
cache, and each permutation runs over a block with 8 or 16 shingles in one register.
"""

from __future__ import annotations

import numpy as np

from hanji.curation.dedup.kernels import BLOCK, NOT_COMPOSED, begin, finished, next_shingles
from hanji.curation.signals.characters import mix
from hanji.curation.signals.compiled import pure_kernel

# Blocks are filled up to a multiple of this, so that no shingle is left over for a slower loop.
LANES = 32


@pure_kernel
def sign_texts(
    data: np.ndarray,
    offsets: np.ndarray,
    pages: np.ndarray,
    cells: np.ndarray,
    steps: np.ndarray,
    watched: np.uint32,
    kind: int,
    n: int,
    base: np.uint64,
    leaving: np.uint64,
    state: np.ndarray,
    prefixes: np.ndarray,
    units: np.ndarray,
    factors: np.ndarray,
    terms: np.ndarray,
    rows: int,
    block: np.ndarray,
    halves: np.ndarray,
    smallest: np.ndarray,
    out: np.ndarray,
    counts: np.ndarray,
) -> None:
    """Band hashes of each document of ``write_shingles``'s arguments; none of its shingles is kept.

    factors, terms: uint32[bands * rows]; block: uint64[BLOCK]; halves: uint32[BLOCK]; smallest: uint32[bands *
    rows]; out: uint64[documents, bands], filled; counts: int64[documents], filled with the number of shingles
    (each as often as it stands), NOT_COMPOSED for a document that has to be put into NFC first.
    """
    for i in range(len(offsets) - 1):
        begin(offsets[i], offsets[i + 1], n, state, prefixes)
        smallest[:] = np.uint32(0xFFFFFFFF)
        total = 0
        made = 0
        while made != NOT_COMPOSED and not finished(state):
            made = next_shingles(
                data, pages, cells, steps, watched, kind, n, base, leaving, state, prefixes, units, block, 0
            )
            if made > 0:
                total += made
                for j in range(made):
                    halves[j] = np.uint32(block[j])
                _lower(halves, made, factors, terms, smallest)
        counts[i] = NOT_COMPOSED if made == NOT_COMPOSED else total
        _fold(smallest, rows, i, out)


@pure_kernel
def sign_sets(
    shingles: np.ndarray,
    bounds: np.ndarray,
    factors: np.ndarray,
    terms: np.ndarray,
    rows: int,
    halves: np.ndarray,
    smallest: np.ndarray,
    out: np.ndarray,
) -> None:
    """Band hashes of ready-made shingles: of document i those of shingles[bounds[i]:bounds[i + 1]], uint64.

    The other arguments as in ``sign_texts``.
    """
    for i in range(len(bounds) - 1):
        smallest[:] = np.uint32(0xFFFFFFFF)
        for start in range(bounds[i], bounds[i + 1], BLOCK):
            filled = min(bounds[i + 1] - start, BLOCK)
            for j in range(filled):
                halves[j] = np.uint32(shingles[start + j])
            _lower(halves, filled, factors, terms, smallest)
        _fold(smallest, rows, i, out)


@pure_kernel
def _lower(
    halves: np.ndarray, filled: int, factors: np.ndarray, terms: np.ndarray, smallest: np.ndarray
) -> None:
    """Lower ``smallest`` to the least values of halves[:filled] under each permutation."""
    full = (filled + LANES - 1) // LANES * LANES
    for j in range(filled, full):
        halves[j] = halves[0]
    for k in range(len(factors)):
        factor = factors[k]
        term = terms[k]
        least = smallest[k]
        for j in range(np.uint64(full)):
            value = np.uint32(factor * halves[j] + term)
            least = min(least, value)
        smallest[k] = least


@pure_kernel
def _fold(smallest: np.ndarray, rows: int, document: int, out: np.ndarray) -> None:
    """Fold a signature into the hashes of its bands (Leskovec et al., ch. 3): out[document, :]."""
    for band in range(out.shape[1]):
        value = np.uint64(band) + np.uint64(1)
        for k in range(band * rows, (band + 1) * rows):
            value = (value ^ np.uint64(smallest[k])) * np.uint64(0x9FB21C651E98DF25)
            value ^= value >> np.uint64(32)
        out[document, band] = mix(value)
