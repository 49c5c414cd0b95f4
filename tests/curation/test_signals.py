"""The kernels' counts against their definitions in plain Python, and verdicts against datatrove's own filters."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
import signal_definitions as plain
from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from datatrove.utils.text import split_into_sentences
from datatrove.utils.word_tokenizers import load_word_tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st

from hanji.curation.decisions.rules import preset_rules
from hanji.curation.signals import kernels, lines, morphemes, ratios, text, words
from hanji.curation.signals.columns import COLUMNS
from hanji.curation.signals.text import ENGLISH_STOP_WORDS, KOREAN_ENDINGS

PIECES = [
    *(
        "the cat",
        "The dog's",
        "don't",
        "a-b",
        "have",
        "with",
        "가을",
        "하늘은",
        "높다",
        "요ㅋㅋ",
        "漢字",
        "あ",
        "é",
    ),
    *(
        "1",
        "10",
        "1.5",
        "...",
        "…",
        ".",
        "!",
        "?",
        "다.",
        "'",
        '"',
        "-",
        "•",
        "#",
        "{",
        "}",
        "[1]",
        "[edit]",
        "[x",
    ),
    *(
        "javascript",
        "JavaScript",
        "Lorem ipsum",
        "privacy policy",
        "Terms of Use",
        "uses cookies",
    ),
    *(
        " ",
        " ",
        " ",
        " ",
        "  ",
        "\n",
        "\n",
        "\n\n",
        "\n\n\n",
        "\r\n",
        "\t",
        "\u2028",
        "\x0b",
        "\u3000",
        "\u0085",
    ),
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=60).map("".join)


def measured(source: str, language: str = "en") -> dict[str, int]:
    table = text.measure(pa.array([source], pa.large_string()), pa.array([language]))
    return {name: column[0].as_py() for name, column in zip(table.column_names, table.columns, strict=True)}


@cache
def spacy_words() -> Any:
    return load_word_tokenizer("eng")


def compare(source: str, language: str, expected: dict[str, int]) -> None:
    found = measured(source, language)
    assert {name: found[name] for name in expected} == expected


@given(TEXTS)
@settings(max_examples=300, deadline=None)
def test_korean_counts_are_those_of_the_definitions(source: str) -> None:
    words = plain.of_words(plain.korean_words(source), korean=True)
    compare(source, "ko", plain.of_characters(source) | words | plain.of_lines(source))


@given(TEXTS)
@settings(max_examples=200, deadline=None)
def test_english_counts_are_those_of_the_definitions(source: str) -> None:
    words = spacy_words().word_tokenize(source) if source.strip() else []
    c4 = plain.of_c4(source, lambda line: len(split_into_sentences(line, "eng")))
    compare(source, "en", plain.of_words(words, korean=False) | plain.of_lines(source) | c4)


@given(st.lists(st.sampled_from(["1", "10", "0", "a", "ab", "b"]), min_size=5, max_size=60))
@settings(max_examples=200, deadline=None)
def test_n_grams_joined_without_spaces_are_equal_whatever_their_words(words: list[str]) -> None:
    """ "1 10" and "11 0" are one for the rules on duplicates, and two for those on the most frequent."""
    compare(" ".join(words), "ko", plain.of_words(words, korean=True))


def test_every_column_of_the_core_has_a_definition_here() -> None:
    defined = plain.of_characters("") | plain.of_words([], korean=False) | plain.of_lines("")
    defined |= plain.of_c4("", lambda line: 1)
    parts = (kernels.CHARACTER_COLUMNS, words.COLUMNS, lines.LINE_COLUMNS, lines.C4_COLUMNS)
    assert [name for part in parts for name in part] == list(COLUMNS)[: kernels.STRUCTURE]
    assert {name for part in parts for name in part} == set(defined)


def alone(kind: type, **only: Any) -> Any:
    """A filter of datatrove in which one rule is on."""
    off: dict[type, dict[str, Any]] = {
        GopherQualityFilter: dict.fromkeys(
            (
                *("min_doc_words", "max_doc_words", "min_avg_word_length", "max_avg_word_length"),
                *("max_symbol_word_ratio", "max_bullet_lines_ratio", "max_ellipsis_lines_ratio"),
                *("max_non_alpha_words_ratio", "min_stop_words"),
            )
        ),
        GopherRepetitionFilter: dict.fromkeys(
            ("dup_line_frac", "dup_para_frac", "dup_line_char_frac", "dup_para_char_frac")
        )
        | {"top_n_grams": (), "dup_n_grams": ()},
        FineWebQualityFilter: {
            "line_punct_thr": -1,
            "short_line_thr": 2,
            "char_duplicates_ratio": 2,
            "new_line_ratio": 10**9,
        },
        C4QualityFilter: {"filter_no_terminal_punct": False, "min_num_sentences": -1}
        | dict.fromkeys(("filter_lorem_ipsum", "filter_curly_bracket"), False),
    }
    return kind(**(off[kind] | only))


PEERS: dict[str, tuple[type, dict[str, Any]]] = {
    "gopher.min_words": (GopherQualityFilter, {"min_doc_words": 50}),
    "gopher.min_word_length": (GopherQualityFilter, {"min_avg_word_length": 3}),
    "gopher.max_word_length": (GopherQualityFilter, {"max_avg_word_length": 10}),
    "gopher.bullets": (GopherQualityFilter, {"max_bullet_lines_ratio": 0.9}),
    "gopher.ellipsis_lines": (GopherQualityFilter, {"max_ellipsis_lines_ratio": 0.3}),
    "gopher.alphabetic": (GopherQualityFilter, {"max_non_alpha_words_ratio": 0.8}),
    "gopher.stop_words": (GopherQualityFilter, {"min_stop_words": 2}),
    "gopher.duplicate_lines": (GopherRepetitionFilter, {"dup_line_frac": 0.3}),
    "gopher.duplicate_paragraphs": (GopherRepetitionFilter, {"dup_para_frac": 0.3}),
    "gopher.duplicate_line_characters": (GopherRepetitionFilter, {"dup_line_char_frac": 0.2}),
    "gopher.duplicate_paragraph_characters": (GopherRepetitionFilter, {"dup_para_char_frac": 0.2}),
    **{
        f"gopher.top_{n}_gram": (GopherRepetitionFilter, {"top_n_grams": ((n, share),)})
        for n, share in ((2, 0.2), (3, 0.18), (4, 0.16))
    },
    **{
        f"gopher.duplicate_{n}_gram": (GopherRepetitionFilter, {"dup_n_grams": ((n, share),)})
        for n, share in zip(range(5, 11), (0.15, 0.14, 0.13, 0.12, 0.11, 0.10), strict=True)
    },
    "fineweb.punctuated_lines": (FineWebQualityFilter, {"line_punct_thr": 0.12}),
    "fineweb.short_lines": (FineWebQualityFilter, {"short_line_thr": 0.67}),
    "fineweb.duplicate_line_characters": (FineWebQualityFilter, {"char_duplicates_ratio": 0.01}),
    "fineweb.newlines": (FineWebQualityFilter, {"new_line_ratio": 0.3}),
    "c4.sentences": (C4QualityFilter, {"min_num_sentences": 5}),
    "c4.lorem_ipsum": (C4QualityFilter, {"filter_lorem_ipsum": True}),
    "c4.curly_bracket": (C4QualityFilter, {"filter_curly_bracket": True}),
}


def documents() -> list[str]:
    """Texts around every threshold: sentences, menus, lists and code, repeated in all degrees."""
    sentence = "The papermaker has lifted the screen out of the vat, and she lets the water run off it."
    other = [
        "They dry on boards.",
        "How long does it take?",
        "A day, it seems...",
        "• bark and lye",
        "- ashes",
        "###",
    ]
    parts = [
        sentence,
        *other,
        "Home",
        "More …",
        "{ color: red }",
        "lorem ipsum dolor sit",
        "1 2 3 4 5 6 7",
        "It's Mr. Kim's.",
    ]
    made = []
    for seed in range(400):
        chosen = [parts[(seed * 7 + step * (1 + seed % 5)) % len(parts)] for step in range(2 + seed % 23)]
        joint = ("\n", "\n\n", " ")[seed % 3]
        made.append(joint.join([*chosen, *chosen[: seed % 4]]))
    return made


@pytest.mark.parametrize("name", PEERS)
def test_a_rule_alone_gives_datatroves_verdicts(name: str) -> None:
    kind, only = PEERS[name]
    peer = alone(kind, **only)
    rule = next(rule for rule in preset_rules(name.partition(".")[0]) if rule.name == name)
    sources = documents()
    table = text.measure(pa.array(sources, pa.large_string()), pa.array(["en"] * len(sources)))
    ours = rule.keep(ratios.value(rule.signal, table)).tolist()
    theirs = [peer.filter(Document(text=source, id="")) for source in sources]
    assert ours == [verdict if isinstance(verdict, bool) else verdict[0] for verdict in theirs]
    assert 0 < sum(ours) <= len(sources)


def test_phrases_are_found_in_any_case_and_after_citations_are_gone() -> None:
    found = measured(
        "We use coo\u212aies on it.\nIt needs Java[1]Script to run.\nSee the Cookie policy here."
    )
    assert (found["c4_policy_lines"], found["c4_javascript_lines"], found["c4_kept_lines"]) == (2, 1, 0)


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
    # As in datatrove, "The" at the head of a sentence is not "the".
    assert measured("The cat that the dog saw and the bird", "en")["stop_words"] == 3
    assert measured("The cat", "en")["stop_words"] == 0
    # 는, 을, 에서 and 다 end words; a word in the middle of which they stand does not count.
    assert measured("나는 책을 도서관에서 읽었다 는개비", "ko")["stop_words"] == 4
    assert len(ENGLISH_STOP_WORDS) == 8 and len(KOREAN_ENDINGS) == 25


def test_sentence_ends_are_counted_and_points_in_numbers_are_not() -> None:
    assert measured("It costs 3.14 dollars. Really?! Yes... Fine.")["sentences"] == 4


def test_a_ratio_with_nothing_below_the_line_is_zero() -> None:
    table = text.measure(pa.array(["", "가 나"], pa.large_string()), pa.array(["ko", "ko"]))
    for name in ratios.DOCUMENT_COLUMNS | morphemes.COLUMNS | ratios.MODEL_COLUMNS:
        table = table.append_column(name, pa.array([0.0, 1.0]))
    for name in ratios.names():
        # An empty text is one empty piece and one empty paragraph, as re.split has it; NeMo's shares of nothing
        # are 1, as there.
        if name not in ("split_lines", "paragraphs") and not name.startswith("nemo_"):
            assert ratios.value(name, table)[0] == 0, name
    assert ratios.value("hangul_share", table)[1] == 1
    with pytest.raises(KeyError, match="no_such"):
        ratios.value("no_such", table)


def test_neighbours_differ() -> None:
    """A hash that did not tell words apart would make duplicates of them."""
    words = [f"word{number}" for number in range(2000)]
    found = measured(" ".join(words), "ko")
    assert found["top_2_gram_characters"] == len("word0 word1")
    assert found["duplicate_5_gram_characters"] == 0
    assert all(a != b for a, b in pairwise(sorted(text.word_hash(word) for word in words)))
