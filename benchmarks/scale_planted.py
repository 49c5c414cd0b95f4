"""Planted clusters: band hashes of documents that never were, laid out so that the clusters are known.

A document's id is a hash of its number. Documents come in units; of each unit, ALONE are like no other, a chain
hangs together only from one to the next, and the rest are in clusters of 2 to LARGEST, whose members share band 0
and each other band with chance SHARED. Members of the hot bucket, spread over all units, share all bands with each
other. Pairs are believed without texts; clusters must be the planted ones, label by label, each member once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from hanji.curation.delivery import receiving_units, release
from hanji.curation.exchange import Stretch, hash_partition, id_partition, receive, send
from hanji.curation.ids import PACKED, from_halves, halves, packed, unpacked
from hanji.curation.steps.cluster import components
from hanji.curation.steps.relate import BUCKETS, NEAR, PAIRS, distinct_pairs, pair
from hanji.curation.work import Attempt, Commit, Outcome, Runner, Step, Unit, task_with

UNIT = 100_000
ALONE, CHAIN, LARGEST, SHARED = 0.7, 1_000, 20, 0.8
BANDS = 14
TRUTH = pa.schema([("id", PACKED), ("label", PACKED)])


@dataclass(frozen=True)
class Planted:
    """``documents`` in units of UNIT; ``hot`` of them, the first of each unit, share every band."""

    documents: int
    hot: int

    def units(self) -> int:
        return self.documents // UNIT


def mixed(values: np.ndarray, salt: int) -> np.ndarray:
    """splitmix64 (Steele et al. 2014) of integers; uint64."""
    with np.errstate(over="ignore"):
        x = values.astype(np.uint64) + np.uint64(salt * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def plant(attempt: Attempt, number: int, planted: Planted, partitions: int) -> Outcome:
    """Send the buckets of one unit's documents, and of those in clusters the label to the home of the id."""
    documents = np.arange(UNIT) + number * UNIT
    high, low = mixed(documents, 1), mixed(documents, 2)
    hot = planted.hot // planted.units()
    group = documents.copy()
    place = np.arange(UNIT)
    group[:hot] = -1
    group[hot : hot + CHAIN] = hot + number * UNIT
    rest = np.flatnonzero(place >= hot + CHAIN + int(ALONE * (UNIT - hot - CHAIN)))
    sizes = 2 + (mixed(np.arange(len(rest)), 100 + number) % np.uint64(LARGEST - 1)).astype(np.int64)
    starts = np.cumsum(sizes) - sizes
    starts = starts[starts < len(rest)]
    group[rest] = documents[rest[starts]][np.searchsorted(starts, np.arange(len(rest)), "right") - 1]
    chained = (place >= hot) & (place < hot + CHAIN)
    ids = from_halves(high, low)
    made = []
    for band in range(BANDS):
        alone = mixed(documents, 10 + band)
        together = mixed(group, 30 + band)
        shares = (band == 0) | (mixed(documents, 50 + band) < np.uint64(int(SHARED * 2.0**64)))
        hashes = np.where(shares | (group == -1), together, alone)
        # Of a chain, two neighbours share the band whose turn it is.
        step = (place - hot) // 2 if band % 2 == 0 else (place - hot + 1) // 2
        link = mixed(group + step, 70 + band % 2)
        hashes = np.where(chained, link if band < 2 else alone, hashes)
        made.append(hashes)
    every = np.concatenate(made)
    columns = [every, np.zeros(len(every), np.uint64), np.full(len(every), NEAR, np.uint8)]
    repeated = ids.take(pa.array(np.tile(np.arange(UNIT), BANDS)))
    table = pa.table([*columns, repeated], schema=BUCKETS)
    buckets = send(attempt, "buckets", table, hash_partition(every, partitions), partitions)
    label = _smallest(group, high, low)
    hot_rows = group == -1
    _, of, members = np.unique(group, return_inverse=True, return_counts=True)
    rows = np.flatnonzero(members[of] > 1)
    label_high, label_low = high[label], low[label]
    if hot:
        label_high[hot_rows], label_low[hot_rows] = _smallest_hot(planted)
    truth = pa.table([ids.take(pa.array(rows)), from_halves(label_high[rows], label_low[rows])], schema=TRUTH)
    home = id_partition(truth["id"], partitions)
    return Outcome(info={"buckets": buckets, "truth": send(attempt, "truth", truth, home, partitions)})


