"""Compiled kernels of repeated lines: hashes of lines, and which lines a document's pattern of colours keeps.

A line is compared by its letters and digits alone: case is folded, every digit of ASCII counts as 0, spaces and
signs do not count. So "조회 1,024" and "조회 37 " differ, but "2019.03.04 12:30" and "2024.11.26 09:05" are one
line. Lines without a letter or digit are no lines here.
"""

from __future__ import annotations

import numpy as np

from hanji.curation.dedup.letters import FOLD, LETTER
from hanji.curation.signals.characters import mix
from hanji.curation.signals.compiled import pure_kernel

GREEN, YELLOW, RED, NEUTRAL = 0, 1, 2, 3
PLAIN, HEADING, CODE = 0, 1, 2
_FENCE = 3
_NEWLINE, _SPACE, _TAB, _BACKTICK, _TILDE, _HASH = 10, 32, 9, 96, 126, 35
_ORDINAL, _BRACKET = 0xC81C, 0x3010  # 제, 【
_START, _NUMBER, _UNIT, _TITLE, _NONE = range(5)


@pure_kernel
def _next_shape(shape: int, point: np.uint32) -> int:
    """Whether a line can still be, or is, a heading, after one more of its characters."""
    if point in (_SPACE, _TAB):
        return shape
    if shape == _START:
        if point in (_HASH, _BRACKET):
            return _TITLE
        return _NUMBER if point == _ORDINAL else _NONE
    if 48 <= point <= 57:
        return _UNIT
    if shape == _UNIT and (
        point == 0xD3B8 or point == 0xC7A5 or point == 0xC808 or point == 0xAD00 or point == 0xC870
    ):  # 편 장 절 관 조
        return _TITLE
    return _NONE


@pure_kernel
def scan_lines(
    data: np.ndarray,
    offsets: np.ndarray,
    seeds: np.ndarray,
    pages: np.ndarray,
    cells: np.ndarray,
    hashes: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    letters: np.ndarray,
    kinds: np.ndarray,
    bounds: np.ndarray,
) -> int:
    """The lines with content of texts in ``data[offsets[i]:offsets[i + 1]]`` (uint8, UTF-8); returns how many.

    ``seeds``: uint64[documents], what the hashes of a document's lines start from. ``pages``, ``cells``: the table
    of dedup/letters.py. Of line k of all lines: ``hashes[k]``, uint64; ``starts[k]`` and ``ends[k]``, int64, code
    points of its text, without the newline; ``letters[k]``, int64, letters and digits in it; ``kinds[k]``, uint8:
    CODE in and around fences, HEADING for ``#``, ``【`` and the parts, chapters and articles of a law (제1장,
    제1조), else PLAIN. Lines of document i are ``bounds[i]`` to ``bounds[i + 1]``, int64.
    """
    count = 0
    bounds[0] = 0
    for i in range(len(offsets) - 1):
        position = offsets[i]
        end = offsets[i + 1]
        here = 0
        inside = False
        while position < end:
            value = seeds[i]
            first = here
            found = 0
            marks = 0
            mark = np.uint32(0)
            plain = True
            shape = _START
            while position < end:
                point = np.uint32(data[position])
                if point < 0x80:
                    position += 1
                    if point == _NEWLINE:
                        break
                    if plain:
                        if point in (_BACKTICK, _TILDE) and (marks == 0 or point == mark):
                            mark = point
                            marks += 1
                        elif marks > 0 or (point != _SPACE and point != _TAB):
                            plain = False
                elif point < 0xE0:
                    point = ((point & 0x1F) << 6) | (np.uint32(data[position + 1]) & 0x3F)
                    position += 2
                    plain = False
                elif point < 0xF0:
                    point = (
                        ((point & 0x0F) << 12)
                        | ((np.uint32(data[position + 1]) & 0x3F) << 6)
                        | (np.uint32(data[position + 2]) & 0x3F)
                    )
                    position += 3
                    plain = False
                else:
                    point = (
                        ((point & 0x07) << 18)
                        | ((np.uint32(data[position + 1]) & 0x3F) << 12)
                        | ((np.uint32(data[position + 2]) & 0x3F) << 6)
                        | (np.uint32(data[position + 3]) & 0x3F)
                    )
                    position += 4
                    plain = False
                here += 1
                if shape != _NONE and shape != _TITLE:
                    shape = _next_shape(shape, point)
                cell = cells[(np.uint32(pages[point >> 8]) << 8) | (point & 255)]
                if cell & LETTER:
                    folded = np.uint32(point ^ (cell & FOLD))
                    if 48 <= folded <= 57:
                        folded = np.uint32(48)
                    value = (value ^ np.uint64(folded)) * np.uint64(0x9FB21C651E98DF25)
                    value ^= value >> np.uint64(32)
                    found += 1
            fence = marks >= _FENCE
            if found > 0:
                hashes[count] = mix(value)
                starts[count] = first
                ends[count] = here
                letters[count] = found
                kinds[count] = CODE if inside or fence else HEADING if shape == _TITLE else PLAIN
                count += 1
            if fence:
                inside = not inside
            here += 1
        bounds[i + 1] = count
    return count


