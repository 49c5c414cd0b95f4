"""Two texts side by side: what differs is marked, what is equal folded, and no line is wider than the terminal."""

from __future__ import annotations

import re
import unicodedata

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from hanji.curation.report.sides import MOST_CHARACTERS, align, columns

WORDS = st.sampled_from(
    ["한지는", "닥나무", "껍질로", "paper", "made", "가" * 60, "a", "漢字", "😀", "x" * 45]
)
TEXTS = st.lists(st.tuples(WORDS, st.sampled_from([" ", "\n", "  \n"])), max_size=40).map(
    lambda parts: "".join(word + end for word, end in parts)
)
HEADS = ("이 문서", "the twin")


def plain(left: str, right: str, width: int = 80) -> list[str]:
    return columns(align(left, right), width, False, HEADS)


@given(TEXTS, TEXTS, st.integers(40, 130))
def test_no_line_is_wider_than_the_terminal(left: str, right: str, width: int) -> None:
    lines = plain(left, right, width)
    assert max(cell_len(line) for line in lines) <= width
    bar = {cell_len(line.partition("│")[0]) for line in lines if "│" in line}
    assert len(bar) == 1, "the columns do not stand below each other"


@given(TEXTS, TEXTS)
def test_every_word_that_differs_is_shown_on_its_side(left: str, right: str) -> None:
    for row in align(left, right, 10**6).rows:
        for side, text in ((row.left, left), (row.right, right)):
            for differs, words in side:
                assert not differs or all(word in text for word in words.split())
    differs = any(row.differs for row in align(left, right, 10**6).rows)
    lines = [[line.split() for line in text.split("\n") if line.split()] for text in (left, right)]
    if lines[0] == lines[1]:
        assert not differs
    if not differs:
        assert left.split() == right.split()


def test_lines_that_are_equal_are_folded_and_words_that_differ_marked() -> None:
    shared = "\n".join(f"같은 줄 {number}" for number in range(20))
    lines = plain(f"{shared}\n한지는 좋은 종이다\n{shared}", f"{shared}\n한지는 질긴 종이다\n{shared}")
    assert sum("19 equal lines" in line for line in lines) == 2
    (changed,) = [line for line in lines if "[-" in line]
    assert "한지는 [-좋은-] 종이다" in changed and "한지는 {+질긴+} 종이다" in changed


def test_layout_and_case_make_no_difference() -> None:
    decomposed = unicodedata.normalize("NFD", "한지는  우리   종이다")
    lines = plain(f"Paper\t made\n\n\n{decomposed}", "paper made\n한지는 우리 종이다")
    assert not any("[-" in line or "{+" in line for line in lines)


def test_a_long_text_is_cut_and_said_to_be() -> None:
    long = "\n".join(f"line {number}" for number in range(5000))
    lines = plain(long, long[:1000])
    assert any(
        f"the last {len(long) - MOST_CHARACTERS:,} characters of the left text" in line for line in lines
    )


def test_a_text_cannot_steer_the_terminal() -> None:
    lines = plain("red \x1b[31m bell \x07 \u202e turned", "plain")
    assert not re.search("[\x00-\x1f\u202e]", "".join(lines))


def test_colours_replace_the_marks() -> None:
    lines = columns(align("좋은 종이", "질긴 종이"), 60, True, HEADS)
    shown = "\n".join(lines)
    assert "\x1b[31m좋은\x1b[0m" in shown and "\x1b[32m질긴\x1b[0m" in shown and "[-" not in shown
