"""What a block made of a text, as edits to the text before any edit.

Two texts are compared by lines, then by words within lines that differ. Lines that stand once in both
anchor the comparison (patience diff, Bram Cohen), and difflib fills the gaps between anchors where they are
small, so that the cost stays near linear; a larger gap becomes one edit. A change is carried back through
earlier edits, and what it touches of them it takes over whole: see :class:`Revision`.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from hanji.curation.records import Edit, apply_edits

STEP = "blocks"
"""Name of the step in edits. At equal positions the edit of the lesser step name wins
(:func:`hanji.curation.records.apply_edits`), and this one has to."""
LARGEST_GAP = 40_000
"""Product of the lengths, in lines or words, up to which difflib fills a gap."""

_LINES = re.compile(r"[^\n]*\n|[^\n]+")
_WORDS = re.compile(r"\w+|\s+|[^\w\s]")


@dataclass(frozen=True)
class Change:
    """Characters ``[start, end)`` become ``replacement``."""

    start: int
    end: int
    replacement: str


@dataclass(frozen=True)
class _Span:
    """A stretch of the text before any edit and what it has become; ``reason`` is None for an older edit's."""

    start: int
    end: int
    replacement: str
    reason: str | None = None


def changes(before: str, after: str) -> list[Change]:
    """Changes that turn one text into the other, in order, apart from each other."""
    return [
        _trimmed(before, change)
        for lines in _compared(before, after, _LINES, 0)
        for pair in _paired(before, lines)
        for change in _compared(before[pair.start : pair.end], pair.replacement, _WORDS, pair.start)
    ]


def _paired(before: str, lines: Change) -> Iterator[Change]:
    """Line by line, where as many lines come as go: a formatter that touches every line is no single edit."""
    old, new = _LINES.findall(before[lines.start : lines.end]), _LINES.findall(lines.replacement)
    if len(old) != len(new):
        yield lines
        return
    at = lines.start
    for one, other in zip(old, new, strict=True):
        yield Change(at, at + len(one), other)
        at += len(one)


def _compared(before: str, after: str, tokens: re.Pattern[str], offset: int) -> Iterator[Change]:
    a, b = tokens.findall(before), tokens.findall(after)
    place_a, place_b = _starts(a), _starts(b)
    for a_from, a_to, b_from, b_to in _differing(a, b):
        yield Change(offset + place_a[a_from], offset + place_a[a_to], after[place_b[b_from] : place_b[b_to]])


def _starts(tokens: Sequence[str]) -> list[int]:
    starts = [0]
    for token in tokens:
        starts.append(starts[-1] + len(token))
    return starts


def _trimmed(before: str, change: Change) -> Change:
    """The change without the characters that both sides begin or end with."""
    start, end, new = change.start, change.end, change.replacement
    head = 0
    while head < min(end - start, len(new)) and before[start + head] == new[head]:
        head += 1
    start, new = start + head, new[head:]
    tail = 0
    while tail < min(end - start, len(new)) and before[end - tail - 1] == new[-tail - 1]:
        tail += 1
    return Change(start, end - tail, new[: len(new) - tail])


def _differing(a: Sequence[str], b: Sequence[str]) -> Iterator[tuple[int, int, int, int]]:
    """(from, to) in a and in b of every stretch in which the two differ."""
    at_a = at_b = 0
    for to_a, to_b in [*_anchors(a, b), (len(a), len(b))]:
        yield from _gap(a, b, at_a, to_a, at_b, to_b)
        at_a, at_b = to_a + 1, to_b + 1


def _gap(
    a: Sequence[str], b: Sequence[str], a_from: int, a_to: int, b_from: int, b_to: int
) -> Iterator[tuple[int, int, int, int]]:
    while a_from < a_to and b_from < b_to and a[a_from] == b[b_from]:
        a_from, b_from = a_from + 1, b_from + 1
    while a_from < a_to and b_from < b_to and a[a_to - 1] == b[b_to - 1]:
        a_to, b_to = a_to - 1, b_to - 1
    if a_from == a_to and b_from == b_to:
        return
    if not 0 < (a_to - a_from) * (b_to - b_from) <= LARGEST_GAP:
        yield a_from, a_to, b_from, b_to
        return
    matcher = SequenceMatcher(None, a[a_from:a_to], b[b_from:b_to], autojunk=False)
    for tag, i, i_to, j, j_to in matcher.get_opcodes():
        if tag != "equal":
            yield a_from + i, a_from + i_to, b_from + j, b_from + j_to


