"""Mojibake: what is certain is repaired, what is lost is counted, and sound text of any language stays."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from itertools import product
from pathlib import Path

import pytest
from curation_texts import documents
from hypothesis import given, settings
from hypothesis import strategies as st

from hanji.curation.text.charset_codecs import decode_tolerantly
from hanji.curation.text.charset_judges import USUAL
from hanji.curation.text.mojibake import Repaired, repair

KOREAN = "도서관에서 책을 빌려 읽었다. 그 저녁에는 비가 내렸고 우리는 집으로 돌아왔다."
ENGLISH = "It’s “quoted” – and the café isn’t naïve…"


def as_latin(data: bytes) -> str:
    """As programs do that call windows-1252 Latin-1: controls where it has no character."""
    return decode_tolerantly(data, "cp1252")


@pytest.mark.parametrize("read", [as_latin, lambda data: data.decode("latin-1")])
@pytest.mark.parametrize("text", [KOREAN, ENGLISH, f"{KOREAN} {ENGLISH}", "그래 café"])
def test_utf8_read_as_latin_comes_back_once_and_twice(read: Callable[[bytes], str], text: str) -> None:
    wrong = read(text.encode())
    for mojibake in (wrong, read(wrong.encode())):
        found = repair(mojibake)
        assert found == Repaired(text, "utf8-as-latin", sum(char > "\x7f" for char in text), 0)


def test_cp949_read_as_latin_comes_back() -> None:
    found = repair(KOREAN.encode("cp949").decode("latin-1"))
    assert (found.text, found.kind) == (KOREAN, "cp949-as-latin")
    assert repair("ÇÑ±Û ¹®¼­").text == "한글 문서"


def test_utf8_read_as_cp949_comes_back_where_no_byte_was_lost() -> None:
    kept = [word for word in KOREAN.replace(".", "").split() if "\ufffd" not in _as_cp949(word)]
    lost = [word for word in KOREAN.replace(".", "").split() if "\ufffd" in _as_cp949(word)]
    assert kept and lost
    for word in kept:
        assert repair(_as_cp949(f"{word} {word}")).text == f"{word} {word}"
    found = repair(_as_cp949(KOREAN))
    assert found.kind == "utf8-as-cp949" and found.suspects > found.characters


def test_the_byte_80_of_utf8_is_not_lost_in_the_cp949_of_windows() -> None:
    words = ["".join(word) for word in product("가구군규님다도", repeat=3)]
    read = {}
    for word in words:
        with suppress(UnicodeDecodeError):
            read[word] = "\x80".join(part.decode("cp949") for part in word.encode().split(b"\x80"))
    with_control = [word for word in read if "\x80" in read[word]]
    repaired = [word for word in with_control if repair(read[word]).text == word]
    assert len(repaired) > 3
    assert all(repair(read[word]).text in (word, read[word]) for word in read)


def _as_cp949(text: str) -> str:
    return decode_tolerantly(text.encode(), "cp949")


def test_one_quoted_line_of_mojibake_leaves_the_rest_of_a_page_alone() -> None:
    quoted = as_latin(KOREAN.encode())
    page = f"앞 문장이다. « déjà vu »\n{quoted}\n뒤 문장이다 — ÀÉÔ."
    assert repair(page).text == f"앞 문장이다. « déjà vu »\n{KOREAN}\n뒤 문장이다 — ÀÉÔ."
    assert repair(f"사전에서 {quoted} 라고 했다.").text == f"사전에서 {KOREAN} 라고 했다."


@pytest.mark.parametrize(
    "text",
    [
        KOREAN,
        ENGLISH,
        "漢字(한자)와 大韓民國, 媛 二 乙 人間",
        "뷁스러운 똠방각하 펲시 쪕쪕쪕 뚊뛟",
        "« L’été, c’est déjà fini… », dit-elle à Noël, à 5 €",
        "ÄÖÜäöüß ÀÂÇÉÈÊËÎÏÔÛÙÜŸ ÁÉÍÓÚ áéíóúñ¿¡ ÅÆØåæø",
        "INFORMAÇÃO, NAÇÕES, ÓRGÃOS, SÃO, PÃES, AÇÕES",
        "Þórr, Óðinn ok Æsir; þú ert góð; ÞÆÐÖ",
        "┌──┬──┐ │ │ ╔══╗ ▀▄█",
        "👩\u200d👩\u200d👧 😀 ☕ ❤️",
        "int a = b << 2; // ±½¾ £¥§",
        "été à «» × ÷ ° ± µ ¶ · ½ ¼",
        "Việt Nam đẹp quá — tiếng Việt",
        "日本語の文章と中文句子。",
        "Ελληνικά, русский, українська, עברית, العربية",
    ],
)
def test_sound_text_stays(text: str) -> None:
    assert repair(text) == Repaired(text, None, 0, 0)


SENTENCES = st.lists(
    st.lists(st.sampled_from(sorted(USUAL)), min_size=1, max_size=5).map("".join), min_size=4, max_size=12
).map(" ".join)


@settings(max_examples=300, deadline=None)
@given(SENTENCES)
def test_korean_of_any_syllables_is_sound_and_comes_back_from_latin(text: str) -> None:
    assert repair(text).text == text
    assert repair(as_latin(text.encode())).text == text


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200))
def test_repair_never_raises_and_a_repaired_text_stays(text: str) -> None:
    found = repair(text)
    assert (found.characters == 0) == (found.text == text)
    assert (found.kind is None) == (found.characters == 0 and found.suspects == 0)


@pytest.mark.parametrize("unit", ["Ã", "Ã©", "ÇÑ", "媛寃", "\ufffd쒓", "â€™ ", "ÇÑ±Û\n", "í•œ", "é "])
def test_time_grows_with_the_text_and_not_with_its_square(unit: str) -> None:
    def seconds(size: int) -> float:
        text = unit * (size // len(unit))
        started = time.process_time()
        repair(text)
        return time.process_time() - started

    seconds(1_000)
    small, large = min(seconds(10_000) for _ in range(3)), seconds(160_000)
    assert large < 16 * 6 * max(small, 0.004)


SOURCES = (
    *(
        "ko_petitions",
        "ko_court_precedents",
        "ko_docs_d2l",
        "ko_docs_vue",
        "ko_statutes",
        "ko_literature_kim_yujeong",
    ),
    *("ko_news_dps_fixture", "ko_nsmc_reviews", "ko_comments_korean_hate_speech", "ko_curse_detection"),
    *(
        "en_docs_progit2",
        "en_docs_vue",
        "en_gov_18f_handbook",
        "en_gutenberg_books",
        "en_tweets_hate_davidson",
        "lid_udhr",
    ),
)


def test_no_text_of_the_data_is_repaired_that_was_sound(data_dir: Path) -> None:
    changed = Counter(
        name for name in SOURCES for text in documents(data_dir, name, 2_000) if repair(text).text != text
    )
    assert not changed
