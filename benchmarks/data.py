"""The data path of training: batches a second of one core, and the time to the first one, beside Megatron-Core's
own dataset classes on the same shards.

    python -m benchmarks.data [--documents 1000000] [--directory DIR] [--rounds 5]

Shards are made up: a million documents in four components for the rates; for the first batch a million and a
thousand million, in a thousand sparse files. Rates are by the seconds of this process's processor; those to the
first batch are of the clock, in a process of its own, after its imports. Prints a table in Markdown and ends with 1
if a bar was missed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from benchmarks.data_shards import real_shards, sparse_shards
from benchmarks.harness import Row, cpu_seconds, interleaved, median, report, say

SHARES = {"en/web/high": 0.2, "en/web/low": 0.3, "ko/web/high": 0.2, "ko/web/low": 0.3}
WEIGHTS = {"en/web/high": 2.0, "en/web/low": 1.0, "ko/web/high": 2.0, "ko/web/low": 1.0}
SEQUENCE, BATCH, MICRO = 4096, 256, 8
STEPS = 4
PACKED = {"attention": "within", "packing": {"positions": "reset", "predict_eod": False}}
"""Documents told apart: numbers of documents, positions that begin in each, a loss without EOD."""


def recipe_of(shards: Path, run: Path, tokens: int, **changes: Any) -> Any:
    from hanji.training.recipe import TrainingRecipe

    return TrainingRecipe.model_validate(
        {
            "name": "data",
            "run": str(run),
            "shards": str(shards),
            "model": {"preset": "ten-million", "seq_length": SEQUENCE},
            "stages": [
                {"name": "one", "tokens": tokens, "blend": {"*/*/high": 2.0, "*/*/low": 1.0}},
            ],
            "batch": {"global_size": BATCH, "micro_size": MICRO},
            "schedule": {"peak_lr": 0.001, "warmup_steps": 1},
            **changes,
        }
    )


def step_batches(data: Any, step: int) -> Iterator[Any]:
    """The micro-batches of a step, on one rank."""
    from hanji.training.data.batches import training_micro_batches

    samples = data.order.batch(step * BATCH, BATCH)
    yield from training_micro_batches(samples, data.streams(), SEQUENCE, MICRO, 0, 1, data.packing)


def our_rate(shards: Path, run: Path, **changes: Any) -> Callable[[], float]:
    """Measures tokens a second of whole batches; each call takes other steps."""
    from hanji.training.data.batches import training_micro_batches
    from hanji.training.data.plan import plan_data

    data = plan_data(recipe_of(shards, run, 10**9, **changes))
    streams, done = data.streams(), [0]

    def work() -> None:
        for _ in range(STEPS):
            samples = data.order.batch(done[0] * BATCH, BATCH)
            done[0] += 1
            for batch in training_micro_batches(samples, streams, SEQUENCE, MICRO, 0, 1, data.packing):
                assert batch.tokens.shape == batch.labels.shape == (MICRO, SEQUENCE)

    work()
    return lambda: STEPS * BATCH * SEQUENCE / cpu_seconds(work)


def alone() -> None:
    """A process group of one rank, without which Megatron's blend asks for the rank in vain."""
    import torch.distributed as dist

    if not dist.is_initialized():
        dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)


