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

from hanji.curation.signals.compiled import kernel
from hanji.curation.signals.refinedweb_lines import is_counter, is_space, packed, words_after_phrases
from hanji.curation.signals.spaced import FIRST_IN_LINE
from hanji.curation.signals.unicode import ALNUM, ALPHA, NUMERIC, UPPER, P

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
_STOP = tuple(map(packed, ("the", "be", "to", "of", "and", "that", "have", "with")))
_IN = packed("in")
_DOT, _HASH, _ELLIPSIS, _SPACE = ord("."), ord("#"), 0x2026, ord(" ")
_BULLETS = tuple(map(ord, "●•*-"))
_MOST_NUMERIC = 0.999999
_PHRASE_LINE_WORDS = 10


@kernel
def refinedweb_counts(
    points: np.ndarray, properties: np.ndarray, words: np.ndarray, number: int, count: int, row: np.ndarray
) -> None:
    """Fill int64 row[:len(COLUMNS)] for points[:count] (int32) with their properties (uint32).

    ``words``: the first ``number`` rows are the text's words, of :func:`spaced_words`.
    """
    row[:_WIDTH] = 0
    row[_SPACED_WORDS] = number
    i = 0
    while i < number:
        i = _line(points, properties, words, i, number, count, row)


@kernel
def _line(
    points: np.ndarray,
    properties: np.ndarray,
    words: np.ndarray,
    i: int,
    number: int,
    count: int,
    row: np.ndarray,
) -> int:
    """Count the line whose first word is the i-th; returns the first word of the next."""
    first, line = words[i, 0], i
    begun, stop, letterless, characters = 0, 0, 0, 0
    dots_end, phrase = first, False
    while True:
        start, last, inside, body = words[i, 0], words[i, 1], words[i, 2], words[i, 3]
        length = last - start + 1
        characters += length
        # DCLM's page length: fastText cuts at ASCII white space alone.
        begins = (i == line) | is_space(points[start - 1])
        begun += begins & ((properties[start] & ALNUM) != 0)
        letterless += (inside & ALPHA) == 0
        if length <= 4:
            value = _packed_word(points, start, last)
            stop += value in _STOP
            phrase |= value == _IN
        point = points[last]
        if ((body & P) != 0) | (point == _HASH) | (point == _ELLIPSIS) | ((length == 1) & (point == _DOT)):
            row[_SYMBOLS] += _symbols(points, start, last)
            if (
                length == 1
                and point == _DOT
                and start - 2 >= dots_end
                and _between_dots(points, start, count)
            ):
                row[_SYMBOLS] += 1
                dots_end = start + 3
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
    rule = _line_rule(points, properties, first, last, spaced)
    if rule:
        row[rule] += 1
        row[_REMOVED_WORDS] += begun
    elif spaced <= _PHRASE_LINE_WORDS and (phrase or _may_hold_phrase(points, first, last)):
        left = words_after_phrases(points, properties, first, last)
        if left >= 0:
            row[_PHRASE_LINES] += 1
            row[_REMOVED_WORDS] += begun - left
    return i


@kernel
def _line_rule(points: np.ndarray, properties: np.ndarray, first: int, last: int, spaced: int) -> int:
    """The place of the first rule that removes the line points[first..last] of ``spaced`` words; 0 for none."""
    capitals, digits = 0, 0
    for k in range(first, last + 1):
        capitals += (properties[k] & UPPER) != 0
        digits += (properties[k] & NUMERIC) != 0
    length = last - first + 1
    if 2 * capitals > length:
        return _UPPERCASE_LINES
    if digits / length > _MOST_NUMERIC:
        return _NUMERIC_LINES
    if digits > 0 and is_counter(points, properties, first, last):
        return _COUNTER_LINES
    return _SHORT_LINES if spaced < 2 else 0


@kernel
def _may_hold_phrase(points: np.ndarray, first: int, last: int) -> bool:
    """Whether a line may begin with “sign-in” or end in “read more” and three characters."""
    if last - first < 6:
        return False
    if points[first + 4] == 45:  # -
        return True
    return last - first >= 11 and (points[last - 3] | 32) == 101 and (points[last - 11] | 32) == 114  # e r


@kernel
def _packed_word(points: np.ndarray, first: int, last: int) -> int:
    """A word of at most four ASCII letters as :func:`packed` gives it in small letters; 0 for other words."""
    value = 0
    for k in range(first, last + 1):
        point = points[k] | 32
        if point >= 128:
            return 0
        value = value << 8 | point
    return value


@kernel
def _symbols(points: np.ndarray, first: int, last: int) -> int:
    """How many #, … and ... are in a word."""
    found, dots = 0, 0
    for k in range(first, last + 1):
        point = points[k]
        dots = dots + 1 if point == _DOT else 0
        found += point in (_HASH, _ELLIPSIS) or dots == 3
        if dots == 3:
            dots = 0
    return found


@kernel
def _between_dots(points: np.ndarray, place: int, count: int) -> bool:
    """Whether a space and a full stop stand on either side."""
    if place + 2 >= count or points[place - 1] != _SPACE or points[place + 1] != _SPACE:
        return False
    return points[place - 2] == _DOT and points[place + 2] == _DOT


@kernel
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


@kernel
def _are_spaces(points: np.ndarray, one: int, two: int, dot: int) -> bool:
    """Whether two places hold spaces and the third a full stop."""
    return points[one] == _SPACE and points[two] == _SPACE and points[dot] == _DOT
