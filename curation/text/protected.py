"""What edits of characters must not touch: code, tables, formulas, rules and fences of Markdown.

Whether a place is protected is only asked where an edit would be made, so that a text without such places costs
nothing. Matches come in order; the line that they are in is looked at once.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable

# Fenced blocks, to their closing fence or the end of the text, and formulas set apart.
_BLOCKS = re.compile(
    r"""
    ^\x20{0,3}(?: (?P<ticks>`{3,})[^`\n]*\n | (?P<tildes>~{3,})\x20?[A-Za-z0-9_+.-]*\n )
    (?s:.*?)
    (?: ^\x20{0,3}(?(ticks)(?P=ticks)`*|(?P=tildes)~*)\x20*$ | \Z )
    | \$\$[^$]+\$\$
    """,
    re.MULTILINE | re.VERBOSE,
)
# Indented code, rows of tables, and lines that are nothing but a rule.
_WHOLE_LINE = re.compile(r"(?:\x20{4}|\x20{0,3}\t|\x20*\|).*|[-.~;,=_*+#:|`\x20]*", re.DOTALL)
_INLINE = re.compile(r"(`{1,3})[^`\n]+\1|\$(?=\S)[^$\n]{1,500}(?<=\S)\$(?!\d)")


def substitute_outside(
    text: str, pattern: re.Pattern[str], change: Callable[[re.Match[str]], str]
) -> tuple[str, int]:
    """``pattern.subn(change, text)`` at places that are not protected. Linear in the text."""
    pieces: list[str] = []
    position = count = 0
    guard: _Guard | None = None
    for found in pattern.finditer(text):
        guard = guard or _Guard(text)
        if guard.protects(found.start()):
            continue
        pieces += (text[position : found.start()], change(found))
        position = found.end()
        count += 1
    if not count:
        return text, 0
    pieces.append(text[position:])
    return "".join(pieces), count


class _Guard:
    """Answers for places in rising order."""

    def __init__(self, text: str) -> None:
        self._text = text
        marked = "```" in text or "~~~" in text or "$$" in text
        blocks = [found.span() for found in _BLOCKS.finditer(text)] if marked else []
        self._starts = [start for start, _ in blocks]
        self._ends = [end for _, end in blocks]
        self._line_end = -1
        self._whole = False
        self._inline: list[tuple[int, int]] = []
        self._next = 0

    def protects(self, place: int) -> bool:
        block = bisect_right(self._starts, place) - 1
        if block >= 0 and place < self._ends[block]:
            return True
        if place > self._line_end:
            self._look_at_line(place)
        if self._whole:
            return True
        while self._next < len(self._inline) and self._inline[self._next][1] <= place:
            self._next += 1
        return self._next < len(self._inline) and self._inline[self._next][0] <= place

    def _look_at_line(self, place: int) -> None:
        text = self._text
        start = text.rfind("\n", 0, place) + 1
        end = text.find("\n", place)
        self._line_end = len(text) if end < 0 else end
        line = text[start : self._line_end]
        self._whole = _WHOLE_LINE.fullmatch(line) is not None
        self._inline, self._next = [], 0
        if not self._whole and ("`" in line or "$" in line):
            self._inline = [(start + m.start(), start + m.end()) for m in _INLINE.finditer(line)]
