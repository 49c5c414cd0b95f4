"""The page's section on predicted domains: what the classifiers made of each source's documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from hanji.curation.scoring import PREDICTED
from hanji.page import Markup, number, percent, section, share_cell, table

UNKNOWN = "–"
MOST_DOMAINS = 4


def count_domains(facts: pa.Table) -> dict[str, dict[str, dict[str, int]]]:
    """Documents that were read by language, source and predicted domain ("–": none)."""
    read = facts.filter(pc.equal(facts["status"], "read"))
    named = read.set_column(
        read.schema.get_field_index(PREDICTED), PREDICTED, pc.fill_null(read[PREDICTED], UNKNOWN)
    )
    found: dict[str, dict[str, dict[str, int]]] = {}
    for row in named.group_by(["language", "source", PREDICTED]).aggregate([([], "count_all")]).to_pylist():
        of_language = found.setdefault(row["language"], {})
        of_language.setdefault(row["source"], {})[row[PREDICTED]] = row["count_all"]
    return found


def domains_section(metrics: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[Markup]:
    """A table of each language that has a classifier of domains; nothing where the recipe has none."""
    settings = metrics["recipe"].get("domains")
    if not settings:
        return
    counts = metrics["signals"].get("predicted_domains", {})
    domains = {source["name"]: source["domain"] for source in metrics["recipe"]["sources"]}
    tables = []
    for language in sorted(counts, key=lambda name: (name != "ko", name)):
        if not settings.get(language):
            continue
        total: dict[str, int] = {}
        rows = []
        for source, of_source in sorted(counts[language].items()):
            documents = sum(of_source.values())
            ordered = sorted(of_source.items(), key=lambda item: (-item[1], item[0]))
            told = [f"{name} {percent(count / documents)}" for name, count in ordered[:MOST_DOMAINS]]
            told += [f"{len(ordered) - MOST_DOMAINS} others"] if len(ordered) > MOST_DOMAINS else []
            rows.append([source, domains.get(source, ""), ", ".join(told), number(documents)])
            for name, count in ordered:
                total[name] = total.get(name, 0) + count
        everything = sum(total.values()) or 1
        shares = [
            [name, number(count), share_cell(count / everything)]
            for name, count in sorted(total.items(), key=lambda item: (-item[1], item[0]))
        ]
        shown = names.get(language, language)
        tables.append(table(f"{shown}: predicted domains", ["domain", "documents", "share"], shares))
        head = ["source", "its domain", "predicted", "documents"]
        tables.append(table(f"{shown}: by source", head, rows, text_columns=3))
    how = (
        f"It decides the component of a document where its probability is at least "
        f"{settings['min_probability']:g}; other documents keep their source's domain."
        if settings["apply"] == "component"
        else "It decides nothing: components go by the domain of the source."
    )
    yield section(
        "Domains",
        *tables,
        intro=f"The most probable domain of every document that was read. {how}",
        identity="domains",
    )
