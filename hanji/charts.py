"""Charts of the HTML kit: lines over steps with bands and marks, and shares stacked over steps. Inline SVG.

A chart gets at most as many points as its maker hands it; what is long is put into bins before
(:class:`hanji.training.report.bins.Bins`), so that a page stays small whatever it tells of.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hanji.page import Markup, tag

COLOURS = tuple(f"var(--c{number})" for number in range(1, 9))
DASHES = (None, "6 3", "2 3")
"""After all colours have been used they come again, dashed."""
WIDTH, HALF = 980, 480
"""Of a chart as wide as the page, and of one of two beside each other."""
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 26, 34


@dataclass(frozen=True)
class Line:
    """A named line: points (x, y) by rising x. ``band`` has (x, lowest, highest); ``dots`` shows each point."""

    name: str
    points: Sequence[tuple[float, float]]
    band: Sequence[tuple[float, float, float]] = ()
    dots: bool = False
    note: str = ""
    colour: int | None = None


@dataclass(frozen=True)
class Marks:
    """What stands beside the lines: named vertical lines, and ticks at the bottom with what they say."""

    borders: Sequence[tuple[str, float]] = ()
    ticks: Sequence[tuple[str, float]] = ()


@dataclass(frozen=True)
class Frame:
    """Where numbers lie in the picture."""

    width: int
    height: int
    x: tuple[float, float]
    y: tuple[float, float]
    identity: str = field(default="")

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
        return self.bottom - (self.bottom - TOP) * (value - low) / ((high - low) or 1)


def lines(
    title: str,
    series: Sequence[Line],
    *,
    marks: Marks | None = None,
    width: int = WIDTH,
    height: int = 260,
    x_name: str = "step",
    y_name: str = "",
    show: Callable[[float], str] | None = None,
    zero: bool = False,
) -> Markup:
    """A figure of lines over a common x. ``zero`` has the y axis begin at 0; ``show`` writes values in the legend.

    Where the beginning lies far above everything that follows, as losses do, the axis ends below it and the
    caption says how far it goes.
    """
    show = show or short
    shown = [line for line in series if line.points]
    if not shown:
        return tag(
            "figure", tag("figcaption", title), tag("p", tag("small", "nothing to show")), class_="chart"
        )
    low, high, beyond = _range(shown, zero)
    first = min(line.points[0][0] for line in shown)
    last = max(line.points[-1][0] for line in shown)
    frame = Frame(width, height, (first, last), (low, high), _identity(title, shown))
    drawn: list[Any] = []
    for place, line in enumerate(shown):
        drawn += _line(frame, line, place, show)
    caption: list[Any] = [title]
    if beyond is not None:
        caption.append(tag("small", f" its beginning goes up to {show(beyond)}"))
    legend = [
        tag(
            "li",
            _key(place, line),
            f"{line.name} ",
            tag("b", show(line.points[-1][1])),
            f" {line.note}" if line.note else "",
        )
        for place, line in enumerate(shown)
    ]
    return _figure(frame, title, caption, drawn, legend, marks or Marks(), x_name, y_name)


def shares(
    title: str,
    series: Sequence[tuple[str, Sequence[float]]],
    edges: Sequence[tuple[float, float]],
    *,
    marks: Marks | None = None,
    width: int = WIDTH,
    height: int = 240,
    x_name: str = "step",
) -> Markup:
    """Shares of a whole, stacked: ``series`` has amounts by bin, ``edges`` the beginning and end of each bin."""
    totals = [sum(values[i] for _, values in series) for i in range(len(edges))]
    full = [i for i, total in enumerate(totals) if total > 0]
    if not full:
        return tag(
            "figure", tag("figcaption", title), tag("p", tag("small", "nothing to show")), class_="chart"
        )
    frame = Frame(
        width, height, (edges[full[0]][0], edges[full[-1]][1]), (0.0, 1.0), _identity(title, series)
    )
    drawn: list[Any] = []
    base = [0.0] * len(edges)
    for place, (name, values) in enumerate(series):
        above, below = [], []
        for i in full:
            top = base[i] + values[i] / totals[i]
            left, right = (frame.across(edge) for edge in edges[i])
            above += [(left, frame.down(top)), (right, frame.down(top))]
            below += [(left, frame.down(base[i])), (right, frame.down(base[i]))]
            base[i] = top
        style = f"fill:{COLOURS[place % len(COLOURS)]};opacity:{1 - 0.35 * (place // len(COLOURS)):.2f}"
        drawn.append(tag("path", tag("title", name), d=_path([*above, *reversed(below)]) + "Z", style=style))
    legend = [
        tag(
            "li",
            tag("i", "", style=f"background:{COLOURS[place % len(COLOURS)]}"),
            f"{name} ",
            tag("b", f"{100 * sum(values) / sum(totals):.1f} %"),
        )
        for place, (name, values) in enumerate(series)
    ]
    return _figure(frame, title, [title], drawn, legend, marks or Marks(), x_name, "share")


def short(value: float) -> str:
    """A number for an axis or a legend: 12.3k, 0.0012, 3.41."""
    size = abs(value)
    for limit, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e4, "k")):
        if size >= limit:
            # 1e4 is where thousands begin to be written short, not their unit.
            return f"{value / (1e3 if unit == 'k' else limit):.3g}{unit}"
    if size >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}" if size >= 0.001 else f"{value:.1e}"


def nice_ticks(low: float, high: float, most: int) -> list[float]:
    """At most about ``most`` round numbers between two bounds, evenly spaced."""
    if not high > low:
        return [low]
    rough = (high - low) / max(most, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    first = math.ceil(low / step - 1e-9)
    return [round(number * step, 12) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def _range(series: Sequence[Line], zero: bool) -> tuple[float, float, float | None]:
    """Lowest and highest y to show, and what lies beyond the top, if something does."""
    values = [y for line in series for _, y in line.points]
    low, high = min(values), max(values)
    low = min([low, *(bottom for line in series for _, bottom, _ in line.band)])
    settled = [y for line in series for _, y in line.points[max(1, len(line.points) // 10) :]]
    beyond = None
    if settled and not zero:
        calm = max(settled)
        if high - low > 2.5 * (calm - low) > 0:
            beyond, high = high, calm + 0.15 * (calm - low)
    bands = [top for line in series for _, _, top in line.band]
    if bands and beyond is None:
        # A spike in a band may leave the picture; the line itself may not.
        high = max(high, min(max(bands), high + 0.5 * (high - low)))
    if zero:
        low = min(0.0, low)
    if high == low:
        return low - abs(low) * 0.1 - (not low), high + abs(high) * 0.1 + (not high), beyond
    margin = 0.04 * (high - low)
    return low if zero and low == 0 else low - margin, high + margin, beyond


def _line(frame: Frame, line: Line, place: int, show: Callable[[float], str]) -> Iterable[Markup]:
    colour = COLOURS[(place if line.colour is None else line.colour) % len(COLOURS)]
    if line.band:
        upper = [(frame.across(x), frame.down(top)) for x, _, top in line.band]
        lower = [(frame.across(x), frame.down(bottom)) for x, bottom, _ in reversed(line.band)]
        yield tag("path", "", d=_path([*upper, *lower]) + "Z", style=f"fill:{colour}", class_="band")
    points = [(frame.across(x), frame.down(y)) for x, y in line.points]
    dash = DASHES[(place // len(COLOURS)) % len(DASHES)]
    yield tag(
        "path",
        tag("title", line.name),
        d=_path(points),
        style=f"stroke:{colour}" + (f";stroke-dasharray:{dash}" if dash else ""),
        class_="curve",
    )
    if line.dots or len(points) == 1:
        for (x, y), (left, top) in zip(line.points, points, strict=True):
            yield tag(
                "circle",
                tag("title", f"{line.name}, {x:,.0f}: {show(y)}"),
                cx=f"{left:.1f}",
                cy=f"{top:.1f}",
                r="2.6",
                style=f"fill:{colour}",
            )


def _figure(
    frame: Frame,
    title: str,
    caption: Sequence[Any],
    drawn: Sequence[Any],
    legend: Sequence[Markup],
    marks: Marks,
    x_name: str,
    y_name: str,
) -> Markup:
    parts: list[Any] = []
    for value in nice_ticks(*frame.y, 5):
        y = frame.down(value)
        parts.append(_segment(LEFT, y, frame.right, y, "grid"))
        parts.append(_text(LEFT - 6, y + 4, f"{value:.0%}" if y_name == "share" else short(value), "end"))
    for value in nice_ticks(*frame.x, frame.width // 80):
        x = frame.across(value)
        # A number below the end of the axis would be cut off by the end of the picture.
        anchor = "end" if x > frame.right - 16 else "middle"
        parts.append(
            _text(
                min(x + 10, frame.right + 8) if anchor == "end" else x,
                frame.bottom + 16,
                short(value),
                anchor,
            )
        )
    parts.append(_text(frame.right, frame.height - 4, x_name, "end", "axis-name"))
    if y_name and y_name != "share":
        parts.append(_text(LEFT - 44, 12, y_name, "start", "axis-name"))
    clip = tag(
        "clipPath",
        tag(
            "rect",
            "",
            x=LEFT,
            y=TOP - 4,
            width=f"{frame.right - LEFT:.0f}",
            height=f"{frame.bottom - TOP + 4:.0f}",
        ),
        id=frame.identity,
    )
    parts += [tag("defs", clip), tag("g", *drawn, clip_path=f"url(#{frame.identity})")]
    last = -1e9
    for name, value in marks.borders:
        if value > frame.x[1]:
            continue
        x = frame.across(max(value, frame.x[0]))
        parts.append(_segment(x, TOP - 6, x, frame.bottom, "mark"))
        # A name that would run into the one before it, or out of the picture, is left to its tooltip.
        if x - last > 7 * len(name) + 10 and x + 7 * len(name) < frame.right:
            parts.append(_text(x + 4, TOP - 8, name, "start", "marked"))
            last = x
    for text, value in marks.ticks:
        if frame.x[0] <= value <= frame.x[1]:
            x = frame.across(value)
            parts.append(
                tag(
                    "line",
                    tag("title", text),
                    x1=f"{x:.1f}",
                    x2=f"{x:.1f}",
                    y1=f"{frame.bottom - 9:.1f}",
                    y2=f"{frame.bottom:.1f}",
                    class_="tick",
                )
            )
    parts.append(_segment(LEFT, frame.bottom, frame.right, frame.bottom, "axis"))
    picture = tag("svg", tag("title", title), *parts, viewBox=f"0 0 {frame.width} {frame.height}", role="img")
    return tag(
        "figure",
        tag("figcaption", *caption),
        tag("div", picture, class_="wide" if frame.width > 600 else "half"),
        tag("ul", *legend, class_="legend"),
        class_="chart",
    )


def _key(place: int, line: Line) -> Markup:
    colour = COLOURS[(place if line.colour is None else line.colour) % len(COLOURS)]
    dash = DASHES[(place // len(COLOURS)) % len(DASHES)]
    if dash is None:
        return tag("i", "", style=f"background:{colour}")
    return tag("i", "", style=f"border-top:2px dashed {colour};height:0;vertical-align:middle")


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _segment(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    return tag("line", x1=f"{x1:.1f}", y1=f"{y1:.1f}", x2=f"{x2:.1f}", y2=f"{y2:.1f}", class_=kind)


def _text(x: float, y: float, text: str, anchor: str, kind: str | None = None) -> Markup:
    return tag("text", text, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor, class_=kind)


def _identity(title: str, content: Any) -> str:
    return "clip-" + hashlib.blake2b(f"{title}{content}".encode(), digest_size=6).hexdigest()
