"""Survive: of the clusters whose members are at one place, who stays and who falls to whom.

1. *ask*, by cluster: what verified edges alone do not decide; those documents are asked for at their homes.
2. *answer*, by id: the texts of the documents that were asked for, sent to their clusters.
3. *survive*, by cluster: the walk (:mod:`hanji.curation.decisions.survivors`), with shingle sets of those texts;
   the fate of every member, sent back by id.

A cluster may have a million members. What is held of each is a row of facts, and 8 bytes an edge; shingle sets
lie on disk (:mod:`hanji.curation.dedup.stored`), and texts are held a message at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hanji.curation.columns import flat
from hanji.curation.decisions.survivors import (
    NO_LANGUAGE,
    Edges,
    Falls,
    Members,
    compared_languages,
    grounds,
    rank_order,
    spared,
    undecided,
    walk,
    without_near,
)
from hanji.curation.dedup.stored import StoredSets
from hanji.curation.exchange import Stretch, id_partition, receive, receive_each, send, sending
from hanji.curation.ids import PACKED, flat_packed, packed, unpacked
from hanji.curation.recipe import Dedup
from hanji.curation.records import TEXT
from hanji.curation.work import Attempt, Commit, Outcome
from hanji.storage import Storage

ANSWER_BYTES = 32 << 20
"""Texts that are cut into shingles together, if one message of them is not more."""
MOST_TOLD = 20
"""Oversized clusters that a partition tells of, the largest."""
MOST_SOURCES = 8

MEMBERS = pa.schema(
    [
        ("cluster", PACKED),
        ("id", PACKED),
        ("source", TEXT),
        ("passes", pa.bool_()),
        ("language", TEXT),
        ("score", pa.float64()),
        ("bytes", pa.int64()),
        ("date", TEXT),
        ("occurrences", pa.int64()),
    ]
)
CLUSTER_EDGES = pa.schema(
    [
        ("cluster", PACKED),
        ("a", PACKED),
        ("b", PACKED),
        ("kind", TEXT),
        ("jaccard", pa.float64()),
        ("containment", pa.float64()),
    ]
)
ASKED = pa.schema([("id", PACKED), ("cluster", PACKED)])
ANSWERS = pa.schema([("id", PACKED), ("text", TEXT)])
FATES = pa.schema(
    [
        ("id", PACKED),
        ("cluster", PACKED),
        ("cluster_size", pa.int64()),
        ("cluster_occurrences", pa.int64()),
        ("duplicate_of", PACKED),
        ("kind", TEXT),
        ("jaccard", pa.float64()),
        ("containment", pa.float64()),
    ]
)


@dataclass(frozen=True)
class Clusters:
    """The clusters of one partition.

    ``table`` has a row for every member, those of a cluster together, from best to worst; ``starts`` int64 as in
    :class:`Members`; ``edges`` are between rows of the table. ``rows`` int64 are those that passed all other rules,
    and ``members`` and ``standing_edges`` what is walked of them.
    """

    table: pa.Table
    starts: np.ndarray
    edges: Edges
    rows: np.ndarray
    members: Members
    standing_edges: Edges

    def sizes(self) -> np.ndarray:
        """Documents of each cluster; int64."""
        return np.diff(self.starts)

    def ids(self, rows: np.ndarray) -> pa.Array:
        """Packed ids of rows of the table."""
        return flat_packed(self.table["id"]).take(pa.array(rows))


def read_clusters(
    run: Storage, member_parts: list[Stretch], edge_parts: list[Stretch], settings: Dedup
) -> Clusters:
    """What has arrived of a partition, in the order of the walk."""
    table = receive(run, member_parts, MEMBERS)
    columns = [table[name] for name in ("cluster", "score", "bytes", "date", "id")]
    table = table.take(pa.array(rank_order(*columns))).combine_chunks()
    cluster = flat_packed(table["cluster"])
    new = np.ones(len(table) + 1, bool)
    if len(table):
        new[1:-1] = np.asarray(pc.not_equal(cluster.slice(1), cluster.slice(0, len(table) - 1)), bool)
    starts = np.flatnonzero(new) if len(table) else np.zeros(1, np.int64)
    edges = _edges(receive(run, edge_parts, CLUSTER_EDGES), flat_packed(table["id"]))

    passes = np.asarray(table["passes"], bool)
    rows = np.flatnonzero(passes)
    place = np.full(len(table), -1, np.int64)
    place[rows] = np.arange(len(rows))
    codes = _language_codes(table["language"].take(pa.array(rows)), settings)
    spare = np.repeat(spared(settings, np.diff(starts)), np.diff(starts))[rows]
    members = Members(np.append(0, np.cumsum(passes))[starts], codes)
    members, standing = without_near(members, edges.between(place), spare)
    return Clusters(table, starts, edges, rows, members, standing)


def _edges(table: pa.Table, ids: pa.Array) -> Edges:
    left, right = (
        pc.index_in(flat_packed(table[end]), value_set=ids).to_numpy(zero_copy_only=False).astype(np.int64)
        for end in ("a", "b")
    )
    likeness = [table[name].to_numpy() for name in ("jaccard", "containment")]
    return Edges(left, right, flat(table["kind"]), *likeness)


def _language_codes(column: pa.ChunkedArray, settings: Dedup) -> np.ndarray:
    found = pc.index_in(column, value_set=pa.array(list(compared_languages(settings)), TEXT))
    codes: np.ndarray = pc.fill_null(found, NO_LANGUAGE).to_numpy().astype(np.int64)
    return codes


def ask(
    attempt: Attempt, work: tuple[int, list[Stretch], list[Stretch]], settings: Dedup, partitions: int
) -> Outcome:
    """Ask for the documents that have to be compared, at their homes."""
    _, member_parts, edge_parts = work
    clusters = read_clusters(attempt.run, member_parts, edge_parts, settings)
    rows = clusters.rows[undecided(clusters.members, clusters.standing_edges)]
    asked = clusters.table.select(ASKED.names).take(pa.array(rows)).sort_by("id")
    index = send(attempt, "asked", asked, id_partition(asked["id"], partitions), partitions)
    return Outcome(info={"asked": index, "documents": len(asked)})


def answer(attempt: Attempt, work: tuple[int, list[Stretch], Commit], partitions: int) -> Outcome:
    """Send the texts that were asked for to their clusters, a row group at a time."""
    _, parts, gathered = work
    asked = receive(attempt.run, parts, ASKED)
    ids = flat_packed(asked["id"])
    with sending(attempt, "answers", partitions) as sender:
        for group in (
            attempt.run.table_groups(gathered.files["text"].path, ["id", "text"]) if len(ids) else ()
        ):
            here = packed(group["id"])
            place = pc.index_in(here, value_set=ids)
            rows = np.flatnonzero(np.asarray(pc.is_valid(place), bool))
            cluster = flat_packed(asked["cluster"]).take(place.take(pa.array(rows)))
            found = pa.table({"id": here.take(pa.array(rows)), "text": group["text"].take(pa.array(rows))})
            sender.add(found.cast(ANSWERS), id_partition(cluster, partitions))
    return Outcome(info={"answers": sender.index})


def survive(
    attempt: Attempt,
    work: tuple[int, list[Stretch], list[Stretch], list[Stretch]],
    settings: Dedup,
    partitions: int,
) -> Outcome:
    """Walk every cluster of this partition and send each member's fate to its home."""
    _, member_parts, edge_parts, answer_parts = work
    clusters = read_clusters(attempt.run, member_parts, edge_parts, settings)
    with StoredSets(len(clusters.rows)) as sets:
        _store(attempt.run, answer_parts, clusters, sets, settings)
        falls = walk(clusters.members, clusters.standing_edges, sets, settings.minhash)
    fates = _fates(clusters, falls)
    return Outcome(
        info={
            "fates": send(attempt, "fates", fates, id_partition(fates["id"], partitions), partitions),
            "clusters": len(clusters.starts) - 1,
            "compared": int((sets.end > sets.begin).sum()),
            "bounded": falls.bounded,
            "losses": _losses(clusters, falls, settings),
            "oversized": _oversized(clusters, settings),
        }
    )


