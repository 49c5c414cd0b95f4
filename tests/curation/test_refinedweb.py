"""RefinedWeb counts, against DCLM's rules as its mappers apply them, line list by line list."""

from __future__ import annotations

import re
from collections.abc import Callable

import fasttext
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hanji.curation.decisions.rules import preset_rules
from hanji.curation.signals import unicode
from hanji.curation.signals.refinedweb import COLUMNS, refinedweb_counts
from hanji.curation.signals.refinedweb_ratios import RATIOS
from hanji.curation.signals.spaced import spaced_words

STOP_WORDS = {"the", "be", "to", "of", "and", "that", "have", "with"}
COUNTER = re.compile(
    r"^\W*\d(?:,|\.|\d)*(?:k|m|b)?\s+(?:likes|shares|comments|retweets|reposts|quotes|bookmarks|upvotes|downvotes"
    r"|downloads|views|followers)\W*$"
)
PHRASES = (
    re.compile(r"\s?(?ai:items in cart)"),
    re.compile(r"\s?(?ai:read more)...$"),
    re.compile(r"^(?ai:sign-in)\s?"),
)
PIECES = (
    *(
        " ",
        " ",
        " ",
        "\n",
        "\n",
        "\n\n",
        "\u3000",
        "\u00a0",
        "\t",
        "the",
        "of",
        "That",
        "word",
        "WORD",
        "A",
        "12",
        "1,234",
    ),
    *(
        "3k",
        "likes",
        "VIEWS",
        "followers",
        "Downloads",
        "likesx",
        "items in cart",
        "Items",
        "in",
        "cart",
        "Read more...",
    ),
    *(
        "read more",
        "...",
        ". . .",
        ".",
        "…",
        "#",
        "Sign-in",
        "sign-in",
        "-",
        "* ",
        "● ",
        "•",
        "_",
        "(",
        "가나다",
        "ㅋㅋ",
    ),
    *("漢", "é", "É", "²", "٣", "①", "'", '"', ",", "\x1c", "\r", "x", "ǅ", "s"),
)


