"""Repetition of word n-grams as datatrove's Gopher filter (Apache-2.0) counts it, in constant time a gram.

Hashes of n-grams come from prefix hashes, whatever n: over words for n-grams joined by spaces, over characters
for those joined without. A first sweep notes in a small table of bytes which hashes may stand twice; only those
grams are then looked up exactly, which in most texts are few. Hashes are 64 bits wide and compared whole.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hanji.curation.signals.characters import mix
from hanji.curation.signals.compiled import pure_kernel

BASE = np.uint64(0x9E3779B97F4A7C15)
BASE_2 = np.uint64(0x9E3779B97F4A7C15**2 % 2**64)
BASE_3 = np.uint64(0x9E3779B97F4A7C15**3 % 2**64)
BASE_4 = np.uint64(0x9E3779B97F4A7C15**4 % 2**64)
FINISH = np.uint64(0xD6E8FEB86659FD93)
SEEN_BYTES = 8
WINDOW = 12


class Scratch(NamedTuple):
    """Room for the largest document, made once a table: see :func:`scratch`."""

    word_hash: np.ndarray
    """uint64[words]: hash of each word's characters, not finalised: one factor of a character hash."""
    all_of: np.ndarray
    """uint32[words]: properties that all characters of a word have"""
    any_of: np.ndarray
    """uint32[words]: properties that any character of a word has"""
    word_prefix: np.ndarray
    """uint64[words + 1]: prefix hash over words."""
    character_prefix: np.ndarray
    """uint64[characters + 1]: prefix hash over the words' characters."""
    length_prefix: np.ndarray
    """int64[words + 1]: characters in the words before."""
    powers: np.ndarray
    """uint64[characters + 1]: powers of BASE."""
    gram: np.ndarray
    """uint64[words]"""
    candidates: np.ndarray
    """int32[words]: words at which a duplicate n-gram may begin"""
    places: np.ndarray
    """int32[words]: where the grams stand that may stand twice"""
    seen: np.ndarray
    """uint8[a power of two ≥ 8 × words]"""
    slots: np.ndarray
    """uint64[2 × a power of two ≥ 2 × words]: hash table with open addressing; a key, then stamp and entry.

    A slot is taken if it holds the stamp in use: the table is emptied by counting that up."""
    counts: np.ndarray
    """int64[words]: how often each entry occurs"""
    firsts: np.ndarray
    """int64[words]: where it occurs first"""
    entry: np.ndarray
    """int32[words]: the entry of each place"""
    stamp: np.ndarray
    """uint64[1]: the stamp in use"""


def scratch(words: int) -> Scratch:
    """Room for documents of at most ``words`` words and characters."""
    table = 16
    while table < 2 * words + 2:
        table *= 2
    powers = np.ones(words + 2, np.uint64)
    np.cumprod(np.full(words + 1, BASE, np.uint64), out=powers[1:])
    return Scratch(
        word_hash=np.empty(words + 1, np.uint64),
        all_of=np.empty(words + 1, np.uint32),
        any_of=np.empty(words + 1, np.uint32),
        word_prefix=np.zeros(words + 2, np.uint64),
        character_prefix=np.zeros(words + 2, np.uint64),
        length_prefix=np.zeros(words + 2, np.int64),
        powers=powers,
        gram=np.empty(words + 1, np.uint64),
        candidates=np.empty(words + 1, np.int32),
        places=np.empty(words + 1, np.int32),
        seen=np.empty(SEEN_BYTES * table, np.uint8),
        slots=np.zeros(2 * table, np.uint64),
        counts=np.empty(words + 1, np.int64),
        firsts=np.empty(words + 1, np.int64),
        entry=np.empty(words + 1, np.int32),
        stamp=np.zeros(1, np.uint64),
    )


@pure_kernel
def character_hash(points: np.ndarray, start: int, end: int) -> np.uint64:
    """Hash of points[start:end), not finalised: hash(ab) = hash(a) · BASE^len(b) + hash(b)."""
    value = np.uint64(0)
    while end - start >= 4:
        # Four at a time: what does not wait for the last product is computed beside it.
        four = np.uint64(points[start] + 1) * BASE_3 + np.uint64(points[start + 1] + 1) * BASE_2
        four += np.uint64(points[start + 2] + 1) * BASE + np.uint64(points[start + 3] + 1)
        value = value * BASE_4 + four
        start += 4
    while start < end:
        value = value * BASE + np.uint64(points[start] + 1)
        start += 1
    return value


