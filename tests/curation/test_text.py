"""From bytes to text: charsets, the normal form, and pages that hang."""

from __future__ import annotations

import codecs
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanji.curation.records import Edit
from hanji.curation.text.charset import codec_for, decode, prescan
from hanji.curation.text.extract import extract
from hanji.curation.text.normalise import normalise
from hanji.curation.text.sandbox import Sandbox

KOREAN = "도서관에서 책을 빌려 읽었다. 저녁에는 비가 내렸고 우리는 집으로 돌아왔다."


def applied(text: str, edits: list[Edit]) -> str:
    for edit in reversed(edits):
        text = text[: edit.start] + edit.replacement + text[edit.end :]
    return text


@pytest.mark.parametrize("label", ["euc-kr", "EUC-KR", "ks_c_5601-1987", "windows-949", "CP949", " 'uhc' "])
def test_korean_labels_mean_cp949(label: str) -> None:
    assert codec_for(label) == "cp949"
    assert decode("뷁 똠방각하 펲시".encode("cp949"), label.strip(" '")).text == "뷁 똠방각하 펲시"


def test_a_label_that_means_nothing_is_passed_over() -> None:
    assert codec_for("klingon") is None and codec_for(None) is None
    assert codec_for("iso-8859-1") == "cp1252"
    found = decode(KOREAN.encode(), "klingon")
    assert (found.text, found.source) == (KOREAN, "detected")


def test_the_order_is_bom_then_header_then_meta_then_detection() -> None:
    page = f"<meta charset=euc-kr><p>{KOREAN}"
    assert decode(codecs.BOM_UTF8 + page.encode(), "euc-kr").source == "bom"
    assert decode(page.encode("cp949"), "euc-kr").source == "http"
    assert decode(page.encode("cp949"), None).source == "meta"
    assert decode(KOREAN.encode("cp949"), None).source == "detected"
    for data in (codecs.BOM_UTF16_LE + KOREAN.encode("utf-16-le"), KOREAN.encode("cp949"), KOREAN.encode()):
        assert decode(data).text == KOREAN


@pytest.mark.parametrize("said", ["utf-8", "iso-8859-1"])
def test_a_label_that_the_bytes_contradict_is_overruled(said: str) -> None:
    found = decode(KOREAN.encode("cp949"), said)
    assert (found.text, found.charset, found.replaced) == (KOREAN, "cp949", 0)
    assert found.source == "mislabelled-http"
    assert decode(KOREAN.encode(), "euc-kr").text == KOREAN


def test_a_broken_byte_costs_one_character() -> None:
    data = KOREAN.encode()
    for place in (7, 12):
        start = len(KOREAN[:place].encode())
        found = decode(data[:start] + b"\xff" + data[start:], "utf-8")
        assert (found.charset, found.replaced) == ("utf-8", 1)
        assert found.text == f"{KOREAN[:place]}\ufffd{KOREAN[place:]}"


@pytest.mark.parametrize(
    ("head", "label"),
    [
        (b'<meta charset="euc-kr">', "euc-kr"),
        (b"<META HTTP-EQUIV=Content-Type CONTENT='text/html; charset=ks_c_5601-1987'>", "ks_c_5601-1987"),
        (b'<!-- <meta charset="shift_jis"> --><meta charset=utf-8>', "utf-8"),
        (b'<?xml version="1.0" encoding="euc-kr"?><html>', "euc-kr"),
        (b'<meta name="description" content="charset=utf-7">', None),
        (b"<p>no meta", None),
    ],
)
def test_the_prescan_finds_what_a_page_says_of_itself(head: bytes, label: str | None) -> None:
    assert prescan(head) == label


@given(st.binary(max_size=300), st.sampled_from([None, "utf-8", "euc-kr", "utf-16le", "nonsense"]))
def test_decoding_never_raises(data: bytes, label: str | None) -> None:
    found = decode(data, label)
    found.text.encode("utf-8")
    assert found.replaced >= 0


@given(st.text(max_size=200))
def test_the_normal_form_is_stable(text: str) -> None:
    once, _ = normalise(text)
    assert normalise(once) == (once, 0)
    assert unicodedata.is_normalized("NFC", once)


def test_invisible_characters_go_and_code_keeps_its_indent() -> None:
    text = "\ufeff가\u200b나\r\n\r\n\r\n\r\ndef f():\r\n\treturn  1 \u00ad\n"
    assert normalise(text) == ("가나\n\ndef f():\n    return 1", 0)
    assert normalise(unicodedata.normalize("NFD", "한글"))[0] == "한글"
    assert normalise("a\ud800b") == ("a\ufffdb", 1)


@pytest.mark.parametrize("extractor", ["resiliparse", "trafilatura"])
def test_extraction_takes_the_article_and_leaves_the_menu(extractor: str) -> None:
    paragraphs = "".join(f"<p>{KOREAN} {number}번째 문단이다.</p>" for number in range(4))
    page = (
        "<html><head><title>제목 &lt;b&gt;</title></head><body><nav><a href=/>처음</a> <a href=/a>소개</a></nav>"
        f"<article>{paragraphs}</article><footer>이용약관</footer><script>var x=1</script></body></html>"
    )
    found = extract(page, extractor)
    assert found.text.count("도서관에서") == 4
    assert "이용약관" not in found.text and "var x" not in found.text
    assert found.title == "제목 <b>"


def test_a_title_that_is_a_script_is_text() -> None:
    found = extract("<title><script>alert(1)</script></title><p>본문이다.</p>", "resiliparse")
    assert found.title == "<script>alert(1)</script>"


def test_a_parser_that_dies_costs_its_page_and_no_other() -> None:
    sandbox = Sandbox("resiliparse", 20.0)
    try:
        assert "하나" in sandbox.extract(["<p>하나"])[0].text
        assert sandbox._child is not None
        sandbox._child.kill()
        first, second = sandbox.extract(["<p>둘째 쪽이다.", "<p>셋째 쪽이다."])
        answers = [first, second]
        assert all(answer.error is None or answer.error.startswith("extract-crash") for answer in answers)
        assert "셋" in second.text
    finally:
        sandbox.close()


def test_a_page_that_takes_too_long_is_one_failure() -> None:
    slow = "<div>" * 200_000 + "<p>깊다" + "<table><tr><td>" * 20_000
    sandbox = Sandbox("trafilatura", 0.05)
    try:
        first, second = sandbox.extract([slow, "<p>짧은 글이다.</p>"])
        assert first.error is not None and first.error.startswith("extract-timeout")
        assert second.error is None or second.error.startswith("extract-timeout")
    finally:
        sandbox.close()
