"""Cross entropy over a vocabulary that is split among tensor-parallel ranks, with its log-partition.

Megatron's ``vocab_parallel_cross_entropy`` does not give the log-partition log Z that the z-loss needs, and
lets padding rows of the embedding take part in the softmax. Here both outputs come out of one pass, and
padding ids get no probability, so that the loss does not depend on the padding.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist


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
        scores = logits.float() if logits.dtype != torch.float32 else logits.clone()
        if first + width > vocabulary:
            scores[..., max(0, vocabulary - first) :] = float("-inf")
        largest = scores.amax(dim=-1)
        dist.all_reduce(largest, dist.ReduceOp.MAX, group=group)
        scores -= largest.unsqueeze(-1)
        local = labels - first
        here = (local >= 0) & (local < width)
        index = local.clamp(0, width - 1).unsqueeze(-1)
        target = torch.where(here, scores.gather(-1, index).squeeze(-1), 0.0)
        softmax = scores.exp_()
        sums = torch.stack([softmax.sum(dim=-1), target])
        dist.all_reduce(sums, group=group)
        partition, target = sums[0], sums[1]
        softmax /= partition.unsqueeze(-1)
        log_partition = partition.log()
        context.save_for_backward(softmax, index, here)
        context.dtype = logits.dtype
        return log_partition - target, log_partition + largest

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None, None, None]:
        loss_gradient, z_gradient = gradients
        softmax, index, here = context.saved_tensors
        result = softmax * (loss_gradient + z_gradient).unsqueeze(-1)
        result.scatter_add_(-1, index, -(loss_gradient * here).unsqueeze(-1))
        return result.to(context.dtype), None, None, None, None


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
