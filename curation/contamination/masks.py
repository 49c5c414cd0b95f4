"""Stretches of an edited text as further edits of the text that it was made from."""

from __future__ import annotations

from collections.abc import Sequence

from hanji.curation.records import Edit


def mask_edits(
    text: str, earlier: Sequence[Edit], spans: Sequence[tuple[int, int, str]], step: str, replacement: str
) -> list[Edit]:
    """Edits that replace spans (start, end, reason; code points) of ``text``, which earlier edits made.

    Positions of the edits are those before any edit. Spans that touch become one, with the reason of the first. A
    span that reaches into what an earlier edit put there takes all of it along, so that positions within a
    replacement are never needed.
    """
    pieces = made_of(text, earlier)
    found: list[Edit] = []
    for start, end, reason in _joined(spans):
        begin, stop = origin(pieces, start, end)
        if found and begin < found[-1].end:
            # Both reach into the same replacement.
            found[-1] = Edit(step, found[-1].start, max(stop, found[-1].end), replacement, found[-1].reason)
        else:
            found.append(Edit(step, begin, stop, replacement, reason))
    return found


def _joined(spans: Sequence[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    joined: list[tuple[int, int, str]] = []
    for start, end, reason in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]), joined[-1][2])
        else:
            joined.append((start, end, reason))
    return joined


def made_of(text: str, earlier: Sequence[Edit]) -> list[tuple[int, int, int, int, bool]]:
    """What the text is made of: (start, end) in it, (start, end) before any edit, and whether it was put there."""
    pieces: list[tuple[int, int, int, int, bool]] = []
    here, there = 0, 0
    effective: list[list[int]] = []
    for edit in sorted(earlier, key=lambda e: (e.start, -e.end, e.step, e.reason, e.replacement)):
        if not effective or edit.start >= effective[-1][1]:
            effective.append([edit.start, edit.end, len(edit.replacement)])
        else:
            effective[-1][1] = max(effective[-1][1], edit.end)
    for start, end, put in effective:
        pieces.append((here, here + start - there, there, start, False))
        here += start - there
        pieces.append((here, here + put, start, end, True))
        here += put
        there = end
    pieces.append((here, len(text), there, there + len(text) - here, False))
    return pieces


def origin(pieces: Sequence[tuple[int, int, int, int, bool]], start: int, end: int) -> tuple[int, int]:
    """Where the stretch [start, end) of the text, not empty, lies before any edit."""
    first = next(piece for piece in pieces if piece[0] <= start < piece[1])
    last = next(piece for piece in pieces if piece[0] < end <= piece[1])
    return (
        first[2] if first[4] else first[2] + start - first[0],
        last[3] if last[4] else last[2] + end - last[0],
    )
