"""Pages in two charsets, marks of Windows in UTF-8, and CP949 that lost its step.

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
from hanji.curation.text.charset_judges import (
    FREQUENT,
    USUAL,
    foreign_count,
    has_frequent,
    is_korean,
    usual_count,
)

# From one upper byte to the last before the next delimiter, and an ASCII letter that may belong to it.
_STRETCH = re.compile(rb"[\x80-\xff]+(?:[^\x80-\xff<>\n]*[\x80-\xff]+)*[A-Za-z]?")
_RUN = re.compile(rb"[\x80-\xff]+[A-Za-z]?")
# Three Hangul syllables in UTF-8: almost never part of CP949.
_HANGUL_UTF8 = re.compile(rb"[\xea-\xed][\x80-\xbf]{2}(?:[\xea-\xed][\x80-\xbf]{2}){2}")
_HANGUL = re.compile("[가-힣]")
_THREE_BYTES = re.compile("[\u0800-\ud7ff\uf900-\uffef]")
# Characters certainly in the other charset from which on a page is one of both.
_EVIDENCE = 12
_LONE_MARK = re.compile(
    rb"(?<=[\t\n\r -~])[\x85\x91-\x97](?=[\t\n\r -~])|(?<=[A-Za-z])[\xc0-\xd6\xd8-\xf6\xf8-\xff](?=[A-Za-z])"
)
_LONGEST_RUN = 512
_MOST_RUNS = 5_000

# Costs of reading a pair as such a character, and of giving up one byte. Chosen so that a sound text has no
# cheaper reading than its own: one dropped byte must save two characters that are out of place.
_COST_USUAL, _COST_SIGN, _COST_HANJA, _COST_UNUSUAL = 0.25, 1.0, 2.0, 3.0
_COST_PAIR, _COST_BYTE = 8.0, 4.0


def has_utf8_hangul(data: bytes) -> bool:
    """Whether bytes that are said to be CP949 may hold Korean in UTF-8."""
    return _HANGUL_UTF8.search(data) is not None


def is_mixed(data: bytes, codec: str) -> bool:
    """Whether a page is Korean in both charsets, of which ``codec`` ("utf-8" or "cp949") is one."""
    # One character may be cut off where the data ends.
    if not has_utf8_hangul(data) or data.decode("utf-8", "replace").count(REPLACEMENT) < 2:
        return False
    text, others = read_mixed(data, codec)
    foreign = foreign_count(text)
    return 0 < others < foreign and text.count(REPLACEMENT) <= 0.02 * foreign and is_korean(text)


def read_mixed(data: bytes, codec: str) -> tuple[str, int]:
    """(text, characters read in the other charset) of a page whose charset is "utf-8" or "cp949".

    Characters are counted without ASCII. Linear in the page.
    """
    text, others = _read(data, codec, False)
    # Where a page certainly has both, what is but a word or two is no longer in doubt.
    return _read(data, codec, True) if others >= _EVIDENCE else (text, others)


def _read(data: bytes, codec: str, relaxed: bool) -> tuple[str, int]:
    pieces: list[str] = []
    position = others = 0
    for stretch in _STRETCH.finditer(data):
        pieces.append(data[position : stretch.start()].decode("ascii"))
        text, count = _stretch(stretch.group(), codec, relaxed)
        pieces.append(text)
        others += count
        position = stretch.end()
    pieces.append(data[position:].decode("ascii"))
    return "".join(pieces), others


def _stretch(data: bytes, codec: str, relaxed: bool) -> tuple[str, int]:
    whole = _certain(data, codec, relaxed)
    if whole is not None:
        return whole
    # Neither charset fits the whole stretch: word by word, then.
    pieces: list[str] = []
    position = others = 0
    for found in _RUN.finditer(data):
        pieces.append(data[position : found.start()].decode("ascii"))
        text, count = _certain(found.group(), codec, relaxed) or (decode_tolerantly(found.group(), codec), 0)
        pieces.append(text)
        others += count
        position = found.end()
    pieces.append(data[position:].decode("ascii"))
    return "".join(pieces), others


def _certain(data: bytes, codec: str, relaxed: bool) -> tuple[str, int] | None:
    """The text of a stretch in the charset that it certainly has, and how much of it is in the other one."""
    as_utf8 = _strictly(data, "utf-8")
    if codec == "utf-8":
        if as_utf8 is not None:
            return as_utf8, 0
        as_cp949 = _strictly(data, "cp949")
        if as_cp949 is None:
            return None
        if relaxed:
            certain = 21 * usual_count(as_cp949) >= 20 * len(_HANGUL.findall(as_cp949))
        else:
            certain = _is_usual(as_cp949, 2)
        # Cut off in the middle of a character, UTF-8 is still not CP949; by chance it is a syllable in four.
        certain = certain and 4 * usual_count(data.decode("utf-8", "ignore")) <= usual_count(as_cp949)
        return (as_cp949, foreign_count(as_cp949)) if certain else None
    as_cp949 = _strictly(data, "cp949")
    if as_utf8 is not None:
        # Sequences of three bytes do not come about by chance in what CP949 cannot read.
        if as_cp949 is None:
            certain = relaxed or _THREE_BYTES.search(as_utf8) is not None
        else:
            certain = _is_usual(as_utf8, 2 if relaxed else 3, not relaxed) and not _is_usual(as_cp949, 1)
        if certain:
            return as_utf8, foreign_count(as_utf8)
    return None if as_cp949 is None else (as_cp949, 0)


def _strictly(data: bytes, codec: str) -> str | None:
    try:
        return data.decode(codec)
    except UnicodeDecodeError:
        return None


def _is_usual(text: str, least: int, frequent: bool = True) -> bool:
    """Whether at least so many usual syllables are nine tenths of what is not ASCII, a frequent one among them."""
    enough = usual_count(text) >= max(least, 0.9 * foreign_count(text))
    return enough and (not frequent or has_frequent(text))


def with_western_marks(data: bytes) -> tuple[bytes, int]:
    """(bytes with lone marks of windows-1252 in UTF-8, how many there were) of a page that is otherwise UTF-8.

    It is what is pasted into English pages: a quotation mark or dash between two ASCII characters, or a letter
    between two letters. A lone byte is never UTF-8, and what is left of a Korean character that was cut off
    stands beside other Korean.
    """
    return _LONE_MARK.subn(lambda found: found.group().decode("cp1252").encode(), data)


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
    if character in FREQUENT:
        return 0.0
    if character in USUAL:
        return _COST_USUAL
    if "가" <= character <= "힣":
        return _COST_UNUSUAL
    return _COST_HANJA if "\u4e00" <= character <= "\ufaff" else _COST_SIGN
