"""Boilerplate of Korean and English pages: what goes, what stays, and that edits are sound. All text is our own."""

from __future__ import annotations

import re
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hanji.curation.records import Edit, apply_edits
from hanji.curation.text.lines import boilerplate_edits
from hanji.curation.text.lines.compiled import rules_for
from hanji.curation.text.lines.patterns import key, lowered, trie
from hanji.curation.text.lines.rules import KINDS, read_phrases

KOREAN = "종이는 닥나무 껍질을 두드려 만든다. 물에 풀어 발로 뜬다."
ENGLISH = "Paper is made of the bark of the mulberry. It is beaten and lifted from the vat."


def after(text: str, language: str = "ko") -> str:
    return apply_edits(text, boilerplate_edits(text, language))


def reasons(text: str, language: str = "ko") -> list[str]:
    return [edit.reason.removeprefix("lines.") for edit in boilerplate_edits(text, language)]


WHOLE_LINES = [
    ("copyright", "무단 전재 및 재배포 금지"),
    ("copyright", "무단전재-재배포 금지"),
    ("copyright", "<저작권자(c) 한지통신, 무단 전재-재배포, AI 학습 및 활용 금지>"),
    ("copyright", "[ⓒ 한지신문 & hanji.example.com, 무단전재 및 재배포 금지]"),
    ("copyright", "저작권자 © 한지뉴스 무단전재 및 재배포 금지"),
    ("copyright", "ⓒ 한지뉴스"),
    ("copyright", "Copyright © '종이 전문지' 한지타임스 (http://www.hanji.example)"),
    ("copyright", "Copyright 2019 Hanji News. All rights reserved."),
    ("copyright", "© 2019 Hanji Press, Inc. All Rights Reserved. This material may not be published."),
    ("copyright", "All rights reserved."),
    ("byline", "홍길동 기자"),
    ("byline", "홍길동·김철수 기자"),
    ("byline", "홍길동 기자 gildong@news.example.co.kr"),
    ("byline", "홍길동기자 gildong@news.example.co.kr"),
    ("byline", "gildong@news.example.co.kr"),
    ("byline", "대전=홍길동 기자 gildong@news.example.co.kr"),
    ("byline", "[홍길동 한지경제 기자]"),
    ("byline", "글 홍길동 기자, 사진 김철수 기자"),
    ("byline", "◎공감언론 뉴시스 gildong@news.example.com"),
    ("dateline", "입력 2022. 11. 19. 20:00"),
    ("dateline", "기사입력 2016.11.29 오전 8:05 최종수정 2016.11.29 오전 8:06"),
    ("dateline", "작성자 : 홍길동 | 작성일 : 2020-01-02 | 조회 : 12"),
    ("photo", "[사진=한지랜드 제공]"),
    ("photo", "사진제공=한지시청"),
    ("related", "관련기사"),
    ("related", "▶ 관련 기사"),
    ("related", "많이 본 뉴스"),
    ("related", "이 기사 어때요"),
    ("related", "Related articles"),
    ("related", "You may also like:"),
    ("related", "« Previous post"),
    ("share", "페이스북 공유하기"),
    ("share", "페이스북 트위터 카카오톡 밴드 URL복사"),
    ("share", "조회수 1,234회"),
    ("share", "추천 0 | 조회 12 | 스크랩 3"),
    ("share", "Share this article"),
    ("share", "Facebook | Twitter | Email"),
    ("share", "FacebookTwitterLinkedIn"),
    ("share", "258 Shares"),
    ("share", "1.2k views"),
    ("share", "Follow us on Facebook and Twitter."),
    ("comments", "댓글 3개"),
    ("comments", "로그인 후 댓글을 작성할 수 있습니다."),
    ("comments", "등록된 댓글이 없습니다"),
    ("comments", "5 comments"),
    ("comments", "Leave a Reply"),
    ("comments", "Your email address will not be published. Required fields are marked *"),
    ("comments", "This site uses Akismet to reduce spam. Learn how your comment data is processed."),
    ("account", "로그인 | 회원가입 | 장바구니"),
    ("account", "Log in"),
    ("nav", "본문 바로가기"),
    ("nav", "홈 > 뉴스 > 정치 > 국회"),
    ("nav", "이전글 다음글 목록"),
    ("nav", "Skip to content"),
    ("nav", "Home » News » Politics"),
    ("newsletter", "구독과 좋아요 부탁드립니다!"),
    ("newsletter", "▶ 네이버에서 한지뉴스 구독하기"),
    ("newsletter", "Sign up for our newsletter"),
    ("newsletter", "Subscribe to the Morning Paper newsletter"),
    ("newsletter", "Get the day’s top headlines delivered to your inbox every morning."),
    ("tips", "제보는 카카오톡 hanjijebo"),
    ("tips", "기사제보 및 보도자료 news@hanji.example.com"),
    ("cookies", "이 사이트는 쿠키를 사용합니다. 계속 이용하면 쿠키 사용에 동의하는 것으로 봅니다."),
    ("cookies", "모든 쿠키 허용"),
    ("cookies", "This website uses cookies to improve your experience."),
    ("cookies", "We use cookies to give you the best experience. Read our cookie policy."),
    ("cookies", "Accept all cookies"),
    ("terms", "이용약관 | 개인정보처리방침 | 청소년보호정책"),
    ("terms", "Privacy Policy | Terms of Use"),
    ("footer", "상호 : 한지상회 | 대표 : 홍길동 | 사업자등록번호 : 123-45-67890"),
    ("footer", "통신판매업신고 : 제2023-서울종로-0001호 개인정보보호책임자 : 홍길동"),
    ("ads", "Advertisement"),
    ("ads", "Story continues below advertisement"),
    ("more", "기사 더보기"),
    ("more", "Continue reading →"),
    ("more", "READ MORE: How paper is dried in the sun"),
    ("posted", "Posted by Hong on November 19, 2019, 6:21 AM"),
    ("posted", "Last updated: 3 March 2020"),
    ("tags", "Filed under: Crafts, Paper, History"),
    ("tags", "#한지 #닥나무 #종이만들기"),
    ("powered", "Proudly powered by WordPress"),
]


