"""Who survives in a cluster of duplicates.

The documents that still stand are walked from best to worst; one falls only to a document that is kept and
truly like it, by a verified edge, never through a chain of likenesses. Where no edge leads to a kept document,
it is compared with those of its language that are kept. The first in rank always stays, so no cluster with a
passing member loses them all.

In a cluster of which very many documents stay, comparing each with all of them would take a time that grows
with the square. There a document is compared with at most MOST_COMPARED kept ones, those that share most of what
few others have, as :func:`walk` says: it may stay beside a twin that was not looked at, but it never falls to what
is no twin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hanji.curation.decisions import walking
from hanji.curation.dedup.stored import StoredSets
from hanji.curation.recipe import Dedup, Language, MinHash, Shingles

MOST_COMPARED = 128
"""Kept documents of a cluster with which a document is compared at most."""
MOST_SAMPLED = 1 << 23
"""Shingles of a cluster by which those are found, if all its documents have more."""
LEAST_SAMPLED = 8
"""Shingles of every document that are among them."""
KINDS = ("exact", "near", "url")
"""Kinds of edges. Where two lead to one kept document, the first kind is what it fell for."""
NEAR, URL = "near", "url"
NO_LANGUAGE = -1


def grounds(
    kind: pa.Array, jaccard: np.ndarray, containment: np.ndarray, settings: Dedup
) -> tuple[pa.Array, np.ndarray, np.ndarray]:
    """Why documents fell, as the ledger says it: (rule, value, threshold), by kind of edge and likeness of each.

    ``duplicates.exact`` is an equality, 1.0 of 1.0; ``duplicates.url`` and ``duplicates.near`` are told by the
    Jaccard that reached their threshold, or by the containment as ``duplicates.contained``. A null kind has a null
    rule.
    """
    near, address = (np.asarray(pc.fill_null(pc.equal(kind, name), False), bool) for name in (NEAR, URL))
    minhash = settings.minhash
    contained = near & ~(jaccard >= minhash.min_jaccard)
    value = np.where(contained, containment, np.where(near | address, jaccard, 1.0))
    threshold = np.where(near, minhash.min_jaccard, np.where(address, settings.url.min_jaccard, 1.0))
    threshold[contained] = minhash.min_containment
    name = pc.if_else(pa.array(contained), pa.scalar("contained", kind.type), kind)
    prefix, dot = (pa.scalar(text, kind.type) for text in ("duplicates", "."))
    return pc.binary_join_element_wise(prefix, name, dot), value, threshold


def compared_languages(settings: Dedup) -> dict[Language, Shingles]:
    """The languages whose documents are compared, and what their sets are made of; their places are their codes."""
    return dict(sorted(settings.minhash.shingles.items())) if settings.minhash.enabled else {}


@dataclass(frozen=True)
class Edges:
    """Verified edges between members: places of both ends (int64), kind (text), likeness (float64), one an edge."""

    left: np.ndarray
    right: np.ndarray
    kind: pa.Array
    jaccard: np.ndarray
    containment: np.ndarray

    def __len__(self) -> int:
        return len(self.left)

    def take(self, rows: np.ndarray) -> Edges:
        """Some of the edges, by their numbers or a mask."""
        if rows.dtype == bool:
            rows = np.flatnonzero(rows)
        return Edges(
            self.left[rows],
            self.right[rows],
            self.kind.take(pa.array(rows)),
            self.jaccard[rows],
            self.containment[rows],
        )

    def between(self, place: np.ndarray) -> Edges:
        """The edges whose ends both have a place ≥ 0, told by those places."""
        left, right = place[self.left], place[self.right]
        both = (left >= 0) & (right >= 0)
        some = self.take(both)
        return Edges(left[both], right[both], some.kind, some.jaccard, some.containment)


@dataclass(frozen=True)
class Members:
    """Documents that passed all other rules, in the order of the walk, those of a cluster next to each other.

    ``starts``: int64[clusters + 1], where each cluster begins, and the end of the last. ``language``:
    int64[members], code by which they are compared with each other, NO_LANGUAGE where they are not.
    """

    starts: np.ndarray
    language: np.ndarray

    def __len__(self) -> int:
        return len(self.language)


@dataclass(frozen=True)
class Falls:
    """Members that fall, ascending, the kept member each falls to (int64 places), and how alike they are.

    ``bounded`` says how many members stay that were not compared with all that are kept.
    """

    member: np.ndarray
    kept: np.ndarray
    kind: pa.Array
    jaccard: np.ndarray
    containment: np.ndarray
    bounded: int = 0


def rank_order(
    cluster: pa.Array, score: pa.Array, size: pa.Array, date: pa.Array, identity: pa.Array
) -> np.ndarray:
    """Rows by cluster, and in each from best to worst: higher score, longer, earlier, then the id; int64.

    A missing score counts as less than any, a missing or empty date as later than any.
    """
    dates = pc.fill_null(date.cast(pa.large_string()), "")
    table = pa.table(
        {
            "cluster": cluster,
            "score": pc.fill_null(score.cast(pa.float64()), -1.0),
            "size": size,
            "date": pc.if_else(pc.equal(dates, ""), "9999", dates),
            "id": identity,
        }
    )
    keys = [("cluster", "ascending"), ("score", "descending"), ("size", "descending")]
    keys += [("date", "ascending"), ("id", "ascending")]
    return np.asarray(pc.sort_indices(table, keys), np.int64)


def spared(settings: Dedup, sizes: np.ndarray) -> np.ndarray:
    """Which clusters of these sizes (all documents, int64) keep their near-duplicates by ``max_cluster``; bool."""
    if settings.max_cluster is None or settings.max_cluster_action != "keep":
        return np.zeros(len(sizes), bool)
    return sizes > settings.max_cluster


def without_near(members: Members, edges: Edges, spare: np.ndarray) -> tuple[Members, Edges]:
    """Members and edges for a walk in which the members that ``spare`` (bool[members]) names have no near edge."""
    if not spare.any():
        return members, edges
    language = np.where(spare, NO_LANGUAGE, members.language)
    near = np.asarray(pc.equal(edges.kind, NEAR), bool)
    return Members(members.starts, language), edges.take(~(near & spare[edges.left]))


def undecided(members: Members, edges: Edges) -> np.ndarray:
    """The members whose texts a walk may need, int64 places ascending: where edges alone do not decide."""
    if not (members.language >= 0).any():
        return np.zeros(0, np.int64)
    _, bounds, earlier = _by_later(edges, len(members))
    wanted = np.zeros(len(members), bool)
    walking.find_open(
        members.starts,
        bounds,
        earlier,
        members.language,
        np.zeros((_languages(members), 2), np.int64),
        np.zeros(len(members), np.int8),
        wanted,
    )
    return np.flatnonzero(wanted)


def walk(members: Members, edges: Edges, sets: StoredSets, settings: MinHash) -> Falls:
    """Who falls, and to whom: of the kept members that one has an edge to, or else is like, to the first in rank.

    ``sets`` are the shingle sets by member; only those of :func:`undecided` members are looked at.

    Where more than MOST_COMPARED = n members of its language are kept before it, a member without an edge to one is
    compared with at most n of them. Each shingle names the first n kept members that have it. Compared are, first,
    the members that are named most often by the sampled shingles of this one that name fewer than n; and if none
    of them is like it, as many more as there is room for, of those named most often by its other sampled shingles.
    Of members named equally often those come first that a smaller shingle names, then those of higher rank.
    Sampled are the shingles (64-bit hashes) below a limit that leaves about MOST_SAMPLED in the cluster, and in any
    case the LEAST_SAMPLED smallest of a document.
    """
    order, bounds, earlier = _by_later(edges, len(members))
    hashes = sets.hashes()
    count = len(members)
    following, counts, touched = (np.zeros(count, np.int64) for _ in range(3))
    target, edge, shared = (np.zeros(count, np.int64) for _ in range(3))
    bounded = np.zeros(count, bool)

    def run(starts: np.ndarray, index: _Index) -> int:
        return walking.walk(
            starts,
            bounds,
            earlier,
            members.language,
            hashes,
            sets.begin,
            sets.end,
            settings.min_jaccard,
            settings.min_containment,
            MOST_COMPARED,
            *index,
            np.zeros((_languages(members), 3), np.int64),
            following,
            counts,
            touched,
            np.zeros(int(np.diff(index[0]).max(initial=0)) + 1, np.int64),
            target,
            edge,
            shared,
            bounded,
        )

    cluster = 0
    while cluster < len(members.starts) - 1:
        cluster += run(members.starts[cluster:], _NO_INDEX)
        if cluster < len(members.starts) - 1:
            # One of which so many stay that they have to be looked up.
            starts = members.starts[cluster : cluster + 2]
            cluster += run(starts, _index(hashes, sets, *starts.tolist()))
    fallen = np.flatnonzero(target >= 0)
    stay = int((bounded & (target < 0)).sum())
    return _falls(fallen, target[fallen], edge[fallen], shared[fallen], edges.take(order), sets, stay)


def _falls(
    member: np.ndarray,
    kept: np.ndarray,
    edge: np.ndarray,
    shared: np.ndarray,
    edges: Edges,
    sets: StoredSets,
    bounded: int,
) -> Falls:
    """Likeness by edge where there is one, else from the shingles that a comparison found in both sets."""
    by_edge = edge >= 0
    sizes = (sets.end - sets.begin).astype(np.float64)
    both, a, b = shared.astype(np.float64), sizes[member], sizes[kept]
    ones = np.ones(len(member))
    jaccard = np.divide(both, a + b - both, out=ones.copy(), where=~by_edge)
    containment = np.divide(both, np.minimum(a, b), out=ones.copy(), where=~by_edge)
    jaccard[by_edge] = edges.jaccard[edge[by_edge]]
    containment[by_edge] = edges.containment[edge[by_edge]]
    kind = pc.fill_null(edges.kind.take(pa.array(edge, mask=~by_edge)), NEAR)
    return Falls(member, kept, kind, jaccard, containment, bounded)


def _by_later(edges: Edges, members: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(numbers of the edges in this order, bounds by member, earlier ends): each edge at the later of its ends."""
    later, earlier = np.maximum(edges.left, edges.right), np.minimum(edges.left, edges.right)
    found = pc.index_in(edges.kind, value_set=pa.array(KINDS, edges.kind.type))
    kinds = pc.fill_null(found, len(KINDS)).to_numpy(zero_copy_only=False)
    order = np.lexsort((kinds, earlier, later))
    bounds = np.searchsorted(later[order], np.arange(members + 1)).astype(np.int64)
    return order, bounds, np.ascontiguousarray(earlier[order])


