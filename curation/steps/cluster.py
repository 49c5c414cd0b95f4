"""Cluster: connected components of the verified edges, partition-parallel and bounded by disk.

Large-star and small-star rounds (Kiveris et al., "Connected Components in MapReduce and Beyond", 2014):
each round every node tells its larger (then its smaller) neighbours of its smallest one, until no edge
changes; then every node of a component hangs on its smallest id, which is the cluster's label. Each round is
one exchange by node; no task sees more than its range of ids.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hanji.curation.columns import flat
from hanji.curation.exchange import (
    Stretch,
    id_partition,
    receive,
    receiving_units,
    send,
    stretches,
)
from hanji.curation.records import TEXT
from hanji.curation.work import Attempt, Commit, Outcome, Runner, Step, Unit, task_with
from hanji.errors import RunError

VERSION = 1
ARCS = pa.schema([("node", TEXT), ("neighbour", TEXT)])
MAX_ROUNDS = 64


def components(runner: Runner, edges: list[Commit], partitions: int) -> list[Commit]:
    """Run rounds until nothing changes; returns commits of relations/clusters (id, cluster) by id range.

    Raises RunError if it has not settled after MAX_ROUNDS rounds (log² of the longest path suffices).
    """
    start = Step("cluster-start", VERSION, task_with(_start, partitions), params=partitions)
    arcs = runner.map(start, [_unit(commit) for commit in edges])
    previous: list[str] | None = None
    for number in range(MAX_ROUNDS):
        for kind in ("large", "small"):
            step = Step(
                f"cluster-{kind}",
                VERSION,
                task_with(_star, kind == "large", partitions),
                params=[partitions, number],
            )
            arcs = runner.map(step, receiving_units(runner, step.name, arcs, "arcs", partitions))
        state = [commit.info["state"] for commit in arcs]
        if state == previous or not stretches(arcs, "arcs"):
            break
        previous = state
    else:
        raise RunError(f"clusters did not settle in {MAX_ROUNDS} rounds")
    finish = Step("cluster", VERSION, _finish, params=partitions)
    return runner.map(finish, receiving_units(runner, finish.name, arcs, "arcs", partitions))


def _unit(commit: Commit) -> Unit:
    return Unit(commit.unit, commit.content(), commit)


def _start(attempt: Attempt, edges: Commit, partitions: int) -> Outcome:
    table = attempt.run.read_table(edges.files["edges"].path, ["a", "b"])
    return _send_both_ways(attempt, table["a"], table["b"], partitions)


def _send_both_ways(attempt: Attempt, left: Any, right: Any, partitions: int) -> Outcome:
    """Send every edge to both of its ends; the state is a hash of the edges, independent of their order."""
    left, right = flat(left), flat(right)
    arcs = pa.table(
        {"node": pa.concat_arrays([left, right]), "neighbour": pa.concat_arrays([right, left])}
    ).cast(ARCS)
    index = send(attempt, "arcs", arcs, id_partition(arcs["node"], partitions))
    return Outcome(info={"arcs": index, "state": _state(left, right)})


def _star(attempt: Attempt, work: tuple[int, list[Stretch], Any], large: bool, partitions: int) -> Outcome:
    """One large-star or small-star over the nodes of this partition."""
    _, parts, _ = work
    names, node, neighbour = _codes(receive(attempt.run, parts, ARCS))
    if not len(names):
        return _send_both_ways(attempt, pa.array([], TEXT), pa.array([], TEXT), partitions)
    smallest = np.arange(len(names))
    np.minimum.at(smallest, node, neighbour)
    target = smallest[node]
    if large:
        chosen = neighbour > node
        ends, heads = neighbour[chosen], target[chosen]
    else:
        chosen = neighbour < node
        ends, heads = neighbour[chosen], target[chosen]
        # A node with smaller neighbours also hangs itself on the smallest.
        ends = np.concatenate([ends, node[chosen]])
        heads = np.concatenate([heads, target[chosen]])
    keep = ends != heads
    pairs = np.unique(np.stack([ends[keep], heads[keep]]), axis=1) if keep.any() else np.zeros((2, 0), int)
    return _send_both_ways(
        attempt, names.take(pa.array(pairs[0])), names.take(pa.array(pairs[1])), partitions
    )


def _finish(attempt: Attempt, work: tuple[int, list[Stretch], Any]) -> Outcome:
    """Write (id, cluster) of the nodes of this partition, sorted by id; the label is the smallest id."""
    _, parts, _ = work
    names, node, neighbour = _codes(receive(attempt.run, parts, ARCS))
    smallest = np.arange(len(names))
    np.minimum.at(smallest, node, neighbour)
    members = np.unique(node)
    table = pa.table(
        {"id": names.take(pa.array(members)), "cluster": names.take(pa.array(smallest[members]))}
    )
    attempt.write_table("clusters", "relations/clusters", table)
    return Outcome(info={"members": len(members)})


def _codes(arcs: pa.Table) -> tuple[pa.Array, np.ndarray, np.ndarray]:
    """(names sorted, node codes, neighbour codes): integers in the order of the ids."""
    node, neighbour = flat(arcs["node"]), flat(arcs["neighbour"])
    both = pa.concat_arrays([node, neighbour])
    names = pc.unique(both)
    names = names.take(pc.sort_indices(names))
    codes = pc.index_in(both, value_set=names).to_numpy(zero_copy_only=False).astype(np.int64)
    return names, codes[: len(node)], codes[len(node) :]


def _state(left: pa.Array, right: pa.Array) -> str:
    """Order-independent fingerprint of a set of edges."""
    lines = sorted(
        f"{min(a, b)}{max(a, b)}" for a, b in zip(left.to_pylist(), right.to_pylist(), strict=True)
    )
    return hashlib.blake2b("".join(lines).encode(), digest_size=16).hexdigest()
