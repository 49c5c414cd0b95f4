"""What is dropped before the content is looked for: what is never text, and what is named as boilerplate."""

from __future__ import annotations

import numpy as np

from hanji.curation.signals.compiled import kernel
from hanji.curation.text.page import words
from hanji.curation.text.page.scan import DIGITS, END, HINTS, PARENT, TAG, WIDTH
from hanji.curation.text.page.words import (
    ANCHOR,
    ARIA,
    ASIDE,
    BAD,
    BLOCK,
    BODY,
    CAPTION,
    CELL,
    CODE,
    COMMENT,
    DROP,
    GUTTER,
    HEADING,
    HIDDEN,
    ITEM,
    KIND,
    MAIN,
    META,
    PARAGRAPH,
    PREFORMATTED,
    RAWTEXT,
    RENDERED,
    TEX,
    TOC,
)
from hanji.curation.text.page.worth import sums as sums_of
from hanji.curation.text.page.worth import values

_HTML, _BODY, _MAIN, _ARTICLE, _HEADER, _MATH, _SCRIPT, _NOSCRIPT, _A = (
    words.TAG[name]
    for name in ("html", "body", "main", "article", "header", "math", "script", "noscript", "a")
)
_FORM, _TABLE, _FIGCAPTION, _TITLE = (words.TAG[name] for name in ("form", "table", "figcaption", "title"))
_LI, _P, _UL, _OL, _H1, _IMG = (words.TAG[name] for name in ("li", "p", "ul", "ol", "h1", "img"))


_NOTHING = 100
"""A page with less text than this without scripts has its text in ``noscript``."""


@kernel
def drop_never(nodes: np.ndarray, dropped: np.ndarray, captions: bool) -> None:
    """Drop what is never text: scripts, controls, what is not shown, drawn formulas, line numbers.

    Captions go too if ``captions`` says so.
    """
    node = 0
    count = len(nodes)
    total = nodes[0, WIDTH]
    code_until = 0
    scripted = 0
    for row in range(count):
        if nodes[row, TAG] == _NOSCRIPT:
            scripted += nodes[row, WIDTH]
    while node < count:
        tag = nodes[node, TAG]
        hints = nodes[node, HINTS]
        kind = KIND[tag]
        width = nodes[node, WIDTH]
        drop = False
        if node < code_until:
            # The classes within code colour it (comment, meta, tag): they are no hints.
            hints &= GUTTER | ANCHOR | RAWTEXT
            nodes[node, HINTS] = hints
        elif kind & PREFORMATTED:
            code_until = nodes[node, END]
        if tag == words.TEXT or tag in (_HTML, _BODY):
            pass
        elif kind & DROP:
            drop = not (tag == _SCRIPT and hints & TEX)
        elif tag == _NOSCRIPT:
            drop = total - scripted >= _NOTHING
        elif (hints & HIDDEN and width * 4 < total * 3) or (hints & ARIA and width * 10 < total * 3):
            drop = True
            for inner in range(node + 1, min(nodes[node, END], node + 40)):
                if nodes[inner, TAG] == _MATH:
                    drop = False
        elif (
            (hints & RENDERED and not kind & BLOCK)
            or (hints & GUTTER and width > 0 and nodes[node, DIGITS] == width)
            or (
                captions
                and (tag == _FIGCAPTION or hints & CAPTION)
                and width < 600
                and not nodes[nodes[node, PARENT], HINTS] & CODE
            )
            or (hints & ANCHOR and width < 12 and not kind & HEADING)
        ):
            drop = True
        if drop:
            dropped[node] = True
            node = nodes[node, END]
        else:
            node += 1


@kernel
def _named_boilerplate(nodes: np.ndarray, node: int, text: int, lenient: bool) -> bool:
    """Whether an element's name says that it is no content. Names of inline elements within prose do not count."""
    tag = nodes[node, TAG]
    kind = KIND[tag]
    hints = nodes[node, HINTS]
    if tag == words.TEXT or tag in (_HTML, _BODY, _MAIN) or kind & HEADING:
        return False
    if not kind & BLOCK and KIND[nodes[nodes[node, PARENT], TAG]] & (PARAGRAPH | HEADING | ITEM | CELL):
        return False
    if kind & ASIDE or tag in (_HEADER, _FORM):
        return True
    if lenient:
        return False
    if hints & BAD or (hints & (COMMENT | TOC) and not hints & BODY):
        return True
    return hints & META != 0 and not hints & BODY and text < 150


@kernel
def drop_boilerplate(nodes: np.ndarray, dropped: np.ndarray, lenient: bool) -> None:
    """Drop what is named as boilerplate, if lenient by its element alone, unless what is good is in it."""
    sums = sums_of(nodes, dropped)
    value = values(nodes, dropped)
    count = len(nodes)
    total = max(sums[0, 0] - sums[0, 1], 1)
    body = np.zeros(count, np.bool_)  # holds an article's body
    for node in range(count - 1, 0, -1):
        if dropped[node]:
            body[node] = False
            continue
        if nodes[node, TAG] == _MAIN or nodes[node, TAG] == _ARTICLE or nodes[node, HINTS] & (BODY | MAIN):
            body[node] = sums[node, 0] - sums[node, 1] > total // 4
        body[nodes[node, PARENT]] |= body[node]
    named = np.zeros(count, np.bool_)
    for bold in (True, False):
        left = value[0]
        node = 1
        while node < count:
            if dropped[node]:
                node = nodes[node, END]
                continue
            text = sums[node, 0] - sums[node, 1]
            named[node] = (
                not body[node]
                and _named_boilerplate(nodes, node, text, lenient)
                and (value[node] * 10 < value[0] * 8 if bold else text * 5 < total * 2)
            )
            if named[node]:
                left -= max(value[node], 0.0)
                node = nodes[node, END]
            else:
                node += 1
        if left >= 60 and left * 8 >= value[0]:
            break
    node = 1
    while node < count:
        if named[node] and not dropped[node]:
            dropped[node] = True
            node = nodes[node, END]
        else:
            node += 1
