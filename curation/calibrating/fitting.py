"""Fitting thresholds to one half of the trusted documents, and trying them on all others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hanji.curation.calibrating.bounds import Bound
from hanji.curation.calibrating.documents import Documents
from hanji.curation.calibrating.percentiles import (
    DIGITS,
    Weighting,
    binomial_limits,
    document_weights,
    effective_documents,
    interval,
    joint_level,
    lost_at,
    outermost,
    rounded,
    tails,
    worst_tails,
)
from hanji.curation.decisions.rules import Rule
from hanji.errors import RecipeError

KEEP = 0.995


@dataclass(frozen=True)
class Aim:
    """What thresholds must keep: each rule ``keep`` of the trusted documents, all together 1 − ``joint``.

    One of them may be None, not both. With ``only_loosen`` no threshold is tighter than the form's.
    """

    keep: float | None = KEEP
    joint: float | None = None
    weighting: Weighting = "sources"
    only_loosen: bool = False

    @property
    def full(self) -> int:
        """Documents from which a source counts in full: it then can speak of the percentile."""
        return math.ceil(round(1 / (1 - (self.keep or KEEP)), 6))


@dataclass(frozen=True)
class Threshold:
    """A bound with its threshold, as it is written, and where it comes from.

    ``value`` is the percentile before rounding, ``inner`` and ``outer`` the ends of its 95 % interval (outer
    None: the documents do not bound it). All three are None for a fixed bound. ``percentile`` is 0 to 100.
    Where a percentile was not to tighten the form, the bound is fixed at the form's threshold.
    """

    bound: Bound
    threshold: float
    percentile: float | None = None
    value: float | None = None
    inner: float | None = None
    outer: float | None = None

    @property
    def rule(self) -> Rule:
        """The rule that it makes."""
        return self.bound.rule(self.threshold)


@dataclass(frozen=True)
class Fit:
    """Thresholds and the level at which they stand: the share of the trusted that each rule may lose alone."""

    thresholds: tuple[Threshold, ...]
    level: float
    documents: int
    effective: float


@dataclass(frozen=True)
class Losses:
    """What rules drop of some documents, by weight: each rule alone, only by it, first by it, and all together.

    ``broken`` is bool[rules, documents].
    """

    weights: np.ndarray
    broken: np.ndarray
    alone: np.ndarray
    only: np.ndarray
    first: np.ndarray
    together: float
    effective: float

    @property
    def dropped(self) -> np.ndarray:
        """Which documents some rule drops; bool."""
        return np.asarray(self.broken.any(axis=0)) if len(self.broken) else np.zeros(len(self.weights), bool)


def fit(bounds: Sequence[Bound], documents: Documents, aim: Aim) -> Fit:
    """The tightest thresholds that keep what the aim says of these documents.

    Raises RecipeError if the documents are too few for the percentile: fewer than one would lie beyond it.
    """
    weights = document_weights(documents.source, aim.weighting, aim.full)
    effective = 1.0 / float(np.sum(weights**2))
    free = [place for place, bound in enumerate(bounds) if not bound.fixed]
    tail = {place: _tails(bounds[place], documents, weights, aim) for place in free}
    level = _level(bounds, documents, weights, tail, aim, effective)
    if free and level * effective < 1 - 1e-6:
        raise RecipeError(_unsupported(aim, level, len(documents), effective))
    found = []
    for place, bound in enumerate(bounds):
        if bound.fixed and bound.before is not None:
            found.append(Threshold(bound, bound.before))
        else:
            found.append(_threshold(bound, documents, weights, tail[place], level, aim))
    return Fit(tuple(found), level, len(documents), effective)


def _tails(bound: Bound, documents: Documents, weights: np.ndarray, aim: Aim) -> np.ndarray:
    extremes = bound.extremes(documents.values[bound.signal])
    if aim.weighting == "worst":
        return worst_tails(extremes, documents.source, aim.full)
    return tails(extremes, weights)


def _level(
    bounds: Sequence[Bound],
    documents: Documents,
    weights: np.ndarray,
    tail: dict[int, np.ndarray],
    aim: Aim,
    effective: float,
) -> float:
    alone = 1 - aim.keep if aim.keep is not None else 1.0
    if aim.joint is None:
        return alone
    smallest = np.ones(len(documents))
    for own in tail.values():
        smallest = np.minimum(smallest, own)
    for bound in bounds:
        if bound.fixed and bound.before is not None:
            keeps = bound.rule(bound.before).keep(documents.values[bound.signal])
            smallest = np.where(keeps, smallest, 0.0)
    fixed = float(weights[smallest <= 0].sum())
    if fixed > aim.joint:
        raise RecipeError(f"--joint: {aim.joint:g} is not possible: the fixed rules alone lose {fixed:.4g}")
    found = joint_level(smallest, weights, aim.joint)
    if found * effective < 1 - 1e-6:
        raise RecipeError(
            f"--joint: {aim.joint:g} is not possible with {len(tail)} rules and {len(documents)} trusted "
            "documents in the fitted half: a single document beyond each threshold is more. Allow more, or give "
            "more documents or fewer rules"
        )
    return min(alone, found)


def _unsupported(aim: Aim, level: float, documents: int, effective: float) -> str:
    need = math.ceil(round(1 / level, 6))
    return (
        f"--keep: {1 - level:g} cannot be told from {documents} trusted documents in the fitted half "
        f"(worth {effective:,.0f} equal ones): one in {need:,} lies beyond that percentile. Give more documents, "
        f"or keep {max(0.5, math.floor((1 - 1 / max(effective, 2)) * 1000) / 1000):g}"
    )


def _threshold(
    bound: Bound, documents: Documents, weights: np.ndarray, tail: np.ndarray, level: float, aim: Aim
) -> Threshold:
    extremes = bound.extremes(documents.values[bound.signal])
    sign = 1.0 if bound.side == "max" else -1.0
    at = outermost(extremes, tail, level)
    lost = lost_at(tail, level)
    if aim.weighting == "worst":
        count = np.bincount(documents.source)
        worth = float(count[count >= aim.full].min()) if (count >= aim.full).any() else float(len(documents))
    else:
        worth = effective_documents(documents.source, weights, lost)
    inner, outer = interval(extremes, tail, level, max(worth, 1.0))
    value = sign * at + 0.0  # no −0
    threshold = _rounded(bound, value, extremes, weights)
    before = bound.before
    if aim.only_loosen and before is not None and sign * threshold < sign * before:
        bound, threshold = replace(bound, fixed=True), before
    return Threshold(
        bound,
        threshold,
        100 * (1 - level if bound.side == "max" else level),
        value,
        sign * inner + 0.0,
        None if outer is None else sign * outer + 0.0,
    )


def _rounded(bound: Bound, value: float, extremes: np.ndarray, weights: np.ndarray) -> float:
    """The value with few digits, as many as it takes to drop nine tenths of what it drops itself.

    Three digits tell 0.5 from 0.501, but not 0.9996 from 1.
    """
    sign = 1.0 if bound.side == "max" else -1.0
    wanted = 0.9 * float(weights[extremes > sign * value].sum())
    found = value
    for digits in range(DIGITS, 10):
        found = rounded(value, bound.side, digits) + 0.0
        if float(weights[extremes > sign * found].sum()) >= wanted:
            break
    return found


def losses(rules: Sequence[Rule], documents: Documents, aim: Aim) -> Losses:
    """What rules drop of documents."""
    weights = document_weights(
        documents.source, "documents" if aim.weighting == "documents" else "sources", aim.full
    )
    broken = np.zeros((len(rules), len(documents)), bool)
    for place, rule in enumerate(rules):
        broken[place] = ~rule.keep(documents.values[rule.signal])
    times = broken.sum(axis=0)
    first = np.zeros(len(rules))
    standing = np.ones(len(documents), bool)
    for place in range(len(rules)):
        first[place] = weights[standing & broken[place]].sum()
        standing &= ~broken[place]
    return Losses(
        weights,
        broken,
        broken @ weights,
        (broken & (times == 1)) @ weights,
        first,
        float(weights[times > 0].sum()),
        1.0 / float(np.sum(weights**2)) if len(weights) else 0.0,
    )


def is_worse_than_chance(share: float, expected: float, effective: float) -> bool:
    """Whether a share lost is beyond what 97.5 % of samples of so many documents would lose."""
    _, high = binomial_limits(int(effective), expected)
    return share * effective > high + 1
