"""Metrics of a run: one partial per ledger partition, merged in any order to one document.

Partials are bounded whatever a partition's size: counts, histograms with fixed bins, and samples chosen by
the smallest document id, which is a hash.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from hanji.curation.report import counting, histograms
from hanji.curation.report.counting import (
    JACCARD_BINS,
    NO_LANGUAGE,
    SAMPLES,
    SCORE_BINS,
    TOP_CLUSTERS,
)

EXCERPT = 300
OTHER = "other"
OPTIONAL_STEPS = ("pii", "repeated", "blocks", "contamination", "takedown")
STEPS = ("read", "floor", *OPTIONAL_STEPS, "rules", "duplicates", "kept")
"""Where a document may end, in order. At the optional ones none does unless the recipe asks for them."""
Partial = dict[str, Any]


def summarise(ledger: pa.Table, text_of: Callable[[list[str]], dict[str, str]], tokens: pa.Table) -> Partial:
    """Partial metrics of ledger rows; its ``signals`` are empty (:func:`histograms.count_signals`).

    ``text_of`` gives edited texts by id (ids without a text are left out); ``tokens`` has id and tokens of
    the kept documents.
    """
    partial = counting.count(ledger, tokens) | {"signals": histograms.empty()}
    shown = [rule for rule in partial["rules"].values() if rule["step"] != "takedown"]
    wanted = {sample["id"] for rule in shown for sample in rule["samples"]}
    wanted |= {cluster["id"] for cluster in partial["clusters"]}
    wanted -= set(ledger.filter(pc.equal(ledger["step"], "takedown"))["id"].to_pylist())
    texts = text_of(sorted(wanted))
    for sample in [s for rule in partial["rules"].values() for s in rule["samples"]] + partial["clusters"]:
        sample["excerpt"] = " ".join(texts.get(sample["id"], "")[: 2 * EXCERPT].split())[:EXCERPT]
    return partial


def empty() -> Partial:
    """The partial of nothing: merging it changes nothing."""
    return {
        "documents": 0,
        "occurrences": 0,
        "bytes": 0,
        "verdicts": {},
        "funnel": {},
        "components": {},
        "rules": {},
        "scores": {},
        "cluster_sizes": {},
        "clusters": [],
        "jaccard": [0] * JACCARD_BINS,
        "duplicate_loss": {},
        "languages": {},
        "signals": histograms.empty(),
    }


def merge(partials: Iterable[Partial]) -> Partial:
    """The sum of partials; the order does not matter."""
    total = empty()
    for partial in partials:
        for name in ("documents", "occurrences", "bytes"):
            total[name] += partial[name]
        for name in ("verdicts", "cluster_sizes", "languages"):
            for key, count in partial[name].items():
                _add(total[name], key, count)
        for name in ("funnel", "components", "duplicate_loss"):
            for key, cell in partial[name].items():
                total[name][key] = [
                    a + b for a, b in zip(total[name].get(key, [0] * len(cell)), cell, strict=True)
                ]
        total["jaccard"] = [a + b for a, b in zip(total["jaccard"], partial["jaccard"], strict=True)]
        for language, tiers in partial["scores"].items():
            for tier, bins in tiers.items():
                of_language = total["scores"].setdefault(language, {})
                of_language[tier] = [
                    a + b for a, b in zip(of_language.get(tier, [0] * SCORE_BINS), bins, strict=True)
                ]
        for name, rule in partial["rules"].items():
            known = total["rules"].get(name)
            if known is None:
                total["rules"][name] = rule | {
                    "sources": dict(rule["sources"]),
                    "samples": list(rule["samples"]),
                }
                continue
            known["count"] += rule["count"]
            known["bytes"] += rule["bytes"]
            for source, count in rule["sources"].items():
                _add(known["sources"], source, count)
            known["samples"] = _least(known["samples"] + rule["samples"])
        total["clusters"] = _largest(total["clusters"] + partial["clusters"])
        histograms.merge_counts(total["signals"], partial["signals"])
        if "epochs" in partial:
            histograms.merge_counts(total.setdefault("epochs", {}), partial["epochs"])
    return total


def finish(merged: Partial, facts: dict[str, Any]) -> dict[str, Any]:
    """The run's metrics: merged counts, and what the pipeline knows (steps, thresholds, manifest, warnings)."""
    warnings = list(facts.get("warnings", []))
    signals = {"edges": list(histograms.EDGES), **merged["signals"]}
    return {"kind": "curation", **merged, **facts, "signals": signals, "warnings": warnings}


def _add(counts: dict[str, int], key: str, amount: int) -> None:
    counts[key] = counts.get(key, 0) + amount


def _least(samples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(samples, key=lambda sample: sample["id"])[:SAMPLES]


def _largest(clusters: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The largest clusters, each represented by its smallest id."""
    by_name: dict[str, dict[str, Any]] = {}
    for entry in sorted(clusters, key=lambda entry: entry["id"]):
        by_name.setdefault(entry["cluster"], entry)
    return sorted(by_name.values(), key=lambda entry: (-entry["size"], entry["cluster"]))[:TOP_CLUSTERS]


def funnel_rows(metrics: dict[str, Any]) -> list[dict[str, Any]]:
    """The funnel as rows by source and language: documents, bytes and tokens that reach each step.

    Tokens are exact for kept documents; for the others they are estimated from the language's tokens per
    byte, and are 0 where a language has no kept document. Languages that the recipe does not want are one
    row, ``OTHER``: a crawl holds a hundred of them.
    """
    wanted = {*metrics["recipe"]["floor"]["languages"], NO_LANGUAGE}
    rate: Counter[str] = Counter()
    size: Counter[str] = Counter()
    for key, cell in metrics["funnel"].items():
        _, language, ends = key.split("\t")
        if ends == "kept":
            rate[language] += cell[2]
            size[language] += cell[1]
    groups: dict[tuple[str, str], dict[str, list[int]]] = {}
    for key, cell in metrics["funnel"].items():
        source, language, ends = key.split("\t")
        name = language if language in wanted else OTHER
        cells = groups.setdefault((source, name), {})
        cells[ends] = [a + b for a, b in zip(cells.get(ends, (0, 0, 0)), cell, strict=True)]
    rows = []
    for (source, language), cells in sorted(groups.items()):
        row: dict[str, Any] = {"source": source, "language": language}
        for place, step in enumerate(STEPS):
            # A document that fell at step s had reached s, and those before it.
            reached = [cells.get(later, [0, 0, 0]) for later in STEPS[place:]]
            documents, amount = sum(c[0] for c in reached), sum(c[1] for c in reached)
            kept = cells.get("kept", [0, 0, 0])
            per_byte = rate[language] / size[language] if size[language] else 0.0
            tokens = kept[2] + round((amount - kept[1]) * per_byte)
            row[step] = [documents, amount, tokens]
        rows.append(row)
    return rows
