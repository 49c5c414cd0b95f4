"""Health of the steps: which are skipped, what the statistics say, and when it is too much.

A step whose loss or gradient norm is not finite, or lies far above those of the last steps, must not reach the
weights. The rule is OLMo-core's (SkipStepOptimizer; OLMo 2, arXiv 2501.00656, section 3): more than k standard
deviations above the mean of the last N steps, once half of N are known. What was finite counts in the statistics
even when it was skipped, so that a new level is accepted after a few steps. The sample of a skipped step is used
up; the weights and the optimizer's state stay as they are.

Every rank decides for itself, from numbers that an all-reduce gave to all of them, so all decide the same. The
history is part of a checkpoint's record: a run that goes on decides as the undisturbed one.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hanji.errors import RunError

if TYPE_CHECKING:
    from hanji.training.recipe import HealthSettings

SMALLEST_DEVIATION = 1e-3
"""Of the mean: a loss that hardly varies is no reason to skip what varies a little more."""
LISTED_SLOW_STEPS = 5
"""A drop of the speed is told when it has lasted for as many steps."""


@dataclass(frozen=True)
class Verdict:
    """What to do with a step. ``skip`` says why it is skipped; None: it is taken.

    Means and standard deviations are those of the steps before it, None while too few are known.
    """

    skip: str | None
    loss_mean: float | None
    loss_deviation: float | None
    norm_mean: float | None
    norm_deviation: float | None


class StepGuard:
    """Judges each step by the ones before it."""

    def __init__(self, settings: HealthSettings) -> None:
        self.settings = settings
        self.skipped = 0
        self.skipped_steps: list[int] = []
        self._losses: deque[float] = deque(maxlen=settings.window)
        self._norms: deque[float] = deque(maxlen=settings.window)
        # Skips in a row are counted even where they are more than the window is long.
        self._skips: deque[bool] = deque(maxlen=max(settings.window, settings.skips_in_a_row))

    def judge(self, loss: float, norm: float) -> Verdict:
        """Whether the step with this mean loss and global gradient norm is to be taken; remembers it."""
        loss_mean, loss_deviation = self._spread(self._losses)
        norm_mean, norm_deviation = self._spread(self._norms)
        if not math.isfinite(loss):
            skip = f"loss {loss}"
        elif not math.isfinite(norm):
            skip = f"gradient norm {norm}"
        elif self._far(loss, loss_mean, loss_deviation):
            skip = f"loss {loss:.4g} among {loss_mean:.4g} ± {loss_deviation:.2g}"
        elif self._far(norm, norm_mean, norm_deviation):
            skip = f"gradient norm {norm:.4g} among {norm_mean:.4g} ± {norm_deviation:.2g}"
        else:
            skip = None
        if math.isfinite(loss) and math.isfinite(norm):
            self._losses.append(loss)
            self._norms.append(norm)
        self._skips.append(skip is not None)
        self.skipped += skip is not None
        return Verdict(skip, loss_mean, loss_deviation, norm_mean, norm_deviation)

    def check(self, step: int, verdict: Verdict) -> None:
        """Note what became of ``step``; raise RunError when too many steps were skipped, this the last of them."""
        if verdict.skip is not None:
            self.skipped_steps.append(step)
        settings, recent = self.settings, list(self._skips)
        in_a_row = 0
        while in_a_row < len(recent) and recent[-1 - in_a_row]:
            in_a_row += 1
        window = recent[-settings.window :]
        if verdict.skip is None or (
            in_a_row < settings.skips_in_a_row and sum(window) < settings.skips_in_window
        ):
            return
        raise RunError(
            f"step {step}: {in_a_row} steps in a row and {sum(window)} of the last {len(window)} were skipped "
            f"(health.skips_in_a_row {settings.skips_in_a_row}, health.skips_in_window "
            f"{settings.skips_in_window}), this one for its {verdict.skip}. Go on from an earlier checkpoint (move "
            "the later ones away), or in a new run with a lower schedule.peak_lr or a longer warm-up"
        )

    def state(self) -> dict[str, Any]:
        """The history, for the checkpoint's record: plain JSON, floats exact."""
        return {
            "losses": list(self._losses),
            "norms": list(self._norms),
            "skips": [int(skip) for skip in self._skips],
            "skipped": self.skipped,
            "skipped_steps": list(self.skipped_steps),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take up the history of a checkpoint; an empty one begins anew."""
        for name, kept in (("losses", self._losses), ("norms", self._norms)):
            kept.clear()
            kept.extend(float(value) for value in state.get(name, ()))
        self._skips.clear()
        self._skips.extend(bool(value) for value in state.get("skips", ()))
        self.skipped = int(state.get("skipped", 0))
        self.skipped_steps = [int(step) for step in state.get("skipped_steps", ())]

    def _spread(self, values: deque[float]) -> tuple[float | None, float | None]:
        # OLMo-core counts the step in question too, hence the one less.
        if len(values) < max(2, self.settings.window // 2 - 1):
            return None, None
        mean = statistics.fmean(values)
        squares = math.fsum((value - mean) ** 2 for value in values)
        return mean, max(math.sqrt(squares / (len(values) - 1)), SMALLEST_DEVIATION * abs(mean))

    def _far(self, value: float, mean: float | None, deviation: float | None) -> bool:
        sigmas = self.settings.skip_sigmas
        if sigmas is None or mean is None or deviation is None:
            return False
        return value - mean > sigmas * deviation


class SpeedMonitor:
    """Notices when tokens/s fall far below what they were, and when they are back. For one rank."""

    def __init__(self, settings: HealthSettings) -> None:
        self._share = settings.slow_share
        self._speeds: deque[float] = deque(maxlen=settings.window)
        self._slow = 0

    @property
    def slow(self) -> bool:
        """Whether the last step was slow."""
        return self._slow > 0

    def look(self, tokens_per_second: float) -> str | None:
        """A sentence when a drop has lasted for some steps, and one when it is over."""
        if len(self._speeds) < max(2, LISTED_SLOW_STEPS):
            self._speeds.append(tokens_per_second)
            return None
        median = statistics.median(self._speeds)
        if tokens_per_second < self._share * median:
            self._slow += 1
            if self._slow == LISTED_SLOW_STEPS:
                return (
                    f"slow: {tokens_per_second:,.0f} tokens/s, {tokens_per_second / median:.0%} of the median of "
                    f"{median:,.0f}, for {LISTED_SLOW_STEPS} steps now"
                )
            return None
        # Slow steps are left out of the median: a machine that stays slow stays told.
        self._speeds.append(tokens_per_second)
        was, self._slow = self._slow, 0
        return f"{tokens_per_second:,.0f} tokens/s again" if was >= LISTED_SLOW_STEPS else None


def gradient_norm(optimizer: Any) -> float:
    """Global norm of the gradients, the same on every rank; infinite where Megatron found an overflow.

    First half of ``MegatronOptimizer.step``: gradients go to the fp32 parameters, nothing is changed by them.
    """
    if optimizer.prepare_grads():
        return math.inf
    return float(optimizer.get_grad_norm())


def take_step(optimizer: Any, norm: float, clip: float) -> None:
    """Second half of ``MegatronOptimizer.step``: clip by the norm that is known, update, gather parameters."""
    from megatron.core.optimizer.clip_grads import clip_grad_by_total_norm_fp32

    parameters = optimizer.get_parameters()
    if parameters:
        clip_grad_by_total_norm_fp32(parameters, clip, norm)
    optimizer.step_with_ready_grads()


def memory_bytes(device: Any) -> int:
    """The most memory that this process has held: of its GPU since the last call, else resident."""
    import torch

    if device.type == "cuda":
        most = int(torch.cuda.max_memory_allocated(device))
        torch.cuda.reset_peak_memory_stats(device)
        return most
    import resource
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak) if sys.platform == "darwin" else int(peak) * 1024
