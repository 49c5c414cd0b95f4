"""One rank of a training run: what torchrun starts. Argument: the resolved recipe as a JSON file.

It is started by file path, so it works from any directory. An error that Hanji can explain is written to
``RUN/logs/error-rank-N.json`` for the launcher, and its message to stderr.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

from hanji.errors import HanjiError, RunError
from hanji.storage import Storage
from hanji.training.deterministic import make_deterministic, prepare_environment
from hanji.training.loop.watchdog import Watchdog, longest
from hanji.training.recipe import TrainingRecipe


def main(recipe_file: str) -> int:
    """Train; returns the exit code."""
    recipe = TrainingRecipe.model_validate_json(Path(recipe_file).read_bytes())
    logs, rank = Path(recipe.run) / "logs", int(os.environ["RANK"])
    if recipe.deterministic:
        prepare_environment()
    try:
        with Watchdog(logs, rank, recipe.health.hang_seconds) as watchdog, _memory_explained(recipe):
            work(recipe, watchdog)
    except HanjiError as error:
        report = {"kind": type(error).__name__, "message": str(error), "exit_code": error.exit_code}
        path = logs / f"error-rank-{rank}.json"
        path.write_text(json.dumps(report, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"rank {rank}: {error}", file=sys.stderr, flush=True)
        return error.exit_code
    return 0


@contextmanager
def _memory_explained(recipe: TrainingRecipe) -> Iterator[None]:
    """A GPU that is too small stays too small: an error that no new start mends."""
    try:
        yield
    except RuntimeError as error:
        if type(error).__name__ != "OutOfMemoryError":
            raise
        raise RunError(
            f"out of GPU memory: {error}. Lower batch.micro_size ({recipe.batch.micro_size}), or share the model "
            "among more ranks (parallel.tensor, parallel.pipeline, parallel.context)"
        ) from error


def work(recipe: TrainingRecipe, watchdog: Watchdog) -> None:
    """Build everything for this rank and run the loop; rank 0 writes training.json at the end."""
    from hanji.training.cpu import prepare_import, without_cuda

    prepare_import()
    with without_cuda():
        from hanji.training.checkpoint.store import begin_from
        from hanji.training.data.plan import plan_data
        from hanji.training.loop.layout import COLLECTIVE_TIMEOUT, distributed
        from hanji.training.loop.metrics import event_sink
        from hanji.training.loop.objective import NextToken
        from hanji.training.loop.origin import find_origin
        from hanji.training.loop.trainer import Trainer
        from hanji.training.model.build import build_model
        from hanji.training.model.fp8 import model_arguments

        if recipe.deterministic:
            make_deterministic()
        timeout = COLLECTIVE_TIMEOUT
        if recipe.health.hang_seconds is not None:
            timeout = max(timeout, timedelta(seconds=longest(recipe.health.hang_seconds) + 60))
        with distributed(recipe.parallel, recipe.seed, timeout) as layout:
            # One rank checks the files; the others would only read the same bytes again.
            data = plan_data(recipe, check=layout.is_main)
            vocab_size = data.manifest.tokenizer.vocab_size
            chunks = [
                build_model(
                    recipe.shape,
                    vocab_size,
                    recipe.parallel,
                    bf16=recipe.precision != "fp32",
                    seed=recipe.seed,
                    vp_stage=stage,
                    **model_arguments(recipe.fp8_options, recipe.shape.layers, recipe.model.spec),
                    recompute=recipe.model.recompute,
                    deterministic=recipe.deterministic,
                )
                for stage in layout.stages
            ]
            origin = find_origin(recipe, vocab_size)
            trainer = Trainer(
                recipe,
                data,
                NextToken(vocab_size, recipe.optimizer.z_loss, reset_positions=data.packing.reset),
                chunks,
                layout,
                event_sink(),
                origin.parents,
                watchdog,
            )
            if origin.model is not None:
                begin_from(
                    origin.model.directory,
                    trainer.chunks,
                    trainer.optimizer,
                    verify=recipe.checkpoint.verify,
                    state=recipe.init_with == "state",
                )
            outcome = trainer.run()
            if layout.is_main:
                rates = trainer.rates
                speed = rates.line(rates.of(outcome.tokens, outcome.seconds)) if outcome.seconds else None
                _summarise(recipe, data, outcome, str(layout.device), speed)


def _summarise(recipe: TrainingRecipe, data: Any, outcome: Any, device: str, speed: str | None) -> None:
    from hanji.training.loop.metrics import METRICS, iterate_metrics
    from hanji.training.model.shape import parameter_count

    metrics = iterate_metrics(Path(recipe.run) / METRICS)
    summary = {
        "format": "hanji-training/1",
        "name": recipe.name,
        **asdict(outcome),
        "total_steps": recipe.total_steps,
        "tokens_per_second": outcome.tokens / outcome.seconds if outcome.seconds else None,
        "speed": speed,
        "parameters": parameter_count(recipe.shape, data.manifest.tokenizer.vocab_size),
        "vocab_size": data.manifest.tokenizer.vocab_size,
        "precision": recipe.precision,
        "parallel": recipe.parallel.model_dump(),
        "device": device,
        "shards": {"directory": recipe.shards, "manifest_sha256": data.manifest_sha256},
        "held_out": {
            "directory": data.held_out.directory,
            "manifest_sha256": data.held_out.manifest_sha256,
        },
        "blends": data.blends(),
        "epochs": data.epochs(),
        "left_out": data.left_out,
        "notes": list(data.notes),
        "validation": [entry for entry in metrics if entry["kind"] == "validation"],
    }
    text = json.dumps(summary, indent=1, ensure_ascii=False) + "\n"
    Storage(recipe.run).write_bytes("training.json", text.encode())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
