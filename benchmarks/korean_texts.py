"""Korean documents around a rule's threshold: sentences of the development data, and more or less of its matter.

``generate(rule, sources)`` gives documents in which that grows from the first to the last; they are the same every
time. Nothing of the data is kept here: the sentences are read when the benchmark runs.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from functools import partial

SENTENCE_SOURCES = ("ko_petitions", "ko_news_dps_fixture", "bench_korquad1_dev_wiki", "ko_docs_vue")
SENTENCES = 4000
POOL = 560
NOUNS = (
    *(
        "감자",
        "고추",
        "배추",
        "양파",
        "마늘",
        "당근",
        "오이",
        "호박",
        "버섯",
        "콩나물",
        "시금치",
        "상추",
        "깻잎",
    ),
    *("두부", "김치", "국수", "만두", "사과", "포도", "딸기", "수박", "참외", "복숭아", "자두", "살구", "귤"),
)
PARTICLED = ("감자는", "고추를", "배추에서", "양파의", "마늘에")
LONG_WORDS = (
    *("internationalization", "characteristically", "implementation", "documentation", "configuration"),
    *("synchronization", "responsibilities", "straightforward"),
)
PHRASE = ("무료", "상담", "전화", "번호")

Maker = Callable[[random.Random, list[str], float], str]


def generate(name: str, sources: dict[str, list[str]]) -> list[str]:
    """POOL documents for a rule of GENERATED, what it counts growing from none to well beyond the threshold."""
    sentences = _sentences(sources)
    # Rules that differ in n alone get the same documents: datatrove need not read them six times.
    seed = re.sub(r"\d+", "n", name)
    return [GENERATED[name](random.Random(f"{seed} {i}"), sentences, i / (POOL - 1)) for i in range(POOL)]


def _sentences(sources: dict[str, list[str]]) -> list[str]:
    """Sentences of 20 to 90 characters, without what rules count apart from their full stop."""
    found: dict[str, None] = {}
    for source in SENTENCE_SOURCES:
        here: dict[str, None] = {}
        for text in sources.get(source, []):
            for one in re.findall(r"[가-힣][^.!?\n#…\-]{18,88}[다요]\.", text):
                here[one] = None
            if len(here) >= SENTENCES // len(SENTENCE_SOURCES):
                break
        found |= here
    return list(found)


def _some(rng: random.Random, sentences: list[str], low: int, high: int) -> list[str]:
    return rng.sample(sentences, rng.randint(low, high))


def _mixed(
    rng: random.Random, sentences: list[str], share: float, make: Callable[[random.Random, str], str]
) -> str:
    """Sentences in which a share of the eojeol is replaced."""
    eojeol = " ".join(_some(rng, sentences, 5, 9)).split(" ")
    return " ".join(make(rng, one) if rng.random() < share else one for one in eojeol)


def _duplicate_lines(rng: random.Random, sentences: list[str], share: float) -> str:
    lines = _some(rng, sentences, 10, 16)
    copies = round(0.7 * share * len(lines))
    for place in rng.sample(range(1, len(lines)), min(copies, len(lines) - 1)):
        lines[place] = lines[rng.randrange(place)]
    return "\n".join(lines)


def _few_duplicate_lines(rng: random.Random, sentences: list[str], share: float) -> str:
    return _duplicate_lines(rng, sentences, 0.5 * share)


def _repeated_phrase(n: int, rng: random.Random, sentences: list[str], share: float) -> str:
    """An n-gram of nouns again and again, with less and less between."""
    eojeol = " ".join(_some(rng, sentences, 5, 8)).split(" ")
    step = 1.0 + 9.0 * (1.0 - share)
    out, due = [], step
    for place, one in enumerate(eojeol):
        out.append(one)
        if place + 1 >= due:
            out += PHRASE[:n]
            due += step * rng.uniform(0.6, 1.4)
    return " ".join(out)


def _repeated_sentences(rng: random.Random, sentences: list[str], share: float) -> str:
    once = _some(rng, sentences, 8, 12)
    copies = round(0.65 * share * len(once))
    out = once + rng.choices(once, k=copies)
    rng.shuffle(out)
    return " ".join(out)


def _few_full_stops(rng: random.Random, sentences: list[str], share: float) -> str:
    lines = [one.removesuffix(".") for one in _some(rng, sentences, 12, 30)]
    for place in rng.sample(range(len(lines)), round(0.13 * share * len(lines))):
        lines[place] += "."
    return "\n".join(lines)


def _many_lines(rng: random.Random, sentences: list[str], share: float) -> str:
    eojeol = " ".join(_some(rng, sentences, 5, 9)).split(" ")
    newline = 0.9 * share
    return eojeol[0] + "".join(("\n" if rng.random() < newline else " ") + one for one in eojeol[1:])


def _marked_lines(
    before: str, after: str, most: float, rng: random.Random, sentences: list[str], share: float
) -> str:
    lines = _some(rng, sentences, 8, 16)
    for place in rng.sample(range(len(lines)), round(most * share * len(lines))):
        lines[place] = f"{before}{lines[place].removesuffix('.')}{after}"
    return "\n".join(lines)


def _stop_words(rng: random.Random, sentences: list[str], share: float) -> str:
    """Nouns alone, and up to four particles."""
    eojeol = [rng.choice(NOUNS) for _ in range(rng.randint(60, 90))]
    for word in rng.sample(PARTICLED, round(4 * share)):
        eojeol[rng.randrange(len(eojeol))] = word
    return " ".join(eojeol)


def _blank(rng: random.Random, sentences: list[str], share: float) -> str:
    blank = "".join(rng.choices(" \n\t\u3000", k=rng.randint(1, 30)))
    return blank if share < 0.5 else blank + rng.choice(sentences)


def _hash(rng: random.Random, word: str) -> str:
    return rng.choice((f"#{word}", f"# {word}"))


def _ellipsis(rng: random.Random, word: str) -> str:
    return word + rng.choice(("…", "..."))


def _number(rng: random.Random, word: str) -> str:
    return rng.choice((f"{rng.randint(1, 99)}", f"{rng.randint(1, 99)},{rng.randint(100, 999)}", "/", "("))


def _long_word(rng: random.Random, word: str) -> str:
    return rng.choice(LONG_WORDS)


def _replacing(make: Callable[[random.Random, str], str], most: float) -> Maker:
    return lambda rng, sentences, share: _mixed(rng, sentences, most * share, make)


GENERATED: dict[str, Maker] = {
    "duplicate_lines": _duplicate_lines,
    **{f"top_{n}_gram": partial(_repeated_phrase, n) for n in range(2, 5)},
    **{f"duplicate_{n}_gram": _repeated_sentences for n in range(5, 11)},
    "empty": _blank,
    "punctuated_lines": _few_full_stops,
    "duplicate_line_characters": _few_duplicate_lines,
    "newlines": _many_lines,
    "max_word_length": _replacing(_long_word, 0.95),
    "hashes": _replacing(_hash, 0.6),
    "ellipses": _replacing(_ellipsis, 0.6),
    "bullets": partial(_marked_lines, "- ", ".", 1.0),
    "ellipsis_lines": partial(_marked_lines, "", "…", 0.6),
    "alphabetic": _replacing(_number, 0.9),
    "stop_words": _stop_words,
}
"""By rule: what makes a document (random numbers, sentences, how much of the matter: 0 to 1)."""