@pytest.mark.parametrize(("rule", "line"), WHOLE_LINES)
def test_a_boilerplate_line_goes_with_its_newline_and_its_rule(rule: str, line: str) -> None:
    for body in (KOREAN, ENGLISH):
        for text in (f"{line}\n{body}", f"{body}\n{line}", f"{body}\n{line}\n{body}", f"{body}\n{line}\n"):
            expected = text.replace(f"{line}\n", "") if f"{line}\n" in text else text.replace(f"\n{line}", "")
            assert after(text) == expected
    found = set(reasons(f"{KOREAN}\n{line}\n{KOREAN}"))
    # More may read "more" or "newsletter": the first phrase or pattern that matches names the reason.
    assert rule in found or found <= {"more", "share", "newsletter", "account"}, found


STAYING = [
    "기자는 어제 그 소식을 전했다.",
    "그 기자 이름은 홍길동이다.",
    "저작권법은 창작자를 보호하는 법이다.",
    "이 법은 저작물의 무단 전재와 재배포를 금지한다.",
    "정부는 학습 데이터의 무단 전재를 금지하는 개정안을 내놓았다.",
    "로그인 기능을 구현하는 방법을 설명한다.",
    "쿠키는 브라우저에 저장되는 작은 파일이다.",
    "댓글을 다는 사람이 늘었다.",
    "공유 자전거가 3대 있다.",
    "좋아요!!!",
    "관련 기사를 쓴 사람은 따로 있다.",
    "구독자가 5000만 명을 넘었다.",
    "제보를 받은 경찰이 출동했다.",
    "저작권: 사후 70년",
    "문의는 gildong@example.com",
    "신청서는 전자메일(gildong@example.com)로 보내면 된다.",
    "(단위=백만원)",
    "(가=나) 그러면 나도 가다.",
    "[주요뉴스] 종이값이 올랐다.",
    "그 사진은 한지신문이 제공했다.",
    "(반대의견)",
    "가. 삭제 <2015.6.22>",
    "ⓑ 닥나무를 삶는다.\nⓒ 껍질을 두드린다.",
    "사업자등록번호를 적어 내야 한다.",
    "2019년 11월 19일에 있었던 일이다.",
    "She reserved all rights to the film in 1990, and sold them later.",
    "Share your thoughts on paper with a friend who cares.",
    "Cookies are sent with every request; see Set-Cookie.",
    "The server sets a cookie when you log in.",
    "Log in to the console with the `login` command and subscribe to the topic.",
    "Subscribe returns a handle; unsubscribe releases it.",
    "I posted the letter on Monday.",
    "The comments are in French.",
    "Related work is discussed in section 2.",
    "He said: follow us.",
    "Read the manual first.",
    "categories of paper are many",
    "Facebook, Twitter, Instagram",
    "- Facebook\n- Twitter\n- Instagram",
    "- 로그인\n- 회원가입\n- 게시판",
    "- Home\n- About\n- Contact",
    "# Comments",
    "## 로그인",
    "## Log in",
    "### Cookies",
    "| Log in | POST /login |",
    "| 로그인 | 사용자를 확인한다 |",
    "* Copyright (c) 2020 Hong Gildong",
    "### Weekly newsletter",
    "1:log out",
    "1600-1650년의 그림",
    "1 + 1 = 2",
]


