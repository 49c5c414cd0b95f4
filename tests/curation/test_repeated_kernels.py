"""Repeated lines: what a line is, the patterns of the method, and lines as edits."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hanji.curation.records import Edit, apply_edits
from hanji.curation.repeated import kernels
from hanji.curation.repeated.kernels import CODE, GREEN, HEADING, NEUTRAL, PLAIN, RED, YELLOW
from hanji.curation.repeated.removal import removal_edits
from hanji.curation.repeated.scanning import Lines, scan

# The patterns as the method was published with (arXiv 2510.24139): the oracle.
PATTERNS = [re.compile(p) for p in ("g{2,}", "g{2,}(y+g{1,})+g", "g{2,}([yr]{0,3}g{1,})+g")]


def lines_of(*texts: str, language: str = "ko") -> Lines:
    return scan(pa.array(texts, pa.large_string()), pa.array([language] * len(texts)))


def kept(colours: str, *, bridge: int = 3, single: bool = False) -> str:
    """The colours as letters g, y, r and n; what is not kept is in upper case."""
    numbers = np.array(["gyrn".index(one) for one in colours], np.uint8)
    keep = np.empty(len(colours), np.bool_)
    kernels.keep_by_pattern(numbers, np.array([0, len(colours)]), bridge, single, keep)
    return "".join(c if k else c.upper() for c, k in zip(colours, keep, strict=True))


def staying(
    colours: str, kinds: str = "", *, letters: int = 10, headings: bool = True, share: float = 1.0
) -> str:
    """What stays after patterns and protections; kinds as p, h and c; what goes is in upper case."""
    numbers = np.array(["gyrn".index(one) for one in colours], np.uint8)
    kind = np.array(["phc".index(one) for one in kinds or "p" * len(colours)], np.uint8)
    bounds = np.array([0, len(colours)])
    keep = np.empty(len(colours), np.bool_)
    kernels.keep_by_pattern(numbers, bounds, 3, True, keep)
    kernels.remove_lines(numbers, kind, np.full(len(colours), letters), bounds, headings, share, keep)
    return "".join(c if k else c.upper() for c, k in zip(colours, keep, strict=True))


@settings(deadline=None)
@given(st.lists(st.text("gyr", max_size=25), max_size=4))
def test_without_single_lines_the_kernel_keeps_what_the_published_patterns_match(
    documents: list[str],
) -> None:
    colours = np.array(["gyr".index(one) for one in "".join(documents)], np.uint8)
    keep = np.empty(len(colours), np.bool_)
    bounds = np.concatenate([[0], np.cumsum([len(one) for one in documents])]).astype(np.int64)
    kernels.keep_by_pattern(colours, bounds, 3, False, keep)
    expected: list[bool] = []
    for document in documents:
        matched = [False] * len(document)
        for pattern in PATTERNS:
            for match in pattern.finditer(document):
                matched[match.start() : match.end()] = [True] * (match.end() - match.start())
        expected += matched
    assert keep.tolist() == expected


def test_patterns_keep_short_stretches_within_text_and_nothing_at_its_ends() -> None:
    assert kept("yrggyrrggry") == "YRggyrrggRY"
    assert kept("ggyrryggyyyyygg") == "ggYRRYggyyyyygg"
    assert kept("gg" + "y" * 9 + "gg") == "gg" + "y" * 9 + "gg"
    assert kept("ggyrrygg", bridge=4) == "ggyrrygg"
    assert kept("gyg") == "GYG"


def test_single_lines_of_text_stay_with_what_is_not_red_between_them() -> None:
    assert kept("gygrgy", single=True) == "gygRgY"
    assert kept("g", single=True) == "g"
    assert kept("ggrrrrg", single=True) == "ggRRRRg"


def test_neutral_lines_are_passed_over_by_the_patterns() -> None:
    assert kept("ggrnrnrgg") == "ggrnrnrgg"
    assert kept("gng") == "gng"
    assert kept("ggrnrnrrgg") == "ggRNRNRRgg"


def test_a_neutral_line_goes_with_its_neighbours() -> None:
    assert staying("rnrgg") == "RNRgg"
    assert staying("nrgg") == "NRgg"
    assert staying("rngg") == "Rngg"
    assert staying("gnn") == "gnn"
    assert staying("nn") == "nn"
    assert staying("ggrn") == "ggRN"


def test_headings_stay_where_their_text_stays() -> None:
    assert staying("rrgg", "phpp") == "Rrgg"
    assert staying("rrgg", "hhpp") == "rrgg"
    assert staying("rrgg", "hppp") == "rRgg"
    assert staying("rryrgg", "hphppp") == "RRyRgg"
    assert staying("rrrgg", "hhppp") == "rrRgg"
    assert staying("rrgg", "hhpp", headings=False) == "RRgg"
    assert staying("ggr", "pph") == "ggR"


def test_code_stays_and_so_does_its_heading() -> None:
    assert staying("rrrgg", "phcpp") == "Rrrgg"
    assert staying("rnrgg", "pcppp") == "RnRgg"


def test_a_document_that_would_lose_more_than_its_share_is_left_alone() -> None:
    assert staying("rrrg", share=0.75) == "RRRg"
    assert staying("rrrg", share=0.5) == "rrrg"
    assert staying("yy", share=1.0) == "YY"


def test_lines_are_compared_by_letters_and_digits_in_one_case_with_every_digit_alike() -> None:
    found = lines_of("조회 1,024 | 추천 37\n  [조회] 9876 … 추천10!\n조회 1024 추천 3\nSubmit\nSUBMIT!")
    assert found.hashes[0] == found.hashes[1]
    assert found.hashes[0] != found.hashes[2]
    assert found.hashes[3] == found.hashes[4]
    assert found.letters.tolist() == [10, 10, 9, 6, 6]


def test_lines_without_letters_or_digits_are_none_and_positions_are_code_points() -> None:
    text = "가나다\n\n---\n𝒜bc é\n|  |\n끝"
    found = lines_of(text, "", "x")
    assert [text[a:b] for a, b in zip(found.starts[:3], found.ends[:3], strict=True)] == [
        "가나다",
        "𝒜bc é",
        "끝",
    ]
    assert found.bounds.tolist() == [0, 3, 3, 4]


def test_one_line_in_two_languages_has_two_hashes() -> None:
    assert lines_of("Share").hashes[0] != lines_of("Share", language="en").hashes[0]


def test_fenced_code_and_headings_are_told() -> None:
    text = "# 소개\n제12조의2(목적)\n제3 장\n제일 장\n【이유】\n"
    text += "```python\nimport os\n```\n본문\n~~~ x\n# y\n~~~\n제2\n12장"
    kinds = lines_of(text).kinds.tolist()
    assert kinds == [HEADING] * 3 + [PLAIN, HEADING, CODE, CODE, PLAIN, CODE, CODE, PLAIN, PLAIN]


def test_the_longest_line_tells_documents_apart_whatever_the_order_of_lines() -> None:
    found = lines_of(
        "짧다\n이것이 가장 긴 줄이다", "이것이 가장 긴 줄이다!\n다른 줄", "가나\n다라", "다라\n가나", ""
    )
    longest = found.longest()
    assert longest[0] == longest[1]
    assert longest[2] == longest[3] != longest[0]
    assert longest[4] == 0


@st.composite
def edited_texts(draw: st.DrawFn) -> tuple[str, list[Edit], list[bool]]:
    line = st.text(st.sampled_from("가나a1 .-"), max_size=6)
    text = "\n".join(draw(st.lists(line, max_size=12)))
    edits = []
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, max(0, len(text) - 1)))
        end = min(len(text), start + draw(st.integers(1, 8)))
        if start == end:  # no step makes an edit of nothing
            continue
        edits.append(Edit("lines", start, end, draw(st.sampled_from(["", "[x]"])), "lines.x"))
    number = draw(st.integers(0, 2**12 - 1))
    return text, edits, [number >> place & 1 == 1 for place in range(12)]


@settings(deadline=None, max_examples=60)
@given(edited_texts())
def test_after_the_edits_exactly_the_lines_that_stay_are_left(
    case: tuple[str, list[Edit], list[bool]],
) -> None:
    original, earlier, keep = case
    text = apply_edits(original, earlier)
    found = lines_of(text)
    keep = (keep * 4)[: len(found)]
    assume(any(keep))  # a document of which nothing is left falls, unedited
    edits = removal_edits(
        text, earlier, found.starts.tolist(), found.ends.tolist(), keep, ["repeated.red"] * len(found)
    )
    left = apply_edits(original, earlier + edits)
    lines = [text[a:b] for a, b, k in zip(found.starts, found.ends, keep, strict=True) if k]
    again = lines_of(left)
    remaining = [left[a:b] for a, b in zip(again.starts, again.ends, strict=True)]
    assert remaining == lines


def test_lines_go_with_the_blank_lines_they_would_leave_doubled() -> None:
    for text, keep, expected in [
        ("메뉴\n\n본문이다\n\n저작권", "010", "본문이다"),
        ("가\n\n나\n\n다", "101", "가\n\n다"),
        ("가\n나\n다", "101", "가\n다"),
        ("가\n\n나\n---\n다\n\n라\n", "1001", "가\n\n라\n"),
        ("가\n\n나\n", "10", "가\n"),
    ]:
        found = lines_of(text)
        edits = removal_edits(
            text, [], found.starts.tolist(), found.ends.tolist(), [k == "1" for k in keep], ["r"] * len(keep)
        )
        assert apply_edits(text, edits) == expected
        assert len(edits) == keep.count("0")


def test_colours_have_the_numbers_that_tables_hold() -> None:
    assert (GREEN, YELLOW, RED, NEUTRAL) == (0, 1, 2, 3)
