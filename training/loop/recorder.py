"""What rank 0 tells of a run: lines of metrics.jsonl, scalars for TensorBoard, sentences for the console."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hanji.training.checkpoint.store import Saved
from hanji.training.data.plan import DataPlan
from hanji.training.loop.health import SpeedMonitor
from hanji.training.loop.metrics import METRICS, MetricsFile
from hanji.training.loop.rates import Rates
from hanji.training.loop.tensorboard import TensorBoard
from hanji.training.loop.validation import HeldOut
from hanji.training.model.shape import parameter_count
from hanji.training.recipe import TrainingRecipe

Tell = Callable[[dict[str, Any]], None]


class Recorder:
    """Writes what happens. Made by rank 0 alone, when it is known from which step the run goes on."""

    def __init__(
        self, recipe: TrainingRecipe, data: DataPlan, rates: Rates, tell: Tell, from_step: int
    ) -> None:
        run = Path(recipe.run)
        self._recipe, self._rates, self._tell = recipe, rates, tell
        self._speed = SpeedMonitor(recipe.health)
        self._board = TensorBoard(run, from_step) if recipe.tensorboard else None
        self._file = MetricsFile(run / METRICS, from_step)
        self._last: dict[str, Any] = {}
        self._file.write(
            {
                "kind": "start",
                "step": from_step,
                "time": time.time(),
                "hardware": asdict(rates.hardware),
                "parallel": recipe.parallel.model_dump(),
                "precision": recipe.precision,
                "rates": rates.facts(),
                **facts(recipe, data),
                "lost": self._file.lost,
            }
        )
        if self._file.damaged:
            tell(
                {
                    "kind": "note",
                    "text": f"{run / METRICS}: {self._file.damaged} lines could not be read and were removed",
                }
            )
        for text in rates.describe():
            tell({"kind": "note", "text": text})

    def step(self, entry: dict[str, Any]) -> None:
        """A step's line."""
        self._file.write(entry)
        self._last = entry
        number = entry["step"]
        if entry["skip"]:
            self._tell({"kind": "skip", "text": f"step {number} skipped: {entry['skip']}"})
        if slow := self._speed.look(entry["tokens_per_second"]):
            if self._speed.slow:
                self._file.write({"kind": "alarm", "step": number, "about": "speed", "text": slow})
            self._tell({"kind": "speed", "text": f"step {number}: {slow}"})
        # The first step is told at once: it says that the run has begun.
        first = number == 1 and self._recipe.log_every > 1
        rates = self._rates.of(entry["tokens"], entry["seconds"])
        text = self._line(self._rates.line(rates), f"{entry['loss']:.4f}") if first else None
        self._tell({"kind": "step", "step": number, "stage": entry["stage"], "text": text})

    def interval(self, figures: Mapping[str, Any], first: int) -> None:
        """The line of the steps from ``first`` to the one that was told last."""
        last = self._last
        rates = self._rates.of(figures["tokens"], figures["seconds"])
        entry = {
            "kind": "interval",
            "step": last["step"],
            "first": first,
            "stage": last["stage"],
            "time": time.time(),
            "lr": last["lr"],
            "grad_norm": last["grad_norm"],
            "skipped_so_far": last["skipped"],
            "rates": rates,
            **figures,
        }
        self._write(entry)
        if last["step"] % self._recipe.log_every == 0:
            loss = "–" if figures["loss"] is None else f"{figures['loss']:.4f}"
            languages = figures["losses"]["language"]
            if len(languages) > 1:
                loss += " (" + ", ".join(f"{name} {value:.4f}" for name, value in languages.items()) + ")"
            self._tell({"kind": "interval", "text": self._line(self._rates.line(rates), loss)})

    def validation(self, result: HeldOut, step: int, stage: str, when: str, seconds: float) -> None:
        """Held-out bits per byte at one moment; ``when`` is before, during or after the stage."""
        entry = {
            "kind": "validation",
            "step": step,
            "seen": step * self._recipe.tokens_per_step,
            "stage": stage,
            "when": when,
            "bits_per_byte": result.languages,
            "groups": result.groups,
            "components": result.components,
            "empty": list(result.empty),
            "seconds": seconds,
        }
        self._write(entry)
        figures = ", ".join(f"{language} {value:.4f}" for language, value in result.languages.items())
        self._tell({**entry, "text": f"held-out bits per byte {when} {stage}: {figures}"})

    def saved(self, checkpoints: Sequence[Saved]) -> None:
        """Checkpoints that have become whole."""
        for checkpoint in checkpoints:
            self._tell({"kind": "checkpoint", "step": checkpoint.step, "path": checkpoint.path})
            self._file.write({"kind": "checkpoint", **asdict(checkpoint)})

    def shadow(self, entry: dict[str, Any], text: str) -> None:
        """FP8 beside BF16."""
        self._file.write(entry)
        self._tell({"kind": "alarm" if entry["alarm"] else "shadow", "step": entry["step"], "text": text})

    def end(self, step: int, finished: bool, spent: Mapping[str, Any]) -> None:
        """The ranks end; ``spent`` is time and memory since the last interval."""
        self._write({"kind": "end", "step": step, "finished": finished, "time": time.time(), **spent})
        self._file.close()
        if self._board is not None:
            self._board.close()

    def _write(self, entry: dict[str, Any]) -> None:
        self._file.write(entry)
        if self._board is not None:
            self._board.write(entry)

    def _line(self, speed: str, loss: str) -> str:
        last = self._last
        return (
            f"step {last['step']}/{self._recipe.total_steps} {last['stage']}  {speed}  loss {loss}  "
            f"lr {last['lr']:.2e}  norm {last['grad_norm']:.2f}"
        )


def facts(recipe: TrainingRecipe, data: DataPlan) -> dict[str, Any]:
    """What the record says of a run at each start: which it is, and how much there is of what it reads."""
    return {
        "name": recipe.name,
        "recipe": recipe.identity_fingerprint(),
        "manifest_sha256": data.manifest_sha256,
        "held_out": {
            "manifest_sha256": data.held_out.manifest_sha256,
            "components": sorted(data.held_out.components),
        },
        "parameters": parameter_count(recipe.shape, data.manifest.tokenizer.vocab_size),
        "tokens_per_step": recipe.tokens_per_step,
        "stages": [{"name": stage.name, "steps": recipe.steps_of(stage)} for stage in recipe.stages],
        "components": {
            name: windows * recipe.shape.seq_length for name, windows in data.epoch_windows.items()
        },
    }
