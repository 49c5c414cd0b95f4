"""Copies of real documents by documented edits: what near-duplicates on the web differ in.

Every edit takes the text, the Jaccard index that the copy should have with it (it is met roughly, and measured
afterwards) and a source of chance. n is the length of the shingles: an isolated change breaks n of them, so that a
share s of changed units gives a Jaccard of about (1 − ns) / (1 + ns).

| kind | Korean | English |
|---|---|---|
| spacing | spaces taken out and put in anywhere | line ends, double spaces; words joined |
| particles | particles swapped or left out (은/는, 이/가, 을/를, 에/에서, …) | articles and prepositions swapped |
| boilerplate | agency, reporter, mail and date before, notices and lists of links around it | the same |
| truncation | the end or the beginning cut off | the same |
| reordering | sentences or paragraphs moved elsewhere | the same |
| nfd | decomposed (NFD), as file names and some sites have it | the same |
| typos | a letter of a syllable swapped with its neighbour on the keyboard, left out or doubled | letters so |
| punctuation | quotation marks, full stops, dashes, brackets, case, full-width signs | the same |
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from benchmarks.harness import rows

SOURCES = {
    "en": (
        "en_email_spamassassin",
        "en_docs_progit2",
        "en_docs_rust_book_editions",
        "en_docs_vue",
        "en_gov_18f_handbook",
        "en_gutenberg_books",
    ),
    "ko": (
        "ko_petitions",
        "ko_court_precedents",
        "ko_docs_d2l",
        "ko_docs_vue",
        "ko_docs_progit2",
        "ko_statutes",
        "bench_korquad1_dev_wiki",
        "ko_news_dps_fixture",
    ),
}
A_SOURCE = 3_400
SHINGLE = {"ko": 8, "en": 5}
SHORTEST, LONGEST = 300, 4_000
Edit = Callable[[str, float, random.Random, int], str]


@dataclass(frozen=True)
class Pair:
    """A document and an edited copy of it."""

    kind: str
    original: str
    copy: str


def originals(language: str) -> list[str]:
    """Documents of the development data in NFC; longer ones up to the last line end before LONGEST characters."""
    found: dict[str, None] = {}
    for name in SOURCES[language]:
        for row in islice(rows(name), A_SOURCE):
            text = unicodedata.normalize("NFC", row["text"].encode("utf-8", "replace").decode())
            if len(text) > LONGEST:
                text = text[: max(text.rfind("\n", 0, LONGEST), text.rfind(" ", 0, LONGEST), SHORTEST)]
            if len(text) >= SHORTEST:
                found.setdefault(text)
    return list(found)


def pairs(language: str, number: int, seed: str = "edits") -> list[Pair]:
    """``number`` pairs, the kinds in turn, Jaccard aimed at evenly between .45 and 1; each document in turn."""
    rng = random.Random(f"{seed} {language}")
    texts = originals(language)
    rng.shuffle(texts)
    kinds = list(KINDS[language].items())
    made = []
    for place in range(number):
        # An original meets every kind after so many rounds, and never two of them in a row.
        text = texts[place % len(texts)]
        kind, edit = kinds[(place + place // len(texts)) % len(kinds)]
        made.append(Pair(kind, text, edit(text, rng.uniform(0.45, 1.0), rng, SHINGLE[language])))
    return made


def _rate(jaccard: float, n: int) -> float:
    """Share of units that are changed for this Jaccard, where each change breaks n shingles."""
    # Changes that stand near each other break some shingles together.
    return 1.0 - float((2.0 * jaccard / (1.0 + jaccard)) ** (1.0 / n))


def spacing_ko(text: str, jaccard: float, rng: random.Random, n: int) -> str:
    rate = rng.random() / 2
    return "".join(
        "" if c == " " and rng.random() < rate else c + " " * (rng.random() < rate / 8) for c in text
    )


def spacing_en(text: str, jaccard: float, rng: random.Random, n: int) -> str:
    rate = _rate(jaccard, n + 1)
    return "".join(_other_space(c, rate, rng) if c == " " else c for c in text)


def _other_space(space: str, rate: float, rng: random.Random) -> str:
    if rng.random() < rate:
        return ""
    return rng.choice((" ", " ", "  ", "\n"))


_PARTICLES = {
    "은": ("이", "도", ""),
    "는": ("가", "도", ""),
    "이": ("은", "도", ""),
    "가": ("는", "도", ""),
    "을": ("은", ""),
    "를": ("는", ""),
    "과": ("이랑", "하고"),
    "와": ("랑", "하고"),
    "에서": ("에",),
    "에게": ("한테",),
    "에": ("에서", "엔"),
    "으로": ("로", "으로써"),
    "의": ("",),
    "도": ("까지도", "또한"),
}
_PARTICLE = re.compile(rf"(?<=[가-힣])({'|'.join(sorted(_PARTICLES, key=len, reverse=True))})(?=[\s,.])")


def particles_ko(text: str, jaccard: float, rng: random.Random, n: int) -> str:
    units = sum(not c.isspace() for c in text)
    chance = _rate(jaccard, n + 1) * units / max(1, len(_PARTICLE.findall(text)))
    return _PARTICLE.sub(
        lambda found: rng.choice(_PARTICLES[found[0]]) if rng.random() < chance else found[0], text
    )


_SMALL = ("a", "the", "of", "in", "on", "at", "to", "for", "by", "with", "from", "this", "that", "these")
_SMALL_WORD = re.compile(rf"\b({'|'.join(_SMALL)})\b")


def particles_en(text: str, jaccard: float, rng: random.Random, n: int) -> str:
    chance = _rate(jaccard, n) * len(text.split()) / max(1, len(_SMALL_WORD.findall(text)))
    return _SMALL_WORD.sub(lambda found: rng.choice(_SMALL) if rng.random() < chance else found[0], text)


_AROUND = {
    "ko": (
        "({city}=새벽통신) {name} 기자 = ",
        "{name} 기자 {user}@example.co.kr",
        "입력 {year}.{month:02d}.{day:02d} {hour:02d}:{minute:02d} 수정 {year}.{month:02d}.{day:02d}",
        "저작권자 ⓒ 새벽통신, 무단 전재 및 재배포 금지",
        "이 글을 {number}명이 추천했습니다. 공유하기 인쇄하기 글자 크기 조절",
        "댓글 {number}개 최신순 공감순 로그인하고 의견을 남겨 주세요",
        "▶ {city} 소식을 더 보시려면 새벽통신을 구독해 주세요",
        "많이 본 글 {number}위 오늘의 날씨와 주말 나들이 안내",
        "홈 > 소식 > {city} > 글 보기 이전 글 다음 글 목록으로",
        "조회수 {number}회 등록일 {year}-{month:02d}-{day:02d} 작성자 {user}",
        "관련 글: {city} 시장 골목에 다시 불이 켜지기까지",
        "관련 글: {name} 씨가 들려주는 첫 직장 이야기 {number}편",
        "개인정보 처리방침 이용약관 고객센터 0{number}-000-0000 광고 문의",
        "본 사이트는 구글 크롬에 최적화되어 있으며 상업적 이용을 금합니다 {number}",
    ),
    "en": (
        "By {name}, staff writer, {city}",
        "Contact the author at {user}@example.com or leave a message with the desk",
        "Published {year}-{month:02d}-{day:02d} {hour:02d}:{minute:02d}, last updated {hour} hours ago",
        "Copyright {year} The {city} Courier. All rights reserved. May not be redistributed.",
        "{number} people like this. Share on social media, print this page, change the text size",
        "{number} comments, newest first. Log in or sign up to join the discussion",
        "Subscribe to our newsletter for more stories from {city} in your inbox every morning",
        "Most read today: number {number}, what to do around {city} this weekend",
        "Home > News > {city} > Article, previous story, next story, back to the list",
        "Viewed {number} times, posted by {user}, filed under general interest",
        "Related: how the old market of {city} came back to life",
        "Related: {name} on a first job and what it taught, part {number}",
        "Privacy policy, terms of use, help centre, advertise with us, call {number} for support",
        "This site uses cookies to give you the best experience. Accept all or manage {number} settings",
    ),
}
_CITIES = {
    "ko": ("서울", "부산", "대구", "광주", "춘천", "제주", "전주"),
    "en": ("Leeds", "Austin", "Cork", "Perth", "Boise"),
}
_NAMES = {
    "ko": ("김새벽", "이가람", "박하늘", "최다온", "정한결"),
    "en": ("Ann Lee", "John Carter", "Maya Stone", "Tom Reed"),
}


def boilerplate(text: str, jaccard: float, rng: random.Random, n: int) -> str:
    """A byline before the text and lines around it until they make up the share that the Jaccard leaves."""
    language = "ko" if re.search("[가-힣]", text) else "en"
    room = len(text) * (1.0 / jaccard - 1.0)
    before: list[str] = []
    after: list[str] = []
    used = 0
    lines = list(_AROUND[language])
    rng.shuffle(lines)
    while lines and used < room:
        line = lines.pop().format(
            city=rng.choice(_CITIES[language]),
            name=rng.choice(_NAMES[language]),
            user=f"user{rng.randrange(10**5)}",
            year=rng.randrange(2005, 2026),
            month=rng.randrange(1, 13),
            day=rng.randrange(1, 29),
            hour=rng.randrange(24),
            minute=rng.randrange(60),
            number=rng.randrange(2, 10_000),
        )
        (before if rng.random() < 0.4 else after).append(line)
        used += len(line)
    return "\n".join([*before, text, *after])


def truncation(text: str, jaccard: float, rng: random.Random, n: int) -> str:
    kept = int(len(text) * jaccard)
    return text[:kept] if rng.random() < 0.75 else text[len(text) - kept :]


_SENTENCE = re.compile(r"(?<=[.!?。])\s+|\n+")


def reordering(text: str, jaccard: float, rng: random.Random, n: int) -> str:
    """Sentences, or stretches of three of them, taken out and put back elsewhere."""
    parts = [part for part in _SENTENCE.split(text) if part]
    together = rng.choice((1, 1, 3))
    parts = [" ".join(parts[i : i + together]) for i in range(0, len(parts), together)]
    units = len(text.split()) if n == SHINGLE["en"] else sum(not c.isspace() for c in text)
    # A move breaks the shingles across three seams.
    moves = round(_rate(jaccard, 1) * units / (3 * (n - 1)))
    for _ in range(max(1, min(moves, 2 * len(parts)))):
        part = parts.pop(rng.randrange(len(parts)))
        parts.insert(rng.randrange(len(parts) + 1), part)
    return "\n".join(parts)


def nfd(text: str, jaccard: float, rng: random.Random, n: int) -> str:
    return unicodedata.normalize("NFD", text)


_ROWS = {
    "ko": ("ㅂㅈㄷㄱㅅㅛㅕㅑㅐㅔ", "ㅁㄴㅇㄹㅎㅗㅓㅏㅣ", "ㅋㅌㅊㅍㅠㅜㅡ"),
    "en": ("qwertyuiop", "asdfghjkl", "zxcvbnm"),
}
_NEIGHBOURS = {
    language: {
        c: [row[i] for i in (place - 1, place + 1) if 0 <= i < len(row)]
        for row in keyboard
        for place, c in enumerate(row)
    }
    for language, keyboard in _ROWS.items()
}
_INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_MEDIALS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_FINALS = " ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"


def typos_ko(text: str, jaccard: float, rng: random.Random, n: int) -> str:
    rate = _rate(jaccard, n)
    return "".join(_wrong_syllable(c, rng) if "가" <= c <= "힣" and rng.random() < rate else c for c in text)


def _wrong_syllable(syllable: str, rng: random.Random) -> str:
    code = ord(syllable) - ord("가")
    initial, medial, final = _INITIALS[code // 588], _MEDIALS[code // 28 % 21], _FINALS[code % 28]
    slip = rng.randrange(5)
    if slip == 0:
        initial = _slipped(initial, _INITIALS, rng)
    elif slip == 1:
        medial = _slipped(medial, _MEDIALS, rng)
    elif slip == 2:
        final = " " if final != " " else rng.choice("ㄴㄹㅅㅇ")
    elif slip == 3:
        # A shift key that was held, or was not: the letters come one by one.
        return initial + medial + final.strip()
    else:
        return syllable + syllable
    whole = (_INITIALS.index(initial) * 21 + _MEDIALS.index(medial)) * 28 + _FINALS.index(final) + ord("가")
    return chr(whole)


def _slipped(letter: str, allowed: str, rng: random.Random) -> str:
    near = [other for other in _NEIGHBOURS["ko"].get(letter, ()) if other in allowed]
    return rng.choice(near or [other for other in allowed if other not in (letter, " ")])


def typos_en(text: str, jaccard: float, rng: random.Random, n: int) -> str:
    rate = _rate(jaccard, n)
    return "".join(
        _wrong_word(word, rng) if len(word) > 1 and word.isalpha() and rng.random() < rate else word
        for word in re.split(r"(\W+)", text)
    )


def _wrong_word(word: str, rng: random.Random) -> str:
    place = rng.randrange(len(word))
    slip = rng.randrange(4)
    if slip == 0:
        near = _NEIGHBOURS["en"].get(word[place].lower())
        return word[:place] + (rng.choice(near) if near else "") + word[place + 1 :]
    if slip == 1:
        return word[:place] + word[place + 1 :]
    if slip == 2:
        return word[:place] + word[place] + word[place:]
    place = min(place, len(word) - 2)
    return word[:place] + word[place + 1] + word[place] + word[place + 2 :]


_MARKS = (
    ('"', "“"),
    ("'", "’"),
    ("-", "–"),
    (".", "。"),
    (",", "，"),
    ("(", "（"),
    (")", "）"),
    ("...", "…"),
    ("?", "？"),
    ("!", "！"),
)


def punctuation(text: str, jaccard: float, rng: random.Random, n: int) -> str:
    for mark, other in _MARKS:
        if rng.random() < 0.5:
            text = text.replace(mark, other)
        elif rng.random() < 0.2 and mark in ",\"'!":
            text = text.replace(mark, "")
    return rng.choice((str, str.upper, str.lower, str.title))(text)


KINDS: dict[str, dict[str, Edit]] = {
    "ko": {
        "spacing": spacing_ko,
        "particles": particles_ko,
        "boilerplate": boilerplate,
        "truncation": truncation,
        "reordering": reordering,
        "nfd": nfd,
        "typos": typos_ko,
        "punctuation": punctuation,
    },
    "en": {
        "spacing": spacing_en,
        "particles": particles_en,
        "boilerplate": boilerplate,
        "truncation": truncation,
        "reordering": reordering,
        "nfd": nfd,
        "typos": typos_en,
        "punctuation": punctuation,
    },
}
