"""How relating grows: signatures from 100 thousand to 10 million, a bucket of a million, documents by the million.

    python -m benchmarks.scale [--signatures 100000 1000000 10000000] [--hot 1000000] [--documents 100000 2000000]

1. Planted band hashes (benchmarks/scale_planted.py) go through the steps *pair* and *cluster* as a run has them,
   with as many partitions as a run would choose. The clusters must be the planted ones.
2. The same with twice as many signatures as the hot bucket is large, half of which share every band.
3. Short made-up documents (benchmarks/scale_texts.py) go through a whole run, with the settings that a recipe has
   by default, two workers and no rules. Seconds, processor time and peak memory are told by step.

The bars: processor time from one size to the next grows no faster than n log n; peak memory of all processes grows
no more than ALLOWED; below MEMORY at the largest number of documents.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.harness import Row, report, say
from benchmarks.scale_planted import Planted, run_planted
from benchmarks.scale_texts import write_texts
from benchmarks.watching import Steps, Watched, watched
from hanji.curation.context import FEWEST_PARTITIONS, PARTITION_DOCUMENTS
from hanji.curation.engines.local import LocalEngine
from hanji.curation.pipeline import curate
from hanji.curation.recipe import CurationRecipe
from hanji.curation.work import Runner
from hanji.recipe import parse_recipe
from hanji.storage import Storage

WORKERS = 2
ALLOWED = 1.25
MEMORY = 4e9
WARM = 10_000
"""Documents in the largest bucket of runs of any size."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--signatures", type=int, nargs="*", default=[100_000, 1_000_000, 10_000_000])
    parser.add_argument(
        "--hot", type=int, default=1_000_000, help="bucket of the largest number of signatures"
    )
    parser.add_argument("--documents", type=int, nargs="*", default=[100_000, 2_000_000])
    parser.add_argument(
        "--hot-documents", type=int, default=100_000, help="of the largest number of documents"
    )
    parser.add_argument("--keep", help="directory in which the runs are left")
    parser.add_argument("--child", nargs=2, help="planted or documents, and its settings (JSON)")
    arguments = parser.parse_args()
    if arguments.child:
        say(json.dumps({"facts": CHILDREN[arguments.child[0]](json.loads(arguments.child[1]))}))
        return
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(arguments.keep or scratch)
        table = signatures(place, arguments.signatures)
        if arguments.hot:
            table += planted_run(place, 2 * arguments.hot, arguments.hot)[0]
        table += documents(place, arguments.documents, arguments.hot_documents, keep=bool(arguments.keep))
    report("Scale: relating from thousands to millions", table)


# -- planted band hashes ------------------------------------------------------------------------------------


def signatures(place: Path, sizes: Sequence[int]) -> list[Row]:
    """A row for each size, and one for each step from a size to the next."""
    table: list[Row] = []
    runs: list[tuple[int, Watched]] = []
    for size in sizes:
        rows, done = planted_run(place, size, WARM)
        table += rows
        runs.append((size, done))
    return table + _growth("signatures", runs) if runs else []


def planted_run(place: Path, size: int, hot: int) -> tuple[list[Row], Watched]:
    """Pairs and clusters of planted hashes, ``hot`` of which are in one bucket of each band."""
    settings: dict[str, Any] = {
        "run": str(place / f"planted-{size}-{hot}"),
        "documents": size,
        "hot": hot,
        "partitions": partitions_of(size),
    }
    done = watched("benchmarks.scale", "planted", settings)
    shutil.rmtree(settings["run"])
    facts = done.facts
    say(f"{size} signatures: {done.told()} {json.dumps(facts)}")
    row = Row(
        f"{size:,} signatures, {settings['partitions']} partitions, bucket of {facts['largest_bucket']:,}",
        "",
        f"{done.total(done.wall):.0f} s, {done.total(done.cpu):.0f} s of processor time, "
        f"{done.highest() / 1e6:.0f} MB, {facts['rounds']} rounds",
        f"{facts['members']:,} in clusters, {facts['wrong']} ranges wrong",
        "all as planted",
        facts["wrong"] == 0,
    )
    return [row], done


