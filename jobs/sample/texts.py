"""What the pages of the sample corpus say: paragraphs drawn from hand-written sentences.

Two articles about one topic share at most two thirds of the shorter one's sentences, well below what counts
as a near duplicate, and the places, years and numbers in them differ.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from random import Random

_DIGIT = re.compile("[0-9]")
HERE = Path(__file__).parent / "texts"
PLACES = {
    "ko": ["안동", "전주", "통영", "강릉", "나주", "순천", "원주", "공주", "밀양", "제천", "고창", "영월"],
    "en": ["Ashford", "Kelling", "Morwen", "Dunmore", "Harwick", "Selby", "Tarbet", "Wexcombe", "Oakhaven"],
}
THINGS = {
    "ko": ["공기청정기", "무선 이어폰", "캠핑 의자", "전기 주전자", "노트북 가방", "로봇 청소기", "손전등"],
    "en": ["air fryer", "office chair", "phone case", "blender", "yoga mat", "desk lamp", "water bottle"],
}
SENTENCES_OF_AN_ARTICLE = (9, 12)
MOST_SHARED = 2 / 3


@dataclass(frozen=True)
class Article:
    """A title and paragraphs of plain text."""

    title: str
    paragraphs: tuple[str, ...]

    @property
    def text(self) -> str:
        return "\n".join(self.paragraphs)


class Author(Random):
    """The source of chance, which remembers the sentences of each article so that none is written twice."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.written: dict[str, list[frozenset[int]]] = {}

    def draw(self, topic: str, sentences: int) -> list[int]:
        """Positions of an article's sentences in the topic's pool, in order."""
        earlier = self.written.setdefault(topic, [])
        while True:
            drawn = frozenset(self.sample(range(sentences), self.randint(*SENTENCES_OF_AN_ARTICLE)))
            if all(len(drawn & other) <= MOST_SHARED * min(len(drawn), len(other)) for other in earlier):
                earlier.append(drawn)
                return sorted(drawn)


@cache
def pools(name: str) -> dict[str, tuple[str, ...]]:
    """Sentences by heading of a file in texts/."""
    found: dict[str, list[str]] = {}
    for line in (HERE / f"{name}.txt").read_text("utf-8").splitlines():
        if line.startswith("# "):
            sentences = found.setdefault(line[2:], [])
        elif line:
            sentences.append(line)
    return {title: tuple(sentences) for title, sentences in found.items()}


def topics(language: str) -> list[str]:
    return list(pools(f"articles-{language}"))


def article(rng: Author, language: str, topic: str) -> Article:
    """An article of three or four paragraphs, its sentences in the order of the pool."""
    pool = pools(f"articles-{language}")[topic]
    chosen = [pool[index] for index in rng.draw(topic, len(pool))]
    return Article(f"{topic} – {rng.choice(PLACES[language])}", _paragraphs(rng, language, chosen, 3))


def everyday(rng: Random, language: str, kind: int, count: int) -> Article:
    """Low-quality text. ``kind``: 0 diary, 1 advertising, 2 machine-made, 3 message board."""
    pool = list(pools(f"everyday-{language}").values())[kind]
    chosen = rng.sample(pool, min(count, len(pool)))
    thing = rng.choice(THINGS[language])
    paragraphs = _paragraphs(rng, language, chosen, 2, thing)
    return Article(fill(rng, language, chosen[0], thing).rstrip(".!?"), paragraphs)


def fill(rng: Random, language: str, sentence: str, thing: str = "") -> str:
    """The sentence with its places, years and numbers filled in."""
    return (
        sentence.replace("{place}", rng.choice(PLACES[language]))
        .replace("{year}", str(rng.randint(1891, 2024)))
        .replace("{count}", str(rng.randint(12, 990)))
        .replace("{thing}", thing)
    )


def edited(rng: Random, language: str, original: Article) -> Article:
    """A lightly edited copy: another digit in each paragraph, another title, and a sentence at the end."""
    digit = str(rng.randint(1, 9))
    paragraphs = [_DIGIT.sub(digit, text, count=1) for text in original.paragraphs]
    closing = {"ko": "이 글은 다른 곳에서 옮겨 온 것이다.", "en": "This text was first printed elsewhere."}
    return Article(f"{original.title} ({rng.randint(2, 9)})", (*paragraphs, closing[language]))


def _paragraphs(
    rng: Random, language: str, sentences: list[str], least: int, thing: str = ""
) -> tuple[str, ...]:
    filled = [fill(rng, language, sentence, thing) for sentence in sentences]
    count = min(len(filled), rng.randint(least, least + 1))
    cuts = [0, *sorted(rng.sample(range(1, len(filled)), count - 1)), len(filled)]
    return tuple(" ".join(filled[start:end]) for start, end in pairwise(cuts))
