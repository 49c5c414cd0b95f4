"""Which nodes are the content: what cannot be is dropped, a container is chosen, and cleaned within."""

from __future__ import annotations

import numpy as np

from hanji.curation.signals.compiled import kernel
from hanji.curation.text.page import words
from hanji.curation.text.page.boilerplate import drop_boilerplate, drop_never
from hanji.curation.text.page.scan import END, HINTS, NAME, PARENT, START, STOP, TAG, WIDTH
from hanji.curation.text.page.words import (
    BLOCK,
    BODY,
    GOOD,
    HEADING,
    ITEM,
    KIND,
    LIST,
    MAIN,
    PREFORMATTED,
    SECTION,
)
from hanji.curation.text.page.worth import link_marks, values
from hanji.curation.text.page.worth import sums as sums_of

_HTML, _BODY, _MAIN, _ARTICLE, _HEADER, _MATH, _SCRIPT, _NOSCRIPT, _A = (
    words.TAG[name]
    for name in ("html", "body", "main", "article", "header", "math", "script", "noscript", "a")
)
_FORM, _TABLE, _FIGCAPTION, _TITLE = (words.TAG[name] for name in ("form", "table", "figcaption", "title"))
_LI, _P, _UL, _OL, _H1, _IMG = (words.TAG[name] for name in ("li", "p", "ul", "ol", "h1", "img"))


_SHARE = 0.87
"""Of what is good within an element, the share that one child must hold to be the container instead."""
_CORE = 0.6
"""The share that makes a child the core of the content."""
_BESIDE = 0.1
"""What is worth less than this share of all, beside the core, goes."""
_LONG_TITLE = 1000
"""A longer title (bytes) is not compared with headings."""
_HEADINGS = 20
"""So many headings are compared with the title."""


@kernel
def _bonus(nodes: np.ndarray, value: np.ndarray) -> np.ndarray:
    """How much more an element's share counts for its name, or for that of the one that makes it up."""
    count = len(nodes)
    bonus = np.empty(count, np.float64)
    for node in range(count):
        bonus[node] = 1.0
    for node in range(count - 1, 0, -1):
        tag = nodes[node, TAG]
        parent = nodes[node, PARENT]
        if nodes[node, HINTS] & BODY:
            bonus[node] = 2.0
        elif tag in (_ARTICLE, _MAIN) or nodes[node, HINTS] & (MAIN | GOOD):
            bonus[node] = max(bonus[node], 1.4)
        if value[node] >= 0.8 * value[parent]:
            bonus[parent] = max(bonus[parent], bonus[node])
    return bonus


@kernel
def _holds_blocks(nodes: np.ndarray, value: np.ndarray, node: int) -> bool:
    """Whether a child of the element is worth anything: the element is no paragraph itself."""
    child = node + 1
    while child < nodes[node, END]:
        if value[child] > 0:
            return True
        child = nodes[child, END]
    return False


@kernel
def _container(nodes: np.ndarray, dropped: np.ndarray, value: np.ndarray) -> int:
    """The element that holds the content: from the body down as long as one child has most of what is good."""
    bonus = _bonus(nodes, value)
    root = 0
    for node in range(len(nodes)):
        if nodes[node, TAG] == _BODY:
            root = node
            break
    while True:
        best, best_worth = -1, 0.0
        bodies, named, held = 0.0, 0.0, 0.0
        child = root + 1
        while child < nodes[root, END]:
            if not dropped[child] and value[child] > 0:
                tag = nodes[child, TAG]
                if (tag == words.OTHER or KIND[tag] & SECTION) and tag not in (_P, _UL, _OL, _LI):
                    worth = value[child] * bonus[child]
                    held += value[child] if _holds_blocks(nodes, value, child) else 0.0
                    bodies += value[child] if bonus[child] == 2.0 else 0.0
                    named += value[child] if bonus[child] > 1.0 else 0.0
                    if worth > best_worth:
                        best, best_worth = child, worth
            child = nodes[child, END]
        if best >= 0 and (
            value[best] < 0.8 * (bodies if bonus[best] == 2.0 else named) or held < 0.8 * value[root]
        ):
            # One of several that bear such names is a part, not the whole; so is one beside bare paragraphs.
            best_worth = value[best]
        if best < 0 or best_worth < _SHARE * value[root]:
            return root
        root = best


