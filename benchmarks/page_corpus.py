"""Pages of known language for the guess on raw bytes: real ones, and declarations in realistic templates.

A template has navigation of a site in English, Korean, German or Japanese around the text, scripts and style
sheets, a language attribute that is right, wrong or missing, and a charset of the web of its language. Real
pages without a label are labelled by lid.176 on the text that people marked as their content, where that is
sure.
"""

from __future__ import annotations

import hashlib
import html
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.harness import data_directory, rows
from benchmarks.language_corpus import APART, declarations, documents, half
from hanji.classifiers import fasttext_model
from hanji.classifiers.language import find_lid

LENGTHS = (300, 1_000, 3_000, 20_000)
_GOLD = ("html_gold_goose3", "html_gold_mozilla_readability", "html_gold_scrapinghub_aeb")
_KOREAN_SITES = ("html_ko_cheese10yun", "html_ko_d2fault", "html_ko_homoefficio")
# Charsets of the old web by ISO 639-3 code, as Python calls them.
_LEGACY = {
    **dict.fromkeys(("deu", "fra", "spa", "por", "ita", "nld", "swe", "dan", "nob", "fin", "isl", "cat"), "cp1252"),
    **dict.fromkeys(("pol", "ces", "slk", "hun", "hrv", "slv", "ron"), "iso8859-2"),
    **dict.fromkeys(("rus", "ukr", "bul", "bel"), "cp1251"),
    "jpn": "euc_jp", "cmn": "gb18030", "yue": "big5", "tha": "tis-620", "ell": "iso8859-7",
    "heb": "cp1255", "arb": "cp1256", "tur": "iso8859-9", "lit": "iso8859-13", "ko": "cp949", "en": "cp1252",
}  # fmt: skip
# Navigation of sites in four languages, whatever the language of the text on them.
_LINKS = (
    ("Home", "About us", "Products and services", "Contact", "Sign in", "Create an account", "Read more",
     "Search the site", "Terms of use", "Privacy policy", "Share this page with your friends", "Newsletter"),
    ("홈", "회사 소개", "제품", "고객 센터", "로그인", "회원 가입", "검색", "이용 약관", "개인정보 처리방침"),
    ("Startseite", "Über uns", "Produkte und Dienste", "Kontakt", "Anmelden", "Suche", "Datenschutz", "Impressum"),
    ("ホーム", "会社概要", "製品とサービス", "お問い合わせ", "ログイン", "検索", "利用規約", "採用情報"),
)  # fmt: skip
_TITLES = ("Welcome to our website", "우리 홈페이지", "Willkommen auf unserer Seite", "ようこそ")
_SCRIPT = """<script>
(function (window, document) { var settings = { theme: "light", "cache": true, items: [] };
  if (typeof settings.items !== "undefined") { for (var i = 0; i < settings.items.length; i++) { window.load(i); } }
  function onReady(event) { return event && event.target ? event.target.value : null; }
  document.addEventListener("DOMContentLoaded", onReady, false); })(window, document);
</script>"""
_STYLE = """<style>.header { margin: 0 auto; padding: 10px } .content p { line-height: 1.6; color: #333 }
@media (max-width: 600px) { .sidebar { display: none } }</style>"""


@dataclass(frozen=True)
class Page:
    """``language`` is "ko", "en" or another's code; ``group`` what it is counted under."""

    language: str
    group: str
    half: int
    data: bytes
    http_charset: str | None = None


def real_pages() -> Iterator[Page]:
    """Pages of the data as they were crawled or generated."""
    for name in _KOREAN_SITES:
        for row in rows(name):
            yield Page("ko", name, half(name + str(row["id"])), row["html"].encode())
    model = fasttext_model.load(find_lid())
    for name in _GOLD:
        for row in rows(name):
            (guess,) = model.predict([(row["gold_text"] or "")[:3_000]])
            # Filler text is in no language, though it is said to be Latin.
            if guess.probability >= 0.6 and guess.label != "la":
                yield Page(guess.label, name, half(name + str(row["id"])), row["html"].encode())
    for folder, language in (
        ("html_raw_httpd_en", "en"),
        ("html_raw_httpd_ko_euckr", "ko"),
        ("html_raw_httpd_other", ""),
    ):
        for path in sorted((data_directory() / folder).iterdir()):
            code = language or path.name.partition(".html.")[2].split(".")[0]
            yield Page(code, folder, half(path.name), path.read_bytes())


def made_pages() -> Iterator[Page]:
    """Declarations, and Korean and English prose, in templates."""
    texts = [(language, language, half(language), text) for language, _, text in declarations()]
    for language, names in (
        ("ko", ("ko_petitions", "ko_news_dps_fixture", "ko_court_precedents", "ko_nsmc_reviews")),
        ("en", ("en_gov_18f_handbook", "en_gutenberg_books", "dpo_hh_rlhf_harmless_test")),
    ):
        texts += [(language, source, part, text) for source, part, text in documents(names, 60, at_least=300)]
    for number, (language, group, part, text) in enumerate(texts):
        if language in APART:
            continue
        for length in LENGTHS[:1] if len(text) < LENGTHS[1] else LENGTHS:
            seed = hashlib.sha256(f"{group} {number} {length}".encode()).digest()
            yield _page(language, group, part, text[:length], seed)


def _page(language: str, group: str, part: int, text: str, seed: bytes) -> Page:
    """A page whose template the seed chooses."""
    # Half of the sites are English, a quarter Korean, the rest German and Japanese.
    site, inline, doubled = (0, 0, 0, 0, 1, 1, 2, 3)[seed[0] % 8], seed[1] % 2, seed[2] % 3
    said = ("", "en", "ko", "de", language, language)[seed[3] % 6]
    charset = "utf-8"
    if seed[4] % 3 == 0 and language in _LEGACY:
        charset = _LEGACY[language]
    links = "".join(
        f'<li class="menu-item"><a href="/section/{i}?ref=nav" title="{name}">{name}</a></li>\n'
        for i, name in enumerate(_LINKS[site])
    )
    lines = [html.escape(line) for line in text.split("\n") if line.strip()]
    if inline:
        lines = [
            line.replace(" ", " <b>", 1).replace(" ", "</b> ", 1) if line.count(" ") > 3 else line
            for line in lines
        ]
    body = "\n".join(f'<p class="entry">{line}</p>' for line in lines)
    attribute = f' lang="{said}"' if said else ""
    page = f"""<!DOCTYPE html>
<html{attribute}>
<head><meta charset="{charset}"><title>{_TITLES[site]}</title>
<link rel="stylesheet" href="/static/css/site.min.css">{_STYLE}{_SCRIPT * (1 + 4 * doubled)}</head>
<body class="page home"><div id="header"><ul class="menu">{links}</ul></div>
<div id="content" data-role="main"><h1>{lines[0] if lines else ""}</h1>
{body}
</div>
<div id="footer"><ul>{links}</ul><p>Copyright 2021. All rights reserved.</p></div>{_SCRIPT}
</body></html>
"""
    data = page.encode(charset, "xmlcharrefreplace")
    return Page(language, group, part, data, charset if seed[5] % 2 else None)
