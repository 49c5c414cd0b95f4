"""Attention of torch alone: grouped queries, documents and context parallelism.

Megatron-Core's own attention without Transformer Engine multiplies out all scores and repeats keys for every
query head. Here queries see their keys through torch's fused kernels: cuDNN or flash attention on CUDA, the
variable-length kernel for packed documents and for the chunks of a context rank. The argument that Megatron
calls ``attention_mask`` carries the documents: int32 [b, s] of the whole row, also under context parallelism.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch

from hanji.training.model.context import chunks_of_rank, gather_sequence
from hanji.training.model.documents import Runs, dense_mask, runs_of
from hanji.training.model.kernels import attention_backends

try:
    from torch.nn.attention.varlen import varlen_attn
except ImportError:  # torch before 2.10
    varlen_attn = None
# Newer torch (not 2.11): the kernel itself shares keys among queries.
VARLEN_SHARES_KEYS = varlen_attn is not None and "enable_gqa" in inspect.signature(varlen_attn).parameters


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    documents: torch.Tensor | None,
    context_group: Any,
    scale: float,
) -> torch.Tensor:
    """Causal attention within documents: [s, b, heads, d] of this context rank's queries.

    query [s, b, heads, d], key and value [s, b, groups, d]: this rank's part of the sequence, chunks in the
    order of ``chunks_of_rank``. documents: int32 [b, whole s] or None. Raises ValueError for other documents.
    """
    ranks = context_group.size() if context_group is not None else 1
    whole = query.size(0) * ranks
    if documents is not None and documents.shape != (query.size(1), whole):
        raise ValueError(
            f"documents are {tuple(documents.shape)}, but the rows are {(query.size(1), whole)}; "
            "under context parallelism they are given whole"
        )
    if ranks == 1:
        if documents is None:
            return _fused(query, key, value, None, True, scale)
        chunks: tuple[tuple[int, int], ...] = ((0, whole),)
    else:
        length = whole // (2 * ranks)
        chunks = tuple((c * length, (c + 1) * length) for c in chunks_of_rank(context_group.rank(), ranks))
        key, value = gather_sequence(torch.cat([key, value], dim=-1), context_group).chunk(2, dim=-1)
    if has_varlen(query):
        runs = runs_of(documents, query.size(1), chunks, query.device)
        return _variable_length(query, key, value, runs, len(chunks), scale)
    parts = []
    for queries, (first, end) in zip(query.chunk(len(chunks)), chunks, strict=True):
        mask = dense_mask(documents, first, end, end, query.device)
        parts.append(_fused(queries, key[:end], value[:end], mask, False, scale))
    return torch.cat(parts)


def has_varlen(query: torch.Tensor) -> bool:
    """Whether the variable-length kernel takes these queries: half precision on CUDA, heads of 8, 16 … 256."""
    half = query.dtype in (torch.bfloat16, torch.float16)
    width = query.size(-1)
    return varlen_attn is not None and query.is_cuda and half and width <= 256 and width % 8 == 0


def _fused(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    causal: bool,
    scale: float,
) -> torch.Tensor:
    """scaled_dot_product_attention of [s, b, heads, d]; keys are not repeated for the queries that share them."""
    q, k, v = (x.permute(1, 2, 0, 3) for x in (query, key, value))
    with attention_backends(query):
        output = torch.nn.functional.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, is_causal=causal, scale=scale, enable_gqa=q.size(1) != k.size(1)
        )
    return output.permute(2, 0, 1, 3)


def _variable_length(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, runs: Runs, chunks: int, scale: float
) -> torch.Tensor:
    """Flash attention over runs. The causal mask of the kernel is aligned bottom right, as the runs are."""
    length, rows = query.size(0) // chunks, query.size(1)
    by_row = query.unflatten(0, (chunks, length)).permute(2, 0, 1, 3, 4)
    if chunks == 1:
        keys, values = (x.transpose(0, 1).flatten(0, 1) for x in (key, value))
    else:
        keys, values = (
            torch.cat([x[first:end, row] for row, first, end in runs.key_slices]) for x in (key, value)
        )
    shared = query.size(2) // key.size(2)
    options = {"enable_gqa": shared > 1} if VARLEN_SHARES_KEYS else {}
    if shared > 1 and not VARLEN_SHARES_KEYS:
        keys, values = (x.repeat_interleave(shared, dim=1) for x in (keys, values))
    output = varlen_attn(
        by_row.flatten(0, 2),
        keys,
        values,
        runs.query_starts,
        runs.key_starts,
        runs.longest_query,
        runs.longest_key,
        scale=scale,
        window_size=(-1, 0),
        **options,
    )
    by_chunk = output.unflatten(0, (rows, chunks, length)).permute(1, 2, 0, 3, 4)
    attended: torch.Tensor = by_chunk.flatten(0, 1)
    return attended
