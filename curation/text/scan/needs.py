"""What a text needs of the normal form, found in one pass over its UTF-16 code units."""

from __future__ import annotations

from typing import Any

import numpy as np

from hanji.curation.signals.compiled import kernel

# Findings that a table of classes cannot give, since they depend on neighbours.
SPACE_RUN, TRAILING, BLANK_LINES, LETTER_RUN, MARK_RUN = 1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 14
# Classes that the kernel itself must know: letters and marks that run.
LETTER, MARK = 1 << 8, 1 << 9


@kernel
def needs(units: Any, classes: Any, longest_letters: int, longest_marks: int) -> int:
    """All findings of a text, or-ed.

    ``units``: uint16 code units; ``classes``: uint16 bits for each of the 65,536 units. A space run is two
    spaces after something else than the start of a line; a letter or mark run is longer than allowed.
    """
    found = 0
    previous = before = 10
    length = 0
    for place in range(len(units)):
        unit = units[place]
        kind = classes[unit]
        found |= kind
        if unit == previous:
            length += 1
            if unit == 32:
                if before != 10:
                    found |= SPACE_RUN
            elif unit == 10:
                if length > 2:
                    found |= BLANK_LINES
            elif kind & LETTER:
                if length > longest_letters:
                    found |= LETTER_RUN
            elif kind & MARK and length > longest_marks:
                found |= MARK_RUN
        else:
            if unit == 10 and previous == 32:
                found |= TRAILING
            before = previous
            previous = unit
            length = 1
    if previous == 32:
        found |= TRAILING
    return found


def code_units(text: str) -> np.ndarray:
    """The UTF-16 code units of a text, as uint16; lone surrogates are units like others."""
    return np.frombuffer(text.encode("utf-16-le", "surrogatepass"), dtype="<u2")
