"""What surrounds a line: code that must not be touched, links under a heading, blank lines. Lower-case text
that begins with a newline, as :mod:`finding` makes it."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

_FENCE = re.compile(r"\n {0,3}(?P<fence>`{3,}|~{3,})[^\n`]*(?=\n|\Z)")
# A link's line: short, no sentence.
_LINK = re.compile(r" {0,3}(?:[-*+•·▪■□◆◇●○▶▷☞]|\d{1,2}[.)]) ?[^\s][^\n]{1,120}")
_WORD_END = frozenset("abcdefghijklmnopqrstuvwxyz,")
_LISTED = re.compile(r"[\t ]*(?:[-*+•·▪■□◆◇●○▶▷☞]|\d{1,2}[.)])[\t ]?")


@dataclass(frozen=True)
class Line:
    """A line that is to go, or would go next to one that does. ``end`` is before its newline."""

    start: int
    end: int
    rule: str
    sure: bool
    listed: bool = False
    """Whether a list's mark stands before it."""
    weight: int = 0
    """How much its words prove together with those of its neighbours."""


def is_wrapped(low: str, text: str, start: int, begin: int, end: int) -> bool:
    """Whether the line that starts here is the middle or the end of a hard-wrapped sentence.

    It begins with a small letter after a long line that ends in a word, or is long, ends in a word and the next
    line begins so.
    """
    first = text[begin - 1 : begin]
    if (
        first.islower()
        and start > 1
        and low[start - 2] in _WORD_END
        and start - low.rfind("\n", 0, start - 1) > 40
    ):
        return True
    return end - start > 40 and low[end - 1] in _WORD_END and text[end : end + 1].islower()


def code_spans(low: str) -> list[tuple[int, int]]:
    """Fenced code, as [start, end) from fence to fence; an open fence reaches to the end of the text."""
    if "```" not in low and "~~~" not in low:
        return []
    spans: list[tuple[int, int]] = []
    opened: re.Match[str] | None = None
    for match in _FENCE.finditer(low):
        if opened is None:
            opened = match
        elif match.group("fence")[0] == opened.group("fence")[0] and len(match.group("fence")) >= len(
            opened.group("fence")
        ):
            spans.append((opened.start(), match.end()))
            opened = None
    if opened is not None:
        spans.append((opened.start(), len(low)))
    return spans


def inside(position: int, spans: Sequence[tuple[int, int]]) -> bool:
    """Whether a position lies in one of the sorted spans."""
    index = bisect_right(spans, (position, len(spans) and spans[-1][1] + 1)) - 1
    return index >= 0 and spans[index][0] <= position < spans[index][1]


def listed_after(low: str, end: int) -> list[tuple[int, int]] | None:
    """The lines of a list of links right after a heading that ends at ``end``: [] if no list follows.

    None: a list follows that is not certainly one of links: it has sentences, or one item only.
    """
    place = end
    blanks = 0
    found: list[tuple[int, int]] = []
    sentences = False
    while place < len(low):
        start = place + 1
        stop = low.find("\n", start)
        stop = len(low) if stop < 0 else stop
        if not low[start:stop].strip():
            blanks += 1
            if blanks > 1 or start >= len(low):
                break
        elif _LISTED.match(low, start, stop):
            line = low[start:stop].rstrip()
            sentences = (
                sentences or _LINK.fullmatch(line) is None or (line[-1] in ".!" and not line.endswith("..."))
            )
            found.append((start, stop))
            blanks = 0
        else:
            break
        place = stop
    if not found:
        return []
    return None if sentences or len(found) < 2 else found


def with_blank_lines(low: str, lines: Sequence[Line]) -> list[tuple[int, int, str]]:
    """(start, end, rule) of lines that go, with a newline each and the blank lines they would leave doubled.

    A line goes with the newline after it, one of the last lines with the newline before it.
    """
    result: list[tuple[int, int, str]] = []
    run = end = 1  # where the removed stretch that ends at ``end`` begins
    for line in lines:
        if line.start != end:
            run = line.start
        end = min(line.end + 1, len(low))
        while end < len(low) and _is_open(low, run):
            stop = low.find("\n", end)
            stop = len(low) if stop < 0 else stop
            if low[end:stop].strip():
                break
            end = min(stop + 1, len(low))
        result.append((line.start, end, line.rule))
    return _without_last_newline(low, result)


def _is_open(low: str, run: int) -> bool:
    """Whether the text before a removed stretch that begins at ``run`` is empty or ends with a blank line."""
    if run <= 1:
        return True
    before = low.rfind("\n", 0, run - 1) + 1
    return not low[before : run - 1].strip()


def _without_last_newline(low: str, result: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Where the text's last lines go and no newline ends it, the newline before them goes instead."""
    if not result or result[-1][1] < len(low) or low.endswith("\n"):
        return result
    index = len(result) - 1
    while index > 0 and result[index - 1][1] == result[index][0]:
        index -= 1
    first = result[index][0]
    if first <= 1:
        return result
    begin = first - 1
    while begin > 1 and (index == 0 or result[index - 1][1] < begin) and low[begin - 1] == "\n":
        begin -= 1
    _, end, rule = result[index]
    result[index] = (begin, end, rule)
    return result
