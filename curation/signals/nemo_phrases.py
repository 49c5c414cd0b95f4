"""URLs and the phrases of cookie notices and policies, as NeMo Curator's filters find them."""

from __future__ import annotations

import numpy as np

from hanji.curation.signals.compiled import pure_kernel

# A phrase is looked for where one of its words begins: at that place of the phrase. Two longer notices of the
# peer's list are left out: they hold “uses cookies”, which is found anyway.
POLICIES: tuple[tuple[str, int], ...] = (
    ("terms of use", 9),
    ("privacy policy", 8),
    ("privacy overview", 8),
    ("cookie policy", 7),
    ("uses cookies", 5),
    ("use of cookies", 7),
    ("use cookies", 4),
    ("privacy & cookies policy", 10),
    ("privacy and cookies policy", 12),
    (
        "necessary cookies are absolutely essential for the website to function properly. this category only "
        "includes cookies that ensures basic functionalities and security features of the website. these cookies "
        "do not store any personal information.",
        10,
    ),
    (
        "any cookies that may not be particularly necessary for the website to function and is used specifically "
        "to collect user personal data via analytics, ads, other embedded contents are termed as non-necessary "
        "cookies. it is mandatory to procure user consent prior to running these cookies on your website.",
        4,
    ),
    (
        "if you continue to browse this site without changing your cookie settings, you agree to this use. "
        "acceptread more",
        58,
    ),
)
LOREM_IPSUM = ("lorem ipsum", 6)
PHRASES = (*POLICIES, LOREM_IPSUM)
_URL_MARKS = "$-_@.&+/:=?#~!*(),"
_KELVIN = 0x212A  # the one other character whose lower case is an ASCII letter


def phrase_table() -> tuple[np.ndarray, np.ndarray]:
    """PHRASES: int32[n, longest] of characters, padded, and int32[n, 2] of lengths and places of the word."""
    phrases = np.zeros((len(PHRASES), max(len(phrase) for phrase, _ in PHRASES)), np.int32)
    for place, (phrase, _) in enumerate(PHRASES):
        phrases[place, : len(phrase)] = [ord(letter) for letter in phrase]
    return phrases, np.array([(len(phrase), anchor) for phrase, anchor in PHRASES], np.int32)


def url_characters() -> np.ndarray:
    """uint8[128]: 1 for the ASCII characters that a URL is made of."""
    return np.array([chr(point).isalnum() or chr(point) in _URL_MARKS for point in range(128)], np.uint8)


@pure_kernel
def find_urls(points: np.ndarray, start: int, end: int, in_url: np.ndarray, row: np.ndarray) -> None:
    """Adds characters in the URLs of a word points[start:end) to row[0], and URLs with “porn” in them to row[1]."""
    i = start + 4
    while i < end:
        i = max(i + 1, _url(points, start, i, end, in_url, row) if points[i] == 58 else 0)


@pure_kernel
def _url(points: np.ndarray, begin: int, colon: int, count: int, in_url: np.ndarray, row: np.ndarray) -> int:
    """Where the URL ends whose first colon this is; 0 if it is none's."""
    start = colon - 5 if points[colon - 1] == 115 else colon - 4
    if start < begin or points[start] != 104 or points[start + 1] != 116 or points[start + 2] != 116:
        return 0
    if points[start + 3] != 112 or colon + 2 >= count or points[colon + 1] != 47 or points[colon + 2] != 47:
        return 0
    end, pornographic = colon + 3, False
    while end < count:
        point = points[end]
        if point < 128 and in_url[point]:
            if point == 110 and points[end - 1] == 114 and points[end - 2] == 111 and points[end - 3] == 112:
                pornographic = True
            end += 1
        elif point == 37 and end + 2 < count and _is_hex(points[end + 1]) and _is_hex(points[end + 2]):
            end += 3
        else:
            break
    if end == colon + 3:
        return 0
    row[0] += end - start
    row[1] += pornographic
    return end


@pure_kernel
def _is_hex(point: int) -> bool:
    return 48 <= point <= 57 or 65 <= point <= 70 or 97 <= point <= 102


@pure_kernel
def _lower(point: int) -> int:
    if 65 <= point <= 90:
        return point + 32
    return 107 if point == _KELVIN else point


@pure_kernel
def may_begin(first: int, second: int) -> bool:
    """Whether a word that begins so may be one that phrases are looked for at."""
    # co(okies), po(licy), us(e), ov(erview), ip(sum)
    pair = (first | 32) << 8 | second | 32
    return pair == 0x636F or pair == 0x706F or pair == 0x7573 or pair == 0x6F76 or pair == 0x6970


@pure_kernel
def phrase_with(points: np.ndarray, at: int, count: int, phrases: np.ndarray, lengths: np.ndarray) -> int:
    """Which phrase has its word where one begins ``at``; −1: none. Of two policies one is enough."""
    for place in range(len(lengths)):
        length, start = lengths[place, 0], at - lengths[place, 1]
        if start < 0 or start + length > count:
            continue
        k = 0
        while k < length and _lower(points[start + k]) == phrases[place, k]:
            k += 1
        if k == length:
            return place
    return -1
