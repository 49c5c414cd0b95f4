"""Which language a page is in, guessed from its bytes before anything is decoded or parsed.

A page that is surely in another language than Korean or English need not be parsed at all. One compiled pass
counts scripts, function words and English trigrams of the text outside tags (``guessing.kernels``). Markup is
a hint and never a verdict: themes and templates say ``lang="en"`` in any language. Only confidence turns a
page away; all else is "unknown" and goes on to the parser and the judge of text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from hanji.classifiers import language_english
from hanji.curation.text.guessing import kernels as k

VERSION = 1
PageLanguage = Literal["ko", "en", "other", "unknown"]

# Bytes that are read; a page that has little text in them is read once more in its middle.
HEAD, MIDDLE = 65_536, 32_768
MOST_LETTERS = 2_500
_LITTLE = 300
# Masses are in tenths of a Latin letter: a Hangul syllable, kana or Han character holds as much as 2.3.
TENTHS, SYLLABLE = 10, 23
# Letters below which nothing is said.
_ENOUGH = 120 * TENTHS
# Scripts of other languages: row of the counts, mass of a character, name.
_SCRIPTS = (
    (k.KANA, SYLLABLE, "kana"),
    (k.HAN, SYLLABLE, "Han"),
    (k.CYRILLIC, TENTHS, "Cyrillic"),
    (k.GREEK, TENTHS, "Greek"),
    (k.ARABIC, TENTHS, "Arabic"),
    (k.HEBREW, TENTHS, "Hebrew"),
    (k.THAI, TENTHS, "Thai"),
    (k.OTHER, TENTHS, "another script"),
)
_LANG = re.compile(rb"""(?:\slang|content)\s*=\s*["']?([a-z]{2})""")
# Charsets in which function words with accents may stand.
_CHARSETS = ("utf-8", "cp1252", "iso8859-2", "iso8859-9", "iso8859-4")
_KOREAN_LABELS = ("euc-kr", "ks_c_5601", "cp949", "ms949", "uhc", "windows-949", "korean", "iso-2022-kr")


@dataclass(frozen=True)
class PageGuess:
    """The language, and in words what it was guessed from. "other" is neither Korean nor English, surely."""

    language: PageLanguage
    evidence: str


