"""The training loop: stages, steps, checkpoints, validation, and going on where a run was cut off."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from hanji.errors import RecipeError, RunError
from hanji.training.checkpoint.record import Commit, differences
from hanji.training.checkpoint.state import reseed
from hanji.training.checkpoint.store import Checkpoints, Saved
from hanji.training.data.batches import training_micro_batches
from hanji.training.data.order import SampleBatch
from hanji.training.data.plan import DataPlan
from hanji.training.loop.forward import run_micro_batches, sum_over_ranks
from hanji.training.loop.health import SpeedMonitor, StepGuard, gradient_norm, memory_bytes, take_step
from hanji.training.loop.layout import Layout
from hanji.training.loop.lineage import family_node
from hanji.training.loop.metrics import MetricsFile
from hanji.training.loop.objective import Objective
from hanji.training.loop.optimizer import build_optimizer, connect, set_learning_rate, wrap_data_parallel
from hanji.training.loop.shadow import Shadow
from hanji.training.loop.validation import Validation
from hanji.training.loop.watchdog import Watchdog
from hanji.training.model.fp8 import weights_stay
from hanji.training.recipe import TrainingRecipe


@dataclass(frozen=True)
class Outcome:
    """How a call of :meth:`Trainer.run` ended. ``seconds`` and ``tokens`` count its own training steps."""

    finished: bool
    step: int
    resumed_from: int
    tokens: int
    seconds: float
    checkpoint: str


class Trainer:
    """Trains a model on one rank of a process group that is already laid out.

    ``chunks`` are the model's parts on this rank in the order of their layers: several with the interleaved
    schedule, else one.
    """

    def __init__(
        self,
        recipe: TrainingRecipe,
        data: DataPlan,
        objective: Objective,
        chunks: Sequence[torch.nn.Module],
        layout: Layout,
        tell: Callable[[dict[str, Any]], None],
        parents: Sequence[dict[str, Any]] = (),
        watchdog: Watchdog | None = None,
    ) -> None:
        self.parents = parents
        self.recipe, self.data, self.objective, self.layout = recipe, data, objective, layout
        self.tell = tell if layout.is_main else _silent
        self.chunks = wrap_data_parallel(chunks)
        self.optimizer = build_optimizer(
            self.chunks,
            recipe.optimizer,
            recipe.schedule.peak_lr,
            bf16=recipe.precision != "fp32",
        )
        connect(self.chunks, self.optimizer)
        self.rate = recipe.learning_rates()
        self.checkpoints = Checkpoints(recipe.run, recipe.checkpoint, layout)
        self._eod = data.manifest.tokenizer.eod_id if recipe.attention == "within" else None
        self.validation = Validation(
            data,
            recipe.shape.seq_length,
            recipe.validation.micro_size,
            layout,
            within_documents=self._eod is not None,
        )
        self.streams = {name: data.stream(data.train[name]) for name in data.order.windows}
        self.shadow = Shadow(recipe.shadow, self.chunks, objective, layout)
        self.guard, self.speed = StepGuard(recipe.health), SpeedMonitor(recipe.health)
        self.watchdog = watchdog or Watchdog(Path(recipe.run) / "logs", layout.rank, None)
        self.step = 0
        self._stop_asked = False
        self._launcher = os.getppid()

    def run(self) -> Outcome:
        """Train to the end of the last stage, or until a SIGTERM or SIGUSR1, which saves and stops.

        Raises RecipeError when the run's directory holds checkpoints of another recipe, RunError when too many
        steps had to be skipped.
        """
        for number in (signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, self._ask_to_stop)
        commit = self._resume()
        resumed_from = self.step
        metrics = None
        if self.layout.is_main:
            metrics = MetricsFile(Path(self.recipe.run) / "metrics.jsonl", resumed_from)
        if commit is None:
            self._validate(metrics, self.recipe.stages[0].name, "before")
        tokens, seconds, saved = 0, 0.0, commit.step if commit else -1
        first = 0
        for index, stage in enumerate(self.recipe.stages):
            steps = self.recipe.steps_of(stage)
            self.tell({"kind": "stage", "stage": stage.name, "steps": steps, "done": self._in(first, steps)})
            while self.step < first + steps:
                started = time.perf_counter()
                entry, stop = self._train_step(index, self.step - first)
                entry["seconds"] = time.perf_counter() - started
                entry["tokens_per_second"] = entry["tokens"] / entry["seconds"]
                tokens += entry["tokens"]
                seconds += entry["seconds"]
                self._log(metrics, entry)
                self._note_shadow(metrics)
                self._note_saved(metrics, self.checkpoints.poll())
                at_end = self.step == first + steps
                if at_end:
                    self._validate(metrics, stage.name, "after")
                elif self.recipe.validation.every and self.step % self.recipe.validation.every == 0:
                    self._validate(metrics, stage.name, "during")
                if at_end or stop or self.step % self.recipe.checkpoint.every == 0:
                    self._save(metrics, index, self.step - first, at_end)
                    saved = self.step
                if stop and self.step < self.recipe.total_steps:
                    self._finish_saving(metrics)
                    self.tell(
                        {"kind": "stopped", "text": f"stopped after step {self.step}; run again to go on"}
                    )
                    return self._outcome(False, resumed_from, tokens, seconds, saved)
            first += steps
        self._finish_saving(metrics)
        return self._outcome(True, resumed_from, tokens, seconds, saved)

    def _train_step(self, stage: int, stage_step: int) -> tuple[dict[str, Any], bool]:
        self.watchdog.beat(self.step + 1, "reading the batch")
        size = self.recipe.batch.global_size
        samples = self.data.order.batch(self.step * size, size)
        batches = list(
            training_micro_batches(
                samples,
                self.streams,
                self.recipe.shape.seq_length,
                self.recipe.batch.micro_size,
                self.layout.data_rank,
                self.layout.data_ranks,
                self._eod,
            )
        )
        self.watchdog.beat(self.step + 1, "forward and backward")
        for chunk in self.chunks:
            chunk.zero_grad_buffer()
        self.optimizer.zero_grad()
        with self.shadow.watching(self.step + 1), weights_stay(self.chunks):
            results = run_micro_batches(self.chunks, self.objective, batches, self.layout, forward_only=False)
        self.shadow.compare(self.step + 1, batches, results)
        rate = self.rate(self.step)
        set_learning_rate(self.optimizer, rate)
        self.watchdog.beat(self.step + 1, "optimizer step")
        norm = gradient_norm(self.optimizer)
        sums, stop, memory = self._gather(results)
        loss = sums["loss"] / sums["tokens"]
        verdict = self.guard.judge(loss, norm)
        if verdict.skip is None:
            take_step(self.optimizer, norm, self.recipe.optimizer.clip)
        self.step += 1
        try:
            self.guard.check(self.step, verdict)
        except RunError:
            # All ranks are here: a checkpoint that is being written is one to go on from.
            self.checkpoints.finish()
            raise
        entry = {
            "kind": "step",
            "step": self.step,
            "stage": self.recipe.stages[stage].name,
            "loss": loss,
            "z_squared": sums["z_squared"] / sums["tokens"],
            "lr": rate,
            "grad_norm": norm,
            "tokens": int(sums["tokens"]),
            "batch": batch_digest(samples),
            "skip": verdict.skip,
            "skipped": self.guard.skipped,
            "loss_mean": verdict.loss_mean,
            "loss_deviation": verdict.loss_deviation,
            "grad_norm_mean": verdict.norm_mean,
            "grad_norm_deviation": verdict.norm_deviation,
            "memory_bytes": int(max(memory)),
            "memory_rank": memory.index(max(memory)),
        }
        return entry, stop

    def _gather(self, results: list[dict[str, torch.Tensor]]) -> tuple[dict[str, float], bool, list[float]]:
        """Sums over micro-batches and ranks, whether any rank was asked to stop, and bytes held by rank."""
        names = ("tokens", "loss", "z_squared")
        values = torch.zeros(len(names), dtype=torch.float64, device=self.layout.device)
        for result in results:
            values += torch.stack([result[name].to(torch.float64) for name in names])
        values = sum_over_ranks(values, self.layout)
        gone = os.getppid() != self._launcher
        others = torch.zeros(1 + self.layout.ranks, dtype=torch.float64, device=self.layout.device)
        others[0] = float(self._stop_asked or gone)
        others[1 + self.layout.rank] = memory_bytes(self.layout.device)
        torch.distributed.all_reduce(others)
        stop, *memory = others.tolist()
        return dict(zip(names, values.tolist(), strict=True)), bool(stop), memory

    def _resume(self) -> Commit | None:
        """Load the newest committed checkpoint, if there is one that this recipe can go on from."""
        self.watchdog.beat(self.step, "loading a checkpoint", patient=True)
        choice: list[Commit | None] = [None]
        if self.layout.is_main:
            records = self.checkpoints.committed()
            choice[0] = records[-1] if records else None
            self.checkpoints.clean()
        torch.distributed.broadcast_object_list(choice, src=0)
        commit = choice[0]
        if commit is None:
            return None
        where = self.checkpoints.path(commit.step)
        if changed := differences(self.recipe.identity(), commit.identity):
            raise RecipeError(
                f"run: {self.recipe.run} holds checkpoints of another recipe ({'; '.join(changed)}); name another "
                f"run directory, or remove {self.checkpoints.storage.root}"
            )
        if commit.manifest_sha256 != self.data.manifest_sha256:
            raise RecipeError(
                f"shards: {self.recipe.shards} is not what {where} was trained on (its manifest has another "
                "sha256); name the shards that it began with, or another run directory"
            )
        position = self.data.order.consumed(commit.step * self.recipe.batch.global_size)
        if position != commit.consumed:
            raise RunError(
                f"{where}: its position in the data is not the one that this version computes for step "
                f"{commit.step}; it was written by another version of the order"
            )
        if not self.checkpoints.load(commit, self.chunks, self.optimizer):
            reseed(self.recipe.seed, commit.step)
        self.guard.load(commit.health)
        self.step = commit.step
        self.tell({"kind": "resume", "step": commit.step, "text": f"going on from {where}"})
        return commit

    def _save(self, metrics: MetricsFile | None, stage: int, stage_step: int, stage_end: bool) -> None:
        self.watchdog.beat(self.step, "saving a checkpoint", patient=True)
        consumed = self.data.order.consumed(self.step * self.recipe.batch.global_size)
        name = self.recipe.stages[stage].name
        commit = Commit(
            step=self.step,
            stage=name,
            stage_step=stage_step,
            stage_end=stage_end,
            consumed=consumed,
            recipe=self.recipe.identity_fingerprint(),
            identity=self.recipe.identity(),
            manifest_sha256=self.data.manifest_sha256,
            ranks=self.layout.ranks,
            family=family_node(self.recipe, self.data, self.step, name, consumed, self.parents),
            health=self.guard.state(),
        )
        self._note_saved(metrics, self.checkpoints.save(commit, self.chunks, self.optimizer))

    def _finish_saving(self, metrics: MetricsFile | None) -> None:
        """Wait until the last checkpoint is whole."""
        self.watchdog.beat(self.step, "saving a checkpoint", patient=True)
        self._note_saved(metrics, self.checkpoints.finish())

    def _note_saved(self, metrics: MetricsFile | None, saved: Sequence[Saved]) -> None:
        for checkpoint in saved:
            self.tell({"kind": "checkpoint", "step": checkpoint.step, "path": checkpoint.path})
            if metrics is not None:
                figures = asdict(checkpoint)
                metrics.write({"kind": "checkpoint", "step": figures.pop("step"), **figures})

    def _validate(self, metrics: MetricsFile | None, stage: str, when: str) -> None:
        if not self.validation.components:
            if when == "before":
                self.tell({"kind": "note", "text": "the shards hold no valid text: no bits per byte"})
            return
        self.watchdog.beat(self.step, "validation", patient=True)
        started = time.perf_counter()
        result = self.validation.measure(self.chunks, self.objective)
        if metrics is None:
            return
        entry = {
            "kind": "validation",
            "step": self.step,
            "stage": stage,
            "when": when,
            "bits_per_byte": result.languages,
            "components": result.components,
            "empty": list(result.empty),
            "seconds": time.perf_counter() - started,
        }
        metrics.write(entry)
        figures = ", ".join(f"{language} {value:.4f}" for language, value in result.languages.items())
        self.tell({**entry, "text": f"held-out bits per byte {when} {stage}: {figures}"})

    def _log(self, metrics: MetricsFile | None, entry: dict[str, Any]) -> None:
        if metrics is None:
            return
        metrics.write(entry)
        if entry["skip"]:
            self.tell({"kind": "skip", "text": f"step {self.step} skipped: {entry['skip']}"})
        if slow := self.speed.look(entry["tokens_per_second"]):
            self.tell({"kind": "speed", "text": f"step {self.step}: {slow}"})
        text = None
        if self.step % self.recipe.log_every == 0 or self.step == 1:
            text = (
                f"step {self.step}/{self.recipe.total_steps} {entry['stage']}  loss {entry['loss']:.4f}  "
                f"lr {entry['lr']:.2e}  norm {entry['grad_norm']:.2f}  "
                f"{entry['tokens_per_second']:,.0f} tokens/s"
            )
        self.tell({"kind": "step", "step": self.step, "stage": entry["stage"], "text": text})

    def _note_shadow(self, metrics: MetricsFile | None) -> None:
        entry = self.shadow.take()
        if entry is None or metrics is None:
            return
        metrics.write(entry)
        kind = "alarm" if entry["alarm"] else "shadow"
        self.tell({"kind": kind, "step": entry["step"], "text": self.shadow.text(entry)})

    def _outcome(self, finished: bool, resumed_from: int, tokens: int, seconds: float, saved: int) -> Outcome:
        return Outcome(finished, self.step, resumed_from, tokens, seconds, self.checkpoints.path(saved))

    def _in(self, first: int, steps: int) -> int:
        return min(max(self.step - first, 0), steps)

    def _ask_to_stop(self, *_: Any) -> None:
        self._stop_asked = True


def batch_digest(samples: SampleBatch) -> str:
    """16 hexadecimal digits that tell one step's samples from another's."""
    digest = hashlib.blake2b("\n".join(samples.names).encode(), digest_size=8)
    for array in (samples.component, samples.window, samples.epoch):
        digest.update(array.tobytes())
    return digest.hexdigest()


def _silent(event: dict[str, Any]) -> None:
    return None
