"""What subtrees are worth as content: their text, links and punctuation, and how paragraphs keep company.

Blocks are scored by length, link density and company, and the sums go up the tree, as in Readability (Arc90) and
in the text-density methods that followed it (Kohlschuetter et al. 2010); the figures are ours.
"""

from __future__ import annotations

import numpy as np

from hanji.curation.signals.compiled import kernel
from hanji.curation.text.page import words
from hanji.curation.text.page.scan import END, LINKED, PARENT, TAG, WIDTH
from hanji.curation.text.page.words import (
    BLOCK,
    HEADING,
    ITEM,
    KIND,
    PREFORMATTED,
)

_HTML, _BODY, _MAIN, _ARTICLE, _HEADER, _MATH, _SCRIPT, _NOSCRIPT, _A = (
    words.TAG[name]
    for name in ("html", "body", "main", "article", "header", "math", "script", "noscript", "a")
)
_FORM, _TABLE, _FIGCAPTION, _TITLE = (words.TAG[name] for name in ("form", "table", "figcaption", "title"))
_LI, _P, _UL, _OL, _H1, _IMG = (words.TAG[name] for name in ("li", "p", "ul", "ol", "h1", "img"))


_ALONE = 0.5
"""What a paragraph without another one beside it counts."""
_TEASER = 0.1
"""And one that a linked heading or picture announces."""


@kernel
def sums(nodes: np.ndarray, dropped: np.ndarray) -> np.ndarray:
    """Width, links, marks, digits of every subtree without what is dropped: int64[nodes, 4]."""
    count = len(nodes)
    sums = np.zeros((count, 4), np.int64)
    node = 0
    while node < count:
        if dropped[node]:
            node = nodes[node, END]
            continue
        if nodes[node, TAG] == words.TEXT:
            for column in range(4):
                sums[node, column] = nodes[node, WIDTH + column]
        node += 1
    for node in range(count - 1, 0, -1):
        for column in range(4):
            sums[nodes[node, PARENT], column] += sums[node, column]
    return sums


@kernel
def link_marks(nodes: np.ndarray, first: int, last: int) -> np.ndarray:
    """How many headings and pictures that are links stand before each row: int32[last - first + 1]."""
    marks = np.zeros(last - first + 1, np.int32)
    link_until = 0
    for node in range(first, last):
        tag = nodes[node, TAG]
        if tag == _A:
            link_until = nodes[node, END]
        heading = KIND[tag] & HEADING != 0 and nodes[node, LINKED] * 2 > nodes[node, WIDTH]
        marks[node - first + 1] = marks[node - first] + (heading or (tag == _IMG and node < link_until))
    return marks


@kernel
def _is_teaser(nodes: np.ndarray, marks: np.ndarray, node: int) -> bool:
    """Whether a small container right above a block links a heading or a picture."""
    for _ in range(3):
        node = nodes[node, PARENT]
        if node <= 0 or nodes[node, END] - node > 40 or nodes[node, WIDTH] > 500:
            return False
        if marks[nodes[node, END]] > marks[node]:
            return True
    return False


@kernel
def values(nodes: np.ndarray, dropped: np.ndarray) -> np.ndarray:
    """How much each subtree is worth as content: float64[nodes]."""
    count = len(nodes)
    block = np.zeros(count, np.int32)
    code = np.zeros(count, np.bool_)
    own = np.zeros((count, 3), np.int64)
    node = 0
    value = np.zeros(count)
    while node < count:
        if dropped[node]:
            node = nodes[node, END]
            continue
        parent = max(nodes[node, PARENT], 0)
        tag = nodes[node, TAG]
        if tag == words.TEXT:
            for column in range(3):
                own[block[parent], column] += nodes[node, WIDTH + column]
        else:
            block[node] = node if KIND[tag] & BLOCK else block[parent]
            code[node] = code[parent] or KIND[tag] & PREFORMATTED != 0
        node += 1
    # A paragraph among its like counts in full, one that stands alone in its container less, and least where a
    # heading or picture that is a link makes it a teaser.
    company = np.zeros(count, np.int32)
    lures = link_marks(nodes, 0, count)
    for node in range(1, count):
        if own[node, 0] - own[node, 1] >= 60:
            company[nodes[node, PARENT]] += 1
    for node in range(count - 1, -1, -1):
        width, linked, marks = own[node, 0], own[node, 1], own[node, 2]
        if width > 0:
            text = width - linked
            kind = KIND[nodes[node, TAG]]
            if code[node]:
                value[node] += min(text, 1000) * 0.7
            elif kind & HEADING:
                value[node] += 0 if linked * 2 <= width else -5.0
            elif linked * 2 > width:
                value[node] += -10 - 0.5 * linked
            elif text >= 60 or (text >= 25 and marks > 0):
                share = 1 - linked / width
                if node > 0 and text < 400 and company[nodes[node, PARENT]] < 2:
                    share *= _TEASER if _is_teaser(nodes, lures, node) else _ALONE
                value[node] += text * share
            elif kind & ITEM:
                value[node] += -3
            else:
                value[node] += -8 - 0.5 * linked
        if node > 0:
            value[nodes[node, PARENT]] += max(value[node], 0.0)
    return value