def _growth(what: str, runs: Sequence[tuple[int, Watched]]) -> list[Row]:
    table = []
    for (small, before), (large, after) in pairwise(runs):
        ratio = after.total(after.cpu) / before.total(before.cpu)
        bar = large / small * math.log(large) / math.log(small)
        table.append(
            Row(
                f"{what}, {small:,} → {large:,}: processor time",
                f"{before.total(before.cpu):.1f} s",
                f"{after.total(after.cpu):.1f} s",
                f"{ratio:.2f}×",
                f"≤ {bar:.2f}× (n log n)",
                ratio <= bar,
            )
        )
    (first, small_run), (last, large_run) = runs[0], runs[-1]
    if len(runs) > 1:
        ratio = large_run.highest() / runs[-2][1].highest()
        table.append(
            Row(
                f"{what}, {runs[-2][0]:,} → {last:,}: peak memory",
                f"{runs[-2][1].highest() / 1e6:.0f} MB",
                f"{large_run.highest() / 1e6:.0f} MB ({first:,}: {small_run.highest() / 1e6:.0f} MB)",
                f"{ratio:.2f}×",
                f"≤ {ALLOWED:g}×",
                ratio <= ALLOWED,
            )
        )
    return table


def partitions_of(documents: int) -> int:
    """As many partitions as a run would choose for so many small documents."""
    return max(FEWEST_PARTITIONS, 1 << math.ceil(math.log2(documents / PARTITION_DOCUMENTS)))


def planted(settings: dict[str, Any]) -> dict[str, Any]:
    engine = LocalEngine(WORKERS)
    try:
        runner = Runner(Storage(settings["run"]), engine, Steps(), None)
        runner.keep_exchange = False
        return run_planted(runner, Planted(settings["documents"], settings["hot"]), settings["partitions"])
    finally:
        engine.close()


# -- documents ------------------------------------------------------------------------------------------------


def documents(place: Path, sizes: Sequence[int], hot: int, *, keep: bool) -> list[Row]:
    """Whole runs: time and memory by step."""
    table: list[Row] = []
    runs: list[tuple[int, Watched]] = []
    for size in sizes:
        inputs, run = place / f"texts-{size}", place / f"run-{size}"
        size_bytes = write_texts(inputs, size, hot * size // max(sizes))
        done = watched("benchmarks.scale", "documents", {"run": str(run), "inputs": str(inputs)})
        runs.append((size, done))
        if not keep:
            shutil.rmtree(run)
            shutil.rmtree(inputs)
        facts = done.facts
        say(f"{size} documents, {size_bytes / 1e6:.0f} MB: {done.told()} {json.dumps(facts)}")
        bar = size == max(sizes)
        table.append(
            Row(
                f"{size:,} documents ({size_bytes / 1e6:.0f} MB) to shards, {facts['partitions']} partitions",
                "",
                f"{done.total(done.wall):.0f} s, {done.total(done.cpu):.0f} s of processor time, "
                f"peak {done.highest() / 1e6:.0f} MB in {max(done.peak, key=lambda name: done.peak[name])}",
                f"{facts['kept']:,} kept",
                f"≤ {MEMORY / 1e6:.0f} MB" if bar else "",
                done.highest() <= MEMORY if bar else None,
            )
        )
    relating = [(size, done.only(RELATING)) for size, done in runs]
    return table + (_growth("documents, relating", relating) if len(runs) > 1 else [])


RELATING = ("sign", "pair", "attach", "verify", "cluster-start", "cluster-round", "cluster")


def whole_run(settings: dict[str, Any]) -> dict[str, Any]:
    recipe = parse_recipe(
        {
            "name": "scale",
            "run": settings["run"],
            "sources": [{"name": "made", "format": "jsonl", "paths": [settings["inputs"]]}],
            "rules": {"presets": {"ko": [], "en": []}},
            "tiers": [{"name": "all"}],
            "shards": {"tokenizer": {"vocab_size": 4000, "train_bytes": 2_000_000}},
            "engine": {"name": "local", "workers": WORKERS},
        },
        CurationRecipe,
    )
    summary = curate(recipe, progress=Steps())
    facts = json.loads(Storage(settings["run"]).read_bytes("run.json"))
    return {
        "partitions": facts["recipe"]["partitions"],
        "documents": summary.documents,
        "kept": summary.kept,
        "warnings": summary.warnings,
        "written": {step["name"]: step["bytes_written"] for step in facts["steps"]},
    }


CHILDREN = {"planted": planted, "documents": whole_run}


if __name__ == "__main__":
    main()
