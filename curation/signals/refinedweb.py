"""Counts for the rules of RefinedWeb (Penedo et al. 2023) as DCLM wrote them out (MIT licence).

DCLM, ``baselines/baselines_configs/dclm_baseline_refinedweb.yaml`` and ``baselines/mappers``: first rules on the
document, then lines are removed one rule after another, and the document falls if more than 5 % of its words went
with them. Lines are split at newlines and taken without the white space around them, as this project's texts
have them. DCLM counts words in three ways: as fastText cuts them (at ASCII white space and NUL) where they begin
with a letter or digit, for a page's length and for what the line rules remove; at white space for the other
rules; by UAX #29 for n-grams, which are not counted here.
"""

from __future__ import annotations

import numpy as np

from hanji.curation.signals.compiled import pure_kernel
from hanji.curation.signals.refinedweb_lines import is_counter, is_space, packed, words_after_phrases
from hanji.curation.signals.spaced import FIRST_IN_LINE, zero
from hanji.curation.signals.unicode import ALNUM, ALPHA, NUMERIC, UPPER

COLUMNS: dict[str, str] = {
    "refinedweb_words": "words between ASCII white space that begin with a letter or digit (DCLM's page length)",
    "refinedweb_removed_words": "of these, words that go with the lines and phrases that DCLM removes",
    "refinedweb_uppercase_lines": "lines removed because more than half of their characters are capitals",
    "refinedweb_numeric_lines": "of the other lines, those removed because they are one number",
    "refinedweb_counter_lines": "of the other lines, those removed because they are a counter (3 likes)",
    "refinedweb_short_lines": "of the other lines, those removed because they have fewer than two words",
    "refinedweb_phrase_lines": "lines that lose “items in cart”, “read more...” or “sign-in”",
    "refinedweb_spaced_words": "words between white space",
    "refinedweb_spaced_word_characters": "characters in those",
    "refinedweb_letterless_words": "of these, words without a letter",
    "refinedweb_stop_words": "of these, the, be, to, of, and, that, have, with: every occurrence",
    "refinedweb_symbols": "#, …, ... and . . .",
    "refinedweb_lines": "lines with something in them",
    "refinedweb_bullet_lines": "lines that begin with ● • * or -",
    "refinedweb_ellipsis_lines": "lines that end in …, ... or . . .",
}
"""What :func:`refinedweb_counts` fills, in this order."""
_INDEX = {name.removeprefix("refinedweb_"): place for place, name in enumerate(COLUMNS)}
_WIDTH = len(COLUMNS)
_WORDS, _REMOVED_WORDS = _INDEX["words"], _INDEX["removed_words"]
_UPPERCASE_LINES, _NUMERIC_LINES = _INDEX["uppercase_lines"], _INDEX["numeric_lines"]
_COUNTER_LINES, _SHORT_LINES = _INDEX["counter_lines"], _INDEX["short_lines"]
_PHRASE_LINES = _INDEX["phrase_lines"]
_SPACED_WORDS, _SPACED_WORD_CHARACTERS = _INDEX["spaced_words"], _INDEX["spaced_word_characters"]
_LETTERLESS_WORDS, _STOP_WORDS, _SYMBOLS = (
    _INDEX["letterless_words"],
    _INDEX["stop_words"],
    _INDEX["symbols"],
)
_LINES, _BULLET_LINES, _ELLIPSIS_LINES = _INDEX["lines"], _INDEX["bullet_lines"], _INDEX["ellipsis_lines"]
_THE, _BE, _TO, _OF, _AND = packed("the"), packed("be"), packed("to"), packed("of"), packed("and")
_THAT, _HAVE, _WITH = packed("that"), packed("have"), packed("with")
_IN = packed("in")
_DOT, _HASH, _ELLIPSIS, _SPACE = ord("."), ord("#"), 0x2026, ord(" ")
_BULLETS = tuple(map(ord, "●•*-"))
_MOST_NUMERIC = 0.999999
_PHRASE_LINE_WORDS = 10


