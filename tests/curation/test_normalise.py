"""The normal form of a text: each step, what it leaves alone, and that a second time changes nothing."""

from __future__ import annotations

import re
import time
import unicodedata
from pathlib import Path

import pytest
from curation_texts import documents
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hanji.curation.recipe import Normalisation
from hanji.curation.text.normalise import NormaliseCounts, normalise

OLD_STEPS = Normalisation(jamo=False, fullwidth=False, letter_runs=None, mark_runs=None)
ALL_STEPS = Normalisation(compose_jamo=True, letter_runs=2, mark_runs=3, indent=False)
NO_STEPS = Normalisation(
    newlines=False,
    invisible=False,
    nfc=False,
    jamo=False,
    fullwidth=False,
    spaces=False,
    blank_lines=False,
    letter_runs=None,
    mark_runs=None,
)


def line_by_line(text: str) -> str:
    """The first version of the normal form, a loop over lines: the oracle of what must not change."""
    spaces = re.compile("[ \t\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]+")
    text = re.sub("[\ud800-\udfff]", "\ufffd", text)
    text = re.sub("\r\n?|\u2028|\u2029|\u0085|\v|\f", "\n", text)
    text = re.sub(
        "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u200c\u200e\u200f\u202a-\u202e\u2060\ufeff]",
        "",
        text,
    )
    text = unicodedata.normalize("NFC", text)
    lines = []
    for line in text.split("\n"):
        body = line.lstrip(" \t")
        lines.append(line[: len(line) - len(body)].expandtabs(4) + spaces.sub(" ", body))
    text = re.sub(" +(?=\n|$)", "", "\n".join(lines))
    return re.sub("\n{3,}", "\n\n", text).strip("\n")


CHARACTERS = st.one_of(
    st.sampled_from(
        [
            *" \t\n\r\u3000\u00a0\u200b\u00ad\u0301",
            "e",
            "가",
            "각",
            "ㄱ",
            "ㅏ",
            "ᄀ",
            "ᅡ",
            "ᆨ",
            "ﾡ",
            "ￂ",
            "Ａ",
            "＄",
            "｀",
        ]
    ),
    st.sampled_from(
        [
            "ㅋ" * 7,
            "ㅠ" * 5,
            "!" * 6,
            "." * 9,
            "~" * 5,
            ";" * 6,
            "`",
            "```\n",
            "~~~\n",
            "$",
            "$$",
            "|",
            "    ",
        ]
    ),
    st.characters(),
)
TEXTS = st.lists(CHARACTERS, max_size=40).map("".join)


@settings(max_examples=400, deadline=None)
@given(TEXTS)
@example("e\u200b\u0301")
@example("\u3000가")
@example("＄x$Ａ$")
@example("```\nＡ\n```\u00a0\nＡ")
def test_the_normal_form_is_stable(text: str) -> None:
    for chosen in (Normalisation(), ALL_STEPS, OLD_STEPS):
        once = normalise(text, chosen)
        again = normalise(once.text, chosen)
        assert (again.text, again.counts) == (once.text, NormaliseCounts())
        assert unicodedata.is_normalized("NFC", once.text)
        assert (once.counts == NormaliseCounts()) == (once.text == text)


@settings(max_examples=400, deadline=None)
@given(TEXTS)
def test_spaces_and_newlines_are_what_they_were_before_the_scan(text: str) -> None:
    assert normalise(text, OLD_STEPS).text == line_by_line(text)


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_without_steps_only_lone_surrogates_change(text: str) -> None:
    assert normalise(text, NO_STEPS).text == re.sub("[\ud800-\udfff]", "\ufffd", text)


def test_invisible_characters_go_and_code_keeps_its_indent() -> None:
    text = "\ufeff가\u200b나\r\n\r\n\r\n\r\ndef f():\r\n\treturn  1 \u00ad\n"
    found = normalise(text)
    assert found.text == "가나\n\ndef f():\n    return 1"
    assert (found.counts.invisible, found.counts.newlines, found.counts.blank_lines) == (3, 5, 2)
    assert normalise("a\ud800b").text == "a\ufffdb" and normalise("a\ud800b").counts.surrogates == 1
    assert normalise("  a  b", Normalisation(indent=False)).text == "a b"


