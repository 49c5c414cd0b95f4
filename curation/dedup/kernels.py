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
BLOCK = 1024
"""Units, and so shingles, that are made at a time: they stay in the nearest cache."""
POSITION, UNITS, INSIDE, END = range(4)
STATE = 4
NOT_COMPOSED = -1


@pure_kernel
def step_of(letter: np.uint32) -> np.uint64:
    """What a letter (a folded code point) puts into the hash of its word; never 0."""
    return mix(np.uint64(letter) * np.uint64(0x9E3779B97F4A7C15)) | np.uint64(1)


@pure_kernel
def _next_units(
    data: np.ndarray,
    pages: np.ndarray,
    cells: np.ndarray,
    steps: np.ndarray,
    watched: np.uint32,
    kind: int,
    state: np.ndarray,
    prefixes: np.ndarray,
    units: np.ndarray,
) -> int:
    """Write the next units of a text to ``units``, at most BLOCK; returns how many, or NOT_COMPOSED.

    Whether a letter goes on with a word cannot be guessed by a processor, so nothing branches on it: each place of
    ``units`` is written until it is left behind. The hash of a word is a cyclic polynomial (Cohen 1997).
    """
    position = state[POSITION]
    end = state[END]
    inside = state[INSIDE]
    word = prefixes[0]
    by_word = kind == WORD
    count = 0
    while count < BLOCK:
        step = np.uint64(0)
        if position < end:
            point = np.uint32(data[position])
            if point < 0x80:
                position += 1
                step = steps[point]
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
                    folded = np.uint32(point ^ (cell & FOLD))
                    # A syllable is a unit as it is; one hash of it is enough.
                    step = step_of(folded) if by_word or folded < 0x80 else np.uint64(folded)
        elif position == end:
            # The end ends the last word; the place after it says that this has been done.
            position += 1
        else:
            break
        letter = int(step != 0)
        if by_word:
            units[count] = word
            count += inside & (1 - letter)
            word = ((word << np.uint64(5)) | (word >> np.uint64(59))) ^ step
            word &= np.uint64(0) - np.uint64(letter)
            inside = letter
        else:
            units[count] = step
            count += letter
            # One space after a letter is so common that it is stepped over without a question.
            position += letter & int(position < end and data[position] == 32)
    state[POSITION] = position
    state[INSIDE] = inside
    prefixes[0] = word
    return count


@pure_kernel
def next_shingles(
    data: np.ndarray,
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
    out: np.ndarray,
    first: int,
) -> int:
    """Write the next shingles of a text, at most BLOCK, to out[first:]; returns how many.

    ``finished`` tells whether there are more.

    data: uint8[bytes]; pages, cells: letters.table(); steps: uint64[128], ``step_of`` ASCII letters, else 0; base,
    leaving: odd, and its n-th power; state: int64[STATE], prefixes: uint64[1 + n + BLOCK]: where the text's scan
    stands (``begin`` resets them); units: uint64[BLOCK]; out: uint64.
    A text of fewer than n units has one shingle made of all of them, and a text without any unit has none.
    Returns NOT_COMPOSED at a character whose cell has a bit of ``watched``.
    """
    count = _next_units(data, pages, cells, steps, watched, kind, state, prefixes, units)
    if count == NOT_COMPOSED:
        return NOT_COMPOSED
    # prefixes[1 + n + j] is the polynomial in all units up to the j-th of this block.
    prefix = prefixes[n]
    for j in range(count):
        prefix = prefix * base + mix(units[j])
        prefixes[1 + n + j] = prefix
    skipped = min(max(n - 1 - state[UNITS], 0), count)
    for j in range(count - skipped):
        here = skipped + j
        out[first + j] = mix(prefixes[1 + n + here] - prefixes[1 + here] * leaving)
    for j in range(n):
        prefixes[1 + j] = prefixes[1 + count + j]
    state[UNITS] += count
    if finished(state) and 0 < state[UNITS] < n:
        out[first] = mix(prefixes[n])
        return 1
    return int(count - skipped)


@pure_kernel
def begin(start: int, end: int, n: int, state: np.ndarray, prefixes: np.ndarray) -> None:
    """Set the scan of ``next_shingles`` to the start of the text data[start:end)."""
    state[POSITION] = start
    state[UNITS] = 0
    state[INSIDE] = 0
    state[END] = end
    prefixes[: 1 + n] = 0


@pure_kernel
def finished(state: np.ndarray) -> bool:
    """Whether all shingles of the text have been made."""
    return bool(state[POSITION] > state[END])


@pure_kernel
def write_shingles(
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
    out: np.ndarray,
    bounds: np.ndarray,
) -> int:
    """Shingles of each document in the order of its text; returns the first document not in NFC, else the number.

    offsets: int64[documents + 1]; out: uint64, room for one shingle a unit; bounds: int64[documents + 1], filled so
    that the shingles of document i are out[bounds[i]:bounds[i + 1]]. The rest: ``next_shingles``.
    """
    documents = len(offsets) - 1
    filled = 0
    bounds[0] = 0
    for i in range(documents):
        begin(offsets[i], offsets[i + 1], n, state, prefixes)
        while not finished(state):
            made = next_shingles(
                data,
                pages,
                cells,
                steps,
                watched,
                kind,
                n,
                base,
                leaving,
                state,
                prefixes,
                units,
                out,
                filled,
            )
            if made == NOT_COMPOSED:
                return i
            filled += made
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
