"""Korean particles and what they agree with: the last sound of the word before them, as it is read aloud.

A particle has a form for words that end in a consonant and one for words that end in a vowel (은/는, 이/가);
으로/로 counts a final ㄹ with the vowels. Digits are read 공 (or 영) 일 이 삼 사 오 육 칠 팔 구, Latin letters by
their Korean names, and the endings of domains as words (컴, 넷). Rules: National Institute of Korean Language,
standard grammar of particles; the copula's 이 may also stay after a vowel, so 이다 and 입니다 fit everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

Final = Literal["consonant", "rieul", "vowel"]

_DIGITS: Mapping[str, Final] = {
    **dict.fromkeys("036", "consonant"),  # 공 or 영, 삼, 육
    **dict.fromkeys("178", "rieul"),  # 일, 칠, 팔
    **dict.fromkeys("2459", "vowel"),  # 이, 사, 오, 구
}
_LETTERS: Mapping[str, Final] = {**dict.fromkeys("lr", "rieul"), **dict.fromkeys("mn", "consonant")}
# Read as words, not letter by letter.
_WORDS: Mapping[str, Final] = {
    **dict.fromkeys(
        ("com", "net", "app", "shop", "top", "club", "online", "name", "team", "design"), "consonant"
    ),
    **dict.fromkeys(("email", "mail", "mil", "example"), "rieul"),
}

# (after a consonant, after a vowel). The longer first, as one may begin another.
_PAIRS: tuple[tuple[str, str], ...] = (
    ("이라고", "라고"),
    ("이라는", "라는"),
    ("이라도", "라도"),
    ("이라면", "라면"),
    ("이라서", "라서"),
    ("이에요", "예요"),
    ("이지만", "지만"),
    ("이었다", "였다"),
    ("이나마", "나마"),
    ("으로", "로"),
    ("이란", "란"),
    ("이랑", "랑"),
    ("이나", "나"),
    ("이든", "든"),
    ("이며", "며"),
    ("이고", "고"),
    ("이야", "야"),
    ("이여", "여"),
    ("은", "는"),
    ("이", "가"),
    ("을", "를"),
    ("과", "와"),
    ("아", "야"),
)
_CONSONANT_FORMS = dict(_PAIRS)
_VOWEL_FORMS = {vowel: consonant for consonant, vowel in reversed(_PAIRS)}
# A particle ends its word, but for the few that may follow it (으로는, 이라고도, 로부터).
_PARTICLE = re.compile(
    "[)\\]}>\"'”’」』]?(?P<particle>"
    + "|".join(sorted({form for pair in _PAIRS for form in pair}, key=lambda form: (-len(form), form)))
    + ")(?:는|도|만|요|서|써|서는|서도|써는|부터|부터는|의|까지)?(?![가-힣])"
)


def final_of(text: str) -> Final:
    """How the last letter or digit of a text sounds at its end. A text without any counts as a vowel."""
    tail = re.search(r"([A-Za-z]+|[0-9]|[가-힣])[^A-Za-z0-9가-힣]*$", text[-40:])
    if tail is None:
        return "vowel"
    last = tail.group(1)
    if last in _DIGITS:
        return _DIGITS[last]
    if last[-1] >= "가":
        jongseong = (ord(last[-1]) - 0xAC00) % 28
        return "vowel" if jongseong == 0 else "rieul" if jongseong == 8 else "consonant"
    lower = last.lower()
    return _WORDS.get(lower) or _LETTERS.get(lower[-1], "vowel")


def finals_wanted(text: str, position: int) -> tuple[Final, ...]:
    """The finals that the particle at ``position`` fits, the likeliest first. All where there is no particle."""
    match = _PARTICLE.match(text, position)
    if match is None:
        return ("consonant", "rieul", "vowel")
    particle = match.group("particle")
    if particle == "으로":
        return ("consonant",)
    if particle == "로":
        return ("vowel", "rieul")
    return ("consonant", "rieul") if particle in _CONSONANT_FORMS else ("vowel",)


def agreeing(text: str, position: int, final: Final) -> tuple[int, str]:
    """(end, particle): the particle at ``position`` up to ``end``, in the form that follows ``final``.

    ``(position, "")`` where there is none or where it fits as it is.
    """
    match = _PARTICLE.match(text, position)
    if match is None or final in finals_wanted(text, position):
        return position, ""
    start, end = match.span("particle")
    particle = match.group("particle")
    fitting = _VOWEL_FORMS[particle] if particle in _VOWEL_FORMS else _CONSONANT_FORMS[particle]
    return end, text[position:start] + fitting
