"""Objectives: what a batch is trained for.

The loop knows batches, micro-batches, ranks and optimizers, and nothing of losses. An objective says what a
pipeline stage computes of a batch and, on the last stage, which sum is to be made small and over how many
tokens the mean is taken. Next-token prediction is the first; distillation, reward models and preference
optimisation are others of the same kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch

from hanji.training.loop.cross_entropy import vocabulary_cross_entropy


@dataclass(frozen=True)
class Batch:
    """A micro-batch on this rank's device: tokens, labels, positions int64 and mask fp32, all [b, s / context].

    With context parallelism these are the rank's part of each row. ``component`` [b] says where each sample
    comes from, -1 for padding. ``documents`` int32 [b, s] is the number of each token's document within its row,
    always of the whole row, or None where attention runs across documents.
    """

    tokens: torch.Tensor
    labels: torch.Tensor
    mask: torch.Tensor
    positions: torch.Tensor
    component: torch.Tensor
    documents: torch.Tensor | None = None


@dataclass(frozen=True)
class LossSums:
    """Sums over a micro-batch.

    ``total`` (scalar, differentiable) is divided by the tokens of the whole global batch by the loop;
    ``metrics`` are further sums, logged after the same division. ``row_tokens`` and ``row_loss`` [b] are the
    tokens and the loss of each row, from which the loop makes the losses of components.
    """

    total: torch.Tensor
    tokens: torch.Tensor
    metrics: dict[str, torch.Tensor]
    row_tokens: torch.Tensor
    row_loss: torch.Tensor


class Objective(Protocol):
    """Batch → loss and metrics."""

    def forward(self, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        """What this pipeline stage computes: hidden states, or on the last stage the logits [b, s, v]."""
        ...

    def loss(self, output: torch.Tensor, batch: Batch) -> LossSums:
        """The loss of the last stage's output."""
        ...


def _inner(model: Any) -> Any:
    """The GPTModel below Megatron's wrappers."""
    while not hasattr(model, "rotary_pos_emb"):
        model = model.module
    return model


@dataclass(frozen=True)
class NextToken:
    """Cross entropy of the next token plus ``z_loss`` · log²Z (PaLM; Wortsman et al., arXiv 2309.14322)."""

    vocab_size: int
    z_loss: float
    reset_positions: bool = False
    """Whether positions are the batch's, which begin anew in each document, and not those of the row."""

    def forward(self, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        rotary = _inner(model).rotary_pos_emb
        rotary.positions = batch.positions if self.reset_positions else None
        # Megatron hands the attention mask on to every layer's attention, unread: ours takes the documents.
        output: torch.Tensor = model(batch.tokens, batch.positions, attention_mask=batch.documents)
        return output

    def loss(self, output: torch.Tensor, batch: Batch) -> LossSums:
        nats, log_partition = vocabulary_cross_entropy(output, batch.labels, self.vocab_size)
        masked = nats * batch.mask
        cross_entropy = masked.sum()
        squared = (log_partition.square() * batch.mask).sum()
        return LossSums(
            total=cross_entropy + self.z_loss * squared,
            tokens=batch.mask.sum().to(torch.int32),
            metrics={"loss": cross_entropy.detach(), "z_squared": squared.detach()},
            row_tokens=batch.mask.sum(dim=1, dtype=torch.float64),
            row_loss=masked.detach().sum(dim=1, dtype=torch.float64),
        )
