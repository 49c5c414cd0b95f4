"""The kernels' counts against a plain Python reading of the same definitions."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hanji.curation.signals import ratios, text
from hanji.curation.signals.text import ENGLISH_STOP_WORDS, KOREAN_ENDINGS

ALPHABET = "ab Z1가나다요ㅋㅠ漢あé'-.!?…#{}•\n\n \t"
SPACE = " \t\n\r\v\f\u00a0\u0085\u2028\u3000"


def measured(source: str, language: str = "en") -> dict[str, int]:
    table = text.measure(pa.array([source], pa.large_string()), pa.array([language]))
    return {name: column[0].as_py() for name, column in zip(table.column_names, table.columns, strict=True)}


def plain_words(source: str) -> list[str]:
    """Runs of letters and digits; an apostrophe or hyphen inside belongs to a word that has a letter."""
    words, current = [], ""
    for place, character in enumerate(source):
        following = source[place + 1] if place + 1 < len(source) else " "
        joins = character in "'’-" and following.isalnum() and any(c.isalpha() for c in current)
        if character.isalnum() or (current and joins):
            current += character.lower() if character.isascii() else character
        elif current:
            words.append(current)
            current = ""
    return [*words, current] if current else words


def plain_lines(source: str) -> list[str]:
    return [line.strip(SPACE) for line in source.split("\n") if line.strip(SPACE)]


def top_gram(words: list[str], n: int) -> int:
    counts = Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
    most = max(counts.values(), default=1)
    if most < 2:
        return 0
    return max(count * (sum(map(len, gram)) + n - 1) for gram, count in counts.items() if count == most)


def duplicate_grams(words: list[str], n: int) -> int:
    seen, covered, place = set(), 0, 0
    while place + n <= len(words):
        gram = tuple(words[place : place + n])
        if gram in seen:
            covered += sum(map(len, gram)) + n - 1
            place += n
        else:
            seen.add(gram)
            place += 1
    return covered


@given(st.text(ALPHABET, max_size=120))
@settings(max_examples=300, deadline=None)
def test_counts_are_those_of_a_plain_implementation(source: str) -> None:
    found = measured(source)
    words, lines = plain_words(source), plain_lines(source)
    seen = Counter(lines)
    expected = {
        "characters": len(source),
        "words": len(words),
        "word_characters": sum(map(len, words)),
        "alphabetic_words": sum(any(c.isalpha() for c in word) for word in words),
        "hash_symbols": source.count("#"),
        "curly_brackets": source.count("{") + source.count("}"),
        "newlines": source.count("\n"),
        "spaces": sum(c in SPACE for c in source),
        "digits": source.count("1"),
        "hangul": sum("가" <= c <= "힣" for c in source),
        "jamo": sum(c in "ㅋㅠ" for c in source),
        "han": source.count("漢"),
        "kana": source.count("あ"),
        "latin": sum(c in "abZé" for c in source),
        "lines": len(lines),
        "short_lines": sum(len(line) <= 30 for line in lines),
        "bullet_lines": sum(line[0] == "•" or line.startswith("- ") for line in lines),
        "duplicate_lines": len(lines) - len(seen),
        "duplicate_line_characters": sum((count - 1) * len(line) for line, count in seen.items()),
        **{f"top_{n}_gram_characters": top_gram(words, n) for n in (2, 3, 4)},
        **{f"duplicate_{n}_gram_characters": duplicate_grams(words, n) for n in range(5, 11)},
    }
    assert {name: found[name] for name in expected} == expected


@given(st.lists(st.sampled_from(["가을 하늘.", "바람", "\n", "\n\n", "\n\n\n"]), max_size=12))
@settings(deadline=None)
def test_paragraphs_stand_between_blank_lines(parts: list[str]) -> None:
    source = "".join(parts)
    paragraphs = [part for part in re.split("\n{2,}", source) if part.strip("\n")]
    found = measured(source)
    assert found["paragraphs"] == len(paragraphs)
    stripped = Counter(part.strip("\n") for part in paragraphs)
    assert found["duplicate_paragraphs"] == len(paragraphs) - len(stripped)


def test_rows_do_not_leak_into_one_another() -> None:
    sources = ["같은 말 같은 말 같은 말", "", "the cat and the dog", "같은 말"]
    together = text.measure(pa.array(sources, pa.large_string()), pa.array(["ko", "ko", "en", "ko"]))
    for place, (source, language) in enumerate(zip(sources, ("ko", "ko", "en", "ko"), strict=True)):
        alone = measured(source, language)
        assert {name: together.column(name)[place].as_py() for name in alone} == alone


def test_a_sliced_column_gives_its_own_rows() -> None:
    sources = pa.array(["zero", "하나 둘", "three four five"], pa.large_string())
    part = text.measure(sources.slice(1, 2), pa.array(["ko", "en"]))
    assert part.column("words").to_pylist() == [2, 3]


def test_stop_words_are_counted_once_each_and_korean_ones_are_endings() -> None:
    assert measured("The cat that the dog saw and the bird", "en")["stop_words"] == 3
    # 는, 을, 에서 and 다 end words; a word in the middle of which they stand does not count.
    assert measured("나는 책을 도서관에서 읽었다 는개비", "ko")["stop_words"] == 4
    assert len(ENGLISH_STOP_WORDS) == 8 and len(KOREAN_ENDINGS) == 25


@pytest.mark.parametrize(
    ("line", "punctuated", "korean"),
    [
        ("비가 온다.", 1, 0), ("비가 온다", 0, 1), ("비가 와요", 0, 1), ("목록 하나", 0, 0), ("“비가 온다.”", 1, 0),
        ("(비가 온다.)", 1, 0), ("It rains", 0, 0), ("Does it rain?", 1, 0), ("끝…", 1, 0), ("終わり。", 1, 0),
    ],
)  # fmt: skip
def test_ends_of_lines(line: str, punctuated: int, korean: int) -> None:
    found = measured(line, "ko")
    assert (found["punctuated_lines"], found["korean_ending_lines"]) == (punctuated, korean)


def test_sentence_ends_are_counted_and_points_in_numbers_are_not() -> None:
    assert measured("It costs 3.14 dollars. Really?! Yes... Fine.")["sentences"] == 4


def test_a_ratio_with_nothing_below_the_line_is_zero() -> None:
    table = text.measure(pa.array(["", "가 나"], pa.large_string()), pa.array(["ko", "ko"]))
    table = table.append_column("language_score", pa.array([0.0, 1.0]))
    table = table.append_column("payload_bytes", pa.array([0, 5]))
    table = table.append_column("replaced_characters", pa.array([0, 0]))
    for name in ratios.names():
        assert ratios.value(name, table)[0] == 0, name
    assert ratios.value("hangul_share", table)[1] == 1
    with pytest.raises(KeyError, match="no_such"):
        ratios.value("no_such", table)


def test_neighbours_differ() -> None:
    """A hash that did not tell words apart would make duplicates of them."""
    words = [f"word{number}" for number in range(2000)]
    assert measured(" ".join(words))["top_2_gram_characters"] == 0
    assert all(a != b for a, b in pairwise(sorted(text.word_hash(word) for word in words)))