@pure_kernel
def longest_lines(hashes: np.ndarray, letters: np.ndarray, bounds: np.ndarray, out: np.ndarray) -> None:
    """Of each document the hash of its longest line (of several the smallest), 0 without lines: out, uint64."""
    for i in range(len(bounds) - 1):
        best = np.uint64(0)
        most = 0
        for k in range(bounds[i], bounds[i + 1]):
            if letters[k] > most or (letters[k] == most and hashes[k] < best):
                best = hashes[k]
                most = letters[k]
        out[i] = best


@pure_kernel
def keep_by_pattern(
    colours: np.ndarray, bounds: np.ndarray, bridge: int, single: bool, keep: np.ndarray
) -> None:
    """Which lines the patterns of the method keep, of documents one after another: keep, bool[lines].

    Lines go by colours (uint8); NEUTRAL ones are passed over. Two or more GREEN in a row are text. What lies
    between two such runs is text too if no stretch of other colours in it is longer than ``bridge`` lines, or if
    none of them is RED. With a bridge of 3, as the method has it, that is the union of g{2,}, g{2,}(y+g+)+g and
    g{2,}([yr]{0,3}g+)+g (arXiv 2510.24139). With ``single``, a GREEN line alone is text as well, and so is what
    lies between two GREEN lines with only YELLOW between them.
    """
    for i in range(len(bounds) - 1):
        begin = bounds[i]
        end = bounds[i + 1]
        keep[begin:end] = False
        solid = begin - 1  # the last line of the last run of two or more
        green = begin - 1  # the last GREEN line
        run = 0
        first = begin
        longest = 0
        stretch = 0
        red = False  # between the runs of two or more
        red_here = False  # since the last GREEN line
        for k in range(begin, end):
            colour = colours[k]
            if colour == NEUTRAL:
                continue
            if colour != GREEN:
                stretch += 1
                longest = max(longest, stretch)
                red = red or colour == RED
                red_here = red_here or colour == RED
                run = 0
                continue
            if run == 0:
                first = k
            run += 1
            if single:
                keep[k] = True
                if stretch > 0 and green >= begin and not red_here:
                    keep[green:k] = True
            if run == 2:
                if solid >= begin and (longest <= bridge or not red):
                    keep[solid:first] = True
                longest = 0
                red = False
            if run >= 2:
                keep[first : k + 1] = True
                solid = k
            green = k
            stretch = 0
            red_here = False


@pure_kernel
def remove_lines(
    colours: np.ndarray,
    kinds: np.ndarray,
    letters: np.ndarray,
    bounds: np.ndarray,
    headings: bool,
    share: float,
    keep: np.ndarray,
) -> int:
    """From the lines that the patterns keep to those that stay: changes ``keep``; returns documents left alone.

    Code stays. With ``headings``, a heading stays where a line stays between it and the next heading, or the line
    right after it does. A NEUTRAL line goes where the
    lines before and after it go, or one of them where it is the first or last. A document that would lose more than
    ``share`` of its letters is a copy or a list rather than a page with boilerplate: all of it stays.
    """
    left = 0
    for i in range(len(bounds) - 1):
        begin = bounds[i]
        end = bounds[i + 1]
        text = False  # whether a line stays before the next heading
        after = False  # whether the next line stays
        for k in range(end - 1, begin - 1, -1):
            if kinds[k] == CODE:
                keep[k] = True
            elif colours[k] == NEUTRAL:
                continue
            elif kinds[k] == HEADING:
                keep[k] = keep[k] or (headings and (text or after))
            after = keep[k]
            text = (text or after) and kinds[k] != HEADING
        before = -1
        k = begin
        while k < end:
            if colours[k] != NEUTRAL or kinds[k] == CODE:
                before = k
                k += 1
                continue
            stop = k
            while stop < end and colours[stop] == NEUTRAL and kinds[stop] != CODE:
                stop += 1
            stays = before < 0 and stop == end
            if before >= 0 and keep[before]:
                stays = True
            if stop < end and keep[stop]:
                stays = True
            keep[k:stop] = stays
            k = stop
        total = 0
        lost = 0
        for k in range(begin, end):
            total += letters[k]
            if not keep[k]:
                lost += letters[k]
        if lost > share * total:
            keep[begin:end] = True
            left += 1
    return left