@pytest.mark.parametrize("line", STAYING)
def test_text_about_such_things_stays(line: str) -> None:
    for text in (line, f"앞 문장이다.\n{line}\n뒤 문장이다.", f"A sentence.\n\n{line}\n\nAnother one."):
        for language in ("ko", "en"):
            assert boilerplate_edits(text, language) == []


PARTS = [
    ("[서울=뉴시스] 홍길동 기자 = ", KOREAN, " gildong@news.example.co.kr"),
    ("(서울=연합뉴스) 홍길동 김철수 박영희 기자 = ", KOREAN, " 제보는 카카오톡 hanjijebo"),
    ("(서울=뉴스1) = ", KOREAN, " ⓒ 뉴스1코리아, 무단 전재 및 재배포 금지"),
    ("(호치민=뉴스1) ", KOREAN, " <저작권자(c) 한지통신, 무단 전재-재배포 금지>"),
    ("【전주=뉴시스】홍길동 기자 = ", KOREAN, ""),
    ("[한지경제=홍길동 기자] ", KOREAN, " (사진=한지랜드)"),
    ("[이데일리 홍길동 기자] ", KOREAN, " /사진=한지랜드 제공"),
    ("홍길동 기자 = ", KOREAN, " 대전=홍길동 기자 gildong@news.example.com"),
    ("입력 2022. 11. 19. 20:00 (서울=연합뉴스) 홍길동 기자 = ", KOREAN, " 2022년11월19일 20시00분 송고"),
    (
        "",
        KOREAN,
        "☞공감언론 뉴시스 gildong@news.example.com▶ 네이버에서 구독하기▶ 종이값 바로가기"
        "<ⓒ 뉴시스. 무단전재-재배포 금지>",
    ),
    ("", ENGLISH, " Read more »"),
    ("", ENGLISH, " © 2020 Hanji Press. All rights reserved."),
]


@pytest.mark.parametrize(("head", "body", "tail"), PARTS)
def test_what_stands_before_and_behind_a_paragraph_goes_and_the_paragraph_stays(
    head: str, body: str, tail: str
) -> None:
    assert after(f"{head}{body}{tail}") == body
    assert after(f"{KOREAN}\n\n{head}{body}{tail}\n\n{KOREAN}") == f"{KOREAN}\n\n{body}\n\n{KOREAN}"


def test_a_dateline_in_a_run_together_page_goes_and_the_title_stays() -> None:
    text = f"[날씨] 흐리다 맑아져 홍길동 입력 2022. 11. 19. 20:00 (서울=연합뉴스) 홍길동 기자 = {KOREAN}"
    assert after(text) == f"[날씨] 흐리다 맑아져 {KOREAN}"


def test_a_tail_needs_a_finished_sentence_before_it() -> None:
    for text in (
        "그를 만난 사람은 홍길동 기자",
        "보낼 곳은 gildong@example.com",
        "Author: Hong <hong@example.com>",
    ):
        assert boilerplate_edits(text, "ko") == []


