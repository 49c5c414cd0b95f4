"""Histograms of signals: counts in bins that are the same for every signal and every run.

A bin follows from the value alone, never from the data, so partial histograms add up in any order and two
runs can be laid over one another. One scale serves shares, means and counts: exactly 0; steps of 0.002 below
0.1 and of 0.01 below 1; from 1 on 70 bins a decade. Its edges are round numbers, so that thresholds, which
people choose, fall between bins and not into one; how many documents fall to a rule is counted apart, exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hanji.curation.decisions.rules import Rule
from hanji.curation.signals import ratios

DECADES = 9
DOCUMENT_SIGNALS = ("language_score", "characters", "payload_bytes")
"""What is counted of every language, whether or not a rule judges it."""
Counts = dict[str, Any]
"""Nested mappings with integers at the ends; see :func:`empty`."""


def _edges() -> list[float]:
    edges = [0.0, 5e-324]  # the smallest number above 0: the bin between them is exactly 0
    edges += [k / 500 for k in range(1, 51)]
    edges += [k / 100 for k in range(11, 101)]
    for decade in range(DECADES):
        for first, last, parts in ((1, 2, 20), (2, 5, 10), (5, 10, 4)):
            steps = range(first * parts + 1, last * parts + 1)
            edges += [k * 10**decade / parts for k in steps]
    return edges


EDGES: tuple[float, ...] = tuple(_edges())
"""Bin b holds values from EDGES[b - 1] to below EDGES[b]; bin 0 is below 0, the last has no upper edge."""
BINS = len(EDGES) + 1
_EDGES = np.array(EDGES)


def bins(values: np.ndarray) -> np.ndarray:
    """The bin of each value: float64 in, int64 out."""
    return np.searchsorted(_EDGES, values, side="right")


def empty() -> Counts:
    """The counts of nothing.

    ``documents``: language → source → how many were judged. ``bins``: language → signal → source → bin (as
    text) → documents; empty bins are left out. ``falls``: language → rule → source → documents that break the
    rule, each rule alone.
    """
    return {"documents": {}, "bins": {}, "falls": {}}


def count_signals(facts: pa.Table, rules: Mapping[str, Sequence[Rule]]) -> Counts:
    """Counts over those documents of gathered facts that the rules judge: read, and not stopped before.

    ``rules`` by language. A rule's signal is formed once, however many rules judge it.
    """
    counts = empty()
    reached = pc.and_(pc.equal(facts["status"], "read"), pc.is_null(facts["verdict_status"]))
    facts = facts.filter(reached)
    for language in sorted(set(facts["language"].to_pylist()) - {None}):
        rows = facts.filter(pc.equal(facts["language"], language))
        sources = rows["source"].combine_chunks().dictionary_encode()
        names, place = sources.dictionary.to_pylist(), sources.indices.to_numpy()
        _count_language(counts, language, rows, names, place, rules.get(language, ()))
    return counts


def _count_language(
    counts: Counts, language: str, rows: pa.Table, names: list[str], place: np.ndarray, rules: Sequence[Rule]
) -> None:
    totals = np.bincount(place, minlength=len(names)).tolist()
    counts["documents"][language] = dict(zip(names, totals, strict=True))
    judged: dict[str, list[Rule]] = {name: [] for name in DOCUMENT_SIGNALS if name in ratios.names()}
    there = set(rows.column_names) & set(ratios.MODEL_COLUMNS)
    judged |= {name: [] for name in sorted(there) if rows[name].null_count < len(rows)}
    for rule in rules:
        judged.setdefault(rule.signal, []).append(rule)
    of_bins = counts["bins"].setdefault(language, {})
    of_falls = counts["falls"].setdefault(language, {})
    for signal, its_rules in judged.items():
        values = ratios.value(signal, rows)
        by_source = np.bincount(place * BINS + bins(values), minlength=len(names) * BINS)
        of_bins[signal] = {
            name: _sparse(row) for name, row in zip(names, by_source.reshape(len(names), BINS), strict=True)
        }
        for rule in its_rules:
            fallen = np.bincount(place[~rule.keep(values)], minlength=len(names)).tolist()
            of_falls[rule.name] = {name: n for name, n in zip(names, fallen, strict=True) if n}


def _sparse(counts: np.ndarray) -> dict[str, int]:
    return {str(place): int(counts[place]) for place in np.flatnonzero(counts).tolist()}


def merge_counts(total: Counts, more: Counts) -> None:
    """Add counts to others, in place; the order does not matter."""
    for key, value in more.items():
        if isinstance(value, dict):
            merge_counts(total.setdefault(key, {}), value)
        else:
            total[key] = total.get(key, 0) + value


def dense(histograms: Iterable[Mapping[str, int]]) -> np.ndarray:
    """The sum of sparse histograms: int64[BINS]."""
    total = np.zeros(BINS, np.int64)
    for one in histograms:
        for place, count in one.items():
            total[int(place)] += count
    return total
