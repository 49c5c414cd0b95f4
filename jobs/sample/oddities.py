"""What breaks readers: wrong lengths, odd charsets, markup that is not closed, titles that are scripts."""

from __future__ import annotations

import gzip
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hanji.jobs.sample import archive, pages
from hanji.jobs.sample.archive import Http
from hanji.jobs.sample.texts import Article, Author, article, topics


@dataclass
class Page:
    """One record of the corpus and what ought to become of it."""

    url: str
    answer: Http
    truth: dict[str, Any] = field(default_factory=dict)


SCRIPT_TITLE = "<script>alert('한지')</script>"
HOSTILE_URL = 'https://odd.example/?q="><img src=x onerror=alert(1)>#end'


def charsets(rng: Author) -> Iterator[Page]:
    """Every way of naming a charset, right and wrong. ``needle`` is what must be in the text afterwards."""
    for number, (name, meta, header, encoding) in enumerate(_CHARSETS):
        language = "en" if encoding == "cp1252" else "ko"
        text = article(rng, language, topics(language)[number % 8])
        needle = "뷁스러운 똠방각하" if encoding == "cp949" else _NEEDLES[language]
        text = Article(text.title, (*text.paragraphs, f"{needle}."))
        body = pages.museum(rng, language, text, meta)
        if name == "nfd":
            body = unicodedata.normalize("NFD", body)
        content_type = "text/html" + (f"; charset={header}" if header else "")
        truth = {"kind": f"charset-{name}", "language": language, "expected": "kept", "needle": needle}
        yield Page(
            f"https://charsets.example/{name}",
            Http(body.encode(encoding, "xmlcharrefreplace"), content_type),
            truth,
        )


_NEEDLES = {"ko": "도서관에서 책을 빌려 읽었다", "en": "a “quoted” word – and a dash"}
# name, charset in the meta element, charset in the HTTP header, the true one
_CHARSETS = (
    ("euc-kr-meta", "euc-kr", None, "euc-kr"),
    ("euc-kr-header", None, "EUC-KR", "euc-kr"),
    ("cp949", "ks_c_5601-1987", None, "cp949"),
    ("undeclared-euc-kr", None, None, "euc-kr"),
    ("undeclared-utf-8", None, None, "utf-8"),
    ("utf-8-called-euc-kr", "euc-kr", None, "utf-8"),
    ("euc-kr-called-utf-8", "utf-8", "utf-8", "euc-kr"),
    ("euc-kr-called-latin-1", "euc-kr", "iso-8859-1", "euc-kr"),
    ("utf-8-bom", None, "iso-8859-1", "utf-8-sig"),
    ("utf-16", None, None, "utf-16"),
    ("windows-1252", "iso-8859-1", None, "cp1252"),
    ("nfd", "utf-8", "utf-8", "utf-8"),
)


def broken(rng: Author) -> Iterator[Page]:
    """Records and pages with something wrong. The truth says what is left of them."""
    ko, en = article(rng, "ko", topics("ko")[0]), article(rng, "en", topics("en")[0])
    page = pages.blog(rng, "ko", ko, "utf-8").encode()

    yield _odd("empty-body", Http(b""), "failed")
    yield _odd("only-markup", Http(b"<html><body><div></div></body></html>"), "dropped")
    script = page.replace(ko.title.encode(), SCRIPT_TITLE.encode())
    yield _odd("script-title", Http(script), "kept", "ko")
    escaped = Article("&lt;script&gt;alert(2)&lt;/script&gt;", article(rng, "en", topics("en")[1]).paragraphs)
    shown = pages.museum(rng, "en", escaped, "utf-8").replace("&amp;lt;", "&lt;").replace("&amp;gt;", "&gt;")
    yield Page(HOSTILE_URL, Http(shown.encode()), _truth("hostile-url", "kept", "en"))

    damaged = bytearray(pages.museum(rng, "ko", article(rng, "ko", topics("ko")[1]), "utf-8").encode())
    damaged[len(damaged) // 2] = 0xFF
    yield _odd("one-bad-byte", Http(bytes(damaged)), "kept", "ko")
    noise = rng.randbytes(3000)
    yield _odd("noise", Http(b"<html><body><p>" + noise + b"</p></body></html>"), "dropped")

    unclosed = "<div>" * 3000 + "".join(f"<p>{paragraph}" for paragraph in en.paragraphs)
    yield _odd("deep-and-unclosed", Http(unclosed.encode()), "any", "en")
    good = pages.museum(rng, "en", article(rng, "en", topics("en")[2]), "utf-8").encode()
    yield _odd("short-content-length", Http(good, content_length=10), "kept", "en")
    good = pages.museum(rng, "ko", article(rng, "ko", topics("ko")[2]), "utf-8").encode()
    chunked = b"".join(_chunk(good[start : start + 700]) for start in range(0, len(good), 700)) + _chunk(b"")
    yield _odd("chunked", Http(chunked, headers={"Transfer-Encoding": "chunked"}), "kept", "ko")
    good = pages.museum(rng, "en", article(rng, "en", topics("en")[3]), "utf-8").encode()
    packed = gzip.compress(good, mtime=0)
    yield _odd("gzip-encoding", Http(packed, headers={"Content-Encoding": "gzip"}), "kept", "en")
    half = Http(packed[: len(packed) // 2], headers={"Content-Encoding": "gzip"})
    yield _odd("half-a-gzip-body", half, "any", "en")


def skipped() -> Iterator[tuple[str, bytes]]:
    """Records that are no documents: (kind, record)."""
    at = "https://odd.example/"
    yield "status", archive.response(f"{at}moved", 1, Http(b"", status="301 Moved", headers={"Location": at}))
    missing = Http(b"<html><body><p>Not found, sorry.</p></body></html>", status="404 Not Found")
    yield "status", archive.response(f"{at}missing", 2, missing)
    image = b"\x89PNG\r\n\x1a\n" + b"\x00" * 64
    yield "type", archive.response(f"{at}picture.png", 3, Http(image, "image/png"))
    request = b"GET /moved HTTP/1.1\r\nHost: odd.example\r\n\r\n"
    yield "request", archive.record("request", f"{at}moved", 1, request, "application/http; msgtype=request")
    head = Http(b"").block()
    yield "revisit", archive.record("revisit", f"{at}again", 4, head, "application/http; msgtype=response")


def wrong_length(rng: Author) -> bytes:
    """A record whose header promises more bytes than there are."""
    body = pages.museum(rng, "en", article(rng, "en", topics("en")[4]), "utf-8").encode()
    block = Http(body).block()
    return archive.record(
        "response", "https://odd.example/wrong-length", 5, block, "application/http; msgtype=response",
        length=len(block) + 5000,
    )  # fmt: skip


def _odd(name: str, answer: Http, expected: str, language: str | None = None) -> Page:
    return Page(f"https://odd.example/{name}", answer, _truth(name, expected, language))


def _truth(kind: str, expected: str, language: str | None = None) -> dict[str, Any]:
    return {"kind": kind, "language": language, "expected": expected}


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"
