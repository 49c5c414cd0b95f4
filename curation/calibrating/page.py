"""The page of a calibration: each signal's histogram with its threshold, and what the thresholds drop."""

from __future__ import annotations

from typing import Any

import numpy as np

from hanji.curation.calibrating.calibration import Calibration, Sample, samples
from hanji.curation.calibrating.chart import chart, weighted_quantiles
from hanji.curation.calibrating.documents import Documents
from hanji.curation.calibrating.fitting import Losses
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
from hanji.page import Markup, number, page, section, share_cell, size, table, tag

_LANGUAGES = {"ko": "Korean", "en": "English"}
_SHOWN = (0.005, 0.05, 0.25, 0.5, 0.75, 0.95, 0.995)


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
            tag(
                "div",
                chart(_columns(calibration, rule.signal), threshold),
                _quantiles(calibration, rule.signal),
                class_="figures",
            )
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


def _columns(calibration: Calibration, signal: str) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Name, values of a signal and weights of each set of documents."""
    return [(name, documents.values[signal], of.weights) for name, documents, of in _sets(calibration)]


def _quantiles(calibration: Calibration, signal: str) -> Markup:
    """Percentiles of a signal, by the weights of the documents."""
    sets = _columns(calibration, signal)
    columns = [weighted_quantiles(values, weights, _SHOWN) for _, values, weights in sets]
    rows = [
        [f"p{short(100 * share)}", *(short(float(column[at])) for column in columns)]
        for at, share in enumerate(_SHOWN)
    ]
    return table(f"percentiles of {signal}", ["", *(name for name, _, _ in sets)], rows)


def _plain_percent(text: str) -> str:
    """With the number and its sign on one line."""
    return text.replace(" %", "\u00a0%")
