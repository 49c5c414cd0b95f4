"""Connected components of a graph in memory: union-find whose roots are the smallest nodes."""

from __future__ import annotations

import numpy as np

from hanji.curation.signals.compiled import pure_kernel


def smallest_of_component(nodes: int, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """For each of ``nodes`` nodes the smallest one of its component; int64. ``left``, ``right``: int64, edges."""
    parents = np.arange(nodes, dtype=np.int64)
    _join(np.ascontiguousarray(left, np.int64), np.ascontiguousarray(right, np.int64), parents)
    return parents


@pure_kernel
def _join(left: np.ndarray, right: np.ndarray, parents: np.ndarray) -> None:
    """Union-find with path halving (Tarjan and van Leeuwen 1984); a parent is never larger than its child."""
    for edge in range(len(left)):
        a = left[edge]
        b = right[edge]
        while parents[a] != a:
            parents[a] = parents[parents[a]]
            a = parents[a]
        while parents[b] != b:
            parents[b] = parents[parents[b]]
            b = parents[b]
        if a < b:
            parents[b] = a
        elif b < a:
            parents[a] = b
    for node in range(len(parents)):
        parents[node] = parents[parents[node]]