@pure_kernel
def empty_table(entries: int, room: Scratch) -> tuple[np.uint64, np.uint64]:
    """Empty the hash table for so many entries; returns (the shift that finds a key's slot, the stamp in use)."""
    stamps = room.stamp
    stamps[0] += np.uint64(1)
    size, shift = 16, 60
    while size < 2 * entries + 2:
        size, shift = size * 2, shift - 1
    return np.uint64(shift), stamps[0]


@pure_kernel
def find(key: np.uint64, shift: np.uint64, stamp: np.uint64, entry: int, slots: np.ndarray) -> int:
    """The entry of a key, or −1 if it is new: then it is entered as ``entry`` (int32). Keys have good high bits.

    It takes the table alone: a call with all arrays of the room would cost more than the look-up.
    """
    last = (np.int64(1) << np.int64(np.uint64(64) - shift)) - 1
    slot = np.int64(key >> shift)
    while slots[2 * slot + 1] >> np.uint64(32) == stamp:
        if slots[2 * slot] == key:
            return np.int64(slots[2 * slot + 1] & np.uint64(0xFFFFFFFF))  # type: ignore[return-value]
        slot = (slot + 1) & last
    slots[2 * slot] = key
    slots[2 * slot + 1] = stamp << np.uint64(32) | np.uint64(entry)
    return -1


@pure_kernel
def prepare(
    points: np.ndarray,
    properties: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    words: int,
    room: Scratch,
) -> None:
    """Prefix hashes over the words [starts, ends) of a document and over their characters, and their properties."""
    all_ofs, any_ofs, character_prefix, length_prefix, powers, word_hash, word_prefix = (
        room.all_of,
        room.any_of,
        room.character_prefix,
        room.length_prefix,
        room.powers,
        room.word_hash,
        room.word_prefix,
    )
    of_words, of_text, length = np.uint64(0), np.uint64(0), np.int64(0)
    for i in range(words):
        start, end = starts[i], ends[i]
        before, all_of, any_of = of_text, np.uint32(0xFFFFFFFF), np.uint32(0)
        # Unsigned places: numba asks of no other whether they count from the end.
        for k in range(np.uint64(start), np.uint64(end)):
            of_text = of_text * BASE + np.uint64(points[k] + 1)
            all_of &= properties[k]
            any_of |= properties[k]
            length += 1
            character_prefix[length] = of_text
        value = of_text - before * powers[end - start]
        word_hash[i], all_ofs[i], any_ofs[i] = value, all_of, any_of
        of_words = of_words * BASE + mix(value)
        word_prefix[i + 1], length_prefix[i + 1] = of_words, length


@pure_kernel
def _notice(grams: int, room: Scratch) -> np.uint64:
    """Count gram[:grams] in ``seen``, up to two; returns the shift that finds a gram's byte there."""
    gram, seen = room.gram, room.seen
    size, shift = 128, 57
    while size < SEEN_BYTES * grams:
        size, shift = size * 2, shift - 1
    for k in range(size):  # a loop becomes one memset; a slice of numba does not
        seen[k] = 0
    for i in range(grams):
        place = np.int64(gram[i] >> np.uint64(shift))
        # 0 → 1 → 2, and 2 stays.
        seen[place] += seen[place] < 2
    return np.uint64(shift)


@pure_kernel
def _twice(grams: int, room: Scratch) -> int:
    """Write to ``places`` which of gram[:grams] may stand twice, in order; returns how many."""
    gram, places, seen = room.gram, room.places, room.seen
    shift = _notice(grams, room)
    found = 0
    for i in range(grams):
        places[found] = i
        found += seen[np.int64(gram[i] >> shift)] == 2
    return found


