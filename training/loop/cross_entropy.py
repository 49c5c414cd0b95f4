"""Cross entropy over a vocabulary that is split among tensor-parallel ranks, with its log-partition.

Megatron's ``vocab_parallel_cross_entropy`` does not give the log-partition log Z that the z-loss needs, and
lets padding rows of the embedding take part in the softmax. Here both outputs come out of one pass, and
padding ids get no probability, so that the loss does not depend on the padding.

Logits are the largest tensor of a training step (8192 tokens of 128,256 ids are 2 GB in bf16). Nothing of their
size is kept for the backward pass beside themselves, and nothing in fp32: the softmax is computed again from
log Z. On CUDA each pass over them is one fused kernel.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist

from hanji.training.model.kernels import Fused


def _row_largest(logits: torch.Tensor) -> torch.Tensor:
    return logits.amax(dim=-1).float()


def _row_sum(logits: torch.Tensor, largest: torch.Tensor) -> torch.Tensor:
    return (logits.float() - largest.unsqueeze(-1)).exp().sum(dim=-1)


def _scaled_softmax(logits: torch.Tensor, log_partition: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    softmax = (logits.float() - log_partition.unsqueeze(-1)).exp()
    return (softmax * scale.unsqueeze(-1)).to(logits.dtype)


_fused_row_largest, _fused_row_sum = Fused(_row_largest), Fused(_row_sum)
_fused_scaled_softmax = Fused(_scaled_softmax)


class VocabularyCrossEntropy(torch.autograd.Function):  # type: ignore[misc]
    """(logits, labels, first id of this rank, vocabulary, group) → (loss, log Z), both [b, s] in fp32.

    ``logits`` [b, s, v] holds ids first … first + v - 1; those from ``vocabulary`` on are padding. Gradients:
    d loss = softmax - one-hot, d log Z = softmax.
    """

    @staticmethod
    def forward(
        context: Any,
        logits: torch.Tensor,
        labels: torch.Tensor,
        first: int,
        vocabulary: int,
        group: dist.ProcessGroup,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        width = logits.size(-1)
        real = min(width, max(0, vocabulary - first))
        scores = logits[..., :real]
        if real:
            largest = _fused_row_largest(scores)
        else:
            largest = torch.full(labels.shape, float("-inf"), device=logits.device)
        dist.all_reduce(largest, dist.ReduceOp.MAX, group=group)
        partition = _fused_row_sum(scores, largest) if real else torch.zeros_like(largest)
        local = labels - first
        here = (local >= 0) & (local < width)
        index = local.clamp(0, width - 1).unsqueeze(-1)
        target = torch.where(here, logits.gather(-1, index).squeeze(-1).float(), 0.0)
        sums = torch.stack([partition, target])
        dist.all_reduce(sums, group=group)
        log_partition = sums[0].log() + largest
        context.save_for_backward(logits, log_partition, target, index, here)
        context.real = real
        return log_partition - sums[1], log_partition

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None, None, None]:
        loss_gradient, z_gradient = gradients
        logits, log_partition, target, index, here = context.saved_tensors
        scale = loss_gradient + z_gradient
        result = _fused_scaled_softmax(logits, log_partition, scale)
        result[..., context.real :] = 0.0
        # The label's own entry in fp32: in bf16 the difference of softmax and 1 would lose its digits.
        own = (target - log_partition).exp() * scale - loss_gradient
        own = torch.where(here.unsqueeze(-1), own.unsqueeze(-1).to(result.dtype), result.gather(-1, index))
        result.scatter_(-1, index, own)
        return result, None, None, None, None


def vocabulary_cross_entropy(
    logits: torch.Tensor, labels: torch.Tensor, vocabulary: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cross entropy in nats and log Z of each token, both [b, s] fp32.

    logits: [b, s, padded vocabulary / tensor ranks], this rank's part. labels: int64 [b, s].
    """
    from megatron.core import parallel_state

    group = parallel_state.get_tensor_model_parallel_group()
    first = dist.get_rank(group) * logits.size(-1)
    loss, log_partition = VocabularyCrossEntropy.apply(logits, labels, first, vocabulary, group)
    return loss, log_partition
