"""The training state of this rank as shards: weights, optimizer state, random state.

Megatron-Core's distributed optimizer gives each data- and context-parallel rank a stretch of the flattened
weights. Its own checkpoint forms either gather all of that on one rank of the group (``fully_reshardable``:
weights, both moments, for the whole model-parallel part, in host memory at once) or keep the stretches as they are,
which only another number of data ranks can load (``dp_reshardable``); the form that described the stretches in the
weights' own space is refused since flattened ranges left ShardedTensor. Here a stretch is described as the few
rectangles that it is in the whole tensor (hanji.training.checkpoint.shards.boxes_of_range). Nothing is gathered,
each rank writes and reads what it holds, and any layout can load it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch

from hanji.training.checkpoint.shards import Blob, Shard, boxes_of_range

OPTIMIZER = "optimizer.state"
MOMENTS = ("exp_avg", "exp_avg_sq")
MAIN_WEIGHTS = "param"
RANDOM = "random"


def model_state(chunks: Sequence[Any]) -> tuple[list[Shard], list[Blob]]:
    """The weights of the model's chunks on this rank, and what modules keep beside them (``_extra_state``).

    Ranks that hold the same weights take turns in writing them, the largest first to whoever has least.
    """
    shards: list[Shard] = []
    blobs: list[Blob] = []
    for value in _described(chunks):
        for part in _parts(value):
            if hasattr(part, "global_shape") and hasattr(part, "local_shape"):
                shards.append(_shard(part))
            else:
                blobs.append(Blob(part.unique_key, part.data, _is_first(part.replica_id)))
    return _shared_out(shards), blobs


def optimizer_state(chunks: Sequence[Any], optimizer: Any) -> list[Shard]:
    """This rank's stretches of both moments and, where weights are not fp32, of the fp32 weights.

    An fp32 model's weights are the optimizer's: they are not kept twice. State that does not exist before the
    first step is made here, as zeros.
    """
    optimizer.init_state_fn(optimizer.optimizer, optimizer.config)
    described = {value.data: value for value in _described(chunks) if isinstance(value.data, torch.Tensor)}
    shards: list[Shard] = []
    for parameter, start, stop in _stretches(optimizer):
        tensors = optimizer._get_main_param_and_optimizer_states(parameter)
        names = MOMENTS if parameter.dtype == torch.float32 else (MAIN_WEIGHTS, *MOMENTS)
        for part in _parts(described[parameter]):
            place = _shard(part)
            # Where the part lies in the flattened parameter: parts are runs of its rows.
            begin = place.data.storage_offset() - parameter.storage_offset()
            assert place.data.is_contiguous()
            first, last = max(start, begin), min(stop, begin + place.data.numel())
            for offset, size in boxes_of_range(place.data.shape, first - begin, last - begin):
                count = math.prod(size)
                where = tuple(a + b for a, b in zip(place.offset, offset, strict=True))
                for name in names:
                    data = tensors[name].detach()[first - start : first - start + count].view(size)
                    shards.append(
                        Shard(f"{OPTIMIZER}.{name}.{place.key}", data, where, place.whole, place.main)
                    )
                first += count
    return shards


def adam_step(optimizer: Any) -> int:
    """Steps that Adam has counted, for its bias correction; 0 on a rank that holds no state."""
    steps = {int(state["step"]) for state in optimizer.optimizer.state.values() if "step" in state}
    steps |= {int(group["step"]) for group in optimizer.optimizer.param_groups if "step" in group}
    return max(steps, default=0)


def set_adam_step(optimizer: Any, step: int) -> None:
    """Set the count, kept by torch's AdamW with each parameter and by Transformer Engine's with each group."""
    by_parameter = False
    for state in optimizer.optimizer.state.values():
        if torch.is_tensor(state.get("step")):
            state["step"].fill_(step)
            by_parameter = True
    if not by_parameter:
        for group in optimizer.optimizer.param_groups:
            group["step"] = step


def random_state(rank: int, ranks: int) -> Blob:
    """This rank's random state: torch's generators and Megatron's tracker of tensor-parallel streams."""
    from megatron.core import tensor_parallel

    state = {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
        "tracker": tensor_parallel.get_cuda_rng_tracker().get_states(),
    }
    return Blob(f"{RANDOM}/shard_{rank}_{ranks}", state, True)