def test_a_heading_takes_its_links_with_it() -> None:
    links = "- 닥나무 값이 오르다\n- 한지 장인을 만나다\n1. Paper in the sun"
    for heading in ("관련기사", "## 관련 기사", "**Related articles**", "많이 본 뉴스\n"):
        text = f"{KOREAN}\n\n{heading}\n{links}\n\n{ENGLISH}"
        assert after(text) == f"{KOREAN}\n\n{ENGLISH}"
    assert reasons(f"관련기사\n{links}\n") == ["related", *["related_list"] * 3]


def test_a_list_with_sentences_keeps_its_heading() -> None:
    text = "## 관련 글\n- 닥나무의 껍질을 다룬 글이다.\n- 물을 다룬 글이다.\n\n끝이다."
    assert boilerplate_edits(text, "ko") == []
    assert (
        boilerplate_edits("Related articles\n- The first treats bark.\n- The second treats water.", "en")
        == []
    )


def test_a_menu_with_one_item_a_line_goes_where_one_is_certain() -> None:
    menu = "홈\n뉴스\n검색\n본문 바로가기\n로그인\n회원가입"
    assert after(f"{menu}\n\n{KOREAN}") == KOREAN
    assert after(f"Share this\n\nFacebook\nTwitter\n\n{ENGLISH}", "en") == ENGLISH
    assert boilerplate_edits("홈\n\n" + KOREAN, "ko") == []


@pytest.mark.parametrize("fence", ["```", "~~~", "````"])
def test_fenced_and_indented_code_is_not_touched(fence: str) -> None:
    code = "Share this\n무단 전재 및 재배포 금지\nAll rights reserved.\n댓글 3개"
    assert boilerplate_edits(f"{KOREAN}\n\n{fence}\n{code}\n{fence}\n\n{ENGLISH}", "ko") == []
    assert boilerplate_edits(f"{KOREAN}\n\n{fence}text\n{code}", "ko") == []
    indented = "\n".join(f"    {line}" for line in code.split("\n"))
    assert boilerplate_edits(f"{KOREAN}\n\n{indented}\n", "ko") == []
    assert after(f"{fence}\nx\n{fence}\n\nShare this") == f"{fence}\nx\n{fence}"


def test_a_copyright_line_before_a_licence_belongs_to_it() -> None:
    licence = (
        "Copyright (c) 2020 Hong Gildong\n\nPermission is hereby granted, free of charge, to any person obtaining "
        "a copy of this software and associated documentation files, to deal in the Software without restriction."
    )
    assert boilerplate_edits(licence, "en") == []
    assert reasons(f"{ENGLISH}\n\nCopyright (c) 2020 Hong Gildong") == ["copyright"]


def test_a_line_of_a_hard_wrapped_sentence_stays() -> None:
    text = (
        "When everybody has read the page, this is what all of the readers will see at the end of it and then\n"
        "share this\n\nThis Web site tells you about new books, and about how one may\n"
        "subscribe to our email newsletter to hear about them."
    )
    assert boilerplate_edits(text, "en") == []


def test_marks_of_markdown_are_seen_through() -> None:
    for mark in ("- ", "* ", "> ", "• ", "  - ", "| ", ""):
        assert after(f"{KOREAN}\n{mark}무단전재 및 재배포 금지\n{KOREAN}") == f"{KOREAN}\n{KOREAN}"
    assert after(f"{KOREAN}\n\n| 이전글 | 다음글 | 목록 |\n\n{KOREAN}") == f"{KOREAN}\n\n{KOREAN}"


def test_blank_lines_are_not_doubled() -> None:
    assert after(f"{KOREAN}\n\nShare this\n\n{KOREAN}") == f"{KOREAN}\n\n{KOREAN}"
    assert after(f"Share this\n\nSkip to content\n\n{KOREAN}") == KOREAN
    assert after(f"{KOREAN}\n\nShare this\n\nSkip to content") == KOREAN
    assert after(f"{KOREAN}\nShare this\n\n{KOREAN}") == f"{KOREAN}\n\n{KOREAN}"


def test_a_page_that_is_only_such_lines_is_left_empty_with_an_edit_for_each() -> None:
    text = "본문 바로가기\n로그인 | 회원가입\n\nCopyright 2020 Hanji. All rights reserved."
    assert after(text).strip() == ""
    assert reasons(text) == ["nav", "account", "copyright"]


