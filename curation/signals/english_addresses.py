"""Which words are addresses to spaCy: its URL_PATTERN (MIT; after Diego Perini and Mathias Bynens) as code.

    [scheme://][user[:password]@](IPv4 address outside private networks | host.names.tld)[:port][/ ? or # and more]

The expression backtracks; the code tries each place where the host can begin, and each try is decided by the
next character, so that a word takes time linear in its length.
"""

from __future__ import annotations

import numpy as np

from hanji.curation.signals.compiled import pure_kernel
from hanji.curation.signals.unicode import ALNUM, DECIMAL, SPACY_LOWER

_AT, _COLON, _SLASH, _DOT, _HYPHEN, _UNDERSCORE, _PLUS = 0x40, 0x3A, 0x2F, 0x2E, 0x2D, 0x5F, 0x2B
_LONGEST_LABEL, _LONGEST_TLD = 64, 63
# The expression takes digits of other scripts for digits too; their value is one that no list of networks names.
_OTHER_DIGIT = 5000


@pure_kernel
def is_address(points: np.ndarray, properties: np.ndarray, start: int, end: int) -> bool:
    """Whether URL_PATTERN matches points[start:end), which has no white space."""
    i = start
    while i < end and points[i] != _DOT:
        i += 1
    if i == end:
        return False
    if _host_and_rest(points, properties, start, end):
        return True
    host = _after_scheme(points, properties, start, end)
    if host > 0 and _host_and_rest(points, properties, host, end):
        return True
    # Anything may stand before an @, so the end of the scheme needs no other look.
    for i in range(start + 1, end):  # noqa: SIM110 (numba has no any() over a generator)
        if points[i] == _AT and _host_and_rest(points, properties, i + 1, end):
            return True
    return False


@pure_kernel
def _after_scheme(points: np.ndarray, properties: np.ndarray, start: int, end: int) -> int:
    """Where ``scheme://`` at ``start`` ends, or -1."""
    i = start
    while i < end and (properties[i] & ALNUM or points[i] in (_UNDERSCORE, _PLUS, _HYPHEN, _DOT)):
        i += 1
    if i < start + 2 or i + 2 >= end:
        return -1
    return i + 3 if points[i] == _COLON and points[i + 1] == _SLASH and points[i + 2] == _SLASH else -1


@pure_kernel
def _in_label(point: int) -> bool:
    """What a label of a host name may begin and end with."""
    if point < 128:
        return 97 <= point <= 122 or 65 <= point <= 90 or 48 <= point <= 57
    return 0xA1 <= point <= 0xFFFF


@pure_kernel
def _host_and_rest(points: np.ndarray, properties: np.ndarray, start: int, end: int) -> bool:
    i = _network_address(points, properties, start, end)
    if i >= 0 and _rest(points, properties, i, end):
        return True
    i = _host(points, properties, start, end)
    return i >= 0 and _rest(points, properties, i, end)


@pure_kernel
def _host(points: np.ndarray, properties: np.ndarray, start: int, end: int) -> int:
    """Where the host name that begins at ``start`` ends, or -1."""
    labels, i = 0, start
    while True:
        first = i
        while i < end and (_in_label(points[i]) or points[i] == _HYPHEN or points[i] == _UNDERSCORE):
            i += 1
            if i - first > _LONGEST_LABEL:
                break
        if i >= end or points[i] != _DOT:
            break
        if (
            not 1 <= i - first <= _LONGEST_LABEL
            or not _in_label(points[first])
            or not _in_label(points[i - 1])
        ):
            return -1
        labels += 1
        i += 1
    if labels == 0:
        return -1
    i = first
    while i < end and properties[i] & SPACY_LOWER and i - first <= _LONGEST_TLD:
        i += 1
    return i if 2 <= i - first <= _LONGEST_TLD else -1


@pure_kernel
def _rest(points: np.ndarray, properties: np.ndarray, i: int, end: int) -> bool:
    """Whether a port, a path, both or nothing fill points[i:end)."""
    if i < end and points[i] == _COLON:
        first = i + 1
        i = first
        while i < end and properties[i] & DECIMAL and i - first <= 5:
            i += 1
        if not 2 <= i - first <= 5:
            return False
    return i == end or points[i] == _SLASH or points[i] == 0x3F or points[i] == 0x23


@pure_kernel
def _network_address(points: np.ndarray, properties: np.ndarray, start: int, end: int) -> int:
    """Where the IPv4 address that begins at ``start`` ends, or -1: none of private networks, none above 223."""
    i, first, second = start, 0, 0
    for octet in range(4):
        if octet > 0:
            if i >= end or points[i] != _DOT:
                return -1
            i += 1
        begin = i
        while i < end and properties[i] & DECIMAL and i - begin < 4:
            i += 1
        value = _octet(points, begin, i, octet)
        if value < 0:
            return -1
        if octet == 0:
            first = value
        elif octet == 1:
            second = value
    if first == 10 or first == 127 or (first == 169 and second == 254) or (first == 192 and second == 168):
        return -1
    if first == 172 and (16 <= second <= 31 or second == 20 + _OTHER_DIGIT):
        return -1
    return i


@pure_kernel
def _octet(points: np.ndarray, start: int, end: int, place: int) -> int:
    """The value of the digits points[start:end) if they may stand at this place of an address, else -1."""
    length = end - start
    if not 1 <= length <= 3:
        return -1
    value = 0
    for i in range(start, end):
        digit = points[i] - 48
        value = value * 10 + (digit if 0 <= digit <= 9 else _OTHER_DIGIT)
    head = points[start]
    if length < 3:
        # The first and the last number may not begin with 0.
        return value if 49 <= head <= 57 or place == 1 or place == 2 else -1
    if head == 49:
        return value
    if head != 50:
        return -1
    # At most 223, 255, 255 and 254.
    top = 50 if place == 0 else 53
    last = 51 if place == 0 else 52 if place == 3 else 53
    middle = points[start + 1]
    return value if 48 <= middle < top or (middle == top and 48 <= points[start + 2] <= last) else -1
