"""Initial weights that depend on the seed and on the tensor's global name, and on no layout.

Megatron draws from a generator for each rank, so another tensor or pipeline size starts from another model.
Here every weight is drawn whole, from a generator seeded with its checkpoint key (and layer number), and
each rank takes its slice; the checkpoint's own description of shards says which. One rank and eight ranks
start from the same numbers, which is what makes their losses comparable.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch

DRAWING_THREADS = 8
"""Each holds one whole weight in fp32 while it draws."""


def initialise(
    model: torch.nn.Module, std: Callable[[str], float], seed: int, *, draw_on: str | torch.device = "cpu"
) -> None:
    """Fill all weights in place: norms with ones, the rest normal with ``std(key)``.

    ``draw_on`` is the device that draws; another device draws other numbers from the same seed. On the CPU the
    weights are drawn by several threads, each with its own generator. Raises RuntimeError if the checkpoint
    description does not cover every parameter.
    """
    shards = [tensor for tensor in _shards(model) if tensor.data is not None]
    if torch.device(draw_on).type == "cpu":
        with ThreadPoolExecutor(min(DRAWING_THREADS, os.cpu_count() or 1)) as threads:
            list(threads.map(lambda tensor: _fill(tensor, std, seed, draw_on), shards))
    else:
        for tensor in shards:
            _fill(tensor, std, seed, draw_on)
    filled = {tensor.data.untyped_storage().data_ptr() for tensor in shards}
    missed = [n for n, p in model.named_parameters() if p.untyped_storage().data_ptr() not in filled]
    if missed:
        raise RuntimeError(f"no initial values for {', '.join(missed)}")


def _fill(tensor: Any, std: Callable[[str], float], seed: int, draw_on: str | torch.device) -> None:
    """Give this rank's slice of a tensor its values."""
    # Here, not around the threads: whether gradients are recorded is a state of each thread.
    with torch.no_grad():
        if "norm" in tensor.key.rsplit(".", 2)[-2] or tensor.key.endswith("layer_norm_weight"):
            tensor.data.fill_(1.0)
            return
        prepended = tensor.prepend_axis_num
        place = ".".join(str(offset) for offset in tensor.global_offset[:prepended])
        generator = torch.Generator(device=draw_on).manual_seed(_seed_of(seed, f"{tensor.key}@{place}"))
        whole = torch.empty(tensor.global_shape[prepended:], dtype=torch.float32, device=draw_on)
        whole.normal_(0.0, std(tensor.key), generator=generator)
        offsets = tensor.global_offset[prepended:]
        part = whole[tuple(slice(o, o + n) for o, n in zip(offsets, tensor.data.shape, strict=True))]
        tensor.data.copy_(part)


def _shards(model: torch.nn.Module) -> Iterator[Any]:
    """ShardedTensors of all parameters; what a factory would split for saving comes split."""
    from megatron.core.dist_checkpointing.dict_utils import nested_values
    from megatron.core.dist_checkpointing.mapping import ShardedTensor, ShardedTensorFactory

    for value in nested_values(model.sharded_state_dict()):
        parts = value.build() if isinstance(value, ShardedTensorFactory) else [value]
        for part in nested_values(parts):
            if isinstance(part, ShardedTensor):
                yield part


def _seed_of(seed: int, name: str) -> int:
    digest = hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
