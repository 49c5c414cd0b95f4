"""The guess on raw bytes: confident where it turns a page away, silent where it cannot know."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hanji.curation.text.guess import MOST_BYTES, count, guess_page
from hanji.curation.text.guessing import kernels as k
from hanji.curation.text.guessing.tables import load_tables

KOREAN = "도서관에서 책을 빌려 읽었다. 저녁에는 비가 내렸고 바람이 불었으나 우리는 오래 걸었다. " * 8
ENGLISH = "We borrowed a book from the library, and in the evening it rained while the wind was blowing. " * 8
GERMAN = (
    "Wir haben ein Buch aus der Bücherei geholt, und am Abend regnete es, während der Wind über das Dorf ging. "
    * 8
)
FRENCH = (
    "Nous avons pris un livre à la bibliothèque, et le soir il a plu pendant que le vent soufflait dans les rues. "
    * 8
)
RUSSIAN = "Мы взяли книгу в библиотеке, а вечером пошёл дождь, и ветер дул над деревней. " * 8
JAPANESE = "図書館で本を借りて読みました。夕方には雨が降り、風も吹いていましたが、長い間歩きました。" * 8
CHINESE = "我们从图书馆借了一本书，晚上下起了雨，风也刮得很大，可是我们还是走了很久的路。" * 8
VIETNAMESE = (
    "Chúng tôi mượn một cuốn sách của thư viện và đọc những câu chuyện này khi trời mưa vào buổi tối. " * 8
)
ENGLISH_SITE = (
    "<div class='menu'>" + "".join(f"<a href='/{name}'>{name} and services of the site</a>" for name in
    ("Home", "About us", "Products", "Contact", "Terms of use", "Privacy")) + "</div>"
)  # fmt: skip
SCRIPT = (
    "<script>if (a < b && this.value) { for (var i = 0; i < 9; i++) { return the_thing(of, it); } }</script>"
)


def page(text: str, charset: str = "utf-8", lang: str = "", site: str = ENGLISH_SITE + SCRIPT) -> bytes:
    attribute = f' lang="{lang}"' if lang else ""
    return (
        f'<!DOCTYPE html><html{attribute}><head><meta charset="{charset}"><title>Welcome</title></head>'
        f"<body>{site}<p>{text}</p></body></html>"
    ).encode(charset, "xmlcharrefreplace")


@pytest.mark.parametrize("lang", ["", "en", "ko", "de"])
@pytest.mark.parametrize("charset", ["utf-8", "cp949", "utf-16", "ascii"])
def test_korean_is_korean_whatever_the_markup_says(lang: str, charset: str) -> None:
    assert guess_page(page(KOREAN, charset, lang)).language == "ko"


@pytest.mark.parametrize("lang", ["", "en", "ko", "de", "fr"])
def test_english_is_english_whatever_the_markup_says(lang: str) -> None:
    assert guess_page(page(ENGLISH, lang=lang)).language == "en"


@pytest.mark.parametrize("lang", ["", "en", "de"])
@pytest.mark.parametrize(
    ("text", "charset"),
    [
        (GERMAN, "utf-8"),
        (GERMAN, "cp1252"),
        (FRENCH, "utf-8"),
        (FRENCH, "cp1252"),
        (RUSSIAN, "utf-8"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8-r"),
        (JAPANESE, "utf-8"),
        (JAPANESE, "euc_jp"),
        (JAPANESE, "shift_jis"),
        (JAPANESE, "iso2022_jp"),
        (CHINESE, "utf-8"),
        (CHINESE, "gb18030"),
        (CHINESE, "big5"),
        (VIETNAMESE, "utf-8"),
    ],
)
def test_other_languages_are_turned_away_in_english_markup(text: str, charset: str, lang: str) -> None:
    assert guess_page(page(text, charset, lang)).language == "other"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html lang=de><body><p>Kurz und gut.</p>",
        b"<html><p>" + KOREAN.encode("johab"),
        SCRIPT.encode() * 500,
        b"<style>" + b"a{margin:0}" * 20_000 + b"</style>",
        b"<p>1 2 3</p>" * 1_000,
        b"\x1b$)C" + KOREAN.encode("iso2022_kr", "ignore"),
        bytes(range(256)) * 4,
    ],
)
def test_a_page_without_evidence_goes_on(data: bytes) -> None:
    assert guess_page(data).language == "unknown"


def test_a_charset_taken_for_another_does_not_turn_korean_away() -> None:
    wrong = KOREAN.encode("cp949").decode("latin-1")
    assert guess_page(page(wrong, lang="ko")).language != "other"
    assert guess_page(page(wrong), url="https://www.example.co.kr/board/1").language != "other"
    johab = KOREAN.encode("johab")
    assert guess_page(b"<html lang=ko><p>" + johab).language != "other"


def test_korean_beside_navigation_in_another_language_goes_on() -> None:
    menu = "".join(f"<li><a href='/'>{word}</a></li>" for word in GERMAN.split())
    assert guess_page(page(KOREAN[:300], site=menu)).language in ("ko", "unknown")
    assert guess_page(page(ENGLISH, site=menu)).language in ("en", "unknown")


def test_text_after_long_scripts_is_found() -> None:
    long = "<script>" + "var x = function (value) { return value; };\n" * 4_000 + "</script>"
    assert len(long) > 150_000
    assert guess_page(page(KOREAN, site=long)).language == "ko"
    assert guess_page(page(GERMAN, site=long * 2)).language == "other"
    assert guess_page(page(GERMAN, site="<style>" + "p{}" * MOST_BYTES)).language == "unknown"


@given(st.binary(max_size=3_000), st.none() | st.text(max_size=20), st.none() | st.text(max_size=40))
@settings(max_examples=200, deadline=None)
def test_any_bytes_get_a_guess(data: bytes, charset: str | None, url: str | None) -> None:
    assert guess_page(data, charset, url).language in ("ko", "en", "other", "unknown")
    assert guess_page(data, charset, url) == guess_page(bytes(data), charset, url)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_pages_cut_anywhere_get_a_guess(data: st.DataObject) -> None:
    whole = page("한글 <b>&#44032;&eacute;&nbsp;</b> <!-- x --> text", "cp949") + page(RUSSIAN, "cp1251")
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, len(whole)))
    assert guess_page(whole[start:end]).evidence


@given(st.binary(max_size=80), st.integers(0, 90), st.sampled_from(b"<>\x00\x80\xff a"))
@settings(max_examples=400, deadline=None)
def test_the_search_by_eights_finds_what_bytes_find_does(data: bytes, start: int, byte: int) -> None:
    array = np.frombuffer(data, np.uint8)
    eights = np.frombuffer(data, np.uint64, len(data) // 8)
    found = data.find(byte, start)
    assert k.find(array, eights, start, len(data), byte) == (max(len(data), start) if found < 0 else found)


@given(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="<&"), max_size=300))
@settings(max_examples=300, deadline=None)
def test_letters_outside_tags_are_counted_as_python_counts_them(text: str) -> None:
    counts = count(text.encode() + b" ")
    assert counts[k.TEXT, k.ASCII] == sum(c.isascii() and c.isalpha() for c in text)
    assert counts[k.TEXT, k.HANGUL] == sum(
        "가" <= c <= "\ud7fb"
        or "\u1100" <= c <= "\u11ff"
        or "\u3131" <= c <= "\u318f"
        or "\uffa0" <= c <= "\uffdc"
        for c in text
    )
    assert not counts[k.ASIDE].any() and not counts[k.TEXT, k.BYTES]


def test_words_are_found_in_any_charset_and_case() -> None:
    names = load_tables().names
    for data in ("FÜR the für".lower().encode(), "für THE".encode("cp1252")):
        counts = count(b"<p>" + data + b" </p>")[k.TEXT]
        assert counts[k.COUNTS + names.index("en")] == 1
        assert counts[k.COUNTS + names.index("de")] >= 1


def test_real_pages_are_kept_and_others_turned_away(data_dir: Path) -> None:
    kept = []
    for folder in ("html_raw_httpd_en", "html_raw_httpd_ko_euckr"):
        kept += [guess_page(path.read_bytes()).language for path in sorted((data_dir / folder).iterdir())]
    assert kept and "other" not in kept
    other = [guess_page(path.read_bytes()).language for path in (data_dir / "html_raw_httpd_other").iterdir()]
    assert other.count("other") >= 0.7 * len(other)
