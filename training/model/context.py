"""Context parallelism: which chunks of a sequence a rank holds, and all keys and values for its queries.

A sequence is cut into 2·c chunks for c ranks; rank r holds chunks r and 2·c - 1 - r, so that under a causal mask
all ranks have as much to attend to (the cut of Megatron-Core and Transformer Engine). Keys and values are
gathered (Llama 3's method, arXiv 2407.21783 section 3.3.2): with grouped queries they are small, and any
document mask works.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist


def chunks_of_rank(rank: int, ranks: int) -> tuple[int, int]:
    """The two chunks, of 2·ranks, that a context rank holds, in the order in which it holds them."""
    return rank, 2 * ranks - 1 - rank


def gather_sequence(part: torch.Tensor, group: dist.ProcessGroup) -> torch.Tensor:
    """The parts [s / c, ...] of all context ranks as one sequence [s, ...] in the order of its tokens.

    The backward pass sums the gradients that the ranks have for each part and gives each rank its own.
    """
    whole: torch.Tensor = _GatherSequence.apply(part, group)
    return whole


class _GatherSequence(torch.autograd.Function):  # type: ignore[misc]
    @staticmethod
    def forward(context: Any, part: torch.Tensor, group: dist.ProcessGroup) -> torch.Tensor:
        context.group = group
        ranks = group.size()
        gathered = part.new_empty(ranks, *part.shape)
        dist.all_gather_into_tensor(gathered.view(-1, *part.shape[1:]), part.contiguous(), group=group)
        halves = gathered.view(ranks, 2, part.size(0) // 2, *part.shape[1:])
        return torch.cat([halves[:, 0], halves[:, 1].flip(0)]).flatten(0, 1)

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        group, ranks = context.group, context.group.size()
        chunks = gradient.view(2 * ranks, -1, *gradient.shape[1:])
        by_rank = torch.stack([chunks[:ranks], chunks[ranks:].flip(0)], dim=1).contiguous()
        if gradient.is_cuda:
            mine = gradient.new_empty(by_rank.shape[1:])
            dist.reduce_scatter_tensor(mine, by_rank, group=group)
        else:
            # Gloo has no reduce-scatter for every dtype.
            dist.all_reduce(by_rank, group=group)
            mine = by_rank[group.rank()]
        return mine.flatten(0, 1), None
