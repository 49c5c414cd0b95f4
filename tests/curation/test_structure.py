"""Structure counts: what they say of short texts, and that the kernels agree with plain Python."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structure_reference import plain_counts

from hanji.curation.signals import unicode
from hanji.curation.signals.spaced import spaced_words
from hanji.curation.signals.structure import COLUMNS, structure_counts
from hanji.curation.signals.structure_ratios import RATIOS

PIECES = (
    *(
        " ",
        " ",
        "\n",
        "\n\n",
        "\t",
        "    ",
        "\u3000",
        "\u00a0",
        "\x1c",
        "\x85",
        "```",
        "~~~~",
        "`",
        "```\n",
        "# ",
    ),
    *(
        "- ",
        "* ",
        "1. ",
        "12) ",
        "(가) ",
        "가. ",
        "①",
        "• ",
        "ㅇ ",
        "| ",
        "|",
        "API를",
        "漢字(한자)",
        "한자(漢字)",
        "3월",
    ),
    *(
        "했다",
        "있다",
        "합니다",
        "합니까",
        "하니까",
        "할까",
        "해요",
        "필요",
        "하죠",
        "처음",
        "있음",
        "중요함",
        "게임",
        "것임",
    ),
    *(
        "했어",
        "그렇지",
        "좋네",
        "동네",
        "뭐냐",
        "거야",
        "바다",
        "기사 제목",
        "다",
        "요",
        ".",
        "!",
        "?",
        "…",
        "...",
        "?!",
        "~",
    ),
    *(
        "^^",
        "ㅋㅋ",
        "ㅎㅎㅎ",
        "ㅠㅠ",
        "ㅜ",
        "ㅇㅈ",
        "ㅤ",
        "먹었엌ㅋㅋ",
        "넿ㅎ",
        "♡",
        "😀",
        '"',
        "”",
        "(",
        ")",
        "「",
        "】",
        "*",
    ),
    *(
        "https://a.kr/b_(c)?d=1",
        "http://",
        "www.naver.com",
        "WWW.",
        "daum.net",
        "example.com",
        "mail@a.com",
        "go.kr",
    ),
    *(
        "x = y;",
        "the",
        "don't",
        "#맛집",
        "#",
        "ㄱr나ㄷr",
        "家내手공업",
        "2024-01-03",
        "１２",
        "=====",
        "ｱ",
        "あ",
        "ß",
        "ᄒᆞᆫ",
        "\r",
    ),
)


def structure(source: str) -> dict[str, int]:
    """Every count of a text."""
    points = np.array([*map(ord, source), 0], np.int32)[: len(source) + 1]
    properties = np.zeros(len(points), np.uint32)
    unicode.look_up(points, len(source), unicode.table(), properties)
    words = np.empty((len(source) // 2 + 1, 4), np.int64)
    number = spaced_words(points, properties, len(source), words)
    row = np.full(len(COLUMNS), 7, np.int64)
    structure_counts(points, properties, words, number, len(source), row)
    return dict(zip(COLUMNS, row.tolist(), strict=True))


def counted(source: str) -> dict[str, int]:
    """The counts that are not zero, but for the lengths that every text has."""
    plain = {
        "spaced_words",
        "spaced_word_characters",
        "longest_word",
        "longest_line",
        "line_characters",
        "filled_lines",
    }
    return {name: value for name, value in structure(source).items() if value and name not in plain}


@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
@settings(max_examples=300, deadline=None)
def test_counts_are_those_of_a_plain_implementation(source: str) -> None:
    assert structure(source) == plain_counts(source)


@given(st.text("가다요음함 ㅋㅠㆍab1漢あ .,!?~#-*|`=()[]\"'@:/_\n\t\u3000", max_size=60))
@settings(max_examples=200, deadline=None)
def test_counts_of_any_characters_are_those_of_a_plain_implementation(source: str) -> None:
    assert structure(source) == plain_counts(source)


@given(st.text(max_size=40))
@settings(max_examples=200, deadline=None)
def test_counts_of_odd_unicode_are_those_of_a_plain_implementation(source: str) -> None:
    assert structure(source) == plain_counts(source)


def test_an_eojeol_of_latin_letters_and_a_particle_is_a_mixed_word() -> None:
    found = counted("API를 3월에 大選에 쓴다")
    assert found["hangul_words"] == 4
    assert found["mixed_words"] == 3
    assert (found["hangul_latin_words"], found["hangul_digit_words"], found["hangul_han_words"]) == (1, 1, 1)
    assert "alternating_words" not in found


def test_scripts_that_alternate_within_a_word_are_told_from_a_particle_after_a_name() -> None:
    assert counted("ㄱr나ㄷr라")["alternating_words"] == 1
    assert "alternating_words" not in counted("SK하이닉스는")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            "ㅋㅋㅋㅋ",
            {"jamo_runs": 1, "jamo_run_characters": 4, "longest_jamo_run": 4, "laughing_characters": 4},
        ),
        ("ㅠㅜ", {"jamo_runs": 1, "jamo_run_characters": 2, "longest_jamo_run": 2, "crying_characters": 2}),
        ("ㅇㅈ", {"jamo_runs": 1, "jamo_run_characters": 2, "longest_jamo_run": 2}),
        ("ㅋ", {}),
        ("가ㆍ나", {"hangul_words": 1}),
    ],
)
def test_runs_of_lone_jamo_are_two_or_more(source: str, expected: dict[str, int]) -> None:
    found = structure(source)
    assert {name: found[name] for name in expected} == expected
    assert found["jamo_runs"] == expected.get("jamo_runs", 0)


def test_a_laugh_that_slipped_into_a_syllable_is_counted() -> None:
    assert counted("먹었엌ㅋㅋ")["coda_laughs"] == 1
    assert "coda_laughs" not in counted("먹었어ㅋㅋ")


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ("오늘은 비가 왔다.", "marked_korean_lines"),
        ("그는 말했다”", "formal_ending_lines"),
        ("오늘은 비가 왔다", "formal_ending_lines"),
        ("같이 갈까", "formal_ending_lines"),
        ("정말 맛있어요", "polite_ending_lines"),
        ("정말 맛있어요ㅎㅎ", "polite_ending_lines"),
        ("**참고하세요**", "polite_ending_lines"),
        ("이상 없음", "noun_ending_lines"),
        ("제출이 필요함", "noun_ending_lines"),
        ("벌써 다 먹었어", "casual_ending_lines"),
        ("날씨 좋네~", "casual_ending_lines"),
        ("전국에 비 소식", "headline_lines"),
        ("푸른 바다", "headline_lines"),
        ("자료가 필요", "headline_lines"),
        ("모바일 게임", "headline_lines"),
    ],
)
def test_a_line_ends_in_one_of_the_ways_of_korean(line: str, column: str) -> None:
    ends = [name for name in COLUMNS if name.endswith(("_ending_lines", "_korean_lines", "headline_lines"))]
    assert [name for name in ends if structure(line)[name]] == [column]


@pytest.mark.parametrize("line", ["결론은 다음과 같다:", "가.", "감사^^", "the end", "| 있다 |", "```했다"])
def test_a_line_may_end_in_no_way_of_korean(line: str) -> None:
    found = structure(line)
    assert not any(found[name] for name in COLUMNS if name.endswith(("_ending_lines", "headline_lines")))
    assert found["marked_korean_lines"] == 0


@pytest.mark.parametrize(
    ("source", "ends"),
    [
        ("비가 왔다. 그래서 집에 있었다.", 2),
        ("비가 왔다 그래서 집에 있었다", 2),
        ("감사합니다^^ 다음에 또 올게요ㅋㅋ 안녕", 2),
        ("비가 왔다.그래서 집에 있었다!?", 2),
        ("비가 오다 말다 한다", 1),
        ("1. 가. 나. 다. 라.", 0),
        ("```\n비가 왔다.\n```", 0),
    ],
)
def test_sentences_of_korean_end_with_and_without_marks(source: str, ends: int) -> None:
    assert structure(source)["korean_sentence_ends"] == ends


def test_lines_are_told_apart_by_how_they_begin() -> None:
    found = structure(
        "# 제목\n\n글이다.\n- 하나\n1. 둘\n① 셋\n가. 넷\n3.1 운동\n| 표 | 값 |\n"
        "```py\nx = 1\n\n# 주석\n```\n끝."
    )
    assert (found["heading_lines"], found["list_lines"], found["table_lines"]) == (1, 4, 1)
    assert (found["code_lines"], found["filled_lines"]) == (4, 13)
    assert found["code_characters"] == len("```py" + "x = 1" + "# 주석" + "```")


def test_a_fence_ends_at_as_many_marks_and_an_open_one_at_the_end_of_the_text() -> None:
    assert structure("````\n```\n가\n`````\n나")["code_lines"] == 4
    assert structure("```\n가\n나")["code_lines"] == 3
    assert structure("```a``` 는 낱말이다")["code_lines"] == 0


def test_indented_code_follows_a_blank_line_and_holds_a_mark_of_code() -> None:
    assert structure("예:\n\n    x = f(y);\n\tg();\n끝")["indented_code_lines"] == 2
    assert structure("예:\n    x = f(y);")["indented_code_lines"] == 0
    assert structure("시\n\n    나 보기가 역겨워\n    가실 때에는")["indented_code_lines"] == 0


@pytest.mark.parametrize(
    ("word", "address"),
    [
        ("https://ko.wikipedia.org/wiki/Seoul을", "https://ko.wikipedia.org/wiki/Seoul"),
        ("(http://a.kr/b_(c))", "http://a.kr/b_(c)"),
        ("[글](https://a.kr/b)", "https://a.kr/b"),
        ("www.naver.com,", "www.naver.com"),
        ("naver.com에서", "naver.com"),
        ("korea.go.kr/a?b=1.", "korea.go.kr/a?b=1"),
        ("mail@naver.com", ""),
        ("ASP.NET", ""),
        ("http://", ""),
        ("a/naver.com", ""),
    ],
)
def test_an_address_ends_where_its_particle_begins(word: str, address: str) -> None:
    found = structure(word)
    assert (found["urls"], found["url_characters"]) == (bool(address), len(address))


def test_the_longest_word_is_no_address() -> None:
    assert structure("https://example.org/a-long-address 사회주의자들은")["longest_word"] == 7


def test_marks_are_counted_by_kind() -> None:
    found = structure("“정말?!” 그는 「말」했다~~~ [1] (주)한글 ♥♥ ===== don't 한자(漢字)")
    assert (found["quotation_marks"], found["brackets"], found["parentheses"]) == (4, 2, 4)
    assert (found["shouts"], found["repeated_marks"], found["repeated_mark_characters"]) == (1, 2, 8)
    assert (found["emoji"], found["glossed_hanja"]) == (2, 1)


def test_an_empty_text_has_no_counts_and_no_ratios() -> None:
    found = structure(" \n\u3000\n")
    assert not any(found.values())
    columns = {name: np.array([float(value)]) for name, value in found.items()}
    assert all(expression(columns)[0] == 0 for _, expression in RATIOS.values())


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=25).map("".join))
@settings(max_examples=100, deadline=None)
def test_shares_are_between_nothing_and_all(source: str) -> None:
    columns = {name: np.array([float(value)]) for name, value in structure(source).items()}
    for name, (_, expression) in RATIOS.items():
        assert 0 <= expression(columns)[0] <= (1 if name.endswith("_share") else np.inf), name
