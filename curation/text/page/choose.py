"""Which nodes are the content: what cannot be is dropped, a container is chosen, and cleaned within."""

from __future__ import annotations

import numpy as np

from hanji.curation.signals.compiled import kernel
from hanji.curation.text.page import words
from hanji.curation.text.page.scan import DIGITS, END, HINTS, LINKED, NAME, PARENT, START, STOP, TAG, WIDTH
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
    GOOD,
    GUTTER,
    HEADING,
    HIDDEN,
    ITEM,
    KIND,
    LIST,
    MAIN,
    META,
    PARAGRAPH,
    PREFORMATTED,
    RAWTEXT,
    RENDERED,
    SECTION,
    TEX,
    TOC,
)

_HTML, _BODY, _MAIN, _ARTICLE, _HEADER, _MATH, _SCRIPT, _NOSCRIPT, _A = (
    words.TAG[name]
    for name in ("html", "body", "main", "article", "header", "math", "script", "noscript", "a")
)
_FORM, _TABLE, _FIGCAPTION, _TITLE = (words.TAG[name] for name in ("form", "table", "figcaption", "title"))
_LI, _P, _UL, _OL, _H1, _IMG = (words.TAG[name] for name in ("li", "p", "ul", "ol", "h1", "img"))


_ALONE = 0.5
_TEASER = 0.1
_LONG_TITLE = 1000
_HEADINGS = 20
_NOTHING = 100
"""A page with less text than this without scripts has its text in ``noscript``."""
_CORE = 0.6
_BESIDE = 0.1
_SHARE = 0.87
"""Of what is good within an element, the share that one child must hold to be the container instead."""


@kernel
def _sums(nodes: np.ndarray, dropped: np.ndarray) -> np.ndarray:
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
def _link_marks(nodes: np.ndarray, first: int, last: int) -> np.ndarray:
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
def _values(nodes: np.ndarray, dropped: np.ndarray) -> np.ndarray:
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
    lures = _link_marks(nodes, 0, count)
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


@kernel
def _drop_never(nodes: np.ndarray, dropped: np.ndarray) -> None:
    """Drop what is never text: scripts, controls, what is not shown, drawn formulas, line numbers."""
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
                (tag == _FIGCAPTION or hints & CAPTION)
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
def _named_boilerplate(nodes: np.ndarray, node: int, text: int) -> bool:
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
    if hints & BAD or (hints & (COMMENT | TOC) and not hints & BODY):
        return True
    return hints & META != 0 and not hints & BODY and text < 150


@kernel
def _drop_boilerplate(nodes: np.ndarray, dropped: np.ndarray) -> None:
    """Drop what is named as boilerplate, unless it holds what is good on the page."""
    sums = _sums(nodes, dropped)
    value = _values(nodes, dropped)
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
                and _named_boilerplate(nodes, node, text)
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


@kernel
def _bonus(nodes: np.ndarray, value: np.ndarray) -> np.ndarray:
    """How much more an element's share counts for its name, or for that of the one that makes it up."""
    count = len(nodes)
    bonus = np.ones(count)
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
    sums = _sums(nodes, dropped)
    first, last = root, nodes[root, END]
    marks = _link_marks(nodes, first, last)
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
    sums = _sums(nodes, dropped)
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
    sums = _sums(nodes, dropped)
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
def choose(data: np.ndarray, nodes: np.ndarray) -> tuple[np.ndarray, int]:
    """(dropped bool[nodes], root): the content is the subtree of ``root`` without dropped subtrees."""
    dropped = np.zeros(len(nodes), np.bool_)
    _drop_never(nodes, dropped)
    _drop_boilerplate(nodes, dropped)
    value = _values(nodes, dropped)
    root = _container(nodes, dropped, value)
    _drop_cards(nodes, dropped, root)
    _trim(nodes, dropped, root, value)
    _clean(nodes, dropped, root)
    _drop_title(data, nodes, dropped, root)
    return dropped, root
