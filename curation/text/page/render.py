"""Chosen nodes to text: Markdown's marks or none, code with its indentation, formulas as LaTeX.

One walk over the rows of ``scan``. White space is collapsed as a browser would, a break is owed until the next
character is written, so empty elements leave no trace. Depths of quotes and lists are capped: a line's prefix is
bounded, and so is the output.
"""

from __future__ import annotations

import numpy as np

from hanji.curation.signals.compiled import kernel
from hanji.curation.text.page import words
from hanji.curation.text.page.scan import END, HINTS, PARENT, START, STOP, TAG, WIDTH
from hanji.curation.text.page.search import ALT, ALTTEXT, attribute, fence, language
from hanji.curation.text.page.words import (
    BLOCK,
    CELL,
    DISPLAY,
    HEADING,
    IMAGE_TEX,
    ITEM,
    KIND,
    LIST,
    PREFORMATTED,
    QUOTE,
    RAWTEXT,
    ROW,
    TEX,
)
from hanji.curation.text.page.writer import (
    BULLET,
    CELLS,
    CODE_DEPTH,
    CODE_START,
    LISTS,
    MARK,
    MARKS,
    MAX_LISTS,
    NO_MARK,
    NUMBER,
    ORDERED,
    OWED,
    POS,
    QUOTES,
    SPACE,
    STATE,
    newline,
    owe,
    pay,
    prefix,
    write_text,
)

_BR, _HR, _IMG, _LI, _OL, _TABLE, _MATH, _ANNOTATION, _SCRIPT, _DIV, _TR, _P = (
    words.TAG[name]
    for name in ("br", "hr", "img", "li", "ol", "table", "math", "annotation", "script", "div", "tr", "p")
)
_H1, _CODE, _PRE, _DD, _DT = (words.TAG[name] for name in ("h1", "code", "pre", "dd", "dt"))
_TIGHT = np.zeros(len(KIND), np.bool_)
for _name in (
    "div",
    "li",
    "tr",
    "dd",
    "dt",
    "figcaption",
    "caption",
    "center",
    "dir",
    "summary",
    "address",
    "thead",
    "tbody",
    "tfoot",
):
    _TIGHT[words.TAG[_name]] = True

_FENCE = 96
_THEAD = words.TAG["thead"]


@kernel
def _formula(
    data: np.ndarray, start: int, stop: int, raw: bool, display: bool, out: np.ndarray, state: np.ndarray
) -> None:
    """LaTeX source, between dollars if marks are wanted."""
    while start < stop and data[start] <= 32:
        start += 1
    while stop > start and data[stop - 1] <= 32:
        stop -= 1
    if stop == start:
        return
    fences = (2 if display else 1) if state[MARKS] and data[start] != 36 else 0
    pay(out, state)
    for _ in range(fences):
        out[state[POS]] = 36
        state[POS] += 1
    write_text(data, start, stop, raw, out, state)
    state[SPACE] = 0
    for _ in range(fences):
        out[state[POS]] = 36
        state[POS] += 1


@kernel
def _bound(data: np.ndarray, nodes: np.ndarray, root: int) -> int:
    """No rendering of the subtree takes more bytes."""
    bound, newlines = 64, 0
    for node in range(root, nodes[root, END]):
        tag = nodes[node, TAG]
        bound += 80
        if tag == 0 or tag in (_MATH, _IMG, _PRE):
            bound += nodes[node, STOP] - nodes[node, START]
            if tag == 0:
                for k in range(nodes[node, START], nodes[node, STOP]):
                    newlines += data[k] == 10
    return bound + 24 * newlines


