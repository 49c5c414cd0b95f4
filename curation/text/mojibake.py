"""Mojibake in characters: text that was decoded wrongly before it was stored, repaired where that is certain.

Four kinds, by what was read as what:

- ``utf8-as-latin``: UTF-8 as windows-1252 or Latin-1, once or twice ("í•œê¸€", "donâ€™t"). Korean is reversed
  here, the rest by ftfy (Robyn Speer, Apache-2.0), of which only the encoding repair is used.
- ``cp949-as-latin``: CP949 as Latin-1 ("ÇÑ±Û"), which ftfy does not know.
- ``utf8-as-cp949``: UTF-8 as CP949 ("媛뺣Ъ"), which ftfy does not know either. Every second syllable or so loses
  bytes that CP949 has no pair for; words that lost none are reversed, the others are counted as suspects.

What is certain: the reverse is valid to the last byte, and gives usual Korean syllables where the text as it
stands has sequences that no language has. A page is looked at line by line, so that one quoted line of mojibake
does not touch the rest. A text without a suspicious pair of characters is only searched, once.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from hanji.curation.text.charset_judges import FREQUENT, USUAL, foreign_count, usual_count

if TYPE_CHECKING:
    import ftfy

VERSION = 1
# Lines are looked at in pieces of about this many characters, cut at spaces.
_PIECE = 2_000
_ROUNDS = 3

# The characters of windows-1252 for the bytes 80 to 9F, and the controls that Latin-1 has there.
_SPECIALS = "€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ"
_TO_LATIN = {ord(char): char.encode("cp1252")[0] for char in _SPECIALS}
_CONTINUATION = f"\u0080-\u00bf{_SPECIALS}"
_LATIN_RUN = re.compile(f"[\u0080-\u00ff{_SPECIALS}]+")


def _pairs(leads: range, trails: range) -> str:
    characters = (bytes((a, b)).decode("cp949", "ignore") for a in leads for b in trails)
    return "".join(char for char in characters if len(char) == 1 and char > "\x7f")


# What the bytes of Hangul in UTF-8 (EA–ED, 80–BF, 80–BF) are as pairs of CP949: a hanja for the first two, and
# for pairs with a continuation byte first syllables most of which nobody writes.
_HANJA = _pairs(range(0xEA, 0xEE), range(0xA1, 0xC0))
_ODD = "".join(
    char
    for char in _pairs(range(0x81, 0xC0), range(0x81, 0xC0)) + _pairs(range(0x81, 0xC0), range(0xEA, 0xEE))
    if "가" <= char <= "힣" and char not in USUAL
)
# Those that are written, too, but not between such a hanja and such a syllable.
_EVEN = "".join(char for char in _pairs(range(0xB0, 0xC0), range(0xEA, 0xEE)) if char in USUAL)
_TRIGGER = re.compile(
    f"[¡-þ{_HANJA}{_ODD}\ufffd]"
    f"(?:(?<=[Â-ô])[{_CONTINUATION}]|(?<=[¡-þ])[¡-þ]{{3}}"
    f"|(?<=[{_HANJA}{_ODD}\ufffd])[{_ODD}]|(?<=[{_HANJA}])[{_EVEN}][{_ODD}])"
)
_ODD_PAIR = re.compile(f"[{_HANJA}{_ODD}\ufffd](?:[{_ODD}]|(?<=[{_HANJA}])[{_EVEN}][{_ODD}])")
_ODD_RUN = re.compile(f"[{_HANJA}{_ODD}\ufffd]{{2,}}")
# Of such a run, what laughter in rare syllables (쪕쪕쪕) does not have.
_LOST = re.compile(f"[{_HANJA}\ufffd]")
_WORD = re.compile("[^\x00-\x7f]+")
_HANGUL, _LETTER = re.compile("[가-힣]"), re.compile("[ㄱ-ㅣ]")
# Characters of one byte sequence of three in Latin-1 that are a Hangul syllable in UTF-8.
_LATIN_HANGUL = re.compile(f"[ê-í][{_CONTINUATION}]{{2}}")
# Quotation marks and dashes, and letters of western Europe, in UTF-8 as Latin-1.
_INCONSISTENT = re.compile("â[€\u0080]|Ã[\u0080-\u00bf‚ƒ„…†‡ˆ‰Š‹Œ‘’“”•–—˜™š›œ]|Â[\u00a0«»©®°·]")
_MISFITS = re.compile("[\u0080-\u009f\ue000-\uf8ff\ufffd]")


@dataclass(frozen=True)
class Repaired:
    """A text after repair.

    ``kind``: of what most was repaired, or suspected if nothing was; None if neither. ``characters``: those that
    repair gave, without ASCII. ``suspects``: characters that look like mojibake and stay, since the bytes are lost.
    """

    text: str
    kind: str | None
    characters: int
    suspects: int


def repair(text: str) -> Repaired:
    """The text with certain mojibake repaired. Linear in the text; a clean text comes back as it is."""
    if text.isascii() or not (found := _TRIGGER.search(text)):
        return Repaired(text, None, 0, 0)
    repaired: Counter[str] = Counter()
    suspects: Counter[str] = Counter()
    pieces: list[str] = []
    position = 0
    while found:
        start, end = _piece_around(text, position, found.start())
        pieces += (text[position:start], _repair_piece(text[start:end], repaired, suspects))
        position = end
        found = _TRIGGER.search(text, position)
    pieces.append(text[position:])
    kinds = (repaired or suspects).most_common(1)
    return Repaired("".join(pieces), kinds[0][0] if kinds else None, repaired.total(), suspects.total())


def _piece_around(text: str, least: int, place: int) -> tuple[int, int]:
    """The line that a place is in, or if it is long the part of it around the place, cut at spaces."""
    start = max(text.rfind("\n", least, place) + 1, least)
    if place - start > _PIECE:
        start = max(text.rfind(" ", start, place - _PIECE // 2) + 1, start)
    end = text.find("\n", place)
    end = len(text) if end < 0 else end
    if end - place > _PIECE:
        space = text.find(" ", place + _PIECE, end)
        end = space if space >= 0 else end
    return start, end


def _repair_piece(piece: str, repaired: Counter[str], suspects: Counter[str]) -> str:
    # The Korean readings go before ftfy, which would find French in them.
    for kind, reverse in (
        ("utf8-as-latin", _from_latin_utf8),
        ("cp949-as-latin", _from_latin_cp949),
        ("utf8-as-cp949", _from_cp949_utf8),
        ("utf8-as-latin", _by_ftfy),
    ):
        if not _TRIGGER.search(piece):
            break
        better = reverse(piece)
        if better != piece:
            repaired[kind] += _gained(piece, better)
            piece = better
    for kind, number in _suspicious(piece).items():
        suspects[kind] += number
    return piece


def _gained(before: str, after: str) -> int:
    """Characters other than ASCII of the repaired text that were not there before."""
    new = Counter(_WORD.findall(after)) - Counter(_WORD.findall(before))
    return max(sum(len(word) * number for word, number in new.items()), 1)


def _latin_bytes(run: str) -> bytes:
    return run.translate(_TO_LATIN).encode("latin-1")


def _is_korean(text: str, least: int, frequent: float) -> bool:
    """Whether a text's characters but ASCII and signs are usual syllables and letters, enough of them frequent."""
    foreign, usual = foreign_count(text), usual_count(text)
    letters, syllables = len(_LETTER.findall(text)), len(_HANGUL.findall(text))
    return (
        usual >= least
        and usual + letters >= 0.85 * foreign
        and usual >= 0.98 * syllables
        and not _MISFITS.search(text)
        and (not frequent or sum(char in FREQUENT for char in text) >= frequent * usual)
    )


