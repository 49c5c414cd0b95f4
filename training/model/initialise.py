"""Initial weights that depend on the seed and on the tensor's global name, and on no layout.

Megatron draws from a generator for each rank, so another tensor or pipeline size starts from another model.
Here every weight is drawn whole, from a generator seeded with its checkpoint key (and layer number), and
each rank takes its slice; the checkpoint's own description of shards says which. One rank and eight ranks
start from the same numbers, which is what makes their losses comparable.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import torch


@torch.no_grad()  # type: ignore[untyped-decorator]
def initialise(model: torch.nn.Module, std: Callable[[str], float], seed: int) -> None:
    """Fill all weights in place: norms with ones, the rest normal with ``std(key)``.

    Raises RuntimeError if the checkpoint description does not cover every parameter.
    """
    filled: set[int] = set()
    for tensor in _shards(model):
        if tensor.data is None:
            continue
        filled.add(tensor.data.untyped_storage().data_ptr())
        if "norm" in tensor.key.rsplit(".", 2)[-2]:
            tensor.data.fill_(1.0)
            continue
        prepended = tensor.prepend_axis_num
        place = ".".join(str(offset) for offset in tensor.global_offset[:prepended])
        generator = torch.Generator(device="cpu").manual_seed(_seed_of(seed, f"{tensor.key}@{place}"))
        whole = torch.empty(tensor.global_shape[prepended:], dtype=torch.float32)
        whole.normal_(0.0, std(tensor.key), generator=generator)
        offsets = tensor.global_offset[prepended:]
        part = whole[tuple(slice(o, o + n) for o, n in zip(offsets, tensor.data.shape, strict=True))]
        tensor.data.copy_(part)
    missed = [n for n, p in model.named_parameters() if p.untyped_storage().data_ptr() not in filled]
    if missed:
        raise RuntimeError(f"no initial values for {', '.join(missed)}")


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