def _anchors(a: Sequence[str], b: Sequence[str]) -> list[tuple[int, int]]:
    """Places of the tokens that stand once in both: the longest series that rises in both."""
    once_a, once_b = Counter(a), Counter(b)
    place_b = {token: place for place, token in enumerate(b) if once_b[token] == 1}
    pairs = [
        (place, place_b[token]) for place, token in enumerate(a) if once_a[token] == 1 and token in place_b
    ]
    # Patience sorting: the last pair of the best series of each length, and each pair's predecessor.
    tops: list[int] = []
    piles: list[int] = []
    before: list[int] = []
    for number, (_, place) in enumerate(pairs):
        pile = bisect_left(tops, place)
        before.append(piles[pile - 1] if pile else -1)
        tops[pile : pile + 1] = [place]
        piles[pile : pile + 1] = [number]
    series = []
    at = piles[-1] if piles else -1
    while at >= 0:
        series.append(pairs[at])
        at = before[at]
    return series[::-1]


class Revision:
    """A text, the edits it has had, and those that blocks add, one block after the other."""

    def __init__(self, original: str, edits: Sequence[Edit]) -> None:
        self._original = original
        self._earlier = list(edits)
        self._spans = _effective(edits)
        self.text = apply_edits(original, self._earlier)

    def replace(self, after: str, reason: str) -> None:
        """Take over what a block made of the text.

        A change that touches an earlier edit becomes one with it: it covers the edit's stretch and holds its
        replacement, so that positions in replaced text are never needed.
        """
        found = changes(self.text, after)
        if not found:
            return
        lows, highs, here = [], [], 0  # where each span's replacement lies in the text as it is
        at = 0
        for one in self._spans:
            here += one.start - at
            lows.append(here)
            here += len(one.replacement)
            highs.append(here)
            at = one.end
        spans: list[_Span] = []
        span = change = 0
        while change < len(found):
            while span < len(self._spans) and highs[span] < found[change].start:
                spans.append(self._spans[span])
                span += 1
            first_span, first_change = span, change
            begin, reach = found[change].start, found[change].end
            end = reach
            change += 1
            while True:
                if span < len(self._spans) and lows[span] <= reach:
                    begin, end = min(begin, lows[span]), max(end, highs[span])
                    span += 1
                elif change < len(found) and found[change].start <= end:
                    reach = found[change].end
                    end = max(end, reach)
                    change += 1
                else:
                    break
            replacement = self._pieced(begin, end, found[first_change:change])
            # Between spans the text is the original's: count from the end of the last span.
            start = begin + (self._spans[first_span - 1].end - highs[first_span - 1] if first_span else 0)
            stop = end + (self._spans[span - 1].end - highs[span - 1] if span else 0)
            if span > first_span:
                start = self._spans[first_span].start - (lows[first_span] - begin)
                last = self._spans[span - 1]
                beyond = self._spans[span].start if span < len(self._spans) else len(self._original)
                if last.start == last.end == stop < beyond:
                    # An insertion at the very end is overridden only by what goes on beyond it.
                    replacement += self._original[stop]
                    stop += 1
            spans.append(_Span(start, stop, replacement, reason))
        self._spans = spans + self._spans[span:]
        self.text = after

    def _pieced(self, begin: int, end: int, group: Sequence[Change]) -> str:
        """The text from begin to end with the changes made."""
        pieces, at = [], begin
        for change in group:
            pieces += [self.text[at : change.start], change.replacement]
            at = change.end
        pieces.append(self.text[at:end])
        return "".join(pieces)

    def edits(self) -> list[Edit]:
        """The blocks' own edits; together with the earlier ones they give :attr:`text`.

        Raises ValueError where they would not: two insertions at the very end of a text cannot be told apart.
        """
        own = [
            Edit(STEP, span.start, span.end, span.replacement, span.reason)
            for span in self._spans
            if span.reason is not None
        ]
        if own and apply_edits(self._original, [*self._earlier, *own]) != self.text:
            raise ValueError("its change cannot be told apart from earlier edits at the same place")
        return own


def _effective(edits: Sequence[Edit]) -> list[_Span]:
    """What :func:`hanji.curation.records.apply_edits` makes of edits: stretches apart from each other."""
    spans: list[_Span] = []
    for edit in sorted(edits, key=lambda e: (e.start, -e.end, e.step, e.reason, e.replacement)):
        if not spans or edit.start >= spans[-1].end:
            spans.append(_Span(edit.start, edit.end, edit.replacement))
        elif edit.end > spans[-1].end:
            spans[-1] = _Span(spans[-1].start, edit.end, spans[-1].replacement)
    return spans
