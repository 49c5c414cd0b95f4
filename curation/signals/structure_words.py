"""What structure.py counts within a word: scripts, lone jamo, marks, addresses."""

from __future__ import annotations

import numpy as np

from hanji.curation.signals import structure_columns as c
from hanji.curation.signals.addresses import addresses
from hanji.curation.signals.characters import DIGIT, HAN, HANGUL, JAMO, KANA, LATIN, LETTER, OTHER
from hanji.curation.signals.compiled import pure_kernel
from hanji.curation.signals.korean_endings import is_emoji, is_terminal
from hanji.curation.signals.unicode import CLASS_MASK

LETTERS = 1 << LATIN | 1 << HANGUL | 1 << JAMO | 1 << HAN | 1 << KANA | 1 << LETTER
_MIXED = 1 << LATIN | 1 << HAN | 1 << DIGIT
# Bit n: the character 32 + n is counted by itself.
_COUNTED = sum(1 << (ord(mark) - 32) for mark in '!"#().:?[]')
_KIEUK, _HIEUT, _YU, _U, _FILLER = ord("ㅋ"), ord("ㅎ"), ord("ㅠ"), ord("ㅜ"), 0x3164


@pure_kernel
def count_word(
    points: np.ndarray,
    properties: np.ndarray,
    first: int,
    last: int,
    classes: int,
    spoken: bool,
    row: np.ndarray,
) -> int:
    """Count the scripts, jamo, marks and addresses of points[first..last]; returns its length, 0 with an address.

    Bit n of ``classes`` says that a character of class n is in it; ``spoken``, that it stands in no code or table.
    """
    found = 0
    if classes & (1 << OTHER):
        found = _marks(points, properties, first, last, spoken, row)
    if classes & (1 << JAMO):
        _jamo(points, first, last, row)
    if classes & (1 << HANGUL):
        row[c.HANGUL_WORDS] += 1
        if classes & _MIXED:
            row[c.MIXED_WORDS] += 1
            row[c.HANGUL_LATIN_WORDS] += (classes >> LATIN) & 1
            row[c.HANGUL_HAN_WORDS] += (classes >> HAN) & 1
            row[c.HANGUL_DIGIT_WORDS] += (classes >> DIGIT) & 1
        if found == 0 and classes & (LETTERS ^ (1 << HANGUL)):
            row[c.ALTERNATING_WORDS] += _script_changes(properties, first, last) >= 3
    elif classes & (1 << LATIN):
        row[c.LATIN_WORDS] += 1
    elif not classes & LETTERS:
        digits = (classes >> DIGIT) & 1
        row[c.NUMERIC_WORDS] += digits
        row[c.SYMBOL_WORDS] += 1 - digits
    return last - first + 1 if found == 0 else 0


@pure_kernel
def _script_changes(properties: np.ndarray, first: int, last: int) -> int:
    """How often one letter is of another script than the letter before it."""
    changes, before = 0, -1
    for j in range(first, last + 1):
        kind = int(properties[j] & CLASS_MASK)
        if kind >= LATIN:
            changes += before >= 0 and kind != before
            before = kind
    return changes


@pure_kernel
def _jamo(points: np.ndarray, first: int, last: int, row: np.ndarray) -> None:
    """Runs of lone jamo, and syllables into whose final consonant a laugh has slipped."""
    run, laughs, cries = 0, 0, 0
    for j in range(first, last + 2):
        point = points[j] if j <= last else 0
        if _is_lone_jamo(point):
            if run == 0 and j > first and 0xAC00 <= points[j - 1] <= 0xD7A3:
                coda = (points[j - 1] - 0xAC00) % 28
                row[c.CODA_LAUGHS] += (coda == 24 and point == _KIEUK) or (coda == 27 and point == _HIEUT)
            run += 1
            laughs += point in (_KIEUK, _HIEUT)
            cries += point in (_YU, _U)
            continue
        if run >= 2:
            row[c.JAMO_RUNS] += 1
            row[c.JAMO_RUN_CHARACTERS] += run
            row[c.LONGEST_JAMO_RUN] = max(row[c.LONGEST_JAMO_RUN], run)
            row[c.LAUGHING_CHARACTERS] += run if laughs == run else 0
            row[c.CRYING_CHARACTERS] += run if cries == run else 0
        run, laughs, cries = 0, 0, 0


