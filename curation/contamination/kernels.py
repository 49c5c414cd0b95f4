"""Compiled kernels of decontamination: texts to units, seeds of benchmark items, stretches that two texts share.

A *unit* is a word (a run of letters and digits) or a syllable (a letter or digit by itself, so that spacing
cannot matter). A *seed* is a hash of a few consecutive units of a benchmark item; where a document has the same
hash, the shared stretch is followed to the left and to the right, unit by unit, and its characters are compared,
so that no hash can raise an alarm by itself (seed and extend, as in BLAST, Altschul et al. 1990).
"""

from __future__ import annotations

import numpy as np

from hanji.curation.signals.characters import (
    chain,
    character_class,
    decode_utf8,
    is_word_character,
)
from hanji.curation.signals.compiled import pure_kernel

WORD, SYLLABLE = 0, 1
BIT_SPACE, BUCKET_SPACE = 22, 14  # bits of a hash that say whether it may be there, and where to look
BASE = 0x9E3779B97F4A7C15  # odd: the base of the polynomial hash, modulo 2^64
SPREAD = 0xD6E8FEB86659FD93  # odd: a factor that carries every bit upwards
MIDDLE_DOT = 0x318D  # ㆍ, by its class a letter, in statutes a mark between words
ROW = 7  # document, item, item's first and last + 1 unit, document's first unit, first and last + 1 character


@pure_kernel
def first(point: int) -> np.uint64:
    """Hash of a word of one character."""
    return chain(np.uint64(0), np.uint64(point))


@pure_kernel
def _key(value: np.uint64, n: int) -> np.uint64:
    """The hash of n units from their polynomial: its upper bits depend on all of it."""
    value = value ^ (value >> np.uint64(32)) ^ np.uint64(n)
    return value * np.uint64(SPREAD)


@pure_kernel
def _ends_sentence(point: int) -> bool:
    """Whether what follows this character may stand by itself: line ends, full stops, quotes, colons, bars."""
    if point < 128:
        if point == 10 or point == 33 or point == 34 or point == 46 or point == 58:
            return True
        return point == 59 or point == 63 or point == 124 or point == 9
    return point == 0x3002 or point == 0x2026 or 0x201C <= point <= 0x201F or 0x300C <= point <= 0x300F


@pure_kernel
def split(
    data: np.ndarray,
    start: int,
    end: int,
    kind: int,
    points: np.ndarray,
    units: np.ndarray,
    ends: np.ndarray,
    begins: np.ndarray,
    stops: np.ndarray,
    fresh: np.ndarray,
) -> int:
    """The units of the UTF-8 text data[start:end); returns how many.

    Written, with room for one element a byte: points (int32), the characters of the units one after another;
    units (uint64), a hash of each; ends (int32), how many of ``points`` belong to it and those before it; begins
    and stops (int32), its place in the text, in code points; fresh (uint8), whether a sentence may begin there.
    """
    length = decode_utf8(data, start, end, points)
    count, kept = 0, 0
    begun, inside = True, False
    for j in range(length):
        point = points[j]
        if is_word_character(character_class(point)) and point != MIDDLE_DOT:
            if inside and kind == WORD:
                units[count] = chain(units[count], np.uint64(point))
            else:
                if kind == SYLLABLE and inside:
                    count += 1
                # A syllable's hash need only be another for another: the polynomial mixes it.
                units[count] = np.uint64(point + 1) * np.uint64(SPREAD) if kind == SYLLABLE else first(point)
                begins[count] = j
                fresh[count] = begun
                begun, inside = False, True
            points[kept] = point
            kept += 1
            ends[count] = kept
            stops[count] = j + 1
        else:
            if inside:
                count += 1
                inside = False
            if _ends_sentence(point):
                begun = True
    return count + 1 if inside else count


@pure_kernel
def gram(units: np.ndarray, start: int, n: int) -> np.uint64:
    """Hash of the n units from ``start`` on: a polynomial in BASE, as :func:`find` has it from prefixes."""
    value = np.uint64(0)
    for j in range(start, start + n):
        value = value * np.uint64(BASE) + units[j]
    return _key(value, n)


@pure_kernel
def grams(units: np.ndarray, starts: np.ndarray, n: int, out: np.ndarray) -> None:
    """Write the hash of the n units from each of ``starts`` (int64) on to ``out`` (uint64)."""
    for i in range(len(starts)):
        out[i] = gram(units, starts[i], n)


