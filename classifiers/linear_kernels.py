"""Kernels that sum what a linear model says of a text's words and word n-grams, over Arrow buffers.

Words, hashes and buckets are fastText's (``Dictionary::getLine``): FNV-1a over signed bytes, words that begin like
a label skipped, a line end read as the word ``</s>``, n-grams chained by multiplication from hashes that are signed
32-bit numbers. ``weights`` are the rows of the input matrix, already multiplied by the output matrix.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hanji.compiled import kernel, pure_kernel

HASH_BITS = 32
_CHAIN = np.uint64(116049371)


class Table(NamedTuple):
    """Words by hash. ``slots``: uint64[2^k], hash above, place + 1 below, 0 for an empty one; the rest as Words."""

    slots: np.ndarray
    letters: np.ndarray
    starts: np.ndarray
    ends: np.ndarray


@pure_kernel
def hash_bytes(data: np.ndarray, start: int, end: int, lower: bool) -> int:
    """fastText's hash of some bytes, uint32 as int64; ``lower`` turns capitals of ASCII into small letters."""
    h = np.uint32(2166136261)
    for i in range(start, end):
        byte = data[i]
        if lower and 65 <= byte <= 90:
            byte += np.uint8(32)
        signed = np.uint32(byte) if byte < 128 else np.uint32(byte) | np.uint32(0xFFFFFF00)
        h = np.uint32((h ^ signed) * np.uint32(16777619))
    return int(np.int64(h))


@pure_kernel
def fill_slots(
    slots: np.ndarray, letters: np.ndarray, starts: np.ndarray, ends: np.ndarray, words: int
) -> None:
    """Put the first ``words`` entries into a table of empty slots."""
    mask = np.int64(len(slots) - 1)
    for place in range(words):
        h = hash_bytes(letters, starts[place], ends[place], False)
        slot = h & mask
        while slots[slot] != 0:
            slot = (slot + 1) & mask
        slots[slot] = np.uint64(h) << np.uint64(32) | np.uint64(place + 1)


@pure_kernel
def find_word(data: np.ndarray, start: int, end: int, lower: bool, h: int, table: Table) -> int:
    """Place of a word in the dictionary, −1 if it is not there."""
    mask = np.int64(len(table.slots) - 1)
    slot = h & mask
    while table.slots[slot] != 0:
        held = table.slots[slot]
        if np.int64(held >> np.uint64(32)) == h:
            place = int(np.int64(held & np.uint64(0xFFFFFFFF))) - 1
            first = table.starts[place]
            if table.ends[place] - first == end - start:
                same = True
                for i in range(end - start):
                    byte = data[start + i]
                    if lower and 65 <= byte <= 90:
                        byte += np.uint8(32)
                    if byte != table.letters[first + i]:
                        same = False
                        break
                if same:
                    return place
        slot = (slot + 1) & mask
    return -1


@pure_kernel
def add_word(
    data: np.ndarray,
    start: int,
    end: int,
    lower: bool,
    table: Table,
    weights: np.ndarray,
    words: int,
    buckets: int,
    chains: np.ndarray,
    total: np.ndarray,
) -> int:
    """Add a word and the n-grams that end with it to ``total`` (float64); returns how many features that were.

    ``chains`` (uint64[n − 1]): the running hashes of the n-grams begun at the words before, newest first, and how
    many of them there are in its last place.
    """
    h = hash_bytes(data, start, end, lower)
    place = find_word(data, start, end, lower, h, table)
    found = 0
    if place >= 0:
        found = 1
        for k in range(len(total)):
            total[k] += weights[place, k]
    # fastText keeps hashes as signed 32-bit numbers and widens them with their sign.
    signed = np.uint64(h if h < 2147483648 else h - 4294967296)
    longest = len(chains) - 1
    begun = int(np.int64(chains[longest]))
    for back in range(begun):
        chained = chains[back] * _CHAIN + signed
        chains[back] = chained
        row = words + np.int64(chained % np.uint64(buckets))
        for k in range(len(total)):
            total[k] += weights[row, k]
    found += begun
    if longest > 0:
        for back in range(min(begun, longest - 1), 0, -1):
            chains[back] = chains[back - 1]
        chains[0] = signed
        chains[longest] = np.uint64(min(begun + 1, longest))
    return found


@pure_kernel
def starts_with(data: np.ndarray, start: int, end: int, prefix: np.ndarray) -> bool:
    if end - start < len(prefix):
        return False
    for i in range(len(prefix)):  # noqa: SIM110 -- a generator is no kernel
        if data[start + i] != prefix[i]:
            return False
    return True


@pure_kernel
def _white_before(data: np.ndarray, start: int, end: int) -> int:
    """Bytes of the white-space character (``str.isspace``) that ends at ``end``; 0 if none does."""
    last = data[end - 1]
    if last == 32 or 9 <= last <= 13 or 28 <= last <= 31:
        return 1
    if end - start >= 2 and data[end - 2] == 0xC2 and (last == 0x85 or last == 0xA0):
        return 2
    if end - start >= 3 and _is_wide_space(data, end - 3):
        return 3
    return 0