@pure_kernel
def _is_lone_jamo(point: int) -> bool:
    """Compatibility and halfwidth jamo; conjoining ones spell old Hangul, and the filler is a space."""
    return (0x3131 <= point <= 0x318E and point != _FILLER) or 0xFFA1 <= point <= 0xFFDC


@pure_kernel
def _marks(
    points: np.ndarray, properties: np.ndarray, first: int, last: int, spoken: bool, row: np.ndarray
) -> int:
    """Count what is neither letter nor digit in a word; returns the number of addresses in it."""
    run, shouting, maybe_address = 0, 0, False
    before = -1
    for j in range(first, last + 1):
        if properties[j] & CLASS_MASK != OTHER:
            before, shouting = -1, 0
            continue
        point = points[j]
        run = run + 1 if point == before else 1
        before = point
        if run >= 3 and spoken:
            row[c.REPEATED_MARKS] += run == 3
            row[c.REPEATED_MARK_CHARACTERS] += 3 if run == 3 else 1
        if point >= 128:
            _wide_mark(point, row)
            shouting = 0
        elif 32 <= point < 96 and (_COUNTED >> (point - 32)) & 1:
            shouting = shouting + 1 if point == 33 or point == 63 else 0
            row[c.SHOUTS] += shouting == 2
            if point == 46 or point == 58:  # . :
                maybe_address = maybe_address or j < last
            elif point == 34:
                row[c.QUOTATION_MARKS] += 1
            elif point == 40 or point == 41:
                row[c.PARENTHESES] += 1
                row[c.GLOSSED_HANJA] += point == 40 and first < j < last and _glosses(properties, j)
            elif point == 91 or point == 93:
                row[c.BRACKETS] += 1
            elif point == 35 and j == first and j < last:
                row[c.HASHTAGS] += properties[j + 1] & CLASS_MASK >= LATIN
        else:
            shouting = 0
    if not maybe_address:
        return 0
    found, characters = addresses(points, first, last)
    row[c.URLS] += found
    row[c.URL_CHARACTERS] += characters
    return found


@pure_kernel
def _wide_mark(point: int, row: np.ndarray) -> None:
    """Count a mark beyond ASCII."""
    if point >= 0x2600:
        row[c.EMOJI] += is_emoji(point)
        row[c.QUOTATION_MARKS] += 0x300A <= point <= 0x300F or point == 0xFF02
        row[c.BRACKETS] += point in (0x3008, 0x3009, 0x3010, 0x3011, 0x3014, 0x3015, 0xFF3B, 0xFF3D)
        row[c.PARENTHESES] += point == 0xFF08 or point == 0xFF09
    else:
        row[c.QUOTATION_MARKS] += 0x201C <= point <= 0x201E or point in (0x2018, 0xAB, 0xBB)


@pure_kernel
def _glosses(properties: np.ndarray, opening: int) -> bool:
    """Whether a parenthesis stands between Hangul and a Chinese character, either way."""
    before, after = properties[opening - 1] & CLASS_MASK, properties[opening + 1] & CLASS_MASK
    return bool((before == HANGUL and after == HAN) or (before == HAN and after == HANGUL))


@pure_kernel
def sentences_within(points: np.ndarray, properties: np.ndarray, first: int, last: int) -> int:
    """Ends of Korean sentences inside a word, where the space after the mark is missing: 했다.그리고"""
    found = 0
    for j in range(first + 2, last):
        if is_terminal(points[j]) and properties[j + 1] & CLASS_MASK == HANGUL:
            k = j - 1
            while k > first and is_terminal(points[k]):
                k -= 1
            syllables = k > first and properties[k - 1] & CLASS_MASK == HANGUL
            found += syllables and points[k] in (0xB2E4, 0xC694, 0xC8E0, 0xAE4C)  # 다 요 죠 까
    return found
