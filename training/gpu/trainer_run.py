"""A small run through the trainer itself on this GPU: shards made here, two stages, checkpoints, validation.

The trainer reads recipes and shards with pydantic, pyarrow and fsspec. Where they are not installed this part
says so and is left out; the sections before it need torch, numpy and megatron-core alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from hanji.training.gpu.child import Child
from hanji.training.gpu.report import Report, Row

NEEDED = ("pydantic", "yaml", "pyarrow", "fsspec", "psutil")
VOCABULARY, EOD = 4096, 4095
RUN_SECONDS, LEAST_SECONDS = 60.0, 10.0
"""The most that a run may take, and what must be left of the budget for it to begin."""


def run(report: Report, root: Path, until: float, *, tiny: bool) -> None:
    """Add the table: one run in each precision, all over at second ``until`` of the report's clock."""
    section = report.section("run", "A run through the trainer, on shards made here")
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        report.add(section, what="the trainer", note=f"not run: {', '.join(missing)} not installed")
        return
    with tempfile.TemporaryDirectory() as directory:
        shards = Path(directory) / "shards"
        report.attempt(section, "shards", lambda: write_shards(shards, 20_000 if tiny else 2_000_000))
        for precision in ("bf16", "fp8"):
            place, seconds = Path(directory) / precision, min(RUN_SECONDS, until - report.elapsed)
            if seconds < LEAST_SECONDS:
                report.add(section, what=precision, note="left out: the time budget is spent")
                continue
            report.attempt(
                section,
                precision,
                partial(_train, root, shards, place, precision, tiny, seconds),
            )


def _train(root: Path, shards: Path, place: Path, precision: str, tiny: bool, seconds: float) -> Row:
    from hanji.training.recipe import TrainingRecipe

    sizes = {"preset": "tiny"} if tiny else {"preset": "kanana-635m", "layers": 4, "seq_length": 2048}
    recipe = TrainingRecipe.model_validate(
        {
            "name": "gpu-check",
            "run": str(place),
            "shards": str(shards),
            "model": sizes,
            "stages": [
                {"name": "one", "steps": 20, "blend": {"*/*/*": 1.0}},
                {"name": "two", "steps": 10, "blend": {"ko/*/*": 2.0, "en/*/*": 1.0}},
            ],
            "batch": {"global_size": 8, "micro_size": 4},
            "schedule": {"peak_lr": 1e-3, "warmup_steps": 5},
            "checkpoint": {"every": 15},
            "precision": precision,
            **({"shadow": {"every": 10}} if precision == "fp8" else {}),
        }
    )
    (place / "logs").mkdir(parents=True)
    file = place / "recipe.json"
    file.write_text(recipe.model_dump_json(), encoding="utf-8")
    environment = {
        **os.environ, "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")]),
        "RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29611",
    }  # fmt: skip
    started = time.perf_counter()
    command = [sys.executable, str(root / "training" / "worker.py"), str(file)]
    Child(command, environment, "the trainer's rank").finish(seconds)
    took = time.perf_counter() - started
    entries = [json.loads(line) for line in (place / "metrics.jsonl").read_text().splitlines()]
    steps = [entry for entry in entries if entry["kind"] == "step"]
    held_out = [entry["bits_per_byte"] for entry in entries if entry["kind"] == "validation"]
    shadows = [entry for entry in entries if entry["kind"] == "shadow"]
    summary: dict[str, Any] = json.loads((place / "training.json").read_text())
    return {
        "ok": summary["finished"]
        and steps[-1]["loss"] < steps[0]["loss"]
        and not any(entry["alarm"] for entry in shadows),
        "loss, first and last": f"{steps[0]['loss']:.3f} {steps[-1]['loss']:.3f}",
        "tokens/s": float(np.median([entry["tokens_per_second"] for entry in steps[5:]])),
        "bits per byte, before and after": f"{_mean(held_out[0]):.3f} {_mean(held_out[-1]):.3f}",
        "device": summary["device"],
        **({"BF16 shadows, furthest": max(entry["difference"] for entry in shadows)} if shadows else {}),
        "whole process, s": took,
        "of it steps, s": sum(entry["seconds"] for entry in steps),
        "of it saving, s": sum(e["held"] for e in entries if e["kind"] == "checkpoint"),
    }


def _mean(figures: dict[str, float]) -> float:
    return sum(figures.values()) / len(figures)


def write_shards(root: Path, tokens: int) -> Row:
    """Tiered shards as ``hanji curate`` writes them: documents that count up, so that they can be learned."""
    from hanji.manifest import Component, Manifest, TokenizerFacts, write_manifest
    from hanji.storage import Storage
    from hanji.training.gpu.made_shards import write_shard

    root.mkdir(parents=True)
    tokenizer = root / "tokenizer.json"
    tokenizer.write_text('{"note": "stands for a tokenizer"}', encoding="utf-8")
    components = []
    for name in ("ko/web/high", "en/web/low"):
        language, domain, tier = name.split("/")
        for split, size in (("train", tokens), ("valid", tokens // 50)):
            prefix = f"{name}/{split}-00000"
            shard = write_shard(root, prefix, _documents(prefix, size), "gpu-check")
            components.append(
                Component(
                    language=language,
                    domain=domain,
                    tier=tier,
                    split=split,
                    documents=shard.documents,
                    tokens=shard.tokens,
                    bytes=shard.bytes,
                    shards=[shard],
                )
            )
    facts = TokenizerFacts(
        file="tokenizer.json",
        sha256=hashlib.sha256(tokenizer.read_bytes()).hexdigest(),
        vocab_size=VOCABULARY,
        eod_id=EOD,
        eod_token="<eod>",
    )
    manifest = Manifest(
        recipe="gpu-check", curation="0" * 32, tokenizer=facts, dtype="uint16", components=components
    )
    write_manifest(Storage(root), manifest)
    return {"tokens": tokens}


def _documents(prefix: str, tokens: int) -> Iterator[np.ndarray]:
    """Runs of every third id, of 50 to 1,500 tokens with EOD."""
    generator = np.random.default_rng(len(prefix) + tokens)
    left = tokens
    while left:
        length = min(left, int(generator.integers(50, 1500)))
        length = left if left - length < 2 else length
        document = (int(generator.integers(0, EOD)) + 3 * np.arange(length)) % EOD
        document[-1] = EOD
        yield document
        left -= length