def _from_latin_utf8(piece: str) -> str:
    for _ in range(_ROUNDS):
        runs = list(_LATIN_RUN.finditer(piece))
        texts = [_strict(_latin_bytes(run.group()), "utf-8") for run in runs]
        readable = "".join(text for text in texts if text)
        if not _is_korean(readable, 2, 0.0) and not _is_twice_latin(readable):
            break
        piece = _replaced(piece, runs, texts)
    return piece


def _is_twice_latin(text: str) -> bool:
    """Whether what UTF-8 gave is Latin-1 once more, for Korean: it was read wrongly twice."""
    if not _LATIN_HANGUL.search(text):
        return False
    again = (_strict(_latin_bytes(run), "utf-8") or "" for run in _LATIN_RUN.findall(text))
    return _is_korean("".join(again), 2, 0.0)


def _replaced(piece: str, runs: list[re.Match[str]], texts: list[str | None]) -> str:
    """The piece with each run as its text, where there is one."""
    pieces: list[str] = []
    position = 0
    for run, text in zip(runs, texts, strict=True):
        pieces += (piece[position : run.start()], run.group() if text is None else text)
        position = run.end()
    pieces.append(piece[position:])
    return "".join(pieces)


@cache
def _ftfy_config(inconsistent: bool) -> ftfy.TextFixerConfig:
    import ftfy  # here and below: it is wanted for few texts, and slow to load

    return ftfy.TextFixerConfig(
        unescape_html=False,
        remove_terminal_escapes=False,
        fix_encoding=True,
        restore_byte_a0=True,
        replace_lossy_sequences=False,
        decode_inconsistent_utf8=inconsistent,
        fix_c1_controls=False,
        fix_latin_ligatures=False,
        fix_character_width=False,
        uncurl_quotes=False,
        fix_line_breaks=False,
        fix_surrogates=False,
        remove_control_chars=False,
        normalization=None,
    )


