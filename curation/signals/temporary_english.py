"""Stands in for english.py until that is there; removed then."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hanji.curation.signals.compiled import kernel
from hanji.curation.signals.unicode import ALNUM, TERMINAL, WHITE


class EnglishTables(NamedTuple):
    nothing: np.ndarray


def tables() -> EnglishTables:
    return EnglishTables(np.zeros(1, np.int32))


@kernel
def english_words(points, properties, begin, end, tables, starts, ends):  # type: ignore[no-untyped-def]
    words, start = 0, -1
    for i in range(begin, end):
        if properties[i] & WHITE:
            if start >= 0:
                starts[words], ends[words] = start, i
                words += 1
            start = -1
        elif properties[i] & ALNUM:
            if start < 0:
                start = i
        else:
            if start >= 0:
                starts[words], ends[words] = start, i
                words += 1
            starts[words], ends[words] = i, i + 1
            words += 1
            start = -1
    if start >= 0:
        starts[words], ends[words] = start, end
        words += 1
    return words


@kernel
def english_sentences(points, properties, begin, end, starts, ends, first_word, last_word, tables):  # type: ignore[no-untyped-def]
    found = 0
    for i in range(begin, end):
        if properties[i] & TERMINAL and (i + 1 == end or properties[i + 1] & WHITE):
            found += 1
    return max(found, 1)