@kernel
def _drop_cards(nodes: np.ndarray, dropped: np.ndarray, root: int) -> None:
    """Drop rows of teasers within the content: siblings of few words with a linked heading or picture."""
    sums = sums_of(nodes, dropped)
    first, last = root, nodes[root, END]
    marks = link_marks(nodes, first, last)
    for parent in range(first, last):
        if nodes[parent, TAG] == words.TEXT or dropped[parent] or nodes[parent, END] < parent + 6:
            continue
        child = parent + 1
        while child < nodes[parent, END]:
            # A run of siblings of the same kind, text and dropped ones between them aside.
            name, hints = nodes[child, NAME], nodes[child, HINTS]
            run, cards, worth = 0, 0, 0
            start = child
            while child < nodes[parent, END]:
                if nodes[child, TAG] != words.TEXT and not dropped[child]:
                    if nodes[child, NAME] != name or nodes[child, HINTS] != hints:
                        break
                    run += 1
                    worth += sums[child, 0]
                    width, linked = sums[child, 0], sums[child, 1]
                    pictured = marks[nodes[child, END] - first] > marks[child - first + 1]
                    cards += KIND[nodes[child, TAG]] & BLOCK != 0 and linked >= 8 and width < 400 and pictured
                elif nodes[child, TAG] == words.TEXT and sums[child, 0] > 0:
                    child = nodes[child, END]
                    break
                child = nodes[child, END]
            if cards >= 3 and cards * 5 >= run * 4 and worth * 2 < sums[root, 0]:
                node = start
                while node < child:
                    if nodes[node, TAG] != words.TEXT:
                        dropped[node] = True
                    node = nodes[node, END]
            if child == start:
                child = nodes[child, END]


@kernel
def _trim(nodes: np.ndarray, dropped: np.ndarray, root: int, value: np.ndarray) -> None:
    """Drop what stands around the core of the content and is worth little beside it."""
    sums = sums_of(nodes, dropped)
    core = root
    while True:
        best, direct = -1, 0.0
        child = core + 1
        while child < nodes[core, END]:
            if not dropped[child]:
                if KIND[nodes[child, TAG]] & SECTION and nodes[child, TAG] not in (_P, _UL, _OL, _LI):
                    if best < 0 or value[child] > value[best]:
                        best = child
                else:
                    direct += value[child]
            child = nodes[child, END]
        if best < 0 or value[best] < _CORE * value[core] or value[best] <= 0:
            return
        # What is beside the core on this level.
        child = core + 1
        while child < nodes[core, END]:
            if child != best and not dropped[child] and nodes[child, TAG] != words.TEXT and direct == 0.0:
                width, linked = sums[child, 0], sums[child, 1]
                before = child < best and value[child] >= 30 and linked * 4 <= width
                part = nodes[child, HINTS] & BODY and value[child] > 0
                if value[child] < _BESIDE * value[root] and not before and not part:
                    dropped[child] = True
            child = nodes[child, END]
        core = best


@kernel
def _clean(nodes: np.ndarray, dropped: np.ndarray, root: int) -> None:
    """Drop what is link-dense within the content."""
    sums = sums_of(nodes, dropped)
    node = root + 1
    while node < nodes[root, END]:
        if dropped[node]:
            node = nodes[node, END]
            continue
        tag = nodes[node, TAG]
        kind = KIND[tag]
        width, linked = sums[node, 0], sums[node, 1]
        drop = False
        if tag != words.TEXT and kind & BLOCK and not kind & PREFORMATTED and width > 0:
            if kind & HEADING:
                pass
            elif kind & LIST or tag == _TABLE:
                drop = linked * 10 > width * 7
            elif tag == _P:
                drop = linked * 10 > width * 9 and width < 100
            elif not kind & ITEM:
                drop = linked * 10 > width * 7
        if drop:
            dropped[node] = True
            node = nodes[node, END]
        else:
            node += 1


