"""What a text is written in, by character: counts of scripts, and of the segments that a text falls into.

One look-up in a table by code point and a few numpy reductions, so that a whole document of ordinary length
is counted for what a short excerpt costs a model. The tables follow the Unicode blocks and `str.isalpha`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

NONE, LATIN, ACCENTED, HANGUL, JAMO, KANA, HAN, OTHER = range(8)
CLASSES = 8
# Letters that one character of a script stands for: the same text has about 2.3 times as many letters in
# English as syllables in Korean (the Declaration of Human Rights: 8,600 letters to 3,700 syllables).
SYLLABLE = 2.3
MASS = np.array([0.0, 1.0, 1.0, SYLLABLE, 1.0, SYLLABLE, SYLLABLE, 1.0])
# Longer texts are counted on stretches of this many characters, evenly spread.
WHOLE = 24_000
STRETCHES, STRETCH = 6, 4_000

_ASTRAL_HAN = 0x20000
_BREAKS = (0x0A, 0x0D, 0x2E, 0x21, 0x3F, 0x3002, 0x2028, 0x2029)


@dataclass(frozen=True)
class Survey:
    """Script counts of a text.

    ``text`` is what was counted; ``places`` uint32[characters], its code points up to U+20000; ``classes``
    uint8[characters]; ``counts`` int64[CLASSES].
    """

    text: str
    places: np.ndarray
    classes: np.ndarray
    counts: np.ndarray

    @property
    def letters(self) -> int:
        return int(self.counts[1:].sum())

    @property
    def mass(self) -> np.ndarray:
        """float64[CLASSES]: counts weighed by what a character of the script holds."""
        return np.asarray(self.counts * MASS)


def survey(text: str) -> Survey:
    """Count the scripts of a text, or of evenly spread stretches of a long one."""
    if len(text) > WHOLE:
        step = (len(text) - STRETCH) // (STRETCHES - 1)
        text = "\n".join(text[at : at + STRETCH] for at in range(0, step * STRETCHES, step))
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    places = np.minimum(points, _ASTRAL_HAN)
    classes = _tables()[0].take(places)
    return Survey(text, places, classes, np.bincount(classes, minlength=CLASSES))


def segments(found: Survey) -> tuple[np.ndarray, np.ndarray]:
    """Bounds int64[n + 1] of the lines and sentences of a text, and float64[n, CLASSES] masses of each."""
    bounds = np.concatenate(([0], np.flatnonzero(_tables()[1].take(found.places)) + 1, [len(found.text)]))
    bounds = bounds[np.concatenate(([True], np.diff(bounds) > 0))]
    number = len(bounds) - 1
    if number <= 0:
        return np.zeros(1, np.int64), np.zeros((0, CLASSES))
    owner = np.repeat(np.arange(number), np.diff(bounds))
    counts = np.bincount(owner * CLASSES + found.classes, minlength=number * CLASSES)
    return bounds, counts.reshape(number, CLASSES) * MASS


@lru_cache(maxsize=1)
def _tables() -> tuple[np.ndarray, np.ndarray]:
    """Class of each code point below U+20000 (and of all Han beyond), and whether it ends a segment."""
    table = np.fromiter((OTHER * chr(point).isalpha() for point in range(_ASTRAL_HAN + 1)), np.uint8)
    for first, last, kind in (
        (0x41, 0x5A, LATIN),
        (0x61, 0x7A, LATIN),
        (0xC0, 0x24F, ACCENTED),
        (0x250, 0x2AF, ACCENTED),
        (0x1E00, 0x1EFF, ACCENTED),
        (0x1100, 0x11FF, JAMO),
        (0x3041, 0x30FF, KANA),
        (0x3131, 0x318E, JAMO),
        (0x3400, 0x4DBF, HAN),
        (0x4E00, 0x9FFF, HAN),
        (0xA960, 0xA97C, JAMO),
        (0xAC00, 0xD7A3, HANGUL),
        (0xD7B0, 0xD7FB, JAMO),
        (0xF900, 0xFAFF, HAN),
        (0xFF21, 0xFF3A, LATIN),
        (0xFF41, 0xFF5A, LATIN),
        (0xFF66, 0xFF9F, KANA),
        (0xFFA1, 0xFFDC, JAMO),
    ):
        block = table[first : last + 1]
        block[block != NONE] = kind
    table[_ASTRAL_HAN] = HAN
    ends = np.zeros(_ASTRAL_HAN + 1, np.bool_)
    ends[list(_BREAKS)] = True
    return table, ends
