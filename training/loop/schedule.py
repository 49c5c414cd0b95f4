"""The learning rate by step.

DeepSeek LLM's multi-step schedule (arXiv 2401.02954, section 2.3), which the Kanana paper uses: linear
warm-up to the peak, then constant, then at given shares of the run down to given shares of the peak. It
spans all stages, so a second stage goes on where the first ended.
"""

from __future__ import annotations

from dataclasses import dataclass

from hanji.training.recipe import ScheduleSettings


@dataclass(frozen=True)
class MultiStep:
    """Rates of a run of ``total_steps`` optimizer steps."""

    settings: ScheduleSettings
    total_steps: int

    def __call__(self, step: int) -> float:
        """Learning rate of the step after ``step`` finished ones (0 for the first)."""
        settings = self.settings
        if step < settings.warmup_steps:
            return settings.peak_lr * (step + 1) / settings.warmup_steps
        share = 1.0
        for drop in settings.drops:
            if step >= drop.at * self.total_steps:
                share = drop.to
        return settings.peak_lr * share