@kernel
def render(data: np.ndarray, nodes: np.ndarray, dropped: np.ndarray, root: int, marks: bool) -> np.ndarray:
    """Text of ``root`` without the dropped subtrees: UTF-8, uint8[bytes].

    data, nodes: as in scan; dropped: bool[nodes], a subtree goes with its first row; marks: Markdown's marks.
    """
    out = np.empty(_bound(data, nodes, root), np.uint8)
    state = np.zeros(STATE, np.int64)
    state[MARKS] = 1 if marks else 0
    stop = nodes[root, END]
    # Tables that hold blocks of their own are layout; counts of what makes them so, by row.
    heavy = np.zeros(stop - root + 1, np.int32)
    cells = np.zeros(stop - root + 1, np.int32)
    rows = np.zeros(stop - root + 1, np.int32)
    depth_limit = 1
    for node in range(root, stop):
        tag = nodes[node, TAG]
        kind = KIND[tag]
        k = node - root
        heavy[k + 1] = heavy[k] + (tag == _TABLE or kind & (PREFORMATTED | HEADING | QUOTE) != 0)
        cells[k + 1] = cells[k] + (kind & CELL != 0)
        rows[k + 1] = rows[k] + (kind & ROW != 0)
        depth_limit += tag != 0
    stack = np.empty(depth_limit + 1, np.int32)
    saved = np.empty(depth_limit + 1, np.int32)
    numbers = np.zeros(MAX_LISTS + 2, np.int64)
    height = 0
    formula_until = -1
    table_until = -1
    first_cell = True
    node = root
    while node < stop or height > 0:
        # Close what ends here.
        while height > 0 and (node >= stop or nodes[stack[height - 1], END] <= node):
            height -= 1
            closing = stack[height]
            tag = nodes[closing, TAG]
            kind = KIND[tag]
            if kind & PREFORMATTED:
                state[CODE_DEPTH] -= 1
                if state[CODE_DEPTH] == 0:
                    pos = state[POS]
                    begin = saved[height]
                    while pos > begin and out[pos - 1] == 32:
                        pos -= 1
                    state[POS] = pos
                    state[OWED] = 0
                    if marks and state[CELLS] == 0:
                        out[state[POS]] = 10
                        state[POS] += 1
                        prefix(out, state)
                        for _ in range(fence(data, nodes, closing)):
                            out[state[POS]] = _FENCE
                            state[POS] += 1
                    owe(state, 2)
                continue
            if kind & CELL and table_until > closing:
                state[CELLS] -= 1
                state[SPACE] = 0
                continue
            if kind & ROW and table_until > closing:
                if not first_cell and marks:
                    out[state[POS]], out[state[POS] + 1] = 32, 124
                    state[POS] += 2
                    if saved[height] > 0:  # the row under a table's head
                        owe(state, 1)
                        pay(out, state)
                        for _ in range(saved[height]):
                            for c in (124, 32, 45, 45, 45, 32):
                                out[state[POS]] = c
                                state[POS] += 1
                        out[state[POS]] = 124
                        state[POS] += 1
                owe(state, 1)
                continue
            if kind & LIST:
                state[LISTS] -= 1
            elif kind & QUOTE:
                state[QUOTES] -= 1
            if kind & (ITEM | HEADING):
                state[MARK] = NO_MARK
            if kind & BLOCK:
                if state[CODE_DEPTH] > 0:
                    if state[OWED] == 0:
                        newline(state)
                else:
                    nested = kind & LIST and state[LISTS] > 0
                    owe(state, 1 if _TIGHT[tag] or nested else 2)
        if node >= stop:
            break
        if dropped[node]:
            node = nodes[node, END]
            continue
        tag = nodes[node, TAG]
        hints = nodes[node, HINTS]
        if tag == 0:
            write_text(data, nodes[node, START], nodes[node, STOP], hints & RAWTEXT != 0, out, state)
            node += 1
            continue
        kind = KIND[tag]
        if tag == _BR:
            if state[CODE_DEPTH] > 0:
                newline(state)
            elif state[CELLS] > 0 or state[MARK] > 0:
                state[SPACE] = 1
            elif state[POS] > 0:
                state[OWED] = min(state[OWED] + 1, 2)
                state[SPACE] = 0
            node += 1
            continue
        if tag == _HR:
            owe(state, 2)
            node += 1
            continue
        if tag == _MATH:
            source = -1
            for inner in range(node + 1, nodes[node, END]):
                if nodes[inner, TAG] == _ANNOTATION and nodes[inner, HINTS] & TEX:
                    source = inner + 1
                    break
            display = hints & DISPLAY != 0
            begin, end = attribute(data, nodes[node, START], nodes[node, STOP], ALTTEXT)
            if 0 < source < nodes[node, END] and nodes[source, TAG] == 0:
                _formula(data, nodes[source, START], nodes[source, STOP], False, display, out, state)
            elif end > begin:
                _formula(data, begin, end, False, display, out, state)
            else:
                for inner in range(node + 1, nodes[node, END]):
                    if nodes[inner, TAG] == 0:
                        write_text(data, nodes[inner, START], nodes[inner, STOP], False, out, state)
            above = nodes[nodes[node, PARENT], PARENT]
            if above >= 0:
                formula_until = nodes[above, END]
            node = nodes[node, END]
            continue
        if tag == _SCRIPT and hints & TEX:
            if node + 1 < nodes[node, END]:
                text = node + 1
                _formula(data, nodes[text, START], nodes[text, STOP], True, hints & DISPLAY != 0, out, state)
            node = nodes[node, END]
            continue
        if tag == _IMG:
            if hints & IMAGE_TEX and node >= formula_until:
                begin, end = attribute(data, nodes[node, START], nodes[node, STOP], ALT)
                _formula(data, begin, end, False, False, out, state)
            node += 1
            continue
        if nodes[node, END] == node + 1 or (kind & PREFORMATTED and nodes[node, WIDTH] == 0):
            # Nothing in it: at most a break.
            if kind & BLOCK and state[CODE_DEPTH] == 0 and not kind & (CELL | ROW | ITEM):
                owe(state, 1)
            node = nodes[node, END]
            continue
        saved[height] = 0
        if kind & PREFORMATTED:
            if state[CODE_DEPTH] == 0:
                owe(state, 2)
                state[SPACE] = 0
                if state[CELLS] == 0 and marks:
                    pay(out, state)
                    for _ in range(fence(data, nodes, node)):
                        out[state[POS]] = _FENCE
                        state[POS] += 1
                    begin, end = language(data, nodes, node)
                    for k in range(begin, end):
                        out[state[POS]] = data[k]
                        state[POS] += 1
                    out[state[POS]] = 10
                    state[POS] += 1
                elif state[POS] > 0:
                    for _ in range(2):
                        out[state[POS]] = 10
                        state[POS] += 1
                state[OWED] = 0
                state[CODE_START] = state[POS]
                saved[height] = state[POS]
            state[CODE_DEPTH] += 1
        elif state[CODE_DEPTH] > 0:
            if kind & BLOCK and state[OWED] == 0:
                newline(state)
        elif tag == _TABLE:
            owe(state, 2)
            k = node - root
            end = nodes[node, END] - root
            count = cells[end] - cells[k]
            if (
                state[CELLS] == 0
                and heavy[end] == heavy[k + 1]
                and count > rows[end] - rows[k]
                and nodes[node, WIDTH] < 200 * count
            ):
                table_until = nodes[node, END]
        elif kind & ROW and table_until > node:
            owe(state, 1)
            first_cell = True
            if (node + 1 < stop and rows[node - root] == 0) or nodes[nodes[node, PARENT], TAG] == _THEAD:
                saved[height] = cells[nodes[node, END] - root] - cells[node - root]
        elif kind & CELL and table_until > node:
            if first_cell:
                state[OWED] = max(state[OWED], 1)
                pay(out, state)
            if marks:
                for c in (32, 124, 32):
                    if c == 124 or not first_cell or out[state[POS] - 1] == 124:
                        out[state[POS]] = c
                        state[POS] += 1
            elif not first_cell:
                out[state[POS]] = 9
                state[POS] += 1
            first_cell = False
            state[CELLS] += 1
            state[SPACE] = 0
        elif kind & BLOCK:
            nested = kind & LIST and state[LISTS] > 0
            owe(state, 1 if _TIGHT[tag] or nested else 2)
            if kind & LIST:
                state[LISTS] += 1
                if state[LISTS] <= MAX_LISTS:
                    numbers[state[LISTS]] = 1 if tag == _OL else 0
            elif kind & QUOTE:
                state[QUOTES] += 1
            elif tag == _LI and state[LISTS] > 0 and state[CELLS] == 0:
                depth = min(state[LISTS], MAX_LISTS)
                if numbers[depth] > 0:
                    state[MARK] = ORDERED
                    state[NUMBER] = numbers[depth]
                    numbers[depth] += 1
                else:
                    state[MARK] = BULLET
            elif kind & HEADING and state[CELLS] == 0:
                state[MARK] = 1 + tag - _H1
        stack[height] = node
        height += 1
        node += 1
    return out[: state[POS]]