@pure_kernel
def _white_after(data: np.ndarray, start: int, end: int) -> int:
    first = data[start]
    if first == 32 or 9 <= first <= 13 or 28 <= first <= 31:
        return 1
    if end - start >= 2 and first == 0xC2 and (data[start + 1] == 0x85 or data[start + 1] == 0xA0):
        return 2
    if end - start >= 3 and _is_wide_space(data, start):
        return 3
    return 0


@pure_kernel
def _is_wide_space(data: np.ndarray, at: int) -> bool:
    """Whether three bytes are U+1680, U+2000–200A, U+2028, U+2029, U+202F, U+205F or U+3000."""
    a, b, c = data[at], data[at + 1], data[at + 2]
    if a == 0xE2:
        if b == 0x80:
            return bool(0x80 <= c <= 0x8A or c == 0xA8 or c == 0xA9 or c == 0xAF)
        return bool(b == 0x81 and c == 0x9F)
    return bool((a == 0xE1 and b == 0x9A and c == 0x80) or (a == 0xE3 and b == 0x80 and c == 0x80))


@pure_kernel
def _gap(data: np.ndarray, at: int, end: int) -> int:
    """Bytes of what parts words under ``dclm`` at a place: fastText's white space, or a line end of splitlines."""
    byte = data[at]
    if byte <= 32:
        return 1 if byte == 32 or 9 <= byte <= 13 or byte == 0 or 28 <= byte <= 30 else 0
    if byte == 0xC2:
        return 2 if at + 1 < end and data[at + 1] == 0x85 else 0
    if byte == 0xE2 and at + 2 < end and data[at + 1] == 0x80:
        return 3 if data[at + 2] == 0xA8 or data[at + 2] == 0xA9 else 0
    return 0


@kernel
def sum_texts(
    data: np.ndarray,
    offsets: np.ndarray,
    marks: np.ndarray,
    single: np.ndarray,
    table: Table,
    weights: np.ndarray,
    words: int,
    buckets: int,
    word_ngrams: int,
    sums: np.ndarray,
    counts: np.ndarray,
) -> None:
    """Sum texts: ``sums`` float64[n, k], ``counts`` int64[n] of features.

    ``single`` is preparing.SINGLE for texts prepared as ``syllables`` and has no rows for ``dclm``. ``marks``:
    ``</s>``, then the prefix of labels, as bytes.
    """
    chains = np.zeros(max(word_ngrams, 1), np.uint64)
    stop, prefix = marks[:4], marks[4:]
    syllables = len(single) > 0
    for text in range(len(counts)):
        at, end = offsets[text], offsets[text + 1]
        if not syllables:
            at, end = trimmed(data, at, end)
        chains[len(chains) - 1] = 0
        total, count, ended = sums[text], 0, False
        while not ended:
            letters = data
            if syllables:
                first, after, at = next_syllable(data, at, end, single)
            else:
                first, after, at = next_word(data, at, end)
                if starts_with(data, first, after, prefix):
                    continue
                ended = after - first == 4 and starts_with(data, first, after, stop)
            if first == after:
                letters, first, after, ended = stop, 0, 4, True
            count += add_word(letters, first, after, syllables, table, weights, words, buckets, chains, total)
        counts[text] = count


@pure_kernel
def trimmed(data: np.ndarray, start: int, end: int) -> tuple[int, int]:
    white = 1
    while start < end and white > 0:
        white = _white_after(data, start, end)
        start += white
    white = 1
    while start < end and white > 0:
        white = _white_before(data, start, end)
        end -= white
    return start, end


@pure_kernel
def next_word(data: np.ndarray, at: int, end: int) -> tuple[int, int, int]:
    """The next word under ``dclm``: its start and end, equal if there is none, and where to go on."""
    while at < end:
        gap = _gap(data, at, end)
        if gap == 0:
            break
        at += gap
    first = at
    while at < end and _gap(data, at, end) == 0:
        at += 1
    return first, at, at


@pure_kernel
def next_syllable(data: np.ndarray, at: int, end: int, single: np.ndarray) -> tuple[int, int, int]:
    """The same under ``syllables``."""
    while at < end:
        first, byte = at, data[at]
        if byte < 128:
            at += 1
            if byte <= 32 or byte == 127:
                continue
            if _is_alphanumeric(byte):
                while at < end and _is_alphanumeric(data[at]):
                    at += 1
            return first, at, at
        at += 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
        if _is_single(data, first, at - first, single):
            return first, at, at
    return end, end, end


@pure_kernel
def _is_alphanumeric(byte: int) -> bool:
    return 97 <= byte <= 122 or 48 <= byte <= 57 or 65 <= byte <= 90


@pure_kernel
def _is_single(data: np.ndarray, at: int, length: int, single: np.ndarray) -> bool:
    if length == 2:
        point = (np.int64(data[at]) & 31) << 6 | (np.int64(data[at + 1]) & 63)
    elif length == 3:
        point = (np.int64(data[at]) & 15) << 12 | (np.int64(data[at + 1]) & 63) << 6
        point |= np.int64(data[at + 2]) & 63
    else:
        point = (np.int64(data[at]) & 7) << 18 | (np.int64(data[at + 1]) & 63) << 12
        point |= (np.int64(data[at + 2]) & 63) << 6 | (np.int64(data[at + 3]) & 63)
    for i in range(len(single)):  # noqa: SIM110 -- a generator is no kernel
        if single[i, 0] <= point <= single[i, 1]:
            return True
    return False
