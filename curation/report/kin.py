"""What a document's story says of those like it: its cluster, what fell to it, what it fell to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hanji.curation.report.sides import align, columns

MOST_MEMBERS = 10
ID_DIGITS = 12


@dataclass(frozen=True)
class Style:
    """How wide a terminal is, and whether it shows colours."""

    width: int = 100
    colour: bool = False


@dataclass(frozen=True)
class Cluster:
    """Near-duplicates that hang together. Rows are of the ledger.

    ``size`` documents, ``fates`` of all of them counted, a few ``members``, and of the ``fell`` documents that
    fell to the one whose story this is the likest few, ``fallen``.
    """

    size: int
    fates: Mapping[str, int]
    members: Sequence[dict[str, Any]]
    fell: int
    fallen: Sequence[dict[str, Any]]


@dataclass(frozen=True)
class Twin:
    """The document that a duplicate fell to: its ledger row, its place in the shards, and the texts of both."""

    row: dict[str, Any]
    placement: dict[str, Any] | None
    own: str | None
    text: str | None


def fate_of(row: Mapping[str, Any]) -> str:
    """Kept, or by what it was dropped."""
    return "kept" if row["verdict"] == "kept" else f"{row['verdict']} by {row['rule'] or row['step']}"


def cluster_lines(identity: str, cluster: Cluster) -> list[str]:
    """The cluster's size, what became of its members, and a few of them."""
    fates = sorted(cluster.fates.items(), key=lambda item: (item[0] != "kept", -item[1], item[0]))
    counted = ", ".join(f"{count:,} {fate}" for fate, count in fates)
    lines = [f"duplicates {cluster.size:,} documents in its cluster: {counted}"]
    for row in cluster.members:
        you = " (this one)" if row["id"] == identity else ""
        lines.append(f"  {row['id'][:ID_DIGITS]}  {fate_of(row)}{_evidence(row)}  {_where(row)}{you}")
    rest = cluster.size - len(cluster.members)
    if rest > 0:
        lines.append(f"  … and {rest:,} more")
    if cluster.fell:
        lines.append(f"fell to it {cluster.fell:,} document{'s' if cluster.fell > 1 else ''}")
        lines += [
            f"  {row['id'][:ID_DIGITS]}  {fate_of(row)}{_evidence(row)}  {_where(row)}"
            for row in cluster.fallen
        ]
        if cluster.fell > len(cluster.fallen):
            lines.append(f"  … and {cluster.fell - len(cluster.fallen):,} that are less like it")
    return lines


def twin_lines(row: Mapping[str, Any], twin: Twin, style: Style) -> list[str]:
    """The document that this one fell to, and both texts side by side."""
    its = twin.row
    score = "" if its["score"] is None else f", score {its['score']:.3f}"
    fate = (
        f"kept, tier {its['tier']}{score}, split {its['split']}" if its["verdict"] == "kept" else fate_of(its)
    )
    if its["step"] == "takedown":
        fate = f"taken down since ({its['detail'] or its['rule']})"
    lines = [
        f"twin       {its['id']}",
        f"  source     {its['source']}",
        f"  {'url' if its['url'] else 'path':<10} {_where(its)}",
        f"  verdict    {fate}",
        f"  likeness   {row['rule']}{_evidence(row)}",
    ]
    if twin.placement is not None:
        lines.append(f"  shard      {place(twin.placement)}")
    if not twin.own or not twin.text:
        missing = "this document" if not twin.own else "the twin"
        return [*lines, f"  the text of {missing} is not there (erased, or never made)"]
    heads = (f"this one, {len(twin.own):,} characters", f"the twin, {len(twin.text):,} characters")
    shown = columns(align(twin.own, twin.text), style.width - 2, style.colour, heads)
    return [*lines, "", *(f"  {line}" for line in shown)]


def place(placement: Mapping[str, Any]) -> str:
    """Where in the shards a document is."""
    start = placement["token_offset"]
    return f"{placement['shard']}, tokens {start:,} to {start + placement['tokens']:,}"


def _evidence(row: Mapping[str, Any]) -> str:
    if row["jaccard"] is None:
        return ""
    return f", Jaccard {row['jaccard']:.3f}, containment {row['containment']:.3f}"


def _where(row: Mapping[str, Any]) -> str:
    return str(row["url"] or f"{row['path']} @ {row['offset']}")
