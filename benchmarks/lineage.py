"""Lineage of a blend of a billion documents: a step's documents, a document's steps, the whole commands.

The shards are made up: a manifest of 10,000 shards of 100M tokens and 100,000 documents each, in 12 components, and
a run of two stages over them, as a checkpoint's record tells of it. Nobody can write a billion rows here, and only
sidecars that are looked into have to be there: those that the asked steps touch are written before the clock is on,
each as the curation writes it, with ids drawn to fall into the shard's range of the hash.
The ``.bin`` files do not exist: lineage reads no tokens.

A step is 512 samples of 8,192 tokens, the batch that the Kanana paper states for distillation (A.4). ``cold`` means
that the system was told to forget the sidecars (posix_fadvise), ``warm`` that they have just been read.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.harness import Row, report, say
from hanji.curation.steps.write import SIDECAR_REPEATING, SIDECAR_ROWS
from hanji.fingerprint import file_sha256
from hanji.manifest import Component, FileFacts, Manifest, Shard, TokenizerFacts, write_manifest
from hanji.shard_order import order_hash, shard_number
from hanji.storage import Storage
from hanji.training.checkpoint.record import Commit, directory_name
from hanji.training.data.blend import apportion
from hanji.training.data.order import SampleOrder, Segment
from hanji.training.lineage.documents import find_document, sightings
from hanji.training.lineage.record import open_record
from hanji.training.lineage.steps import lineage_of_step
from hanji.training.lineage.streams import StreamMap

SHARDS, DOCUMENTS, LENGTH = 10_000, 100_000, 1_000
SEQUENCE, BATCH = 8_192, 512
STAGES = {"broad": 200_000, "best": 25_000}
PARTS = [
    (language, domain, tier)
    for language in ("en", "ko")
    for domain in ("code", "web")
    for tier in ("high", "low", "mid")
]
STEPS = (1, 123_457, 224_999)
BAR = 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shards", type=int, default=SHARDS, help="100,000 documents each")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, nargs="+", default=STEPS, help="the steps that are asked for")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        measure(Path(scratch), asked.shards, asked.rounds, asked.steps)


def measure(root: Path, shards: int, rounds: int, steps: Sequence[int]) -> None:
    components = make_components(shards)
    order = make_order(components)
    directory = root / "shards"
    touched = {step: sorted(shards_of(order, components, step)) for step in steps}
    sizes = {}
    for name, number in sorted({one for some in touched.values() for one in some}):
        sizes[name, number] = write_sidecar(directory, components[name], number).stat().st_size
    name, number = touched[steps[-1]][0]
    with pq.ParquetFile(directory / components[name].shards[number].docs.path) as file:
        identity = file.read_row_group(5, ["document_id"])["document_id"][1234].as_py()
    # Where the document is looked for: one shard of each component.
    for name, component in components.items():
        number = int(shard_number(order_hash([identity]), len(component.shards))[0])
        sizes[name, number] = write_sidecar(directory, component, number).stat().st_size
    write_manifest_of(directory, components, sizes)
    run = make_run(root / "run", directory, order)

    rows = []
    opening = seconds(lambda: open_record(run).version, rounds)
    rows.append(Row("opening the record and the manifest", "", shown(opening)))
    record = open_record(run)
    for step, some in touched.items():
        files = [directory / components[name].shards[number].docs.path for name, number in some]
        cold, warm = [], []
        for _ in range(rounds):
            forget(files)
            cold += seconds(lambda step=step: lineage_of_step(record, step), 1)  # type: ignore[misc]
            warm += seconds(lambda step=step: lineage_of_step(record, step), 1)  # type: ignore[misc]
        found = lineage_of_step(record, step)
        documents = f"{len(found.documents):,} rows from {len(files):,} sidecars"
        for name, taken in (("cold", cold), ("warm", warm)):
            met = statistics.median(wall for wall, _ in taken) <= BAR
            rows.append(Row(f"step {step:,}, {name}: {documents}", "", shown(taken), "", f"≤ {BAR:g} s", met))
        whole = command("step", str(run), str(step), "--json")
        rows.append(Row(f"the command for step {step:,}, start of Python included", "", f"{whole:.2f} s"))
    looked = seconds(lambda: one_document(record, identity), rounds)
    rows.append(Row("steps of a document, looked up by its id", "", shown(looked)))
    whole = command("document", str(run), identity, "--json")
    rows.append(Row("the command for it", "", f"{whole:.2f} s"))
    report(
        f"Lineage of {shards * DOCUMENTS:,} documents in {shards:,} shards",
        rows,
        [
            f"a step: {BATCH} samples of {SEQUENCE:,} tokens; medians of {rounds}: wall time (processor time of "
            f"this process); {len(sizes):,} sidecars were written for it, the others do not exist"
        ],
    )


def one_document(record: Any, identity: str) -> None:
    place = find_document(record.version, identity)
    assert place is not None and sightings(record, place)


def make_components(shards: int) -> dict[str, Component]:
    """Components of shards that are not there, of very different sizes, as tiers are."""
    shares = np.array([1 + 7 * (index % 3) for index in range(len(PARTS))], np.float64)
    counts = np.maximum(1, np.floor(shares / shares.sum() * shards)).astype(int)
    counts[-1] += shards - int(counts.sum())
    tokens = DOCUMENTS * LENGTH
    components = {}
    for (language, domain, tier), count in zip(PARTS, counts.tolist(), strict=True):
        made = []
        for number in range(count):
            prefix = f"{language}/{domain}/{tier}/train-{number:05d}-{'0' * 12}"
            files = {
                name: FileFacts(path=f"{prefix}{suffix}", bytes=0, sha256="0" * 64)
                for name, suffix in (("bin", ".bin"), ("idx", ".idx"), ("docs", ".docs.parquet"))
            }
            made.append(Shard(prefix=prefix, documents=DOCUMENTS, tokens=tokens, bytes=4 * tokens, **files))
        component = Component(
            language=language,
            domain=domain,
            tier=tier,
            split="train",
            documents=count * DOCUMENTS,
            tokens=count * tokens,
            bytes=4 * count * tokens,
            shards=made,
        )
        components[component.name] = component
    return components


def make_order(components: dict[str, Component]) -> SampleOrder:
    """Two stages over the components: all of them, then the best tiers."""
    windows = {name: (component.tokens - 1) // SEQUENCE for name, component in components.items()}
    weights = {name: float(count) for name, count in windows.items()}
    best = {name: count for name, count in weights.items() if name.endswith("high")}
    segments = [
        Segment(stage, apportion(stage, blend), STAGES[stage] * BATCH)
        for stage, blend in (("broad", weights), ("best", best))
    ]
    return SampleOrder(segments, windows, seed=1)


def shards_of(order: SampleOrder, components: dict[str, Component], step: int) -> set[tuple[str, int]]:
    """Component and number of the shards that a step reads."""
    batch = order.batch((step - 1) * BATCH, BATCH)
    found: set[tuple[str, int]] = set()
    for index in np.unique(batch.component).tolist():
        name = batch.names[index]
        begin = batch.window[batch.component == index] * SEQUENCE
        pieces = StreamMap(components[name]).pieces(begin, begin + SEQUENCE + 1)
        found |= {(name, number) for number in pieces.shard.tolist()}
    return found


def write_manifest_of(
    root: Path, components: dict[str, Component], sizes: dict[tuple[str, int], int]
) -> None:
    """The manifest, with the sizes of the sidecars that are there."""
    (root / "tokenizer.json").write_text("{}", "utf-8")
    for (name, number), size in sizes.items():
        shard = components[name].shards[number]
        docs = shard.docs.model_copy(update={"bytes": size})
        components[name].shards[number] = shard.model_copy(update={"docs": docs})
    tokenizer = TokenizerFacts(
        file="tokenizer.json",
        sha256=file_sha256(root / "tokenizer.json"),
        vocab_size=128_256,
        eod_id=128_001,
        eod_token="<|end_of_text|>",
    )
    write_manifest(
        Storage(root),
        Manifest(
            recipe="made up",
            curation="0" * 32,
            tokenizer=tokenizer,
            dtype="int32",
            components=list(components.values()),
        ),
    )


def make_run(run: Path, shards: Path, order: SampleOrder) -> Path:
    """A run's directory with the commit record of its last checkpoint."""
    steps = sum(STAGES.values())
    node = {
        "name": "made up",
        "hash": "0" * 32,
        "kind": "pretraining",
        "step": steps,
        "stages": [{"name": name, "steps": count} for name, count in STAGES.items()],
        "batch": {"samples": BATCH, "seq_length": SEQUENCE},
        "skipped": [],
        "order": {**order.history(order.samples), "names": list(order.names)},
        "shards": {"manifest_sha256": file_sha256(shards / "manifest.json")},
        "parents": [],
    }
    commit = Commit(
        step=steps,
        stage="best",
        stage_step=STAGES["best"],
        stage_end=True,
        consumed=order.consumed(order.samples),
        recipe="",
        identity={},
        manifest_sha256=node["shards"]["manifest_sha256"],  # type: ignore[index]
        ranks=64,
        family=node,
        layout={"tensor": 1, "pipeline": 1, "context": 1, "data": 64},
    )
    directory = run / "checkpoints" / directory_name(steps)
    directory.mkdir(parents=True)
    (directory / "commit.json").write_bytes(commit.to_bytes())
    (run / "recipe.json").write_text(json.dumps({"shards": str(shards)}), "utf-8")
    return run


