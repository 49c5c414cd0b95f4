"""Compiled kernels: the walk through a cluster's members, from best to worst.

A member is a place in the order of the walk; members of one cluster stand next to each other. Verified edges
are told to the later of their two ends: ``earlier[bounds[i]:bounds[i + 1]]`` are the members before i, ascending,
to which i has one. ``language`` holds a code by which members are compared with each other, −1 for one that no
comparison may take in. Shingle sets are ascending: those of i are ``hashes[begin[i]:end[i]]``.
"""

from __future__ import annotations

import numpy as np

from hanji.curation.signals.compiled import pure_kernel

KEPT, FALLS, OPEN = 1, 2, 3
STRIDE = 32  # shingles between two looks at whether a pair can still be alike
FAR = 16  # one set so many times the other's size is searched, not merged


@pure_kernel
def find_open(
    starts: np.ndarray,
    bounds: np.ndarray,
    earlier: np.ndarray,
    language: np.ndarray,
    before: np.ndarray,
    state: np.ndarray,
    wanted: np.ndarray,
) -> None:
    """What edges alone decide: state[i] is KEPT, FALLS (to some kept member) or OPEN (a comparison may decide).

    starts: int64[clusters + 1]; bounds: int64[members + 1]; earlier: int64[edges]; language: int64[members];
    before: int64[languages, 2], overwritten; state: int8[members], filled; wanted: bool[members], filled with
    those that the walk may compare: all that are open, and all that one of them may be compared with.
    """
    for cluster in range(len(starts) - 1):
        first, last = starts[cluster], starts[cluster + 1]
        for spoken in range(len(before)):
            before[spoken, 0] = 0
            before[spoken, 1] = 0
        for i in range(first, last):
            state[i] = KEPT
            for e in range(bounds[i], bounds[i + 1]):
                if state[earlier[e]] == KEPT:
                    state[i] = FALLS
                    break
                if state[earlier[e]] == OPEN:
                    state[i] = OPEN
            if state[i] == FALLS:
                continue
            spoken = language[i]
            if spoken >= 0:
                if before[spoken, 0] > 0:
                    state[i] = OPEN
                before[spoken, 0] += 1
                before[spoken, 1] += state[i] == OPEN
        for i in range(first, last):
            wanted[i] = state[i] != FALLS and language[i] >= 0 and before[language[i], 1] > 0


@pure_kernel
def sample_ends(
    hashes: np.ndarray, begin: np.ndarray, end: np.ndarray, limit: np.uint64, least: int, out: np.ndarray
) -> int:
    """Where the sample of each set ends: its shingles up to ``limit``, or the ``least`` smallest; returns the sum.

    out: int64[members], filled.
    """
    total = 0
    for i in range(len(begin)):
        low, high = begin[i], end[i]
        while low < high:
            middle = (low + high) // 2
            if hashes[middle] <= limit:
                low = middle + 1
            else:
                high = middle
        out[i] = max(low, min(begin[i] + least, end[i]))
        total += out[i] - begin[i]
    return total


@pure_kernel
def copy_samples(
    hashes: np.ndarray, begin: np.ndarray, ends: np.ndarray, bounds: np.ndarray, out: np.ndarray
) -> None:
    """The samples laid end to end: out, uint64; bounds, int64[members + 1], filled."""
    filled = 0
    bounds[0] = 0
    for i in range(len(begin)):
        for j in range(begin[i], ends[i]):
            out[filled] = hashes[j]
            filled += 1
        bounds[i + 1] = filled


