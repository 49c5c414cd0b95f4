"""What differences between arms are worth: paired over seeds, with intervals of Student's t.

An arm and the baseline with the same seed begin with the same weights, so what a seed does to both is not in their
difference. The interval of a mean of n differences is t(n - 1) · sd / √n on either side: with three seeds 2.5 times
the standard deviation, which says how little three seeds can tell. Intervals are not widened for there being
several of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

Figures = Mapping[str, Mapping[int, Mapping[str, float]]]
"""Bits per byte by arm, seed and measure."""


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation (n - 1) of ``n`` values; the deviation is None of a single one."""

    mean: float
    sd: float | None
    n: int


@dataclass(frozen=True)
class Difference:
    """Mean of paired differences and its interval, which a single pair does not have."""

    mean: float
    sd: float | None
    n: int
    low: float | None
    high: float | None

    @property
    def verdict(self) -> str:
        """``lower`` or ``higher`` where the whole interval is, else ``unclear``."""
        if self.low is None or self.high is None or self.low <= 0.0 <= self.high:
            return "unclear"
        return "lower" if self.high < 0.0 else "higher"


@dataclass(frozen=True)
class Effect:
    """What another level of one column does, over all arms that have both: ``level`` less ``reference``."""

    column: str
    level: str
    reference: str
    measure: str
    pairs: int
    difference: Difference


def spread(values: Sequence[float]) -> Spread:
    """Mean and deviation of at least one value."""
    return Spread(fmean(values), stdev(values) if len(values) > 1 else None, len(values))


def paired(differences: Sequence[float], confidence: float) -> Difference:
    """Mean of at least one difference, and its interval."""
    of = spread(differences)
    if of.sd is None:
        return Difference(of.mean, None, of.n, None, None)
    half = t_quantile(0.5 + confidence / 2.0, of.n - 1) * of.sd / math.sqrt(of.n)
    return Difference(of.mean, of.sd, of.n, of.mean - half, of.mean + half)


def compare(figures: Figures, arm: str, baseline: str, measure: str, confidence: float) -> Difference | None:
    """An arm less the baseline, over the seeds that both have; None where there is none."""
    seeds = sorted(set(figures[arm]) & set(figures[baseline]))
    differences = [figures[arm][seed][measure] - figures[baseline][seed][measure] for seed in seeds]
    return paired(differences, confidence) if differences else None


def effects(
    figures: Figures,
    labels: Mapping[str, Mapping[str, str]],
    baseline: str,
    measures: Sequence[str],
    confidence: float,
) -> list[Effect]:
    """For each column of ``labels`` (by arm) and each level other than the baseline's: the mean difference over the
    pairs of arms that are alike in all other columns, taken for each seed and then over seeds.

    A seed counts when every one of these arms has a figure for it.
    """
    found = []
    for column, reference in labels[baseline].items():
        levels = dict.fromkeys(arm[column] for arm in labels.values())
        for level in levels:
            pairs = [
                (one, other)
                for one in labels
                for other in labels
                if labels[one][column] == level
                and labels[other][column] == reference
                and level != reference
                and _others(labels[one], column) == _others(labels[other], column)
            ]
            if not pairs:
                continue
            seeds = set.intersection(*(set(figures[arm]) for pair in pairs for arm in pair))
            for measure in measures if seeds else ():
                by_seed = [
                    fmean(figures[one][seed][measure] - figures[other][seed][measure] for one, other in pairs)
                    for seed in sorted(seeds)
                ]
                found.append(
                    Effect(column, level, reference, measure, len(pairs), paired(by_seed, confidence))
                )
    return found


def t_quantile(share: float, freedom: int) -> float:
    """The quantile of Student's t with so many degrees of freedom."""
    from scipy.special import stdtrit  # type: ignore[import-untyped]

    return float(stdtrit(freedom, share))


def _others(labels: Mapping[str, str], column: str) -> dict[str, str]:
    return {name: value for name, value in labels.items() if name != column}
