"""The page's section on signals: small histograms with thresholds, by language, and for each source.

Heights are square roots of counts, so that the tail that a threshold cuts off can be seen. A histogram is two
paths of one SVG (what is kept, what falls) and no element a bar: thirty sources of forty rules stay light.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from hanji.curation.report.histograms import EDGES, dense
from hanji.curation.signals import ratios
from hanji.page import Markup, join, number, percent, section, share_cell, table, tag

MOST_SOURCES = 60
SHARE_IN_VIEW = 0.995
# Largest value of a linear axis → width of its bars; all are edges of the bins. Above, the axis is logarithmic.
LINEAR = {0.02: 0.002, 0.05: 0.002, 0.1: 0.004, 0.2: 0.01, 0.5: 0.02, 1: 0.02, 2: 0.05, 5: 0.5, 10: 0.5}
LINEAR |= {20: 1, 50: 1, 100: 5}
STEPS_OF_A_DECADE = (1, 1.25, 1.6, 2, 2.5, 3.2, 4, 5, 6.25, 8)
SIGNS = {">=": "≥", "<=": "≤", ">": ">", "<": "<"}
WIDTH, HEIGHT, TOP, ZERO, LEFT, RIGHT = 240, 58, 4, 7, 10, 228
STYLE = Markup(
    ".signals{display:grid;grid-template-columns:repeat(auto-fill,minmax(220px,1fr));gap:10px;margin:10px 0 14px}"
    ".signals figure{margin:0;padding:9px 11px 5px}.signals figcaption{font-size:13px;margin:0 0 4px}"
    ".signals figcaption{overflow-wrap:anywhere}.signals figure{display:flex;flex-direction:column}"
    ".signals svg{margin-top:auto}"
    ".signals figcaption span{display:flex;gap:8px;font-weight:400;color:var(--soft);font-size:12px}"
    ".signals figcaption b{color:var(--c4);font-variant-numeric:tabular-nums;white-space:nowrap;margin-left:auto}"
    ".signals i{font-style:normal}.signals svg text{font-size:10px}"
    ".signals .kept{fill:var(--c1)}.signals .falls{fill:var(--c4)}"
    "details>.signals figure{border-color:transparent;padding:4px 0}"
)
Rules = Sequence[Mapping[str, Any]]
_EDGES = np.array(EDGES)


@dataclass(frozen=True)
class Axis:
    """Where values are drawn: ``edges`` of the bars, from the smallest above 0, and whether it is logarithmic."""

    edges: tuple[float, ...]
    logarithmic: bool

    def place(self, value: float) -> float:
        """Horizontal place of a value, within the axis."""
        low, high = self.edges[0], self.edges[-1]
        if self.logarithmic:
            value = max(value, low)
            share = math.log(value / low) / math.log(high / low)
        else:
            share = value / high
        return LEFT + (RIGHT - LEFT) * min(max(share, 0.0), 1.0)

    def ticks(self) -> list[tuple[float, str]]:
        """Values and their labels."""
        high = self.edges[-1]
        if not self.logarithmic:
            return [(0, "0"), (high / 2, f"{high / 2:g}"), (high, f"{high:g}")]
        decades = round(math.log10(high))
        step = -(-decades // 4)
        return [(10.0**power, _short(10**power)) for power in range(0, decades + 1, step)]


def signals_section(metrics: dict[str, Any], names: Mapping[str, str]) -> Markup:
    """Histograms of each judged signal, by language and source; ``names`` of languages for people."""
    signals = metrics.get("signals")
    if not signals:
        note = "This run was made before signals were counted; `hanji curate` with its recipe adds them."
        return section("Signals", tag("p", note), identity="signals")
    parts: list[Any] = [tag("style", STYLE)]
    for language in sorted(signals["documents"], key=lambda name: (name != "ko", name)):
        rules = metrics["rules_applied"].get(language, [])
        parts += _language(names.get(language, language), language, signals, rules)
    return section(
        "Signals",
        *parts,
        intro="What the rules look at, for the documents that reached them, and how many fall to each rule "
        "alone (so the same document may fall to several). The dashed line is the threshold; what lies beyond "
        "it is red. The bar at the left is exactly 0, the one at the right is all that is larger than the axis. "
        "Heights are square roots, so that tails can be seen.",
        identity="signals",
    )


def _language(name: str, language: str, signals: dict[str, Any], rules: Rules) -> Iterable[Markup]:
    documents: dict[str, int] = signals["documents"][language]
    total = sum(documents.values())
    yield tag("h3", f"{name}: {number(total)} documents judged by {number(len(rules))} rules")
    yield _figures(language, signals, rules, documents)
    yield _rules_table(signals["falls"][language], rules, documents)
    ordered = sorted(documents, key=lambda source: (-documents[source], source))
    if len(ordered) > 1:
        rest = len(ordered) - MOST_SOURCES
        yield tag(
            "details",
            tag("summary", tag("b", "By source"), tag("small", f"{len(ordered)} sources, the largest first")),
            *(_source(name, language, signals, rules, documents[name]) for name in ordered[:MOST_SOURCES]),
            tag("p", f"The other {rest} sources are in metrics.json.") if rest > 0 else "",
        )


def _source(source: str, language: str, signals: dict[str, Any], rules: Rules, documents: int) -> Markup:
    falls = signals["falls"][language]
    worst = max(rules, key=lambda rule: falls[rule["name"]].get(source, 0), default=None)
    most = falls[worst["name"]].get(source, 0) if worst else 0
    said = f"{percent(most / documents)} fall to {worst['name']}" if worst and most else "none falls"
    return tag(
        "details",
        tag(
            "summary",
            tag("b", source),
            tag("small", said),
            tag("span", f"{number(documents)} documents", class_="n"),
        ),
        _figures(language, signals, rules, {source: documents}),
    )


def _figures(language: str, signals: dict[str, Any], rules: Rules, documents: Mapping[str, int]) -> Markup:
    """The histograms over some sources, those to whose rules most fall first."""
    falls = signals["falls"][language]
    total = sum(documents.values())
    figures = []
    for signal, by_source in signals["bins"][language].items():
        counts = dense(by_source[source] for source in documents if source in by_source)
        judged = [
            (rule, sum(n for source, n in falls[rule["name"]].items() if source in documents))
            for rule in rules
            if rule["signal"] == signal
        ]
        figures.append((-sum(n for _, n in judged), not judged, _figure(signal, counts, judged, total)))
    return tag("div", *(figure for *_, figure in sorted(figures)), class_="signals")


def _figure(
    signal: str, counts: np.ndarray, judged: Sequence[tuple[Mapping[str, Any], int]], total: int
) -> Markup:
    lines = []
    for rule, fallen in judged:
        share = percent(fallen / total if total else 0)
        keeps = f"{rule['name']} {SIGNS[rule['op']]} {rule['threshold']:g}"
        title = f"{rule['description']}: {number(fallen)} of {number(total)} documents fall"
        lines.append(tag("span", tag("i", keeps), tag("b", share), title=title))
    meaning = ratios.names().get(signal, "")
    chart = small_histogram(counts, [rule for rule, _ in judged], f"{signal}: {meaning}")
    return tag("figure", tag("figcaption", signal, *lines, title=meaning), chart)


def small_histogram(counts: np.ndarray, rules: Rules, title: str) -> Markup:
    """A histogram of dense bins (int64[BINS]) with the thresholds of rules (``op``, ``threshold``) in it."""
    axis = axis_of(counts, [rule["threshold"] for rule in rules])
    kept: list[str] = []
    falls: list[str] = []
    bars = list(_bars(counts, axis))
    most = max((amount for *_, amount in bars), default=0) or 1
    for x, width, value, amount in bars:
        if amount:
            height = max(1.0, (HEIGHT - TOP) * math.sqrt(amount / most))
            bar = f"M{x:.4g} {HEIGHT}v-{height:.3g}h{width:.3g}v{height:.3g}z"
            (falls if any(_beyond(rule, value) for rule in rules) else kept).append(bar)
    parts = [
        tag("path", d="".join(some), class_=kind) for some, kind in ((kept, "kept"), (falls, "falls")) if some
    ]
    parts.append(tag("line", x1=0, y1=HEIGHT, x2=WIDTH, y2=HEIGHT, class_="axis"))
    for rule in rules:
        mark = f"{axis.place(rule['threshold']):.4g}"
        parts.append(tag("line", x1=mark, y1=0, x2=mark, y2=HEIGHT, class_="mark"))
    for value, label in axis.ticks():
        parts.append(tag("text", label, x=f"{axis.place(value):.4g}", y=HEIGHT + 12, text_anchor="middle"))
    return tag("svg", tag("title", title), *parts, viewBox=f"0 0 {WIDTH} {HEIGHT + 15}", role="img")


def axis_of(counts: np.ndarray, thresholds: Sequence[float]) -> Axis:
    """The smallest axis that shows the thresholds and nearly all values."""
    cumulative = np.cumsum(counts)
    last = int(np.searchsorted(cumulative, SHARE_IN_VIEW * cumulative[-1])) if cumulative[-1] else 0
    need = max([EDGES[min(last, len(EDGES) - 1)], *(1.1 * threshold for threshold in thresholds)])
    for high, step in LINEAR.items():
        # A bin's upper edge may lie just above a round end that no value passes: shares end at 1.
        if need <= high or (need <= 1.06 * high and not any(t > high for t in thresholds)):
            bars = round(high / step)
            return Axis((EDGES[1], *(high * k / bars for k in range(1, bars + 1))), False)
    decades = min(math.ceil(math.log10(need)), round(math.log10(EDGES[-1])))
    steps = [s * 10.0**d for d in range(decades) for s in STEPS_OF_A_DECADE]
    return Axis((*steps, 10.0**decades), True)


def _bars(counts: np.ndarray, axis: Axis) -> Iterable[tuple[float, float, float, int]]:
    """(place, width, a value in it, documents) of each bar, with the one of 0 and the one of the rest."""
    cumulative = np.append(0, np.cumsum(counts))
    # Bins up to the edge with index i are counts[: i + 1].
    at = np.searchsorted(_EDGES, np.array(axis.edges) * (1 - 1e-9)).tolist()
    yield 0, ZERO, 0.0, int(cumulative[2])
    if axis.logarithmic:  # what lies between 0 and the first edge
        yield LEFT - 2, 2, axis.edges[0] / 2, int(cumulative[at[0] + 1] - cumulative[2])
    for (low, first), (high, last) in pairwise(zip(axis.edges, at, strict=True)):
        x = axis.place(low)
        amount = int(cumulative[last + 1] - cumulative[first + 1])
        yield x, max(axis.place(high) - x - 0.5, 0.8), (low + high) / 2, amount
    yield RIGHT + 3, ZERO, axis.edges[-1] * 1.01, int(cumulative[-1] - cumulative[at[-1] + 1])


def _beyond(rule: Mapping[str, Any], value: float) -> bool:
    threshold = rule["threshold"]
    return bool(value < threshold if rule["op"] in (">=", ">") else value > threshold)


def _rules_table(
    falls: Mapping[str, Mapping[str, int]], rules: Rules, documents: Mapping[str, int]
) -> Markup:
    total = sum(documents.values()) or 1
    rows = []
    for rule in sorted(rules, key=lambda rule: (-sum(falls[rule["name"]].values()), rule["name"])):
        of_rule = falls[rule["name"]]
        fallen = sum(of_rule.values())
        shares = sorted(((n / documents[s], s) for s, n in of_rule.items()), reverse=True)
        most = ", ".join(f"{source} {percent(share)}" for share, source in shares[:3])
        rows.append(
            [
                tag("code", rule["name"]),
                join([rule["signal"], f" {SIGNS[rule['op']]} {rule['threshold']:g}"]),
                most,
                number(fallen),
                share_cell(fallen / total),
            ]
        )
    head = ["rule", "keeps", "hits hardest", "fall", "share"]
    return tag(
        "details",
        tag(
            "summary",
            tag("b", "All rules as a table"),
            tag("small", "with the sources that they hit hardest"),
        ),
        table("Documents that break each rule", head, rows, text_columns=3),
    )


def _short(value: int) -> str:
    """1000 as 1k."""
    for size, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if value >= size:
            return f"{value // size}{letter}"
    return str(value)