def test_english_rules_serve_every_text_and_korean_ones_every_text_with_hangul() -> None:
    for language in ("ko", "en", None):
        assert reasons(f"{ENGLISH}\nSkip to content", language or "") == ["nav"]
        assert reasons(f"{ENGLISH}\n무단전재 및 재배포 금지", language or "") == ["copyright"]


def test_positions_count_in_the_text_whatever_its_lower_case() -> None:
    text = f"İstanbul'da {KOREAN}\nİİ Share this\nShare this\n{KOREAN}"
    assert after(text) == text.replace("\nShare this", "", 1)
    assert len(lowered("İẞΣΐ한")) == 5


LINES = (
    [line for _, line in WHOLE_LINES]
    + STAYING
    + [a + b + c for a, b, c in PARTS]
    + ["", "", "```", KOREAN, ENGLISH]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(LINES), max_size=12), st.sampled_from(["\n", "\n\n", " "]), st.booleans())
def test_edits_are_sound_and_leave_nothing_to_find(lines: list[str], joint: str, closed: bool) -> None:
    text = joint.join(lines) + ("\n" if closed else "")
    edits = boilerplate_edits(text, "ko")
    assert all(a.end <= b.start for a, b in pairwise(edits))
    assert all(0 <= edit.start < edit.end <= len(text) and edit.replacement == "" for edit in edits)
    assert all(re.fullmatch(r"lines\.[a-z_]+", edit.reason) and edit.step == "lines" for edit in edits)
    assert boilerplate_edits(apply_edits(text, edits), "ko") == []


@settings(max_examples=300, deadline=None)
@given(st.text("가기자저작권ⓒ무단 전재금지[]()=<>@.,|\n\n#-`1공유ashre", max_size=120))
def test_any_text_gives_sound_edits(text: str) -> None:
    edits = boilerplate_edits(text, "ko")
    assert all(a.end <= b.start for a, b in pairwise(edits))
    assert all(0 <= edit.start < edit.end <= len(text) for edit in edits)
    assert len(apply_edits(text, edits)) == len(text) - sum(edit.end - edit.start for edit in edits)


@pytest.mark.parametrize(
    "unit", ["홍길동 기자 ", "ⓒ ", "[", "> ", "share ", "a@", "tags: a, ", "홈\n", "- x\n", "1,"]
)
def test_time_grows_with_the_length_of_the_text_alone(unit: str) -> None:
    def seconds(characters: int) -> float:
        text = unit * (characters // len(unit))
        started = time.process_time()
        boilerplate_edits(text, "ko")
        return time.process_time() - started

    boilerplate_edits(unit, "ko")
    small = min(seconds(20_000) for _ in range(3))
    # Four times the text: well under the sixteenfold that a quadratic pass would take.
    assert min(seconds(80_000) for _ in range(2)) < 10 * small + 0.05


@pytest.mark.parametrize("name", ["korean.txt", "english.txt"])
def test_every_phrase_stands_once_and_is_lower_case(name: str) -> None:
    phrases = read_phrases(name)
    assert all(kind in KINDS and re.fullmatch("[a-z]+", rule) for rule, kind in phrases.values())
    assert all(phrase == phrase.lower() for phrase in phrases)
    keys = [key(phrase) for phrase in phrases]
    kinds = {key(phrase): kind for phrase, (_, kind) in phrases.items()}
    assert all(kinds[key(phrase)] == kind for phrase, (_, kind) in phrases.items())
    assert len(set(keys)) > 300


@given(st.lists(st.text("ab c한", min_size=1, max_size=6).filter(str.strip), min_size=1, max_size=8))
def test_the_trie_matches_its_phrases_with_and_without_blanks(phrases: list[str]) -> None:
    phrases = [" ".join(phrase.split()) for phrase in phrases]
    pattern = re.compile(trie(phrases))
    for phrase in phrases:
        assert pattern.match(phrase) is not None
        assert pattern.match(phrase.replace(" ", "")) is not None
    assert pattern.match("zzz") is None


def test_rules_are_compiled_once_a_process() -> None:
    assert rules_for(True) is rules_for(True)
    assert isinstance(boilerplate_edits("Share this\n" + ENGLISH, "en")[0], Edit)
