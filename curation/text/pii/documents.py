"""Passport numbers, and telephone numbers that are spelled out: both are found by their words."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hanji.curation.text.pii.hits import Hit
from hanji.curation.text.pii.masks import ALL_MASKS

_PASSPORT_WORDS = re.compile(r"여권|[Pp]assport|PASSPORT")
# Korean: a letter and eight digits or two and seven; since 2021 a letter, three digits, a letter, four digits.
_PASSPORT = re.compile(
    r"(?<![0-9A-Za-z])(?:[A-Z] ?\d{8}|[A-Z]{2} ?\d{7}|[A-Z]\d{3}[A-Z]\d{4}|\d{9})(?![0-9A-Za-z]|-\d)"
)
_DIGITS_ALONE = re.compile(r"(?:no\.?|number|번호|#)[^\n0-9]{0,12}$", re.IGNORECASE)

# Rare beginnings: looking for them costs a fraction of what the expression does.
_SPELLED = ("⓪", "일공", "일영", "1공", "1영", "O1O", "o1o")
_S = r"[ \-.·~]{0,3}"
_SYLLABLE = r"[공영일이삼사오육륙칠팔구0-9]"
_CIRCLED = r"[⓪①-⑨]"
_LETTERED = r"[0-9OoIl]"
_SPELLED_PHONE = re.compile(
    rf"(?<![가-힣0-9])(?:[공영][일1][공영]){_S}(?:{_SYLLABLE}{_S}){{7}}{_SYLLABLE}(?![0-9])"
    rf"|⓪①⓪{_S}(?:{_CIRCLED}{_S}){{7}}{_CIRCLED}"
    rf"|(?<![0-9A-Za-z])(?:O1O|o1o)[-. ]?{_LETTERED}{{4}}[-. ]?{_LETTERED}{{4}}(?![0-9A-Za-z])"
)


def passport_hits(text: str) -> Iterator[Hit]:
    """A number of a passport's form within forty characters after the word, or right before it."""
    if "여권" not in text and "assport" not in text and "PASSPORT" not in text:
        return
    end = 0
    for word in _PASSPORT_WORDS.finditer(text):
        for match in _PASSPORT.finditer(text, max(end, word.start() - 14), word.end() + 40):
            alone = match.group().isdigit()
            if match.group() in ALL_MASKS:
                continue
            if alone and not _DIGITS_ALONE.search(text, word.end(), max(word.end(), match.start())):
                continue
            end = match.end()
            yield Hit(match.start(), match.end(), "passport", "passport")


def spelled_hits(text: str) -> Iterator[Hit]:
    """Mobile numbers in Hangul or circled digits, or with the letter O: 공일공-일이삼사-오육칠팔, O1O-1234-5678."""
    if not any(start in text for start in _SPELLED):
        return
    for match in _SPELLED_PHONE.finditer(text):
        if not match.group().replace("-", "").isdecimal():
            yield Hit(match.start(), match.end(), "phone", "mobile")