def set_random_state(state: dict[str, Any]) -> None:
    """Go on from a state that :func:`random_state` gave."""
    from megatron.core import tensor_parallel

    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None:
        torch.cuda.set_rng_state(state["cuda"])
    tensor_parallel.get_cuda_rng_tracker().set_states(state["tracker"])


def reseed(seed: int, step: int) -> None:
    """Random state for a run that goes on after ``step`` in another layout: numbers drawn before do not come again.

    The state of the layout before belongs to its ranks. What Hanji trains draws nothing after its first weights
    (no dropout), so this changes no result today.
    """
    from megatron.core import tensor_parallel

    tensor_parallel.model_parallel_cuda_manual_seed((seed * 1_000_003 + step) % 2**31)


def bare(model: Any) -> Any:
    """The GPTModel inside its wrappers, so that names in a checkpoint know nothing of them."""
    while hasattr(model, "module"):
        model = model.module
    return model


def _described(chunks: Sequence[Any]) -> Iterator[Any]:
    """Megatron's descriptions of all tensors and objects of the model's chunks on this rank."""
    from megatron.core.dist_checkpointing.dict_utils import nested_values

    for chunk in chunks:
        yield from nested_values(bare(chunk).sharded_state_dict())


def _parts(value: Any) -> list[Any]:
    """A description as it is, or what its factory splits it into (the gate and the up projection)."""
    from megatron.core.dist_checkpointing.dict_utils import nested_values
    from megatron.core.dist_checkpointing.mapping import ShardedTensorFactory

    return list(nested_values(value.build())) if isinstance(value, ShardedTensorFactory) else [value]


def _shard(described: Any) -> Shard:
    """A ShardedTensor with the axes that it is to be stacked along (its layer) made axes of its own."""
    data = described.data.detach().view((1,) * described.prepend_axis_num + tuple(described.local_shape))
    return Shard(
        described.key,
        data,
        tuple(described.global_offset),
        tuple(described.global_shape),
        _is_main(described.replica_id),
    )


def _is_main(replica_id: Any) -> bool:
    """Whether a tensor is the one to be written, apart from the copies on other data-parallel ranks.

    Megatron's replica ids are (copy on another pipeline stage, on another tensor rank, on another data rank).
    """
    return _is_first(replica_id[:2] if isinstance(replica_id, tuple) and len(replica_id) == 3 else replica_id)


def _is_first(replica_id: Any) -> bool:
    """Megatron's rule of which copy is the main one."""
    return not any(replica_id) if isinstance(replica_id, tuple) else replica_id == 0


def _shared_out(shards: list[Shard]) -> list[Shard]:
    """The same shards, each written by one of the ranks that hold it."""
    from megatron.core import parallel_state

    rank = parallel_state.get_data_parallel_rank(with_context_parallel=True)
    loads = [0] * parallel_state.get_data_parallel_world_size(with_context_parallel=True)
    result = list(shards)
    for index in sorted(range(len(shards)), key=lambda i: (-shards[i].data.numel(), i)):
        if not shards[index].main:
            continue
        writer = loads.index(min(loads))
        loads[writer] += shards[index].data.numel()
        result[index] = replace(shards[index], main=writer == rank)
    return result


def _stretches(optimizer: Any) -> Iterator[tuple[Any, int, int]]:
    """(parameter, first element, element after the last) of what this rank's optimizer updates."""
    for buffer in optimizer.gbuf_ranges:
        for buckets in buffer.values():
            for bucket in buckets:
                for parameter, ranges in bucket["param_map"].items():
                    yield parameter, ranges["param"].start, ranges["param"].end