def _smallest(group: np.ndarray, high: np.ndarray, low: np.ndarray) -> np.ndarray:
    """For each document the row of the smallest id of its group."""
    order = np.lexsort((low, high, group))
    first = np.flatnonzero(np.append(True, group[order][1:] != group[order][:-1]))
    found = np.empty(len(group), np.int64)
    found[order] = np.repeat(order[first], np.diff(np.append(first, len(group))))
    return found


def _smallest_hot(planted: Planted) -> tuple[np.uint64, np.uint64]:
    each = planted.hot // planted.units()
    numbers = (np.arange(planted.units())[:, None] * UNIT + np.arange(each)[None, :]).reshape(-1)
    high, low = mixed(numbers, 1), mixed(numbers, 2)
    row = np.lexsort((low, high))[0]
    return high[row], low[row]


def believe(attempt: Attempt, work: tuple[int, list[Stretch], Any]) -> Outcome:
    """Write the candidate pairs as if each had been verified."""
    pairs = distinct_pairs(receive(attempt.run, work[1], PAIRS))
    edges = pa.table({"a": unpacked(pairs["a"]), "b": unpacked(pairs["b"])})
    attempt.write_table("edges", "relations/edges", edges)
    return Outcome(info={"edges": len(edges)})


def check(attempt: Attempt, work: tuple[int, list[Stretch], Commit]) -> Outcome:
    """Compare the clusters of a range of ids with the planted ones, id by id and label by label."""
    truth = receive(attempt.run, work[1], TRUTH)
    found = attempt.run.read_table(work[2].files["clusters"].path)
    order = np.lexsort(halves(truth["id"])[::-1])
    same = len(truth) == len(found)
    for column, name in (("id", "id"), ("label", "cluster")):
        ours = packed(found[name])
        same = same and bool(truth[column].take(pa.array(order)).combine_chunks().equals(ours))
    return Outcome(info={"members": len(truth), "same": same})


def run_planted(runner: Runner, planted: Planted, partitions: int) -> dict[str, Any]:
    """Candidate pairs and clusters of planted hashes. ``wrong``: ranges of ids with other clusters than planted."""
    facts = [planted.documents, planted.hot, partitions]
    step = Step("plant", 1, task_with(plant, planted, partitions), facts)
    sent = runner.map(step, [Unit(f"u{n:05d}", n, n) for n in range(planted.units())])
    paired = runner.map(
        Step("pair", 1, task_with(pair, partitions), facts),
        receiving_units(runner, "pair", sent, "buckets", partitions),
    )
    release(runner, sent, "buckets")
    edges = runner.map(
        Step("believe", 1, believe, facts), receiving_units(runner, "believe", paired, "pairs", partitions)
    )
    release(runner, paired, "pairs", "wanted")
    clusters = components(runner, edges, partitions)
    checked = runner.map(
        Step("check", 1, check, facts),
        receiving_units(runner, "check", sent, "truth", partitions, works=clusters),
    )
    return {
        "candidates": sum(commit.info["candidates"] for commit in paired),
        "edges": sum(commit.info["edges"] for commit in edges),
        "largest_bucket": max(commit.info["largest_bucket"] for commit in paired),
        "members": sum(commit.info["members"] for commit in checked),
        "rounds": sum(report.name == "cluster-round" for report in runner.reports),
        "wrong": sum(not commit.info["same"] for commit in checked),
        "sent": sum(
            report.bytes_written
            for report in runner.reports
            if report.name in ("pair", "pair-merge", "cluster-start", "cluster-round")
        ),
    }
