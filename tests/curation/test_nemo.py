"""NeMo Curator's heuristic filters: the kernel's counts are those of their definitions in plain Python."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hanji.curation.decisions.rules import preset_rules
from hanji.curation.signals import nemo, ratios, unicode
from hanji.curation.signals.nemo_phrases import LOREM_IPSUM, may_begin
from hanji.curation.signals.nemo_phrases import POLICIES as POLICIES_AND_WORDS
from hanji.curation.signals.nemo_ratios import RATIOS

POLICIES = [
    *("terms of use", "privacy policy", "cookie policy", "uses cookies", "privacy overview"),
    *("use of cookies", "use cookies", "privacy & cookies policy", "privacy and cookies policy"),
    *(phrase for phrase, _ in POLICIES_AND_WORDS if len(phrase) > 50),
]
ELLIPSES = ("...", "[...]", "…", "(...)", "[…]", "-»", "read more..", "read more")
URL = re.compile(r"https?://(?:[A-Za-z0-9$\-_@.&+/:=?#~]|[!*\(\),]|(?:%[0-9A-Fa-f]{2}))+")


def reference(text: str) -> dict[str, int]:
    """Every count of nemo.COLUMNS, as the filters' definitions have it."""
    words = text.split()
    lines = [line for line in text.split("\n") if line.strip()]
    paragraphs = text.split("\n\n")
    lowered = [paragraph.lower() for paragraph in paragraphs]
    urls = URL.findall(text)
    counts = {
        "nemo_plain_characters": len(re.findall(r"[a-zA-Z0-9\n?!,.]", text)),
        "nemo_digits": len(re.findall("[0-9]", text)),
        "nemo_white_space": sum(text.count(c) for c in "\t\n\r\b "),
        "nemo_brackets": sum(text.count(c) for c in "()[]{}⟨⟩"),
        "nemo_url_characters": sum(map(len, urls)),
        "nemo_pornographic_urls": sum("porn" in url for url in urls),
        "nemo_words": len(words),
        "nemo_word_characters": sum(map(len, words)),
        "nemo_longest_word": max(map(len, words), default=0),
        "nemo_alphabetic_words": sum(any(map(is_alphabetic, word)) for word in words),
        "nemo_symbol_words": sum(
            word in ELLIPSES or len(re.findall("#+", word)) / len(word) > 0.5 for word in words
        ),
        "nemo_common_words": sum(
            word in ("the", "be", "to", "of", "and", "that", "have", "with") for word in words
        ),
        "nemo_lines": len(lines),
        "nemo_line_characters": sum(map(len, lines)),
        "nemo_unique_lines": len(set(lines)),
        "nemo_unique_line_characters": sum(map(len, set(lines))),
        "nemo_bullet_lines": sum(line.strip()[0] in "•‣⁃⁌⁍∙○●◘◦⦾⦿" for line in lines),
        "nemo_unpunctuated_lines": sum(not line.strip().endswith(tuple(".?!\"'")) for line in lines),
        "nemo_ellipsis_lines": sum(line.strip().lower().endswith(ELLIPSES) for line in lines),
        "nemo_paragraphs": len(paragraphs),
        "nemo_unique_paragraphs": len(set(paragraphs)),
        "nemo_unique_paragraph_characters": sum(map(len, set(paragraphs))),
        "nemo_boilerplate_paragraphs": sum(any(p in paragraph for p in POLICIES) for paragraph in lowered),
        "nemo_lorem_ipsum": text.lower().count("lorem ipsum"),
    }
    for n in range(2, 5):
        counts[f"nemo_top_{n}_gram_characters"] = deleted(text, words, n)
    for n in range(5, 11):
        counts[f"nemo_duplicate_{n}_gram_characters"] = duplicated(words, n)
    return counts


def is_alphabetic(character: str) -> bool:
    """Letters, letter numbers and what the file adds (Unicode's Other_Alphabetic is not in Python)."""
    ranges = nemo.tables().alphabetic
    return character.isalpha() or bool(
        ((ranges[:, 0] <= ord(character)) & (ord(character) <= ranges[:, 1])).any()
    )


def grams_of(words: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]


