"""Cluster: connected components of the verified edges, partition-parallel and bounded by disk.

Every edge lies at the homes of both its ends. (At home a document is here by the last bits of its id, not by the
first: the smallest of a cluster, where its edges meet, would mostly be in the first ranges.) In each round a task
joins all edges that lie in its partitions (union-find in memory) and hangs every node of a component on its
smallest one; these new edges are sent to the homes of their ends. That is hash-to-min (Rastogi et al., "Finding
Connected Components in Map-Reduce in Logarithmic Rounds", 2013) with each task's edges contracted first, as Kiveris
et al. (2014) hang neighbours on the smallest. A round never takes a component apart, for the new edges of a task
connect what its old ones did, and the smallest neighbour of a node never grows.

All is settled when every node has either one smaller neighbour and no larger one, or larger ones only: then each
component is a star around its smallest node. Each task sees that of its own nodes, and when all do, the edges that
came to that round are the clusters, and go to the ranges of ids. A task sees some JOINED_EDGES, or as many edges as
the largest component has members, at the home of its smallest.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from hanji.curation.columns import pieces
from hanji.curation.dedup.unions import smallest_of_component
from hanji.curation.delivery import receiving_units, release
from hanji.curation.exchange import Index, Stretch, id_partition, receive, send
from hanji.curation.ids import PACKED, codes, halves, packed, tails, unpacked
from hanji.curation.records import TEXT
from hanji.curation.work import Attempt, Commit, Outcome, Runner, Step, Unit, task_with
from hanji.errors import RunError

VERSION = 3
ARCS = pa.schema([("node", PACKED), ("neighbour", PACKED)])
FOUND = pa.schema([("id", PACKED), ("cluster", PACKED)])
CLUSTERS = pa.schema([("id", TEXT), ("cluster", TEXT)])
MAX_ROUNDS = 64
JOINED_EDGES = 250_000


def components(runner: Runner, edges: list[Commit], partitions: int) -> list[Commit]:
    """Run rounds until all is settled; returns commits of relations/clusters (id, cluster) by id range.

    A task joins the edges of as many neighbouring ranges as hold JOINED_EDGES together. Raises RunError if it has
    not settled after MAX_ROUNDS rounds (log² of the longest path suffices).
    """
    groups = pieces(np.array([commit.files["edges"].rows or 0 for commit in edges]), JOINED_EDGES)
    # What one task has joined is settled.
    alone = len(groups) == 1
    start = Step("cluster-start", VERSION, task_with(_start, partitions, alone), params=[partitions, alone])
    arcs = runner.map(
        start,
        [
            Unit(edges[low].unit, [commit.content() for commit in edges[low:high]], edges[low:high])
            for low, high in groups
        ],
    )
    if not alone:
        arcs = _rounds(runner, arcs, partitions)
    units = receiving_units(runner, "cluster", arcs, "found", partitions)
    clusters = runner.map(Step("cluster", VERSION, _finish, params=partitions), units)
    release(runner, arcs, "found")
    return clusters


def _rounds(runner: Runner, arcs: list[Commit], partitions: int) -> list[Commit]:
    """Rounds of as many tasks as there are senders, until all is settled; the commits of the last round."""
    bounds = [partitions * place // len(arcs) for place in range(len(arcs) + 1)]
    for number in range(MAX_ROUNDS):
        units = receiving_units(runner, "cluster-round", arcs, "arcs", partitions)
        step = Step("cluster-round", VERSION, task_with(_round, partitions), params=[partitions, number])
        joined = runner.map(step, [_together(units[low:high]) for low, high in pairwise(bounds)])
        release(runner, arcs, "arcs")
        if all(commit.info["settled"] for commit in joined):
            release(runner, joined, "arcs")
            return joined
        arcs = joined
    raise RunError(f"clusters did not settle in {MAX_ROUNDS} rounds")


def _together(units: list[Unit]) -> Unit:
    """One unit that receives what several neighbouring ones would."""
    number, *_ = units[0].work
    parts = [part for unit in units for part in unit.work[1]]
    return Unit(units[0].name, [unit.inputs for unit in units], (number, parts, None))


def _start(attempt: Attempt, edges: list[Commit], partitions: int, alone: bool) -> Outcome:
    tables = [attempt.run.read_table(commit.files["edges"].path, ["a", "b"]) for commit in edges]
    left, right = (pa.concat_arrays([packed(table[name]) for table in tables]) for name in ("a", "b"))
    names, leaves, centres = _stars(left, right)
    if not alone:
        return Outcome(info={"arcs": _send_arcs(attempt, names, leaves, centres, partitions)})
    members = np.concatenate([leaves, np.unique(centres)])
    labels = np.concatenate([centres, np.unique(centres)])
    return Outcome(info={"found": _send_found(attempt, names, members, labels, partitions)})


def _round(attempt: Attempt, work: tuple[int, list[Stretch], Any], partitions: int) -> Outcome:
    """Hang all that lies in these partitions on the smallest node that it is connected with."""
    _, parts, _ = work
    arcs = receive(attempt.run, parts, ARCS)
    names, (node, neighbour) = codes(arcs["node"], arcs["neighbour"])
    settled = _are_settled(node, neighbour)
    index = _send_arcs(attempt, *_stars(arcs["node"], arcs["neighbour"]), partitions)
    info: dict[str, Any] = {"arcs": index, "settled": settled}
    if settled:
        smallest = np.arange(len(names))
        np.minimum.at(smallest, node, neighbour)
        members = np.unique(node)
        info["found"] = _send_found(attempt, names, members, smallest[members], partitions)
    return Outcome(info=info)


def _are_settled(node: np.ndarray, neighbour: np.ndarray) -> bool:
    """Whether each node has one smaller neighbour and no larger one, or larger ones only."""
    if not len(node):
        return True
    nodes = int(max(node.max(), neighbour.max())) + 1
    smaller = neighbour < node
    least, most = np.full(nodes, nodes), np.full(nodes, -1)
    np.minimum.at(least, node[smaller], neighbour[smaller])
    np.maximum.at(most, node[smaller], neighbour[smaller])
    has_smaller = most >= 0
    return bool((least[has_smaller] == most[has_smaller]).all() and not has_smaller[node[~smaller]].any())


def _stars(left: Any, right: Any) -> tuple[pa.Array, np.ndarray, np.ndarray]:
    """(ids, leaves, the centre of each) of a star around the smallest node of each component of these edges."""
    names, (one, other) = codes(left, right)
    smallest = smallest_of_component(len(names), one, other)
    leaves = np.flatnonzero(smallest != np.arange(len(names)))
    return names, leaves, smallest[leaves]


def _send_arcs(
    attempt: Attempt, names: pa.Array, leaves: np.ndarray, centres: np.ndarray, partitions: int
) -> Index:
    """Send each edge of stars to the homes of both of its ends."""
    arcs = pa.table(
        [
            names.take(pa.array(np.concatenate([leaves, centres]))),
            names.take(pa.array(np.concatenate([centres, leaves]))),
        ],
        schema=ARCS,
    )
    homes = tails(arcs["node"]) * partitions >> 32
    return send(attempt, "arcs", arcs, homes, partitions)


def _send_found(
    attempt: Attempt, names: pa.Array, members: np.ndarray, labels: np.ndarray, partitions: int
) -> Index:
    """Send each document and its cluster to the document's range of ids."""
    found = pa.table([names.take(pa.array(members)), names.take(pa.array(labels))], schema=FOUND)
    return send(attempt, "found", found, id_partition(found["id"], partitions), partitions)


def _finish(attempt: Attempt, work: tuple[int, list[Stretch], Any]) -> Outcome:
    """Write (id, cluster) of the members of clusters in this range of ids, sorted by id."""
    found = receive(attempt.run, work[1], FOUND)
    order = pa.array(np.lexsort(halves(found["id"])[::-1]))
    table = pa.table([unpacked(found[name].take(order)) for name in FOUND.names], schema=CLUSTERS)
    attempt.write_table("clusters", "relations/clusters", table)
    return Outcome(info={"members": len(table)})
