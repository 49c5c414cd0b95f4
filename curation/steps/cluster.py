"""Cluster: connected components of the verified edges, partition-parallel and bounded by disk.

Every edge lies at the homes of both its ends. (At home a document is here by the last bits of its id, not by the
first: the smallest of a cluster, where its edges meet, would mostly be in the first ranges.) In each round a task
joins all edges that lie in its partitions (union-find in memory) and hangs every node of a component on its
smallest one; these new edges are sent to the homes of their ends. That is hash-to-min (Rastogi et al., "Finding
Connected Components in Map-Reduce in Logarithmic Rounds", 2013) with each task's edges contracted first, as Kiveris
et al. (2014) hang neighbours on the smallest. A round never takes a component apart, for the new edges of a task
connect what its old ones did, and the smallest neighbour of a node never grows.

All is settled when every node has either one smaller neighbour and no larger one, or larger ones only: then
each component is a star around its smallest node. A component that is one already does not wait for the others.
With each edge of a star goes what its sender saw: LEAF, from the home of the leaf, which had this one neighbour
and no other and keeps it; CENTRE, from the home of the centre. At the home of a centre whose neighbours are all
larger, and all were seen as leaves, nothing else can be connected with them: each leaf had no other neighbour
to be hung on, and had the centre been hung elsewhere, it would have a smaller neighbour now. So they are a
cluster, and go to the ranges of ids. The centre's home says no more of them, and from an edge that the leaf's
home alone sends, the leaf's home knows that too. What is left goes on. A task sees some JOINED_EDGES, or as
many edges as the largest component has members, at the home of its smallest.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from hanji.curation.columns import pieces, run_bounds
from hanji.curation.dedup.unions import smallest_of_component
from hanji.curation.delivery import receiving_units, release
from hanji.curation.exchange import Index, Stretch, id_partition, receive, send
from hanji.curation.ids import PACKED, codes, halves, packed, tails, unpacked
from hanji.curation.records import TEXT
from hanji.curation.work import Attempt, Commit, Outcome, Runner, Step, Unit, task_with
from hanji.errors import RunError

VERSION = 4
ARCS = pa.schema([("node", PACKED), ("neighbour", PACKED), ("seen", pa.uint8())])
LEAF, CENTRE = 1, 2
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
    found = arcs if alone else _rounds(runner, arcs, partitions)
    units = receiving_units(runner, "cluster", found, "found", partitions)
    if not alone:
        rest = receiving_units(runner, "cluster", found[-len(groups) :], "rest", partitions)
        units = [_together(list(both)) for both in zip(units, rest, strict=True)]
    clusters = runner.map(Step("cluster", VERSION, _finish, params=partitions), units)
    release(runner, found, "found", *([] if alone else ["rest"]))
    return clusters


def _rounds(runner: Runner, arcs: list[Commit], partitions: int) -> list[Commit]:
    """Rounds of as many tasks as there are senders, until all is settled; the commits that found clusters."""
    bounds = [partitions * place // len(arcs) for place in range(len(arcs) + 1)]
    found: list[Commit] = []
    for number in range(MAX_ROUNDS):
        units = receiving_units(runner, "cluster-round", arcs, "arcs", partitions)
        step = Step("cluster-round", VERSION, task_with(_round, partitions), params=[partitions, number])
        joined = runner.map(step, [_together(units[low:high]) for low, high in pairwise(bounds)])
        release(runner, arcs, "arcs")
        found += joined
        if all(commit.info["settled"] for commit in joined):
            release(runner, joined, "arcs")
            return found
        arcs = joined
    raise RunError(f"clusters did not settle in {MAX_ROUNDS} rounds")


def _together(units: list[Unit]) -> Unit:
    """One unit that receives what several would."""
    number, *_ = units[0].work
    parts = [part for unit in units for part in unit.work[1]]
    return Unit(units[0].name, [unit.inputs for unit in units], (number, parts, None))


def _start(attempt: Attempt, edges: list[Commit], partitions: int, alone: bool) -> Outcome:
    tables = [attempt.run.read_table(commit.files["edges"].path, ["a", "b"]) for commit in edges]
    left, right = (pa.concat_arrays([packed(table[name]) for table in tables]) for name in ("a", "b"))
    names, (one, other) = codes(left, right)
    leaves, centres = _stars(len(names), one, other)
    if not alone:
        seen = np.zeros(len(leaves), np.uint8)
        return Outcome(info={"arcs": _send_arcs(attempt, names, leaves, centres, seen, partitions)})
    members, labels = _members(leaves, centres)
    return Outcome(info={"found": _send_found(attempt, "found", names, members, labels, partitions)})


def _round(attempt: Attempt, work: tuple[int, list[Stretch], Any], partitions: int) -> Outcome:
    """Send on the clusters that are whole, and hang the rest on the smallest node that it is connected with."""
    _, parts, _ = work
    arcs = receive(attempt.run, parts, ARCS)
    names, (node, neighbour) = codes(arcs["node"], arcs["neighbour"])
    node, neighbour, seen = _distinct(node, neighbour, arcs["seen"].to_numpy())
    leaf, centre = _roles(len(names), node, neighbour)
    # Of every node the bits that all of its edges have.
    common = np.full(len(names), LEAF | CENTRE, np.uint8)
    np.bitwise_and.at(common, node, seen)
    whole = centre & (common == LEAF | CENTRE)
    told = (centre | leaf) & (common == LEAF)
    rows = whole[node]
    members, labels = _members(neighbour[rows], node[rows])
    # The leaves of a cluster that is whole are done here too, where they are at home.
    done = told | whole
    done[neighbour[rows]] = True
    left = ~done[node]
    node, neighbour = node[left], neighbour[left]
    settled = bool((leaf | centre)[node].all())
    own = np.unique(node) if settled else node[:0]
    smallest = np.arange(len(names))
    np.minimum.at(smallest, node, neighbour)
    leaves, centres = _stars(len(names), node, neighbour)
    single = np.full(len(names), -1)
    here = leaf[node]
    single[node[here]] = neighbour[here]
    at_home = np.zeros(len(names), bool)
    at_home[node] = True
    seen = LEAF * (single[leaves] == centres) + CENTRE * at_home[centres]
    return Outcome(
        info={
            "arcs": _send_arcs(attempt, names, leaves, centres, seen.astype(np.uint8), partitions),
            "found": _send_found(attempt, "found", names, members, labels, partitions),
            # What counts if all is settled everywhere. Some of it was found elsewhere in this round.
            "rest": _send_found(attempt, "rest", names, own, smallest[own], partitions),
            "settled": settled,
        }
    )


def _distinct(
    node: np.ndarray, neighbour: np.ndarray, seen: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each (node, neighbour) once, with all that was seen of it."""
    order = np.lexsort((neighbour, node))
    node, neighbour, seen = node[order], neighbour[order], seen[order]
    starts, _ = run_bounds(node, neighbour)
    return node[starts], neighbour[starts], np.bitwise_or.reduceat(seen, starts) if len(starts) else seen


