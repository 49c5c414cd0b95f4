"""From bytes to text: charsets, the normal form, and pages that hang."""

from __future__ import annotations

import pytest

from hanji.curation.records import Edit
from hanji.curation.text.extract import extract
from hanji.curation.text.sandbox import Sandbox

KOREAN = "도서관에서 책을 빌려 읽었다. 저녁에는 비가 내렸고 우리는 집으로 돌아왔다."


def applied(text: str, edits: list[Edit]) -> str:
    for edit in reversed(edits):
        text = text[: edit.start] + edit.replacement + text[edit.end :]
    return text


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