@pure_kernel
def _look_up(key: np.uint64, bits: np.ndarray, buckets: np.ndarray, hashes: np.ndarray) -> int:
    """The first place of a hash in the sorted ``hashes``; -1 if it is not there.

    bits: uint64, a bit for each value of the upper bits of a hash; buckets: int64[2^k + 1], where hashes with
    the k upper bits begin. Most hashes of documents end at the bit.
    """
    slot = key >> np.uint64(64 - BIT_SPACE)
    if not (bits[slot >> np.uint64(6)] >> (slot & np.uint64(63))) & np.uint64(1):
        return -1
    bucket = np.int64(key >> np.uint64(64 - BUCKET_SPACE))
    low, high = buckets[bucket], buckets[bucket + 1]
    last = high
    while low < high:
        middle = (low + high) >> 1
        if hashes[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low if low < last and hashes[low] == key else -1


@pure_kernel
def find(
    data: np.ndarray,
    offsets: np.ndarray,
    first: int,
    kind: int,
    seed: int,
    short: int,
    bits: np.ndarray,
    buckets: np.ndarray,
    hashes: np.ndarray,
    seed_items: np.ndarray,
    seed_places: np.ndarray,
    bounds: np.ndarray,
    item_units: np.ndarray,
    item_points: np.ndarray,
    item_ends: np.ndarray,
    needs: np.ndarray,
    alone: np.ndarray,
    points: np.ndarray,
    units: np.ndarray,
    ends: np.ndarray,
    begins: np.ndarray,
    stops: np.ndarray,
    fresh: np.ndarray,
    prefixes: np.ndarray,
    last_shift: np.ndarray,
    last_end: np.ndarray,
    out: np.ndarray,
) -> tuple[int, int]:
    """Stretches that documents share with items; returns (rows written, first document not done).

    data, offsets: UTF-8 and int64[documents + 1]; ``first``: the document to begin with. ``hashes`` (sorted),
    ``seed_items`` and ``seed_places`` are the seeds, of ``seed`` units, and of ``short`` units for items that must
    stand alone. Item i has the units bounds[i]:bounds[i + 1] of ``item_units``, and the characters of unit u end
    at item_ends[u] in ``item_points``. A stretch counts from needs[i] units on, and where alone[i] is 1 only if a
    sentence may begin there, where it is 2 only if one ends there too. points to prefixes: room for the
    longest document; last_shift, last_end: int64[items], -1; out: int64[rows, ROW].
    """
    found = 0
    power, short_power = np.uint64(1), np.uint64(1)
    for _ in range(seed):
        power *= np.uint64(BASE)
    for _ in range(short):
        short_power *= np.uint64(BASE)
    for i in range(first, len(offsets) - 1):
        base = offsets[i]
        before = found
        count = split(data, base, offsets[i + 1], kind, points, units, ends, begins, stops, fresh)
        value = np.uint64(0)
        prefixes[0] = value
        for j in range(count):
            value = value * np.uint64(BASE) + units[j]
            prefixes[j + 1] = value
        for j in range(count - short + 1):
            for tried in range(2 if fresh[j] else 1):
                if tried == 0:
                    if j + seed > count:
                        continue
                    key = _key(prefixes[j + seed] - prefixes[j] * power, seed)
                else:
                    key = _key(prefixes[j + short] - prefixes[j] * short_power, short)
                entry = _look_up(key, bits, buckets, hashes)
                if entry < 0:
                    continue
                while entry < len(hashes) and hashes[entry] == key:
                    item, place = seed_items[entry], seed_places[entry]
                    entry += 1
                    shift = base + j - place
                    if last_shift[item] == shift and base + j < last_end[item]:
                        continue  # within a stretch that another seed led to
                    start, end = bounds[item], bounds[item + 1]
                    a, b = start + place, j
                    while a > start and b > 0 and item_units[a - 1] == units[b - 1]:
                        a -= 1
                        b -= 1
                    c, d = start + place, j
                    while c < end and d < count and item_units[c] == units[d]:
                        c += 1
                        d += 1
                    last_shift[item] = shift
                    last_end[item] = base + d
                    if c - a < needs[item]:
                        continue
                    if alone[item] > 0 and not fresh[b]:
                        continue
                    if alone[item] > 1 and d < count and not fresh[d]:
                        continue
                    here = ends[b - 1] if b > 0 else 0
                    there = item_ends[a - 1] if a > 0 else 0
                    same = ends[d - 1] - here == item_ends[c - 1] - there
                    k = 0
                    while same and k < ends[d - 1] - here:
                        same = points[here + k] == item_points[there + k]
                        k += 1
                    if not same:
                        continue
                    if found == len(out):
                        return before, i
                    out[found, 0] = i
                    out[found, 1] = item
                    out[found, 2] = a - start
                    out[found, 3] = c - start
                    out[found, 4] = b
                    out[found, 5] = begins[b]
                    out[found, 6] = stops[d - 1]
                    found += 1
    return found, len(offsets) - 1
