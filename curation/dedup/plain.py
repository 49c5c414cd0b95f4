"""The bytes that two texts have in common when they are equal but for layout: NFKC, case-folded, no white space.

Normalising a text in Python takes longer than signing it. Nearly all characters can be taken one by one: what
normalising and folding make of each stands in a table, and a kernel copies it. A text with any other character (a
mark, a letter that may be composed with the one before it, a rare script) is left to Python.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

from hanji.curation.columns import text_buffers
from hanji.curation.signals.compiled import pure_kernel

SAME, OTHER, FORM = 0, 1, 2
"""What becomes of a character: itself; only Python can tell; from FORM on, its form, by the row in a table."""
POINTS = 0x20000
"""Code points that the table knows; a text with a higher one is left to Python."""
WIDTH = 20
"""Bytes of a row of forms: the length and the form. Characters of longer forms are left to Python."""
DROPPED = 0x80
_UNCHANGED = ((0x3400, 0x4DBF), (0x4E00, 0x9FFC), (0xAC00, 0xD7A3), (0xE000, 0xF8FF))
_LOOKED_UP = (
    (0x0, 0x33FF), (0x4DC0, 0x4DFF), (0x9FFD, 0xABFF), (0xD7A4, 0xD7FF), (0xF900, 0xFFFF), (0x1F000, 0x1FAFF)
)  # fmt: skip
_LAST_COMPOSED = 0x33FF  # of the characters that are looked up


def plain(text: str) -> bytes:
    """The text in NFKC, case-folded, without white space, as UTF-8."""
    # What str.split takes for white space is what \s matches, and it takes a fifth of the time.
    spaced = unicodedata.normalize("NFKC", text).casefold().split()
    return "".join(spaced).encode("utf-8", "surrogatepass")


def plain_texts(texts: pa.Array) -> list[Any]:
    """``plain`` of each text, as bytes or a view of some. ``texts`` is large_string without nulls."""
    data, offsets = text_buffers(texts)
    size = int(offsets[-1] - offsets[0])
    room = np.empty(size + size // 8 + 1024, np.uint8)  # few forms are longer than their characters
    ends = np.empty(len(texts), np.int64)
    write_plain(data, offsets, *table(), room, ends)
    view = room.data
    found: list[Any] = []
    start = 0
    for number, end in enumerate(ends.tolist()):
        if end < 0:
            found.append(plain(texts[number].as_py()))
        else:
            found.append(view[start:end])
            start = end
    return found


@cache
def table() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What becomes of characters, in the version of Unicode that this Python has.

    Returns (ascii: uint8[128], the byte to write, with DROPPED where there is none; kinds: uint16[POINTS]; forms:
    uint8[rows, WIDTH], each with its length first).
    """
    composing = {
        chr(int(parts[1], 16))
        for point in range(0x80, _LAST_COMPOSED + 1)
        if len(parts := unicodedata.decomposition(chr(point)).split()) == 2 and not parts[0].startswith("<")
    }
    kinds = np.full(POINTS, OTHER, np.uint16)
    for first, last in _UNCHANGED:
        kinds[first : last + 1] = SAME
    rows: dict[bytes, int] = {}
    for first, last in _LOOKED_UP:
        for point in range(first, last + 1):
            character = chr(point)
            normal = unicodedata.normalize("NFKC", character)
            if normal[0] in composing or any(map(unicodedata.combining, normal)):
                continue
            form = "".join(normal.casefold().split())
            if form == character:
                kinds[point] = SAME
            elif len(encoded := form.encode()) < WIDTH:
                kinds[point] = FORM + rows.setdefault(encoded, len(rows))
    forms = np.zeros((len(rows), WIDTH), np.uint8)
    for encoded, row in rows.items():
        forms[row, 0] = len(encoded)
        forms[row, 1 : 1 + len(encoded)] = np.frombuffer(encoded, np.uint8)
    ascii_bytes = [DROPPED if chr(byte).isspace() else ord(chr(byte).lower()) for byte in range(128)]
    return np.array(ascii_bytes, np.uint8), kinds, forms


@pure_kernel
def write_plain(
    data: np.ndarray,
    offsets: np.ndarray,
    ascii_bytes: np.ndarray,
    kinds: np.ndarray,
    forms: np.ndarray,
    room: np.ndarray,
    ends: np.ndarray,
) -> None:
    """Write ``plain`` of texts one after another to ``room``; ends[i] is where that of text i ends, or −1.

    data: uint8[bytes], UTF-8; offsets: int64[texts + 1]; the next three: ``table()``; room: uint8; ends:
    int64[texts]. A text with −1 has a character that the table leaves to Python, or a form that found no room.
    """
    written = 0
    for text in range(len(ends)):
        out = written
        position = offsets[text]
        end = offsets[text + 1]
        known = True
        while position < end:
            if out + WIDTH > len(room):
                known = False
                break
            byte = data[position]
            if byte < 0x80:
                cell = ascii_bytes[byte]
                room[out] = cell & 0x7F
                out += 1 - (cell >> 7)
                position += 1
                continue
            if byte < 0xE0:
                length = 2
                point = ((np.uint32(byte) & 0x1F) << 6) | (np.uint32(data[position + 1]) & 0x3F)
            elif byte < 0xF0:
                length = 3
                point = (
                    ((np.uint32(byte) & 0x0F) << 12)
                    | ((np.uint32(data[position + 1]) & 0x3F) << 6)
                    | (np.uint32(data[position + 2]) & 0x3F)
                )
            else:
                length = 4
                point = (
                    ((np.uint32(byte) & 0x07) << 18)
                    | ((np.uint32(data[position + 1]) & 0x3F) << 12)
                    | ((np.uint32(data[position + 2]) & 0x3F) << 6)
                    | (np.uint32(data[position + 3]) & 0x3F)
                )
            kind = kinds[point] if point < POINTS else np.uint16(OTHER)
            if kind == OTHER:
                known = False
                break
            first = out
            if kind == SAME:
                for place in range(length):
                    room[out + place] = data[position + place]
                out += length
            else:
                row = kind - FORM
                for place in range(forms[row, 0]):
                    room[out + place] = forms[row, 1 + place]
                out += forms[row, 0]
            position += length
            # Jamo, and compatibility jamo that became some, may be a syllable together with what is before them.
            if room[first] == 0xE1 and out > first and _may_compose(room, written, first):
                known = False
                break
        ends[text] = out if known else -1
        if known:
            written = out


@pure_kernel
def _may_compose(room: np.ndarray, start: int, first: int) -> bool:
    """Whether the character at ``first``, of three bytes, is jamo that goes on with the syllable before it."""
    if first - start < 3:
        return False
    here = _three(room, first)
    before = _three(room, first - 3)
    vowel = 0x1161 <= here <= 0x1175
    trailing = 0x11A8 <= here <= 0x11C2
    return (vowel and 0x1100 <= before <= 0x1112) or (
        trailing and 0xAC00 <= before <= 0xD7A3 and (before - 0xAC00) % 28 == 0
    )


@pure_kernel
def _three(room: np.ndarray, place: int) -> int:
    """The code point of three bytes of UTF-8; no sensible one where they are something else."""
    high, middle, low = np.int64(room[place]), np.int64(room[place + 1]), np.int64(room[place + 2])
    return int((high ^ 0xE0) << 12 | (middle & 0x3F) << 6 | (low & 0x3F))