@pure_kernel
def refinedweb_counts(
    points: np.ndarray, properties: np.ndarray, words: np.ndarray, number: int, count: int, row: np.ndarray
) -> None:
    """Fill int64 row[:len(COLUMNS)] for points[:count] (int32) with their properties (uint32).

    ``words``: the first ``number`` rows are the text's words, of :func:`spaced_words`.
    """
    row[:_WIDTH] = 0
    row[_SPACED_WORDS] = number
    i = zero()
    while i < number:
        i = _line(points, properties, words, i, number, row)


@pure_kernel
def _line(
    points: np.ndarray, properties: np.ndarray, words: np.ndarray, i: int, number: int, row: np.ndarray
) -> int:
    """Count the line whose first word is the i-th; returns the first word of the next."""
    first, line = words[i, 0], i
    begun, stop, letterless, characters, with_capitals = 0, 0, 0, 0, 0
    phrase, numbers = False, False
    while True:
        start, last, inside = words[i, 0], words[i, 1], words[i, 2]
        length = last - start + 1
        characters += length
        # DCLM's page length: fastText cuts at ASCII white space alone.
        begins = (i == line) | is_space(points[start - 1])
        begun += begins & ((properties[start] & ALNUM) != 0)
        letterless += (inside & ALPHA) == 0
        with_capitals += length * ((inside & UPPER) != 0)
        numbers |= (inside & NUMERIC) != 0
        value = _packed_word(points, start, last)
        stop += _is_stop_word(value)
        if value == _IN:
            phrase = phrase or _may_be_items_in_cart(points, first, start)
        i += 1
        if i == number or words[i, 2] & FIRST_IN_LINE:
            break
    row[_WORDS] += begun
    row[_SPACED_WORD_CHARACTERS] += characters
    row[_LETTERLESS_WORDS] += letterless
    row[_STOP_WORDS] += stop
    row[_LINES] += 1
    row[_BULLET_LINES] += points[first] in _BULLETS
    row[_ELLIPSIS_LINES] += _ends_in_ellipsis(points, first, last)
    spaced = i - line
    row[_SYMBOLS] += _symbols(points[first : last + 1])
    rule = _line_rule(points, properties, first, last, spaced, with_capitals, numbers)
    if rule:
        row[rule] += 1
        row[_REMOVED_WORDS] += begun
    elif spaced <= _PHRASE_LINE_WORDS and (phrase or _may_hold_phrase(points, first, last)):
        left = words_after_phrases(points, properties, first, last)
        if left >= 0:
            row[_PHRASE_LINES] += 1
            row[_REMOVED_WORDS] += begun - left
    return i


@pure_kernel
def _line_rule(
    points: np.ndarray,
    properties: np.ndarray,
    first: int,
    last: int,
    spaced: int,
    with_capitals: int,
    numbers: bool,
) -> int:
    """The place of the first rule that removes the line points[first..last] of ``spaced`` words; 0 for none.

    ``with_capitals``: characters of the words that hold a capital, no fewer than there are capitals; ``numbers``:
    whether the line holds a digit. They spare most lines a second look.
    """
    length = last - first + 1
    if 2 * with_capitals > length and 2 * _having(properties[first : last + 1], UPPER) > length:
        return _UPPERCASE_LINES
    if numbers:
        # Beside a million digits there is room for a space.
        if spaced == 1 or length >= 1_000_000:
            digits = _having(properties[first : last + 1], NUMERIC)
            if digits / length > _MOST_NUMERIC:
                return _NUMERIC_LINES
        if is_counter(points, properties, first, last):
            return _COUNTER_LINES
    return _SHORT_LINES if spaced < 2 else 0


@pure_kernel
def _having(properties: np.ndarray, asked: int) -> int:
    """How many characters have a property."""
    found = 0
    for k in range(len(properties)):
        found += (properties[k] & asked) != 0
    return found