def counts(source: str) -> dict[str, int]:
    """Every count of a text, without the names' first part."""
    points = np.array([*map(ord, source), 0], np.int32)
    properties = np.zeros(len(points), np.uint32)
    unicode.look_up(points, len(source), unicode.table(), properties)
    words = np.empty((len(source) // 2 + 1, 4), np.int64)
    number = spaced_words(points, properties, len(source), words)
    row = np.full(len(COLUMNS), 7, np.int64)
    refinedweb_counts(points, properties, words, number, len(source), row)
    return {
        name.removeprefix("refinedweb_"): value for name, value in zip(COLUMNS, row.tolist(), strict=True)
    }


def fasttext_words(text: str) -> int:
    """DCLM's count: fastText's tokens that begin with a letter or digit."""
    return sum(word[0].isalnum() for word in fasttext.FastText.tokenize(text))


def plain_counts(source: str) -> dict[str, int]:
    """The same counts by DCLM's rules, on lines without the white space around them."""
    lines = [line.strip() for line in source.split("\n") if line.strip()]
    text, spaced = "\n".join(lines), source.split()
    found = {
        "words": fasttext_words(text),
        "spaced_words": len(spaced),
        "spaced_word_characters": sum(map(len, spaced)),
        "letterless_words": sum(not any(map(str.isalpha, word)) for word in spaced),
        "stop_words": sum(word.lower() in STOP_WORDS for word in spaced),
        "symbols": sum(text.count(symbol) for symbol in ("#", "...", ". . .", "…")),
        "lines": len(lines),
        "bullet_lines": sum(line.startswith(("●", "•", "*", "-")) for line in lines),
        "ellipsis_lines": sum(line.endswith(("...", ". . .", "…")) for line in lines),
    }
    rules: dict[str, Callable[[str], bool]] = {
        "uppercase": lambda line: sum(map(str.isupper, line)) / len(line) > 0.5,
        "numeric": lambda line: sum(map(str.isdigit, line)) / len(line) > 0.999999,
        "counter": lambda line: bool(COUNTER.search(line.lower())),
        "short": lambda line: len(line.split()) < 2,
    }
    for name, removes in rules.items():
        found[f"{name}_lines"] = sum(map(removes, lines))
        lines = [line for line in lines if not removes(line)]
    left = [without_phrases(line) for line in lines]
    found["phrase_lines"] = sum(a != b for a, b in zip(lines, left, strict=True))
    found["removed_words"] = found["words"] - sum(map(fasttext_words, left))
    return {name.removeprefix("refinedweb_"): found[name.removeprefix("refinedweb_")] for name in COLUMNS}


def without_phrases(line: str) -> str:
    for pattern in PHRASES:
        if len(line.split()) <= 10:
            line = pattern.sub("", line).strip()
    return line


@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
@settings(max_examples=300, deadline=None)
def test_counts_are_those_of_dclm(source: str) -> None:
    assert counts(source) == plain_counts(source)


@given(st.lists(st.sampled_from(PIECES), max_size=25).map(" ".join))
@settings(max_examples=200, deadline=None)
def test_counts_of_spaced_pieces_are_those_of_dclm(source: str) -> None:
    assert counts(source) == plain_counts(source)


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40))
@settings(max_examples=300, deadline=None)
def test_counts_of_odd_unicode_are_those_of_dclm(source: str) -> None:
    assert counts(source) == plain_counts(source)


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("ABOUT US", "uppercase"),
        ("20241231", "numeric"),
        ("3 likes", "counter"),
        ("• 1.2K Followers •", "counter"),
        ("3 people", ""),
        ("3 likes this", ""),
        ("3likes or so", ""),
        ("Home", "short"),
        ("홈", "short"),
        ("The Quick", ""),
        ("SK하이닉스 주가", ""),
    ],
)
def test_a_line_falls_to_the_first_rule_that_removes_it(line: str, rule: str) -> None:
    found = counts(line)
    fallen = [name for name in ("uppercase", "numeric", "counter", "short") if found[f"{name}_lines"]]
    assert fallen == ([rule] if rule else [])
    assert found["removed_words"] == (found["words"] if rule else 0)


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("You have 3 Items in Cart now", 4),
        ("Sign-in to see more", 3),
        ("The first of many Read more...", 4),
        ("The first of many read more >>", 4),
        ("Please sign-in to see more", None),
        ("one two three four five six seven eight nine ten items in cart", None),
    ],
)
def test_phrases_go_from_lines_of_at_most_ten_words(line: str, left: int | None) -> None:
    found = counts(line)
    assert found["phrase_lines"] == (left is not None)
    assert found["removed_words"] == (0 if left is None else found["words"] - left)


def test_a_menu_loses_more_of_its_words_than_prose() -> None:
    prose = "It was the best of times, it was the worst of times.\n" * 10
    menu = prose + "HOME\nContact\n12\n5 comments\n"
    share = RATIOS["refinedweb_removed_word_share"][1]
    for source, expected in ((prose, 0.0), (menu, 5 / 125)):
        columns = {f"refinedweb_{name}": np.array([float(value)]) for name, value in counts(source).items()}
        assert share(columns)[0] == pytest.approx(expected, abs=1e-12)


def test_a_text_without_words_has_no_ratios() -> None:
    columns = {f"refinedweb_{name}": np.array([float(value)]) for name, value in counts("").items()}
    assert all(expression(columns)[0] == 0 for _, expression in RATIOS.values())


def test_the_preset_has_the_published_thresholds() -> None:
    rules = {rule.name.partition(".")[2]: rule for rule in preset_rules("dclm")}
    values = {name: (rule.op, rule.threshold) for name, rule in rules.items()}
    published = {
        "min_words": (">=", 50),
        "max_words": ("<=", 100_000),
        "min_word_length": (">=", 3),
        "max_word_length": ("<=", 10),
        "symbols": ("<=", 0.1),
        "bullets": ("<=", 0.9),
        "ellipsis_lines": ("<=", 0.3),
        "letterless": ("<=", 0.2),
        "stop_words": (">=", 2),
        "removed_words": ("<=", 0.05),
    }
    assert {name: values[name] for name in published} == published
    assert all(rule.description for rule in rules.values())
