"""Learning rate and batch from published scaling laws.

DeepSeek LLM (arXiv 2401.02954, section 3.1), the law that the Kanana paper says it used, goes by compute
C = M · D alone, with M the training FLOPs per token without the vocabulary's matrices. Step Law (arXiv
2503.04715) goes by the parameters without embeddings and the tokens; it is a second opinion, fitted on other
data and with another schedule. Batches are in tokens.

A law gives a place to start from: both papers find the optimum broad, and both fitted on their own data,
tokenizer and optimizer settings (weight decay tied to the rate, which here it is not).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from hanji.training.model.shape import ModelShape, layer_parameters

DEEPSEEK_WARMUP = 2000
"""Steps; DeepSeek LLM's and the paper's."""
DEEPSEEK_FIT_FROM = 1e17
"""FLOPs of the smallest runs that DeepSeek's law was fitted on."""


@dataclass(frozen=True)
class Budget:
    """What a run is, to a scaling law.

    ``parameters`` without embeddings and output layer (None where only the compute is known); ``flops_per_token``
    of training, without the vocabulary's matrices; ``tokens`` of the whole run.
    """

    parameters: int | None
    flops_per_token: float
    tokens: float

    @property
    def compute(self) -> float:
        """FLOPs of the run, without the vocabulary's matrices."""
        return self.flops_per_token * self.tokens


def budget_of(shape: ModelShape, tokens: float) -> Budget:
    """The budget of training a model of this shape on so many tokens."""
    return Budget(shape.layers * layer_parameters(shape), flops_without_vocabulary(shape), tokens)


def budget_of_compute(compute: float) -> Budget:
    """DeepSeek's best split of a compute into model and tokens: M = 0.1715·C^0.5243, D = C / M (section 3.2)."""
    per_token = 0.1715 * compute**0.5243
    return Budget(None, per_token, compute / per_token)


def flops_without_vocabulary(shape: ModelShape) -> float:
    """DeepSeek's model scale M: training FLOPs per token of all layers, with the whole score matrix.

    For their shapes (no grouped queries, feed-forward 8/3 of the width) it is their formula
    72·layers·hidden² + 12·layers·hidden·seq.
    """
    matrices = layer_parameters(shape) - 2 * shape.hidden
    return float(shape.layers * (6 * matrices + 12 * shape.heads * shape.head_dim * shape.seq_length))


@dataclass(frozen=True)
class Law:
    """A published law: its source, and peak rate and batch (tokens) as functions of the budget."""

    name: str
    source: str
    peak_lr: Callable[[Budget], float]
    batch_tokens: Callable[[Budget], float]
    needs_parameters: bool = False


def _deepseek_rate(budget: Budget) -> float:
    return float(0.3118 * budget.compute**-0.1250)


def _deepseek_batch(budget: Budget) -> float:
    return float(0.2920 * budget.compute**0.3271)


def _step_rate(budget: Budget) -> float:
    assert budget.parameters is not None
    return float(1.79 * budget.parameters**-0.713 * budget.tokens**0.307)


def _step_batch(budget: Budget) -> float:
    return float(0.58 * budget.tokens**0.571)


LAWS: dict[str, Law] = {
    "deepseek": Law("DeepSeek LLM", "arXiv 2401.02954", _deepseek_rate, _deepseek_batch),
    "step": Law("Step Law", "arXiv 2503.04715", _step_rate, _step_batch, needs_parameters=True),
}


@dataclass(frozen=True)
class Suggestion:
    """A law's answer, and what a recipe can make of it.

    ``batch_tokens`` is the law's; ``global_size`` the nearest legal batch in samples; ``steps`` the tokens in
    steps of it, rounded up; ``notes`` what to know before believing it.
    """

    law: str
    source: str
    peak_lr: float
    batch_tokens: float
    global_size: int
    tokens_per_step: int
    steps: int
    warmup_steps: int
    notes: tuple[str, ...]


def suggest(law: Law, budget: Budget, seq_length: int, multiple: int) -> Suggestion:
    """What ``law`` says of a run, its batch a multiple of ``multiple`` samples of ``seq_length`` tokens.

    The warm-up is DeepSeek's 2,000 steps, or a tenth of a run shorter than ten times that (this project's
    choice). The rate is rounded to three digits.
    """
    rate, batch = law.peak_lr(budget), law.batch_tokens(budget)
    size = legal_batch(batch, seq_length, multiple)
    steps = max(1, math.ceil(budget.tokens / (size * seq_length)))
    return Suggestion(
        law=law.name,
        source=law.source,
        peak_lr=float(f"{rate:.2e}"),
        batch_tokens=batch,
        global_size=size,
        tokens_per_step=size * seq_length,
        steps=steps,
        warmup_steps=min(DEEPSEEK_WARMUP, steps // 10),
        notes=tuple(_notes(law, budget, batch, size * seq_length, steps)),
    )


def legal_batch(tokens: float, seq_length: int, multiple: int) -> int:
    """The batch in samples nearest to so many tokens that is a multiple of ``multiple``, at least one."""
    return max(1, round(tokens / (seq_length * multiple))) * multiple


def _notes(law: Law, budget: Budget, batch: float, legal: int, steps: int) -> list[str]:
    notes = []
    if law is LAWS["deepseek"] and budget.compute < DEEPSEEK_FIT_FROM:
        notes.append(
            f"{budget.compute:.2g} FLOPs are below the {DEEPSEEK_FIT_FROM:.0e} at which the law's fit begins"
        )
    if not 0.8 <= legal / batch <= 1.25:
        notes.append(
            f"the nearest legal batch is {legal / batch:.2g} times the law's: change batch.micro_size or "
            "parallel.data, or expect another best rate"
        )
    if steps < 100:
        notes.append(f"{steps} steps: too few for a law of long runs to mean much")
    return notes
