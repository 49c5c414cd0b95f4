"""The page of a calibration: each signal's histogram with its threshold, and what the thresholds drop."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hanji.curation.calibrating.calibration import Calibration, Sample, samples
from hanji.curation.calibrating.documents import Documents
from hanji.curation.calibrating.fitting import Losses, Threshold
from hanji.curation.calibrating.wording import (
    WEIGHTINGS,
    by_source,
    comparison,
    costliest,
    idle_rules,
    kept,
    left_out,
    lost,
    percentile,
    short,
    worse_than_chance,
)
from hanji.curation.signals import ratios
from hanji.page import Markup, number, page, percent, section, share_cell, size, table, tag

BINS = 48
_LANGUAGES = {"ko": "Korean", "en": "English"}
# Of the chart's range: the central share of each set of documents that it must show.
_CENTRAL = 0.998
_SHOWN = (0.005, 0.05, 0.25, 0.5, 0.75, 0.95, 0.995)
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 640, 330, 56, 12, 26, 28


def render(calibration: Calibration, name: str, command: str, shown: int) -> str:
    """The page as HTML; ``shown`` is how many documents are shown for each rule and set."""
    parts = [
        _header(calibration, name),
        tag(
            "nav",
            *(
                tag("a", text, href=f"#{key}")
                for key, text in (
                    ("thresholds", "Thresholds"),
                    ("sources", "Sources"),
                    ("presets", "Other presets"),
                    ("signals", "Signals and samples"),
                )
                if key != "presets" or calibration.comparisons
            ),
            aria_label="Sections",
        ),
        _cards(calibration),
        _thresholds(calibration),
        _sources(calibration),
        *([_presets(calibration)] if calibration.comparisons else []),
        _signals(calibration, shown),
        tag("footer", "Made by ", tag("code", command)),
    ]
    return page(f"Calibration of {name}", parts)


def _header(calibration: Calibration, name: str) -> Markup:
    found, aim = calibration.fit, calibration.asked.aim
    sentence = (
        f"{len(found.thresholds)} rules for {_LANGUAGES.get(calibration.asked.language, '')} documents. Each "
        f"alone keeps {100 * (1 - found.level):.4g} % of the trusted documents or more; "
        f"{WEIGHTINGS[aim.weighting]}. All together keep {kept(calibration.trusted_losses.together)} of them"
    )
    if calibration.elsewhere_losses is not None:
        sentence += f" and drop {lost(calibration.elsewhere_losses.together)} elsewhere"
    return tag(
        "header",
        tag("p", "Hanji · calibration", class_="kicker"),
        tag("h1", name),
        tag("p", f"{sentence}.", class_="lead"),
    )


def _cards(calibration: Calibration) -> Markup:
    cards = [
        (number(len(calibration.trusted)), "trusted documents"),
        (number(len(set(calibration.trusted.source.tolist()))), "trusted sources"),
        (kept(calibration.fit_losses.together), "kept of the fitted half"),
    ]
    if calibration.held_losses is not None:
        cards.append((kept(calibration.held_losses.together), "kept of the held-out half"))
    if calibration.elsewhere is not None and calibration.elsewhere_losses is not None:
        cards.append((number(len(calibration.elsewhere)), "documents elsewhere"))
        cards.append((lost(calibration.elsewhere_losses.together), "dropped elsewhere"))
    return tag(
        "div", *(tag("div", tag("b", a), tag("span", b), class_="card") for a, b in cards), class_="cards"
    )


def _thresholds(calibration: Calibration) -> Markup:
    held, elsewhere = calibration.held_losses, calibration.elsewhere_losses
    head = ["rule", "keep", "percentile [95 %]", "fitted"]
    head += ["held out"] if held is not None else []
    head += ["elsewhere", "only it"] if elsewhere is not None else []
    rows = []
    for place, threshold in enumerate(calibration.fit.thresholds):
        rule = threshold.rule
        cells: list[Any] = [
            tag("a", rule.name, href=f"#rule-{place}"),
            tag("code", f"{rule.signal} {comparison(rule)}"),
            percentile(threshold),
            kept(float(calibration.fit_losses.alone[place])),
        ]
        if held is not None:
            mark = " !" if worse_than_chance(calibration, place) else ""
            cells.append(kept(float(held.alone[place])) + mark)
        if elsewhere is not None:
            cells += [lost(float(elsewhere.alone[place])), lost(float(elsewhere.only[place]))]
        rows.append(cells)
    return section(
        "Thresholds",
        table("Each rule, and what it alone keeps and drops", head, rows, text_columns=3),
        intro="A threshold is a percentile of the fitted half, rounded to the keeping side. In brackets its 95 % "
        "interval; … is an end that the documents do not bound. Fitted, held out: kept of those halves by the rule "
        "alone, with an exclamation mark where more is lost than chance explains. Elsewhere: dropped by the rule "
        "alone; only it: by no other rule.",
        identity="thresholds",
    )


def _sources(calibration: Calibration) -> Markup:
    tables = []
    for name, documents, of in _sets(calibration):
        rows = [
            [
                row.name,
                _plain_percent(", ".join(f"{rule} {lost(share)}" for rule, share in row.rules)) or "–",
                number(row.documents),
                size(row.size),
                share_cell(1 - row.loss),
            ]
            for row in by_source(documents, of, calibration.rules)
        ]
        head = ["source", "most lost to (each rule alone)", "documents", "text", "kept"]
        tables.append(table(f"{name}; left out: {left_out(documents.left_out)}", head, rows, text_columns=2))
        lines = [
            f"{what}: "
            + ", ".join(f"{rule} {lost(share)}" for rule, share in costliest(calibration.rules, shares, 8))
            for what, shares in (
                ("First rule that drops", of.first),
                ("Alone", of.alone),
                ("No other rule", of.only),
            )
            if shares.any()
        ]
        tables += [tag("p", tag("small", _plain_percent(line))) for line in lines]
    idle = idle_rules(calibration)
    if idle:
        tables.append(
            tag(
                "p",
                f"Cost more of the trusted than they drop elsewhere: {', '.join(idle)}.",
                class_="warning",
            )
        )
    return section("Sources", *tables, identity="sources")


def _presets(calibration: Calibration) -> Markup:
    elsewhere = calibration.elsewhere_losses
    head = ["preset", "drops of trusted"]
    head += ["elsewhere", "both drop", "only it", "only these"] if elsewhere is not None else []
    rows, details = [], []
    for other in calibration.comparisons:
        cells: list[Any] = [other.name, lost(other.trusted.together)]
        if elsewhere is not None and other.elsewhere is not None:
            theirs, ours = other.elsewhere.dropped, elsewhere.dropped
            cells.append(lost(other.elsewhere.together))
            cells += [
                lost(float(elsewhere.weights[mask].sum()))
                for mask in (theirs & ours, theirs & ~ours, ours & ~theirs)
            ]
        rows.append(cells)
        own = [
            [
                rule.name,
                tag("code", f"{rule.signal} {comparison(rule)}"),
                lost(float(other.trusted.alone[at])),
                *([lost(float(other.elsewhere.alone[at]))] if other.elsewhere is not None else []),
            ]
            for at, rule in enumerate(other.rules)
        ]
        columns = ["rule", "keep", "drops of trusted", *(["elsewhere"] if elsewhere is not None else [])]
        details.append(
            tag(
                "details",
                tag("summary", tag("b", other.name), tag("small", "rule by rule")),
                table("each rule alone", columns, own, text_columns=2),
            )
        )
    return section(
        "Other presets",
        table("What other presets drop of the same documents", head, rows),
        *details,
        identity="presets",
    )


def _signals(calibration: Calibration, shown: int) -> Markup:
    parts = []
    meanings = ratios.names()
    for place, threshold in enumerate(calibration.fit.thresholds):
        rule = threshold.rule
        parts.append(
            tag("h3", f"{rule.name} ", tag("code", f"{rule.signal} {comparison(rule)}"), id=f"rule-{place}")
        )
        meaning = f"{rule.signal}: {meanings[rule.signal]}. Why a rule: {threshold.bound.reason}."
        parts.append(tag("p", meaning, class_="intro"))
        parts.append(
            tag("div", _chart(calibration, threshold), _quantiles(calibration, rule.signal), class_="figures")
        )
        for name, documents, of in reversed(_sets(calibration)):
            found = samples(calibration.rules, place, documents, of, shown)
            if found:
                parts.append(
                    tag(
                        "details",
                        tag(
                            "summary",
                            tag("b", f"Dropped {name}" if name == "elsewhere" else "Dropped of the trusted"),
                            tag("small", f"{len(found)} of {number(int(of.broken[place].sum()))} documents"),
                        ),
                        *map(_sample, found),
                    )
                )
    return section(
        "Signals and samples",
        *parts,
        intro="Heights are shares of documents on a square-root scale, so that the tails are seen; what lies "
        "beyond the range stands at its end. Samples: documents that no other rule drops come first.",
        identity="signals",
    )


def _sample(sample: Sample) -> Markup:
    others = f", {sample.broken - 1} more rules drop it" if sample.broken > 1 else ""
    return tag(
        "blockquote",
        tag("p", sample.excerpt.text),
        tag("small", f"{sample.source} · value {short(sample.value)}{others} · {sample.excerpt.where}"),
    )


def _sets(calibration: Calibration) -> list[tuple[str, Documents, Losses]]:
    sets = [("trusted", calibration.trusted, calibration.trusted_losses)]
    if calibration.elsewhere is not None and calibration.elsewhere_losses is not None:
        sets.append(("elsewhere", calibration.elsewhere, calibration.elsewhere_losses))
    return sets


def _chart(calibration: Calibration, threshold: Threshold) -> Markup:
    """Trusted documents as bars, those elsewhere as a line, the threshold, and the dropped side shaded."""
    signal = threshold.bound.signal
    sets = [(name, documents.values[signal], of.weights) for name, documents, of in _sets(calibration)]
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
    title = f"{threshold.bound.name}: share of documents by {signal}"
    legend = [
        tag("li", tag("i", "", style=f"background:var(--c{place + 1})"), name)
        for place, (name, _, _) in enumerate(sets)
    ]
    chart = tag("svg", tag("title", title), *parts, viewBox=f"0 0 {_WIDTH} {_HEIGHT}", role="img")
    return tag("figure", chart, tag("ul", *legend, class_="legend"))


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


def _quantiles(calibration: Calibration, signal: str) -> Markup:
    """Percentiles of a signal, by the weights of the documents."""
    sets = _sets(calibration)
    columns = [weighted_quantiles(documents.values[signal], of.weights, _SHOWN) for _, documents, of in sets]
    rows = [
        [f"p{short(100 * share)}", *(short(float(column[at])) for column in columns)]
        for at, share in enumerate(_SHOWN)
    ]
    return table(f"percentiles of {signal}", ["", *(name for name, _, _ in sets)], rows)


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


def _plain_percent(text: str) -> str:
    """With the number and its sign on one line."""
    return text.replace(" %", "\u00a0%")


def _words(x: float, y: float, text: str, anchor: str, kind: str | None = None) -> Markup:
    return tag("text", text, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor, class_=kind)
