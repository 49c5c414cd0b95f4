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
from typing import Literal, NamedTuple

import numpy as np

from hanji.classifiers import language_english
from hanji.curation.text.guessing import kernels as k
from hanji.curation.text.guessing.tables import load_tables

VERSION = 1
PageLanguage = Literal["ko", "en", "other", "unknown"]

# What is read of a page: so many bytes, of which scripts cost next to nothing; so many beside scripts; until
# so many letters of running text are counted.
MOST_BYTES, BUDGET = 524_288, 65_536
MOST_LETTERS = 2_500
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
_KOREAN_HOST = re.compile(r"[a-z]+://[^/?#]*\.kr(?=[:/?#]|$)", re.IGNORECASE)
_LANG = re.compile(rb"""(?:\slang|content)\s*=\s*["']?([a-z]{2})""")
_KOREAN_LABELS = ("euc-kr", "ks_c_5601", "cp949", "ms949", "uhc", "windows-949", "korean", "iso-2022-kr")


@dataclass(frozen=True)
class PageGuess:
    """The language, and in words what it was guessed from. "other" is neither Korean nor English, surely."""

    language: PageLanguage
    evidence: str


def count(data: bytes) -> np.ndarray:
    """int64[2, COUNTS + kinds of words]: a page's running and other text (``guessing.kernels``)."""
    tables = load_tables()
    counts = np.zeros((2, k.COUNTS + len(tables.names)), np.int64)
    array = np.frombuffer(data, np.uint8, min(len(data), MOST_BYTES))
    eights = np.frombuffer(data, np.uint64, len(array) // 8)
    k.count_page(
        array, eights, BUDGET, MOST_LETTERS, tables.kinds,
        tables.keys, tables.values, tables.levels, tables.frequent, counts,
    )  # fmt: skip
    return counts


def guess_page(data: bytes, http_charset: str | None = None, url: str | None = None) -> PageGuess:
    """Guess the language of a page from its bytes. Never raises.

    ``http_charset`` is the label of the HTTP header. It, ``url`` and the markup are hints that protect a page in
    doubt, or speak against one that is strange already.
    """
    escape = data.find(b"\x1b$", 0, BUDGET) if data.find(b"\x1b", 0, BUDGET) >= 0 else -1
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
    said = _said(data, http_charset, url)
    # Korean in a charset that was taken for another comes as accented letters.
    broken = bool(counts[:, k.BYTES].any()) or main.accented > 0.15 * main.letters
    if "ko" in said and (hangul > 0.05 or broken):
        return PageGuess("unknown", f"said to be Korean, Hangul {hangul:.2f}")
    if latin < 0.5:
        if main.hangul > 0.03 * main.letters:
            return PageGuess("unknown", f"{_script(counts)} and Hangul {main.hangul / main.letters:.2f}")
        if latin > 0.25 and odds > 1 and main.english >= 20 * TENTHS:
            return PageGuess("unknown", f"{_script(counts)} and English")
        if _unreadable(counts):
            return PageGuess("unknown", "bytes of no charset that is known here")
        return PageGuess("other", f"{_script(counts)} {1 - latin:.2f}")
    foreign = main.foreign / max(main.words, 1)
    plainly = foreign >= 0.25 and main.foreign >= 6 * main.english and main.foreign >= 15 * TENTHS
    known = foreign >= 0.12 and main.foreign >= 2 * main.english and main.foreign >= 8 * TENTHS
    strange = main.latin >= 250 * TENTHS and odds <= -3.5
    hinted = bool(said) and not {"en", "ko"} & said
    # Where there is little running text, names and remains of scripts are much of it: links have a say too.
    sparse = main.letters < 600 * TENTHS and both.log_odds() > -1.5 and odds > -5.0
    if plainly or (odds <= -1.5 and (known or ((strange or hinted) and not sparse))):
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
    masses = counts @ _masses()
    text, aside = masses.tolist()
    return _Column(*text), _Column(*map(int.__add__, text, aside))


@lru_cache(maxsize=1)
def _masses() -> np.ndarray:
    """int64[counts, fields of _Column]: what a count adds to a field, in tenths."""
    masses = np.zeros((k.COUNTS + len(load_tables().names), len(_Column._fields)), np.int64)
    masses[[k.ASCII, k.ACCENTED], 0] = TENTHS
    masses[k.ACCENTED, 1] = TENTHS
    masses[k.HANGUL, 2] = SYLLABLE
    for script, mass, _ in _SCRIPTS:
        masses[script, 3] = mass
    masses[[k.WORDS, k.COUNTS, k.COUNTS + 1, k.LEVELS], [4, 5, 6, 8]] = TENTHS
    masses[k.COUNTS + 2 :, 7] = TENTHS
    return masses


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


def _unreadable(counts: np.ndarray) -> bool:
    """Whether bytes that are no UTF-8 are neither Shift_JIS nor of a charset that leaves 80 to 9F alone.

    Johab, Korean's rarest charset, is such, and so is what is no text.
    """
    total = counts.sum(axis=0).tolist()
    return bool(total[k.LOW] > 0.05 * total[k.BYTES] and total[k.SHIFT_JIS] < 0.2 * total[k.PAIRS])


def _script(counts: np.ndarray) -> str:
    """The script that has most, of those that are neither Latin nor Hangul."""
    if counts[:, k.BYTES].sum() > counts[:, k.KANA : k.OTHER + 1].sum():
        return "legacy bytes"
    return max(_SCRIPTS, key=lambda script: int(counts[:, script[0]].sum()) * script[1])[2]


def _language(counts: np.ndarray) -> str:
    """The language of which there are most function words that no other one has."""
    own = counts[:, k.COUNTS + 3 :].sum(axis=0)
    return load_tables().names[3 + int(own.argmax())] if own.any() else "none"


def _as_utf8(data: bytes) -> bytes:
    """The same bytes, or as much of a page in UTF-16 as is read, in UTF-8."""
    name = None
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        name = "utf-16"
    elif data[:200].count(0) > 40:
        name = "utf-16-le" if data[1:200:2].count(0) > data[:200:2].count(0) else "utf-16-be"
    return data[: 2 * BUDGET].decode(name, "replace").encode("utf-8", "replace") if name else data


def _said(data: bytes, http_charset: str | None, url: str | None) -> set[str]:
    """Languages, by two letters, that the markup, the charset label and the host's country speak of."""
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
    if url and _KOREAN_HOST.match(url):
        said.add("ko")
    return said