@pytest.mark.parametrize(
    ("text", "normal", "step", "count"),
    [
        (unicodedata.normalize("NFD", "한글"), "한글", "composed", 4),
        ("\uf914", "\u6a02", "composed", 1),  # 樂, which Unicode has twice
        ("ﾾￂﾤﾡￚﾩ", "한글", "jamo", 6),
        ("ﾻﾻﾻ", "ㅋㅋㅋ", "jamo", 3),
        ("ᄏᄏᄏ ᅲᅲ", "ㅋㅋㅋ ㅠㅠ", "jamo", 5),
        ("ＡＢＣ１２３！", "ABC123!", "fullwidth", 7),
        ("ㅋㅋㅋㅋㅋㅋㅋ", "ㅋㅋㅋㅋ", "letter_runs", 3),
        ("ㅠㅠㅠㅠㅠ ㅎㅎ", "ㅠㅠㅠㅠ ㅎㅎ", "letter_runs", 1),
        ("정말!!!!!!!", "정말!!!!", "mark_runs", 3),
        ("글쎄......", "글쎄....", "mark_runs", 2),
        ("뭐야;;;;;;;", "뭐야;;;;", "mark_runs", 3),
        ("a\u00a0\u3000 b", "a b", "spaces", 1),
    ],
)
def test_a_step_changes_and_counts_what_it_is_for(text: str, normal: str, step: str, count: int) -> None:
    found = normalise(text)
    assert found.text == normal
    assert found.counts == NormaliseCounts(**{step: count})


def test_letters_that_spell_syllables_are_composed_on_request_and_where_nothing_is_left() -> None:
    for text in ("ㅎㅏㄴㄱㅡㄹ", "ㅋㅋㅋㅋ", "ㄱ자", "ㅎㅏㄴㄱㅡㄹㅋㅋ", "ㅠㅏㅓㅠ"):
        assert normalise(text).text == text
    chosen = Normalisation(compose_jamo=True)
    assert normalise("ㅎㅏㄴㄱㅡㄹ 공부", chosen).text == "한글 공부"
    for text in ("ㅎㅏㄴㄱㅡㄹㅋㅋ", "ㅋㅋㅋㅋ", "ㅇㅏ"):
        assert normalise(text, chosen).text == text


@pytest.mark.parametrize(
    "text",
    [
        "먹었엌ㅋㅋ 좋앜ㅋㅋ",
        "漢字(한자)와 大韓民國(대한민국)",
        "ㄱ자 모양, ㅋㅋ, ㅠㅠ, ㅇㅇ",
        "ᄒᆞᆫ글",
        "제목\n----\n본문\n====\n****\n~~~~~~~~\n........",
        "| a | ㅋㅋㅋㅋㅋㅋㅋ!!!!!!! |\n|---|:-----|",
        "```\nprint('ㅋㅋㅋㅋㅋㅋㅋ!!!!!!!', Ａ)\n```",
        "~~~ python\nＡ = '.......'\n~~~",
        "글\n\n    x = '!!!!!!!ㅋㅋㅋㅋㅋㅋ'  # Ａ".replace("  #", " #"),
        "변수 `a......b` 와 식 $x!!!!!! + Ａ$ 는",
        "$$\nx!!!!!!!\n$$",
        ";;;;;;; Lisp",
        "👩\u200d👩\u200d👧 가족",
    ],
)
def test_what_must_be_kept_is_kept(text: str) -> None:
    assert normalise(text).text == text
    assert normalise(text).counts == NormaliseCounts()


def test_what_stands_beside_code_is_not_spared() -> None:
    text = "우와!!!!!!! `x!!!!!!!` ㅋㅋㅋㅋㅋㅋ\n```\n!!!!!!!\n```\n우와!!!!!!!"
    assert normalise(text).text == "우와!!!! `x!!!!!!!` ㅋㅋㅋㅋ\n```\n!!!!!!!\n```\n우와!!!!"


def test_the_longest_run_can_be_chosen() -> None:
    assert normalise("ㅋㅋㅋㅋ!!!!", Normalisation(letter_runs=1, mark_runs=2)).text == "ㅋ!!"
    assert normalise("ㅋ" * 50, Normalisation(letter_runs=None)).text == "ㅋ" * 50


@pytest.mark.parametrize(
    "unit",
    [
        " ",
        "\t",
        "\n",
        " \n",
        "\u3000",
        "!",
        "ㅋ!",
        "`",
        "$",
        "$$ ",
        "```\n",
        "~~~\n",
        "ᄏ",
        "ﾡ",
        "Ａ$",
        "| !!!!!!\n",
    ],
)
def test_time_grows_with_the_text_and_not_with_its_square(unit: str) -> None:
    def seconds(size: int) -> float:
        text = "ㅋㅋㅋㅋㅋㅋ Ａ" + unit * (size // len(unit)) + "!!!!!!!"
        started = time.process_time()
        normalise(text)
        return time.process_time() - started

    small, large = min(seconds(25_000) for _ in range(3)), min(seconds(400_000) for _ in range(3))
    assert large < 16 * 6 * max(small, 0.002)


def test_the_text_of_the_data_is_what_it_was_but_for_the_new_steps(data_dir: Path) -> None:
    for name in ("ko_petitions", "ko_docs_d2l", "en_docs_progit2", "en_email_spamassassin", "lid_udhr"):
        for text in documents(data_dir, name, 150):
            assert normalise(text, OLD_STEPS).text == line_by_line(text)
            once = normalise(text).text
            assert normalise(once).text == once
