"""Who survives in a cluster of near-duplicates.

The documents that still stand are walked from best to worst; one falls only to a document that is kept and
truly like it, by a verified edge, never through a chain of likenesses. A pair that was not yet compared is
compared then. The first in rank always stays, so no cluster with a passing member loses them all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from hanji.curation.dedup.shingles import ShingleSets, alike, likeness, shingle_sets
from hanji.curation.recipe import MinHash
from hanji.curation.records import TEXT

Texts = Callable[[Sequence[str]], Sequence[str]]
"""The texts of documents by their ids, in the order asked."""


@dataclass(frozen=True)
class Member:
    """A document of a cluster that passed all other rules.

    ``text`` may be None where :func:`walk` is told how to get texts: most walks compare nothing.
    """

    id: str
    language: str
    score: float | None
    bytes: int
    date: str | None
    text: str | None = None

    def rank(self) -> tuple[float, int, str, str]:
        """Sort key, best first: higher score, longer, earlier, then the id."""
        score = -1.0 if self.score is None else self.score
        return (-score, -self.bytes, self.date or "9999", self.id)


@dataclass(frozen=True)
class Likeness:
    """Verified likeness of two documents. ``kind`` is "exact" or "near"."""

    kind: str
    jaccard: float
    containment: float

    def grounds(self, settings: MinHash) -> tuple[str, float, float]:
        """As the ledger says why a document fell: rule, value, threshold."""
        if self.kind == "exact":
            return "duplicates.exact", 1.0, 1.0
        if self.jaccard >= settings.min_jaccard:
            return "duplicates.near", self.jaccard, settings.min_jaccard
        return "duplicates.contained", self.containment, settings.min_containment


@dataclass(frozen=True)
class Fall:
    """A document that is dropped, the kept one it fell to, and how alike they are."""

    id: str
    kept: str
    likeness: Likeness


def walk(
    members: list[Member],
    edges: dict[tuple[str, str], Likeness],
    settings: MinHash,
    texts: Texts | None = None,
) -> list[Fall]:
    """The documents of one cluster that fall, in rank order.

    ``edges`` holds verified likenesses by (smaller id, larger id); other pairs are compared here, exactly.
    ``texts`` is asked for the texts of members that come without, once a comparison needs them.
    """
    ordered = sorted(members, key=Member.rank)
    compare = _Comparison(ordered, settings, texts)
    kept: list[int] = []
    falls: list[Fall] = []
    for position, member in enumerate(ordered):
        best = _verified(member, ordered, kept, edges)
        if best is None:
            best = compare.with_kept(position, kept, edges)
        if best is None:
            kept.append(position)
        else:
            falls.append(Fall(member.id, ordered[best[0]].id, best[1]))
    return falls


def pair_key(a: str, b: str) -> tuple[str, str]:
    """The two ids in order: how an edge is looked up."""
    return (a, b) if a < b else (b, a)


def _verified(
    member: Member, ordered: list[Member], kept: list[int], edges: dict[tuple[str, str], Likeness]
) -> tuple[int, Likeness] | None:
    for position in kept:
        found = edges.get(pair_key(member.id, ordered[position].id))
        if found is not None:
            return position, found
    return None


class _Comparison:
    """Exact likeness between members of one cluster, by language, with shingle sets made only if needed."""

    def __init__(self, ordered: list[Member], settings: MinHash, texts: Texts | None) -> None:
        self._ordered = ordered
        self._settings = settings
        self._ask = texts
        self._sets: dict[str, tuple[dict[int, int], ShingleSets]] = {}

    def with_kept(
        self, position: int, kept: list[int], edges: dict[tuple[str, str], Likeness]
    ) -> tuple[int, Likeness] | None:
        """The first kept member that this one is like, among the pairs that no edge speaks of."""
        if not self._settings.enabled:
            return None
        member = self._ordered[position]
        others = [
            other
            for other in kept
            if self._ordered[other].language == member.language
            and pair_key(member.id, self._ordered[other].id) not in edges
        ]
        shingles = self._settings.shingles.get(member.language)  # type: ignore[call-overload]
        if not others or shingles is None:
            return None
        if member.language not in self._sets:
            places = [i for i, m in enumerate(self._ordered) if m.language == member.language]
            self._sets[member.language] = (
                {place: row for row, place in enumerate(places)},
                shingle_sets(self._texts([self._ordered[place] for place in places]), shingles),
            )
        rows, sets = self._sets[member.language]
        left = np.full(len(others), rows[position], np.int64)
        right = np.array([rows[other] for other in others], np.int64)
        jaccard, containment = likeness(sets, left, right)
        hits = np.flatnonzero(alike(jaccard, containment, self._settings))
        if not len(hits):
            return None
        first = int(hits[0])
        return others[first], Likeness("near", float(jaccard[first]), float(containment[first]))

    def _texts(self, members: list[Member]) -> pa.Array:
        texts = {member.id: member.text for member in members}
        absent = [identity for identity, text in texts.items() if text is None]
        if absent:
            assert self._ask is not None, "members without a text, and nobody to ask for it"
            texts |= zip(absent, self._ask(absent), strict=True)
        return pa.array([texts[member.id] for member in members], TEXT)
