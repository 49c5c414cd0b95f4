"""Boilerplate lines of Korean and English pages, as edits: whole short lines that say nothing of the text.

A line goes only if a rule matches all of it, so that a sentence about a share button stays. Words that are
also headings (home, search, 목록) count only in a row with others of their kind. Reasons name the rule.
"""

from __future__ import annotations

import re

from hanji.curation.records import Edit

VERSION = 1
LONGEST = 160

_GAP = r"[\t\x20|·,/>»›-]"


def _any(*phrases: str) -> str:
    """Alternatives, in which a space stands for any blanks or none."""
    return "(?:" + "|".join(phrase.replace(" ", r"[\t\x20]*") for phrase in phrases) + ")"


def _row(items: str, least: int = 1) -> str:
    """At least so many of the items in a row, with separators between them."""
    return f"{items}(?:{_GAP}+{items}){{{least - 1},}}"


_NO_REUSE = _any("무단 전재", "무단 복제", "무단 배포", "재배포", "전재")
_CLEAR_ACCOUNT_KO = _any(
    *(
        "로그인",
        "로그 아웃",
        "회원 가입",
        "마이 페이지",
        "장바구니",
        "본문 바로 ?가기",
        "주 ?메뉴 바로 ?가기",
    ),
    *(
        "맨 위로",
        "전체 메뉴",
        "메뉴 (?:열기|닫기)",
        "검색어를? 입력(?:하세요|해 주세요)?",
        "아이디 찾기",
        "비밀번호 찾기",
    ),
)
_MENU_KO = _any(
    "홈",
    "메뉴",
    "검색",
    "고객 센터",
    "사이트맵",
    "공지 사항",
    "목록",
    "뉴스",
    "블로그",
    "소개",
    _CLEAR_ACCOUNT_KO,
)
_CHANNEL_KO = _any(
    *(
        "페이스북",
        "트위터",
        "카카오톡",
        "카카오 스토리",
        "밴드",
        "네이버",
        "블로그",
        "인스타그램",
        "링크",
        "URL",
        "주소",
    ),
    *("인쇄", "메일", "이메일", "글자 크기", "글씨 크기", "스크랩", "프린트", "기사", "SNS"),
)
_SEND_KO = (
    r"(?:[\t\x20]*(?:으로|로|에|에서))?[\t\x20]*"
    r"(?:공유(?:하기)?|보내기|복사(?:하기)?|하기|조절|저장)"
)
_TERMS_KO = _any(
    *(
        "이용 약관",
        "개인 정보 (?:처리|취급) 방침",
        "개인 정보 보호 정책",
        "청소년 보호 정책",
        "이메일 무단 수집 거부",
    ),
    *("제휴 문의", "광고 문의", "회사 소개", "저작권 (?:정책|보호 정책|규약)", "기사 제보", "구독 신청"),
)
_REPORTER = r"[가-힣]{2,4}[\t\x20]*(?:인턴|수습|선임|객원)?[\t\x20]*(?:기자|특파원)"
_MAIL = r"[\w.+-]+@[\w-]+\.[\w.-]+"

_KOREAN = {
    "copyright": rf"(?=[^\n]*금지)[^\n]{{0,60}}{_NO_REUSE}"
    r"[^\n가-힣]{0,3}(?:및[\t\x20]*)?[^\n]{0,20}금지[^\n]{0,40}"
    r"|(?=[^\n]*저작권)[^\n]{0,30}저작권자?[\t\x20]*(?:\([cC]\)|ⓒ|©)[^\n]{0,80}",
    "byline": rf"[\[(]?{_REPORTER}[\])]?[\t\x20]*[=:|/]?[\t\x20]*[\[(]?{_MAIL}[\])]?"
    rf"|[\[(][가-힣A-Za-z]{{2,12}}[\t\x20]*=[\t\x20]*[가-힣A-Za-z0-9 ]{{2,20}}[\])]"
    rf"[\t\x20]*{_REPORTER}[\t\x20]*=?"
    rf"|{_REPORTER}[\t\x20]*구독(?:하기)?",
    "related": r"[▶☞■◆●\[<(]?[\t\x20]*"
    + _any(
        "관련 (?:기사|뉴스|글|포스트)",
        "추천 (?:기사|뉴스|글)",
        "인기 (?:기사|글|뉴스)",
        "많이 본 (?:기사|뉴스)",
        "이 기사도",
    )
    + r"[\t\x20]*(?:더[\t\x20]*보기)?[\t\x20]*[\]>):▶›»]?"
    + "|"
    + _any(
        "(?:기사|뉴스|글|댓글|목록)? 더 ?보기",
        "이전 ?글",
        "다음 ?글",
        "이전 ?기사",
        "다음 ?기사",
        "목록 ?으로",
        "최신 ?글",
    )
    + r"[\t\x20]*[:▶›»+]?",
    "share": _row(rf"{_CHANNEL_KO}{_SEND_KO}")
    + "|"
    + _row(rf"{_CHANNEL_KO}(?:{_SEND_KO})?", 2)
    + "|"
    + _any(
        "공유",
        "공유하기",
        "좋아요",
        "구독하기",
        "댓글",
        "댓글 ?(?:쓰기|달기|보기|등록)",
        "신고하기",
        "답글(?: 달기)?",
        "스크랩",
    )
    + r"[\t\x20]*\d*"
    + r"|(?:좋아요|추천|조회|댓글|공감)[\t\x20]*수?[\t\x20]*:?[\t\x20]*[\d,]+[\t\x20]*(?:개|명|회|건)?",
    "account": rf"{_row(_CLEAR_ACCOUNT_KO)}|{_row(_MENU_KO, 3)}",
    "cookies": r"(?=[^\n]*쿠키)[^\n]{0,30}(?:사이트|홈페이지|서비스)"
    r"[^\n]{0,40}쿠키[^\n]{0,40}(?:동의|수락|허용)[^\n]{0,30}"
    r"|(?:모든[\t\x20]*)?쿠키[\t\x20]*(?:허용|수락|설정|거부|정책)",
    "terms": _row(_TERMS_KO),
}

