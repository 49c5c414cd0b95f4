"""The page as flat arrays: one pass over the serialised DOM, well-formed by then, one row a node.

Rows are in document order, so a subtree is a stretch of rows and every sum over subtrees is one loop. It relies
on what serialisation guarantees (HTML Standard, 13.3): elements nest, attribute values are in double quotes,
``<`` and ``&`` in text are escaped except in raw-text elements.
"""

from __future__ import annotations

import numpy as np

from hanji.curation.signals.compiled import kernel
from hanji.curation.text.page import words
from hanji.curation.text.page.names import attribute_hints, hash_letters, look_up
from hanji.curation.text.page.words import (
    ATTRIBUTE_KEYS,
    ATTRIBUTE_VALUES,
    KIND,
    LINK,
    RAW,
    RAWTEXT,
    TAG_KEYS,
    TAG_VALUES,
    TEX,
    VOID,
)

# Columns of a node.
TAG, PARENT, END, START, STOP, HINTS, NAME, WIDTH, LINKED, MARKS, DIGITS = range(11)
COLUMNS = 11
"""TAG: element id of words.TAG, 0 for text. PARENT: row. END: row behind its subtree. START, STOP: bytes of the
text, or of the attributes. HINTS: bits of words. NAME: 31 bits of the name's hash. Of the subtree's text: WIDTH,
its display width without spaces (Hangul and Han count 2: so much text in any script), LINKED, the part within
links, MARKS, punctuation that ends or parts sentences, DIGITS."""

# Bytes of text: 0 counts one, 1 white space, 2 begins a wide character, 3 goes on, 4 mark, 5 digit.
_BYTES = np.zeros(256, np.uint8)
_BYTES[[9, 10, 11, 12, 13, 32]] = 1
_BYTES[0xE1:0xF8] = 2
_BYTES[0x80:0xC0] = 3
_BYTES[[33, 44, 46, 58, 59, 63]] = 4
_BYTES[48:58] = 5
_MAX_CLIMB = 64
_XMP, _PLAINTEXT = words.TAG["xmp"], words.TAG["plaintext"]


