"""English words and sentences are spaCy's, token for token, and so are the lists that the package ships."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from curation_texts import documents
from hypothesis import given, settings
from hypothesis import strategies as st

from hanji.curation.signals import english, unicode
from hanji.curation.signals.english_addresses import is_address
from hanji.curation.signals.english_tables import lists, spacy_lists

spacy = pytest.importorskip("spacy", reason="pip install 'hanji[datatrove]'")
URL_MATCH = pytest.importorskip("spacy.lang.tokenizer_exceptions").URL_MATCH
PIPELINE = spacy.blank("en")
PIPELINE.add_pipe("sentencizer")

LISTS = lists()
CASES = sorted({*LISTS.cases, *LISTS.units, *(part for parts in LISTS.cut.values() for part in parts)})
CHARACTERS = (
    " \t\n\u3000\u00a0\u2028 .,:;!?'\"()[]{}<>-–—~+*^=/\\&%$#@_|`…°§£€₩·’‘“”«»「」。、？！，"
    "abcxyzABCSUsdmtkgKFC019٣٤éßÉçñжЖαΑ가나漢あア한ㅋกन😀☃\ufe0f\u200d\u0301²½³µ٪؟।𠀀"
)
ADDRESSES = (
    *("http://", "https://", "ftp://", "mailto:", "www.", "example.com", "a.b.co", ".com", ".kr", "user@"),
    *("foo.bar@", "10.0.0.1", "127.0.0.1", "192.168.1.1", "169.254.1.1", "8.8.8.8", "223.255.255.254"),
    *(
        "224.1.1.1",
        "172.16.0.1",
        "172.15.0.1",
        "172.2٣.0.1",
        "1.2.3.4.5",
        "٣.1.1.1",
        ":80",
        ":8080",
        ":123456",
    ),
    *(
        "/path",
        "?q=1",
        "#x",
        "/a(b)",
        "-",
        "_",
        ".",
        "://",
        "가나.com",
        "한글.한국",
        "a_b.com",
        "-a.com",
        "a-.com",
    ),
    *("x" * 64 + ".com", "x" * 65 + ".com", "a." + "x" * 63, "a." + "x" * 64, "a.b", "A.Com", ".Com", "@"),
)
WORDS = (
    *(
        "Hello",
        "world",
        "don't",
        "DON'T",
        "U.S.",
        "Mr.",
        "e.g.",
        "10a.m.",
        "5km",
        "5km/h",
        "$5",
        "5$",
        "US$5",
    ),
    *(
        "5US$",
        "C$",
        "can't",
        "I'ma",
        "cannot",
        "'s",
        "'S",
        "’s",
        "it's",
        "x:)",
        "(:",
        "wow:-)))",
        ":-)",
        "->",
        "=>",
    ),
    *(
        "well-known",
        "a--b",
        "a---b",
        "a——b",
        "and/or",
        "3+4",
        "3-4",
        "3*-4",
        "9.5",
        "1,000",
        "a,b",
        "key=value",
    ),
    *(
        "a<b",
        "5°C.",
        "°c.",
        "x°C.…",
        "No.1",
        'end."',
        "IS_ALPHA",
        "…",
        "......",
        "…….",
        "a.B",
        "A.b",
        "가.나",
        "가.B",
    ),
    *(
        "안녕하세요.",
        "2024.01.02",
        "3만원",
        "서울(Seoul)은",
        "ㅋㅋㅋ",
        "(*_*)",
        ">_<",
        "...",
        "..",
        "!!",
        "?!",
    ),
)
texts = st.lists(
    st.one_of(
        st.sampled_from(CHARACTERS),
        st.sampled_from(CASES),
        st.sampled_from(ADDRESSES),
        st.sampled_from(WORDS),
        st.sampled_from((" ", " ", "  ", "\n")),
        st.builds(lambda mark, times: mark * times, st.sampled_from(".-:)('…"), st.integers(1, 4)),
        st.characters(exclude_categories=("Cs",)),
    ),
    max_size=20,
).map("".join)


def prepared(text: str) -> tuple[np.ndarray, np.ndarray]:
    """Code points and their properties."""
    points = np.frombuffer(text.encode("utf-32-le"), np.int32)
    properties = np.empty(len(points), np.uint32)
    unicode.look_up(points, len(points), unicode.table(), properties)
    return points, properties


def spans(text: str, begin: int = 0, end: int | None = None) -> tuple[list[tuple[int, int]], int]:
    """Our words of text[begin:end] as places in the text, and how many sentences it has."""
    points, properties = prepared(text)
    end = len(text) if end is None else end
    starts, ends = np.empty(end - begin, np.int32), np.empty(end - begin, np.int32)
    tables = english.tables()
    count = english.english_words(points, properties, begin, end, tables, starts, ends)
    sentences = english.english_sentences(points, properties, begin, end, starts, ends, 0, count)
    return list(zip(starts[:count].tolist(), ends[:count].tolist(), strict=True)), sentences


def words(text: str) -> list[str]:
    return [text[start:end] for start, end in spans(text)[0]]


def spacy_spans(text: str) -> tuple[list[tuple[int, int]], int]:
    """spaCy's tokens but white space, and datatrove's number of sentences: 1 for an empty text."""
    document = PIPELINE(text)
    found = [(token.idx, token.idx + len(token)) for token in document if token.text.strip()]
    return found, max(1, len(list(document.sents))) if len(document) else 1


def test_the_lists_in_the_package_are_those_of_spacy() -> None:
    assert lists() == spacy_lists()


@pytest.mark.parametrize("name", sorted(unicode._spacy_tests()))
def test_the_classes_of_characters_in_the_package_are_those_of_spacy(name: str) -> None:
    test: Callable[[str], bool] = unicode._spacy_tests()[name]
    points = np.array(
        [*range(0x3400), *range(0xA000, 0xAC00), *range(0xD700, 0xD800), *range(0xF900, 0x20000)]
    )
    points = np.concatenate([points, np.arange(0x20000, unicode.POINTS, 97)]).astype(np.int32)
    properties = np.empty(len(points), np.uint32)
    unicode.look_up(points, len(points), unicode.table(), properties)
    ours = properties & unicode.PROPERTIES[name][0] != 0
    assert [hex(p) for p, o in zip(points.tolist(), ours, strict=True) if o != test(chr(p))] == []
    assert ours.any()


@given(texts)
@settings(max_examples=1500, deadline=None)
def test_words_and_sentences_are_those_of_spacy(text: str) -> None:
    assert spans(text) == spacy_spans(text)


@given(texts, texts, texts)
@settings(max_examples=200, deadline=None)
def test_the_words_of_a_stretch_do_not_depend_on_what_is_around_it(
    before: str, text: str, after: str
) -> None:
    found, sentences = spans(before + text + after, len(before), len(before) + len(text))
    shifted = [(start - len(before), end - len(before)) for start, end in found]
    assert (shifted, sentences) == spacy_spans(text)


def test_every_special_case_alone_and_among_others_is_as_in_spacy() -> None:
    for case in CASES:
        for text in (
            case,
            f"({case})",
            f"«{case}».",
            f"x{case}",
            f"{case}x",
            f"-{case}…",
            f"{case} {case}{case}",
        ):
            assert spans(text) == spacy_spans(text), text


@given(st.lists(st.one_of(st.sampled_from(ADDRESSES), st.sampled_from(CHARACTERS)), max_size=8).map("".join))
@settings(max_examples=1500, deadline=None)
def test_an_address_is_what_the_expression_of_spacy_matches(text: str) -> None:
    text = "".join(text.split())
    points, properties = prepared(text)
    assert is_address(points, properties, 0, len(text)) == (URL_MATCH(text) is not None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I don't think so.", ["I", "do", "n't", "think", "so", "."]),
        ("DON'T shout", ["DON'T", "shout"]),
        ("I cannot; Mr. Kim can't.", ["I", "can", "not", ";", "Mr.", "Kim", "ca", "n't", "."]),
        ("at 10a.m. (5km away)", ["at", "10", "a.m.", "(", "5", "km", "away", ")"]),
        ("fun:) or : )", ["fun", ":)", "or", ":", ")"]),
        ("see https://example.com/a?b=(c), or", ["see", "https://example.com/a?b=(c", ")", ",", "or"]),
        ("mail kim@example.co.kr.", ["mail", "kim@example.co.kr", "."]),
        ("8.8.8.8:80/a-b 10.0.0.1:80/a-b", ["8.8.8.8:80/a-b", "10.0.0.1:80", "/", "a", "-", "b"]),
        ("well-known—and/or…so", ["well", "-", "known", "—", "and/or", "…", "so"]),
        ("나는 “학교”에 갔다.", ["나는", "“", "학교”에", "갔다", "."]),
        ("갔다.그래서", ["갔다.그래서"]),  # could be the name of a host
        ("갔다.그\u3000래", ["갔다", ".", "그", "래"]),
        ("", []),
        (" \n\u3000 ", []),
    ],
)
def test_a_text_has_these_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected
    assert spans(text) == spacy_spans(text)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("", 1),
        ("  ", 1),
        ("One. Two! Three?", 3),
        ('He said "no." Then he left.', 2),
        ("No end", 1),
        ("One.  ", 2),  # the second space is a token after the full stop
        ("One. ", 1),
        ("Wait... what?! Yes.", 2),
        ("하나다. 둘이다。셋이다", 2),
    ],
)
def test_a_line_has_as_many_sentences_as_in_datatrove(text: str, sentences: int) -> None:
    split = pytest.importorskip("datatrove.utils.text").split_into_sentences
    assert spans(text)[1] == sentences == len(split(text, language="eng"))


def test_a_row_of_parts_with_a_space_in_it_keeps_its_tokens_from_other_rows() -> None:
    # ": ))" holds ":))" with a space, so ":)" of its first two tokens is not looked at.
    text = "a: )) b:))"
    assert words(text) == ["a", ":", ")", ")", "b", ":))"]
    assert spans(text) == spacy_spans(text)


def test_more_words_than_parts_can_come_out_of_a_case() -> None:
    text = "x°C.…y (°C.)"
    assert spans(text) == spacy_spans(text)
    assert words(text)[:4] == ["x", "°", "C", "."]


def test_a_very_long_word_takes_time_linear_in_its_length() -> None:
    for unit in ("(", ".", "@a.", "a.b@", "a-", "5km", ":)", "°C.…", "://", "a.a:80/"):
        once = _seconds(unit * 20_000)
        assert _seconds(unit * 160_000) < 8 * (once + 0.01) * 3, unit


def _seconds(text: str) -> float:
    points, properties = prepared(text)
    starts, ends = np.empty(len(points), np.int32), np.empty(len(points), np.int32)
    taken = []
    for _ in range(3):
        started = time.process_time()
        english.english_words(points, properties, 0, len(points), english.tables(), starts, ends)
        taken.append(time.process_time() - started)
    return min(taken)


def test_random_text_has_the_words_of_spacy() -> None:
    chance = random.Random(7)
    pool = (*CHARACTERS, *CASES, *ADDRESSES, *WORDS, *WORDS)
    for _ in range(1_500):
        text = "".join(
            chance.choice(pool) + " " * (chance.random() < 0.3) for _ in range(chance.choice((2, 5, 30)))
        )
        assert spans(text) == spacy_spans(text), text


@pytest.mark.parametrize(
    "source", ["en_docs_vue", "en_email_spamassassin", "en_tweets_hate_davidson", "ko_docs_vue", "lid_udhr"]
)
def test_real_text_has_the_words_of_spacy(data_dir: Path, source: str) -> None:
    PIPELINE.max_length = 10_000_000
    different = [text for text in documents(data_dir, source, 40) if spans(text) != spacy_spans(text)]
    assert len(different) == 0
