"""A place in a text that holds personal data, before it is decided what happens to it."""

from __future__ import annotations

import re
from typing import NamedTuple

from hanji.curation.recipe import PiiKind

# Stands for each character of what was found already: no digit, no letter, no context word.
BLANK = "\x00"


class Hit(NamedTuple):
    """Characters ``[start, end)`` are of a kind; ``form`` names the mask that has the same form."""

    start: int
    end: int
    kind: PiiKind
    form: str


def near(text: str, start: int, end: int, words: re.Pattern[str], before: int = 30, after: int = 0) -> bool:
    """Whether one of the words stands within so many characters before or after ``[start, end)``."""
    if words.search(text, max(0, start - before), start):
        return True
    return after > 0 and words.search(text, end, end + after) is not None
