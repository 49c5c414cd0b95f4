"""Which lines and phrases DCLM removes: counters ("3 likes"), and what shops say at the edges of their pages."""

from __future__ import annotations

import numpy as np

from hanji.curation.signals.compiled import kernel, pure_kernel
from hanji.curation.signals.unicode import ALNUM, DECIMAL, WHITE

_COMMA, _DOT, _LOW_LINE = ord(","), ord("."), ord("_")
_K, _M, _B, _E, _I, _S = ord("k"), ord("m"), ord("b"), ord("e"), ord("i"), ord("s")


def packed(word: str) -> int:
    """A word of at most eight ASCII letters as one number, the last letter lowest."""
    value = 0
    for letter in word:
        value = value << 8 | ord(letter)
    return value


# Counted things, without their last s.
_COUNTED = (
    *map(packed, ("like", "share", "comment", "retweet", "repost", "quote", "bookmark", "upvote")),
    *map(packed, ("downvote", "download", "view", "follower")),
)
_ITEMS = (packed("items in"), packed(" cart"))
_READ_MORE = packed("read mor")
_SIGN_IN = packed("sign-in")


@pure_kernel
def is_counter(points: np.ndarray, properties: np.ndarray, first: int, last: int) -> bool:
    r"""Whether a line is a number and what it counts, in any marks.

    ``^\W*\d[,.\d]*[kmb]?\s+(likes|shares|…)\W*$`` in small letters.
    """
    j = first
    while j <= last and _is_mark(points[j], properties[j]):
        j += 1
    if j > last or not properties[j] & DECIMAL:
        return False
    while j <= last and (properties[j] & DECIMAL or points[j] == _COMMA or points[j] == _DOT):
        j += 1
    if j <= last and _small(points[j]) in (_K, _M, _B):
        j += 1
    start = j
    while j <= last and properties[j] & WHITE:
        j += 1
    if j == start:
        return False
    value, stem, letter, start = 0, 0, 0, j
    while j <= last and j - start < 9 and 97 <= _small(points[j]) <= 122:
        letter = _small(points[j])
        stem, value = value, value << 8 | letter
        j += 1
    if letter != _S or stem not in _COUNTED:
        return False
    while j <= last and _is_mark(points[j], properties[j]):
        j += 1
    return j > last


@pure_kernel
def _is_mark(point: int, properties: int) -> bool:
    r"""What ``\W`` matches."""
    return not properties & ALNUM and point != _LOW_LINE


@pure_kernel
def _small(point: int) -> int:
    """An ASCII character in lower case, 0 for any other."""
    if point >= 128:
        return 0
    return point + 32 if 65 <= point <= 90 else point


@kernel
def words_after_phrases(points: np.ndarray, properties: np.ndarray, first: int, last: int) -> int:
    """How many of a line's words are left without the phrases, as words of DCLM's; -1 if it holds none of them.

    Out of the line points[first..last] go “items in cart” wherever it stands, “read more” and three characters
    at the end, and “sign-in” at the beginning, each with the space beside it.
    """
    left = np.empty(last - first + 1, np.int64)
    count = _without_items(points, properties, first, last, left)
    begin, count = _stripped(properties, left, 0, count)
    if count - begin >= 12 and _says_read_more(points, left, count - 12):
        begin, count = _stripped(properties, left, begin, count - 12)
    if count - begin >= 7 and _says_sign_in(points, left, begin):
        begin, count = _stripped(properties, left, begin + 7, count)
    elif count - begin == len(left):
        return -1
    words = 0
    for k in range(begin, count):
        if properties[left[k]] & ALNUM and (k == begin or is_space(points[left[k - 1]])):
            words += 1
    return words


@pure_kernel
def is_space(point: int) -> bool:
    """White space at which fastText cuts words."""
    return (point == 32) | ((point >= 9) & (point <= 13))


@pure_kernel
def _without_items(
    points: np.ndarray, properties: np.ndarray, first: int, last: int, left: np.ndarray
) -> int:
    """Write the places of a line's characters without “items in cart” to ``left``; returns how many."""
    count = 0
    j = first
    while j <= last:
        start = j + 1 if properties[j] & WHITE else j
        if _says_items(points, start, last):
            j = start + 13
            continue
        left[count] = j
        count += 1
        j += 1
    return count


@pure_kernel
def _says_items(points: np.ndarray, start: int, last: int) -> bool:
    """Whether “items in cart” stands at a place."""
    if start + 12 > last or _small(points[start]) != _I:
        return False
    one, two = 0, 0
    for k in range(8):
        one = one << 8 | _small(points[start + k])
    for k in range(8, 13):
        two = two << 8 | _small(points[start + k])
    return one == _ITEMS[0] and two == _ITEMS[1]


@pure_kernel
def _says_read_more(points: np.ndarray, left: np.ndarray, start: int) -> bool:
    """Whether the characters left at a place and after it say “read more”."""
    value = 0
    for k in range(start, start + 8):
        value = value << 8 | _small(points[left[k]])
    return value == _READ_MORE and _small(points[left[start + 8]]) == _E


@pure_kernel
def _says_sign_in(points: np.ndarray, left: np.ndarray, start: int) -> bool:
    """Whether the characters left at a place and after it say “sign-in”."""
    value = 0
    for k in range(start, start + 7):
        value = value << 8 | _small(points[left[k]])
    return value == _SIGN_IN


@pure_kernel
def _stripped(properties: np.ndarray, left: np.ndarray, begin: int, count: int) -> tuple[int, int]:
    """The stretch left[begin:count) without white space at its ends."""
    while begin < count and properties[left[begin]] & WHITE:
        begin += 1
    while count > begin and properties[left[count - 1]] & WHITE:
        count -= 1
    return begin, count