@pure_kernel
def top_grams(words: int, room: Scratch, row: np.ndarray) -> None:
    """Into row[0:3]: characters that the most frequent 2-, 3- and 4-gram covers, joined by spaces.

    Of equally frequent ones the first counts; 0 for fewer than n words. As in datatrove, an n-gram that stands once
    covers its own length. Only where an n-gram stands twice can a longer one that begins there do so.
    """
    gram, length_prefix, places, powers, word_prefix = (
        room.gram,
        room.length_prefix,
        room.places,
        room.powers,
        room.word_prefix,
    )
    grams = words - 1
    power = powers[2]
    for i in range(grams):
        gram[i] = (word_prefix[i + 2] - word_prefix[i] * power) * FINISH
    found = _twice(grams, room) if grams > 0 else 0
    for n in range(2, 5):
        if words < n:
            row[n - 2] = 0
            continue
        if n > 2:
            power = powers[n]
            for j in range(found):
                i = places[j]
                gram[i] = (word_prefix[i + n] - word_prefix[i] * power) * FINISH
        most, first = _most_frequent(found, room)
        row[n - 2] = most * (length_prefix[first + n] - length_prefix[first] + n - 1)
        found = _repeated(found, words - n, room)


@pure_kernel
def _most_frequent(found: int, room: Scratch) -> tuple[int, int]:
    """(how often, where first) of the most frequent of the grams at places[:found]; (1, 0) if none stands twice."""
    counts, entry_of, firsts, gram, places, slots = (
        room.counts,
        room.entry,
        room.firsts,
        room.gram,
        room.places,
        room.slots,
    )
    shift, stamp = empty_table(found, room)
    entries = 0
    for j in range(found):
        i = places[j]
        entry = find(gram[i], shift, stamp, entries, slots)
        if entry < 0:
            entry = entries
            counts[entry], firsts[entry] = 0, i
            entries += 1
        counts[entry] += 1
        entry_of[j] = entry
    most, first = 1, 0
    for entry in range(entries):
        if counts[entry] > most:
            most, first = counts[entry], firsts[entry]
    return most, first


@pure_kernel
def _repeated(found: int, last: int, room: Scratch) -> int:
    """Leave in ``places`` those whose gram stands twice and that lie before ``last``; returns how many."""
    counts, entry, places = room.counts, room.entry, room.places
    left = 0
    for j in range(found):
        i = places[j]
        places[left] = i
        left += counts[entry[j]] > 1 and i < last
    return left


@pure_kernel
def duplicate_grams(words: int, room: Scratch, row: np.ndarray) -> None:
    """Into row[0:6]: characters of 5- to 10-grams, joined without spaces, that stood before; none counts twice.

    Two n-grams are equal if their characters are, whatever words these fall into. So where the WINDOW characters
    from a word on stand once in the document, no n-gram of at least that length can begin that stands twice.
    """
    candidates, character_prefix, gram, length_prefix, places, powers, slots = (
        room.candidates,
        room.character_prefix,
        room.gram,
        room.length_prefix,
        room.places,
        room.powers,
        room.slots,
    )
    found = _may_repeat(words, room)
    for n in range(5, 11):
        grams = 0
        for j in range(found):
            i = candidates[j]
            if i > words - n:
                break
            begin, end = length_prefix[i], length_prefix[i + n]
            value = character_prefix[end] - character_prefix[begin] * powers[end - begin]
            gram[j] = value * FINISH
            grams += 1
        twice = _twice(grams, room)
        shift, stamp = empty_table(twice, room)
        covered, after = 0, 0
        for j in range(twice):
            place = places[j]
            i = np.int64(candidates[place])
            if i >= after and find(gram[place], shift, stamp, 0, slots) >= 0:
                covered += length_prefix[i + n] - length_prefix[i]
                after = i + n  # type: ignore[assignment]
        row[n - 5] = covered


@pure_kernel
def _may_repeat(words: int, room: Scratch) -> int:
    """Write to ``candidates`` the words at which n-grams (n ≥ 5) may begin that stand twice; returns how many."""
    candidates, character_prefix, gram, length_prefix, powers, seen = (
        room.candidates,
        room.character_prefix,
        room.gram,
        room.length_prefix,
        room.powers,
        room.seen,
    )
    characters = length_prefix[words]
    power = powers[WINDOW]
    whole = 0
    while whole < words and length_prefix[whole] + WINDOW <= characters:
        begin = length_prefix[whole]
        value = character_prefix[begin + WINDOW] - character_prefix[begin] * power
        gram[whole] = value * FINISH
        whole += 1
    shift = _notice(whole, room)
    found = 0
    for i in range(words - 4):
        candidates[found] = i
        short = length_prefix[i + 5] - length_prefix[i] < WINDOW
        found += short or i >= whole or seen[np.int64(gram[i] >> shift)] == 2
    return found
