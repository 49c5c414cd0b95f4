"""Web addresses within a word, for counting: where they begin and end."""

from __future__ import annotations

import numpy as np

from hanji.curation.signals.compiled import pure_kernel

_DOT, _HYPHEN, _SLASH, _COLON, _AT, _LINE = ord("."), ord("-"), ord("/"), ord(":"), ord("@"), ord("_")
_OPEN, _CLOSE = ord("("), ord(")")


def _packed(letters: str) -> int:
    """Three letters as one number."""
    return ord(letters[0]) << 16 | ord(letters[1]) << 8 | ord(letters[2])


_HTT, _WWW, _COM, _ORG, _KR = _packed("htt"), _packed("www"), _packed("com"), _packed("org"), _packed(".kr")
_P, _S = ord("p"), ord("s")


@pure_kernel
def addresses(points: np.ndarray, first: int, last: int) -> tuple[int, int]:
    """(addresses, characters in them) in the word points[first..last].

    An address begins with http://, https:// or www., or is a host in .com, .org or .kr that is no part of a mail
    address or path (.net is left out for ASP.NET's sake). It ends before what is not ASCII (a particle), quotation
    marks, angle, square and curly brackets, a parenthesis that it did not open, and marks that end a sentence.
    """
    found, characters = 0, 0
    i = first
    while i <= last:
        if not _in_host(points[i]):
            i += 1
            continue
        end = i + 1
        while end <= last and _in_host(points[end]):
            end += 1
        before = points[i - 1] if i > first else 0
        if before != _AT and before != _SLASH and before != _LINE:
            stop = _address(points, i, end, last)
            if stop > 0:
                found += 1
                characters += stop - i
                end = stop
        i = end
    return found, characters


@pure_kernel
def _address(points: np.ndarray, start: int, end: int, last: int) -> int:
    """Where the address ends (exclusive) that begins with the letters, digits, dots points[start:end); 0: none."""
    if _is_scheme(points, start, end, last):
        stop = _body_end(points, end + 3, last)
        return stop if stop > end + 3 else 0
    if end - start > 4 and points[start + 3] == _DOT and _three(points, start) == _WWW:
        stop = _body_end(points, start + 4, last)
        return stop if stop > start + 4 else 0
    while end > start and (points[end - 1] == _DOT or points[end - 1] == _HYPHEN):
        end -= 1
    if points[start] == _DOT or points[start] == _HYPHEN or not _is_host(points, start, end):
        return 0
    following = points[end] if end <= last else 0
    if following in (_AT, _LINE):
        return 0
    if following in (_SLASH, _COLON, 63, 35):  # ? #
        return _body_end(points, end, last)
    return end


@pure_kernel
def _is_scheme(points: np.ndarray, start: int, end: int, last: int) -> bool:
    """Whether points[start:end) is http or https, and :// follows."""
    if end + 2 > last or points[end] != _COLON or points[end + 1] != _SLASH or points[end + 2] != _SLASH:
        return False
    if not 4 <= end - start <= 5 or _three(points, start) != _HTT or points[start + 3] | 32 != _P:
        return False
    return end - start == 4 or points[start + 4] | 32 == _S


@pure_kernel
def _is_host(points: np.ndarray, start: int, end: int) -> bool:
    """Whether a name of two or more characters stands in .com, .org or .kr."""
    if end - start < 5:
        return False
    domain = _three(points, end - 3)
    if domain == _KR:
        return True
    return end - start >= 6 and points[end - 4] == _DOT and (domain in (_COM, _ORG))


@pure_kernel
def _body_end(points: np.ndarray, start: int, last: int) -> int:
    """Where the rest of an address ends (exclusive)."""
    depth = 0
    end = start
    while end <= last:
        point = points[end]
        if point <= 32 or point >= 127 or point in (34, 60, 62, 91, 92, 93, 94, 96, 123, 124, 125):
            break
        if point == _OPEN:
            depth += 1
        elif point == _CLOSE:
            if depth == 0:
                break
            depth -= 1
        end += 1
    while end > start and points[end - 1] in (33, 39, 42, 44, 46, 58, 59, 63, 126):  # ! ' * , . : ; ? ~
        end -= 1
    return end


@pure_kernel
def _three(points: np.ndarray, start: int) -> int:
    """Three ASCII letters, digits, dots or hyphens of a host as one number, letters in lower case."""
    one, two, three = points[start] | 32, points[start + 1] | 32, points[start + 2] | 32
    return int(one << 16 | two << 8 | three)


@pure_kernel
def _in_host(point: int) -> bool:
    return 97 <= point <= 122 or 45 <= point <= 46 or 48 <= point <= 57 or 65 <= point <= 90
