"""Pages to text: the main content with its structure, the title, the day of publication.

Our own extractor works on resiliparse's DOM (lexbor: HTML5's rules for broken markup): the tree is serialised,
and kernels choose and render the content from flat arrays (``page``). Where a signal says that this failed,
trafilatura is asked too, and the better answer stands.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hanji.curation.text.page.choose import choose
from hanji.curation.text.page.facts import Page
from hanji.curation.text.page.render import render
from hanji.curation.text.page.scan import WIDTH, scan
from hanji.curation.text.page.strip import strip

VERSION = 2
MAX_BYTES = 64 << 20
FALLBACK_BYTES = 4 << 20
FALLBACK_DEPTH = 200
LITTLE_TEXT = 100
"""Display columns (Hangul counts two) under which a choice is suspect."""
MUCH_TEXT = 400


@dataclass(frozen=True)
class Extracted:
    """Main content of a page.

    text: with Markdown's marks or plain; title: one line of at most 300 characters, None if the page has none;
    published: ``YYYY-MM-DD`` or None; extractor: which one made the text; signal: the share of the page's visible
    text that ``text`` holds, 0 to 1, by which a failure is known.
    """

    text: str
    title: str | None
    published: str | None = None
    extractor: str = "hanji"
    signal: float = 1.0


def extract(html: str, extractor: str, *, structure: str = "markdown") -> Extracted:
    """Main content of a page.

    extractor: "hanji" (with trafilatura where it fails), "resiliparse" or "trafilatura"; structure: "markdown"
    or "plain", used by hanji. Raises ValueError for a page of more than 64 MiB and whatever a library raises;
    runs in the sandbox. The same page gives the same answer.
    """
    page = html.encode("utf-8", "replace")
    if len(page) > MAX_BYTES:
        raise ValueError(f"the page has {len(page):,} bytes; more than {MAX_BYTES:,} are not extracted")
    serialised = _serialised(page)
    data = np.frombuffer(serialised, np.uint8)
    nodes, depth = scan(data)
    facts = Page(page, serialised, nodes)
    title, published = facts.title(), facts.published()
    if extractor == "trafilatura":
        return Extracted(_by_trafilatura(html), title, published, "trafilatura")
    if extractor == "resiliparse":
        return Extracted(_by_resiliparse(html), title, published, "resiliparse")
    dropped, root = choose(data, nodes)
    text = render(data, nodes, dropped, root, structure == "markdown").tobytes().decode("utf-8", "replace")
    visible = int(nodes[0, WIDTH])
    signal = min(1.0, len(text) / max(visible, 1))
    if (
        len(text) < LITTLE_TEXT
        and visible >= MUCH_TEXT
        and len(page) <= FALLBACK_BYTES
        and depth <= FALLBACK_DEPTH
    ):
        other = _by_trafilatura(html)
        if len(other) > 2 * len(text) + LITTLE_TEXT:
            return Extracted(other, title, published, "trafilatura", signal)
    return Extracted(text, title, published, "hanji", signal)


def _serialised(page: bytes) -> bytes:
    """The page's DOM as well-formed HTML, without comments, scripts and styles."""
    from resiliparse.parse.html import HTMLTree

    lean = strip(np.frombuffer(page, np.uint8))
    document = HTMLTree.parse_from_bytes(lean.tobytes(), "utf-8").document
    serialised: str = document.html if document is not None else ""
    return serialised.encode("utf-8", "replace")


def _by_resiliparse(html: str) -> str:
    from resiliparse.extract.html2text import extract_plain_text

    text: str = extract_plain_text(
        html,
        preserve_formatting=True,
        main_content=True,
        list_bullets=True,
        alt_texts=False,
        links=False,
        form_fields=False,
        noscript=False,
    )
    return text


def _by_trafilatura(html: str) -> str:
    import trafilatura

    text: str | None = trafilatura.extract(
        html, favor_precision=True, include_comments=False, include_tables=True
    )
    return text or ""