def _by_ftfy(piece: str) -> str:
    """What ftfy makes of a line, unless something is left that makes no sense: then it has guessed.

    GBK or Big5 read as Latin-1, which it does not know, has stretches that are valid UTF-8 by chance. So
    stretches of a line that is not UTF-8 as a whole count only with quotation marks or Latin letters in them.
    """
    import ftfy
    from ftfy.badness import is_bad

    better = str(ftfy.fix_encoding(piece, _ftfy_config(_INCONSISTENT.search(piece) is not None)))
    if better == piece:
        return piece
    guessed = is_bad(better) or _TRIGGER.search(better) or _MISFITS.search(better)
    return piece if guessed else better


def _from_latin_cp949(piece: str) -> str:
    runs = [found for found in _LATIN_RUN.finditer(piece) if len(found.group()) >= 2]
    texts = [_strict(_latin_bytes(found.group()), "cp949") for found in runs]
    whole = "".join(text for text in texts if text)
    # Capitals with accents, as in NAÇÕES, are a syllable here and there; running text is many, and frequent ones.
    if sum(text is None for text in texts) > 0.1 * len(texts) or not _is_korean(whole, 3, 0.2):
        return piece
    if max(len(text or "") for text in texts) < 2:
        return piece
    return _replaced(piece, runs, texts)


def _from_cp949_utf8(piece: str) -> str:
    return _WORD.sub(_word_of_cp949, piece) if _ODD_PAIR.search(piece) else piece


def _word_of_cp949(found: re.Match[str]) -> str:
    word = found.group()
    try:
        # 80 is the one byte of UTF-8 that Windows reads alone in CP949, as the control character U+0080.
        data = b"\x80".join(part.encode("cp949") for part in word.split("\u0080"))
    except UnicodeEncodeError:
        return word
    text = _strict(data, "utf-8")
    return text if text is not None and _is_korean(text, 2, 0.0) else word


def _strict(data: bytes, codec: str) -> str | None:
    try:
        return data.decode(codec)
    except UnicodeDecodeError:
        return None


def _suspicious(piece: str) -> dict[str, int]:
    """Characters of runs that look like mojibake, by kind."""
    found = {
        "utf8-as-cp949": sum(len(run) for run in _ODD_RUN.findall(piece) if _LOST.search(run)),
        "utf8-as-latin": sum(len(run.group()) for run in _LATIN_HANGUL.finditer(piece)),
    }
    return {kind: number for kind, number in found.items() if number}
