"""Compiled kernels of deduplication: shingles of texts, exact likeness of sets of them.

All work on Arrow buffers: UTF-8 bytes plus 64-bit offsets, one document after another. A *shingle* is a
64-bit hash of n consecutive units; units are words (runs of letters and digits) or syllables (letters and
digits one by one, so that spacing cannot matter). The hash of n units is a polynomial in their hashes
(Karp and Rabin 1987, here modulo 2^64), which moves on by one unit in constant time, finished by splitmix64.
"""

from __future__ import annotations

import numpy as np

from hanji.curation.dedup.letters import FOLD, LETTER
from hanji.curation.signals.characters import mix
from hanji.curation.signals.compiled import pure_kernel

WORD, SYLLABLE = 0, 1
POSITION, UNITS, SLOT, INSIDE, END = range(5)
STATE = 5
NOT_COMPOSED = -1


@pure_kernel
def next_shingles(
    data: np.ndarray,
    pages: np.ndarray,
    cells: np.ndarray,
    watched: np.uint32,
    kind: int,
    n: int,
    base: np.uint64,
    leaving: np.uint64,
    ring: np.ndarray,
    state: np.ndarray,
    hashes: np.ndarray,
    out: np.ndarray,
    first: int,
    end: int,
) -> int:
    """Write the next shingles of a text to out[first:end); returns where they end: before ``end`` if it was all.

    data: uint8[bytes]; pages, cells: letters.table(); base, leaving: odd, and its n-th power; ring: uint64[n],
    state: int64[STATE], hashes: uint64[2]: where the text's scan stands (``begin`` resets them), out: uint64[…].
    A text of fewer than n units has one shingle made of all of them, and a text without any unit has none.
    Returns NOT_COMPOSED at a character whose cell has a bit of ``watched``.
    """
    position = state[POSITION]
    text_end = state[END]
    units = state[UNITS]
    slot = state[SLOT]
    inside = state[INSIDE]
    word = hashes[0]
    gram = hashes[1]
    filled = first
    while filled < end:
        letter = np.uint32(0)
        if position < text_end:
            point = np.uint32(data[position])
            if point < 0x80:
                position += 1
                cell = cells[point]
            else:
                if point < 0xE0:
                    point = ((point & 0x1F) << 6) | (np.uint32(data[position + 1]) & 0x3F)
                    position += 2
                elif point < 0xF0:
                    point = (
                        ((point & 0x0F) << 12)
                        | ((np.uint32(data[position + 1]) & 0x3F) << 6)
                        | (np.uint32(data[position + 2]) & 0x3F)
                    )
                    position += 3
                else:
                    point = (
                        ((point & 0x07) << 18)
                        | ((np.uint32(data[position + 1]) & 0x3F) << 12)
                        | ((np.uint32(data[position + 2]) & 0x3F) << 6)
                        | (np.uint32(data[position + 3]) & 0x3F)
                    )
                    position += 4
                cell = cells[(np.uint32(pages[point >> 8]) << 8) | (point & 255)]
                if cell & watched:
                    return NOT_COMPOSED
            if cell & LETTER:
                letter = np.uint32(point ^ (cell & FOLD))
        elif position == text_end:
            # The end ends the last word; the place after it says that this has been done.
            position += 1
        else:
            break
        if letter:
            if kind == WORD:
                word = (word ^ np.uint64(letter)) * np.uint64(0x9FB21C651E98DF25)
                inside = 1
                continue
            unit = mix(np.uint64(letter) * np.uint64(0x9E3779B97F4A7C15))
        elif inside:
            unit = mix(word)
            word = np.uint64(0)
            inside = 0
        else:
            continue
        gram = gram * base + unit - ring[slot] * leaving
        ring[slot] = unit
        slot += 1
        if slot == n:
            slot = 0
        units += 1
        if units >= n:
            out[filled] = mix(gram)
            filled += 1
    if position > text_end and filled < end and 0 < units < n:
        out[filled] = mix(gram)
        filled += 1
        units = n
    state[POSITION] = position
    state[UNITS] = units
    state[SLOT] = slot
    state[INSIDE] = inside
    hashes[0] = word
    hashes[1] = gram
    return filled


@pure_kernel
def begin(start: int, end: int, ring: np.ndarray, state: np.ndarray, hashes: np.ndarray) -> None:
    """Set the scan of ``next_shingles`` to the start of the text data[start:end)."""
    state[:] = 0
    state[POSITION] = start
    state[END] = end
    hashes[:] = 0
    ring[:] = 0


@pure_kernel
def write_shingles(
    data: np.ndarray,
    offsets: np.ndarray,
    pages: np.ndarray,
    cells: np.ndarray,
    watched: np.uint32,
    kind: int,
    n: int,
    base: np.uint64,
    leaving: np.uint64,
    ring: np.ndarray,
    state: np.ndarray,
    hashes: np.ndarray,
    out: np.ndarray,
    bounds: np.ndarray,
) -> int:
    """Shingles of each document in the order of its text; returns the first document not in NFC, else the number.

    offsets: int64[documents + 1]; out: uint64, room for one shingle a byte and one more; bounds: int64[documents
    + 1], filled so that the shingles of document i are out[bounds[i]:bounds[i + 1]]. The rest: ``next_shingles``.
    """
    documents = len(offsets) - 1
    filled = 0
    bounds[0] = 0
    for i in range(documents):
        begin(offsets[i], offsets[i + 1], ring, state, hashes)
        filled = next_shingles(
            data, pages, cells, watched, kind, n, base, leaving, ring, state, hashes, out, filled, len(out)
        )
        if filled == NOT_COMPOSED:
            return i
        bounds[i + 1] = filled
    return documents


@pure_kernel
def keep_distinct(hashes: np.ndarray, bounds: np.ndarray) -> int:
    """Close up the sorted shingles of each document to distinct ones, in place; returns how many there are.

    hashes: uint64, bounds: int64[documents + 1], both overwritten.
    """
    filled = 0
    first = bounds[0]
    for i in range(len(bounds) - 1):
        last = bounds[i + 1]
        for j in range(first, last):
            if j == first or hashes[j] != hashes[filled - 1]:
                hashes[filled] = hashes[j]
                filled += 1
        first = last
        bounds[i + 1] = filled
    return filled


@pure_kernel
def overlap(
    hashes: np.ndarray, bounds: np.ndarray, left: np.ndarray, right: np.ndarray, out: np.ndarray
) -> None:
    """Size of the intersection of the shingle sets of documents left[i] and right[i], written to out[i] (int64)."""
    for i in range(len(left)):
        a, a_end = bounds[left[i]], bounds[left[i] + 1]
        b, b_end = bounds[right[i]], bounds[right[i] + 1]
        shared = 0
        while a < a_end and b < b_end:
            one, other = hashes[a], hashes[b]
            # Without branches that a processor would guess wrong every other time.
            shared += one == other
            a += one <= other
            b += other <= one
        out[i] = shared
