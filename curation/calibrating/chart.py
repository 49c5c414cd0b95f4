"""A signal's histogram with its threshold, as SVG."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hanji.curation.calibrating.fitting import Threshold
from hanji.curation.calibrating.wording import comparison, short
from hanji.page import Markup, percent, tag

BINS = 48
# Of the chart's range: the central share of each set of documents that it must show.
_CENTRAL = 0.998
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 640, 330, 56, 12, 26, 28


def chart(sets: Sequence[tuple[str, np.ndarray, np.ndarray]], threshold: Threshold) -> Markup:
    """A histogram: the first set as bars, the second as a line, the threshold, and the dropped side shaded.

    A set is its name, the values of its documents and their weights.
    """
    scale = _scale([values for _, values, _ in sets])
    low, high = _range([scale.to(values) for _, values, _ in sets], float(scale.to(threshold.threshold)))
    shares = [_binned(scale.to(values), weights, low, high) for _, values, weights in sets]
    top = max(float(share.max()) for share in shares) or 1.0
    inner, tall = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def across(value: float) -> float:
        """Place of a number of the scale."""
        return _LEFT + inner * (value - low) / (high - low)

    def up(share: float) -> float:
        return _TOP + tall * (1 - float(np.sqrt(share / top)))

    at = across(float(scale.to(threshold.threshold)))
    dropped = (at, _WIDTH - _RIGHT) if threshold.bound.side == "max" else (float(_LEFT), at)
    parts: list[Any] = [
        tag(
            "rect",
            x=f"{dropped[0]:.1f}",
            y=str(_TOP),
            width=f"{dropped[1] - dropped[0]:.1f}",
            height=str(tall),
            style="fill:var(--c4);opacity:.08",
        )
    ]
    for tick in _ticks(top):
        parts.append(_line(_LEFT, up(tick), _WIDTH - _RIGHT, up(tick), "grid"))
        parts.append(_words(_LEFT - 6, up(tick) + 4, percent(tick), "end"))
    step = inner / BINS
    edges = scale.back(np.linspace(low, high, BINS + 1))
    for place, share in enumerate(shares[0].tolist()):
        if share > 0:
            span = f"{short(edges[place])} to {short(edges[place + 1])}"
            parts.append(
                tag(
                    "rect",
                    tag("title", f"trusted, {span}: {percent(share)}"),
                    x=f"{_LEFT + step * place + 0.5:.1f}",
                    y=f"{up(share):.1f}",
                    width=f"{step - 1:.1f}",
                    height=f"{_TOP + tall - up(share):.1f}",
                    style="fill:var(--c1);opacity:.75",
                )
            )
    if len(shares) > 1:
        points = [
            f"{_LEFT + step * (place + edge):.1f},{up(share):.1f}"
            for place, share in enumerate(shares[1].tolist())
            for edge in (0, 1)
        ]
        parts.append(
            tag("polyline", points=" ".join(points), style="fill:none;stroke:var(--c2);stroke-width:2")
        )
    parts.append(_line(_LEFT, _TOP + tall, _WIDTH - _RIGHT, _TOP + tall, "axis"))
    parts += [
        _words(across(float(scale.to(mark))), _HEIGHT - 10, short(mark), "middle")
        for mark in scale.marks(low, high)
    ]
    parts.append(_line(at, _TOP - 12, at, _TOP + tall, "mark"))
    right = at > _LEFT + inner * 0.75
    label = f"keep {comparison(threshold.rule)}"
    parts.append(_words(at + (-5 if right else 5), _TOP - 6, label, "end" if right else "start", "marked"))
    title = f"{threshold.bound.name}: share of documents by {threshold.bound.signal}"
    legend = [
        tag("li", tag("i", "", style=f"background:var(--c{place + 1})"), name)
        for place, (name, _, _) in enumerate(sets)
    ]
    drawing = tag("svg", tag("title", title), *parts, viewBox=f"0 0 {_WIDTH} {_HEIGHT}", role="img")
    return tag("figure", drawing, tag("ul", *legend, class_="legend"))


@dataclass(frozen=True)
class _Scale:
    """Where a value stands from left to right: as it is, or by the logarithm of one more."""

    logarithmic: bool

    def to(self, values: Any) -> Any:
        return np.log1p(np.maximum(values, 0)) if self.logarithmic else values

    def back(self, values: Any) -> Any:
        return np.expm1(values) if self.logarithmic else values

    def marks(self, low: float, high: float) -> list[float]:
        """Round values from ``low`` to ``high``, both numbers of the scale."""
        if self.logarithmic:
            return [10.0**power for power in range(10) if low <= math.log1p(10.0**power) <= high]
        raw = (high - low) / 6
        unit = 10.0 ** math.floor(math.log10(raw))
        step = next(unit * factor for factor in (1, 2, 2.5, 5, 10) if unit * factor >= raw)
        return [step * at for at in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _scale(columns: list[np.ndarray]) -> _Scale:
    """Logarithmic for counts whose tail is long."""
    whole = all(bool((values >= 0).all() and (values == np.floor(values)).all()) for values in columns)
    middle = max(float(np.median(values)) for values in columns)
    tail = max(float(np.quantile(values, _CENTRAL)) for values in columns)
    return _Scale(whole and tail > 100 and tail > 8 * middle)


def weighted_quantiles(values: np.ndarray, weights: np.ndarray, shares: Sequence[float]) -> np.ndarray:
    """The smallest values at or below which these shares of the weight lie; float64."""
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weights[order])
    places = np.searchsorted(below, np.array(shares) * below[-1] - 1e-12)
    return np.asarray(values[order][np.minimum(places, len(order) - 1)])


def _range(columns: list[np.ndarray], threshold: float) -> tuple[float, float]:
    """A range that holds nearly all documents and the threshold, with room on both sides of it."""
    beyond = (1 - _CENTRAL) / 2
    low = min(threshold, *(float(np.quantile(values, beyond)) for values in columns))
    high = max(threshold, *(float(np.quantile(values, 1 - beyond)) for values in columns))
    if high <= low:
        return low - 0.5, high + 0.5
    room = (high - low) * 0.04
    low = low if low == 0 else low - room
    return (max(low, 0.0) if threshold >= 0 else low), high + room


def _binned(values: np.ndarray, weights: np.ndarray, low: float, high: float) -> np.ndarray:
    """Share of documents in each bin; what is outside counts in the first and last."""
    counts, _ = np.histogram(np.clip(values, low, high), BINS, (low, high), weights=weights)
    return counts


def _ticks(top: float) -> Iterator[float]:
    """Shares worth a line: the largest, and round ones well below it."""
    yield top
    for share in (0.5, 0.2, 0.05, 0.01, 0.001):
        if share < 0.6 * top:
            yield share


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    return tag("line", x1=f"{x1:.1f}", y1=f"{y1:.1f}", x2=f"{x2:.1f}", y2=f"{y2:.1f}", class_=kind)


def _words(x: float, y: float, text: str, anchor: str, kind: str | None = None) -> Markup:
    return tag("text", text, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor, class_=kind)