_CLEAR_ACCOUNT_EN = _any(
    *("log ?in", "log ?out", "sign ?in", "sign ?up", "sign ?out", "my account", "create an? account"),
    *(
        "skip to (?:main )?content",
        "skip to navigation",
        "back to top",
        "toggle navigation",
        "forgot(?: your)? password\\??",
    ),
)
_MENU_EN = _any(
    "home",
    "menu",
    "search",
    "about",
    "contact",
    "blog",
    "news",
    "cart",
    "checkout",
    "register",
    _CLEAR_ACCOUNT_EN,
)
_CHANNEL_EN = _any(
    *(
        "facebook",
        "twitter",
        "linkedin",
        "reddit",
        "pinterest",
        "whatsapp",
        "telegram",
        "instagram",
        "youtube",
    ),
    *("tumblr", "rss", "e-?mail", "x", "print", "copy link"),
)
_TERMS_EN = _any(
    *(
        "privacy policy",
        "cookie policy",
        "terms of (?:use|service)",
        "terms (?:and|&) conditions",
        "contact us",
    ),
    *("about us", "advertise(?: with us)?", "site ?map", "do not sell my (?:personal )?info(?:rmation)?"),
)

_ENGLISH = {
    "copyright": r"(?:copyright[\t\x20]*)?(?:©|ⓒ|&copy;)[^\n]{0,120}"
    r"|(?:copyright[\t\x20]*)?\(c\)[\t\x20]*\d{4}[^\n]{0,100}"
    r"|copyright[\t\x20]+\d{4}[^\n]{0,100}|(?=[^\n]*reserved)[^\n]{0,80}\ball rights reserved\b[^\n]{0,30}",
    "related": r"(?:related|recommended|popular|recent|similar|latest|trending|more)[\t\x20]+"
    r"(?:posts?|articles?|stories|news|reading|topics)[\t\x20]*:?"
    r"|(?:read|see|show|load|view)[\t\x20]+(?:more|all|the full story|full article)[\t\x20]*[.…»›>→]*"
    r"|continue[\t\x20]+reading[\t\x20]*[.…»›>→]*|you (?:may|might) also like:?"
    r"|[«‹<←]?[\t\x20]*(?:previous|next|older|newer)[\t\x20]+"
    r"(?:posts?|articles?|pages?|entry|entries|story|stories)[\t\x20]*[»›>→:]?",
    "share": _any("share", "tweet", "reply", "subscribe", "comments", "leave a (?:comment|reply)", "pin it")
    + r"[\t\x20]*[:!]?"
    + r"|(?:share|like|print|e-?mail|save|follow us|comment|post)[\t\x20]+"
    rf"(?:(?:this|on|via|to|by|it|post|article|story|page|{_CHANNEL_EN})(?:[\t\x20,/|]+|$))+"
    + "|"
    + _row(_CHANNEL_EN, 2)
    + r"|[\d,.]+[km]?[\t\x20]+(?:comments?|shares?|likes?|views?|replies|retweets?)",
    "account": rf"{_row(_CLEAR_ACCOUNT_EN)}|{_row(_MENU_EN, 3)}",
    "cookies": r"(?=[^\n]*cookies)[^\n]{0,60}\b(?:we|(?:this|our) (?:web)?site)\b"
    r"[^\n]{0,30}\buses? cookies\b[^\n]{0,100}"
    r"|(?:accept|reject|manage)(?:[\t\x20]+all)?[\t\x20]+cookies?|cookie[\t\x20]+(?:settings|preferences)",
    "terms": _row(_TERMS_EN),
}


def _named(rules: dict[str, str], suffix: str) -> str:
    return "|".join(f"(?P<{name}_{suffix}>{pattern})" for name, pattern in rules.items())


def _compile(*rules: str) -> re.Pattern[str]:
    """One pattern for whole lines; the name of the group that matched tells the rule."""
    return re.compile(
        rf"^(?=[^\n]{{1,{LONGEST}}}$)[\t\x20]*(?:[-*•·|▷][\t\x20]*)?(?:{'|'.join(rules)})[\t\x20]*(?:\n|\Z)",
        re.MULTILINE,
    )


# The first character keeps Hangul lines from being held against every English rule.
_ENGLISH_RULES = rf"(?=[!-~©ⓒ«‹←])(?i:{_named(_ENGLISH, 'en')})"
# Korean pages carry English boilerplate too, and the other way round only rarely.
_PATTERNS = {"ko": _compile(_named(_KOREAN, "ko"), _ENGLISH_RULES), "en": _compile(_ENGLISH_RULES)}


def boilerplate_edits(text: str, language: str | None) -> list[Edit]:
    """Edits that remove boilerplate lines with their newline. Reasons: ``lines.<rule>``.

    ``language`` other than "ko" gets the English rules.
    """
    edits: list[Edit] = []
    end = -1
    for match in _PATTERNS.get(language or "", _PATTERNS["en"]).finditer(text):
        start = match.start()
        if match.end() == len(text) and not match.group().endswith("\n") and start > 0 and start != end:
            start -= 1  # the last line goes with the newline before it, unless that has gone already
        end = match.end()
        rule = (match.lastgroup or "").rpartition("_")[0]
        edits.append(Edit("lines", start, end, "", f"lines.{rule}"))
    return edits
