"""Makes the sample corpus: `python -m hanji.jobs.sample.make_corpus [DIRECTORY]`.

Writes corpus.warc.gz, broken.warc.gz (its last gzip member is cut off), truth.jsonl (what ought to become
of each page) and seed/{ko,en}.jsonl (labelled texts for the quality classifiers). The same bytes every time.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hanji.jobs.sample import archive, oddities, pages
from hanji.jobs.sample.archive import Http
from hanji.jobs.sample.oddities import Page
from hanji.jobs.sample.texts import Article, Author, article, edited, everyday, pools, topics

SEED = 20_250_218  # the day the Kanana paper appeared
ARTICLES = 120  # of each language
MIRRORS, EDITS = 7, 8
EVERYDAY = {"diary": 12, "advertising": 10, "machine": 10, "board": 10}
LANGUAGES = ("ko", "en")
SITES = {"ko": ["hanji-museum", "meogeum", "gaetbeol"], "en": ["tidewater", "paperhouse", "fieldnotes"]}
# Topics that the labelled seed has too; the other three are new to the classifiers.
SEED_TOPICS = 5
SEED_ROWS = 120  # of each label and language
_PERSONS = {
    "ko": "담당자 홍길동의 전화는 010-0000-{four}이고 메일은 gildong{two}@mail.example 이다. 서류에는 주민등록번호 "
    "900101-1{six}과 계좌의 카드 번호 4111 1111 1111 1111이 함께 적혀 있었다.",
    "en": "Write to Jane Doe at jane.doe{two}@mail.example or call (212) 555-{four} between nine and five. The "
    "form showed the card 4111 1111 1111 1111 and the server address 8.8.{two}.{two}.",
}
_CODE = (
    "def halve(low, high, wanted):\n    middle = (low + high) // 2\n    return middle if wanted else low\n"
)


def main(arguments: list[str]) -> None:
    directory = Path(arguments[0]) if arguments else Path(__file__).parent
    for name, data in make().items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        print(f"{path}: {len(data):,} bytes")


def make() -> dict[str, bytes]:
    """All files by their path in the sample's directory."""
    rng = Author(SEED)
    whole, cut = list(_pages(rng)), list(_last_pages(rng))
    rng.shuffle(whole)
    records = [archive.info(), *(record for _, record in oddities.skipped())]
    records += [archive.response(page.url, day, page.answer) for day, page in enumerate(whole)]
    corpus = b"".join(map(archive.member, records))
    broken = [archive.response(page.url, 300 + day, page.answer) for day, page in enumerate(cut)]
    broken.insert(1, oddities.wrong_length(rng))
    members = [*map(archive.member, [archive.info(), *broken])]
    members[-1] = members[-1][: len(members[-1]) // 2]
    cut[-1].truth["expected"] = "failed"
    rows = [{"url": page.url, **page.truth} for page in [*whole, *cut]]
    rows.append({"url": "https://odd.example/wrong-length", "kind": "wrong-length", "expected": "kept"})
    rows += [
        {"record": kind, "kind": f"skipped-{kind}", "expected": "skipped"} for kind, _ in oddities.skipped()
    ]
    files = {
        "corpus.warc.gz": corpus,
        "broken.warc.gz": b"".join(members),
        "truth.jsonl": _lines(rows),
    }
    for language in LANGUAGES:
        files[f"seed/{language}.jsonl"] = _lines(list(_seed(language)))
    return files


def _pages(rng: Author) -> Iterator[Page]:
    for language in LANGUAGES:
        yield from _articles(rng, language)
        yield from _low(rng, language)
        yield from _persons(rng, language)
        yield from _with_code(rng, language)
        for number in range(3):
            body = pages.listing(rng, language).encode()
            yield _page(
                f"https://portal-{language}.example/list/{number}", body, "listing", language, "dropped"
            )
        for number in range(5):
            thin = Article("…", (article(rng, language, topics(language)[number]).text[:70],))
            body = pages.museum(rng, language, thin, "utf-8").encode()
            yield _page(f"https://portal-{language}.example/thin/{number}", body, "thin", language, "dropped")
    for language, (text,) in pools("other").items():
        body = pages.museum(rng, "en", Article(text[:30], (text,)), "utf-8").encode()
        yield _page(f"https://world.example/{language}", body, "other-language", language, "dropped")
    yield from oddities.charsets(rng)
    yield from oddities.broken(rng)


def _articles(rng: Author, language: str) -> Iterator[Page]:
    """Articles, and of some of them mirrors on other hosts and lightly edited copies."""
    made: list[tuple[Page, Article]] = []
    for number in range(ARTICLES):
        site = SITES[language][number % 3]
        text = article(rng, language, topics(language)[number % 8])
        url = f"https://{site}.example/{language}/{number:03}"
        made.append((_rendered(rng, url, text, language, number, "article", "kept"), text))
    originals = rng.sample(made, MIRRORS + EDITS)
    for number, (page, text) in enumerate(originals):
        # The original or its copy is kept, whichever ranks first, and never both.
        page.truth |= {"expected": "one", "cluster": page.url}
        kind = "mirror" if number < MIRRORS else "edited"
        copied = text if kind == "mirror" else edited(rng, language, text)
        copy = _rendered(
            rng, f"https://{kind}.example/{language}/{number:03}", copied, language, number, kind, "one"
        )
        copy.truth["cluster"] = page.url
        yield copy
    yield from (page for page, _ in made)


def _low(rng: Author, language: str) -> Iterator[Page]:
    for kind, (name, count) in enumerate(EVERYDAY.items()):
        for number in range(count):
            text = everyday(rng, language, kind, rng.randint(8, 14))
            url = f"https://{name}-{language}.example/{number:02}"
            yield _rendered(rng, url, text, language, number, name, "any")


def _persons(rng: Author, language: str) -> Iterator[Page]:
    """Articles with invented personal data at the end. The numbers belong to nobody."""
    for number in range(5):
        text = article(rng, language, topics(language)[number])
        digits = f"{rng.randint(0, 999_999):06}"
        person = _PERSONS[language].format(two=digits[:2], four=f"01{digits[:2]}", six=digits)
        text = Article(text.title, (*text.paragraphs, person))
        page = _rendered(
            rng, f"https://office-{language}.example/{number}", text, language, 0, "persons", "kept"
        )
        page.truth["secret"] = f"{digits[:2]}@mail.example"
        yield page


def _with_code(rng: Author, language: str) -> Iterator[Page]:
    for number in range(3):
        text = article(rng, language, topics(language)[-2])
        body = pages.museum(rng, language, text, "utf-8").replace(
            "</article>", f"<pre><code>{_CODE.replace('halve', f'halve_{number}')}</code></pre></article>"
        )
        url = f"https://notebook-{language}.example/{number}"
        yield _page(url, body.encode(), "code", language, "kept")


def _last_pages(rng: Author) -> Iterator[Page]:
    """For the file that ends in the middle of a record."""
    for number in range(5):
        text = article(rng, "ko", topics("ko")[number])
        yield _rendered(rng, f"https://halted.example/{number}", text, "ko", number, "halted", "kept")


def _rendered(
    rng: Author, url: str, text: Article, language: str, number: int, kind: str, expected: str
) -> Page:
    """The text in one of the templates, in the charset that such a page would have."""
    template = pages.TEMPLATES[number % len(pages.TEMPLATES)]
    old = template is pages.tables and language == "ko"
    body = template(rng, language, text, "euc-kr" if old else "utf-8")
    encoded = body.encode("cp949" if old else "utf-8", "xmlcharrefreplace")
    return _page(url, encoded, kind, language, expected, "text/html" if old else "text/html; charset=utf-8")


def _page(
    url: str, body: bytes, kind: str, language: str, expected: str, content_type: str = "text/html"
) -> Page:
    truth: dict[str, Any] = {"kind": kind, "language": language, "expected": expected}
    return Page(url, Http(body, content_type), truth)


def _seed(language: str) -> Iterator[dict[str, str]]:
    """Labelled texts: articles about some of the topics against everyday text of all kinds."""
    for number in range(SEED_ROWS):
        rng = Author(SEED + number)
        high = article(rng, language, topics(language)[number % SEED_TOPICS])
        low = everyday(rng, language, number % len(EVERYDAY), rng.randint(8, 14))
        yield {"label": "high", "text": high.text}
        yield {"label": "low", "text": low.text}


def _lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


if __name__ == "__main__":
    main(sys.argv[1:])
