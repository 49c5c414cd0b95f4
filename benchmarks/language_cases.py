"""Hard cases of language: mixed documents, code beside Korean, romanised Korean, hanja, the North's orthography.

Made from the data's prose by fixed rules, so that the truth is known: two languages joined in known shares,
names written into English, Korean romanised letter by letter.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterator

import numpy as np

from benchmarks.harness import Row, rows
from benchmarks.language_corpus import KOREAN, documents, snippets
from hanji.classifiers.language import LanguageGuess, LanguageIdentifier

_SYLLABLE = 2.3
_CODE_SOURCES = ("ko_docs_d2l", "ko_docs_vue", "html_ko_cheese10yun", "html_ko_d2fault")
_NAMES = ("김민준", "이서연", "박지훈", "서울특별시", "부산", "세종대왕", "훈민정음")
# Letters of initials, vowels and finals, in the order of the syllables in Unicode.
_FINAL = " k k k n n n t l k m l l l p l m p p t t ng t t k t p t"
_ROMANISATIONS = (
    (
        "Revised",
        "g kk n d tt r m b pp s ss  j jj ch k t p h",
        "a ae ya yae eo e yeo ye o wa wae oe yo u wo we wi yu eu ui i",
    ),
    (
        "McCune–Reischauer",
        "k kk n t tt r m p pp s ss  ch tch ch’ k’ t’ p’ h",
        "a ae ya yae ŏ e yŏ ye o wa wae oe yo u wŏ we wi yu ŭ ŭi i",
    ),
)


def case_rows(identifier: LanguageIdentifier) -> Iterator[Row]:
    """A row with a bar for each hard case."""
    yield from _mixed(identifier)
    yield _code(identifier)
    yield _names(identifier)
    for name, first, vowels in _ROMANISATIONS:
        yield from _romanised(identifier, name, first.split(" "), vowels.split(" "))
    yield _southern(identifier)


def _mixed(identifier: LanguageIdentifier) -> Iterator[Row]:
    """Documents of Korean and English prose, joined: the larger is the language, the smaller is reported."""
    choose = random.Random(1)
    korean = [text for _, _, text in documents(("ko_petitions", "ko_court_precedents"), 100, 900)]
    english = [text for _, _, text in documents(("en_gov_18f_handbook", "en_gutenberg_books"), 100, 900)]
    for share, size in itertools.product((0.2, 0.35, 0.65, 0.8), (2_000, 30_000)):
        right, errors = [], []
        for _ in range(100):
            one = _take(korean, int(size * (1 - share) / _SYLLABLE), choose)
            two = _take(english, int(size * share), choose)
            half = len(one) // 2
            joined = choose.choice((f"{one}\n{two}", f"{two}\n{one}", f"{one[:half]}\n{two}\n{one[half:]}"))
            (guess,) = identifier.identify([joined])
            letters = sum(map(str.isalpha, two)), _SYLLABLE * sum(map(str.isalpha, one))
            truth = letters[0] / sum(letters)
            right.append(guess.language == ("en" if truth > 0.5 else "ko"))
            errors.append(abs(_reported(guess) - min(truth, 1 - truth)))
        what = f"{share:.0%} English in Korean, {size:,} letters"
        ours = f"{np.mean(right):.2f} right, share off by {np.mean(errors):.2f}"
        yield Row(
            what, "", ours, "", "≥ 0.95, ≤ 0.10", bool(np.mean(right) >= 0.95 and np.mean(errors) <= 0.1)
        )


def _take(texts: list[str], size: int, choose: random.Random) -> str:
    found = ""
    while len(found) < size:
        found += choose.choice(texts) + "\n"
    return found[:size]


def _reported(guess: LanguageGuess) -> float:
    match = re.search(r"mixed \w+ ([\d.]+)", guess.detail or "")
    return float(match.group(1)) if match else 0.0


def _code(identifier: LanguageIdentifier) -> Row:
    """Korean technical pages, whole, with all of their code."""
    texts = [row.get("text") or row.get("gold_text") or "" for name in _CODE_SOURCES for row in rows(name)]
    texts = [text for text in texts if len(text) >= 100 and re.search("[가-힣]", text)]
    right = float(np.mean([guess.language == "ko" for guess in identifier.identify(texts)]))
    return Row(f"Korean with code, {len(texts)} pages", "", f"{right:.4f} ko", "", "≥ 0.99", right >= 0.99)


def _names(identifier: LanguageIdentifier) -> Row:
    """English in which one word of twenty has a Korean name beside it."""
    choose = random.Random(2)
    texts = []
    for _, _, text in documents(("en_gov_18f_handbook", "en_docs_progit2"), 100, 900):
        words = text[:2_000].split(" ")
        texts.append(
            " ".join(f"{w} ({choose.choice(_NAMES)})" if choose.random() < 0.05 else w for w in words)
        )
    right = float(np.mean([guess.language == "en" for guess in identifier.identify(texts)]))
    return Row(f"English with Korean names, {len(texts)}", "", f"{right:.4f} en", "", "≥ 0.99", right >= 0.99)


def _romanised(
    identifier: LanguageIdentifier, name: str, first: list[str], vowels: list[str]
) -> Iterator[Row]:
    sources = ("ko", "ko_petitions", "ko_news_dps_fixture", "bench_kobest")
    for size in (100, 400):
        texts = [_roman(s.text, first, vowels)[:size] for s in snippets(size) if s.group in sources]
        found = [guess.language for guess in identifier.identify(texts)]
        english, sure = found.count("en") / len(found), found.count("ko-Latn") / len(found)
        what = f"romanised Korean ({name}), {size} letters, {len(texts)}"
        yield Row(what, "", f"{english:.4f} en, {sure:.2f} ko-Latn", "", "≤ 0.01 en", english <= 0.01)


def _roman(text: str, first: list[str], vowels: list[str]) -> str:
    """Letters of each syllable in turn, without changes of sound between syllables."""
    last = _FINAL.split(" ")
    places = ((c, ord(c) - 0xAC00) for c in text)
    return "".join(
        first[at // 588] + vowels[at // 28 % 21] + last[at % 28] if 0 <= at < 11_172 else c
        for c, at in places
    )


def _southern(identifier: LanguageIdentifier) -> Row:
    """The South's texts, old statutes and judgments among them, taken for the North's."""
    texts = [text for _, _, text in documents(KOREAN, 400)]
    wrong = sum("ko-KP" in (guess.detail or "") for guess in identifier.identify(texts))
    share = wrong / len(texts)
    return Row(
        f"called ko-KP of {len(texts):,} southern texts", "", f"{share:.5f}", "", "≤ 0.001", share <= 0.001
    )