@pure_kernel
def _may_be_items_in_cart(points: np.ndarray, first: int, place: int) -> bool:
    """Whether the word “in” at a place of a line may be that of “items in cart”."""
    if place - first < 6 or place + 7 > len(points):
        return False
    return bool(points[place - 2] | 32 == 115 and points[place + 3] | 32 == 99)  # s c


@pure_kernel
def _may_hold_phrase(points: np.ndarray, first: int, last: int) -> bool:
    """Whether a line may begin with “sign-in” or end in “read more” and three characters."""
    if last - first < 6:
        return False
    if points[first + 4] == 45:  # -
        return True
    return last - first >= 11 and (points[last - 3] | 32) == 101 and (points[last - 11] | 32) == 114  # e r


@pure_kernel
def _packed_word(points: np.ndarray, first: int, last: int) -> int:
    """A word of at most four ASCII letters as :func:`packed` gives it in small letters; 0 for other words.

    Without a branch that depends on the word: which it is cannot be foreseen.
    """
    length = last - first + 1
    # Unsigned places need no look whether they count from the end.
    one, two = points[np.uint64(first)] | 32, points[np.uint64(min(first + 1, last))] | 32
    three = points[np.uint64(min(first + 2, last))] | 32
    four = points[np.uint64(min(first + 3, last))] | 32
    whole = (one << 24) | (two << 16) | (three << 8) | four
    short = (length <= 4) & ((one | two | three | four) < 128)
    return int((whole >> (8 * (4 - min(length, 4)))) * short)


@pure_kernel
def _is_stop_word(value: int) -> int:
    """Whether a packed word is one of Gopher's stop words."""
    the_and = (value == _THE) | (value == _AND) | (value == _TO) | (value == _OF)
    return the_and | (value == _BE) | (value == _THAT) | (value == _HAVE) | (value == _WITH)


@pure_kernel
def _symbols(line: np.ndarray) -> int:
    """How many #, …, ... and . . . are in a line, none within another of its kind."""
    single, triple, spaced = 0, 0, 0
    for k in range(max(len(line) - 2, 0), len(line)):
        single += (line[k] == _HASH) | (line[k] == _ELLIPSIS)
    for k in range(len(line) - 2):
        single += (line[k] == _HASH) | (line[k] == _ELLIPSIS)
        ends = (line[k] == _DOT) & (line[k + 2] == _DOT)
        triple += ends & (line[k + 1] == _DOT)
        spaced += ends & (line[k + 1] == _SPACE)
    if triple:
        single += _occurrences(line, 1)
    if spaced > 1:
        single += _occurrences(line, 2)
    return single


@pure_kernel
def _occurrences(line: np.ndarray, step: int) -> int:
    """How often three full stops, each ``step`` characters after the last, stand in a line, as ``str.count``."""
    found, k = 0, 0
    while k + 2 * step < len(line):
        dots = line[k] == _DOT and line[k + step] == _DOT and line[k + 2 * step] == _DOT
        if dots and (step == 1 or (line[k + 1] == _SPACE and line[k + 3] == _SPACE)):
            found += 1
            k += 2 * step
        k += 1
    return found


@pure_kernel
def _ends_in_ellipsis(points: np.ndarray, first: int, last: int) -> bool:
    """… or ... or . . . at the end of points[first..last]."""
    if points[last] == _ELLIPSIS:
        return True
    if points[last] != _DOT:
        return False
    if last - first >= 2 and points[last - 1] == _DOT and points[last - 2] == _DOT:
        return True
    return (
        last - first >= 4 and points[last - 2] == _DOT and _are_spaces(points, last - 1, last - 3, last - 4)
    )


@pure_kernel
def _are_spaces(points: np.ndarray, one: int, two: int, dot: int) -> bool:
    """Whether two places hold spaces and the third a full stop."""
    return bool(points[one] == _SPACE and points[two] == _SPACE and points[dot] == _DOT)
