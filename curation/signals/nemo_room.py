"""Room that the kernels of nemo.py share: made once a table, for its largest document."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hanji.curation.signals.compiled import pure_kernel

SEEN_BYTES, SEEN_LEAST = 8, 128


class Grams(NamedTuple):
    """Room for the n-grams and the hash table, which lines and paragraphs use as well."""

    keys: np.ndarray
    """uint64[a power of two ≥ 2 × entries], hash table with open addressing; 0 is free"""
    ids: np.ndarray
    """int32, beside ``keys``: number of the entry"""
    counts: np.ndarray
    """int32[entries + 1]: how often each n-gram stands, counted from 1; first, how many there are"""
    firsts: np.ndarray
    """int32[entries + 1]: the word with which it begins first"""
    grams: np.ndarray
    """uint64[words]: keys of the n-grams that are looked at"""
    places: np.ndarray
    """int32[words]: the words that they begin with"""
    numbers: np.ndarray
    """int32[words]: their entries"""
    seen: np.ndarray
    """uint8[a power of two ≥ 8 × words]"""


class NemoScratch(NamedTuple):
    """Room for one document, see :func:`scratch`."""

    starts: np.ndarray
    """int32[words]: where words begin"""
    ends: np.ndarray
    """int32[words]: where they end"""
    hashes: np.ndarray
    """uint64[words]"""
    newlines: np.ndarray
    """int32[characters + 1]: where newlines stand; last, where the text ends"""
    phrases: np.ndarray
    """int32[characters]: where policy phrases stand"""
    line_hashes: np.ndarray
    """uint64[lines]: of all lines, blank ones too"""
    span_starts: np.ndarray
    """int32[lines]"""
    span_ends: np.ndarray
    """int32[lines]"""
    span_hashes: np.ndarray
    """uint64[lines]"""
    grams: Grams


def scratch(characters: int) -> NemoScratch:
    """Room for documents of at most this many characters."""
    words = characters // 2 + 2
    lines = characters + 2
    size = 16
    while size < 2 * lines + 2:
        size *= 2
    grams = Grams(
        np.empty(size, np.uint64),
        np.empty(size, np.int32),
        np.empty(lines, np.int32),
        np.empty(lines, np.int32),
        np.empty(lines, np.uint64),
        np.empty(words, np.int32),
        np.empty(words, np.int32),
        np.empty(max(2 * size, SEEN_LEAST), np.uint8),  # words are at most half of the characters
    )
    return NemoScratch(
        np.empty(words, np.int32),
        np.empty(words, np.int32),
        np.empty(words, np.uint64),
        np.empty(lines, np.int32),
        np.empty(lines, np.int32),
        np.empty(lines, np.uint64),
        np.empty(lines, np.int32),
        np.empty(lines, np.int32),
        np.empty(lines, np.uint64),
        grams,
    )


@pure_kernel
def clear(entries: int, table: Grams) -> int:
    """Empty a hash table that is at most half full with so many entries; returns its mask."""
    size = 16
    while size < 2 * entries + 2:
        size *= 2
    for k in range(size):  # a loop becomes one memset; a slice of numba does not
        table.keys[k] = 0
    return size - 1


@pure_kernel
def slot_of(key: np.uint64, mask: int) -> int:
    """Where the search for a key begins."""
    return int(key >> np.uint64(20)) & mask