def _store(run: Storage, parts: list[Stretch], clusters: Clusters, sets: StoredSets, settings: Dedup) -> None:
    """Cut the texts that came into shingles, some at a time."""
    shingles = list(compared_languages(settings).values())
    ids = clusters.ids(clusters.rows)

    def store(tables: list[pa.Table]) -> None:
        table = pa.concat_tables(tables)
        found = pc.index_in(flat_packed(table["id"]), value_set=ids)
        places = found.to_numpy(zero_copy_only=False).astype(np.int64)
        sets.add(places, clusters.members.language[places], table["text"], shingles)

    waiting: list[pa.Table] = []
    for table in receive_each(run, parts):
        waiting.append(table)
        if sum(one.nbytes for one in waiting) >= ANSWER_BYTES:
            store(waiting)
            waiting = []
    if waiting:
        store(waiting)


def _fates(clusters: Clusters, falls: Falls) -> pa.Table:
    sizes = clusters.sizes()
    occurrences = np.append(0, np.cumsum(clusters.table["occurrences"].to_numpy()))[clusters.starts]
    rows = len(clusters.table)
    place = np.full(rows, -1, np.int64)
    place[clusters.rows[falls.member]] = np.arange(len(falls.member))
    index = pa.array(place, mask=place < 0)
    return pa.table(
        {
            "id": clusters.table["id"],
            "cluster": clusters.table["cluster"],
            "cluster_size": np.repeat(sizes, sizes),
            "cluster_occurrences": np.repeat(np.diff(occurrences), sizes),
            "duplicate_of": clusters.ids(clusters.rows[falls.kept]).take(index),
            "kind": falls.kind.take(index),
            "jaccard": pa.array(falls.jaccard).take(index),
            "containment": pa.array(falls.containment).take(index),
        }
    ).cast(FATES)


