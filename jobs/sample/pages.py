"""HTML around the texts: the navigation, sidebars, comments and footers that the web puts there."""

from __future__ import annotations

import html
from random import Random

from hanji.jobs.sample.texts import Article

_WORDS = {
    "ko": {
        "menu": ["처음", "소개", "전시", "자료실", "소식", "오시는 길", "로그인", "회원가입"],
        "aside": ["많이 본 글", "최근 댓글", "태그", "방문자 수", "이웃 추가"],
        "share": "공유하기 | 인쇄 | 스크랩 | 글자 크게 | 글자 작게",
        "footer": "이용약관 | 개인정보 처리방침 | 이메일 무단수집거부",
        "rights": "이 사이트의 모든 글은 저작권의 보호를 받습니다. 무단 전재 및 재배포 금지",
        "cookie": "이 사이트는 쿠키를 사용합니다. 계속 이용하시면 동의한 것으로 봅니다.",
        "previous": "이전 글",
        "next": "다음 글",
        "comments": "댓글",
        "thanks": "잘 읽었습니다.",
        "more": "더 보기",
    },
    "en": {
        "menu": ["Home", "About", "Collections", "Archive", "News", "Visit", "Log in", "Register"],
        "aside": ["Most read", "Latest comments", "Tags", "Visitors", "Follow us"],
        "share": "Share | Print | Save | Larger text | Smaller text",
        "footer": "Terms of use | Privacy policy | Contact",
        "rights": "All rights reserved. No part of this site may be reproduced without permission.",
        "cookie": "This site uses cookies. By continuing to browse you agree to our use of cookies.",
        "previous": "Previous post",
        "next": "Next post",
        "comments": "Comments",
        "thanks": "Thanks, nice read.",
        "more": "Read more",
    },
}


def museum(rng: Random, language: str, article: Article, charset: str | None) -> str:
    """Semantic HTML 5: nav, main, article, footer."""
    words = _WORDS[language]
    return (
        f'<!DOCTYPE html>\n<html lang="{language}">\n<head>{_meta(charset)}'
        f"<title>{_text(article.title)}</title></head>\n<body>\n"
        f"<header><nav>{_links(rng, list(words['menu']))}</nav></header>\n"
        f"<main><article>\n<h1>{_text(article.title)}</h1>\n{_body(article)}\n</article></main>\n"
        f"<footer><p>{words['footer']}</p><p>{words['rights']}</p></footer>\n</body></html>\n"
    )


def blog(rng: Random, language: str, article: Article, charset: str | None) -> str:
    """Divs with classes, a sidebar, share buttons, a comment or two, and a script."""
    words = _WORDS[language]
    replies = "".join(
        f'<li class="reply"><b>guest{rng.randint(10, 99)}</b> <span>{words["thanks"]}</span></li>'
        for _ in range(rng.randint(0, 3))
    )
    return (
        f"<html><head>{_meta(charset, old=True)}<title>{_text(article.title)}</title>\n"
        "<style>.side{float:right;width:14em}</style>"
        "<script>var visits = 1; if (visits < 2 && document) { document.title += ''; }</script></head>\n"
        f'<body><div id="cookie-banner">{words["cookie"]}</div>\n'
        f'<div class="menu">{_links(rng, list(words["menu"]))}</div>\n'
        f'<div class="sidebar side"><ul>{"".join(f"<li>{item}</li>" for item in words["aside"])}</ul></div>\n'
        f'<div class="post"><h2 class="entry-title">{_text(article.title)}</h2>\n'
        f'<div class="entry-content">{_body(article)}</div>\n<div class="share">{words["share"]}</div></div>\n'
        f'<div class="pager">{words["previous"]} · {words["next"]}</div>\n'
        f'<div class="comments"><h3>{words["comments"]}</h3><ul>{replies}</ul></div>\n'
        f'<div class="footer">{words["rights"]}</div></body></html>\n'
    )


def tables(rng: Random, language: str, article: Article, charset: str | None) -> str:
    """A page of the nineties: layout tables, font tags, line breaks for paragraphs, unclosed elements."""
    words = _WORDS[language]
    cells = "".join(f"<TR><TD><FONT SIZE=2>{item}</FONT>" for item in words["menu"])
    text = "<BR><BR>\n".join(_text(paragraph) for paragraph in article.paragraphs)
    return (
        f"<HTML><HEAD>{_meta(charset, old=True)}<TITLE>{_text(article.title)}</TITLE></HEAD>\n"
        f'<BODY BGCOLOR="#FFFFFF"><TABLE WIDTH=760><TR><TD WIDTH=140 VALIGN=top><TABLE>{cells}</TABLE>\n'
        f"<TD VALIGN=top><CENTER><FONT SIZE=5><B>{_text(article.title)}</B></FONT></CENTER><P>\n{text}\n"
        f"<HR><FONT SIZE=1>{words['footer']}</FONT></TABLE></BODY></HTML>\n"
    )


def listing(rng: Random, language: str) -> str:
    """A page that is nothing but navigation: links, teasers that break off, and a footer."""
    words = _WORDS[language]
    items = "".join(
        f'<li><a href="/{rng.randint(100, 999)}">{rng.choice(words["menu"])}</a> … {words["more"]}</li>'
        for _ in range(rng.randint(20, 40))
    )
    return (
        f'<!DOCTYPE html><html lang="{language}"><head><meta charset="utf-8"><title>{words["menu"][3]}</title>'
        f"</head><body><nav>{_links(rng, list(words['menu']))}</nav><ul>{items}</ul>"
        f"<footer>{words['footer']} {words['rights']}</footer></body></html>\n"
    )


TEMPLATES = (museum, blog, tables)


def _meta(charset: str | None, old: bool = False) -> str:
    if charset is None:
        return ""
    if old:
        return f'<meta http-equiv="Content-Type" content="text/html; charset={charset}">'
    return f'<meta charset="{charset}">'


def _links(rng: Random, names: list[str]) -> str:
    rng.shuffle(names)
    return " ".join(f'<a href="/{index}">{name}</a>' for index, name in enumerate(names))


def _body(article: Article) -> str:
    return "\n".join(f"<p>{_text(paragraph)}</p>" for paragraph in article.paragraphs)


def _text(text: str) -> str:
    return html.escape(text, quote=False)
