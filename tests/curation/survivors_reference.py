"""The walk through a cluster in plain Python, with Python's sets: what the compiled one is compared with.

Texts are words between spaces, shingles are pairs of neighbouring words (a single word is its own).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from hanji.curation.decisions.survivors import (
    NO_LANGUAGE,
    Edges,
    Members,
    rank_order,
    undecided,
    walk,
)
from hanji.curation.dedup.stored import StoredSets
from hanji.curation.recipe import MinHash, Shingles

PAIRS = Shingles(unit="word", n=2)
SETTINGS = MinHash(shingles={"ko": PAIRS, "en": PAIRS}, min_jaccard=0.7, min_containment=0.9)
LANGUAGES = ["en", "ko"]


@dataclass(frozen=True)
class Document:
    """A document that stands, as deciding sees it."""

    id: str
    text: str
    cluster: str = "c"
    language: str = "en"
    score: float | None = None
    date: str | None = None

    @property
    def bytes(self) -> int:
        return len(self.text.encode())

    def shingles(self) -> set[Any]:
        words = self.text.split()
        return set(itertools.pairwise(words)) or set(words)

    def rank(self) -> tuple[float, int, str, str]:
        return (
            -(-1.0 if self.score is None else self.score),
            -self.bytes,
            self.date or "9999",
            self.id,
        )


@dataclass(frozen=True)
class Edge:
    """A verified edge. Its likeness need not be that of the texts: what is verified is not compared again."""

    a: str
    b: str
    kind: str = "near"
    jaccard: float = 0.8
    containment: float = 0.95


def likeness(a: Document, b: Document) -> tuple[float, float]:
    """Jaccard and containment by Python's sets."""
    one, other = a.shingles(), b.shingles()
    shared = len(one & other)
    if not shared:
        return 0.0, 0.0
    return shared / len(one | other), shared / min(len(one), len(other))


def alike(a: Document, b: Document, settings: MinHash = SETTINGS) -> bool:
    jaccard, containment = likeness(a, b)
    return jaccard >= settings.min_jaccard or containment >= settings.min_containment


def expected(
    documents: Sequence[Document], edges: Sequence[Edge], settings: MinHash = SETTINGS
) -> dict[str, tuple[str, str, float, float]]:
    """Who falls to whom, of what kind and how alike: the walk as it is defined, without any bound."""
    kinds = {kind: place for place, kind in enumerate(("exact", "near", "url"))}
    known: dict[frozenset[str], Edge] = {}
    for edge in sorted(edges, key=lambda edge: -kinds[edge.kind]):
        known[frozenset((edge.a, edge.b))] = edge
    fell: dict[str, tuple[str, str, float, float]] = {}
    kept: dict[str, list[Document]] = {}
    for document in sorted(documents, key=Document.rank):
        so_far = kept.setdefault(document.cluster, [])
        linked = [other for other in so_far if frozenset((document.id, other.id)) in known]
        compared = [
            other
            for other in so_far
            if settings.enabled and other.language == document.language and alike(document, other, settings)
        ]
        if linked:
            edge = known[frozenset((document.id, linked[0].id))]
            fell[document.id] = (linked[0].id, edge.kind, edge.jaccard, edge.containment)
        elif compared:
            fell[document.id] = (compared[0].id, "near", *likeness(document, compared[0]))
        else:
            so_far.append(document)
    return fell


def compiled(
    documents: Sequence[Document], edges: Sequence[Edge], settings: MinHash = SETTINGS
) -> tuple[dict[str, tuple[str, str, float, float]], set[str], int]:
    """(who falls to whom, the documents whose texts were needed, how many stay beside others not looked at)."""
    text = pa.large_string()
    ids = pa.array([d.id for d in documents], text)
    order = rank_order(
        pa.array([d.cluster for d in documents], text),
        pa.array([d.score for d in documents], pa.float64()),
        pa.array([d.bytes for d in documents], pa.int64()),
        pa.array([d.date for d in documents], text),
        ids,
    )
    ranked = [documents[row] for row in order]
    place = {document.id: number for number, document in enumerate(ranked)}
    clusters = np.array([d.cluster for d in ranked], object)
    starts = np.flatnonzero(np.append(True, clusters[1:] != clusters[:-1])) if len(ranked) else []
    codes = [LANGUAGES.index(d.language) if settings.enabled else NO_LANGUAGE for d in ranked]
    members = Members(np.append(starts, len(ranked)).astype(np.int64), np.array(codes, np.int64))
    told = Edges(
        np.array([place[e.a] for e in edges], np.int64),
        np.array([place[e.b] for e in edges], np.int64),
        pa.array([e.kind for e in edges], text),
        np.array([e.jaccard for e in edges], np.float64),
        np.array([e.containment for e in edges], np.float64),
    )
    needed = undecided(members, told)
    with StoredSets(len(ranked)) as sets:
        texts = pa.array([ranked[n].text for n in needed], text)
        sets.add(needed, members.language[needed], texts, [PAIRS for _ in LANGUAGES])
        falls = walk(members, told, sets, settings)
    fell = {
        ranked[one].id: (ranked[kept].id, kind, jaccard, containment)
        for one, kept, kind, jaccard, containment in zip(
            falls.member.tolist(),
            falls.kept.tolist(),
            falls.kind.to_pylist(),
            falls.jaccard.tolist(),
            falls.containment.tolist(),
            strict=True,
        )
    }
    return fell, {ranked[n].id for n in needed}, falls.bounded
