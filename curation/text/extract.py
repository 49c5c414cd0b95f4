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
from hanji.curation.text.page.scan import LINKED, WIDTH, scan
from hanji.curation.text.page.strip import strip

VERSION = 2
MAX_BYTES = 64 << 20
# trafilatura walks trees by recursion and more than once: huge or deep pages are not for it.
FALLBACK_BYTES = 4 << 20
FALLBACK_DEPTH = 200
# A choice is suspect if it is next to nothing beside a page of some text. Display columns, Hangul counts two.
LITTLE_TEXT, SOME_TEXT = 100, 400
LITTLE_SHARE, MUCH_TEXT = 0.1, 600


@dataclass(frozen=True)
class Extracted:
    """Main content of a page.

    text: with Markdown's marks or plain; title: one line of at most 300 characters, None if the page has none;
    published: ``YYYY-MM-DD`` or None; extractor: which one made the text ("hanji", "trafilatura", "resiliparse");
    signal: characters of the text per display column of the page's prose (its text outside links), at most 1; 0
    where the page has no text. Low says that much was left out.
    """

    text: str
    title: str | None
    published: str | None = None
    extractor: str = "hanji"
    signal: float = 1.0


def extract(html: str | bytes, extractor: str, *, structure: str = "markdown") -> Extracted:
    """Main content of a page, given as characters or as sound UTF-8.

    extractor: "hanji" (with trafilatura where it fails), "resiliparse" or "trafilatura"; structure: "markdown"
    or "plain", used by hanji. Raises ValueError for other names and for a page of more than 64 MiB, and
    whatever a library raises; runs in the sandbox. The same page gives the same answer.

    hanji has failed on a page if its text is under 100 characters while the page's prose is over 400 columns, or
    under a tenth of the prose while that is over 600. In the first case it chooses again without minding names
    and captions. If the text has failed still, trafilatura's is taken, provided it is longer than twice ours and
    100 characters.
    """
    if extractor not in ("hanji", "resiliparse", "trafilatura") or structure not in ("markdown", "plain"):
        raise ValueError(f"no extractor {extractor!r} with structure {structure!r}")
    page = html if isinstance(html, bytes) else html.encode("utf-8", "replace")
    if len(page) > MAX_BYTES:
        raise ValueError(f"the page has {len(page):,} bytes; more than {MAX_BYTES:,} are not extracted")
    serialised = _serialised(page)
    data = np.frombuffer(serialised, np.uint8)
    nodes, depth = scan(data)
    facts = Page(page, serialised, nodes)
    title, published = facts.title(), facts.published()
    prose, linked = int(nodes[0, WIDTH] - nodes[0, LINKED]), int(nodes[0, LINKED])
    if extractor == "trafilatura":
        text = _by_trafilatura(page)
        return Extracted(text, title, published, extractor, _signal(text, prose))
    if extractor == "resiliparse":
        text = _by_resiliparse(page)
        return Extracted(text, title, published, extractor, _signal(text, prose))
    text = _by_hanji(data, nodes, structure, lenient=False)
    if len(text) < LITTLE_TEXT and _suspect(text, prose):
        lenient = _by_hanji(data, nodes, structure, lenient=True)
        text = lenient if len(lenient) > 2 * len(text) else text
    signal = _signal(text, prose)
    # A page of more links than prose is an index, and has no content that could have been missed.
    asked = prose >= linked and len(page) <= FALLBACK_BYTES and depth <= FALLBACK_DEPTH
    if asked and _suspect(text, prose):
        other = _by_trafilatura(page)
        if len(other) > 2 * len(text) + LITTLE_TEXT:
            return Extracted(other, title, published, "trafilatura", signal)
    return Extracted(text, title, published, "hanji", signal)


def _by_hanji(data: np.ndarray, nodes: np.ndarray, structure: str, *, lenient: bool) -> str:
    dropped, root = choose(data, nodes, lenient)
    return render(data, nodes, dropped, root, structure == "markdown").tobytes().decode("utf-8", "replace")


def _suspect(text: str, prose: int) -> bool:
    """Whether a text is next to nothing beside the page's prose (display columns)."""
    return (len(text) < LITTLE_TEXT and prose > SOME_TEXT) or (
        len(text) < LITTLE_SHARE * prose and prose > MUCH_TEXT
    )


def _signal(text: str, prose: int) -> float:
    return min(1.0, len(text) / prose) if prose > 0 else float(bool(text))


def _serialised(page: bytes) -> bytes:
    """The page's DOM as well-formed HTML, without comments, scripts and styles."""
    from resiliparse.parse.html import HTMLParserException, HTMLTree

    lean = strip(np.frombuffer(page, np.uint8))
    try:
        document = HTMLTree.parse_from_bytes(lean.tobytes(), "utf-8").document
    except HTMLParserException as error:
        # Any markup is HTML to lexbor: it fails only where it gets no memory.
        raise MemoryError(str(error)) from None
    serialised: str = document.html if document is not None else ""
    return serialised.encode("utf-8", "replace")


def _by_resiliparse(page: bytes) -> str:
    from resiliparse.extract.html2text import extract_plain_text

    text: str = extract_plain_text(
        page.decode("utf-8"),
        preserve_formatting=True,
        main_content=True,
        list_bullets=True,
        alt_texts=False,
        links=False,
        form_fields=False,
        noscript=False,
    )
    return text


def _by_trafilatura(page: bytes) -> str:
    import trafilatura

    text: str | None = trafilatura.extract(
        # Fast: without its own second opinions, of which two libraries more would be asked.
        page.decode("utf-8"),
        fast=True,
        favor_precision=True,
        include_comments=False,
        include_tables=True,
    )
    return text or ""