@kernel
def _drop_title(data: np.ndarray, nodes: np.ndarray, dropped: np.ndarray, root: int) -> None:
    """Drop the headings that repeat the page's title: it is kept apart."""
    title = -1
    for node in range(min(len(nodes), 2000)):
        if nodes[node, TAG] == _TITLE and nodes[node, END] > node + 1:
            title = node + 1
            break
    if title < 0 or nodes[title, STOP] - nodes[title, START] > _LONG_TITLE:
        return
    seen = 0
    for node in range(root + 1, nodes[root, END]):
        tag = nodes[node, TAG]
        if tag == _H1 or tag == _H1 + 1:
            seen += 1
            if seen > _HEADINGS:
                return
            text = node + 1
            while text < nodes[node, END] and (nodes[text, TAG] != 0 or nodes[text, WIDTH] == 0):
                text += 1
            above = nodes[nodes[node, PARENT], HINTS] | nodes[nodes[nodes[node, PARENT], PARENT], HINTS]
            if text < nodes[node, END] and not above & BODY and _within(data, nodes, text, title):
                dropped[node] = True


@kernel
def _within(data: np.ndarray, nodes: np.ndarray, text: int, title: int) -> bool:
    """Whether the words of a text stand in another."""
    start, stop = nodes[text, START], nodes[text, STOP]
    while start < stop and data[start] <= 32:
        start += 1
    while stop > start and data[stop - 1] <= 32:
        stop -= 1
    length = stop - start
    if length < 2:
        return False
    for at in range(nodes[title, START], nodes[title, STOP] - length + 1):
        k = 0
        while k < length and data[at + k] == data[start + k]:
            k += 1
        if k == length:
            return True
    return False


@kernel
def _drop_bare_headings(nodes: np.ndarray, dropped: np.ndarray, root: int) -> None:
    """Drop headings of which nothing is left: what stood below them was dropped."""
    heading, lost = -1, False
    node = root + 1
    stop = nodes[root, END]
    while node <= stop:
        tag = nodes[node, TAG] if node < stop else _H1
        if node < stop and dropped[node]:
            lost = lost or nodes[node, WIDTH] > 0
            node = nodes[node, END]
            continue
        if node == stop or KIND[tag] & HEADING:
            if heading > 0 and lost and tag <= nodes[heading, TAG]:
                dropped[heading] = True
            if node == stop:
                break
            heading, lost = node, False
            node = nodes[node, END]
            continue
        if (tag == words.TEXT and nodes[node, WIDTH] > 0) or tag == _MATH:
            heading = -1
        node += 1


@kernel
def choose(data: np.ndarray, nodes: np.ndarray, lenient: bool) -> tuple[np.ndarray, int]:
    """(dropped bool[nodes], root): the content is the subtree of ``root`` without dropped subtrees.

    data, nodes: as in scan; lenient: captions and what is boilerplate by name stay, for pages of nothing else.
    """
    dropped = np.zeros(len(nodes), np.bool_)
    drop_never(nodes, dropped, not lenient)
    drop_boilerplate(nodes, dropped, lenient)
    value = values(nodes, dropped)
    root = _container(nodes, dropped, value)
    _drop_cards(nodes, dropped, root)
    _trim(nodes, dropped, root, value)
    _clean(nodes, dropped, root)
    _drop_title(data, nodes, dropped, root)
    _drop_bare_headings(nodes, dropped, root)
    return dropped, root
