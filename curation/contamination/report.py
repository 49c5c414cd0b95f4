"""Contamination in numbers: of each benchmark the items and documents that met, and examples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hanji.curation.contamination.index import BenchmarkIndex
from hanji.curation.contamination.matching import Overlap
from hanji.page import Markup, number, section, table

EXAMPLES = 5


def sizes(index: BenchmarkIndex) -> dict[str, dict[str, int]]:
    """Of each benchmark, how many ``items`` it has and how many are ``unchecked``."""
    found = {name: {"items": 0, "unchecked": 0} for name in index.benchmarks}
    for place in index.of_item:
        found[index.benchmarks[place]]["items"] += 1
    for item in index.unchecked:
        found[index.benchmark(item)]["unchecked"] += 1
    return found


class Tally:
    """What a split adds. A document that stands in two splits is counted in both."""

    def __init__(self) -> None:
        self._found: dict[str, dict[str, Any]] = {}

    def add(self, identity: str, index: BenchmarkIndex, overlap: Overlap, action: str | None) -> None:
        """Count an overlap; ``action`` is None below the recipe's min_share."""
        one = self._found.setdefault(
            index.benchmark(overlap.item),
            {"below": 0, "drop": set(), "mask": set(), "report": set(), "items": set(), "examples": []},
        )
        if action is None:
            one["below"] += 1
            return
        one[action].add(identity)
        one["items"].add(overlap.item)
        example = [round(overlap.share, 4), index.ids[overlap.item], identity]
        one["examples"] = _first([*one["examples"], example])

    def facts(self) -> dict[str, Any]:
        """The counts as JSON: ``items`` are the places of items in the index, sorted."""
        return {
            name: one
            | {key: len(one[key]) for key in ("drop", "mask", "report")}
            | {"items": sorted(one["items"])}
            for name, one in sorted(self._found.items())
        }


def merge(
    benchmarks: Mapping[str, Mapping[str, int]], splits: Iterable[Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Metrics by benchmark, of :func:`sizes` and the facts of all splits, in whatever order.

    ``items``, ``unchecked``, ``hit`` (items found at or above min_share), documents by action (``drop``, ``mask``,
    ``report``), ``below`` (overlaps under min_share) and ``examples`` (share, item, document id; the largest).
    """
    total: dict[str, dict[str, Any]] = {
        name: {
            **counts,
            "hit": set(),
            "drop": 0,
            "mask": 0,
            "report": 0,
            "below": 0,
            "examples": [],
        }
        for name, counts in benchmarks.items()
    }
    for facts in splits:
        for name, one in facts.items():
            known = total[name]
            known["hit"] |= set(one["items"])
            for key in ("drop", "mask", "report", "below"):
                known[key] += one[key]
            known["examples"] = _first(known["examples"] + one["examples"])
    return {name: one | {"hit": len(one["hit"])} for name, one in sorted(total.items())}


def _first(examples: list[list[Any]]) -> list[list[Any]]:
    distinct = {tuple(example) for example in examples}
    return [list(example) for example in sorted(distinct, key=lambda e: (-e[0], e[1], e[2]))[:EXAMPLES]]


def contamination_section(metrics: Mapping[str, Any]) -> list[Markup]:
    """The page's section on benchmarks; nothing for a run without them."""
    found = metrics.get("contamination")
    if not found:
        return []
    rows = [
        [
            name,
            *(number(one[key]) for key in ("items", "unchecked", "hit", "drop", "mask", "report", "below")),
        ]
        for name, one in found.items()
    ]
    head = ["benchmark", "items", "not looked for", "items found", "dropped", "masked", "reported", "below"]
    examples = [
        [name, item, f"{share:.2f}", identity]
        for name, one in found.items()
        for share, item, identity in one["examples"]
    ]
    parts = [
        table("Overlap with benchmarks", head, rows),
    ]
    if examples:
        head = ["benchmark", "item", "share", "document"]
        parts.append(table("Largest overlaps", head, examples, text_columns=2))
    intro = (
        "Items that stand in documents, at least the recipe's share of each. Dropped, masked and reported count "
        "documents; below counts overlaps under that share, of which nothing was done."
    )
    return [section("Benchmarks in documents", *parts, intro=intro, identity="contamination")]
