"""Charts of the HTML kit: lines over steps with bands and marks, and shares stacked over steps. Inline SVG.

A chart gets at most as many points as its maker hands it; what is long is put into bins before
(:class:`hanji.training.report.bins.Bins`), so that a page stays small whatever it tells of.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hanji.chart_parts import Frame, Marks, framed, outline, path, text, text_width
from hanji.page import Markup, percent, tag

COLOURS = tuple(f"var(--c{number})" for number in range(1, 9))
DASHES = (None, "7 3", "2 2.5", "10 3 2 3", "4 2")
"""Lines differ in these too: colours are not told apart by everyone, nor on paper."""
WIDTH, HALF = 980, 480
"""Of a chart as wide as the page, and of one of two beside each other."""
LABEL = 17
"""The least height of a stacked area that has its name in it."""


@dataclass(frozen=True)
class Line:
    """A named line: points (x, y) by rising x. ``band`` has (x, lowest, highest); ``dots`` shows each point."""

    name: str
    points: Sequence[tuple[float, float]]
    band: Sequence[tuple[float, float, float]] = ()
    dots: bool = False
    note: str = ""
    colour: int | None = None


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
    identity = _identity(title, shown)

    def picture(width: int) -> Markup:
        def drawn(frame: Frame) -> Iterator[Markup]:
            for place, line in enumerate(shown):
                yield from _line(frame, line, place, show)

        frame = Frame(width, height, (first, last), (low, high), f"{identity}-{width}")
        return framed(frame, title, drawn, marks or Marks(), x_name, y_name, short, ticks=nice_ticks)

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
    return _figure(caption, _pictures(width, picture), legend)


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
    x = (edges[full[0]][0], edges[full[-1]][1])
    tops: list[list[float]] = []
    for place, (_, values) in enumerate(series):
        below = tops[place - 1] if place else [0.0] * len(full)
        tops.append([base + values[i] / totals[i] for base, i in zip(below, full, strict=True)])
    identity = _identity(title, series)

    def picture(width: int) -> Markup:
        def drawn(frame: Frame) -> Iterator[Markup]:
            names: list[Markup] = []
            for place, (name, _) in enumerate(series):
                below = tops[place - 1] if place else [0.0] * len(full)
                steps = [
                    (frame.across(edges[i][0]), frame.across(edges[i][1]), frame.down(top), frame.down(base))
                    for i, top, base in zip(full, tops[place], below, strict=True)
                ]
                yield tag(
                    "path",
                    tag("title", name),
                    d=outline(steps),
                    style=f"fill:{COLOURS[place % len(COLOURS)]};opacity:{1 - 0.35 * (place // len(COLOURS)):.2f}",
                    class_="area",
                )
                names += _named(name, steps)
            yield from names

        frame = Frame(width, height, x, (0.0, 1.0), f"{identity}-{width}")
        return framed(frame, title, drawn, marks or Marks(), x_name, "share", short, ticks=nice_ticks)

    legend = [
        tag(
            "li",
            tag("i", "", style=f"background:{COLOURS[place % len(COLOURS)]}"),
            f"{name} ",
            tag("b", percent(sum(values) / sum(totals))),
        )
        for place, (name, values) in enumerate(series)
    ]
    caption = [title, tag("small", " from the bottom up")]
    return _figure(caption, _pictures(width, picture), legend)


def _named(name: str, steps: Sequence[tuple[float, float, float, float]]) -> Iterator[Markup]:
    """An area's name, within it, where a stretch of its steps (left, right, top, bottom) has room for it."""
    best = (0.0, 0.0, 0.0)
    for i, (left, _, _, _) in enumerate(steps):
        top, bottom, right = -math.inf, math.inf, left
        for _, end, one, other in steps[i:]:
            if min(bottom, other) - max(top, one) < LABEL:
                break
            top, bottom, right = max(top, one), min(bottom, other), end
        best = max(best, (right - left, (left + right) / 2, (top + bottom) / 2))
        if right == steps[-1][1]:
            break
    if best[0] > text_width(name) + 8:
        yield text(best[1], best[2] + 4, name, "middle", "marked")


def short(value: float) -> str:
    """A number for an axis or a legend: 12.3k, 0.0012, 3.41."""
    size = abs(value)
    for limit, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e4, "k")):
        if size >= limit:
            # 1e4 is where thousands begin to be written short, not their unit.
            return f"{value / (1e3 if unit == 'k' else limit):.3g}{unit}"
    if size >= 100 or value == int(value):
        return f"{value:,.0f}"
    if size >= 0.001:
        return f"{value:.3g}"
    mantissa, _, power = f"{value:.1e}".partition("e")
    return f"{float(mantissa):g}e{int(power)}"


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
        yield tag("path", "", d=path([*upper, *lower]) + "Z", style=f"fill:{colour}", class_="band")
    points = [(frame.across(x), frame.down(y)) for x, y in line.points]
    yield tag("path", tag("title", line.name), d=path(points), style=_stroke(place, line), class_="curve")
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


def _pictures(width: int, picture: Callable[[int], Markup]) -> list[Markup]:
    """A wide chart is drawn narrower for small screens too, where it would be cut off or could not be read."""
    if width <= HALF:
        return [tag("div", picture(width), class_="half")]
    return [tag("div", picture(width), class_="wide"), tag("div", picture(HALF), class_="narrow")]


def _figure(caption: Sequence[Any], pictures: Sequence[Markup], legend: Sequence[Markup]) -> Markup:
    return tag(
        "figure", tag("figcaption", *caption), *pictures, tag("ul", *legend, class_="legend"), class_="chart"
    )


def _key(place: int, line: Line) -> Markup:
    """A piece of the line, for the legend."""
    piece = tag("path", "", d="M0 5H24", style=_stroke(place, line), class_="curve")
    return tag("svg", piece, viewBox="0 0 24 10", class_="key", aria_hidden="true")


def _stroke(place: int, line: Line) -> str:
    colour = COLOURS[(place if line.colour is None else line.colour) % len(COLOURS)]
    dash = DASHES[place % len(DASHES)]
    return f"stroke:{colour}" + (f";stroke-dasharray:{dash}" if dash else "")


def _identity(title: str, content: Any) -> str:
    return "clip-" + hashlib.blake2b(f"{title}{content}".encode(), digest_size=6).hexdigest()
