"""Starting a training run: one process a rank, through torchrun, from any directory.

The launcher reads the recipe, looks at the shards (so that what is wrong is said at once, by one process),
starts ``hanji.training.worker`` and follows it. It imports no torch itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hanji import errors
from hanji.errors import HanjiError, MissingExtraError, RunError
from hanji.progress import Progress, SilentProgress
from hanji.recipe import load_recipe
from hanji.storage import Storage
from hanji.training import worker
from hanji.training.cost import flops_per_token
from hanji.training.data.plan import plan_data
from hanji.training.loop.metrics import EVENTS
from hanji.training.loop.origin import find_origin
from hanji.training.model.shape import parameter_count
from hanji.training.recipe import TrainingRecipe


@dataclass(frozen=True)
class HeldOutFigures:
    """Bits per byte at one moment: ``when`` is before, during or after the stage."""

    step: int
    stage: str
    when: str
    languages: dict[str, float]
    components: dict[str, float]


@dataclass(frozen=True)
class TrainingSummary:
    """What a run came to. ``finished`` is False when it was asked to stop; run it again to go on.

    ``tokens_per_second`` counts the training steps of this call alone (None if there were none).
    """

    name: str
    run: str
    finished: bool
    step: int
    total_steps: int
    resumed_from: int
    parameters: int
    tokens_per_second: float | None
    seconds: float
    checkpoint: str
    held_out: tuple[HeldOutFigures, ...]


def read_recipe(path: str | Path, overrides: Iterable[str] = ()) -> TrainingRecipe:
    """The recipe with its directories made absolute, so that ranks started elsewhere mean the same."""
    recipe = load_recipe(path, TrainingRecipe, overrides)
    paths = [name for name in ("run", "shards", "init_from") if getattr(recipe, name) is not None]
    absolute = {name: str(Storage(getattr(recipe, name)).local) for name in paths}
    return recipe.model_copy(update=absolute)


def train(
    recipe_path: str | Path,
    overrides: Iterable[str] = (),
    *,
    progress: Progress | None = None,
) -> TrainingSummary:
    """Run a recipe to its end, or go on with it where it was cut off.

    Raises RecipeError or InputError before anything starts when recipe or shards are wrong, RunError with the
    failing rank's last lines when a rank fails.
    """
    if not _installed("torch") or not _installed("megatron"):
        raise MissingExtraError("Training", "train")
    recipe = read_recipe(recipe_path, overrides)
    data = plan_data(recipe)
    find_origin(recipe, data.manifest.tokenizer.vocab_size)
    with Storage(recipe.run).locked():
        return _train(recipe, progress or SilentProgress())


def _train(recipe: TrainingRecipe, progress: Progress) -> TrainingSummary:
    run = Path(recipe.run)
    logs = run / "logs"
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir(parents=True)
    recipe_file = run / "recipe.json"
    recipe_file.write_text(recipe.model_dump_json(indent=1) + "\n", encoding="utf-8")
    (run / "training.json").unlink(missing_ok=True)
    progress.note(f"starting {recipe.parallel.ranks} ranks of {recipe.name}")
    code, stopped = _run_ranks(recipe, recipe_file, logs, progress)
    # torchrun ends with an error after a SIGTERM even where all ranks ended well.
    if code != 0 and not stopped:
        raise _failure(logs, code)
    return read_summary(recipe.run)


def read_summary(run: str) -> TrainingSummary:
    """The summary of a run that ended. Raises InputError if it has not."""
    data = json.loads(Storage(run).read_bytes("training.json"))
    held_out = tuple(
        HeldOutFigures(
            entry["step"], entry["stage"], entry["when"], entry["bits_per_byte"], entry["components"]
        )
        for entry in data["validation"]
    )
    fields = {name: data[name] for name in TrainingSummary.__dataclass_fields__ if name in data}
    return TrainingSummary(**fields, run=str(run), held_out=held_out)


def describe(recipe: TrainingRecipe) -> str:
    """What a run would do, in a few lines, for `hanji train --plan`. Reads the manifest, starts nothing."""
    data = plan_data(recipe)
    shape, vocab_size = recipe.shape, data.manifest.tokenizer.vocab_size
    origin = find_origin(recipe, vocab_size)
    tokens = recipe.total_steps * recipe.tokens_per_step
    cost = flops_per_token(shape, vocab_size)
    parallel = recipe.parallel
    lines = [
        f"{recipe.name}: {parameter_count(shape, vocab_size) / 1e6:,.1f}M parameters, vocabulary "
        f"{vocab_size:,}, sequence {shape.seq_length}, {recipe.precision}",
        f"ranks: {parallel.ranks} (tensor {parallel.tensor} × pipeline {parallel.pipeline} × "
        f"data {parallel.data})",
        f"{recipe.total_steps} steps of {recipe.tokens_per_step:,} tokens: {tokens:,} tokens, "
        f"{cost.causal_attention * tokens:.3g} FLOPs (causal attention; "
        f"{cost.full_attention * tokens:.3g} full, {cost.six_n * tokens:.3g} by 6ND)",
    ]
    for stage, plan in zip(recipe.stages, data.order.stages, strict=True):
        lines.append(f"stage {stage.name}: {recipe.steps_of(stage)} steps")
        lines += [f"  {share:6.1%}  {name}" for name, share in plan.blend.shares().items()]
    lines += [f"weights from {parent['name']}: family {parent['hash']}" for parent in origin.parents]
    lines += [f"epochs of {name}: {count:.2f}" for name, count in data.epochs().items()]
    lines += [f"left out: {name}: {reason}" for name, reason in data.left_out.items()]
    return "\n".join(lines)


def _run_ranks(recipe: TrainingRecipe, recipe_file: Path, logs: Path, progress: Progress) -> tuple[int, bool]:
    """Exit code of torchrun, and whether the ranks said that they stopped as asked."""
    ranks = recipe.parallel.ranks
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nnodes=1"),
        *(f"--nproc-per-node={ranks}", str(Path(worker.__file__)), str(recipe_file)),
    ]
    environment = {**os.environ, EVENTS: "1", "PYTHONUNBUFFERED": "1"}
    environment.setdefault("OMP_NUM_THREADS", str(max(1, _cores() // ranks)))
    with (logs / "stderr.log").open("wb") as stderr:
        process = subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            encoding="utf-8",
            errors="replace",
            # Ctrl-C must reach the ranks as one SIGTERM, by which they save, not as a SIGINT each.
            start_new_session=True,
        )
        with _forward_stop(process):
            assert process.stdout is not None
            stopped = False
            for line in process.stdout:
                stopped |= _follow(line, progress, logs) == "stopped"
            return process.wait(), stopped


def _follow(line: str, progress: Progress, logs: Path) -> str | None:
    """Pass an event on to the progress display; its kind, or None for a line that is not an event."""
    try:
        event: dict[str, Any] = json.loads(line)
        kind = event["kind"]
    except (ValueError, KeyError, TypeError):
        with (logs / "stdout.log").open("a", encoding="utf-8") as file:
            file.write(line)
        return None
    if kind == "stage":
        progress.step(event["stage"], event["steps"], event["done"])
    if event.get("text"):
        progress.note(event["text"])
    if kind == "step":
        progress.advance()
    return str(kind)


@contextlib.contextmanager
def _forward_stop(process: subprocess.Popen[str]) -> Iterator[None]:
    """Turn SIGTERM and Ctrl-C into a SIGTERM for torchrun; it passes it on, and the ranks save and end."""

    def stop(*_: Any) -> None:
        process.terminate()

    main = threading.current_thread() is threading.main_thread()
    previous = {s: signal.signal(s, stop) for s in (signal.SIGTERM, signal.SIGINT)} if main else {}
    try:
        yield
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
        for number, handler in previous.items():
            signal.signal(number, handler)


def _failure(logs: Path, code: int) -> HanjiError:
    """The error that a rank reported, or what the ranks last said on stderr."""
    for path in sorted(logs.glob("error-rank-*.json")):
        report = json.loads(path.read_text(encoding="utf-8"))
        kind = getattr(errors, report["kind"], RunError)
        found: HanjiError = kind(report["message"])
        return found
    text = (logs / "stderr.log").read_text(encoding="utf-8", errors="replace").splitlines()
    last = "\n".join(f"  {line}" for line in text[-40:])
    return RunError(f"training failed (exit code {code}); the whole log is {logs / 'stderr.log'}\n{last}")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _installed(name: str) -> bool:
    from importlib.util import find_spec

    return find_spec(name) is not None
