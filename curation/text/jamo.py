"""Hangul letters: half-width and lone conjoining ones become the usual compatibility letters or syllables.

Unicode has three sets of them. Conjoining jamo (U+1100–11FF) make syllables under NFC; where one stands alone,
as ᄏᄏᄏ from some keyboards, the compatibility letter (U+3130–318F) is meant. Half-width ones (U+FFA0–FFDC)
come from old terminals and spell out syllables. Archaic letters and their clusters are left alone.
"""

from __future__ import annotations

import re

_LEADS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_TAILS = "ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
_HALF_WIDTH = re.compile("[\uffa1-\uffbe\uffc2-\uffc7\uffca-\uffcf\uffd2-\uffd7\uffda-\uffdc]+")
_HALF_TO_FULL = str.maketrans(
    {
        **{0xFFA1 + place: chr(0x3131 + place) for place in range(30)},
        **dict(
            zip(
                (
                    *range(0xFFC2, 0xFFC8),
                    *range(0xFFCA, 0xFFD0),
                    *range(0xFFD2, 0xFFD8),
                    *range(0xFFDA, 0xFFDD),
                ),
                _VOWELS,
                strict=True,
            )
        ),
    }
)
_CONJOINING = re.compile("[\u1100-\u11ff\ua960-\ua97c\ud7b0-\ud7fb]+")
_MODERN = re.compile("[\u1100-\u1112\u1161-\u1175\u11a8-\u11c2]+")
_TO_COMPATIBILITY = str.maketrans(
    {0x1100 + place: letter for place, letter in enumerate(_LEADS)}
    | {0x1161 + place: letter for place, letter in enumerate(_VOWELS)}
    | {0x11A8 + place: letter for place, letter in enumerate(_TAILS)}
)
# A lead, a vowel, and a tail unless a vowel follows that it leads.
_SYLLABLE = re.compile(f"([{_LEADS}])([{_VOWELS}])(?:([{_TAILS}])(?![{_VOWELS}]))?")
_LETTERS = re.compile("[ㄱ-ㅣ]{4,}")


def _syllable(found: re.Match[str]) -> str:
    lead, vowel, tail = found.groups()
    place = (_LEADS.index(lead) * 21 + _VOWELS.index(vowel)) * 28
    return chr(0xAC00 + place + (_TAILS.index(tail) + 1 if tail else 0))


def widen(text: str) -> tuple[str, int]:
    """(text with half-width jamo as syllables where they form them, else as letters; how many there were)."""
    total = 0

    def full_width(found: re.Match[str]) -> str:
        nonlocal total
        total += len(found.group())
        return _SYLLABLE.sub(_syllable, found.group().translate(_HALF_TO_FULL))

    return (text, 0) if text.isascii() else (_HALF_WIDTH.sub(full_width, text), total)


def lone_to_compatibility(text: str) -> tuple[str, int]:
    """(text with modern conjoining jamo that NFC left over as compatibility letters; how many there were)."""
    total = 0

    def compatibility(found: re.Match[str]) -> str:
        nonlocal total
        stretch = found.group()
        if not _MODERN.fullmatch(stretch):
            return stretch  # an archaic syllable is spelt with some modern letters too
        total += len(stretch)
        return stretch.translate(_TO_COMPATIBILITY)

    return (text, 0) if text.isascii() else (_CONJOINING.sub(compatibility, text), total)


def compose_compatibility(text: str) -> tuple[str, int]:
    """(text with ㅎㅏㄴㄱㅡㄹ as 한글, letters composed): only stretches that make syllables without a rest."""
    total = 0

    def word(found: re.Match[str]) -> str:
        nonlocal total
        syllables = _SYLLABLE.sub(_syllable, found.group())
        if _LETTERS_LEFT.search(syllables) or len(syllables) < 2:
            return found.group()
        total += len(found.group())
        return syllables

    return (text, 0) if text.isascii() else (_LETTERS.sub(word, text), total)


_LETTERS_LEFT = re.compile("[ㄱ-ㅣ]")