def _languages(members: Members) -> int:
    return int(members.language.max(initial=0)) + 1


_Index = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]
_NO_INDEX: _Index = (
    np.zeros(0, np.int64),
    np.zeros(0, np.int64),
    np.zeros(0, np.int64),
    np.zeros(0, np.int32),
    np.zeros(0, np.int64),
)


def _index(hashes: np.ndarray, sets: StoredSets, first: int, last: int) -> _Index:
    """Room for an index of the sampled shingles of members first:last, which ``walking.walk`` fills.

    Bounds by member, codes of its shingles, where each code's list of members begins, lists, and their lengths.
    """
    begin, end = sets.begin[first:last], sets.end[first:last]
    total = int((end - begin).sum())
    limit = np.uint64(min((1 << 64) - 1, int((1 << 64) * (MOST_SAMPLED / max(total, 1)))))
    ends = np.empty(last - first, np.int64)
    sampled = np.empty(walking.sample_ends(hashes, begin, end, limit, LEAST_SAMPLED, ends), np.uint64)
    bounds = np.empty(last - first + 1, np.int64)
    walking.copy_samples(hashes, begin, ends, bounds, sampled)
    names, codes, times = np.unique(sampled, return_inverse=True, return_counts=True)
    room = np.minimum(times, MOST_COMPARED)
    listed_from = np.cumsum(room) - room
    lists = np.empty(int(room.sum()), np.int32)
    return bounds, codes.astype(np.int64), listed_from, lists, np.zeros(len(names), np.int64)