def deleted(text: str, words: Sequence[str], n: int) -> int:
    counts = Counter(grams_of(words, n))
    if not counts:
        return 0
    # The filter takes any of the equally frequent, in the order of a set; here it is the middle one of the text.
    tied = [gram for gram, count in counts.items() if count == max(counts.values())]
    return len(text) - len(text.replace(" ".join(tied[len(tied) // 2]), ""))


def duplicated(words: Sequence[str], n: int) -> int:
    seen: set[tuple[str, ...]] = set()
    marked = np.zeros(len(words), bool)
    spaces = np.zeros(len(words) + 1, bool)
    for place, gram in enumerate(grams_of(words, n)):
        if gram in seen:
            # A space belongs to the word before it; one that overlaps counts the space that joins it as well.
            spaces[place : place + n - 1] = True
            marked[place : place + n] = True
        seen.add(gram)
    return int(
        sum(len(word) for word, is_marked in zip(words, marked, strict=True) if is_marked) + spaces.sum()
    )


def measured(texts: Sequence[str]) -> dict[str, np.ndarray]:
    array = pa.array(texts, pa.large_string())
    _, offsets, data = array.buffers()
    raw = np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(1, np.uint8)
    bounds = np.frombuffer(offsets, np.int64)[: len(texts) + 1]
    table = nemo.nemo_table(raw, bounds, unicode.table(), nemo.tables(), len(nemo.COLUMNS))
    return {name: table[:, place] for place, name in enumerate(nemo.COLUMNS)}


def counts_of(text: str) -> dict[str, int]:
    return {name: int(values[0]) for name, values in measured([text]).items()}


def ratio(name: str, text: str) -> float:
    columns = {"characters": np.array([len(text)])} | measured([text])
    return float(ratios.value(name, pa.table(columns))[0])


def dropped_by(text: str) -> set[str]:
    """The rules of nemo_en that a text breaks."""
    return {
        rule.name.removeprefix("nemo_en.")
        for rule in preset_rules("nemo_en")
        if not rule.keeps(ratio(rule.signal, text))
    }


def encodable(text: str) -> bool:
    return not any(0xD800 <= ord(c) < 0xE000 for c in text)


WORDS = st.sampled_from(
    [
        *(
            "the",
            "be",
            "and",
            "The",
            "#",
            "##",
            "#a#",
            "#a",
            "...",
            "[...]",
            "[…]",
            "…",
            "(...)",
            "-»",
            "а",
            "가나다",
        ),
        *(
            "that",
            "aa",
            "a",
            "a.",
            "다.",
            "12",
            "x²",
            "Ⅳ",
            "ⓐ",
            "①",
            "٣",
            "ि",
            "•",
            "•a",
            "it's",
            "“no”",
            "read",
            "more",
        ),
        *(
            "read more..",
            "http://a.b/c",
            "https://porn.example/%41%4",
            "<http://x>http://",
            "http://%zz",
            "uses",
        ),
        *(
            "cookies",
            "terms of use",
            "privacy",
            "policy",
            "coo\u212aies",
            "Lorem",
            "ipsum",
            "lorem ipsum",
            "use",
            "of",
        ),
    ]
)
GAPS = st.sampled_from(
    [
        " ",
        " ",
        " ",
        " ",
        "  ",
        "\n",
        "\n\n",
        "\n\n\n",
        "\n\n\n\n",
        "\t",
        "\r\n",
        "\u3000",
        "\xa0",
        "\x1c",
        "\b",
    ]
)
TEXTS = st.lists(st.tuples(WORDS, GAPS), max_size=60).map(lambda parts: "".join(w + g for w, g in parts))
FEW = st.lists(
    st.tuples(st.sampled_from(["a", "b", "ab", "ba"]), st.sampled_from([" ", " ", "\n", "  "])), max_size=80
).map(lambda parts: "".join(w + g for w, g in parts))


@settings(max_examples=400, deadline=None)
@given(st.one_of(TEXTS, FEW, st.text(max_size=200).filter(encodable)))
@example("")
@example(" \n\n \n\n\n")
@example("a a aa a a")
@example("a\n\n\nb")
def test_every_count_is_that_of_the_definition(text: str) -> None:
    assert counts_of(text) == reference(text)


def test_documents_of_a_table_do_not_touch_each_other() -> None:
    texts = ["가 나 가 나\n\n가 나", "a b " * 40, "", "terms of use", "x"]
    together = measured(texts)
    for place, text in enumerate(texts):
        assert {name: int(values[place]) for name, values in together.items()} == reference(text)


def test_a_paragraph_is_cut_at_each_pair_of_newlines() -> None:
    assert counts_of("가\n\n\n나\n\n\n\n다")["nemo_paragraphs"] == len(["가", "\n나", "", "다"])


@pytest.mark.parametrize("phrase", POLICIES)
def test_every_policy_is_found_in_any_case_and_within_longer_words(phrase: str) -> None:
    for text in (phrase, phrase.upper(), f"re{phrase.title()}s", phrase.replace("k", "\u212a")):
        assert counts_of(f"가나다 {text}\n\nx")["nemo_boilerplate_paragraphs"] == 1
    assert counts_of(phrase.replace(" ", "\n"))["nemo_boilerplate_paragraphs"] == 0


def test_the_words_at_which_phrases_are_looked_for_are_those_that_the_kernel_stops_at() -> None:
    for phrase, place in (*POLICIES_AND_WORDS, LOREM_IPSUM):
        assert phrase[place - 1] == " "
        assert may_begin(ord(phrase[place]), ord(phrase[place + 1]))


@pytest.mark.parametrize(
    "end",
    [
        *ELLIPSES,
        *(
            "Read More",
            "thread more",
            "read more.",
            "read morex.",
            "readmore",
            "read  more",
            "ead more",
            "….",
        ),
        *(
            "[..]",
            "[....]",
            "x...]",
            "(…)",
            "[…)",
            "»",
            "->",
            "....",
            "..",
            "read more...",
            "더 보기…",
            "“…”",
        ),
    ],
)
def test_a_line_ends_in_an_ellipsis_or_does_not(end: str) -> None:
    for text in (f"가 {end}", f"가{end} \t", end, f"가\n{end}\r\n"):
        assert counts_of(text) == reference(text)


def test_letter_numbers_and_vowel_signs_are_alphabetic() -> None:
    assert counts_of("Ⅳ ⓐ \u093f 12 ① 가 ²")["nemo_alphabetic_words"] == 4


def test_only_digits_from_0_to_9_count() -> None:
    assert counts_of("12 ٣ ３ ²")["nemo_digits"] == 2


@pytest.mark.parametrize(
    ("text", "characters"),
    [
        ("http://", 0),
        ("http:// x", 0),
        ("httpss://a", 0),
        ("HTTP://a", 0),
        ("xhttps://a.b", 11),
        ("<http://a><http://b>", 16),
        ("http://http://a", 15),
        ("http://a%4g", 8),
        ("http://한글", 0),
    ],
)
def test_urls_end_where_the_expression_ends(text: str, characters: int) -> None:
    assert sum(map(len, URL.findall(text))) == characters
    assert counts_of(text)["nemo_url_characters"] == characters


def test_the_most_frequent_pair_goes_wherever_it_stands_even_inside_words() -> None:
    # “a b” stands twice as words, once more in “aa bb”; across a newline it stays.
    text = "a b c a b d aa bb e a\nb"
    assert counts_of(text)["nemo_top_2_gram_characters"] == 3 * len("a b")


def test_an_empty_text_is_full_of_everything() -> None:
    for name in (
        "non_alphanumeric",
        "digit",
        "url",
        "white_space",
        "bracket",
        "top_2_gram",
        "duplicate_10_gram",
    ):
        assert ratio(f"nemo_{name}_share", "") == 1


def test_a_text_with_fewer_words_than_an_n_gram_repeats_itself() -> None:
    assert ratio("nemo_top_4_gram_share", "하나 둘 셋") == 1
    assert ratio("nemo_duplicate_5_gram_share", "하나 둘 셋 넷") == 1
    assert ratio("nemo_duplicate_5_gram_share", "하나 둘 셋 넷 다섯") == 0


def test_a_text_without_words_has_shares_of_0() -> None:
    for name in ("mean_word_length", "alphabetic_word_share", "symbol_word_share", "unique_line_share"):
        assert ratio(f"nemo_{name}", " \n ") == 0


def test_lorem_ipsum_makes_the_whole_text_boilerplate() -> None:
    assert ratio("nemo_boilerplate_share", "가\n\nLorem Ipsum\n\n나") == 1
    assert ratio("nemo_boilerplate_share", "가\n\nterms of use\n\n나\n\n다") == 0.25


def test_a_plain_text_of_fifty_words_passes_and_one_of_forty_nine_does_not() -> None:
    words = ["the" if i % 7 == 0 else f"word{chr(97 + i // 5)}{chr(97 + i % 5)}" for i in range(50)]
    lines = [" ".join(words[i : i + 10]) + "." for i in range(0, 50, 10)]
    assert dropped_by("\n".join(lines)) == set()
    lines[-1] = " ".join(words[40:49]) + "."
    assert dropped_by("\n".join(lines)) == {"min_words"}


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("a b - " * 100, "non_alphanumeric"),
        ("## ... word " * 40, "symbols"),
        ("123 word " * 40, "digits"),
        ("http://a.example/long/path word word " * 40, "urls"),
        ("word\t\t\tword\n\n" * 40, "white_space"),
        ("(a) [b] {c} word " * 40, "brackets"),
        ("one line again\n" * 40, "repeated_lines"),
        ("a paragraph\n\n" * 40, "repeated_paragraphs"),
        ("한국어 문서에는 흔한 영어 낱말이 없다.\n" * 20, "common_words"),
        ("12 " * 30 + "word " * 60, "alphabetic"),
        ("x" * 1001, "longest_word"),
        ("teaser...\n" * 20, "ellipsis_lines"),
        ("• item\n" * 20, "bullets"),
        ("no full stop\n" * 20, "punctuation"),
        ("of it to me " * 50, "min_word_length"),
        ("of it to me " * 50, "top_2_gram"),
        ("of it to me " * 50, "duplicate_10_gram"),
    ],
)
def test_a_rule_drops_what_it_is_there_for(text: str, rule: str) -> None:
    assert rule in dropped_by(text)


def test_every_ratio_is_judged_by_the_preset() -> None:
    assert set(RATIOS) <= {rule.signal for rule in preset_rules("nemo_en")}