def _losses(clusters: Clusters, falls: Falls, settings: Dedup) -> dict[str, dict[str, dict[str, int]]]:
    """How many documents fell: by source, by rule, by source of the kept document."""
    source = clusters.table["source"]
    rule, _, _ = grounds(falls.kind, falls.jaccard, falls.containment, settings)
    table = pa.table(
        {
            "source": source.take(pa.array(clusters.rows[falls.member])),
            "rule": rule,
            "to": source.take(pa.array(clusters.rows[falls.kept])),
        }
    )
    counted = table.group_by(["source", "rule", "to"]).aggregate([([], "count_all")])
    losses: dict[str, dict[str, dict[str, int]]] = {}
    for row in counted.to_pylist():
        losses.setdefault(row["source"], {}).setdefault(row["rule"], {})[row["to"]] = row["count_all"]
    return losses


def _oversized(clusters: Clusters, settings: Dedup) -> dict[str, Any]:
    """How many clusters are larger than the recipe's max_cluster, and what the largest are like."""
    sizes = clusters.sizes()
    if settings.max_cluster is None:
        return {"clusters": 0, "documents": 0, "largest": []}
    over = np.flatnonzero(sizes > settings.max_cluster)
    largest = over[np.argsort(-sizes[over], kind="stable")][:MOST_TOLD]
    of = np.searchsorted(clusters.starts, clusters.edges.left, "right") - 1
    return {
        "clusters": len(over),
        "documents": int(sizes[over].sum()),
        "largest": [
            _told(clusters, number, clusters.edges.take(of == number)) for number in largest.tolist()
        ],
    }


def _told(clusters: Clusters, number: int, edges: Edges) -> dict[str, Any]:
    """A cluster for the report: its size, its sources, and how alike its verified pairs are."""
    first, last = clusters.starts[number : number + 2].tolist()
    table = clusters.table.slice(first, last - first)
    sources = {row["values"]: row["counts"] for row in pc.value_counts(table["source"]).to_pylist()}
    most = sorted(sources.items(), key=lambda item: (-item[1], item[0]))[:MOST_SOURCES]
    least = np.lexsort((edges.right, edges.left, edges.jaccard))[:1]
    pair = unpacked(clusters.ids(np.concatenate([edges.left[least], edges.right[least]]))).to_pylist()
    return {
        "cluster": unpacked(table["cluster"].slice(0, 1))[0].as_py(),
        "documents": last - first,
        "passing": int(pc.sum(table["passes"]).as_py()),
        "sources": dict(most),
        "other_sources": len(sources) - len(most),
        "jaccard": np.quantile(edges.jaccard, (0, 0.25, 0.5, 0.75, 1)).round(4).tolist(),
        "least_alike": sorted(pair),
    }
