"""Boilerplate lines of Korean and English pages, as edits: whole short lines that say nothing of the text.

Each rule is a pattern for a full line; a line goes only if a rule matches all of it, so a sentence that
mentions a share button stays. Reasons are counted by rule.
"""

from __future__ import annotations

import re

from hanji.curation.records import Edit

VERSION = 1
LONGEST = 160

_KOREAN = {
    "copyright": r".{0,60}(?:무단\s*전재|무단\s*복제|재배포)\s*(?:및|·|,|-|/)?\s*(?:재배포|전재|복제|이용)?.{0,20}금지.{0,60}"
    r"|.{0,40}(?:저작권자|저작권)\s*(?:\(c\)|ⓒ|©|:).{0,80}",
    "byline": r"[\[(]?[가-힣]{2,4}\s*(?:기자|특파원|인턴기자)[\])]?\s*[=:]?\s*[\w.+-]+@[\w.-]+"
    r"|[\[(][가-힣A-Za-z]{2,12}\s*=\s*[가-힣A-Za-z0-9 ]{2,20}[\])]\s*[가-힣]{2,4}\s*기자\s*=?",
    "related": r"(?:▶|☞|■|◆|●|\[|<|\s)*(?:관련\s*(?:기사|뉴스|글|포스트)|추천\s*(?:기사|뉴스|글)|인기\s*(?:기사|글)|많이\s*본\s*(?:기사|뉴스)"
    r"|이전\s*글|다음\s*글|최신\s*글|더\s*보기|목록(?:으로)?|기사\s*더\s*보기)(?:\]|>|\s|:|▶|›|»)*(?:.{0,40})?",
    "share": r"(?:(?:페이스북|트위터|카카오톡|카카오스토리|밴드|네이버|블로그|링크|URL|인쇄|메일|글자\s*크기|스크랩|프린트)(?:으로|로|에|에서)?\s*"
    r"(?:공유(?:하기)?|보내기|복사|하기|조절)?[\s|·,/]*)+|(?:공유|공유하기|좋아요|추천|구독|구독하기|댓글|댓글\s*(?:쓰기|달기|보기)|신고|답글|스크랩)\s*\d*"
    r"|(?:좋아요|추천|조회|댓글)\s*(?:수)?\s*[:\s]?\s*[\d,]+(?:\s*(?:개|명|회))?",
    "account": r"(?:로그인|로그아웃|회원\s*가입|마이\s*페이지|장바구니|고객\s*센터|사이트맵|검색|메뉴|홈|전체\s*메뉴|본문\s*바로\s*가기|맨\s*위로|top)"
    r"(?:[\s|·/>]+(?:로그인|로그아웃|회원\s*가입|마이\s*페이지|장바구니|고객\s*센터|사이트맵|검색|메뉴|홈|전체\s*메뉴|본문\s*바로\s*가기))*",
    "cookies": r".{0,80}쿠키(?:를|의)?\s*(?:사용|수집|동의).{0,60}",
    "terms": r"(?:이용\s*약관|개인\s*정보\s*(?:처리\s*방침|취급\s*방침|보호\s*정책)|청소년\s*보호\s*정책|이메일\s*무단\s*수집\s*거부|제휴\s*문의|광고\s*문의|회사\s*소개)"
    r"(?:[\s|·/]+(?:이용\s*약관|개인\s*정보\s*(?:처리\s*방침|취급\s*방침|보호\s*정책)|청소년\s*보호\s*정책|이메일\s*무단\s*수집\s*거부|제휴\s*문의|광고\s*문의|회사\s*소개))*",
}
_ENGLISH = {
    "copyright": r"(?:copyright\s*)?(?:©|ⓒ|\(c\)|&copy;)\s*(?:copyright\s*)?.{0,100}|copyright\s+\d{4}.{0,100}"
    r"|.{0,60}all rights reserved\.?.{0,40}",
    "related": r"(?:related|recommended|popular|recent|more|similar|latest|trending)\s+(?:posts?|articles?|stories|news|reading|topics|from\s.{1,40})\s*:?"
    r"|(?:read|see|show|load|view)\s+(?:more|all|full story)(?:\s*[…»›>→.]+)?|continue reading.{0,60}"
    r"|(?:previous|next|older|newer)\s+(?:post|article|page|entry|entries|story)s?.{0,60}|you (?:may|might) also like:?.{0,40}",
    "share": r"(?:share|tweet|pin|like|print|email|e-mail|save|comment|comments|follow us|subscribe|reply|report)"
    r"(?:\s+(?:this|on|via|to|by|us|it|post|article|story|page|facebook|twitter|x|linkedin|reddit|pinterest|whatsapp|email|e-mail|now))*\s*[:!]?"
    r"|(?:(?:facebook|twitter|linkedin|reddit|pinterest|whatsapp|instagram|youtube|rss)[\s|·,/]*)+|\d+\s+(?:comments?|shares?|likes?|views?|replies)",
    "account": r"(?:log\s?in|log\s?out|sign\s?in|sign\s?up|register|my account|cart|checkout|search|menu|home|skip to (?:main )?content|back to top|toggle navigation)"
    r"(?:[\s|·/>]+(?:log\s?in|log\s?out|sign\s?in|sign\s?up|register|my account|cart|search|menu|home|about|contact|blog|news))*",
    "cookies": r".{0,60}\b(?:we|this (?:web)?site)\b.{0,30}\buses? cookies\b.{0,100}|accept(?: all)? cookies?|cookie (?:policy|settings|preferences)",
    "terms": r"(?:privacy policy|terms of (?:use|service)|terms (?:and|&) conditions|contact us|about us|advertise|site ?map)"
    r"(?:[\s|·/]+(?:privacy policy|terms of (?:use|service)|terms (?:and|&) conditions|contact us|about us|advertise|site ?map))*",
}


def _compile(rules: dict[str, str]) -> re.Pattern[str]:
    inner = "|".join(f"(?P<{name}>{pattern})" for name, pattern in rules.items())
    return re.compile(f"[ \t]*(?:[-*•·|▶▷]\\s*)?(?:{inner})[ \t]*", re.IGNORECASE)


# Korean pages carry English boilerplate too, and the other way round only rarely.
_PATTERNS = {"ko": [_compile(_KOREAN), _compile(_ENGLISH)], "en": [_compile(_ENGLISH)]}


def boilerplate_edits(text: str, language: str | None) -> list[Edit]:
    """Edits that remove boilerplate lines with their newline. Reasons: ``lines.<rule>``."""
    patterns = _PATTERNS.get(language or "", _PATTERNS["en"])
    edits: list[Edit] = []
    start = 0
    for line in text.split("\n"):
        end = start + len(line)
        if 0 < len(line) <= LONGEST:
            for pattern in patterns:
                match = pattern.fullmatch(line)
                if match:
                    # With the newline after it, or before it for the last line.
                    first = start if end < len(text) else max(start - 1, 0)
                    edits.append(
                        Edit("lines", first, min(end + 1, len(text)), "", f"lines.{match.lastgroup}")
                    )
                    break
        start = end + 1
    return edits
