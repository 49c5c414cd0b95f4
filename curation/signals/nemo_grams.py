"""Repeated n-grams of words between white space, as NeMo Curator's repetition filters count them.

An n-gram that stands twice has two (n−1)-grams in it that do. So the sizes are gone through from 2 up, and each
looks only at the places that the last one left: an n-gram's key is the pair of numbers that its two (n−1)-grams
got, which makes it exact, whatever the words. Only pairs of words are told apart by hash (64 bits); most of those
that stand once are put aside by a table of bytes before they reach the hash table.
"""

from __future__ import annotations

import numpy as np

from hanji.curation.signals.characters import mix
from hanji.curation.signals.compiled import pure_kernel
from hanji.curation.signals.nemo_room import SEEN_BYTES, SEEN_LEAST, Grams, clear, slot_of

GRAM_COLUMNS: dict[str, str] = {
    **{
        f"nemo_top_{n}_gram_characters": f"characters that go if the most frequent word {n}-gram (the middle one of"
        " equally frequent ones) is deleted wherever it stands with single spaces, also inside longer words"
        for n in range(2, 5)
    },
    **{
        f"nemo_duplicate_{n}_gram_characters": f"characters in word {n}-grams that stood before, none counted twice"
        for n in range(5, 11)
    },
}
"""What :func:`gram_counts` fills, in this order."""

FIRST_SIZE, LAST_SIZE, LAST_TOP = 2, 10, 4
_BASE = np.uint64(0x9E3779B97F4A7C15)


@pure_kernel
def gram_counts(
    points: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    hashes: np.ndarray,
    words: int,
    room: Grams,
    row: np.ndarray,
) -> None:
    """Counts of n-grams of the words [starts, ends), which have these hashes, into row[:len(GRAM_COLUMNS)]."""
    candidates = _pairs(hashes, words, room)
    for n in range(FIRST_SIZE, min(words, LAST_SIZE) + 1):
        covered = _number(starts, ends, candidates, n, room)
        if n <= LAST_TOP:
            covered = _deleted(points, starts, ends, words, _most_frequent(words - n + 1, room), n)
        row[n - FIRST_SIZE] = covered
        candidates = _longer(candidates, room)


@pure_kernel
def _pairs(hashes: np.ndarray, words: int, room: Grams) -> int:
    """Keys and places of the pairs of words that may stand twice; returns how many."""
    grams, places, seen = room.grams, room.places, room.seen
    size, shift = SEEN_LEAST, np.uint64(57)
    while size < SEEN_BYTES * words:
        size, shift = size * 2, shift - np.uint64(1)
    for k in range(size):  # a loop becomes one memset; a slice of numba does not
        seen[k] = 0
    for i in range(words - 1):
        key = mix(hashes[i] * _BASE + hashes[i + 1]) | np.uint64(1)
        grams[i] = key
        place = np.int64(key >> shift)
        seen[place] += seen[place] < 2
    found = 0
    for i in range(words - 1):
        key = grams[i]
        if seen[np.int64(key >> shift)] == 2:
            grams[found], places[found] = key, i
            found += 1
    return found


@pure_kernel
def _number(starts: np.ndarray, ends: np.ndarray, candidates: int, n: int, room: Grams) -> int:
    """Numbers the candidates' n-grams, from 1, and counts them; returns the characters that stood before."""
    counts, firsts, grams, ids, keys, numbers, places = (
        room.counts,
        room.firsts,
        room.grams,
        room.ids,
        room.keys,
        room.numbers,
        room.places,
    )
    mask = clear(candidates, room)
    entries, covered, last = 0, 0, -n
    for k in range(candidates):
        key = grams[k]
        slot = slot_of(key, mask)
        while keys[slot] != key and keys[slot] != 0:
            slot = (slot + 1) & mask
        if keys[slot] == 0:
            entries += 1
            keys[slot], ids[slot] = key, entries
            counts[entries], firsts[entries] = 1, places[k]
        else:
            counts[ids[slot]] += 1
            place = places[k]
            overlap = max(n - (place - last), 0)
            for word in range(place + overlap, place + n):
                covered += ends[word] - starts[word]
            covered += min(n - overlap, n - 1)
            last = place
        numbers[k] = ids[slot]
    counts[0] = entries
    return covered


@pure_kernel
def _most_frequent(grams: int, room: Grams) -> int:
    """Where the most frequent n-gram begins first; of equally frequent ones the middle one is taken.

    The peer takes any of them, as a set happens to be ordered. The first of a text would often be of its title.
    """
    counts, firsts = room.counts, room.firsts
    most, ties = 1, 0
    for number in range(1, counts[0] + 1):
        if counts[number] > most:
            most, ties = counts[number], 0
        ties += counts[number] == most
    if most == 1:
        return grams // 2
    number, before = 0, ties // 2
    while before >= 0:
        number += 1
        before -= counts[number] == most
    return int(firsts[number])


@pure_kernel
def _longer(candidates: int, room: Grams) -> int:
    """Keys and places of the n-grams whose two (n−1)-grams stand twice each; returns how many."""
    counts, grams, numbers, places = room.counts, room.grams, room.numbers, room.places
    found = 0
    for k in range(candidates - 1):
        here, following = numbers[k], numbers[k + 1]
        if places[k + 1] != places[k] + 1 or counts[here] < 2 or counts[following] < 2:
            continue
        grams[found] = mix(np.uint64(here) << np.uint64(32) | np.uint64(following))
        places[found] = places[k]
        found += 1
    return found


@pure_kernel
def _deleted(points: np.ndarray, starts: np.ndarray, ends: np.ndarray, words: int, first: int, n: int) -> int:
    """Characters that go when the n-gram of the word ``first``, joined by spaces, is deleted as by str.replace.

    It may begin in the middle of a word and end in the middle of one; those between are whole.
    """
    head, tail = points[ends[first] - 1], points[starts[first + n - 1]]
    joined, free, gone = n - 1, 0, 0
    for word in range(first, first + n):
        joined += ends[word] - starts[word]
    for word in range(words - n + 1):
        if points[ends[word] - 1] != head or points[starts[word + n - 1]] != tail:
            continue
        begin = ends[word] - (ends[first] - starts[first])
        if begin < starts[word] or begin < free or begin + joined > ends[word + n - 1]:
            continue
        if _stands(points, starts, ends, first, n, begin):
            gone += joined
            free = begin + joined
    return gone


@pure_kernel
def _stands(points: np.ndarray, starts: np.ndarray, ends: np.ndarray, first: int, n: int, begin: int) -> bool:
    """Whether the n-gram of the word ``first``, joined by spaces, stands at ``begin``."""
    position = begin
    for word in range(first, first + n):
        if word > first:
            if points[position] != 32:
                return False
            position += 1
        for k in range(starts[word], ends[word]):
            if points[position] != points[k]:
                return False
            position += 1
    return True
