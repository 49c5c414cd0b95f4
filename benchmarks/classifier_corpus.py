"""Texts that the benchmarks of classifiers learn and test with, by kind and site, from the development data.

*Good* are texts that explain, or that somebody edited: documentation, books, an encyclopaedia, the articles of web
pages. *Other* are what people and advertisers send out: mail, tweets, comments, reviews, petitions, affiliate
pages, listing pages, and what stands around the articles of pages (navigation, teasers, notices). Nobody labelled a
text: the label is that of its kind. Left out are benchmarks and chat (no corpus), the law and news (neither), pages
of the WARC samples (some thirty, of which nobody knows what they are), and goose3's pages (their gold text is a
beginning).

MORE_KINDS were added after the final figures of Korean were known, for a question of their own: what four more
kinds change (``korean-more-kinds``). Posts of developers' blogs explain; news, judgments and statutes are long,
formal and edited, and teach nobody, so that they are *other* for an educational filter. No other figure has them.

A *site* is where a text comes from: the host of a page or documentation, a book, a mailing list with its threads, a
sender of mail. Sites are what splits keep apart. Of texts that are alike (exact likeness of shingles, as the
deduplication of a curation run has it) one is kept, so that no twin of a test text is trained on.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa
from resiliparse.extract.html2text import extract_plain_text

from benchmarks.classifier_mail import sites_of_mail
from benchmarks.harness import data_directory, rows, say
from hanji.classifiers.texts import site_of, text_hash
from hanji.curation.dedup.shingles import alike, likeness, shingle_sets, signatures
from hanji.curation.dedup.unions import smallest_of_component
from hanji.curation.recipe import MinHash
from hanji.curation.text.extract import extract

OF_SITE = 400
"""Texts of a site at most, by hash."""
LEAST_CHARACTERS = 200
"""Of the texts of pages, books and documentation, for shorter ones are stubs; what people write has no least."""
LATIN_SHARE = 0.5
_WORD = re.compile(r"\w+")
_ADDRESS = re.compile(
    r"<(?:link|meta)[^>]*(?:rel=[\"']?canonical|property=[\"']?og:url)[^>]*?https?://(?:www\.)?([\w.-]+)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Sample:
    """A text with its kind and site; ``good`` is what its kind is taken for."""

    text: str
    kind: str
    site: str
    good: bool

    def hash(self) -> bytes:
        return text_hash(self.text)


Found = Iterator[tuple[str, str]]
"""(site, text) of a kind."""


def _plain(
    name: str, site: str = "", least: int = LEAST_CHARACTERS, field: str = "text"
) -> Callable[[], Found]:
    """Rows of a file, of one site unless they name their own."""

    def found() -> Found:
        for row in rows(name):
            text = row.get(field) or ""
            if len(text) >= least:
                yield site or site_of(row), text

    return found


def _documentation(*files: str) -> Callable[[], Found]:
    """Files of documentation, each of one site, and the manual of httpd in the same language."""

    def found() -> Found:
        for name in files:
            if name.startswith("html_raw"):
                yield from _manual(name)
            else:
                yield from _plain(name, name)()

    return found


def _manual(name: str) -> Found:
    for path in sorted((data_directory() / name).iterdir()):
        html = path.read_bytes().decode("euc-kr" if name.endswith("euckr") else "utf-8", "replace")
        text = extract(html, "hanji").text
        if len(text) >= LEAST_CHARACTERS:
            yield name, text


def _mail(label: str) -> Callable[[], Found]:
    def found() -> Found:
        mails = list(rows("en_email_spamassassin"))
        for site, mail in zip(sites_of_mail(mails), mails, strict=True):
            text = mail["text"]
            if re.search(r"<(html|body|table)\b", text, re.IGNORECASE):
                text = extract(text, "hanji").text
            if mail["label"] == label and text.strip():
                yield site, text

    return found


def _pages() -> Iterator[tuple[str, str, str]]:
    """(site, html, text of the article) of English pages whose article people marked or looked at."""
    for row in rows("html_gold_scrapinghub_aeb"):
        yield site_of(row), row["html"], row["gold_text"]
    for row in rows("html_gold_mozilla_readability"):
        host = _ADDRESS.search(row["html"])
        if host and row.get("gold_text"):
            yield host[1].lower(), row["html"], row["gold_text"]


def _is_english(text: str) -> bool:
    letters = sum(map(str.isalpha, text))
    words = _WORD.findall(text.lower())
    common = sum(word in {"the", "of", "and", "to", "in", "a", "is", "for"} for word in words)
    return letters > LATIN_SHARE * len(text.replace(" ", "")) and common > 0.04 * len(words)


def _articles() -> Found:
    for site, _, text in _pages():
        if len(text) >= LEAST_CHARACTERS and _is_english(text):
            yield site, text


def _around_articles() -> Found:
    """What a page shows besides its article: lines of which less than half of the word triples are in it."""
    for site, html, article in _pages():
        held = _triples(article)
        lines = []
        for line in extract_plain_text(html, main_content=False).splitlines():
            mine = _triples(line)
            inside = len(mine & held) >= len(mine) / 2 if mine else line.strip() in article
            if line.strip() and not inside:
                lines.append(line.strip())
        text = "\n".join(lines)
        if len(text) >= LEAST_CHARACTERS and _is_english(article):
            yield site, text


def _triples(text: str) -> set[tuple[str, ...]]:
    words = _WORD.findall(text.lower())
    return set(zip(words, words[1:], words[2:], strict=False))


def _listings() -> Found:
    """Korean pages that list posts of a blog: their whole text."""
    for blog in ("cheese10yun", "d2fault", "homoefficio"):
        for row in rows(f"html_ko_{blog}"):
            text = extract_plain_text(row["html"], main_content=False)
            if row.get("page") == "listing" and len(text) >= LEAST_CHARACTERS:
                yield site_of(row), text


def _posts() -> Found:
    """Posts of Korean developers' blogs: the text of the site's own container of content."""
    for blog in ("cheese10yun", "d2fault", "homoefficio"):
        for row in rows(f"html_ko_{blog}"):
            text = row.get("gold_text") or ""
            if row.get("page") != "listing" and len(text) >= LEAST_CHARACTERS:
                yield site_of(row), text


def _comments() -> Found:
    """Comments on news; the file also holds titles of news."""
    for row in rows("ko_comments_korean_hate_speech"):
        if row.get("source") != "news_title" and row.get("text"):
            yield "comments on news", row["text"]


KINDS: dict[str, dict[str, tuple[bool, Callable[[], Found]]]] = {
    "en": {
        "documentation": (
            True,
            _documentation(
                *("en_docs_progit2", "en_docs_rust_book_editions", "en_docs_vue", "en_gov_18f_handbook"),
                "html_raw_httpd_en",
            ),
        ),
        "books": (True, _plain("en_gutenberg_books")),
        "articles": (True, _articles),
        "spam": (False, _mail("spam")),
        "ham": (False, _mail("ham")),
        "tweets": (False, _plain("en_tweets_hate_davidson", "twitter.com", 1)),
        "around articles": (False, _around_articles),
    },
    "ko": {
        "documentation": (
            True,
            _documentation(
                *("ko_docs_d2l", "ko_docs_progit2", "ko_docs_rust_book_editions", "ko_docs_vue"),
                "html_raw_httpd_ko_euckr",
            ),
        ),
        "encyclopaedia": (True, _plain("bench_korquad1_dev_wiki", "ko.wikipedia.org")),
        "reviews": (False, _plain("ko_nsmc_reviews", "movie.naver.com", 1)),
        "comments": (False, _comments),
        "curses": (False, _plain("ko_curse_detection", "community posts", 1)),
        "petitions": (False, _plain("ko_petitions")),
        "affiliate pages": (False, _plain("ko_seo_affiliate_products")),
        "listings": (False, _listings),
    },
}

MORE_KINDS: dict[str, dict[str, tuple[bool, Callable[[], Found]]]] = {
    "ko": {
        "posts": (True, _posts),
        "news": (False, _plain("ko_news_dps_fixture", "news")),
        "judgments": (False, _plain("ko_court_precedents", "judgments")),
        "statutes": (False, _plain("ko_statutes", "statutes")),
    },
}


@cache
def corpus(language: str, more: bool = False) -> tuple[Sample, ...]:
    """All samples of a language in the order of their hash: near-duplicates once, at most OF_SITE of a site."""
    samples: dict[bytes, Sample] = {}
    for kind, (good, find) in (KINDS[language] | (MORE_KINDS[language] if more else {})).items():
        by_site: dict[str, list[Sample]] = defaultdict(list)
        try:
            for site, text in find():
                by_site[site].append(Sample(text, kind, site, good))
        except FileNotFoundError as error:
            say(f"{kind}: left out, {error.filename} is not there")
        for mine in by_site.values():
            for sample in sorted(mine, key=Sample.hash)[:OF_SITE]:
                samples.setdefault(sample.hash(), sample)
    return tuple(_once([samples[key] for key in sorted(samples)], language))


def _once(samples: list[Sample], language: str) -> list[Sample]:
    """Samples without those that are like an earlier one, by the deduplication's own signatures and likeness."""
    settings = MinHash()
    texts = pa.array([sample.text for sample in samples], pa.large_string())
    bands = signatures(texts, settings.shingles[language], settings).bands  # type: ignore[index]
    left, right = [], []
    for band in bands.T:
        order = np.argsort(band, kind="stable")
        same = np.flatnonzero(band[order][1:] == band[order][:-1])
        left.append(order[same])
        right.append(order[same + 1])
    a, b = np.concatenate(left), np.concatenate(right)
    sets = shingle_sets(texts, settings.shingles[language])  # type: ignore[index]
    true = alike(*likeness(sets, a, b), settings)
    component = smallest_of_component(len(samples), a[true], b[true])
    return [sample for place, sample in enumerate(samples) if component[place] == place]


def described(language: str) -> list[tuple[str, bool, int, int, int]]:
    """(kind, good, texts, sites, median of characters), for the docs."""
    samples = corpus(language)
    counts = Counter(sample.kind for sample in samples)
    return [
        (
            kind,
            good,
            counts[kind],
            len({s.site for s in samples if s.kind == kind}),
            int(np.median([len(s.text) for s in samples if s.kind == kind] or [0])),
        )
        for kind, (good, _) in KINDS[language].items()
    ]
