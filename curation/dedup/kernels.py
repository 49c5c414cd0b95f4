"""Compiled kernels of deduplication: shingles, MinHash signatures, exact likeness.

All work on Arrow buffers: UTF-8 bytes plus 64-bit offsets, one document after another. A *shingle* is a
64-bit hash of n consecutive units; units are words (runs of letters and digits) or syllables (letters and
digits one by one, so that spacing cannot matter).
"""

from __future__ import annotations

import numpy as np

from hanji.curation.signals.characters import chain, character_class, decode_utf8, is_word_character
from hanji.curation.signals.compiled import kernel

WORD, SYLLABLE = 0, 1


@kernel
def _units(data: np.ndarray, start: int, end: int, kind: int, points: np.ndarray, out: np.ndarray) -> int:
    """Write the hashed units of data[start:end) to ``out`` (uint64); returns how many there are."""
    count = 0
    word = np.uint64(0)
    inside = False
    for j in range(decode_utf8(data, start, end, points)):
        point = points[j]
        if is_word_character(character_class(point)):
            if kind == SYLLABLE:
                out[count] = chain(np.uint64(0), np.uint64(point))
                count += 1
            else:
                word = chain(word, np.uint64(point))
                inside = True
        elif inside:
            out[count] = word
            count += 1
            word = np.uint64(0)
            inside = False
    if inside:
        out[count] = word
        count += 1
    return count


@kernel
def shingle_all(data: np.ndarray, offsets: np.ndarray, kind: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Distinct shingles of each document, sorted.

    data: uint8[bytes]; offsets: int64[documents + 1]; returns (uint64[total], int64[documents + 1]): the
    shingles of document i are hashes[bounds[i]:bounds[i + 1]]. A document of fewer than n units has one
    shingle made of all of them, and a document without any unit has none.
    """
    documents = len(offsets) - 1
    total = 0
    longest = 0
    for i in range(documents):
        length = offsets[i + 1] - offsets[i]
        total += length
        longest = max(longest, length)
    points = np.empty(longest, np.int32)
    units = np.empty(longest, np.uint64)
    hashes = np.empty(total, np.uint64)
    bounds = np.zeros(documents + 1, np.int64)
    filled = 0
    for i in range(documents):
        count = _units(data, offsets[i], offsets[i + 1], kind, points, units)
        first = filled
        last_start = max(count - n, 0) if count > 0 else -1
        for start in range(last_start + 1):
            value = np.uint64(n)
            for unit in range(start, min(start + n, count)):
                value = chain(value, units[unit])
            hashes[filled] = value
            filled += 1
        part = np.sort(hashes[first:filled])
        filled = first
        for j in range(len(part)):
            if j == 0 or part[j] != part[j - 1]:
                hashes[filled] = part[j]
                filled += 1
        bounds[i + 1] = filled
    return hashes[:filled].copy(), bounds


@kernel
def band_hashes(
    hashes: np.ndarray, bounds: np.ndarray, factors: np.ndarray, terms: np.ndarray, rows: int
) -> np.ndarray:
    """MinHash signatures folded into bands (Broder 1997; banding as in Leskovec et al., ch. 3).

    hashes, bounds: from shingle_all; factors (odd), terms: uint64[bands * rows]; returns
    uint64[documents, bands]. The i-th permutation of h is the upper half of factor·h + term modulo 2^64
    (multiply-shift, Dietzfelbinger et al. 1997).
    """
    documents = len(bounds) - 1
    permutations = len(factors)
    bands = permutations // rows
    out = np.empty((documents, bands), np.uint64)
    smallest = np.empty(permutations, np.uint64)
    for i in range(documents):
        smallest[:] = np.uint64(0xFFFFFFFFFFFFFFFF)
        for j in range(bounds[i], bounds[i + 1]):
            h = hashes[j]
            for k in range(permutations):
                value = factors[k] * h + terms[k]
                smallest[k] = min(smallest[k], value)
        for band in range(bands):
            value = np.uint64(band)
            for k in range(band * rows, (band + 1) * rows):
                value = chain(value, smallest[k] >> np.uint64(32))
            out[i, band] = value
    return out


@kernel
def overlap(hashes: np.ndarray, bounds: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Size of the intersection of the shingle sets of documents left[i] and right[i]; int64[pairs]."""
    out = np.zeros(len(left), np.int64)
    for i in range(len(left)):
        a, a_end = bounds[left[i]], bounds[left[i] + 1]
        b, b_end = bounds[right[i]], bounds[right[i] + 1]
        shared = 0
        while a < a_end and b < b_end:
            if hashes[a] == hashes[b]:
                shared += 1
                a += 1
                b += 1
            elif hashes[a] < hashes[b]:
                a += 1
            else:
                b += 1
        out[i] = shared
    return out
