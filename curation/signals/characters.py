"""Classes of characters for the kernels: what is a letter, a digit, a space; which script it is."""

from __future__ import annotations

import numpy as np

from hanji.curation.signals.compiled import pure_kernel

OTHER, SPACE, DIGIT, LATIN, HANGUL, JAMO, HAN, KANA, LETTER = range(9)


@pure_kernel
def character_class(point: int) -> int:
    """Class of a code point. OTHER is punctuation, symbols, controls; LETTER any other script's letters."""
    if point < 128:
        if 97 <= point <= 122 or 65 <= point <= 90:
            return LATIN
        if 48 <= point <= 57:
            return DIGIT
        return SPACE if point == 32 or 9 <= point <= 13 else OTHER
    if 0xAC00 <= point <= 0xD7A3:
        return HANGUL
    if point < 0x250:
        if point == 0xA0 or point == 0x85:
            return SPACE
        letter = point >= 0xC0 and point != 0xD7 and point != 0xF7
        return LATIN if letter or point == 0xAA or point == 0xB5 or point == 0xBA else OTHER
    if 0x1100 <= point <= 0x11FF or 0x3131 <= point <= 0x318E or 0xA960 <= point <= 0xA97C:
        return JAMO
    if 0xD7B0 <= point <= 0xD7FB or 0xFFA0 <= point <= 0xFFDC:
        return JAMO
    if 0x3040 <= point <= 0x30FF or 0x31F0 <= point <= 0x31FF or 0xFF66 <= point <= 0xFF9F:
        return KANA
    if 0x4E00 <= point <= 0x9FFF or 0x3400 <= point <= 0x4DBF or 0xF900 <= point <= 0xFAFF:
        return HAN
    if 0x20000 <= point <= 0x323AF or point == 0x3005:
        return HAN
    if 0x2000 <= point <= 0x200A or point == 0x2028 or point == 0x2029 or point == 0x202F:
        return SPACE
    if point == 0x205F or point == 0x3000 or point == 0x1680:
        return SPACE
    if 0x2000 <= point <= 0x2BFF:  # general punctuation, arrows, mathematical and other symbols
        return OTHER
    if 0x3000 <= point <= 0x303F or 0x3200 <= point <= 0x33FF:  # CJK punctuation and symbols
        return OTHER
    if 0xFE10 <= point <= 0xFE6F or 0xE000 <= point <= 0xF8FF or 0xFFE0 <= point <= 0xFFFF:
        return OTHER
    if 0xFF00 <= point <= 0xFF65:  # fullwidth forms
        if 0xFF10 <= point <= 0xFF19:
            return DIGIT
        return LATIN if 0xFF21 <= point <= 0xFF3A or 0xFF41 <= point <= 0xFF5A else OTHER
    if 0x1F000 <= point <= 0x1FAFF or point >= 0xE0000:
        return OTHER
    return LETTER


@pure_kernel
def is_word_character(kind: int) -> bool:
    """Whether a class makes words: letters and digits of any script."""
    return kind >= DIGIT


@pure_kernel
def decode_utf8(data: np.ndarray, start: int, end: int, points: np.ndarray) -> int:
    """Write the code points of valid UTF-8 in data[start:end) to ``points`` (int32); returns how many."""
    count = 0
    position = start
    while position < end:
        byte = np.int32(data[position])
        if byte < 0x80:
            points[count] = byte
            position += 1
        elif byte < 0xE0:
            points[count] = ((byte & 0x1F) << 6) | (np.int32(data[position + 1]) & 0x3F)
            position += 2
        elif byte < 0xF0:
            points[count] = (
                ((byte & 0x0F) << 12)
                | ((np.int32(data[position + 1]) & 0x3F) << 6)
                | (np.int32(data[position + 2]) & 0x3F)
            )
            position += 3
        else:
            points[count] = (
                ((byte & 0x07) << 18)
                | ((np.int32(data[position + 1]) & 0x3F) << 12)
                | ((np.int32(data[position + 2]) & 0x3F) << 6)
                | (np.int32(data[position + 3]) & 0x3F)
            )
            position += 4
        count += 1
    return count


@pure_kernel
def mix(value: np.uint64) -> np.uint64:
    """The splitmix64 finaliser: a bijection in which every input bit moves every output bit."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@pure_kernel
def chain(value: np.uint64, next_value: np.uint64) -> np.uint64:
    """Hash of a sequence, one element at a time."""
    return mix(value ^ next_value) + np.uint64(0x9E3779B97F4A7C15)
