"""Pages whose text is known, in the charsets and with the faults that archives have.

Korean texts of the development data are put into a page and encoded in CP949: with the right label, without one,
with a wrong one, with broken bytes, or half in UTF-8. Each source is split in two by a hash of the text, and what
holds on one half has to hold on the other.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from benchmarks.harness import data_directory, rows

KOREAN = (
    *(
        "ko_petitions",
        "ko_news_dps_fixture",
        "ko_court_precedents",
        "ko_docs_vue",
        "ko_docs_d2l",
        "ko_statutes",
    ),
    *("ko_nsmc_reviews", "ko_comments_korean_hate_speech", "ko_seo_affiliate_products"),
)
PAGES_OF_A_SOURCE = 100
LONGEST = 20_000
PYTHON_NAMES = {"windows-874": "cp874"}


@dataclass(frozen=True)
class Page:
    """Bytes, the label that the transport states, and the text that a reader of the page would want."""

    data: bytes
    label: str | None
    truth: str
    half: int
    broken: int = 0


def half_of(text: str) -> int:
    """0 or 1, by a hash of the text."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=1).digest()[0] & 1


@cache
def korean_texts() -> tuple[tuple[str, int], ...]:
    """(text that CP949 has all characters of, half) from every Korean source."""
    return tuple(_korean_texts())


def _korean_texts() -> Iterator[tuple[str, int]]:
    for source in KOREAN:
        taken = 0
        for row in rows(source):
            text = (row.get("text") or "")[:LONGEST]
            if len(text) < 20:
                continue
            yield text.encode("cp949", "ignore").decode("cp949"), half_of(text)
            taken += 1
            if taken >= PAGES_OF_A_SOURCE:
                break


def in_page(text: str, meta: str = "") -> str:
    """A page with the text between tags, one paragraph a line."""
    body = "\n".join(f"<p>{line}</p>" for line in text.split("\n"))
    return f"<html><head>{meta}<title>title</title></head><body>\n{body}\n</body></html>\n"


def labelled(label: str | None, meta: str = "", encoding: str = "cp949") -> Iterator[Page]:
    """Pages with a label of the transport, or a meta element."""
    for text, half in korean_texts():
        page = in_page(text, meta)
        yield Page(page.encode(encoding), label, page, half)


def broken(fault: str, encoding: str = "cp949") -> Iterator[Page]:
    """Pages in which one byte of about a thousand is lost, added or changed, next to upper bytes."""
    generator = random.Random(949)
    for text, half in korean_texts():
        page = in_page(text, f'<meta charset="{"euc-kr" if encoding == "cp949" else encoding}">')
        data = bytearray(page.encode(encoding))
        upper = [place for place, byte in enumerate(data) if byte >= 0x80]
        places = sorted(generator.sample(upper, min(len(upper), 1 + len(data) // 1000)), reverse=True)
        for place in places:
            if fault == "lost":
                del data[place]
            elif fault == "added":
                data.insert(place, generator.randrange(0x80, 0x100))
            else:
                data[place] = generator.randrange(0x80, 0x100)
        yield Page(bytes(data), None, page, half, len(places))


def mixed(outer: str, inner: str) -> Iterator[Page]:
    """A page with a Korean menu in one charset and the text in another, as old boards have."""
    menu = "".join(f"<li>{name}</li>" for name in ("자유게시판", "공지사항", "회원가입", "처음으로 돌아가기"))
    for text, half in korean_texts():
        label = "euc-kr" if outer == "cp949" else outer
        head = f'<html><head><meta charset="{label}"></head><body><ul>{menu}</ul>\n'
        foot = "<p>이 게시판의 글은 누구나 읽을 수 있습니다.</p></body></html>\n"
        body = "\n".join(f"<p>{line}</p>" for line in text.split("\n")) + "\n"
        data = head.encode(outer) + body.encode(inner) + foot.encode(outer)
        yield Page(data, None, head + body + foot, half)


def other_languages() -> Iterator[tuple[str, str, bytes]]:
    """(language, label, bytes) of the declaration of human rights, for each legacy charset that can hold it."""
    charsets = {
        **dict.fromkeys(("ja", "jpn"), ("euc-jp", "shift_jis", "iso-2022-jp")),
        **dict.fromkeys(("cmn", "cjy", "wuu", "hsn"), ("gbk", "gb18030", "big5")),
        **dict.fromkeys(("nan", "yue", "hak", "gan"), ("gbk", "big5")),
        **dict.fromkeys(("ru", "rus", "uk", "ukr", "bg", "bul"), ("windows-1251", "koi8-r", "iso-8859-5")),
        **dict.fromkeys(
            ("fr", "fra", "de", "deu", "deu_1996", "es", "spa", "pt", "por", "it", "ita"), ("cp1252",)
        ),
        **dict.fromkeys(("pl", "pol", "cs", "ces", "hu", "hun"), ("cp1250", "iso8859-2")),
        **dict.fromkeys(("el", "ell", "ell_monotonic"), ("cp1253",)),
        **dict.fromkeys(("tr", "tur"), ("cp1254",)),
        **dict.fromkeys(
            ("he", "heb", "ar", "arb", "th", "tha", "vi", "vie"),
            ("cp1255", "cp1256", "windows-874", "cp1258"),
        ),
    }
    for row in rows("lid_udhr"):
        language = str(row.get("lang"))
        for encoding in charsets.get(language, ()):
            try:
                row["text"].encode(PYTHON_NAMES.get(encoding, encoding))
            except UnicodeEncodeError:
                continue
            yield language, encoding, row["text"].encode(PYTHON_NAMES.get(encoding, encoding))


def legacy_files() -> Iterator[tuple[str, bytes]]:
    """The pages and the text of the data that are in EUC-KR as they were published."""
    directory = data_directory()
    for path in sorted((directory / "html_raw_httpd_ko_euckr").iterdir()):
        yield path.name, path.read_bytes()
    path = directory / "ko_literature_kim_yujeong_euckr.txt"
    yield path.name, path.read_bytes()