def megatron_blend(shards: Path, cache: Path, samples: int, *, packed: bool) -> Any:
    """Megatron's blend of the same components with the same weights, one dataset a shard."""
    from megatron.core.datasets.blended_megatron_dataset_builder import BlendedMegatronDatasetBuilder
    from megatron.core.datasets.gpt_dataset import GPTDataset, GPTDatasetConfig

    class Tokenizer:
        """What GPTDataset asks of one."""

        eod = 0
        vocab_size = 32_000
        pad = -1
        unique_identifiers: dict[str, str] = {"class": "made up"}

    manifest = json.loads((shards / "manifest.json").read_bytes())
    prefixes, weights = [], []
    for component in manifest["components"]:
        name = "/".join(component[part] for part in ("language", "domain", "tier"))
        of_tier = sum(c["tokens"] for c in manifest["components"] if c["tier"] == component["tier"])
        for shard in component["shards"]:
            prefixes.append(str(shards / shard["prefix"]))
            weights.append(WEIGHTS[name] * shard["tokens"] / of_tier)
    config = GPTDatasetConfig(
        random_seed=1,
        sequence_length=SEQUENCE,
        blend=(prefixes, weights),
        split="1,0,0",
        path_to_cache=str(cache),
        tokenizer=Tokenizer(),
        reset_position_ids=packed,
        reset_attention_mask=packed,
        eod_mask_loss=packed,
        create_attention_mask=False,
    )
    return BlendedMegatronDatasetBuilder(GPTDataset, [samples, 0, 0], lambda: True, config).build()[0]


