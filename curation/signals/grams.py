"""Repetition of word n-grams as datatrove's Gopher filter (Apache-2.0) counts it, in constant time a gram.

Hashes of n-grams come from prefix hashes, whatever n: over words for n-grams joined by spaces, over characters
for those joined without. A first sweep notes in a small table of bytes which hashes may stand twice; only those
grams are then looked up exactly, which in most texts are few. Hashes are 64 bits wide and compared whole.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hanji.curation.signals.characters import mix
from hanji.curation.signals.compiled import kernel

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


@kernel
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


@kernel
def empty_table(entries: int, room: Scratch) -> np.uint64:
    """Empty the hash table for so many entries; returns the shift that finds a key's slot."""
    room.stamp[0] += np.uint64(1)
    size, shift = 16, 60
    while size < 2 * entries + 2:
        size, shift = size * 2, shift - 1
    return np.uint64(shift)


@kernel
def find(key: np.uint64, shift: np.uint64, entry: int, room: Scratch) -> int:
    """The entry of a key, or −1 if it is new: then it is entered as ``entry`` (int32). Keys have good high bits."""
    last = (np.int64(1) << np.int64(np.uint64(64) - shift)) - 1
    slot = np.int64(key >> shift)
    stamp = room.stamp[0]
    while room.slots[2 * slot + 1] >> np.uint64(32) == stamp:
        if room.slots[2 * slot] == key:
            return np.int64(room.slots[2 * slot + 1] & np.uint64(0xFFFFFFFF))
        slot = (slot + 1) & last
    room.slots[2 * slot] = key
    room.slots[2 * slot + 1] = stamp << np.uint64(32) | np.uint64(entry)
    return -1


@kernel
def prepare(points: np.ndarray, starts: np.ndarray, ends: np.ndarray, words: int, room: Scratch) -> None:
    """Prefix hashes over the words [starts, ends) of a document, and over their characters."""
    of_words, of_text, length = np.uint64(0), np.uint64(0), np.int64(0)
    for i in range(words):
        start, end = starts[i], ends[i]
        before = of_text
        for k in range(start, end):
            of_text = of_text * BASE + np.uint64(points[k] + 1)
            length += 1
            room.character_prefix[length] = of_text
        value = of_text - before * room.powers[end - start]
        room.word_hash[i] = value
        of_words = of_words * BASE + mix(value)
        room.word_prefix[i + 1], room.length_prefix[i + 1] = of_words, length


@kernel
def _notice(grams: int, room: Scratch) -> np.uint64:
    """Count gram[:grams] in ``seen``, up to two; returns the shift that finds a gram's byte there."""
    size, shift = 128, 57
    while size < SEEN_BYTES * grams:
        size, shift = size * 2, shift - 1
    room.seen[:size] = 0
    for i in range(grams):
        place = np.int64(room.gram[i] >> np.uint64(shift))
        # 0 → 1 → 2, and 2 stays.
        room.seen[place] += room.seen[place] < 2
    return np.uint64(shift)


@kernel
def _twice(grams: int, room: Scratch) -> int:
    """Write to ``places`` which of gram[:grams] may stand twice, in order; returns how many."""
    shift = _notice(grams, room)
    found = 0
    for i in range(grams):
        room.places[found] = i
        found += room.seen[np.int64(room.gram[i] >> shift)] == 2
    return found


@kernel
def top_grams(words: int, room: Scratch, row: np.ndarray) -> None:
    """Into row[0:3]: characters that the most frequent 2-, 3- and 4-gram covers, joined by spaces.

    Of equally frequent ones the first counts; 0 for fewer than n words. As in datatrove, an n-gram that stands once
    covers its own length. Only where an n-gram stands twice can a longer one that begins there do so.
    """
    grams = words - 1
    power = room.powers[2]
    for i in range(grams):
        room.gram[i] = (room.word_prefix[i + 2] - room.word_prefix[i] * power) * FINISH
    found = _twice(grams, room) if grams > 0 else 0
    for n in range(2, 5):
        if words < n:
            row[n - 2] = 0
            continue
        if n > 2:
            power = room.powers[n]
            for j in range(found):
                i = room.places[j]
                room.gram[i] = (room.word_prefix[i + n] - room.word_prefix[i] * power) * FINISH
        most, first = _most_frequent(found, room)
        row[n - 2] = most * (room.length_prefix[first + n] - room.length_prefix[first] + n - 1)
        found = _repeated(found, words - n, room)


@kernel
def _most_frequent(found: int, room: Scratch) -> tuple[int, int]:
    """(how often, where first) of the most frequent of the grams at places[:found]; (1, 0) if none stands twice."""
    shift = empty_table(found, room)
    entries = 0
    for j in range(found):
        i = room.places[j]
        entry = find(room.gram[i], shift, entries, room)
        if entry < 0:
            entry = entries
            room.counts[entry], room.firsts[entry] = 0, i
            entries += 1
        room.counts[entry] += 1
        room.entry[j] = entry
    most, first = 1, 0
    for entry in range(entries):
        if room.counts[entry] > most:
            most, first = room.counts[entry], room.firsts[entry]
    return most, first


@kernel
def _repeated(found: int, last: int, room: Scratch) -> int:
    """Leave in ``places`` those whose gram stands twice and that lie before ``last``; returns how many."""
    left = 0
    for j in range(found):
        i = room.places[j]
        room.places[left] = i
        left += room.counts[room.entry[j]] > 1 and i < last
    return left


@kernel
def duplicate_grams(words: int, room: Scratch, row: np.ndarray) -> None:
    """Into row[0:6]: characters of 5- to 10-grams, joined without spaces, that stood before; none counts twice.

    Two n-grams are equal if their characters are, whatever words these fall into. So where the WINDOW characters
    from a word on stand once in the document, no n-gram of at least that length can begin that stands twice.
    """
    found = _may_repeat(words, room)
    for n in range(5, 11):
        grams = 0
        for j in range(found):
            i = room.candidates[j]
            if i > words - n:
                break
            begin, end = room.length_prefix[i], room.length_prefix[i + n]
            value = room.character_prefix[end] - room.character_prefix[begin] * room.powers[end - begin]
            room.gram[j] = value * FINISH
            grams += 1
        twice = _twice(grams, room)
        shift = empty_table(twice, room)
        covered, after = 0, 0
        for j in range(twice):
            place = room.places[j]
            i = np.int64(room.candidates[place])
            if i >= after and find(room.gram[place], shift, 0, room) >= 0:
                covered += room.length_prefix[i + n] - room.length_prefix[i]
                after = i + n
        row[n - 5] = covered


@kernel
def _may_repeat(words: int, room: Scratch) -> int:
    """Write to ``candidates`` the words at which n-grams (n ≥ 5) may begin that stand twice; returns how many."""
    characters = room.length_prefix[words]
    power = room.powers[WINDOW]
    whole = 0
    while whole < words and room.length_prefix[whole] + WINDOW <= characters:
        begin = room.length_prefix[whole]
        value = room.character_prefix[begin + WINDOW] - room.character_prefix[begin] * power
        room.gram[whole] = value * FINISH
        whole += 1
    shift = _notice(whole, room)
    found = 0
    for i in range(words - 4):
        room.candidates[found] = i
        short = room.length_prefix[i + 5] - room.length_prefix[i] < WINDOW
        found += short or i >= whole or room.seen[np.int64(room.gram[i] >> shift)] == 2
    return found
