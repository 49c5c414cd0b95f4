"""The training loop: stages, steps, checkpoints, validation, and going on where a run was cut off."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hanji.errors import RunError
from hanji.training.checkpoint.record import Commit
from hanji.training.checkpoint.state import reseed
from hanji.training.checkpoint.store import Checkpoints
from hanji.training.data.batches import training_micro_batches
from hanji.training.data.order import SampleBatch
from hanji.training.data.plan import DataPlan
from hanji.training.loop.forward import run_micro_batches
from hanji.training.loop.gathering import Gathered, gather
from hanji.training.loop.health import StepGuard, gradient_norm, take_step
from hanji.training.loop.interval import Interval
from hanji.training.loop.layout import Layout
from hanji.training.loop.lineage import family_node
from hanji.training.loop.objective import Objective
from hanji.training.loop.optimizer import build_optimizer, connect, set_learning_rate, wrap_data_parallel
from hanji.training.loop.phases import Phases
from hanji.training.loop.rates import Rates, find_hardware
from hanji.training.loop.recorder import Recorder
from hanji.training.loop.resume import check_commit
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
        self.phases = Phases(layout.device)
        connect(self.chunks, self.optimizer, self.phases)
        self.rate = recipe.learning_rates()
        self.checkpoints = Checkpoints(recipe.run, recipe.checkpoint, layout)
        self.validation = Validation(
            data,
            recipe.shape.seq_length,
            recipe.validation.micro_size,
            layout,
        )
        self.streams = data.streams()
        self.shadow = Shadow(recipe.shadow, self.chunks, objective, layout)
        self.guard, self.interval = StepGuard(recipe.health), Interval(layout, self.phases)
        self.rates = Rates(
            recipe.shape, data.manifest.tokenizer.vocab_size, find_hardware(layout), recipe.precision
        )
        self.recorder: Recorder | None = None
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
        if self.layout.is_main:
            self.recorder = Recorder(self.recipe, self.data, self.rates, self.tell, resumed_from)
        if commit is None:
            self._validate(self.recipe.stages[0].name, "before")
        tokens, seconds, saved = 0, 0.0, commit.step if commit else -1
        first = 0
        for index, stage in enumerate(self.recipe.stages):
            steps = self.recipe.steps_of(stage)
            self.tell({"kind": "stage", "stage": stage.name, "steps": steps, "done": self._in(first, steps)})
            while self.step < first + steps:
                started = time.perf_counter()
                entry, names, gathered = self._train_step(index)
                stop = gathered.stop
                entry["seconds"] = time.perf_counter() - started
                entry["tokens_per_second"] = entry["tokens"] / entry["seconds"]
                tokens += entry["tokens"]
                seconds += entry["seconds"]
                self.interval.add(entry, names, gathered.tokens, gathered.losses)
                self._record(entry)
                at_end = self.step == first + steps
                to_save = at_end or stop or self.step % self.recipe.checkpoint.every == 0
                if to_save or self.step % self.recipe.log_every == 0:
                    self._end_interval()
                if at_end:
                    self._validate(stage.name, "after")
                elif self.recipe.validation.every and self.step % self.recipe.validation.every == 0:
                    self._validate(stage.name, "during")
                if to_save:
                    self._save(index, self.step - first, at_end)
                    saved = self.step
                if stop and self.step < self.recipe.total_steps:
                    self._end(False)
                    self.tell(
                        {"kind": "stopped", "text": f"stopped after step {self.step}; run again to go on"}
                    )
                    return self._outcome(False, resumed_from, tokens, seconds, saved)
            first += steps
        self._end(True)
        return self._outcome(True, resumed_from, tokens, seconds, saved)

    def _train_step(self, stage: int) -> tuple[dict[str, Any], Sequence[str], Gathered]:
        """The step's line, and what all ranks know of it, with the names of its components."""
        self.watchdog.beat(self.step + 1, "reading the batch")
        size = self.recipe.batch.global_size
        with self.phases.host("data"):
            samples = self.data.order.batch(self.step * size, size)
            batches = list(
                training_micro_batches(
                    samples,
                    self.streams,
                    self.recipe.shape.seq_length,
                    self.recipe.batch.micro_size,
                    self.layout.data_rank,
                    self.layout.data_ranks,
                    self.data.packing,
                )
            )
        self.watchdog.beat(self.step + 1, "forward and backward")
        for chunk in self.chunks:
            chunk.zero_grad_buffer()
        self.optimizer.zero_grad()
        with self.phases.counting(), self.shadow.watching(self.step + 1), weights_stay(self.chunks):
            results = run_micro_batches(self.chunks, self.objective, batches, self.layout, forward_only=False)
        self.shadow.compare(self.step + 1, batches, results)
        rate = self.rate(self.step)
        set_learning_rate(self.optimizer, rate)
        self.watchdog.beat(self.step + 1, "optimizer step")
        with self.phases.device("optimizer"):
            norm = gradient_norm(self.optimizer)
        stop = self._stop_asked or os.getppid() != self._launcher
        gathered = gather(results, len(samples.names), self.layout, stop=stop)
        sums, memory = gathered.sums, gathered.memory
        loss = sums["loss"] / sums["tokens"]
        verdict = self.guard.judge(loss, norm)
        if verdict.skip is None:
            with self.phases.device("optimizer"):
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
            "seen": self.step * self.recipe.tokens_per_step,
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
        return entry, self.data.components_of(samples.names), gathered

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
        check_commit(self.recipe, self.data, commit, where)
        if not self.checkpoints.load(commit, self.chunks, self.optimizer):
            reseed(self.recipe.seed, commit.step)
        self.guard.load(commit.health)
        self.step = commit.step
        self.tell({"kind": "resume", "step": commit.step, "text": f"going on from {where}"})
        return commit

    def _save(self, stage: int, stage_step: int, stage_end: bool) -> None:
        self.watchdog.beat(self.step, "saving a checkpoint", patient=True)
        consumed = self._consumed()
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
            family=family_node(
                self.recipe,
                self.data,
                self.step,
                name,
                self.data.by_component(consumed),
                self.parents,
                self.guard.skipped_steps,
            ),
            health=self.guard.state(),
        )
        with self.phases.host("checkpoint"):
            saved = self.checkpoints.save(commit, self.chunks, self.optimizer)
        if self.recorder is not None:
            self.recorder.saved(saved)

    def _end(self, finished: bool) -> None:
        """Wait until the last checkpoint is whole, and close the books."""
        self.watchdog.beat(self.step, "saving a checkpoint", patient=True)
        with self.phases.host("checkpoint"):
            saved = self.checkpoints.finish()
        spent = self.interval.spent()
        if self.recorder is not None:
            self.recorder.saved(saved)
            self.recorder.end(self.step, finished, spent)

    def _validate(self, stage: str, when: str) -> None:
        if not self.validation.components:
            if when == "before":
                self.tell({"kind": "note", "text": "the shards hold no valid text: no bits per byte"})
            return
        self.watchdog.beat(self.step, "validation", patient=True)
        started = time.perf_counter()
        with self.phases.host("validation"):
            result = self.validation.measure(self.chunks, self.objective)
        if self.recorder is not None:
            self.recorder.validation(result, self.step, stage, when, time.perf_counter() - started)

    def _record(self, entry: dict[str, Any]) -> None:
        """What a step came to, and what else has happened by its end."""
        shadow, saved = self.shadow.take(), self.checkpoints.poll()
        if self.recorder is None:
            return
        self.recorder.step(entry)
        if shadow is not None:
            self.recorder.shadow(shadow, self.shadow.text(shadow))
        self.recorder.saved(saved)

    def _end_interval(self) -> None:
        first = self.step - self.interval.steps + 1
        figures = self.interval.end(
            self.data.by_component(self._consumed()),
            self.data.epoch_windows,
            self.recipe.shape.seq_length,
        )
        if self.recorder is not None:
            self.recorder.interval(figures, first)

    def _consumed(self) -> dict[str, int]:
        """Windows that each stream has given."""
        return self.data.order.consumed(self.step * self.recipe.batch.global_size)

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
