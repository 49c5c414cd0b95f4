"""Pages in two charsets, and CP949 that lost its step.

Old Korean boards put what their users wrote in CP949 into a template in UTF-8, or the reverse. The bytes
between tags are then read in the other charset, stretch by stretch, where that is certain: a stretch that is
valid UTF-8 is UTF-8, and one that is not but is made of usual Korean syllables in CP949 is that. The delimiters
(<, > and the newline) are never the second byte of a character in either.

A byte lost or added in CP949 puts all that follows, up to the next ASCII character, out of step, and most of it
still means something. Where the decoder found an error in a run, the run is read again on the cheapest path,
which may drop single bytes but prefers usual syllables (a shortest path after Viterbi, as in word segmentation).
"""

from __future__ import annotations

import re

from hanji.curation.text.charset_codecs import REPLACEMENT, decode_tolerantly
from hanji.curation.text.charset_judges import FREQUENT, USUAL

# From one upper byte to the last before the next delimiter, and an ASCII letter that may belong to it.
_STRETCH = re.compile(rb"[\x80-\xff]+(?:[^\x80-\xff<>\n]*[\x80-\xff]+)*[A-Za-z]?")
_RUN = re.compile(rb"[\x80-\xff]+[A-Za-z]?")
# Three Hangul syllables in UTF-8: almost never part of CP949.
_HANGUL_UTF8 = re.compile(rb"(?:[\xea-\xed][\x80-\xbf]{2}){3}")
_HANGUL = re.compile("[가-힣]")
_LONGEST_RUN = 512
_MOST_RUNS = 5_000

# Costs of reading a pair as such a character, and of giving up one byte. Chosen so that a sound text has no
# cheaper reading than its own: one dropped byte must save two characters that are out of place.
_COST_SIGN, _COST_HANJA, _COST_UNUSUAL, _COST_PAIR, _COST_BYTE = 1.0, 2.0, 3.0, 8.0, 4.0


def has_utf8_hangul(data: bytes) -> bool:
    """Whether bytes that are said to be CP949 may hold Korean in UTF-8."""
    return _HANGUL_UTF8.search(data) is not None


def read_mixed(data: bytes, codec: str) -> tuple[str, int]:
    """(text, characters read in the other charset) of a page whose charset is "utf-8" or "cp949".

    Characters are counted without ASCII. Linear in the page.
    """
    pieces: list[str] = []
    position = others = 0
    for stretch in _STRETCH.finditer(data):
        pieces.append(data[position : stretch.start()].decode("ascii"))
        text, count = _stretch(stretch.group(), codec)
        pieces.append(text)
        others += count
        position = stretch.end()
    pieces.append(data[position:].decode("ascii"))
    return "".join(pieces), others


def _stretch(data: bytes, codec: str) -> tuple[str, int]:
    whole = _certain(data, codec)
    if whole is not None:
        return whole
    if len(data) > 4 * _LONGEST_RUN and b" " not in data:
        return decode_tolerantly(data, codec), 0
    # Neither charset fits the whole stretch: word by word, then.
    others = 0

    def word(found: re.Match[bytes]) -> str:
        nonlocal others
        certain = _certain(found.group(), codec)
        if certain is None:
            return decode_tolerantly(found.group(), codec)
        others += certain[1]
        return certain[0]

    pieces: list[str] = []
    position = 0
    for found in _RUN.finditer(data):
        pieces += (data[position : found.start()].decode("ascii"), word(found))
        position = found.end()
    pieces.append(data[position:].decode("ascii"))
    return "".join(pieces), others


def _certain(data: bytes, codec: str) -> tuple[str, int] | None:
    """The text of a stretch in the charset that it certainly has, and how much of it is in the other one."""
    as_utf8, as_cp949 = _strictly(data, "utf-8"), _strictly(data, "cp949")
    if codec == "utf-8":
        if as_utf8 is not None:
            return as_utf8, 0
        if (
            as_cp949 is not None
            and _is_usual(as_cp949, 2)
            and not _HANGUL.search(data.decode("utf-8", "ignore"))
        ):
            return as_cp949, _foreign(as_cp949)
        return None
    if (
        as_utf8 is not None
        and _is_usual(as_utf8, 2 if as_cp949 is None else 3)
        and (as_cp949 is None or not _is_usual(as_cp949, 1))
    ):
        return as_utf8, _foreign(as_utf8)
    return None if as_cp949 is None else (as_cp949, 0)


def _strictly(data: bytes, codec: str) -> str | None:
    try:
        return data.decode(codec)
    except UnicodeDecodeError:
        return None


def _foreign(text: str) -> int:
    return len(text) - len(text.encode("ascii", "ignore"))


def _is_usual(text: str, least: int) -> bool:
    """Whether at least so many usual syllables are nine tenths of what is not ASCII, a frequent one among them."""
    foreign = [char for char in text if char > "\x7f"]
    usual = sum(char in USUAL for char in foreign)
    return usual >= max(least, 0.9 * len(foreign)) and any(char in FREQUENT for char in foreign)


def read_in_step(data: bytes) -> str:
    """CP949 with runs of upper bytes that hold an error read on their cheapest path."""
    pieces: list[str] = []
    position = runs = 0
    for found in _RUN.finditer(data):
        run = found.group()
        if _strictly(run, "cp949") is not None:
            continue
        runs += 1
        if runs > _MOST_RUNS:
            break
        pieces.append(decode_tolerantly(data[position : found.start()], "cp949"))
        pieces.append(_cheapest(run) if len(run) <= _LONGEST_RUN else decode_tolerantly(run, "cp949"))
        position = found.end()
    pieces.append(decode_tolerantly(data[position:], "cp949"))
    return "".join(pieces)


def _cheapest(run: bytes) -> str:
    """The reading of a run with the lowest cost; of equal ones that which is in step the longest."""
    size = len(run)
    costs = [0.0] * (size + 1)
    steps: list[tuple[str, int]] = [("", 1)] * size
    for start in range(size - 1, -1, -1):
        if run[start] < 0x80:
            costs[start], steps[start] = costs[start + 1], (chr(run[start]), 1)
            continue
        costs[start], steps[start] = costs[start + 1] + _COST_BYTE, (REPLACEMENT, 1)
        if start + 1 < size:
            character = run[start : start + 2].decode("cp949", "replace")
            cost = _COST_PAIR if REPLACEMENT in character else _cost(character)
            if cost == _COST_PAIR and run[start + 1] < 0x80:
                continue
            if costs[start + 2] + cost <= costs[start]:
                costs[start], steps[start] = costs[start + 2] + cost, (character[0], 2)
    pieces: list[str] = []
    start = 0
    while start < size:
        character, width = steps[start]
        pieces.append(character)
        start += width
    return "".join(pieces)


def _cost(character: str) -> float:
    if character in USUAL:
        return 0.0
    if "가" <= character <= "힣":
        return _COST_UNUSUAL
    return _COST_HANJA if "\u4e00" <= character <= "\ufaff" else _COST_SIGN
