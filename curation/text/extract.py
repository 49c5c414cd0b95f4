"""Pages to text: the main content, by resiliparse or trafilatura as the recipe says."""

from __future__ import annotations

from dataclasses import dataclass

VERSION = 1


@dataclass(frozen=True)
class Extracted:
    """Main content as plain text, and the title as plain text (None if the page has none)."""

    text: str
    title: str | None


def extract(html: str, extractor: str) -> Extracted:
    """Main content of a page. May raise whatever the library raises; runs in the sandbox."""
    return _by_trafilatura(html) if extractor == "trafilatura" else _by_resiliparse(html)


def _by_resiliparse(html: str) -> Extracted:
    from resiliparse.extract.html2text import extract_plain_text
    from resiliparse.parse.html import HTMLTree

    tree = HTMLTree.parse(html)
    text = extract_plain_text(
        tree,
        preserve_formatting=True,
        main_content=True,
        list_bullets=True,
        alt_texts=False,
        links=False,
        form_fields=False,
        noscript=False,
    )
    return Extracted(text, _title(tree.title))


def _by_trafilatura(html: str) -> Extracted:
    import trafilatura
    from resiliparse.parse.html import HTMLTree

    text = trafilatura.extract(html, favor_precision=True, include_comments=False, include_tables=True)
    return Extracted(text or "", _title(HTMLTree.parse(html).title))


def _title(title: str | None) -> str | None:
    """One line of at most 300 characters."""
    line = " ".join((title or "").split())
    return line[:300] or None
