"""Hints of an element's attributes: the words of its class and id, its role, whether it is shown."""

from __future__ import annotations

import numpy as np

from hanji.curation.signals.compiled import kernel
from hanji.curation.text.page import words
from hanji.curation.text.page.words import (
    ARIA,
    BAD,
    BODY,
    COMMENT,
    DISPLAY,
    HIDDEN,
    HINT_KEYS,
    HINT_VALUES,
    LINK,
    META,
    NEGATION,
    PART,
    PREFIX,
    PROPERTY_KEYS,
    PROPERTY_VALUES,
    ROLE_KEYS,
    ROLE_VALUES,
    SUBJECT,
    TEX,
)

_CLASS, _ID, _ROLE, _PROPERTY, _STYLE, _HIDDEN = (
    words.ATTRIBUTE[n] for n in ("class", "id", "role", "itemprop", "style", "hidden")
)
_ARIA, _TYPE, _ENCODING, _HREF, _DISPLAY, _REL = (
    words.ATTRIBUTE[n] for n in ("aria-hidden", "type", "encoding", "href", "display", "rel")
)
_SCRIPT, _A, _ANNOTATION = words.TAG["script"], words.TAG["a"], words.TAG["annotation"]

_BASIS = np.uint64(0xCBF29CE484222325)
_PRIME = np.uint64(0x100000001B3)
_SHIFT = np.uint64(29)
_SLUG = 5
"""A name of so many words is a sentence (the id of a heading) and says nothing of boilerplate."""


@kernel
def look_up(code: np.uint64, keys: np.ndarray, values: np.ndarray) -> int:
    """The value of a hash in a table of words.table, 0 if it has none."""
    mask = np.uint64(len(keys) - 1)
    place = (code ^ (code >> _SHIFT)) & mask
    while keys[place] != 0:
        if keys[place] == code:
            return int(values[place])
        place = (place + np.uint64(1)) & mask
    return 0


@kernel
def hash_letters(data: np.ndarray, start: int, stop: int) -> np.uint64:
    """FNV-1a of the bytes, ASCII letters in lower case."""
    code = _BASIS
    for i in range(start, stop):
        c = data[i]
        if 65 <= c <= 90:
            c += 32
        code = (code ^ np.uint64(c)) * _PRIME
    return code


@kernel
def _name_hints(data: np.ndarray, start: int, stop: int) -> int:
    """Hints of the words in a class or id: each word, the start of a word, and the name without separators."""
    hints = 0
    i = start
    while i < stop:
        while i < stop and data[i] <= 32:
            i += 1
        token, word = _BASIS, _BASIS
        length, number = 0, 0
        found, negated = 0, False
        upper = False
        while True:
            c = data[i] if i < stop else np.uint8(32)
            capital = bool(65 <= c <= 90)
            if capital:
                c += 32
            letter = 97 <= c <= 122 or c >= 128
            if length > 0 and (not letter or (capital and not upper)):
                value = look_up(word, HINT_KEYS, HINT_VALUES)
                if value & NEGATION:
                    negated = True
                found |= value & ~(BAD | COMMENT | META) if negated else value
                word, length = _BASIS, 0
                number += 1
            if letter:
                upper = capital
                word = (word ^ np.uint64(c)) * _PRIME
                token = (token ^ np.uint64(c)) * _PRIME
                length += 1
                if length >= 5 and not negated:
                    value = look_up(word, HINT_KEYS, HINT_VALUES)
                    if value & PREFIX:
                        found |= value
            elif c <= 32:
                break
            i += 1
        if not negated:
            found |= look_up(token, HINT_KEYS, HINT_VALUES)
        if found & SUBJECT and found & PART:
            found |= BODY
        if number >= _SLUG:
            found &= ~(BAD | COMMENT | META)
        hints |= found & ~(SUBJECT | PART | PREFIX | NEGATION)
    return hints


@kernel
def _contains(data: np.ndarray, start: int, stop: int, first: int, word: np.ndarray) -> bool:
    """Whether the bytes hold ``word``, spaces aside (``first`` is its first byte)."""
    for i in range(start, stop):
        if data[i] == first:
            j, k = i, 0
            while j < stop and k < len(word):
                if data[j] == word[k]:
                    k += 1
                elif data[j] != 32:
                    break
                j += 1
            if k == len(word):
                return True
    return False


_NONE = np.frombuffer(b"display:none", np.uint8)
_INVISIBLE = np.frombuffer(b"visibility:hidden", np.uint8)
_TEX = np.frombuffer(b"tex", np.uint8)
_BLOCK_WORD = np.frombuffer(b"block", np.uint8)
_UNTIL = np.frombuffer(b"until-found", np.uint8)
_MODE = np.frombuffer(b"mode=display", np.uint8)


@kernel
def attribute_hints(data: np.ndarray, which: int, start: int, stop: int, tag: int) -> int:
    """Hints of one attribute's value."""
    if which in (_CLASS, _ID):
        return _name_hints(data, start, stop)
    if which == _ROLE:
        return look_up(hash_letters(data, start, stop), ROLE_KEYS, ROLE_VALUES)
    if which == _PROPERTY:
        return look_up(hash_letters(data, start, stop), PROPERTY_KEYS, PROPERTY_VALUES)
    if which == _STYLE:
        if _contains(data, start, stop, 100, _NONE) or _contains(data, start, stop, 118, _INVISIBLE):
            return HIDDEN
    elif which == _HIDDEN:
        return HIDDEN
    elif which == _ARIA:
        if stop - start == 4:
            return ARIA
    elif which == _TYPE and tag == _SCRIPT:
        # math/tex, math/tex; mode=display
        if stop - start >= 8 and data[start] == 109 and data[start + 4] == 47 and data[start + 5] == 116:
            return TEX | (DISPLAY if _contains(data, start, stop, 109, _MODE) else 0)
    elif which == _ENCODING and tag == _ANNOTATION:
        if _contains(data, start, stop, 116, _TEX):
            return TEX
    elif which == _HREF and tag == _A:
        return LINK
    elif which == _DISPLAY and _contains(data, start, stop, 98, _BLOCK_WORD):
        return DISPLAY
    elif which == _REL and tag == _A and stop - start == 3 and data[start] == 116:
        return META
    return 0
