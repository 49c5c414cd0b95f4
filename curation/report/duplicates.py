"""The section on duplicates: what fell, which sources lost most and to whom, clusters and their sizes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hanji.curation.report.counting import JACCARD_BINS
from hanji.curation.report.pairs import pairs
from hanji.page import Markup, histogram, number, section, share_cell, table, tag

WORDS = {
    "duplicates.exact": "the same text but for layout and case",
    "duplicates.url": "another version of a page, at an address of the same normal form",
    "duplicates.near": "similar enough (Jaccard of shingles)",
    "duplicates.contained": "nearly all of it stands in a kept document",
}
EXCERPT = 120
FEW = 3


def duplicates_section(metrics: Mapping[str, Any]) -> Markup:
    """All of it, from the metrics of a run; runs of earlier versions know less."""
    content = [_kinds(metrics), *_examples(metrics)]
    if any(metrics["jaccard"]):
        low = next(i for i, count in enumerate(metrics["jaccard"]) if count)
        bins = metrics["jaccard"][low:]
        figure = histogram(
            [("dropped", bins)], low / JACCARD_BINS, 1.0, title="Verified Jaccard to the kept document"
        )
        content.append(tag("div", figure, class_="figures"))
    content += [*_losses(metrics), *_oversized(metrics), *_clusters(metrics)]
    return section(
        "Duplicates",
        *content,
        intro="A document falls only to one that is kept and was compared with it, shingle by shingle; "
        "the best of each cluster stays.",
        identity="duplicates",
    )


def _kinds(metrics: Mapping[str, Any]) -> Markup:
    rules = {name: rule for name, rule in metrics["rules"].items() if name.startswith("duplicates.")}
    return table(
        "Documents dropped as duplicates of a kept one",
        ["kind", "", "documents"],
        [
            [tag("code", name), WORDS.get(name, ""), number(rule["count"])]
            for name, rule in sorted(rules.items())
        ],
        text_columns=2,
    )


def _examples(metrics: Mapping[str, Any]) -> Iterator[Markup]:
    for name, rule in sorted(metrics["rules"].items()):
        shown = pairs(name, rule, WORDS.get(name, "")) if name.startswith("duplicates.") else None
        if shown is not None:
            yield shown


def _losses(metrics: Mapping[str, Any]) -> Iterator[Markup]:
    told = metrics.get("duplicates", {}).get("sources", {})
    rows = [
        [
            source,
            _few(told[source]["rules"], "duplicates.") if source in told else "–",
            _few(told[source]["to"]) if source in told else "–",
            number(lost),
            number(standing),
            share_cell(lost / standing),
        ]
        for source, (lost, standing) in sorted(
            metrics["duplicate_loss"].items(), key=lambda item: (-item[1][0] / item[1][1], item[0])
        )
        if lost
    ]
    if rows:
        head = ["source", "of what kind", "to documents of", "dropped", "had passed the rules", "share"]
        yield table("Who lost most", head, rows, text_columns=3)


def _oversized(metrics: Mapping[str, Any]) -> Iterator[Markup]:
    told = metrics.get("duplicates", {})
    over = told.get("oversized", {"largest": []})
    rows = [
        [
            tag("code", cluster["cluster"][:12]),
            _few(cluster["sources"]),
            tag("span", *_joined([tag("code", one[:12]) for one in cluster["least_alike"]])),
            number(cluster["documents"]),
            number(cluster["passing"]),
            " · ".join(f"{value:.2f}" for value in cluster["jaccard"]),
        ]
        for cluster in over["largest"]
    ]
    if rows:
        head = ["cluster", "sources", "least alike pair", "documents", "passed the rules", "Jaccard"]
        yield table(f"Clusters of more than {_limit(metrics)} documents", head, rows, text_columns=3)
        yield tag(
            "p",
            "Jaccard of the verified pairs: least, quartiles, greatest. Clusters as large as these are often pages "
            "of one template; hanji why shows a document beside its twin.",
        )
    if told.get("bounded"):
        yield tag(
            "p",
            f"{number(told['bounded'])} documents of clusters of which very many stay were kept after being "
            f"compared with {number(told['most_compared'])} of the kept ones, those most like them.",
        )


def _limit(metrics: Mapping[str, Any]) -> str:
    return number(metrics["recipe"]["dedup"]["max_cluster"])


def _clusters(metrics: Mapping[str, Any]) -> Iterator[Markup]:
    sizes = sorted((int(key), count) for key, count in metrics["cluster_sizes"].items())
    if not sizes:
        return
    yield table(
        "Clusters by size",
        ["documents in the cluster", "clusters", "documents"],
        [[number(s), number(count / s), number(count)] for s, count in sizes[-12:]],
        text_columns=0,
    )
    clusters = [
        [
            number(cluster["size"]),
            tag("span", (cluster.get("excerpt") or "")[:EXCERPT]),
            cluster["source"],
            tag("code", cluster["cluster"][:12]),
        ]
        for cluster in metrics["clusters"]
    ]
    yield table("Largest clusters", ["documents", "a member", "source", "cluster"], clusters, text_columns=4)


def _few(counts: Mapping[str, int], prefix: str = "") -> str:
    """The most frequent names with their counts, and how many there are besides."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    named = [f"{name.removeprefix(prefix)} {number(count)}" for name, count in ordered[:FEW]]
    rest = len(ordered) - len(named)
    return ", ".join(named) + (f" and {rest} more" if rest > 0 else "")


def _joined(parts: list[Markup]) -> Iterator[Any]:
    for place, part in enumerate(parts):
        if place:
            yield " and "
        yield part