@pure_kernel
def walk(
    starts: np.ndarray,
    bounds: np.ndarray,
    earlier: np.ndarray,
    language: np.ndarray,
    hashes: np.ndarray,
    begin: np.ndarray,
    end: np.ndarray,
    min_jaccard: float,
    min_containment: float,
    most: int,
    sample_bounds: np.ndarray,
    samples: np.ndarray,
    listed_from: np.ndarray,
    listed: np.ndarray,
    filled: np.ndarray,
    chains: np.ndarray,
    following: np.ndarray,
    counts: np.ndarray,
    touched: np.ndarray,
    tally: np.ndarray,
    target: np.ndarray,
    edge: np.ndarray,
    shared: np.ndarray,
    bounded: np.ndarray,
) -> int:
    """Who falls to whom in the clusters of ``starts``; returns how many were walked.

    Stops before a cluster of which more than ``most`` stay if there is no index of sampled shingles.

    target: int64[members], filled with the kept member that i falls to, −1 where i is kept; edge: int64[members],
    the place in ``earlier`` of the edge that says so, −1 where a comparison did; shared: int64[members], the
    shingles that a comparison found in both; bounded: bool[members], whether i was not compared with all.

    Up to ``most`` kept members of its language, a member is compared with each, in order. Above that, with at most
    as many: those with which it shares most sampled shingles that fewer than ``most`` kept members have; then, if
    none is like it and there is room, most of the other sampled shingles, of which each names only the first
    ``most`` that have it: samples, int64, codes of shingles, those of the i-th member of the first cluster at
    sample_bounds[i]:sample_bounds[i + 1] (empty: no index); listed, int32, members, those that shingle c names
    at listed_from[c]:listed_from[c] + filled[c] (int64, zeros), with room for as many as it may name.

    Room, int64: chains[languages, 3], following[members], counts[members] and tally[longest sample + 1] (zeros),
    touched[members].
    """
    for cluster in range(len(starts) - 1):
        first, last = starts[cluster], starts[cluster + 1]
        for spoken in range(len(chains)):
            chains[spoken, 0] = -1  # the first kept member of a language
            chains[spoken, 1] = -1  # the last one
            chains[spoken, 2] = 0  # how many there are
        for i in range(first, last):
            target[i] = -1
            edge[i] = -1
            bounded[i] = False
            for e in range(bounds[i], bounds[i + 1]):
                if target[earlier[e]] < 0:
                    target[i] = earlier[e]
                    edge[i] = e
                    break
            spoken = language[i]
            if target[i] >= 0 or spoken < 0:
                continue
            bounded[i] = chains[spoken, 2] > most
            if bounded[i] and not len(sample_bounds):
                return cluster
            room = most
            for common in range(2):
                if not bounded[i]:
                    chosen = _chained(chains[spoken, 0], following, touched)
                else:
                    chosen = _named(
                        i,
                        starts[0],
                        most,
                        common,
                        language,
                        sample_bounds,
                        samples,
                        listed_from,
                        listed,
                        filled,
                        counts,
                        touched,
                    )
                    chosen = _likest(chosen, room, counts, touched, tally)
                for place in range(chosen):
                    other = touched[place]
                    if target[i] >= 0 and other > target[i]:
                        continue
                    found = _shared_if_alike(hashes, begin, end, i, other, min_jaccard, min_containment)
                    if found >= 0:
                        target[i] = other
                        shared[i] = found
                room -= chosen
                if target[i] >= 0 or not bounded[i]:
                    break
            if target[i] < 0:
                following[i] = -1
                if chains[spoken, 0] < 0:
                    chains[spoken, 0] = i
                else:
                    following[chains[spoken, 1]] = i
                chains[spoken, 1] = i
                chains[spoken, 2] += 1
                if len(sample_bounds):
                    _list(i, starts[0], most, sample_bounds, samples, listed_from, listed, filled)
    return len(starts) - 1


@pure_kernel
def _chained(first: int, following: np.ndarray, touched: np.ndarray) -> int:
    """How many members a chain has that begins with ``first``: touched, in its order."""
    chosen = 0
    while first >= 0:
        touched[chosen] = first
        chosen += 1
        first = following[first]
    return chosen


@pure_kernel
def _list(
    i: int,
    base: int,
    most: int,
    sample_bounds: np.ndarray,
    samples: np.ndarray,
    listed_from: np.ndarray,
    listed: np.ndarray,
    filled: np.ndarray,
) -> None:
    """Let the sampled shingles of a kept member name it, those that do not name ``most`` already."""
    for s in range(sample_bounds[i - base], sample_bounds[i - base + 1]):
        code = samples[s]
        if filled[code] < most:
            listed[listed_from[code] + filled[code]] = i
            filled[code] += 1


