"""What kind of line a line is: heading, item of a list, row of a table, code."""

from __future__ import annotations

import numpy as np

from hanji.curation.signals.characters import HANGUL
from hanji.curation.signals.compiled import pure_kernel
from hanji.curation.signals.unicode import CLASS_MASK, WHITE

PROSE, HEADING, LIST, TABLE, CODE, INDENTED_CODE = range(6)
_BACKTICK, _TILDE = ord("`"), ord("~")
# Marks that hardly any line of code does without, and hardly any indented verse or quotation has.
_CODE_MARKS = tuple(map(ord, "=;{}()[]<>_$`\\"))
_NUMBERING = tuple(map(ord, "가나다라마바사아자차카타파하"))
_BULLETS = tuple(map(ord, "•●○◦■□▪▫◆◇▶▷►√✓✔·∙ㆍ"))


@pure_kernel
def line_kind(points: np.ndarray, properties: np.ndarray, first: int, count: int, may_be_code: bool) -> int:
    """The kind of the line outside fences that begins at ``first``, after its indentation.

    ``may_be_code``: whether the line is indented as code is, after a blank line or another such line.
    """
    point = points[first]
    if point == 35:  # #
        if _is_heading(points, properties, first, count):
            return HEADING
    elif point == 124:  # |
        if _has(points, first + 1, line_end(points, first, count), 124):
            return TABLE
    elif _is_item(points, properties, first, count):
        return LIST
    if may_be_code and _has_code_mark(points, first, line_end(points, first, count)):
        return INDENTED_CODE
    return PROSE


@pure_kernel
def fence_length(points: np.ndarray, properties: np.ndarray, first: int, count: int) -> int:
    """How many marks a line that begins as a fence of code begins with: ``` or ~~~; 0 for other lines.

    After backticks that open a fence no other backtick stands in the line (CommonMark, section 4.5).
    """
    mark = points[first]
    if mark != _BACKTICK and mark != _TILDE:
        return 0
    j = first
    while j < count and points[j] == mark:
        j += 1
    length = j - first
    if length < 3:
        return 0
    return 0 if mark == _BACKTICK and _has(points, j, line_end(points, j, count), mark) else length


@pure_kernel
def closes_fence(
    points: np.ndarray, properties: np.ndarray, first: int, count: int, mark: int, length: int
) -> bool:
    """Whether a line closes the fence that was opened with ``length`` marks: as many or more, and no more."""
    j = first
    while j < count and points[j] == mark:
        j += 1
    if j - first < length:
        return False
    while j < count and points[j] != 10:
        if not properties[j] & WHITE:
            return False
        j += 1
    return True


@pure_kernel
def line_end(points: np.ndarray, start: int, count: int) -> int:
    """Place of the next newline, or the end of the text."""
    while start < count and points[start] != 10:
        start += 1
    return start


@pure_kernel
def _is_heading(points: np.ndarray, properties: np.ndarray, first: int, count: int) -> bool:
    """One to six # and a space."""
    j = first
    while j < count and points[j] == 35:
        j += 1
    return j - first <= 6 and _white_at(properties, j, count)


@pure_kernel
def _is_item(points: np.ndarray, properties: np.ndarray, first: int, count: int) -> bool:
    """Whether a line begins like an item of a list."""
    point = points[first]
    if point in (45, 42, 43):  # - * +
        return _white_at(properties, first + 1, count)
    if point < 128:
        return (48 <= point <= 57 or point == 40) and _is_numbered(points, properties, first, count)
    if point in _NUMBERING:
        return _closes_number(points, first + 1, count) and _white_at(properties, first + 2, count)
    if point == 0x3147:  # ㅇ, in the papers of offices
        return _white_at(properties, first + 1, count)
    return point in _BULLETS or 0x2460 <= point <= 0x2473 or 0x3260 <= point <= 0x327B  # ① ㉠ ㉮


@pure_kernel
def _is_numbered(points: np.ndarray, properties: np.ndarray, first: int, count: int) -> bool:
    """1. or 1) and a space or Hangul (1.서론, but not 3.1), (1) or (가) and a space."""
    bracket = points[first] == 40
    j = first + bracket
    if bracket and j < count and points[j] in _NUMBERING:
        j += 1
    else:
        while j < count and 48 <= points[j] <= 57:
            j += 1
    length = j - first - bracket
    if not 1 <= length <= 3 or not _closes_number(points, j, count):
        return False
    if bracket:
        return points[j] == 41 and _white_at(properties, j + 1, count)
    hangul = j + 1 < count and properties[j + 1] & CLASS_MASK == HANGUL
    return hangul or _white_at(properties, j + 1, count)


@pure_kernel
def _closes_number(points: np.ndarray, place: int, count: int) -> bool:
    return place < count and (points[place] == 46 or points[place] == 41)


@pure_kernel
def _white_at(properties: np.ndarray, place: int, count: int) -> bool:
    """White space, a newline too, or the end of the text."""
    return place >= count or properties[place] & WHITE != 0


@pure_kernel
def _has(points: np.ndarray, start: int, end: int, point: int) -> bool:
    while start < end and points[start] != point:
        start += 1
    return start < end


@pure_kernel
def _has_code_mark(points: np.ndarray, start: int, end: int) -> bool:
    while start < end and points[start] not in _CODE_MARKS:
        start += 1
    return start < end
