"""A calibration as a person reads it on a terminal: plain lines, columns, no colour."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

from hanji.curation.calibrating.calibration import Calibration, Comparison, Sample, samples
from hanji.curation.calibrating.documents import Documents
from hanji.curation.calibrating.fitting import Losses
from hanji.curation.calibrating.percentiles import plain
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

WIDTH = 110
_COSTLIEST = 5


def tell(calibration: Calibration, shown: int) -> list[str]:
    """The lines; ``shown`` is how many documents are shown for each rule and set."""
    return [
        *_corpora(calibration),
        "",
        *_thresholds(calibration),
        "",
        *_together(calibration),
        *_comparisons(calibration),
        *(_samples(calibration, shown) if shown else ()),
    ]


def _corpora(calibration: Calibration) -> list[str]:
    rows = [["", "documents", "text", "kept", "most lost to, each rule alone"]]
    notes = {}
    for name, documents, of in _sets(calibration):
        rows.append(
            [name, f"{len(documents):,}", _size(documents.size.sum()), kept(of.together), "(all, weighted)"]
        )
        for source in by_source(documents, of, calibration.rules):
            rules = ", ".join(f"{rule} {lost(share)}" for rule, share in source.rules)
            rows.append(
                [
                    f"  {source.name}",
                    f"{source.documents:,}",
                    _size(source.size),
                    kept(source.loss),
                    rules or "–",
                ]
            )
        notes[name] = left_out(documents.left_out)
    lines = _columns(rows, "<>>><")
    return [*lines, *(f"left out of {name}: {what}" for name, what in notes.items())]


def _sets(calibration: Calibration) -> list[tuple[str, Documents, Losses]]:
    sets = [("trusted", calibration.trusted, calibration.trusted_losses)]
    if calibration.elsewhere is not None and calibration.elsewhere_losses is not None:
        sets.append(("elsewhere", calibration.elsewhere, calibration.elsewhere_losses))
    return sets


def _thresholds(calibration: Calibration) -> list[str]:
    """The table of rules."""
    aim, found = calibration.asked.aim, calibration.fit
    share = 100 * found.level
    lines = [
        f"Each rule alone keeps {100 - share:.4g} % of the trusted documents or more: <= is their "
        f"p{100 - share:.4g}, >= their p{share:.3g}; {WEIGHTINGS[aim.weighting]}.",
        f"Fitted on {found.documents:,} documents, worth {found.effective:,.0f} equal ones.",
        "",
    ]
    columns = ["rule", "keep", "was", "percentile [95 %]", "fitted"]
    if calibration.held_losses is not None:
        columns.append("held out")
    if calibration.elsewhere_losses is not None:
        columns += ["elsewhere", "only it"]
    rows = [columns]
    for place, threshold in enumerate(found.thresholds):
        before = threshold.bound.before
        row = [
            threshold.bound.name,
            comparison(threshold.rule),
            "–" if before is None else plain(before),
            percentile(threshold),
            kept(float(calibration.fit_losses.alone[place])),
        ]
        if calibration.held_losses is not None:
            mark = " !" if worse_than_chance(calibration, place) else "  "
            row.append(kept(float(calibration.held_losses.alone[place])) + mark)
        if calibration.elsewhere_losses is not None:
            row += [
                lost(float(calibration.elsewhere_losses.alone[place])),
                lost(float(calibration.elsewhere_losses.only[place])),
            ]
        rows.append(row)
    lines += _columns(rows, "<<><>>>>")
    if calibration.held_losses is not None:
        lines.append("fitted, held out: kept of those halves by the rule alone")
    if calibration.elsewhere_losses is not None:
        lines.append("elsewhere: dropped by the rule alone; only it: by no other rule")
    if any(one.value is not None and one.outer is None for one in found.thresholds):
        lines.append("…: too few documents to bound the percentile on that side")
    if any(worse_than_chance(calibration, place) for place in range(len(found.thresholds))):
        lines.append("!: the held-out half loses more than chance explains")
    return lines


def _together(calibration: Calibration) -> list[str]:
    """What all rules do together, and which cost most."""
    text = f"All rules together keep {kept(calibration.fit_losses.together)} of the fitted documents"
    if calibration.held_losses is not None:
        text += f", {kept(calibration.held_losses.together)} of those held out"
    if calibration.elsewhere_losses is not None:
        text += f"; they drop {lost(calibration.elsewhere_losses.together)} elsewhere"
    lines = [f"{text}."]
    for name, _, of in _sets(calibration):
        for what, shares in (("first", of.first), ("alone", of.alone), ("no other does", of.only)):
            worst = costliest(calibration.rules, shares, _COSTLIEST)
            if worst:
                listed = ", ".join(f"{rule} {lost(share)}" for rule, share in worst)
                lines += _wrapped(f"  {name} lost to rules, {what}: {listed}")
    idle = idle_rules(calibration)
    if idle:
        lines += _wrapped(
            f"  cost more of the trusted than they drop elsewhere: {', '.join(idle)} (--fixed or --only-loosen "
            "leave a rule where it was, --without leaves it out)"
        )
    return lines


def _wrapped(line: str) -> Iterator[str]:
    """A line that begins with two spaces, in as many as it takes."""
    together = line.strip().replace(" %", "\u00a0%")  # a number and its sign stay on one line
    for place, part in enumerate(wrapped(together, WIDTH - 4)):
        yield f"{'    ' if place else '  '}{part}".replace("\u00a0", " ")


def _comparisons(calibration: Calibration) -> list[str]:
    if not calibration.comparisons:
        return []
    elsewhere = calibration.elsewhere_losses
    head = ["another preset", "drops of trusted"]
    if elsewhere is not None:
        head += ["elsewhere", "both drop", "only it", "only these"]
    rows = [head]
    details: list[str] = []
    for other in calibration.comparisons:
        row = [other.name, lost(other.trusted.together)]
        if elsewhere is not None and other.elsewhere is not None:
            theirs, ours, weights = other.elsewhere.dropped, elsewhere.dropped, elsewhere.weights
            row.append(lost(other.elsewhere.together))
            row += [
                lost(float(weights[rows_].sum())) for rows_ in (theirs & ours, theirs & ~ours, ours & ~theirs)
            ]
        rows.append(row)
        details += _other_rules(other)
    return ["", *_columns(rows, "<>>>>>"), *details]


def _other_rules(other: Comparison) -> Iterator[str]:
    """The rules of another preset that lose most of what is trusted."""
    by_name = {rule.name: place for place, rule in enumerate(other.rules)}
    for name, share in costliest(other.rules, other.trusted.alone, _COSTLIEST):
        place = by_name[name]
        rule = other.rules[place]
        text = f"  {name} ({rule.signal} {comparison(rule)}) alone drops {lost(share)} of trusted"
        if other.elsewhere is not None:
            text += f", {lost(float(other.elsewhere.alone[place]))} elsewhere"
        yield text


def _samples(calibration: Calibration, shown: int) -> Iterator[str]:
    for place, rule in enumerate(calibration.rules):
        found = [
            (name, one)
            for name, documents, of in reversed(_sets(calibration))
            for one in samples(calibration.rules, place, documents, of, shown)
        ]
        if found:
            yield ""
            yield f"{rule.name}: {rule.signal} {comparison(rule)}"
        for name, one in found:
            yield from _sample(name, one)


def _sample(name: str, sample: Sample) -> Iterator[str]:
    others = sample.broken - 1
    also = f", {others} more rule{'s' * (others > 1)} drop{'s' * (others == 1)} it" if others else ""
    where = f"{sample.source}: {sample.excerpt.where}"
    yield printable(f"  {name}, value {short(sample.value)}{also}. {where}")
    yield from (f"    {line}" for line in wrapped(printable(sample.excerpt.text), WIDTH - 4))


def printable(text: str) -> str:
    """A text without what a terminal would obey."""
    return "".join(character if character.isprintable() else " " for character in text)


def width(text: str) -> int:
    """Columns that a text takes on a terminal: Hangul and Han characters take two."""
    return sum(
        2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c) else 1 for c in text
    )


def wrapped(text: str, columns: int) -> Iterator[str]:
    """Lines of at most so many columns, broken at spaces where there are some."""
    line = ""
    for word in text.split(" "):
        while width(word) > columns:
            cut = next(at for at in range(len(word), 0, -1) if width(word[:at]) <= columns)
            if line:
                yield line
                line = ""
            yield word[:cut]
            word = word[cut:]
        if line and width(line) + 1 + width(word) > columns:
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
    if line:
        yield line


def _columns(rows: Sequence[Sequence[str]], sides: str) -> list[str]:
    """Rows in columns, each as wide as its widest cell, left ("<") or right (">") aligned."""
    widths = [max(width(row[at]) for row in rows if at < len(row)) for at in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = []
        for at, cell in enumerate(row):
            space = " " * (widths[at] - width(cell))
            cells.append(cell + space if sides[at] == "<" else space + cell)
        lines.append("  ".join(cells).rstrip())
    return lines


def _size(amount: float) -> str:
    return f"{amount / 1e6:,.1f} MB"
