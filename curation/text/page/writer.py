"""The writer of texts: white space as a browser would collapse it, breaks that are owed, prefixes of lines.

Its state is an array, so that small kernels can share it.
"""

from __future__ import annotations

import numpy as np

from hanji.curation.signals.compiled import kernel

# State of the writer.
POS, OWED, SPACE, MARK, NUMBER, QUOTES, LISTS, CODE_DEPTH, MARKS, CELLS, CODE_START, LINE_QUOTES = range(12)
MAX_QUOTES, MAX_LISTS = 3, 6
NO_MARK, BULLET, ORDERED = 0, -1, -2
STATE = 16


@kernel
def prefix(out: np.ndarray, state: np.ndarray) -> None:
    """What a new line begins with: quotes, the indent of lists, a mark that is owed."""
    pos = state[POS]
    if state[MARKS]:
        for _ in range(min(state[QUOTES], MAX_QUOTES)):
            out[pos], out[pos + 1] = 62, 32
            pos += 2
        mark = state[MARK]
        depth = min(state[LISTS], MAX_LISTS)
        if mark in (BULLET, ORDERED):
            depth -= 1
        for _ in range(2 * max(depth, 0)):
            out[pos] = 32
            pos += 1
        if mark == BULLET:
            out[pos], out[pos + 1] = 45, 32
            pos += 2
        elif mark == ORDERED:
            number = min(max(state[NUMBER], 0), 99999)
            power = 1
            while power * 10 <= number:
                power *= 10
            while power > 0:
                out[pos] = 48 + (number // power) % 10
                pos += 1
                power //= 10
            out[pos], out[pos + 1] = 46, 32
            pos += 2
        elif mark > 0:
            for _ in range(mark):
                out[pos] = 35
                pos += 1
            out[pos] = 32
            pos += 1
    state[MARK] = NO_MARK
    state[LINE_QUOTES] = state[QUOTES]
    state[POS] = pos


@kernel
def pay(out: np.ndarray, state: np.ndarray) -> None:
    """Write the break or space that is owed before a character."""
    if state[POS] == 0:
        prefix(out, state)
    elif state[OWED] > 0:
        for k in range(state[OWED]):
            out[state[POS]] = 10
            state[POS] += 1
            if k + 1 < state[OWED] and state[MARKS] and min(state[QUOTES], state[LINE_QUOTES]) > 0:
                # A blank line within a quote carries its mark.
                out[state[POS]] = 62
                state[POS] += 1
        prefix(out, state)
    else:
        if state[MARK] != NO_MARK and state[MARKS] and out[state[POS] - 1] == 10:
            prefix(out, state)
        if state[SPACE]:
            out[state[POS]] = 32
            state[POS] += 1
    state[OWED] = 0
    state[SPACE] = 0
    state[MARK] = NO_MARK


@kernel
def owe(state: np.ndarray, lines: int) -> None:
    """Owe so many line breaks; within a table's cell a space."""
    if state[CELLS] > 0:
        state[SPACE] = 1
    else:
        state[OWED] = max(state[OWED], lines)
        state[SPACE] = 0


@kernel
def newline(state: np.ndarray) -> None:
    """Owe a line break within code; none before its first line, and none is left behind its last."""
    if state[POS] > state[CODE_START]:
        state[OWED] += 1


@kernel
def _entity(data: np.ndarray, i: int, stop: int) -> tuple[int, int]:
    """(character, bytes) of the escape at ``i``; nbsp is a space, an unknown one is an ampersand."""
    if i + 3 < stop and data[i + 2] == 116 and data[i + 3] == 59:
        if data[i + 1] == 108:
            return 60, 4
        if data[i + 1] == 103:
            return 62, 4
    if i + 4 < stop and data[i + 1] == 97 and data[i + 2] == 109 and data[i + 3] == 112 and data[i + 4] == 59:
        return 38, 5
    if i + 5 < stop and data[i + 5] == 59:
        if data[i + 1] == 110 and data[i + 2] == 98:
            return 32, 6
        if data[i + 1] == 113 and data[i + 2] == 117:
            return 34, 6
    return 38, 1


@kernel
def write_text(
    data: np.ndarray, start: int, stop: int, raw: bool, out: np.ndarray, state: np.ndarray
) -> None:
    """The text ``data[start:stop]``, as code if within ``pre``, else with white space collapsed."""
    i = start
    code = state[CODE_DEPTH] > 0
    while i < stop:
        c = data[i]
        taken = 1
        blank = c == 32 or 9 <= c <= 13
        if c == 38 and not raw:
            c, taken = _entity(data, i, stop)
            blank = c == 32
        i += taken
        if code:
            if c == 10:
                newline(state)
            elif c != 13 and c != 12:
                if state[POS] == state[CODE_START]:
                    prefix(out, state)
                    state[CODE_START] = -1
                while state[OWED] > 0:
                    out[state[POS]] = 10
                    state[POS] += 1
                    state[OWED] -= 1
                    prefix(out, state)
                out[state[POS]] = c
                state[POS] += 1
            continue
        if blank:
            state[SPACE] = 1 if state[OWED] == 0 and state[POS] > 0 else 0
            continue
        if state[OWED] > 0 or state[SPACE] or state[MARK] != NO_MARK:
            pay(out, state)
        out[state[POS]] = c
        state[POS] += 1
