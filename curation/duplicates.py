"""What deduplication did to a run, in numbers, and when it is an alarm: sources that lost most of what they had,
clusters too large to be copies of one document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hanji.curation.decisions.survivors import MOST_COMPARED
from hanji.curation.recipe import Dedup
from hanji.curation.work import Commit

MOST_TOLD = 20
"""Oversized clusters of the run that are told, the largest."""


def facts(survived: Sequence[Commit], settled: Sequence[Commit]) -> dict[str, Any]:
    """What the commits of *survive* and *settle* add up to, for the report.

    ``sources``: of each source that lost documents, how many of its passing documents (``standing``) it ``lost``,
    to which ``rules``, and ``to`` which sources the kept ones belong. ``oversized``: clusters larger than the
    recipe's max_cluster. ``bounded``: documents kept after being compared with ``most_compared`` kept ones of their
    cluster, not with all.
    """
    sources: dict[str, dict[str, Any]] = {}
    for commit in survived:
        for source, rules in commit.info["losses"].items():
            told = sources.setdefault(source, {"standing": 0, "lost": 0, "rules": {}, "to": {}})
            for rule, to in rules.items():
                for kept, count in to.items():
                    told["lost"] += count
                    told["rules"][rule] = told["rules"].get(rule, 0) + count
                    told["to"][kept] = told["to"].get(kept, 0) + count
    for commit in settled:
        for source in commit.info["standing"].keys() & sources.keys():
            sources[source]["standing"] += commit.info["standing"][source]
    for told in sources.values():
        for name in ("rules", "to"):
            told[name] = dict(_most(told[name]))
    over = [commit.info["oversized"] for commit in survived]
    largest = sorted(
        (cluster for one in over for cluster in one["largest"]),
        key=lambda cluster: (-cluster["documents"], cluster["cluster"]),
    )
    return {
        "clusters": sum(commit.info["clusters"] for commit in survived),
        "compared": sum(commit.info["compared"] for commit in survived),
        "bounded": sum(commit.info["bounded"] for commit in survived),
        "most_compared": MOST_COMPARED,
        "sources": dict(sorted(sources.items())),
        "oversized": {
            "clusters": sum(one["clusters"] for one in over),
            "documents": sum(one["documents"] for one in over),
            "largest": largest[:MOST_TOLD],
        },
    }


def losses(told: dict[str, Any], settings: Dedup) -> list[str]:
    """A sentence for each source that lost more than ``max_source_loss``: how much, by what, and to whom."""
    limit = settings.max_source_loss
    return [
        f"source {source} lost {loss['lost']:,} of its {loss['standing']:,} passing documents to duplicates, more "
        f"than dedup.max_source_loss {limit:g}: {_listed(loss['rules'])}; "
        f"they fell to documents of {_listed(loss['to'])}"
        for source, loss in told["sources"].items()
        if loss["lost"] > limit * loss["standing"]
    ]


def oversized(told: dict[str, Any], settings: Dedup) -> list[str]:
    """A sentence if there are clusters of more than ``max_cluster`` documents."""
    over = told["oversized"]
    if not over["clusters"]:
        return []
    first = over["largest"][0]
    kept = ", their near-duplicates kept" if settings.max_cluster_action == "keep" else ""
    return [
        f"{over['clusters']:,} clusters have more than dedup.max_cluster {settings.max_cluster:,} documents "
        f"({over['documents']:,} in all{kept}); the largest {first['documents']:,}, median Jaccard of its verified "
        f"pairs {first['jaccard'][2]:.2f}, of {_listed(first['sources'])}: pages of a template? "
        "The report lists them"
    ]


def _most(counts: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _listed(counts: dict[str, int], most: int = 3) -> str:
    """``a (12), b (3) and 2 others``."""
    named = [f"{name} ({count:,})" for name, count in _most(counts)[:most]]
    rest = len(counts) - len(named)
    return ", ".join(named) + (f" and {rest} other{'s' if rest > 1 else ''}" if rest else "")
