"""What comes out differently: documents, bytes and tokens gained and lost, by rule, source, language and tier.

Everything is counted from arrays of codes; nothing is done document by document.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from hanji.curation.redecide.decided import KEPT, Decisions, Documents

NO_LANGUAGE = "–"


@dataclass(frozen=True)
class Amount:
    """Documents, UTF-8 bytes of their texts, and tokens (rounded where some are estimated)."""

    documents: int = 0
    bytes: int = 0
    tokens: int = 0


@dataclass(frozen=True)
class Change:
    """One group of documents: what is kept of it before and after, what it gains and what it loses."""

    name: str
    before: Amount
    after: Amount
    gained: Amount
    lost: Amount


@dataclass(frozen=True)
class TierChange(Change):
    """A tier of a language (``ko/high``): ``moved_in`` and ``moved_out`` are kept before and after, in another."""

    moved_in: Amount
    moved_out: Amount


@dataclass(frozen=True)
class Flow:
    """How many documents fell to ``source`` (or were "kept") and fall to ``target`` (or are "kept") now."""

    source: str
    target: str
    documents: int
    bytes: int


@dataclass(frozen=True)
class TierMove:
    """Documents kept before and after, in another tier."""

    language: str
    source: str
    target: str
    amount: Amount


@dataclass(frozen=True)
class Sample:
    """One document gained or lost, with the rule that it fell to before, or falls to now.

    ``compared`` is what the rule compares: a signal, or likeness; ``op`` and ``threshold`` what is kept by it.
    ``threshold_after`` is the same rule's other threshold, where a document is gained by one.
    """

    id: str
    source: str
    language: str
    url: str | None
    rule: str
    compared: str | None
    value: float | None
    op: str | None
    threshold: float | None
    threshold_after: float | None
    duplicate_of: str | None
    excerpt: str


@dataclass(frozen=True)
class Differences:
    """All that differs. ``estimated`` says how many documents' tokens are estimated, not counted."""

    total: Change
    flows: list[Flow]
    sources: list[Change]
    languages: list[Change]
    tiers: list[TierChange]
    tier_moves: list[TierMove]
    reasons: dict[str, tuple[int, int]]
    """Documents that fall to each rule, before and after."""
    other_original: int
    """Documents that fall as duplicates before and after, to another document now."""
    estimated: int
    gained: dict[str, list[Sample]] = field(default_factory=dict)
    """Samples by the rule that they fell to before."""
    lost: dict[str, list[Sample]] = field(default_factory=dict)
    """Samples by the rule that they fall to now."""


class Counter:
    """Amounts of groups of documents; ``tokens`` is float64[documents], whole where it is counted."""

    def __init__(self, documents: Documents, tokens: np.ndarray) -> None:
        self._bytes = documents.bytes.astype(np.float64)
        self._tokens = tokens

    def total(self, rows: np.ndarray) -> Amount:
        """Of the rows that a mask names."""
        return Amount(
            int(np.count_nonzero(rows)),
            round(float(self._bytes[rows].sum())),
            round(float(self._tokens[rows].sum())),
        )

    def groups(self, rows: np.ndarray, codes: np.ndarray, size: int) -> list[Amount]:
        """Of the rows that a mask names, by code (int64 in [0, size))."""
        mine = codes[rows]
        counted = np.bincount(mine, minlength=size)
        sums = [
            np.bincount(mine, weights=column[rows], minlength=size) for column in (self._bytes, self._tokens)
        ]
        return [
            Amount(int(n), round(b), round(t))
            for n, b, t in zip(counted.tolist(), *(s.tolist() for s in sums), strict=True)
        ]


