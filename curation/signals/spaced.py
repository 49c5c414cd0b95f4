"""Words between white space, found once for all parts that count them."""

from __future__ import annotations

import numpy as np

from hanji.curation.signals.compiled import pure_kernel
from hanji.curation.signals.unicode import CLASS_MASK, WHITE

CLASS_SHIFT = 32
FIRST_IN_LINE = 1 << 48


@pure_kernel
def zero() -> int:
    """0 as a plain integer: as a literal it is a type of its own, and a kernel handed both is compiled twice."""
    return 0


@pure_kernel
def spaced_words(points: np.ndarray, properties: np.ndarray, count: int, words: np.ndarray) -> int:
    """Write the words of points[:count] that stand between white space (``str.split``); returns how many.

    ``words``: int64[at least (count + 1) // 2, 4]; of each word the places of its first and last character, what
    is in it, and what is in it without the last character. What is in a word is its characters' properties, or-ed,
    and bit CLASS_SHIFT + n for a character of class n; the former also has FIRST_IN_LINE, if a newline or nothing
    but white space stands before.
    """
    number = 0
    first_in_line = np.int64(FIRST_IN_LINE)
    j = 0
    while j < count:
        found = np.int64(properties[j])
        if found & WHITE:
            if points[j] == 10:
                first_in_line = np.int64(FIRST_IN_LINE)
            j += 1
            continue
        start, inside, body = j, first_in_line, np.int64(0)
        while j < count:
            found = np.int64(properties[j])
            if found & WHITE:
                break
            body = inside
            inside |= found | (1 << (CLASS_SHIFT + (found & CLASS_MASK)))
            j += 1
        words[number, 0], words[number, 1] = start, j - 1
        words[number, 2], words[number, 3] = inside, body & ~FIRST_IN_LINE
        number += 1
        first_in_line = np.int64(0)
    return number