def _roles(nodes: int, node: np.ndarray, neighbour: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(which nodes have one neighbour, a smaller one; which have larger neighbours only); bool[nodes] each."""
    smaller = np.bincount(node[neighbour < node], minlength=nodes)
    larger = np.bincount(node[neighbour > node], minlength=nodes)
    return (smaller == 1) & (larger == 0), (smaller == 0) & (larger > 0)


def _stars(nodes: int, one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(leaves, the centre of each) of a star around the smallest node of each component of these edges."""
    smallest = smallest_of_component(nodes, one, other)
    leaves = np.flatnonzero(smallest != np.arange(nodes))
    return leaves, smallest[leaves]


def _members(leaves: np.ndarray, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(members, the cluster of each) of stars: their leaves and their centres."""
    own = np.unique(centres)
    return np.concatenate([leaves, own]), np.concatenate([centres, own])


def _send_arcs(
    attempt: Attempt,
    names: pa.Array,
    leaves: np.ndarray,
    centres: np.ndarray,
    seen: np.ndarray,
    partitions: int,
) -> Index:
    """Send each edge of stars to the homes of both of its ends."""
    arcs = pa.table(
        [
            names.take(pa.array(np.concatenate([leaves, centres]))),
            names.take(pa.array(np.concatenate([centres, leaves]))),
            pa.array(np.concatenate([seen, seen])),
        ],
        schema=ARCS,
    )
    homes = tails(arcs["node"]) * partitions >> 32
    return send(attempt, "arcs", arcs, homes, partitions)


def _send_found(
    attempt: Attempt, channel: str, names: pa.Array, members: np.ndarray, labels: np.ndarray, partitions: int
) -> Index:
    """Send each document and its cluster to the document's range of ids."""
    found = pa.table([names.take(pa.array(members)), names.take(pa.array(labels))], schema=FOUND)
    return send(attempt, channel, found, id_partition(found["id"], partitions), partitions)


def _finish(attempt: Attempt, work: tuple[int, list[Stretch], Any]) -> Outcome:
    """Write (id, cluster) of the members of clusters in this range of ids, sorted by id."""
    found = receive(attempt.run, work[1], FOUND)
    high, low = halves(found["id"])
    order = np.lexsort((low, high))
    first, _ = run_bounds(high[order], low[order])
    order = pa.array(order[first])
    table = pa.table([unpacked(found[name].take(order)) for name in FOUND.names], schema=CLUSTERS)
    attempt.write_table("clusters", "relations/clusters", table)
    return Outcome(info={"members": len(table)})