@kernel
def scan(data: np.ndarray) -> tuple[np.ndarray, int]:
    """Nodes int32[nodes, COLUMNS] of a serialised page (uint8[bytes], UTF-8), and the greatest depth."""
    size = len(data)
    angles = 0
    for i in range(size):
        angles += data[i] == 60
    nodes = np.empty((2 * angles + 2, COLUMNS), np.int32)
    count = 1
    nodes[0, :] = 0
    nodes[0, TAG] = words.OTHER
    nodes[0, PARENT] = -1
    current, links, depth, deepest = 0, 0, 0, 0
    i = 0
    while i < size:
        if data[i] != 60 or i + 1 >= size:
            # Text until the next tag.
            start = i
            width, marks, digits = 0, 0, 0
            while i < size and (data[i] != 60 or i == start):
                c = data[i]
                kind = _BYTES[c]
                if kind == 0:
                    if c == 38 and i + 4 < size:
                        if data[i + 1] == 110 and data[i + 2] == 98:  # &nbsp;
                            i += 6
                            continue
                        while i + 1 < size and data[i] != 59:
                            i += 1
                    width += 1
                elif kind == 2:
                    width += 2
                    if c == 0xE3 and i + 2 < size and data[i + 1] == 0x80 and data[i + 2] <= 0x82:
                        marks += 1
                elif kind == 4:
                    width += 1
                    marks += c == 44 or i + 1 >= size or data[i + 1] <= 34 or data[i + 1] == 60
                elif kind == 5:
                    width += 1
                    digits += 1
                i += 1
            i = min(i, size)
            row = nodes[count]
            row[:] = 0
            row[PARENT], row[END], row[START], row[STOP] = current, count + 1, start, i
            row[WIDTH], row[LINKED], row[MARKS], row[DIGITS] = width, width if links > 0 else 0, marks, digits
            count += 1
            continue
        c = data[i + 1]
        if c == 33:  # comment or doctype
            if i + 3 < size and data[i + 2] == 45 and data[i + 3] == 45:
                i += 4
                while i + 2 < size and not (data[i] == 45 and data[i + 1] == 45 and data[i + 2] == 62):
                    i += 1
                i += 3
            else:
                while i < size and data[i] != 62:
                    i += 1
                i += 1
            continue
        if c == 47:  # end tag
            start = i + 2
            i = start
            while i < size and data[i] != 62:
                i += 1
            name = np.int32(hash_letters(data, start, i) & np.uint64(0x7FFFFFFF))
            i += 1
            node, climbed = current, 0
            while node > 0 and nodes[node, NAME] != name and climbed < _MAX_CLIMB:
                node = nodes[node, PARENT]
                climbed += 1
            if node > 0 and nodes[node, NAME] == name:
                while True:
                    closed = current
                    nodes[closed, END] = count
                    if nodes[closed, HINTS] & LINK:
                        links -= 1
                    current = nodes[closed, PARENT]
                    depth -= 1
                    if closed == node:
                        break
            continue
        # Start tag.
        start = i + 1
        i = start
        while i < size and data[i] != 62 and data[i] != 32 and data[i] != 47:
            i += 1
        code = hash_letters(data, start, i)
        tag = look_up(code, TAG_KEYS, TAG_VALUES)
        if tag == 0:
            tag = words.OTHER
        attributes = i
        hints = 0
        while i < size and data[i] != 62:
            if data[i] <= 32:
                i += 1
                continue
            start = i
            i += 1
            while i < size and data[i] > 32 and data[i] != 61 and data[i] != 62:
                i += 1
            name_stop = i
            if i + 1 < size and data[i] == 61 and data[i + 1] == 34:
                i += 2
                value = i
                while i < size and data[i] != 34:
                    i += 1
                which = look_up(hash_letters(data, start, name_stop), ATTRIBUTE_KEYS, ATTRIBUTE_VALUES)
                if which:
                    hints |= attribute_hints(data, which, value, i, tag)
                i += 1
        i += 1
        row = nodes[count]
        row[:] = 0
        row[TAG], row[PARENT], row[END] = tag, current, count + 1
        row[START], row[STOP], row[HINTS] = attributes, min(i - 1, size), hints
        row[NAME] = np.int32(code & np.uint64(0x7FFFFFFF))
        kind = KIND[tag]
        node = count
        count += 1
        if kind & VOID:
            continue
        current = node
        depth += 1
        deepest = max(deepest, depth)
        if hints & LINK:
            links += 1
        if kind & RAW:
            # Raw text ends at its own end tag; only formulas and old preformatted text are kept.
            start = i
            length = name_length(data, attributes)
            while i < size:
                if (
                    data[i] == 60
                    and i + 1 < size
                    and data[i + 1] == 47
                    and same_name(data, attributes, i + 2, length)
                ):
                    break
                i += 1
            if i > start and (hints & TEX or tag in (_XMP, _PLAINTEXT)):
                row = nodes[count]
                row[:] = 0
                row[PARENT], row[END], row[START], row[STOP] = node, count + 1, start, i
                row[HINTS], row[WIDTH] = RAWTEXT, i - start
                count += 1
    while current > 0:
        nodes[current, END] = count
        current = nodes[current, PARENT]
    nodes[0, END] = count
    for node in range(count - 1, 0, -1):
        parent = nodes[node, PARENT]
        for column in range(WIDTH, DIGITS + 1):
            nodes[parent, column] += nodes[node, column]
    return nodes[:count], deepest


@kernel
def name_length(data: np.ndarray, stop: int) -> int:
    """Length of the element's name that ends at ``stop``."""
    start = stop
    while start > 0 and data[start - 1] != 60:
        start -= 1
    return stop - start


@kernel
def same_name(data: np.ndarray, stop: int, at: int, length: int) -> bool:
    """Whether the name that ends at ``stop`` stands at ``at`` too, and ends there."""
    if at + length >= len(data) or data[at + length] != 62:
        return False
    k = 0
    while k < length and data[stop - length + k] == data[at + k]:
        k += 1
    return k == length
