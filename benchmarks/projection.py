"""What a run costs by step, and from that what 1 and 30 terabytes of text would take.

    python -m benchmarks.projection [--every N]

The documents of the development data go through a whole run twice, every third of them and all of them, with one
worker: the differences in processor time and bytes, over the difference in text, are the constants; starting up
cancels out. A third run sends everything through passes of merging, as runs with more files than FAN_IN do. All
other numbers are arithmetic on these, which the program prints as Markdown for docs/scale.md.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import tempfile
import time
import tracemalloc
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.harness import machine, rows, say
from benchmarks.memory import resident
from benchmarks.watching import Steps, Watched, watched
from hanji.curation import delivery
from hanji.curation.context import FEWEST_PARTITIONS, MOST_PARTITIONS, PARTITION_BYTES, PARTITION_DOCUMENTS
from hanji.curation.delivery import FAN_IN, MERGE_BYTES, receiving_units
from hanji.curation.engines.local import LocalEngine
from hanji.curation.exchange import WIDE, Stretch, sending
from hanji.curation.pipeline import curate
from hanji.curation.recipe import CurationRecipe
from hanji.curation.work import Attempt, Outcome, Runner, Step, Unit, task_with
from hanji.progress import SilentProgress
from hanji.recipe import parse_recipe
from hanji.storage import Storage

SOURCES = (
    *("en_email_spamassassin", "en_docs_progit2", "en_docs_rust_book_editions", "en_docs_vue"),
    *(
        "en_gov_18f_handbook",
        "en_gutenberg_books",
        "en_gutenberg_old_editions_neardup",
        "ko_court_precedents",
    ),
    *("ko_docs_d2l", "ko_docs_progit2", "ko_docs_rust_book_editions", "ko_docs_vue", "ko_news_dps_fixture"),
    *("ko_petitions", "ko_seo_affiliate_products", "ko_statutes"),
)
SPLITS = 12
TEXT, CORES = (1e12, 30e12), (100, 1000)
STAGES = {
    "read": ("read",),
    "measure": ("edit", "measure"),
    "gather": ("gather-send", "gather"),
    "relate": ("sign", "sign-urls", "pair", "attach", "verify", "cluster-start", "cluster-round", "cluster"),
    "decide": ("judge", "ask", "answer", "survive", "settle", "ledger"),
    "write": ("tokenise", "shard", "summarise"),
}
BY_SPLIT = ("read", "edit", "measure", "gather-send")
EXCHANGES = {
    "gather": "gather-send",
    "sign": "sign",
    "pair": "pair",
    "attach": "attach",
    "tokens": "tokenise",
}


@dataclass(frozen=True)
class Constants:
    """Per byte of text: processor seconds and bytes written by step; and of one pass of merging by step."""

    cpu: dict[str, float]
    written: dict[str, float]
    merging_cpu: float
    merged: float
    documents: float
    compressed: float
    tokens: float
    records: dict[str, float]
    """Bytes of a commit record of each step."""

    def stage(self, of: dict[str, float], name: str) -> float:
        return sum(of.get(step, 0.0) for step in STAGES[name])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--every", type=int, default=1, help="only every N-th document, to be done sooner")
    parser.add_argument("--child", nargs=2, help="run, and its settings (JSON)")
    arguments = parser.parse_args()
    if arguments.child:
        say(json.dumps({"facts": child(json.loads(arguments.child[1]))}))
        return
    with tempfile.TemporaryDirectory() as scratch:
        found = constants(Path(scratch), arguments.every)
    say(f"\n{machine()}\n")
    tell_constants(found)
    tell_projection(found)
    tell_driver()


# -- measuring ----------------------------------------------------------------------------------------------


def constants(place: Path, every: int) -> Constants:
    """Measure. Every document stands once, so that the share of duplicates is that of the data."""
    texts = [row["text"] for name in SOURCES for row in rows(name) if row["text"].strip()][::every]
    runs: dict[str, tuple[Watched, int, int]] = {}
    for name, chosen in (("few", texts[::3]), ("all", texts), ("merged", texts)):
        inputs = place / name
        inputs.mkdir()
        for split in range(SPLITS):
            lines = (json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in chosen[split::SPLITS])
            (inputs / f"{split:05d}.jsonl").write_text(
                "".join(lines), encoding="utf-8", errors="surrogatepass"
            )
        settings: dict[str, Any] = {
            "run": str(place / f"{name}-run"),
            "inputs": str(inputs),
            "merged": name == "merged",
        }
        if not runs:
            watched("benchmarks.projection", "run", settings)  # compiles what is not yet compiled
            shutil.rmtree(settings["run"])
        done = watched("benchmarks.projection", "run", settings)
        shutil.rmtree(settings["run"])
        size = sum(len(text.encode("utf-8", "surrogatepass")) for text in chosen)
        runs[name] = (done, size, len(chosen))
        say(f"{name}: {len(chosen)} documents, {size / 1e6:.1f} MB of text; {done.told()}")
    (few, few_size, few_count), (whole, size, count), (merged, _, _) = (
        runs[name] for name in ("few", "all", "merged")
    )
    more = size - few_size
    written = whole.facts["written"]
    merging = {
        step: 1 / (PASSES if step == "gather-merge" else 1) / size
        for step in merged.cpu
        if step.endswith("-merge")
    }
    return Constants(
        cpu={step: max(0.0, whole.cpu[step] - few.cpu.get(step, 0.0)) / more for step in whole.cpu},
        written={step: (written[step] - few.facts["written"].get(step, 0)) / more for step in written},
        merging_cpu=sum(merged.cpu[step] * share for step, share in merging.items()),
        merged=sum(merged.facts["written"][step] * share for step, share in merging.items()),
        documents=(count - few_count) / more,
        compressed=(written["read"] - few.facts["written"]["read"]) / more,
        tokens=whole.facts["tokens"] / size,
        records=whole.facts["records"],
    )


PASSES = math.ceil(math.log2(SPLITS)) - 1
"""Of merging the files of all splits two by two, until two are left."""
MERGED_PARTITIONS = 4
"""So few that one pass merges their files, and messages are as large as they are in a run of terabytes."""


def child(settings: dict[str, Any]) -> dict[str, Any]:
    if settings["merged"]:
        delivery.FAN_IN = 2
    recipe = parse_recipe(
        {
            "name": "projection",
            "run": settings["run"],
            "sources": [{"name": "texts", "format": "jsonl", "paths": [settings["inputs"]]}],
            "shards": {"tokenizer": {"vocab_size": 16_000, "train_bytes": 2_000_000}},
            "engine": {"name": "local", "workers": 1},
            "partitions": MERGED_PARTITIONS if settings["merged"] else None,
        },
        CurationRecipe,
    )
    summary = curate(recipe, progress=Steps())
    facts = json.loads(Storage(settings["run"]).read_bytes("run.json"))
    written: dict[str, int] = {}
    for step in facts["steps"]:
        written[step["name"]] = written.get(step["name"], 0) + step["bytes_written"]
    run = Storage(settings["run"])
    sizes: dict[str, list[int]] = {}
    for path in run.walk("commits"):
        sizes.setdefault(path.split("/")[1], []).append(run.size(path))
    records = {step: sum(some) / len(some) for step, some in sizes.items()}
    return {"written": written, "tokens": summary.tokens, "kept": summary.kept, "records": records}


# -- telling ------------------------------------------------------------------------------------------------


def tell_constants(found: Constants) -> None:
    say("| stage | CPU s per GB of text | bytes written per byte of text | steps |\n|---|---|---|---|")
    for stage, steps in STAGES.items():
        cpu, written = found.stage(found.cpu, stage) * 1e9, found.stage(found.written, stage)
        each = ", ".join(
            f"{step} {found.cpu[step] * 1e9:.1f} s / {found.written.get(step, 0.0):.3f}"
            for step in steps
            if step in found.cpu
        )
        say(f"| {stage} | {cpu:.1f} | {written:.3f} | {each} |")
    say(f"| one pass of merging all exchanges | {found.merging_cpu * 1e9:.1f} | {found.merged:.3f} | |")
    say(
        f"\n{1 / found.documents:.0f} bytes of text a document; {found.tokens:.3f} tokens of the kept a byte read; "
        f"exchanged: {sum(found.written[step] for step in EXCHANGES.values()):.3f} bytes a byte of text "
        f"({', '.join(f'{name} {found.written[step]:.3f}' for name, step in EXCHANGES.items())}). "
        f"A commit record has {min(found.records.values()):.0f} to {max(found.records.values()):.0f} bytes; "
        f"the report's (summarise) {found.records['summarise']:.0f}."
    )


def partitions_of(documents: float, compressed: float) -> int:
    """As ``Context.settle_partitions`` chooses."""
    wanted = max(documents / PARTITION_DOCUMENTS, compressed / PARTITION_BYTES, 1.0)
    return int(min(MOST_PARTITIONS, max(FEWEST_PARTITIONS, 2 ** math.ceil(math.log2(wanted)))))


def passes_of(senders: float, partitions: int) -> int:
    """Passes of merging that an exchange of so many files into so many partitions takes."""
    passes = 0
    while senders > FAN_IN or (partitions > WIDE and passes == 0):
        senders, passes = math.ceil(senders / FAN_IN), passes + 1
    return passes


def tell_projection(found: Constants) -> None:
    """A table for each size of text, by number of cores."""
    names = [
        *("documents", "splits of 1 GB", "partitions", "CPU hours without merging", "passes of merging"),
        *("CPU hours of merging", *(f"hours on {cores:,} cores" for cores in CORES)),
        *("exchanged", "rewritten by merging", "tables and shards", "disk at the end, exchange kept"),
        *(
            "disk at the height, exchange released",
            "commit records",
            "of them the report's, as JSON",
            "stretches that the driver holds at a time",
        ),
        *("memory of the driver for them", "messages that gather reads", "messages that pair reads"),
    ]
    columns = [_projected(found, size) for size in TEXT]
    say("\n| | " + " | ".join(f"{size / 1e12:.0f} TB of text" for size in TEXT) + " |\n|---|---|---|")
    for name, cells in zip(names, zip(*columns, strict=True), strict=True):
        say(f"| {name} | " + " | ".join(cells) + " |")


def _projected(found: Constants, size: float) -> list[str]:
    documents = found.documents * size
    splits = math.ceil(size / 1e9)
    partitions = partitions_of(documents, found.compressed * size)
    passes = passes_of(splits, partitions), passes_of(partitions, partitions)
    most = max(passes)
    cpu = sum(found.stage(found.cpu, stage) for stage in STAGES) * size / 3600
    merging = found.merging_cpu * most * size / 3600
    exchanged = sum(found.written[step] for step in EXCHANGES.values()) * size
    merged = found.merged * most * size
    tables = sum(found.stage(found.written, stage) for stage in STAGES) * size - exchanged
    largest = found.written["gather-send"] * size * (1 + passes[0])
    senders = max(splits, partitions)
    final = math.ceil(senders / FAN_IN ** max(1, most))
    stretches = final * partitions
    cuts = math.ceil(found.written["gather-send"] * size / MERGE_BYTES)
    by_split = sum(step in found.cpu for step in BY_SPLIT)
    records = by_split * splits + (len(found.cpu) - by_split) * partitions + sum(passes) * cuts
    return [
        f"{documents:.2g}",
        f"{splits:,}",
        f"{partitions:,}",
        f"{cpu:,.0f}",
        str(most),
        f"{merging:,.0f}",
        *(f"{(cpu + merging) / cores:,.2f}" for cores in CORES),
        _bytes(exchanged),
        _bytes(merged),
        _bytes(tables),
        _bytes(tables + exchanged + merged),
        _bytes(tables + largest),
        f"{records:,}",
        _bytes(found.records["summarise"] * partitions),
        f"{stretches:,}",
        _bytes(stretches * _stretch_bytes()),
        *(
            f"{files * min(partitions, WIDE) + math.ceil(files / FAN_IN) * partitions:,}"
            for files in (splits, partitions)
        ),
    ]


def tell_driver(partitions: int = 4_096) -> None:
    """What it takes the driver to make the units of an exchange: FAN_IN files with an index and empty messages."""
    with tempfile.TemporaryDirectory() as scratch:
        runner = Runner(Storage(scratch), LocalEngine(1), SilentProgress(), None)
        step = Step("sent", 1, task_with(empty_messages, partitions))
        sent = runner.map(step, [Unit(f"u{n:05d}", n, n) for n in range(FAN_IN)])
        began, before = time.process_time(), resident(os.getpid())
        units = receiving_units(runner, "x", sent, "rows", partitions)
        spent, held = time.process_time() - began, resident(os.getpid()) - before
        record = sum(len(commit.to_json()) for commit in sent) / len(sent)
    stretches = sum(len(unit.work[1]) for unit in units)
    say(
        f"\nUnits of an exchange of {FAN_IN} files into {partitions:,} partitions, {stretches:,} stretches: "
        f"{spent:.1f} s and {held / 1e6:.0f} MB of the driver; {record:.0f} bytes a commit record."
    )


def empty_messages(attempt: Attempt, number: int, partitions: int) -> Outcome:
    """An exchange file with a message for each partition, none of which is written."""
    with sending(attempt, "rows") as sender:
        sender.add(pa.table({"a": pa.array([number])}), np.zeros(1, np.int64))
        (entry,) = sender.entries
        some = np.repeat(entry, partitions)
        some["partition"] = np.arange(partitions)
        some["digest"] = np.frombuffer(np.random.default_rng(number).bytes(16 * partitions), "V16")
        sender.entries[:] = [some]
    return Outcome(info={"rows": sender.index})


def _stretch_bytes() -> float:
    """Bytes that the driver holds for a stretch, without path and schema, which many share."""
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    some = [Stretch("exchange/x", n << 40, n << 20, 1000 + n, f"{n:032x}", b"") for n in range(1, 10_001)]
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (after - before) / len(some)


def _bytes(value: float) -> str:
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if value >= unit:
            return f"{value / unit:,.1f} {name}"
    return f"{value:,.0f} B"


if __name__ == "__main__":
    main()
