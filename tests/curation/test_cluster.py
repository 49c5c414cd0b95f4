"""Clusters at scale: any graph, in any partitions, comes out as union-find has it, in few rounds."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from hanji.curation.dedup.unions import smallest_of_component
from hanji.curation.engines.local import LocalEngine
from hanji.curation.ids import from_halves, unpacked
from hanji.curation.steps import cluster
from hanji.curation.steps.cluster import components
from hanji.curation.work import Attempt, Outcome, Runner, Step, Unit
from hanji.progress import SilentProgress
from hanji.storage import Storage

Pairs = list[tuple[int, int]]


def names(count: int, seed: int) -> list[str]:
    """Ids in an order of chance, as hashes are."""
    rng = np.random.default_rng(seed)
    high, low = rng.integers(0, 2**64, (2, count), np.uint64)
    found: list[str] = unpacked(from_halves(high, low)).to_pylist()
    return found


def write_edges(attempt: Attempt, pairs: list[tuple[str, str]]) -> Outcome:
    columns = list(zip(*pairs, strict=True)) or [(), ()]
    table = pa.table({name: pa.array(c, pa.large_string()) for name, c in zip("ab", columns, strict=True)})
    attempt.write_table("edges", "edges", table)
    return Outcome()


def clusters(path: Path, pairs: list[tuple[str, str]], partitions: int) -> tuple[dict[str, str], int]:
    """(the cluster of each document, rounds)."""
    runner = Runner(Storage(path), LocalEngine(1), SilentProgress(), None)
    cuts = [pairs[place::partitions] for place in range(partitions)]
    edges = runner.map(
        Step("edges", 1, write_edges), [Unit(f"p{place:05d}", place, cut) for place, cut in enumerate(cuts)]
    )
    found: dict[str, str] = {}
    for commit in components(runner, edges, partitions):
        table = runner.run.read_table(commit.files["clusters"].path)
        assert table["id"].to_pylist() == sorted(table["id"].to_pylist())
        assert not found.keys() & set(table["id"].to_pylist())
        found |= dict(zip(table["id"].to_pylist(), table["cluster"].to_pylist(), strict=True))
    return found, sum(report.name == "cluster-round" for report in runner.reports)


def expected(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Depth-first search over neighbours."""
    neighbours: dict[str, list[str]] = {}
    for a, b in pairs:
        neighbours.setdefault(a, []).append(b)
        neighbours.setdefault(b, []).append(a)
    found: dict[str, str] = {}
    for start in sorted(neighbours):
        todo = [start] if start not in found else []
        while todo:
            node = todo.pop()
            if node not in found:
                found[node] = start
                todo += neighbours[node]
    return found


GRAPHS: dict[str, tuple[int, Pairs]] = {
    "a path": (2_000, list(itertools.pairwise(range(2_000)))),
    "a star": (2_000, [(0, leaf) for leaf in range(1, 2_000)]),
    "a clique": (60, list(itertools.combinations(range(60), 2))),
    "cliques in a ring": (
        200,
        [
            pair
            for c in range(0, 200, 10)
            for pair in [*itertools.combinations(range(c, c + 10), 2), (c, (c + 10) % 200)]
        ],
    ),
    "a tree": (1_500, [((child - 1) // 2, child) for child in range(1, 1_500)]),
    "pairs": (1_000, [(n, n + 1) for n in range(0, 1_000, 2)]),
    "edges twice and loops": (10, [(1, 2), (2, 1), (1, 2), (3, 3), (4, 5)]),
}


@pytest.mark.parametrize("joined", [1, 1_000_000])
@pytest.mark.parametrize("graph", GRAPHS)
def test_every_shape_of_graph_falls_into_its_components(
    tmp_path: Path, graph: str, joined: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "JOINED_EDGES", joined)
    count, pairs = GRAPHS[graph]
    of = names(count, len(graph))
    named = [(min(of[a], of[b]), max(of[a], of[b])) for a, b in pairs]
    found, rounds = clusters(tmp_path, named, 5)
    assert found == expected([(a, b) for a, b in named if a != b])
    assert (1 <= rounds <= 8) if joined == 1 else rounds == 0


def test_random_graphs_do_not_depend_on_partitions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "JOINED_EDGES", 40)
    rng = np.random.default_rng(7)
    of = names(600, 7)
    pairs = [
        (min(a, b), max(a, b)) for a, b in (rng.choice(of, 2, replace=False).tolist() for _ in range(420))
    ]
    results = [clusters(tmp_path / str(n), pairs, n)[0] for n in (1, 3, 16)]
    assert results[0] == results[1] == results[2] == expected(pairs)


@pytest.mark.slow
def test_a_chain_of_a_hundred_thousand_documents_is_one_cluster_in_few_rounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "JOINED_EDGES", 1)
    of = names(100_000, 3)
    pairs = [(min(p), max(p)) for p in itertools.pairwise(of)]
    found, rounds = clusters(tmp_path, pairs, 16)
    assert len(found) == 100_000 and set(found.values()) == {min(of)}
    assert rounds <= 20


def test_unions_have_their_smallest_node_as_root() -> None:
    rng = np.random.default_rng(1)
    left, right = rng.integers(0, 500, (2, 300))
    roots = smallest_of_component(500, left, right)
    groups = expected([(f"{a:03d}", f"{b:03d}") for a, b in zip(left, right, strict=True)])
    assert [int(groups.get(f"{node:03d}", node)) for node in range(500)] == roots.tolist()
