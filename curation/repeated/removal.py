"""Lines that go, as edits of the text before any edit."""

from __future__ import annotations

from collections.abc import Sequence

from hanji.curation.contamination.masks import made_of, origin
from hanji.curation.records import Edit

STEP = "repeated"


def removal_edits(
    text: str,
    earlier: Sequence[Edit],
    starts: Sequence[int],
    ends: Sequence[int],
    keep: Sequence[bool],
    reasons: Sequence[str],
) -> list[Edit]:
    """One edit for each line of ``text`` that does not stay, with its reason.

    ``text`` is what ``earlier`` edits made; ``starts``, ``ends``: code points of its lines with content, in order.
    A line goes with its newline and what is between it and the next one that goes (blank lines, rules made of
    signs), and with the blank line that it would leave doubled. Positions are those before any edit.
    """
    pieces = made_of(text, earlier)
    found: list[Edit] = []
    for start, end, line in _spans(text, starts, ends, keep):
        begin, stop = origin(pieces, start, end)
        if found and begin < found[-1].end:
            # Both lines reach into what one earlier edit replaced.
            found[-1] = Edit(STEP, found[-1].start, max(stop, found[-1].end), "", found[-1].reason)
        else:
            found.append(Edit(STEP, begin, stop, "", reasons[line]))
    return found


def _spans(
    text: str, starts: Sequence[int], ends: Sequence[int], keep: Sequence[bool]
) -> list[tuple[int, int, int]]:
    """(start, end, line): the stretch that goes with each line that does not stay."""
    spans: list[tuple[int, int, int]] = []
    line = 0
    while line < len(starts):
        if keep[line]:
            line += 1
            continue
        first = line
        while line < len(starts) and not keep[line]:
            line += 1
        start, end = starts[first], min(ends[line - 1] + 1, len(text))
        if text[:start].endswith("\n\n") or not start:
            while end < len(text) and text[end] == "\n":
                end += 1
        cuts = starts[first + 1 : line]
        if end == len(text):
            # The last lines: the text ends as it did, with a newline or none; then each goes with the one before.
            last = 1 if text.endswith("\n") else 0
            while start > last and text[start - 1 - last : start] == "\n" * (1 + last):
                start -= 1
            cuts = cuts if last else ends[first : line - 1]
        edges = [start, *cuts, end]
        spans += [(edges[n], edges[n + 1], first + n) for n in range(line - first)]
    return spans
