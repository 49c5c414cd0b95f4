"""What charts are drawn in: the frame with its axes, the names of vertical marks, text."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hanji.page import Markup, tag

LEFT, RIGHT, TOP, BOTTOM = 56, 12, 26, 34
ROW = 16
"""Between rows of names of marks."""
MOST_ROWS = 3


@dataclass(frozen=True)
class Marks:
    """What stands beside the lines: named vertical lines, and ticks at the bottom with what they say."""

    borders: Sequence[tuple[str, float]] = ()
    ticks: Sequence[tuple[str, float]] = ()


@dataclass(frozen=True)
class Frame:
    """Where numbers lie in the picture. ``identity`` names its clip; ``top`` is the room above the lines."""

    width: int
    height: int
    x: tuple[float, float]
    y: tuple[float, float]
    identity: str = ""
    top: int = TOP

    @property
    def right(self) -> float:
        return self.width - RIGHT

    @property
    def bottom(self) -> float:
        return self.height - BOTTOM

    def across(self, value: float) -> float:
        low, high = self.x
        return LEFT + (self.right - LEFT) * (value - low) / ((high - low) or 1)

    def down(self, value: float) -> float:
        low, high = self.y
        return self.bottom - (self.bottom - self.top) * (value - low) / ((high - low) or 1)


def framed(
    frame: Frame,
    title: str,
    drawn: Callable[[Frame], Iterable[Markup]],
    marks: Marks,
    x_name: str,
    y_name: str,
    show: Callable[[float], str],
    *,
    ticks: Callable[[float, float, int], list[float]],
) -> Markup:
    """A picture: what ``drawn`` makes for the frame, clipped to it, with axes and marks.

    The frame grows by the rows that the names of marks need beside each other.
    """
    names = _placed(frame, marks.borders)
    rows = max((row for _, _, _, row in names), default=0)
    frame = replace(frame, top=TOP + ROW * rows, height=frame.height + ROW * rows)
    parts: list[Any] = []
    for value in ticks(*frame.y, 5):
        y = frame.down(value)
        parts.append(_segment(LEFT, y, frame.right, y, "grid"))
        parts.append(text(LEFT - 6, y + 4, f"{value:.0%}" if y_name == "share" else show(value), "end"))
    for value in ticks(*frame.x, frame.width // 80):
        x = frame.across(value)
        # A number below the end of the axis would be cut off by the end of the picture.
        anchor = "end" if x > frame.right - 16 else "middle"
        place = min(x + 10, frame.right + 8) if anchor == "end" else x
        parts.append(text(place, frame.bottom + 16, show(value), anchor))
    parts.append(text(frame.right, frame.height - 4, x_name, "end", "axis-name"))
    if y_name and y_name != "share":
        parts.append(text(LEFT - 44, 12, y_name, "start", "axis-name"))
    # Dots at either end are seen whole.
    inside = tag(
        "rect",
        "",
        x=LEFT - 4,
        y=frame.top - 4,
        width=f"{frame.right - LEFT + 8:.0f}",
        height=f"{frame.bottom - frame.top + 4:.0f}",
    )
    parts.append(tag("defs", tag("clipPath", inside, id=frame.identity)))
    parts.append(tag("g", *drawn(frame), clip_path=f"url(#{frame.identity})"))
    parts += _borders(frame, marks.borders)
    parts += [text(x, TOP - 8 + ROW * row, name, anchor, "marked") for name, x, anchor, row in names]
    parts += [
        tag(
            "line",
            tag("title", said),
            x1=f"{frame.across(value):.1f}",
            x2=f"{frame.across(value):.1f}",
            y1=f"{frame.bottom - 9:.1f}",
            y2=f"{frame.bottom:.1f}",
            class_="tick",
        )
        for said, value in marks.ticks
        if frame.x[0] <= value <= frame.x[1]
    ]
    parts.append(_segment(LEFT, frame.bottom, frame.right, frame.bottom, "axis"))
    return tag("svg", tag("title", title), *parts, viewBox=f"0 0 {frame.width} {frame.height}", role="img")


def _placed(frame: Frame, borders: Sequence[tuple[str, float]]) -> list[tuple[str, float, str, int]]:
    """Names of marks where they run into no other: name, x, anchor and row. Without room there is the tooltip."""
    taken: list[list[tuple[float, float]]] = [[] for _ in range(MOST_ROWS)]
    placed = []
    for name, value in borders:
        if value > frame.x[1]:
            continue
        x, wide = frame.across(max(value, frame.x[0])), text_width(name)
        sides = ((x + 4, "start", x, x + 4 + wide), (x - 4, "end", x - 4 - wide, x))
        found = next(
            (
                (row, place, anchor, left, right)
                for row in range(MOST_ROWS)
                for place, anchor, left, right in sides
                if left >= 0
                and right <= frame.width
                and all(right + 6 <= begin or end + 6 <= left for begin, end in taken[row])
            ),
            None,
        )
        if found is not None:
            row, place, anchor, left, right = found
            taken[row].append((left, right))
            placed.append((name, place, anchor, row))
    return placed


def _borders(frame: Frame, borders: Sequence[tuple[str, float]]) -> Iterable[Markup]:
    for name, value in borders:
        if value <= frame.x[1]:
            x = f"{frame.across(max(value, frame.x[0])):.1f}"
            ends = {"y1": f"{TOP - 6}", "y2": f"{frame.bottom:.1f}"}
            yield tag("line", tag("title", name), x1=x, x2=x, **ends, class_="mark")


def text_width(said: str) -> float:
    """About how wide a name is in the letters of a chart."""
    return sum(13.0 if unicodedata.east_asian_width(letter) in "WF" else 8.0 for letter in said)


def path(points: Sequence[tuple[float, float]]) -> str:
    """The path through points, in the letters of SVG."""
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def outline(steps: Sequence[tuple[float, float, float, float]]) -> str:
    """The closed path around steps beside each other: left, right, top and bottom of each."""
    above = "".join(f"V{top:.1f}H{right:.1f}" for _, right, top, _ in steps)
    below = "".join(f"V{bottom:.1f}H{left:.1f}" for left, _, _, bottom in reversed(steps))
    return f"M{steps[0][0]:.1f} {steps[0][2]:.1f}{above}{below}Z"


def text(x: float, y: float, said: str, anchor: str, kind: str | None = None) -> Markup:
    """A text element."""
    return tag("text", said, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor, class_=kind)


def _segment(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    return tag("line", x1=f"{x1:.1f}", y1=f"{y1:.1f}", x2=f"{x2:.1f}", y2=f"{y2:.1f}", class_=kind)