def write_sidecar(root: Path, component: Component, number: int) -> Path:
    """The sidecar of a shard, as the curation writes it, where it is not there yet."""
    shard = component.shards[number]
    path = root / shard.docs.path
    if path.exists():
        return path
    seed = int.from_bytes(hashlib.sha256(shard.prefix.encode()).digest()[:8], "little")
    generator = np.random.default_rng(seed)
    count = len(component.shards)
    # Hashes in the shard's range, in order, and the ids that have them.
    low, high = (-(-(part << 32) // count) << 32 for part in (number, number + 1))
    order = np.sort(generator.integers(low, high, DOCUMENTS, dtype=np.uint64))
    heads = unmixed(order)
    tails = generator.integers(0, 2**64, DOCUMENTS, dtype=np.uint64)
    digits = np.stack([heads, tails], axis=1).astype(">u8").tobytes().hex()
    ids = [digits[start : start + 32] for start in range(0, 32 * DOCUMENTS, 32)]
    lengths = generator.integers(1, 2 * LENGTH, DOCUMENTS)
    # The shard has the tokens that its manifest says, to the last one.
    lengths[: DOCUMENTS // 2] = 2 * LENGTH - lengths[DOCUMENTS // 2 :]
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {
        "document_id": pa.array(ids, pa.large_string()),
        "source": pa.array(np.array(["crawl", "books"])[generator.integers(0, 2, DOCUMENTS)]).cast(
            pa.large_string()
        ),
        "token_offset": pa.array(np.cumsum(lengths) - lengths, pa.int64()),
        "tokens": pa.array(lengths, pa.int32()),
        "bytes": pa.array(4 * lengths, pa.int64()),
        "occurrences": pa.array(np.ones(DOCUMENTS, np.int64)),
        "cluster": pa.nulls(DOCUMENTS, pa.large_string()),
        "cluster_size": pa.array(np.ones(DOCUMENTS, np.int32)),
        "cluster_occurrences": pa.array(np.ones(DOCUMENTS, np.int64)),
    }
    pq.write_table(
        pa.table(columns),
        path,
        compression="zstd",
        row_group_size=SIDECAR_ROWS,
        use_dictionary=list(SIDECAR_REPEATING),
    )
    return path


def unmixed(values: np.ndarray) -> np.ndarray:
    """Numbers whose splitmix64, which the order hash is, gives these values (uint64)."""
    with np.errstate(over="ignore"):
        values = unshifted(values, 31) * np.uint64(pow(0x94D049BB133111EB, -1, 2**64))
        values = unshifted(values, 27) * np.uint64(pow(0xBF58476D1CE4E5B9, -1, 2**64))
        found: np.ndarray = unshifted(values, 30) - np.uint64(0x9E3779B97F4A7C15)
    return found


def unshifted(values: np.ndarray, shift: int) -> np.ndarray:
    """The x of which ``x ^ (x >> shift)`` is ``values``."""
    found = values
    for _ in range(64 // shift + 1):
        found = values ^ (found >> np.uint64(shift))
    return found


def forget(files: list[Path]) -> None:
    """Have the system drop these files from its memory."""
    for path in files:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def seconds(work: Callable[[], object], rounds: int) -> list[tuple[float, float]]:
    """Wall and processor seconds of each round."""
    taken = []
    for _ in range(rounds):
        wall, used = time.perf_counter(), time.process_time()
        work()
        taken.append((time.perf_counter() - wall, time.process_time() - used))
    return taken


def shown(taken: list[tuple[float, float]]) -> str:
    wall, used = (statistics.median(column) for column in zip(*taken, strict=True))
    return f"{wall:.3f} s ({used:.3f} s)"


def command(*arguments: str) -> float:
    """Seconds of a whole `hanji lineage` command."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "hanji.jobs.cli", "lineage", *arguments], capture_output=True, check=False
    )
    if done.returncode:
        say(done.stderr.decode())
        raise SystemExit(1)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
