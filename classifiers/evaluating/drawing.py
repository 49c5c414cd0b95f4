"""Line charts of an evaluation as inline SVG, in the colours of the reports' kit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hanji.page import PALETTE, Markup, tag

Series = tuple[str, Sequence[float], Sequence[float]]
"""A name, and x and y of its points, each in [0, 1]."""
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 460, 340, 62, 14, 12, 44
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


def chart(
    title: str,
    axes: tuple[str, str],
    series: Sequence[Series],
    *,
    diagonal: bool = False,
    level: tuple[str, float] | None = None,
    points: bool = False,
) -> Markup:
    """Curves in the unit square. ``diagonal``: the line of no skill, or of perfect calibration; ``level``: a named
    horizontal line; ``points``: each point is marked, too.
    """
    parts: list[Any] = []
    for tick in _TICKS:
        parts.append(_line(_x(0), _y(tick), _x(1), _y(tick), "axis" if tick == 0 else "grid"))
        parts.append(_text(_LEFT - 7, _y(tick) + 4, f"{tick:g}", "end"))
        parts.append(_text(_x(tick), _HEIGHT - _BOTTOM + 18, f"{tick:g}", "middle"))
    parts.append(_text(_x(0.5), _HEIGHT - 8, axes[0], "middle"))
    middle = _y(0.5)
    parts.append(
        tag(
            "text",
            axes[1],
            x="12",
            y=f"{middle:.1f}",
            text_anchor="middle",
            transform=f"rotate(-90 12 {middle:.1f})",
        )
    )
    if diagonal:
        parts.append(_line(_x(0), _y(0), _x(1), _y(1), "mark"))
    if level is not None:
        parts.append(_line(_x(0), _y(level[1]), _x(1), _y(level[1]), "mark"))
        parts.append(_text(_x(1) - 4, _y(level[1]) - 5, level[0], "end", "marked"))
    for place, (name, xs, ys) in enumerate(series):
        colour = PALETTE[place % len(PALETTE)]
        path = " ".join(f"{_x(x):.1f},{_y(y):.1f}" for x, y in zip(xs, ys, strict=True))
        parts.append(
            tag(
                "polyline",
                tag("title", name),
                points=path,
                style=f"fill:none;stroke:{colour};stroke-width:2;stroke-linejoin:round",
            )
        )
        if points:
            parts += [
                tag(
                    "circle",
                    tag("title", f"{name}: {x:.3f}, {y:.3f}"),
                    cx=f"{_x(x):.1f}",
                    cy=f"{_y(y):.1f}",
                    r="3.5",
                    style=f"fill:{colour}",
                )
                for x, y in zip(xs, ys, strict=True)
            ]
    legend = [
        tag("li", tag("i", "", style=f"background:{PALETTE[place % len(PALETTE)]}"), name)
        for place, (name, _, _) in enumerate(series)
    ]
    drawn = tag("svg", tag("title", title), *parts, viewBox=f"0 0 {_WIDTH} {_HEIGHT}", role="img")
    return tag("figure", tag("figcaption", title), drawn, tag("ul", *legend, class_="legend"))


def _x(value: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * min(max(value, 0.0), 1.0)


def _y(value: float) -> float:
    return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - min(max(value, 0.0), 1.0))


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    return tag("line", x1=f"{x1:.1f}", y1=f"{y1:.1f}", x2=f"{x2:.1f}", y2=f"{y2:.1f}", class_=kind)


def _text(x: float, y: float, text: str, anchor: str, kind: str | None = None) -> Markup:
    return tag("text", text, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor, class_=kind)
