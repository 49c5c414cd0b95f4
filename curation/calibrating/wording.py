"""How figures of a calibration are written, on a terminal, in a page and in a preset alike."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hanji.curation.calibrating.calibration import Calibration
from hanji.curation.calibrating.documents import Documents
from hanji.curation.calibrating.fitting import Losses, Threshold, is_worse_than_chance
from hanji.curation.calibrating.percentiles import plain
from hanji.curation.decisions.rules import Rule


@dataclass(frozen=True)
class SourceRow:
    """One source: documents, UTF-8 bytes, the share that all rules lose, the rules that lose most alone."""

    name: str
    documents: int
    size: int
    loss: float
    rules: list[tuple[str, float]]


WEIGHTINGS = {
    "sources": "each source counts the same",
    "documents": "each document counts the same",
    "worst": "by the source that would lose most",
}


def short(value: float) -> str:
    """A number to three significant digits, never in powers of ten."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def kept(loss: float) -> str:
    """The share that is not lost, as 99.52 %."""
    return f"{100 * (1 - loss):.2f} %"


def lost(loss: float) -> str:
    """A share that is lost: 0 %, < 0.01 % or 12.34 %."""
    if loss <= 0:
        return "0 %"
    return "< 0.01 %" if loss < 0.0001 else f"{100 * loss:.2f} %"


def comparison(rule: Rule) -> str:
    """What a rule keeps, as in a recipe: "<= 0.131"."""
    return f"{rule.op} {plain(rule.threshold)}"


def percentile(threshold: Threshold) -> str:
    """ "0.131 [0.128, 0.14]", with … for an end that the documents do not bound; "fixed"."""
    if threshold.value is None or threshold.inner is None:
        return "fixed"
    outer = "…" if threshold.outer is None else short(threshold.outer)
    ends = [outer, short(threshold.inner)]
    if threshold.bound.side == "max":
        ends.reverse()
    return f"{short(threshold.value)} [{', '.join(ends)}]"


def named_percentile(threshold: Threshold) -> str:
    """ "p99.5 = 0.131 [0.128, 0.14]", or "fixed, not calibrated"."""
    if threshold.percentile is None:
        return "fixed, not calibrated"
    text = f"p{plain(round(threshold.percentile, 3))} = {percentile(threshold)}"
    return f"{text}, which would be tighter than the form" if threshold.bound.fixed else text


def idle_rules(calibration: Calibration) -> list[str]:
    """Calibrated rules that lose more of the trusted than they drop elsewhere: they cost and do not serve."""
    if calibration.elsewhere_losses is None:
        return []
    cost, use = calibration.trusted_losses.alone, calibration.elsewhere_losses.alone
    return [
        one.bound.name
        for place, one in enumerate(calibration.fit.thresholds)
        if cost[place] > use[place] and not one.bound.fixed
    ]


def worse_than_chance(calibration: Calibration, place: int) -> bool:
    """Whether the held-out half loses more to a rule than the fitted half leads one to expect."""
    held = calibration.held_losses
    if held is None:
        return False
    expected = max(float(calibration.fit_losses.alone[place]), calibration.fit.level)
    return is_worse_than_chance(float(held.alone[place]), expected, held.effective)


def left_out(counts: Mapping[str, Counter[str]]) -> str:
    """ "33 duplicates, 28 too short", summed over sources; "nothing"."""
    total: Counter[str] = Counter()
    for one in counts.values():
        total.update(one)
    told = [f"{count:,} {reason}" for reason, count in total.most_common() if count]
    return ", ".join(told) or "nothing"


def costliest(rules: Sequence[Rule], shares: np.ndarray, most: int) -> list[tuple[str, float]]:
    """The rules that lose most, with their shares; those that lose nothing are left out."""
    order = np.argsort(-shares, kind="stable")[:most]
    return [(rules[at].name, float(shares[at])) for at in order.tolist() if shares[at] > 0]


def by_source(documents: Documents, of: Losses, rules: Sequence[Rule], most: int = 3) -> list[SourceRow]:
    """What becomes of the documents of each source, and which rules lose most of them on their own."""
    rows = []
    for place, name in enumerate(documents.names):
        mine = documents.source == place
        count = int(mine.sum())
        if not count:
            continue
        broken = of.broken[:, mine]
        shares = broken.mean(axis=1) if len(broken) else np.zeros(0)
        rows.append(
            SourceRow(
                name,
                count,
                int(documents.size[mine].sum()),
                float(of.dropped[mine].mean()),
                costliest(rules, shares, most),
            )
        )
    return rows
