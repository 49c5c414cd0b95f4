"""A kernel that lists what a linear model reads in texts, feature by feature: which row, and where it stands.

It reads words and n-grams as ``linear_kernels.sum_texts`` does, which only adds them up.
"""

from __future__ import annotations

import numpy as np

from hanji.classifiers.linear_kernels import (
    Table,
    find_word,
    hash_bytes,
    next_syllable,
    next_word,
    starts_with,
    trimmed,
)
from hanji.compiled import kernel

_CHAIN = np.uint64(116049371)


@kernel
def list_features(
    data: np.ndarray,
    offsets: np.ndarray,
    marks: np.ndarray,
    single: np.ndarray,
    table: Table,
    words: int,
    buckets: int,
    word_ngrams: int,
    rows: np.ndarray,
    keys: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    stopped: np.ndarray,
) -> int:
    """List the features of texts in their order; returns how many there are.

    ``rows`` int64[m]: the row of the input matrix. ``keys`` uint64[m]: the same for equal words and n-grams and,
    but for accidents of 64 bits, for no others. ``starts``, ``ends`` int64[m]: the bytes of ``data`` from its first
    word to its last; ``stopped`` uint8[m]: 1 if ``</s>``, the end of the text, is its last word (and not in these
    bytes). m: at least the sum of the counts that ``sum_texts`` gives. The rest as there.
    """
    longest = max(word_ngrams - 1, 0)
    chains = np.zeros(longest + 1, np.uint64)
    begins = np.zeros(longest + 1, np.int64)
    stop, prefix = marks[:4], marks[4:]
    syllables = len(single) > 0
    found = 0
    for text in range(len(offsets) - 1):
        at, end = offsets[text], offsets[text + 1]
        if not syllables:
            at, end = trimmed(data, at, end)
        begun, ended = 0, False
        while not ended:
            letters, mark = data, 0
            if syllables:
                first, after, at = next_syllable(data, at, end, single)
            else:
                first, after, at = next_word(data, at, end)
                if starts_with(data, first, after, prefix):
                    continue
                ended = after - first == 4 and starts_with(data, first, after, stop)
            begin, last = first, after
            if first == after:
                letters, first, after, ended, mark = stop, 0, 4, True, 1
            h = hash_bytes(letters, first, after, syllables)
            place = find_word(letters, first, after, syllables, h, table)
            if place >= 0:
                rows[found], keys[found], stopped[found] = place, np.uint64(place), mark
                starts[found], ends[found] = begin, last
                found += 1
            signed = np.uint64(h if h < 2147483648 else h - 4294967296)
            for back in range(begun):
                chains[back] = chains[back] * _CHAIN + signed
                rows[found] = words + np.int64(chains[back] % np.uint64(buckets))
                keys[found] = chains[back] * _CHAIN + np.uint64(back + 2)
                starts[found], ends[found], stopped[found] = begins[back], last, mark
                found += 1
            for back in range(min(begun, longest - 1), 0, -1):
                chains[back], begins[back] = chains[back - 1], begins[back - 1]
            if longest > 0:
                chains[0], begins[0] = signed, begin
                begun = min(begun + 1, longest)
    return found