def differences(documents: Documents, after: Decisions, tokens: np.ndarray, estimated: int) -> Differences:
    """Count what differs between the run's own decisions and these, without samples.

    ``tokens`` float64[documents]: tokens of each document kept before or after.
    """
    before = documents.decided
    was, now = before.kept(), after.kept()
    count = Counter(documents, tokens)
    return Differences(
        total=Change(
            "all", count.total(was), count.total(now), count.total(now & ~was), count.total(was & ~now)
        ),
        flows=_flows(documents, before, after, count),
        sources=_changes(count, was, now, documents.source, documents.sources.names),
        languages=_changes(
            count,
            was,
            now,
            np.where(documents.language < 0, len(documents.languages), documents.language),
            [*documents.languages.names, NO_LANGUAGE],
        ),
        tiers=_tiers(documents, before, after, count),
        tier_moves=_tier_moves(documents, before, after, count),
        reasons=_reasons(documents, before, after),
        other_original=int(
            np.count_nonzero(
                (before.original >= 0) & (after.original >= 0) & (before.original != after.original)
            )
        ),
        estimated=estimated,
    )


def _changes(
    count: Counter, was: np.ndarray, now: np.ndarray, codes: np.ndarray, names: Sequence[str]
) -> list[Change]:
    """One a name that has a document before or after, in the order of names."""
    columns = [count.groups(rows, codes, len(names)) for rows in (was, now, now & ~was, was & ~now)]
    changes = [Change(name, *amounts) for name, *amounts in zip(names, *columns, strict=True)]
    return sorted((c for c in changes if c.before.documents or c.after.documents), key=lambda c: c.name)


def _flows(documents: Documents, before: Decisions, after: Decisions, count: Counter) -> list[Flow]:
    """All ways that documents went, the largest first."""
    size = len(documents.reasons)
    codes = before.reason * size + after.reason
    moved = before.reason != after.reason
    found, places = np.unique(codes[moved], return_inverse=True)
    all_places = np.zeros(len(codes), np.int64)
    all_places[moved] = places
    amounts = count.groups(moved, all_places, len(found))
    names = documents.reasons.names
    flows = [
        Flow(names[code // size], names[code % size], amount.documents, amount.bytes)
        for code, amount in zip(found.tolist(), amounts, strict=True)
    ]
    return sorted(flows, key=lambda flow: (-flow.documents, flow.source, flow.target))


def _reasons(documents: Documents, before: Decisions, after: Decisions) -> dict[str, tuple[int, int]]:
    size = len(documents.reasons)
    counts = [np.bincount(side.reason, minlength=size).tolist() for side in (before, after)]
    return {
        name: (was, now)
        for name, was, now in zip(documents.reasons.names, *counts, strict=True)
        if name != KEPT and (was or now)
    }


def _tiers(documents: Documents, before: Decisions, after: Decisions, count: Counter) -> list[TierChange]:
    """Tiers by language, in the recipe's order (language/tier)."""
    width = len(documents.tiers)
    size = len(documents.languages) * width
    old, new = (np.maximum(documents.language * width + side.tier, 0) for side in (before, after))
    was, now = before.kept(), after.kept()
    moved = was & now & (before.tier != after.tier)
    columns = [
        count.groups(was, old, size),
        count.groups(now, new, size),
        count.groups(now & ~was, new, size),
        count.groups(was & ~now, old, size),
        count.groups(moved, new, size),
        count.groups(moved, old, size),
    ]
    order = {tier.name: place for place, tier in enumerate(documents.recipe.tiers)}
    found = []
    for place, amounts in enumerate(zip(*columns, strict=True)):
        language, tier = documents.languages.names[place // width], documents.tiers.names[place % width]
        if amounts[0].documents or amounts[1].documents:
            key = (language, order.get(tier, len(order)), tier)
            found.append((key, TierChange(f"{language}/{tier}", *amounts)))
    return [change for _, change in sorted(found, key=lambda pair: pair[0])]


def _tier_moves(documents: Documents, before: Decisions, after: Decisions, count: Counter) -> list[TierMove]:
    width = max(len(documents.tiers), 1)
    moved = before.kept() & after.kept() & (before.tier != after.tier)
    codes = (documents.language * width + before.tier) * width + after.tier
    found, places = np.unique(codes[moved], return_inverse=True)
    all_places = np.zeros(len(codes), np.int64)
    all_places[moved] = places
    tiers = documents.tiers.names
    return [
        TierMove(
            documents.languages.names[code // width // width],
            tiers[code // width % width],
            tiers[code % width],
            amount,
        )
        for code, amount in zip(found.tolist(), count.groups(moved, all_places, len(found)), strict=True)
    ]
