"""Which characters make shingles, what each is folded to, and where a text may not be in NFC.

The table is data (``letters.tsv``: one range a line), made once from Unicode 14.0 over the classes of
signals/unicode.tsv, so that a text has the same shingles under every version of Python.
``python -m hanji.curation.dedup.letters`` writes the file again (under Python 3.11).

Letters and digits of any script count; marks that only choose how the character before them is drawn do not. Case
is folded one character to one (Unicode's simple folding, the status C and S of CaseFolding.txt).
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterator
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np

from hanji.curation.signals import unicode
from hanji.curation.signals.characters import DIGIT

FOLD = 0x1FFFFF
LETTER = 1 << 30
UNCOMPOSED = 1 << 31
# Variation selectors and their like, which unicode.tsv counts as letters.
_NOT_LETTERS = ((0xFE00, 0xFE0F), (0x180B, 0x180F), (0x34F, 0x34F))
_FILE = "letters.tsv"


@cache
def table() -> tuple[np.ndarray, np.ndarray]:
    """Of code points, in pages of 256: cells[pages[point >> 8] * 256 + (point & 255)].

    Returns (pages: uint16[4352], cells: uint32[rows * 256]). A cell has LETTER if the character makes shingles,
    UNCOMPOSED if a text with it may not be in NFC, and under FOLD the exclusive or of its code point and of that
    which it is folded to. Row 0 is that of the first 256 code points.
    """
    properties = unicode.table()
    classes = (properties.rows & unicode.CLASS_MASK)[properties.pages].reshape(-1)
    full = np.where(classes >= DIGIT, LETTER, 0).astype(np.uint32)
    for first, last in _NOT_LETTERS:
        full[first : last + 1] = 0
    text = resources.files("hanji.curation.dedup").joinpath(_FILE).read_text("ascii")
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        kind, *numbers = line.split("\t")
        if kind == "fold":
            start, end, step, distance = (int(number, 16) for number in numbers)
            points = np.arange(start, end + 1, step)
            full[points] |= (points ^ (points + distance)).astype(np.uint32)
        else:
            start, end = (int(number, 16) for number in numbers)
            full[start : end + 1] |= np.uint32(UNCOMPOSED)
    rows: dict[bytes, int] = {}
    pages = np.empty(unicode.POINTS // 256, np.uint16)
    for page, block in enumerate(full.reshape(-1, 256)):
        pages[page] = rows.setdefault(block.tobytes(), len(rows))
    return pages, np.frombuffer(b"".join(rows), np.uint32).copy()


def _folded(point: int) -> int:
    """Simple case folding: str.casefold where it gives one character, else the lower-case letter."""
    character = chr(point)
    for form in (character.casefold(), character.lower()):
        if len(form) == 1:
            return ord(form)
    return point


def _folds() -> Iterator[str]:
    """Lines of the characters that folding changes: first, last, step, distance."""
    changed = [(point, _folded(point) - point) for point in range(unicode.POINTS) if _folded(point) != point]
    place = 0
    while place < len(changed):
        first, distance = changed[place]
        end, step = place + 1, 1
        if end < len(changed) and changed[end][1] == distance and changed[end][0] - first in (1, 2):
            step = changed[end][0] - first
            while end < len(changed) and changed[end] == (first + step * (end - place), distance):
                end += 1
        yield f"fold\t{first:X}\t{changed[end - 1][0]:X}\t{step:X}\t{distance:X}"
        place = end


def _uncomposed() -> Iterator[str]:
    """Lines of the characters with NFC_Quick_Check No or Maybe, or that have an order among marks."""
    seconds = set(range(0x1161, 0x1176)) | set(range(0x11A8, 0x11C3))
    for point in range(unicode.POINTS):
        parts = unicodedata.decomposition(chr(point)).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            seconds.add(int(parts[1], 16))
    first = -1
    for point in range(unicode.POINTS + 1):
        inside = point < unicode.POINTS and (
            point in seconds
            or unicodedata.combining(chr(point)) > 0
            or unicodedata.normalize("NFC", chr(point)) != chr(point)
        )
        if inside and first < 0:
            first = point
        elif not inside and first >= 0:
            yield f"uncomposed\t{first:X}\t{point - 1:X}"
            first = -1


def _write(path: Path) -> None:
    head = (
        f"# Unicode {unicodedata.unidata_version}; fold: first, last, step, distance; uncomposed: first, last"
    )
    path.write_text("\n".join([head, *_folds(), *_uncomposed()]) + "\n", "ascii")


if __name__ == "__main__":
    _write(Path(__file__).with_name(_FILE))
    sys.stdout.write(f"{len(table()[1]) // 256} rows\n")