def count(data: bytes) -> np.ndarray:
    """int64[2, COUNTS + kinds of words]: a page's running and other text (``guessing.kernels``).

    Of its first 64 KiB, and of a stretch of its middle where these hold little text.
    """
    tables = _tables()
    counts = np.zeros((2, k.COUNTS + len(tables.names)), np.int64)
    array = np.frombuffer(data, np.uint8)
    eights = np.frombuffer(data, np.uint64, len(data) // 8)
    _pass(array, eights, 0, min(len(data), HEAD), counts, tables)
    if len(data) > HEAD and counts[k.TEXT, : k.OTHER + 1].sum() < _LITTLE:
        # Into the middle, after the end of a script or of a tag.
        start = max(HEAD, (len(data) - MIDDLE) // 2)
        start = max(data.find(b"</script>", start, start + MIDDLE), data.find(b">", start), start)
        _pass(array, eights, start, min(len(data), start + MIDDLE), counts, tables)
    return counts


def guess_page(data: bytes, http_charset: str | None = None, url: str | None = None) -> PageGuess:
    """Guess the language of a page from its bytes. Never raises.

    ``http_charset`` is the label of the HTTP header; ``url`` serves as a hint where all else is silent.
    """
    escape = data.find(b"\x1b$", 0, HEAD) if data.find(b"\x1b", 0, HEAD) >= 0 else -1
    if escape >= 0 and data.startswith((b"\x1b$)C", b"\x1b$B", b"\x1b$@"), escape):
        korean = data.startswith(b"\x1b$)C", escape)
        return PageGuess("unknown" if korean else "other", f"ISO-2022-{'KR' if korean else 'JP'}")
    counts = count(_as_utf8(data))
    text, both = _columns(counts)
    letters = both.letters
    if letters < _ENOUGH:
        return PageGuess("unknown", f"{letters // TENTHS} letters")
    # Listings have their text in links.
    main = text if text.letters >= _ENOUGH else both
    if main.hangul >= 0.1 * main.letters:
        return PageGuess("ko", f"Hangul {main.hangul / main.letters:.2f}")
    hangul = both.hangul / letters
    if hangul >= 0.35:
        return PageGuess("unknown", f"Hangul {hangul:.2f} with that of links")
    latin = main.latin / main.letters
    odds = main.log_odds()
    if latin >= 0.5 and odds >= 1:
        return PageGuess("en", f"log-odds {odds:.1f}")
    said = _said(data, http_charset)
    if "ko" in said and hangul > 0.05:
        return PageGuess("unknown", f"said to be Korean, Hangul {hangul:.2f}")
    if latin < 0.5:
        if main.hangul > 0.03 * main.letters:
            return PageGuess("unknown", f"{_script(counts)} and Hangul {main.hangul / main.letters:.2f}")
        if latin > 0.25 and odds > 1 and main.english >= 20 * TENTHS:
            return PageGuess("unknown", f"{_script(counts)} and English")
        return PageGuess("other", f"{_script(counts)} {1 - latin:.2f}")
    foreign = main.foreign / max(main.words, 1)
    surely = odds <= -3.5 and main.latin >= 300 * TENTHS
    likely = (
        odds <= -1.0 and foreign >= 0.06 and main.foreign >= 2 * main.english and main.foreign >= 6 * TENTHS
    )
    hinted = odds <= -1.5 and bool(said) and not {"en", "ko"} & said
    if surely or likely or hinted:
        return PageGuess("other", f"log-odds {odds:.1f}, words of {_language(counts)} {foreign:.2f}")
    return PageGuess("unknown", f"log-odds {odds:.1f}")


class _Column(NamedTuple):
    """Masses of text by script, and counts of its words and trigram levels; all in tenths."""

    latin: int
    accented: int
    hangul: int
    others: int
    words: int
    english: int
    weak: int
    foreign: int
    level: int

    @property
    def letters(self) -> int:
        return self.latin + self.hangul + self.others

    def log_odds(self) -> float:
        """Log-odds of English, from the same evidence as ``language_english`` takes."""
        words, letters = max(self.words, 1), max(self.latin, 1)
        level = self.level / max(self.latin - self.accented + self.words, 1)
        return language_english.log_odds(
            self.english / words, self.weak / words, level, self.accented / letters
        )


def _columns(counts: np.ndarray) -> tuple[_Column, _Column]:
    """Running text, and it together with other text."""
    if counts[:, k.BYTES].any():
        counts = _with_legacy(counts)
    masses = counts @ _tables().masses
    text, aside = masses.tolist()
    return _Column(*text), _Column(*map(int.__add__, text, aside))


def _with_legacy(counts: np.ndarray) -> np.ndarray:
    """The counts with bytes that are no UTF-8 counted as the letters that they must be."""
    counts = counts.copy()
    for column, of in zip(counts, counts.tolist(), strict=True):
        if of[k.SINGLES] > 0.6 * of[k.RUNS]:
            column[k.ACCENTED] += of[k.BYTES]
        elif of[k.HANGUL_PAIRS] >= 0.6 * of[k.PAIRS] and of[k.FREQUENT_PAIRS] >= 0.25 * of[k.PAIRS]:
            column[k.HANGUL] += of[k.HANGUL_PAIRS]
        else:
            column[k.OTHER] += of[k.BYTES]
    return counts


def _script(counts: np.ndarray) -> str:
    """The script that has most, of those that are neither Latin nor Hangul."""
    if counts[:, k.BYTES].sum() > counts[:, k.KANA : k.OTHER + 1].sum():
        return "legacy bytes"
    return max(_SCRIPTS, key=lambda script: int(counts[:, script[0]].sum()) * script[1])[2]


def _language(counts: np.ndarray) -> str:
    """The language of which there are most function words that no other one has."""
    own = counts[:, k.COUNTS + 3 :].sum(axis=0)
    return _tables().names[3 + int(own.argmax())] if own.any() else "none"


def _pass(
    array: np.ndarray, eights: np.ndarray, start: int, end: int, counts: np.ndarray, tables: _Tables
) -> None:
    k.count_page(
        array, eights, start, end, MOST_LETTERS, tables.kinds,
        tables.keys, tables.values, tables.levels, tables.frequent, counts,
    )  # fmt: skip


def _as_utf8(data: bytes) -> bytes:
    """The same bytes, or as much of a page in UTF-16 as is read, in UTF-8."""
    name = None
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        name = "utf-16"
    elif data[:200].count(0) > 40:
        name = "utf-16-le" if data[1:200:2].count(0) > data[:200:2].count(0) else "utf-16-be"
    return data[: 2 * HEAD].decode(name, "replace").encode("utf-8", "replace") if name else data


def _said(data: bytes, http_charset: str | None) -> set[str]:
    """Languages, by two letters, that the markup and the charset label speak of."""
    head = data[:4_096].lower()
    start = head.find(b"<html")
    places = [head[start : head.find(b">", start)]] if start >= 0 else []
    for name in (b"content-language", b"og:locale"):
        start = head.find(name)
        if start >= 0:
            places.append(head[start : start + 80])
    said = {match.group(1).decode() for match in map(_LANG.search, places) if match}
    start = head.find(b"charset=")
    label = http_charset or head[start + 8 : start + 30].decode("ascii", "replace")
    if label.lower().strip("\"' ").startswith(_KOREAN_LABELS):
        said.add("ko")
    return said


@dataclass(frozen=True)
class _Tables:
    """What the kernel looks up; see there. ``masses``: float64[counts, fields of _Column]; ``names``: languages
    of the kinds of words, by column."""

    kinds: np.ndarray
    keys: np.ndarray
    values: np.ndarray
    levels: np.ndarray
    frequent: np.ndarray
    masses: np.ndarray
    names: tuple[str, ...]


@lru_cache(maxsize=1)
def _tables() -> _Tables:
    """Columns of words: English alone, English and others, several other languages, then one by one."""
    path = Path(__file__).with_name("guessing") / "function_words.tsv"
    lines = [line.split("\t") for line in path.read_text("utf-8").splitlines()]
    names = ("en", "en and others", "several", *(name for name, _ in lines))
    strong, weak = language_english.word_sets()
    columns = dict.fromkeys(strong, 0) | dict.fromkeys(weak, 1)
    for name, listed in lines:
        for word in listed.split():
            for form in {word.encode(charset, "ignore") for charset in _CHARSETS}:
                columns[form] = 2 if form in columns else names.index(name)
    size = 8_192
    keys, values = np.zeros(size, np.uint64), np.zeros(size, np.uint8)
    for form, column in sorted(columns.items()):
        if len(form) > k.WORD_BYTES:
            continue
        packed = int.from_bytes(form, "big")
        slot = int(k.slot_of(np.uint64(packed), size))
        while keys[slot]:
            slot = (slot + 1) % size
        keys[slot], values[slot] = packed, column
    frequent = np.zeros(25 * 94, np.bool_)
    for syllable in _FREQUENT:
        lead, trail = syllable.encode("cp949")
        frequent[(lead - 0xB0) * 94 + trail - 0xA1] = True
    masses = np.zeros((k.COUNTS + len(names), len(_Column._fields)), np.int64)
    masses[[k.ASCII, k.ACCENTED], 0] = TENTHS
    masses[k.ACCENTED, 1] = TENTHS
    masses[k.HANGUL, 2] = SYLLABLE
    for script, mass, _ in _SCRIPTS:
        masses[script, 3] = mass
    masses[[k.WORDS, k.COUNTS, k.COUNTS + 1, k.LEVELS], [4, 5, 6, 8]] = TENTHS
    masses[k.COUNTS + 2 :, 7] = TENTHS
    return _Tables(k.byte_kinds(), keys, values, language_english.levels(), frequent, masses, names)


# The most frequent syllables of running Korean: half of any text is made of them.
_FREQUENT = (
    "이다는의에을가하고은로지기사한도를으나시리어인자그서아해대있수정일보들게만부여주라전원성구제화상국과면동연오"
    "관요조장안비니음우공경물및적유신소용미분스위모중생"
)