@pure_kernel
def _named(
    i: int,
    base: int,
    most: int,
    common: int,
    language: np.ndarray,
    sample_bounds: np.ndarray,
    samples: np.ndarray,
    listed_from: np.ndarray,
    listed: np.ndarray,
    filled: np.ndarray,
    counts: np.ndarray,
    touched: np.ndarray,
) -> int:
    """How many kept members i's sampled shingles name: touched, in the order of the shingles; counts, how often.

    With ``common`` 0 by shingles that name fewer than ``most``, with 1 by those that name as many.
    """
    named = 0
    for s in range(sample_bounds[i - base], sample_bounds[i - base + 1]):
        code = samples[s]
        if (filled[code] == most) != (common == 1):
            continue
        for place in range(listed_from[code], listed_from[code] + filled[code]):
            other = listed[place]
            if language[other] != language[i]:
                continue
            if counts[other] == 0:
                touched[named] = other
                named += 1
            counts[other] += 1
    return named


@pure_kernel
def _likest(named: int, most: int, counts: np.ndarray, touched: np.ndarray, tally: np.ndarray) -> int:
    """Move those with the highest counts to the front of touched, at most ``most``, and zero all counts."""
    highest = 0
    for place in range(named):
        count = counts[touched[place]]
        tally[count] += 1
        highest = max(highest, count)
    # Of those with exactly this count as many as there is still room for, in their order.
    least, room = highest + 1, most
    while least > 1 and room >= tally[least - 1]:
        least -= 1
        room -= tally[least]
    chosen = 0
    for place in range(named):
        other = touched[place]
        count = counts[other]
        tally[count] = 0
        counts[other] = 0
        if count == least - 1 and room > 0:
            room -= 1
        elif count < least:
            continue
        touched[chosen] = other
        chosen += 1
    return chosen


@pure_kernel
def _shared_if_alike(
    hashes: np.ndarray,
    begin: np.ndarray,
    end: np.ndarray,
    i: int,
    j: int,
    min_jaccard: float,
    min_containment: float,
) -> int:
    """Size of the intersection of two sets if they are alike, −1 if not; the exact test of ``shingles.alike``."""
    a, a_end, b, b_end = begin[i], end[i], begin[j], end[j]
    if a_end - a > b_end - b:
        a, a_end, b, b_end = b, b_end, a, a_end
    small, large = a_end - a, b_end - b
    # One less than what either test asks for, so that no rounding turns a pair away.
    by_jaccard = min_jaccard / (1.0 + min_jaccard) * (small + large)
    needed = int(min(by_jaccard, min_containment * small)) - 1
    if large > FAR * small:
        found = _search(hashes, a, a_end, b, b_end, needed)
    else:
        found = _merge(hashes, a, a_end, b, b_end, needed)
    if found < 0:
        return -1
    union = small + large - found
    jaccard = found / union if union > 0 else 0.0
    containment = found / small if small > 0 else 0.0
    return found if jaccard >= min_jaccard or containment >= min_containment else -1


@pure_kernel
def _merge(hashes: np.ndarray, a: int, a_end: int, b: int, b_end: int, needed: int) -> int:
    """Size of the intersection; −1 as soon as it is seen to stay below ``needed``."""
    found = 0
    while a < a_end and b < b_end:
        if found + min(a_end - a, b_end - b) < needed:
            return -1
        a_stop, b_stop = min(a + STRIDE, a_end), min(b + STRIDE, b_end)
        while a < a_stop and b < b_stop:
            one, other = hashes[a], hashes[b]
            found += one == other
            a += one <= other
            b += other <= one
    return found


@pure_kernel
def _search(hashes: np.ndarray, a: int, a_end: int, b: int, b_end: int, needed: int) -> int:
    """The same where the second set is much the larger: each shingle of the first is looked up in it."""
    found = 0
    while a < a_end and b < b_end:
        if found + a_end - a < needed:
            return -1
        low, high = b, b_end
        while low < high:
            middle = (low + high) // 2
            if hashes[middle] < hashes[a]:
                low = middle + 1
            else:
                high = middle
        found += low < b_end and hashes[low] == hashes[a]
        b = low
        a += 1
    return found