def megatron_rate(shards: Path, cache: Path, *, packed: bool) -> Callable[[], float]:
    """The same of Megatron's items, put together by torch's own collation, as its data loader does."""
    from torch.utils.data import default_collate

    alone()
    dataset, done = megatron_blend(shards, cache, 20 * STEPS * BATCH, packed=packed), [0]

    def work() -> None:
        for _ in range(STEPS * BATCH // MICRO):
            batch = default_collate([dataset[done[0] + i] for i in range(MICRO)])
            done[0] += MICRO
            assert batch["tokens"].shape == batch["labels"].shape == (MICRO, SEQUENCE)

    work()
    return lambda: STEPS * BATCH * SEQUENCE / cpu_seconds(work)


def first_batch(kind: str, shards: Path, work: Path) -> None:
    """In a process of its own: prints seconds after the imports and the process's largest memory."""
    if kind == "megatron":
        from torch.utils.data import default_collate

        for module in ("blended_megatron_dataset_builder", "gpt_dataset"):
            import_module(f"megatron.core.datasets.{module}")

        alone()
        started = time.perf_counter()
        dataset = megatron_blend(shards, work / "cache", 100_000, packed=False)
        default_collate([dataset[i] for i in range(MICRO)])
    else:
        from hanji.training.data.plan import plan_data

        started = time.perf_counter()
        data = plan_data(recipe_of(shards, work / "run", 100_000 * SEQUENCE))
        next(step_batches(data, 0))
    seconds = time.perf_counter() - started
    # Not getrusage: its maximum is also that of the process which started this one.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    memory = 1024 * int(status.partition("VmHWM:")[2].split()[0])
    print(json.dumps({"seconds": seconds, "memory": memory}))


def measured(kind: str, shards: Path, work: Path) -> tuple[float, int]:
    command = [sys.executable, "-m", "benchmarks.data", "--first", kind, str(shards), str(work)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    figures = json.loads(done.stdout.splitlines()[-1])
    return figures["seconds"], figures["memory"]


@contextmanager
def workplace(directory: str | None) -> Iterator[Path]:
    if directory is not None:
        Path(directory).mkdir(parents=True, exist_ok=True)
    path = Path(tempfile.mkdtemp(prefix="hanji-data-", dir=directory))
    try:
        yield path
    finally:
        shutil.rmtree(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--directory", help="where shards are made; about 600 bytes a document")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--first", nargs=3, metavar=("KIND", "SHARDS", "WORK"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.first:
        kind, shards, work = options.first
        first_batch(kind, Path(shards), Path(work))
        return
    with workplace(options.directory) as work:
        say(f"writing {options.documents:,} documents")
        counts = {name: int(share * options.documents) for name, share in SHARES.items()}
        shards = real_shards(work / "real", counts, options.documents // 20)
        table = [*rate_rows(shards, work, options.rounds), *first_rows(shards, work, options.rounds)]
    report(
        "Batches out of shards",
        table,
        [
            f"Sequences of {SEQUENCE:,}, micro-batches of {MICRO}, {BATCH * STEPS:,} samples a round, "
            f"{options.documents:,} documents in 20 shards. Megatron's items come as tensors put together by "
            "torch's default_collate; its documents are told apart by positions and the loss mask alone, no "
            "attention mask being made; ours number them besides.",
        ],
    )


def rate_rows(shards: Path, work: Path, rounds: int) -> list[Row]:
    rows = []
    for what, packed in (("documents run together", False), ("documents told apart", True)):
        rates = interleaved(
            {
                "ours": our_rate(shards, work / "run", **(PACKED if packed else {})),
                "megatron": megatron_rate(shards, work / f"cache-{packed}", packed=packed),
            },
            rounds,
        )
        ours, theirs = median(rates["ours"]), median(rates["megatron"])
        say(f"{what}: {ours / 1e6:,.1f}M and Megatron {theirs / 1e6:,.1f}M tokens/s")
        rows.append(
            Row(
                f"tokens/s of one core, {what}",
                f"{theirs / 1e6:,.1f}M",
                f"{ours / 1e6:,.1f}M",
                f"{ours / theirs:.1f} ×",
                "≥ 20M tokens/s",
                ours >= 20e6,
            )
        )
    return rows


def first_rows(shards: Path, work: Path, rounds: int) -> list[Row]:
    def figures(kind: str, where: Path, *, cold: bool = False) -> tuple[float, int]:
        found = []
        for number in range(rounds):
            place = work / (f"cold-{number}" if cold else "warm")
            found.append(measured(kind, where, place))
        seconds, memory = median([one[0] for one in found]), int(median([one[1] for one in found]))
        say(
            f"first batch, {kind}, {where.name}{' cold' if cold else ''}: {seconds:.2f} s, {memory / 1e6:,.0f} MB"
        )
        return seconds, memory

    cold, cold_memory = figures("megatron", shards, cold=True)
    measured("megatron", shards, work / "warm")
    warm, warm_memory = figures("megatron", shards)
    ours, our_memory = figures("hanji", shards)
    rows = [
        Row(
            "first batch, the same documents, no cache",
            f"{cold:.2f} s, {cold_memory / 1e6:,.0f} MB",
            f"{ours:.2f} s, {our_memory / 1e6:,.0f} MB",
            f"{cold / ours:.1f} ×",
            "≤ 2 s",
            ours <= 2,
        ),
        Row(
            "first batch, Megatron's indices cached", f"{warm:.2f} s, {warm_memory / 1e6:,.0f} MB", "the same"
        ),
    ]
    memory = []
    where = sparse_shards(work / "sparse-20", 20)
    more, more_memory = measured("megatron", where, work / "cold-20")
    ours, our_memory = figures("hanji", where)
    rows.append(
        Row(
            "first batch, 20,000,000 documents in 20 shards, no cache",
            f"{more:.2f} s, {more_memory / 1e6:,.0f} MB",
            f"{ours:.2f} s, {our_memory / 1e6:,.0f} MB",
            f"{more / ours:.1f} ×",
        )
    )
    for count, per_shard in ((1000, 1_000), (1000, 1_000_000)):
        where = sparse_shards(work / f"sparse-{count * per_shard}", count, per_shard)
        seconds, used = figures("hanji", where)
        memory.append(used)
        rows.append(
            Row(
                f"first batch, {count * per_shard:,} documents in {count:,} shards",
                "",
                f"{seconds:.2f} s, {used / 1e6:,.0f} MB",
                "",
                "≤ 2 s",
                seconds <= 2,
            )
        )
    growth = memory[1] / memory[0] - 1
    rows.append(
        Row("memory, a thousand times the documents", "", f"{growth:+.1%}", "", "≤ 10 %", growth <= 0.1)
    )
    return rows


if __name__ == "__main__":
    main()
