"""Pages to text: what is content, how it is written, titles and dates, and markup of any kind."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hanji.curation.text.extract import MAX_BYTES, Extracted, extract
from hanji.curation.text.page.facts import TITLE_CHARACTERS, iso_date
from hanji.curation.text.page.strip import strip

KOREAN = "도서관에서 책을 빌려 읽었다. 저녁에는 비가 내렸고 우리는 집으로 돌아왔다."
ENGLISH = "The paper mill stands by the river, and its wheel has turned for two hundred years."


def hanji(html: str, structure: str = "markdown") -> str:
    return extract(html, "hanji", structure=structure).text


def prose(times: int = 4, sentence: str = KOREAN) -> str:
    return "".join(f"<p>{sentence} {number}번째 문단이다.</p>" for number in range(times))


@pytest.mark.parametrize("extractor", ["hanji", "resiliparse", "trafilatura"])
def test_extraction_takes_the_article_and_leaves_the_menu(extractor: str) -> None:
    page = (
        "<html><head><title>제목 &lt;b&gt;</title></head><body><nav><a href=/>처음</a> <a href=/a>소개</a></nav>"
        f"<article>{prose()}</article><footer>이용약관</footer><script>var x=1</script></body></html>"
    )
    found = extract(page, extractor)
    assert found.text.count("도서관에서") == 4
    assert "이용약관" not in found.text and "var x" not in found.text
    assert found.title == "제목 <b>"
    assert found.extractor == extractor


@pytest.mark.parametrize(
    "name", ["sidebar", "related-posts", "commentList", "share_box", "newsletter-signup"]
)
def test_parts_named_as_boilerplate_go(name: str) -> None:
    page = f"<div class=content>{prose()}<div class='{name}'><p>{ENGLISH}</p><p>{ENGLISH}</p></div></div>"
    text = hanji(page)
    assert text.count("도서관에서") == 4 and "river" not in text


@pytest.mark.parametrize("name", ["has-sidebar", "no-comments", "page-with-related"])
def test_a_name_that_only_mentions_boilerplate_is_none(name: str) -> None:
    assert hanji(f"<body class='{name}'><div class='{name}'>{prose()}</div>").count("도서관에서") == 4


def test_a_wrapper_with_an_unlucky_name_keeps_its_article() -> None:
    assert (
        hanji(f"<div id=ad-portal><div class=popup><article>{prose()}</article></div></div>").count("번째")
        == 4
    )


def test_a_heading_whose_id_is_a_sentence_is_no_boilerplate() -> None:
    section = f"<section id='how-to-share-related-comments'><h2>나누기</h2>{prose(3)}</section>"
    text = hanji(f"<main>{prose(2)}{section}</main>")
    assert text.count("도서관에서") == 5 and "## 나누기" in text


def test_pages_of_a_list_still_give_text() -> None:
    posts = "".join(f"<article><h2><a href=/{n}>글 {n}</a></h2><p>{KOREAN}</p></article>" for n in range(5))
    assert hanji(f"<nav><a href=/>처음</a></nav><main>{posts}</main>").count("도서관에서") == 5


def test_answers_of_a_forum_are_kept() -> None:
    posts = "".join(
        f"<div class=post><div class=post-body>{prose(2)}<p>{n}번 답</p></div></div>" for n in range(4)
    )
    assert hanji(f"<h1>물음</h1><div id=thread>{posts}</div>").count("도서관에서") == 8


def test_rows_of_teasers_below_an_article_go() -> None:
    cards = "".join(
        f"<div class=item><a href=/{n}><img src=x.png></a><h3><a href=/{n}>다른 기사 {n}</a></h3></div>"
        for n in range(6)
    )
    text = hanji(f"<div><div>{prose(6)}</div><div>{cards}</div></div>")
    assert text.count("도서관에서") == 6 and "다른 기사" not in text


def test_a_heading_goes_with_the_list_of_links_below_it() -> None:
    links = "<ul><li><a href=/1>어떤 다른 글</a><li><a href=/2>또 다른 글</a></ul>"
    page = (
        f"<main><h1>머리</h1><h2>절</h2>{prose(3)}<h2>더 볼 글</h2>{links}<h2>둘째 절</h2>{prose(2)}</main>"
    )
    text = hanji(page)
    assert "# 머리" in text and "## 절" in text and "## 둘째 절" in text and "더 볼 글" not in text


def test_an_article_in_several_parts_stays_whole() -> None:
    parts = "".join(f"<div class=article-body>{prose(n)}</div><div class=ad>광고</div>" for n in (2, 5, 1))
    text = hanji(f"<article>{parts}</article>")
    assert text.count("도서관에서") == 8 and "광고" not in text


def test_what_is_not_shown_and_captions_go() -> None:
    page = (
        f"<article>{prose()}<div style='display: none'>숨음</div><p hidden>감춤</p><span aria-hidden=true>x</span>"
        "<figure><img src=a><figcaption>사진 설명</figcaption></figure></article>"
    )
    text = hanji(page)
    assert not re.search("숨음|감춤|x|사진", text)


def test_structure_is_written_as_markdown() -> None:
    page = f"""<title>다른 이름</title><article><h1>첫째</h1>{prose(1)}<h3>셋째</h3>
      <ul><li>하나<li>둘<ol start=1><li>가</li><li>나</li></ol></ul>
      <blockquote><p>인용한 말이다.</p><p>또 한 말이다.</p></blockquote>
      <table><thead><tr><th>이름<th>값</thead><tr><td>종이<td>3 <br>장</table>
      <dl><dt>닥</dt><dd>나무</dd></dl><p>줄<br>바꿈 <b>굵</b>게</p></article>"""
    body = KOREAN + " 0번째 문단이다."
    assert hanji(page) == (
        f"# 첫째\n\n{body}\n\n### 셋째\n\n- 하나\n- 둘\n  1. 가\n  2. 나\n\n"
        "> 인용한 말이다.\n>\n> 또 한 말이다.\n\n"
        "| 이름 | 값 |\n| --- | --- |\n| 종이 | 3 장 |\n\n닥\n나무\n\n줄\n바꿈 굵게"
    )
    assert hanji(page, "plain") == (
        f"첫째\n\n{body}\n\n셋째\n\n하나\n둘\n가\n나\n\n인용한 말이다.\n\n또 한 말이다.\n\n"
        "이름\t값\n종이\t3 장\n\n닥\n나무\n\n줄\n바꿈 굵게"
    )


def test_code_keeps_its_lines_and_indentation() -> None:
    code = "def f(x):\n    if x &lt; 1:\n        return x\n\n    return 2"
    page = f"<article>{prose(2)}<pre><code class='language-python'>{code}\n</code></pre>{prose(1)}</article>"
    assert "\n\n```python\ndef f(x):\n    if x < 1:\n        return x\n\n    return 2\n```\n\n" in hanji(page)
    plain = hanji(page, "plain")
    assert "```" not in plain and "\n\ndef f(x):\n    if x < 1:\n" in plain


def test_line_numbers_of_code_go_and_coloured_words_stay() -> None:
    page = f"""<article>{prose(2)}<figure class="highlight java"><table><tr>
      <td class="gutter"><pre><span class="line">1</span><br><span class="line">2</span><br></pre></td>
      <td class="code"><pre><span class="line"><span class="comment">// 쪽</span></span><br><span
      class="line"><span class="meta">@Id</span>  int x;</span><br></pre></td></tr></table></figure></article>"""
    assert hanji(page).endswith("```java\n// 쪽\n@Id  int x;\n```")


def test_a_fence_is_longer_than_what_it_holds() -> None:
    assert "````\n```\nx\n```\n````" in hanji(f"{prose(2)}<pre>```\nx\n```</pre>")


@pytest.mark.parametrize(
    ("formula", "written"),
    [
        ("<math><mi>x</mi><annotation encoding='application/x-tex'>x^2</annotation></math>", "$x^2$"),
        ("<math display=block alttext='a &lt; b'><mi>a</mi></math>", "$$a < b$$"),
        ("<math><mi>x</mi><mo>+</mo><mn>1</mn></math>", "x+1"),
        ("<script type='math/tex'>x<y</script>", "$x<y$"),
        ("<span class=MathJax_Preview>z</span><script type='math/tex; mode=display'>z</script>", "$$z$$"),
        (
            "<span class=katex><span class=katex-mathml><math><semantics><mi>x</mi><annotation"
            " encoding='application/x-tex'>x_1</annotation></semantics></math></span>"
            "<span class=katex-html aria-hidden=true>x1</span></span>",
            "$x_1$",
        ),
        (
            "<span><span style='display:none'><math alttext='y'><mi>y</mi></math></span>"
            "<img class='mwe-math-fallback-image-inline' alt='y'></span>",
            "$y$",
        ),
        ("<img class=tex alt='\\frac{1}{2}'>", "$\\frac{1}{2}$"),
    ],
)
def test_a_formula_is_written_once_as_latex(formula: str, written: str) -> None:
    assert f"식은 {written} 이다" in hanji(f"<article>{prose(2)}<p>식은 {formula} 이다.</p></article>")


def test_links_become_their_text() -> None:
    text = hanji(f"<article>{prose(2)}<p>{KOREAN} <a href='https://x.kr/'>여기</a>를 본다.</p></article>")
    assert "여기를 본다." in text and "x.kr" not in text


@pytest.mark.parametrize(
    ("head", "title"),
    [
        ("<title>종이 만들기 - 닥나무 블로그</title>", "종이 만들기"),
        ("<title>종이 - 만들기 - 닥나무</title><h1>종이 - 만들기</h1>", "종이 - 만들기"),
        (
            "<title>A | B</title><meta property=og:title content='A | B'><meta property=og:site_name content=B>",
            "A",
        ),
        ("<title>닥나무: 종이</title>", "닥나무: 종이"),
        ("<title>Docker와 종이</title><h1>Docker</h1>", "Docker와 종이"),
        ("<title>\n 두 \t 줄 </title>", "두 줄"),
        ("<h1>하나뿐인 <i>제목</i></h1>", "하나뿐인 제목"),
        ("<title><script>alert(1)</script></title>", "<script>alert(1)</script>"),
        ("<title></title>", None),
        (f"<title>{'가' * 400}</title>", "가" * TITLE_CHARACTERS),
    ],
)
def test_titles_are_one_line_without_the_name_of_the_site(head: str, title: str | None) -> None:
    assert extract(f"<head>{head}</head><p>본문이다.", "hanji").title == title


@pytest.mark.parametrize(
    ("markup", "day"),
    [
        ("<meta property='article:published_time' content='2021-03-04T23:59:00+09:00'>", "2021-03-04"),
        ("<meta name=pubdate content=20210304>", "2021-03-04"),
        ("<time itemprop=datePublished content='Tue Jul 21 2015 00:09:44 GMT+0900'>", "2015-07-21"),
        ("<span itemprop=datePublished>2019. 1. 2.</span>", "2019-01-02"),
        (
            f"<script type='application/ld+json'>{json.dumps({'datePublished': '2020-02-29'})}</script>",
            "2020-02-29",
        ),
        ("<link rel=canonical href='https://x.kr/2018/7/9/paper/'>", "2018-07-09"),
        ("<time datetime='2017-08-06T12:56:55.000Z'>", "2017-08-06"),
        ("<meta property='article:published_time' content='2021-02-30'>", None),
        ("<meta property='article:published_time' content='9999-01-01'>", None),
        ("<meta property='article:modified_time' content='2021-01-01'>", None),
        ("<time datetime='12:30'>", None),
    ],
)
def test_the_day_of_publication_is_found(markup: str, day: str | None) -> None:
    assert extract(f"<html><head>{markup}</head><body><p>본문이다.", "hanji").published == day


@given(st.text("0123456789-/. 년월일JanFebT:", max_size=30))
def test_a_date_is_valid_or_none(text: str) -> None:
    found = iso_date(text)
    assert found is None or np.datetime64(found) >= np.datetime64("1990-01-01")


def test_a_page_of_scripts_gives_what_stands_without_them() -> None:
    assert "도서관에서" in hanji(f"<body><noscript>{prose(2)}</noscript><script>draw()</script>")
    assert "도서관에서" not in hanji(f"<body>{prose(3, ENGLISH)}<noscript>{prose(1)}</noscript>")


@pytest.mark.parametrize(
    "part",
    [
        "<div class=tags><p>{}</p></div>",
        "<figure><img src=a.png><figcaption>{}</figcaption></figure>",
        "<div class=caption><p>{}</p></div>",
        "<div class=widget><span>{}</span></div>",
    ],
)
def test_a_page_of_nothing_but_suspects_keeps_them(part: str) -> None:
    found = extract("<body>" + "".join(part.format(f"{KOREAN} {n}") for n in range(8)), "hanji")
    assert found.text.count("도서관에서") == 8 and found.extractor == "hanji" and found.signal > 0.5


def test_where_the_choice_fails_trafilatura_is_asked() -> None:
    page = "".join(f"<div hidden><p>{KOREAN} {number}</p></div>" for number in range(8))
    found = extract(page, "hanji")
    assert found.extractor == "trafilatura" and found.signal == 0.0
    assert found.text == extract(page, "trafilatura").text and len(found.text) > 100


def test_a_page_too_deep_for_trafilatura_is_not_given_to_it() -> None:
    page = "<div>" * 1000 + "".join(f"<div hidden><p>{KOREAN} {number}</p></div>" for number in range(8))
    assert extract(page, "hanji") == Extracted("", None, None, "hanji", 0.0)


@pytest.mark.parametrize("arguments", [("lynx", "markdown"), ("hanji", "rtf")])
def test_unknown_names_are_refused(arguments: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match=f"{arguments[0]}.*{arguments[1]}"):
        extract("<p>x", arguments[0], structure=arguments[1])


def test_a_page_that_is_too_large_is_refused_with_its_size() -> None:
    with pytest.raises(ValueError, match="67,108,865 bytes"):
        extract("x" * (MAX_BYTES + 1), "hanji")


@pytest.mark.parametrize(
    "page",
    [
        "<div>" * 200_000 + "깊다",
        "<ul><li>" * 50_000 + "깊다",
        "<table><tr><td>" * 20_000 + "깊다",
        "<blockquote>" * 50_000 + "깊다",
        "<p>" + "<math>" * 20_000 + "깊다",
        "<p>깊다" + "</div>" * 300_000,
        "<p>깊다" + "<script>" * 50_000,
        "<pre>깊다" + "\n" * 500_000 + "x</pre>",
        f"<p title='{'x' * 5_000_000}'>깊다",
    ],
)
def test_deep_and_huge_pages_take_linear_time(page: str) -> None:
    assert "깊다" in hanji(page)


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<p>하나<p>둘", "하나\n\n둘"),
        ("<plaintext>a<b>", "```\na<b>\n```"),
        ("a\0b", "ab"),
        ("a\ud800b", "a?b"),
        ("<xmp><b>c</xmp>d", "```\n<b>c\n```\n\nd"),
        ("<template><p>안</p></template>밖", "밖"),
        ("<textarea><script>x</textarea>밖", "밖"),
        ("<svg><title>그림</title><text>t</text></svg>밖", "밖"),
        ("<iframe>a<p>b</iframe>밖", "밖"),
        ("<p>1 &lt; 2 &amp;amp; 3&nbsp;&gt;&quot;", '1 < 2 &amp; 3 >"'),
        ("<!-- <script> -->안<!-- </script> -->밖", "안밖"),
        ("<a title='<script>'>안</a>밖", "안밖"),
        ("<script><!-- <script> </script> --></script>밖", "밖"),
        ("<svg><style/></svg>안<style>b{}</style>밖", "안밖"),
        ("<table><tr><td><table><tr><td>속</td></tr></table></td><td>겉</td></tr></table>", "속\n\n겉"),
        ("<style>p{}</style", ""),
        ("<p>x</p", "x"),
        ("", ""),
    ],
)
def test_odd_markup_is_read_as_browsers_do(page: str, text: str) -> None:
    assert hanji(page) == text


_NAMES = re.findall(
    r"\S+",
    "p div span table tr td ul ol li pre code script style svg math annotation template noscript iframe a b "
    "h1 h2 blockquote br img textarea title xmp plaintext select option form dl dt dd main article nav",
)
_SOUP = st.lists(
    st.one_of(
        st.sampled_from(_NAMES).map("<{}>".format),
        st.sampled_from(_NAMES).map("</{}>".format),
        st.sampled_from(_NAMES).map("<{} class='comment highlight tex' hidden alt=x href='".format),
        st.sampled_from(
            ["<!--", "-->", "<![CDATA[", "]]>", "<", "&", "&lt;", "'", '"', ">", "/>", "\n", "`", "\0"]
        ),
        st.sampled_from(["SECRET", "도서관에서 책을 읽었다. ", "12", "\ud800", "$x$"]),
        st.text(max_size=5),
    ),
    max_size=40,
).map("".join)


@settings(max_examples=300, deadline=None)
@given(_SOUP, st.sampled_from(["markdown", "plain"]))
@example("<ul><li><pre>a</pre></ul>", "markdown")
@example("<table><tr><td><pre>a</pre><td>b</table>", "plain")
@example("<pre><table><tr><td>a<td>b</table></pre>", "markdown")
def test_tag_soup_always_gives_text(soup: str, structure: str) -> None:
    found = extract(soup, "hanji", structure=structure)
    assert isinstance(found, Extracted)
    found.text.encode("utf-8")
    assert 0.0 <= found.signal <= 1.0
    assert found.title is None or (len(found.title) <= TITLE_CHARACTERS and "\n" not in found.title)
    assert found == extract(soup, "hanji", structure=structure)


@settings(max_examples=200, deadline=None)
@given(_SOUP)
def test_scripts_and_styles_never_show(soup: str) -> None:
    page = f"<script>HIDDEN1</script><style>HIDDEN2</style><p>{KOREAN}</p>{soup}"
    assert "HIDDEN" not in hanji(page)


@settings(max_examples=300, deadline=None)
@given(_SOUP)
@example("<script><!--<script></script>--></script>x")
@example("<a b='<script>'c=\"d\">x</script>")
@example("<svg><script/>x</svg><script>y</script>")
def test_stripping_changes_no_element_and_no_text(soup: str) -> None:
    from resiliparse.parse.html import HTMLTree

    def outline(page: bytes) -> list[str]:
        """Elements and texts of the page's body in order, without what scripts and styles hold."""
        body = HTMLTree.parse_from_bytes(page, "utf-8").body
        found: list[str] = []
        silent = ("script", "style")
        for node in body or []:
            if node.tag == "#text" and node.parent.tag in silent:
                continue
            if node.tag == "#text" and found and found[-1].startswith("="):
                found[-1] += node.value or ""
            elif node.tag == "#text":
                found.append("=" + (node.value or ""))
            elif node.tag != "#comment":
                found.append(node.tag)
        return found

    page = ("<body>" + soup).encode("utf-8", "replace")
    assert outline(strip(np.frombuffer(page, np.uint8)).tobytes()) == outline(page)
