"""What ledger rows add up to, by columns: the counts, histograms and samples of a partial (report/metrics.py)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

NO_LANGUAGE = "–"
SAMPLES = 3
TOP_CLUSTERS = 8
SCORE_BINS = 50
JACCARD_BINS = 20
OF_SAMPLES = (
    *("id", "url", "path", "offset", "value", "threshold", "detail", "source"),
    *("duplicate_of", "cluster"),
)
_CELL = ("count_all", "size_sum", "tokens_sum")


def count(ledger: pa.Table, tokens: pa.Table) -> dict[str, Any]:
    """Counts of ledger rows, without signals and without the excerpts of samples.

    ``tokens`` has id and tokens of the kept documents; the others have none.
    """
    rows = _prepared(ledger, tokens)
    kept = rows.filter(pc.equal(rows["ends"], "kept"))
    fallen = rows.filter(pc.not_equal(rows["verdict"], "kept"))
    stood = rows.filter(pc.is_in(rows["ends"], pa.array(["duplicates", "kept"], pa.large_string())))
    duplicates = rows.filter(pc.equal(rows["ends"], "duplicates"))
    clustered = rows.filter(pc.is_valid(rows["cluster"]))
    loss: dict[str, list[int]] = {}
    for (source, ends), (documents, *_) in _cells(stood, ["source", "ends"]):
        cell = loss.setdefault(source, [0, 0])
        cell[0] += documents if ends == "duplicates" else 0
        cell[1] += documents
    return {
        "documents": len(rows),
        "occurrences": int(pc.sum(rows["occurrences"]).as_py() or 0),
        "bytes": int(pc.sum(rows["size"]).as_py() or 0),
        "verdicts": {key: cell[0] for (key,), cell in _cells(rows, ["verdict"])},
        "funnel": {"\t".join(key): cell for key, cell in _cells(rows, ["source", "spoken", "ends"])},
        "components": {
            "/".join(key): cell for key, cell in _cells(kept, ["spoken", "domain", "tier", "split"])
        },
        "rules": _rules(fallen),
        "scores": _scores(kept),
        "cluster_sizes": {str(key): cell[0] for (key,), cell in _cells(clustered, ["cluster_size"])},
        "clusters": _clusters(clustered),
        "jaccard": _bins(duplicates["jaccard"], JACCARD_BINS),
        "duplicate_loss": loss,
        "languages": {key: cell[0] for (key,), cell in _cells(rows, ["spoken"])},
    }


def _prepared(ledger: pa.Table, tokens: pa.Table) -> pa.Table:
    """The ledger with size, tokens, where each row ends, the language by which it is counted and its rule."""
    place = pc.index_in(ledger["id"], value_set=tokens["id"])
    counted = tokens["tokens"].take(place.combine_chunks() if isinstance(place, pa.ChunkedArray) else place)
    spoken = pc.fill_null(ledger["language"], "")
    rule = pc.fill_null(ledger["rule"], "")
    kept = pc.equal(ledger["verdict"], "kept")
    return (
        ledger.append_column("size", pc.fill_null(ledger["text_bytes"], 0))
        .append_column("tokens", pc.fill_null(counted, 0))
        .append_column("ends", pc.if_else(kept, "kept", ledger["step"]))
        .append_column("spoken", pc.if_else(pc.equal(spoken, ""), NO_LANGUAGE, spoken))
        .append_column("named", pc.if_else(pc.equal(rule, ""), "unknown", rule))
    )


def _cells(table: pa.Table, keys: Sequence[str]) -> Iterator[tuple[tuple[Any, ...], list[int]]]:
    """(values of the keys, [documents, bytes, tokens]) of each group of rows."""
    aggregates: list[Any] = [([], "count_all"), ("size", "sum"), ("tokens", "sum")]
    for row in table.group_by(list(keys)).aggregate(aggregates).to_pylist():
        yield tuple(row[key] for key in keys), [row[name] for name in _CELL]


def _bins(column: pa.ChunkedArray, bins: int) -> list[int]:
    """Counts of values in [0, 1] in equal bins, those of 1 in the last; nulls are in none."""
    values = column.drop_null().to_numpy()
    places = np.minimum((values * bins).astype(np.int64), bins - 1)
    counts: list[int] = np.bincount(places, minlength=bins).tolist()
    return counts


def _scores(kept: pa.Table) -> dict[str, dict[str, list[int]]]:
    scored = kept.filter(pc.is_valid(kept["score"]))
    found: dict[str, dict[str, list[int]]] = {}
    for (language, tier), _ in _cells(scored, ["spoken", "tier"]):
        mine = pc.and_(pc.equal(scored["spoken"], language), pc.equal(scored["tier"], tier))
        found.setdefault(language, {})[tier] = _bins(scored.filter(mine)["score"], SCORE_BINS)
    return found


def _rules(fallen: pa.Table) -> dict[str, dict[str, Any]]:
    """By rule: how many fell to it, of which sources, and those of the smallest ids."""
    rules: dict[str, dict[str, Any]] = {}
    for (name, source), (documents, size, _) in _cells(fallen, ["named", "source"]):
        rule = rules.setdefault(name, {"count": 0, "bytes": 0, "sources": {}, "samples": []})
        rule["count"] += documents
        rule["bytes"] += size
        rule["sources"][source] = documents
    order = pc.sort_indices(fallen, [("named", "ascending"), ("id", "ascending")])
    names = fallen["named"].take(order).combine_chunks()
    new = np.ones(len(names), bool)
    if len(names):
        new[1:] = np.asarray(pc.not_equal(names.slice(1), names.slice(0, len(names) - 1)), bool)
    starts = np.flatnonzero(new)
    nth = np.arange(len(names)) - np.repeat(starts, np.diff(np.append(starts, len(names))))
    first = order.take(pa.array(np.flatnonzero(nth < SAMPLES)))
    for row in fallen.select(["named", "step", "verdict", *OF_SAMPLES]).take(first).to_pylist():
        rule = rules[row["named"]]
        rule.setdefault("step", row["step"])
        rule.setdefault("verdict", row["verdict"])
        rule["samples"].append({name: row[name] for name in OF_SAMPLES})
    return rules


def _clusters(clustered: pa.Table) -> list[dict[str, Any]]:
    """The largest clusters, each by its document of the smallest id."""
    found = clustered.group_by("cluster").aggregate([("cluster_size", "max"), ("id", "min")])
    found = found.sort_by([("cluster_size_max", "descending"), ("cluster", "ascending")]).slice(
        0, TOP_CLUSTERS
    )
    place = pc.index_in(found["id_min"], value_set=clustered["id"])
    rows = clustered.select(["url", "source"]).take(place).to_pylist()
    return [
        {
            "cluster": cluster["cluster"],
            "size": cluster["cluster_size_max"],
            "id": cluster["id_min"],
            "url": row["url"],
            "source": row["source"],
        }
        for cluster, row in zip(found.to_pylist(), rows, strict=True)
    ]
