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

# State of the writer.
_POS, _OWED, _SPACE, _MARK, _NUMBER, _QUOTES, _LISTS, _PRE_DEPTH, _MARKS, _CELLS, _PRE_START, _LINE_QUOTES = (
    range(12)
)
_MAX_QUOTES, _MAX_LISTS = 3, 6
_NO_MARK, _BULLET, _ORDERED = 0, -1, -2
_FENCE = 96
_MAX_ATTRIBUTES = 1 << 14
"""So many bytes of an element's attributes are searched: a long one above many code blocks costs no more."""

_ALT = np.frombuffer(b"alt", np.uint8)
_ALTTEXT = np.frombuffer(b"alttext", np.uint8)
_CLASS = np.frombuffer(b"class", np.uint8)
_STARTWORD = np.frombuffer(b"start", np.uint8)
_LANGUAGE = np.frombuffer(b"language-", np.uint8)
_LANG = np.frombuffer(b"lang-", np.uint8)
_SOURCE = np.frombuffer(b"highlight-source-", np.uint8)
_BRUSH = np.frombuffer(b"brush:", np.uint8)
_HIGHLIGHT = np.frombuffer(b"highlight ", np.uint8)
_SOURCECODE = np.frombuffer(b"sourceCode ", np.uint8)


@kernel
def _prefix(out: np.ndarray, state: np.ndarray) -> None:
    """What a new line begins with: quotes, the indent of lists, a mark that is owed."""
    pos = state[_POS]
    if state[_MARKS]:
        for _ in range(min(state[_QUOTES], _MAX_QUOTES)):
            out[pos], out[pos + 1] = 62, 32
            pos += 2
        mark = state[_MARK]
        depth = min(state[_LISTS], _MAX_LISTS)
        if mark in (_BULLET, _ORDERED):
            depth -= 1
        for _ in range(2 * max(depth, 0)):
            out[pos] = 32
            pos += 1
        if mark == _BULLET:
            out[pos], out[pos + 1] = 45, 32
            pos += 2
        elif mark == _ORDERED:
            number = min(max(state[_NUMBER], 0), 99999)
            power = 1
            while power * 10 <= number:
                power *= 10
            while power > 0:
                out[pos] = 48 + (number // power) % 10
                pos += 1
                power //= 10
            out[pos], out[pos + 1] = 46, 32
            pos += 2
        elif mark > 0:
            for _ in range(mark):
                out[pos] = 35
                pos += 1
            out[pos] = 32
            pos += 1
    state[_MARK] = _NO_MARK
    state[_LINE_QUOTES] = state[_QUOTES]
    state[_POS] = pos


@kernel
def _pay(out: np.ndarray, state: np.ndarray) -> None:
    """Write the break or space that is owed before a character."""
    if state[_POS] == 0:
        _prefix(out, state)
    elif state[_OWED] > 0:
        for k in range(state[_OWED]):
            out[state[_POS]] = 10
            state[_POS] += 1
            if k + 1 < state[_OWED] and state[_MARKS] and min(state[_QUOTES], state[_LINE_QUOTES]) > 0:
                # A blank line within a quote carries its mark.
                out[state[_POS]] = 62
                state[_POS] += 1
        _prefix(out, state)
    else:
        if state[_MARK] != _NO_MARK and state[_MARKS] and out[state[_POS] - 1] == 10:
            _prefix(out, state)
        if state[_SPACE]:
            out[state[_POS]] = 32
            state[_POS] += 1
    state[_OWED] = 0
    state[_SPACE] = 0
    state[_MARK] = _NO_MARK


@kernel
def _break(state: np.ndarray, lines: int) -> None:
    """Owe so many line breaks; within a table's cell a space."""
    if state[_CELLS] > 0:
        state[_SPACE] = 1
    else:
        state[_OWED] = max(state[_OWED], lines)
        state[_SPACE] = 0


@kernel
def _newline(state: np.ndarray) -> None:
    """Owe a line break within code; none before its first line, and none is left behind its last."""
    if state[_POS] > state[_PRE_START]:
        state[_OWED] += 1


@kernel
def _entity(data: np.ndarray, i: int, stop: int) -> tuple[int, int]:
    """(character, bytes) of the escape at ``i``; nbsp is a space, an unknown one is an ampersand."""
    if i + 3 < stop and data[i + 2] == 116 and data[i + 3] == 59:
        if data[i + 1] == 108:
            return 60, 4
        if data[i + 1] == 103:
            return 62, 4
    if i + 4 < stop and data[i + 1] == 97 and data[i + 2] == 109 and data[i + 3] == 112 and data[i + 4] == 59:
        return 38, 5
    if i + 5 < stop and data[i + 5] == 59:
        if data[i + 1] == 110 and data[i + 2] == 98:
            return 32, 6
        if data[i + 1] == 113 and data[i + 2] == 117:
            return 34, 6
    return 38, 1


@kernel
def _write(data: np.ndarray, start: int, stop: int, raw: bool, out: np.ndarray, state: np.ndarray) -> None:
    """The text ``data[start:stop]``, as code if within ``pre``, else with white space collapsed."""
    i = start
    code = state[_PRE_DEPTH] > 0
    while i < stop:
        c = data[i]
        taken = 1
        blank = c == 32 or 9 <= c <= 13
        if c == 38 and not raw:
            c, taken = _entity(data, i, stop)
            blank = c == 32
        i += taken
        if code:
            if c == 10:
                _newline(state)
            elif c != 13 and c != 12:
                if state[_POS] == state[_PRE_START]:
                    _prefix(out, state)
                    state[_PRE_START] = -1
                while state[_OWED] > 0:
                    out[state[_POS]] = 10
                    state[_POS] += 1
                    state[_OWED] -= 1
                    _prefix(out, state)
                out[state[_POS]] = c
                state[_POS] += 1
            continue
        if blank:
            state[_SPACE] = 1 if state[_OWED] == 0 and state[_POS] > 0 else 0
            continue
        if state[_OWED] > 0 or state[_SPACE] or state[_MARK] != _NO_MARK:
            _pay(out, state)
        out[state[_POS]] = c
        state[_POS] += 1


@kernel
def attribute(data: np.ndarray, start: int, stop: int, name: np.ndarray) -> tuple[int, int]:
    """Where the value of an attribute stands within an element's attributes; (0, 0) if it has none."""
    i = start
    stop = min(stop, start + _MAX_ATTRIBUTES)
    while i < stop:
        while i < stop and data[i] <= 32:
            i += 1
        begin = i
        i += 1
        while i < stop and data[i] > 32 and data[i] != 61:
            i += 1
        length = i - begin
        if i + 1 < stop and data[i] == 61 and data[i + 1] == 34:
            i += 2
            value = i
            while i < stop and data[i] != 34:
                i += 1
            if length == len(name):
                same = True
                for k in range(length):
                    same = same and data[begin + k] == name[k]
                if same:
                    return value, i
            i += 1
    return 0, 0


@kernel
def _after(data: np.ndarray, start: int, stop: int, word: np.ndarray) -> tuple[int, int]:
    """The name that follows ``word`` within the bytes, (0, 0) if there is none."""
    for i in range(start, stop - len(word)):
        if data[i] == word[0]:
            k = 0
            while k < len(word) and data[i + k] == word[k]:
                k += 1
            if k == len(word):
                begin = i + k
                while begin < stop and data[begin] == 32:
                    begin += 1
                end = begin
                while end < stop and (
                    97 <= data[end] <= 122
                    or 65 <= data[end] <= 90
                    or 48 <= data[end] <= 57
                    or data[end] in (35, 43)
                ):
                    end += 1
                if 0 < end - begin <= 16:
                    return begin, end
    return 0, 0


@kernel
def _language(data: np.ndarray, nodes: np.ndarray, node: int) -> tuple[int, int]:
    """Where the class of a code block, of its ``code`` or of its wrappers names the language."""
    here = node + 1 if node + 1 < nodes[node, END] and nodes[node + 1, TAG] == _CODE else node
    for _ in range(7):
        start, stop = attribute(data, nodes[here, START], nodes[here, STOP], _CLASS)
        if stop > start:
            for word in (_LANGUAGE, _LANG, _SOURCE, _BRUSH, _HIGHLIGHT, _SOURCECODE):
                begin, end = _after(data, start, stop, word)
                if end > begin:
                    return begin, end
        here = nodes[here, PARENT]
        if here <= 0:
            break
    return 0, 0


@kernel
def _fence(data: np.ndarray, nodes: np.ndarray, node: int) -> int:
    """How many back-ticks fence a code block: more than it holds in a row."""
    longest = 2
    for i in range(node + 1, nodes[node, END]):
        if nodes[i, TAG] == 0:
            run = 0
            for k in range(nodes[i, START], nodes[i, STOP]):
                run = run + 1 if data[k] == _FENCE else 0
                longest = max(longest, run)
    return min(longest + 1, 8)


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
    fences = (2 if display else 1) if state[_MARKS] and data[start] != 36 else 0
    _pay(out, state)
    for _ in range(fences):
        out[state[_POS]] = 36
        state[_POS] += 1
    _write(data, start, stop, raw, out, state)
    state[_SPACE] = 0
    for _ in range(fences):
        out[state[_POS]] = 36
        state[_POS] += 1


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
    state = np.zeros(16, np.int64)
    state[_MARKS] = 1 if marks else 0
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
    numbers = np.zeros(_MAX_LISTS + 2, np.int64)
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
                state[_PRE_DEPTH] -= 1
                if state[_PRE_DEPTH] == 0:
                    pos = state[_POS]
                    begin = saved[height]
                    while pos > begin and out[pos - 1] == 32:
                        pos -= 1
                    state[_POS] = pos
                    state[_OWED] = 0
                    if marks and state[_CELLS] == 0:
                        out[state[_POS]] = 10
                        state[_POS] += 1
                        _prefix(out, state)
                        for _ in range(_fence(data, nodes, closing)):
                            out[state[_POS]] = _FENCE
                            state[_POS] += 1
                    _break(state, 2)
                continue
            if kind & CELL and table_until > closing:
                state[_CELLS] -= 1
                state[_SPACE] = 0
                continue
            if kind & ROW and table_until > closing:
                if not first_cell and marks:
                    out[state[_POS]], out[state[_POS] + 1] = 32, 124
                    state[_POS] += 2
                    if saved[height] > 0:  # the row under a table's head
                        _break(state, 1)
                        _pay(out, state)
                        for _ in range(saved[height]):
                            for c in (124, 32, 45, 45, 45, 32):
                                out[state[_POS]] = c
                                state[_POS] += 1
                        out[state[_POS]] = 124
                        state[_POS] += 1
                _break(state, 1)
                continue
            if kind & LIST:
                state[_LISTS] -= 1
            elif kind & QUOTE:
                state[_QUOTES] -= 1
            if kind & (ITEM | HEADING):
                state[_MARK] = _NO_MARK
            if kind & BLOCK:
                if state[_PRE_DEPTH] > 0:
                    if state[_OWED] == 0:
                        _newline(state)
                else:
                    nested = kind & LIST and state[_LISTS] > 0
                    _break(state, 1 if _TIGHT[tag] or nested else 2)
        if node >= stop:
            break
        if dropped[node]:
            node = nodes[node, END]
            continue
        tag = nodes[node, TAG]
        hints = nodes[node, HINTS]
        if tag == 0:
            _write(data, nodes[node, START], nodes[node, STOP], hints & RAWTEXT != 0, out, state)
            node += 1
            continue
        kind = KIND[tag]
        if tag == _BR:
            if state[_PRE_DEPTH] > 0:
                _newline(state)
            elif state[_CELLS] > 0 or state[_MARK] > 0:
                state[_SPACE] = 1
            elif state[_POS] > 0:
                state[_OWED] = min(state[_OWED] + 1, 2)
                state[_SPACE] = 0
            node += 1
            continue
        if tag == _HR:
            _break(state, 2)
            node += 1
            continue
        if tag == _MATH:
            source = -1
            for inner in range(node + 1, nodes[node, END]):
                if nodes[inner, TAG] == _ANNOTATION and nodes[inner, HINTS] & TEX:
                    source = inner + 1
                    break
            display = hints & DISPLAY != 0
            begin, end = attribute(data, nodes[node, START], nodes[node, STOP], _ALTTEXT)
            if 0 < source < nodes[node, END] and nodes[source, TAG] == 0:
                _formula(data, nodes[source, START], nodes[source, STOP], False, display, out, state)
            elif end > begin:
                _formula(data, begin, end, False, display, out, state)
            else:
                for inner in range(node + 1, nodes[node, END]):
                    if nodes[inner, TAG] == 0:
                        _write(data, nodes[inner, START], nodes[inner, STOP], False, out, state)
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
                begin, end = attribute(data, nodes[node, START], nodes[node, STOP], _ALT)
                _formula(data, begin, end, False, False, out, state)
            node += 1
            continue
        if nodes[node, END] == node + 1 or (kind & PREFORMATTED and nodes[node, WIDTH] == 0):
            # Nothing in it: at most a break.
            if kind & BLOCK and state[_PRE_DEPTH] == 0 and not kind & (CELL | ROW | ITEM):
                _break(state, 1)
            node = nodes[node, END]
            continue
        saved[height] = 0
        if kind & PREFORMATTED:
            if state[_PRE_DEPTH] == 0:
                _break(state, 2)
                state[_SPACE] = 0
                if state[_CELLS] == 0 and marks:
                    _pay(out, state)
                    for _ in range(_fence(data, nodes, node)):
                        out[state[_POS]] = _FENCE
                        state[_POS] += 1
                    begin, end = _language(data, nodes, node)
                    for k in range(begin, end):
                        out[state[_POS]] = data[k]
                        state[_POS] += 1
                    out[state[_POS]] = 10
                    state[_POS] += 1
                elif state[_POS] > 0:
                    for _ in range(2):
                        out[state[_POS]] = 10
                        state[_POS] += 1
                state[_OWED] = 0
                state[_PRE_START] = state[_POS]
                saved[height] = state[_POS]
            state[_PRE_DEPTH] += 1
        elif state[_PRE_DEPTH] > 0:
            if kind & BLOCK and state[_OWED] == 0:
                _newline(state)
        elif tag == _TABLE:
            _break(state, 2)
            k = node - root
            end = nodes[node, END] - root
            count = cells[end] - cells[k]
            if (
                state[_CELLS] == 0
                and heavy[end] == heavy[k + 1]
                and count > rows[end] - rows[k]
                and nodes[node, WIDTH] < 200 * count
            ):
                table_until = nodes[node, END]
        elif kind & ROW and table_until > node:
            _break(state, 1)
            first_cell = True
            if (node + 1 < stop and rows[node - root] == 0) or nodes[nodes[node, PARENT], TAG] == _THEAD:
                saved[height] = cells[nodes[node, END] - root] - cells[node - root]
        elif kind & CELL and table_until > node:
            if first_cell:
                state[_OWED] = max(state[_OWED], 1)
                _pay(out, state)
            if marks:
                for c in (32, 124, 32):
                    if c == 124 or not first_cell or out[state[_POS] - 1] == 124:
                        out[state[_POS]] = c
                        state[_POS] += 1
            elif not first_cell:
                out[state[_POS]] = 9
                state[_POS] += 1
            first_cell = False
            state[_CELLS] += 1
            state[_SPACE] = 0
        elif kind & BLOCK:
            nested = kind & LIST and state[_LISTS] > 0
            _break(state, 1 if _TIGHT[tag] or nested else 2)
            if kind & LIST:
                state[_LISTS] += 1
                if state[_LISTS] <= _MAX_LISTS:
                    numbers[state[_LISTS]] = 1 if tag == _OL else 0
            elif kind & QUOTE:
                state[_QUOTES] += 1
            elif tag == _LI and state[_LISTS] > 0 and state[_CELLS] == 0:
                depth = min(state[_LISTS], _MAX_LISTS)
                if numbers[depth] > 0:
                    state[_MARK] = _ORDERED
                    state[_NUMBER] = numbers[depth]
                    numbers[depth] += 1
                else:
                    state[_MARK] = _BULLET
            elif kind & HEADING and state[_CELLS] == 0:
                state[_MARK] = 1 + tag - _H1
        stack[height] = node
        height += 1
        node += 1
    return out[: state[_POS]]


_THEAD = words.TAG["thead"]
