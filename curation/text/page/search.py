"""What code blocks and formulas say in their attributes: the language, the source."""

from __future__ import annotations

import numpy as np

from hanji.curation.signals.compiled import kernel
from hanji.curation.text.page import words
from hanji.curation.text.page.scan import END, PARENT, START, STOP, TAG

_CODE = words.TAG["code"]
_FENCE = 96
_MAX_ATTRIBUTES = 1 << 14
"""So many bytes of an element's attributes are searched: a long one above many code blocks costs no more."""

ALT = np.frombuffer(b"alt", np.uint8)
ALTTEXT = np.frombuffer(b"alttext", np.uint8)
_CLASS = np.frombuffer(b"class", np.uint8)
_STARTWORD = np.frombuffer(b"start", np.uint8)
_LANGUAGE = np.frombuffer(b"language-", np.uint8)
_LANG = np.frombuffer(b"lang-", np.uint8)
_SOURCE = np.frombuffer(b"highlight-source-", np.uint8)
_BRUSH = np.frombuffer(b"brush:", np.uint8)
_HIGHLIGHT = np.frombuffer(b"highlight ", np.uint8)
_SOURCECODE = np.frombuffer(b"sourceCode ", np.uint8)


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
def language(data: np.ndarray, nodes: np.ndarray, node: int) -> tuple[int, int]:
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
def fence(data: np.ndarray, nodes: np.ndarray, node: int) -> int:
    """How many back-ticks fence a code block: more than it holds in a row."""
    longest = 2
    for i in range(node + 1, nodes[node, END]):
        if nodes[i, TAG] == 0:
            run = 0
            for k in range(nodes[i, START], nodes[i, STOP]):
                run = run + 1 if data[k] == _FENCE else 0
                longest = max(longest, run)
    return min(longest + 1, 8)
