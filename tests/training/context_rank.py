"""One of four ranks for test_spec: attention under context parallelism against attention on one rank.

Arguments: the file of the process group's store, the rank, the file for the findings. It needs torch alone. The
variable-length kernel of CUDA is stood in for by a loop over its runs, which shows that they are the right ones.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
import torch.distributed as dist

from hanji.training.model import attention
from hanji.training.model.attention import attend
from hanji.training.model.context import chunks_of_rank

RANKS = 4
HAS_VARLEN = attention.has_varlen
LENGTH, ROWS, HEADS, GROUPS, WIDTH = 48, 2, 6, 2, 8
DOCUMENTS: dict[str, tuple[tuple[int, ...], ...] | None] = {
    "one document": None,
    "unequal documents": ((1, 20, 3, 24), (40, 8)),
    "documents of one token": ((1,) * 48, (47, 1)),
}
"""Lengths of the documents in each row."""


def numbered(lengths: tuple[tuple[int, ...], ...]) -> torch.Tensor:
    """Document numbers int32 [rows, length]."""
    rows = [torch.repeat_interleave(torch.arange(len(row)), torch.tensor(row)) for row in lengths]
    return torch.stack(rows).to(torch.int32)


def main(store: str, rank: int, findings: str) -> None:
    torch.set_num_threads(1)
    attention.varlen_attn = over_runs
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=RANKS)
    pairs = [dist.new_group([0, 1]), dist.new_group([2, 3])]
    found = {}
    for ranks, group in ((1, None), (2, pairs[rank // 2]), (4, dist.group.WORLD)):
        for name, lengths in DOCUMENTS.items():
            documents = numbered(lengths) if lengths else None
            for kernel in ("mask", "runs"):
                found[f"{ranks} ranks, {name}, {kernel}"] = compare(
                    group, ranks, documents, torch.float32, by_runs=kernel == "runs"
                )
        found[f"{ranks} ranks, half precision"] = compare(group, ranks, documents, torch.bfloat16)
    if rank == 0:
        Path(findings).write_text(json.dumps(found), encoding="utf-8")
    dist.destroy_process_group()


def over_runs(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    query_starts: torch.Tensor,
    key_starts: torch.Tensor,
    longest_query: int,
    longest_key: int,
    *,
    scale: float,
    window_size: tuple[int, int],
    enable_gqa: bool,
) -> torch.Tensor:
    """torch.nn.attention.varlen.varlen_attn, as its documentation has it: causal, aligned bottom right."""
    assert window_size == (-1, 0)
    parts = []
    for run in range(len(query_starts) - 1):
        queries = slice(query_starts[run].item(), query_starts[run + 1].item())
        keys = slice(key_starts[run].item(), key_starts[run + 1].item())
        q, k, v = (x.transpose(0, 1) for x in (query[queries], key[keys], value[keys]))
        assert q.size(1) <= min(longest_query, k.size(1))
        assert k.size(1) <= longest_key
        mask = torch.ones(q.size(1), k.size(1), dtype=torch.bool).tril(k.size(1) - q.size(1))
        output = torch.nn.functional.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, scale=scale, enable_gqa=enable_gqa
        )
        parts.append(output.transpose(0, 1))
    return torch.cat(parts)


def compare(
    group: dist.ProcessGroup | None,
    ranks: int,
    documents: torch.Tensor | None,
    dtype: torch.dtype,
    *,
    by_runs: bool = False,
) -> list[float]:
    """Largest relative differences on any rank of the output and of the three gradients from those of one rank."""
    generator = torch.Generator().manual_seed(11)
    whole = [
        torch.randn(LENGTH, ROWS, heads, WIDTH, generator=generator).to(dtype).requires_grad_()
        for heads in (HEADS, GROUPS, GROUPS)
    ]
    weights = torch.randn(LENGTH, ROWS, HEADS, WIDTH, generator=generator).to(dtype)
    expected = attend(*whole, documents, None, WIDTH**-0.5)
    (expected * weights).sum().backward()

    def mine(tensor: torch.Tensor) -> torch.Tensor:
        chunks = tensor.detach().chunk(2 * ranks)
        return torch.cat([chunks[c] for c in chunks_of_rank(group.rank() if group else 0, ranks)])

    parts = [mine(tensor).requires_grad_() for tensor in whole]
    attention.has_varlen = lambda query: by_runs
    output = attend(*parts, documents, group, WIDTH**-0.5)
    attention.has_varlen = HAS_VARLEN
    (output * mine(weights)).sum().backward()
    pairs = [(output, mine(expected))]
    for part, tensor in zip(parts, whole, strict=True):
        assert part.grad is not None
        assert tensor.grad is not None
        pairs.append((part.grad, mine(tensor.grad)))
    differences = torch.stack([(one - other).float().norm() / other.float().norm() for one, other in pairs])
    dist.all_reduce(differences, dist.ReduceOp.MAX)
    largest: list[float] = differences.tolist()
    return largest


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
