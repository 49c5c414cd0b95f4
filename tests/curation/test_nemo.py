"""NeMo Curator's heuristic filters: the kernel's counts are those of their definitions in plain Python."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hanji.curation.signals import nemo, unicode
from hanji.curation.signals.nemo_ratios import RATIOS

POLICIES = [
    *(
        "terms of use",
        "privacy policy",
        "cookie policy",
        "uses cookies",
        "privacy overview",
        "use of cookies",
    ),
    *("use cookies", "privacy & cookies policy", "privacy and cookies policy"),
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
    return float(RATIOS[name][1](columns)[0])


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
