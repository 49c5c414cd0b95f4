"""AdamW under Megatron's distributed optimizer, with weight decay independent of the learning rate.

Independent decay (Wortsman et al., arXiv 2309.14322; the paper's A.3) shrinks weights by s·d each step, s being
the schedule's share of the peak rate. AdamW shrinks by rate·decay, so decay = d / peak is the same update.
Norm weights are not decayed (Megatron's custom; the paper does not say).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from hanji.training.recipe import OptimizerSettings


def wrap_data_parallel(chunks: Sequence[torch.nn.Module]) -> list[Any]:
    """Megatron's DistributedDataParallel around each chunk of the model.

    Gradients are summed in fp32 and shared out among the data- and context-parallel ranks for the optimizer.
    """
    from megatron.core.distributed import DistributedDataParallel, DistributedDataParallelConfig

    settings = DistributedDataParallelConfig(grad_reduce_in_fp32=True, use_distributed_optimizer=True)
    return [DistributedDataParallel(config=c.config, ddp_config=settings, module=c) for c in chunks]


def connect(chunks: Sequence[Any], optimizer: Any, timers: Any = None) -> None:
    """What Megatron's schedules call: when to hold back reduction, how to finish gradients, what takes the time.

    They read it from the first chunk's configuration.
    """
    from megatron.core.distributed import finalize_model_grads

    config = chunks[0].config
    holds = [chunk.no_sync for chunk in chunks]
    config.no_sync_func = holds if len(holds) > 1 else holds[0]
    config.grad_scale_func = optimizer.scale_loss
    config.finalize_model_grads_func = finalize_model_grads
    config.timers = timers


def build_optimizer(chunks: Sequence[Any], settings: OptimizerSettings, peak_lr: float, *, bf16: bool) -> Any:
    """Megatron's DistributedOptimizer over a model whose chunks are wrapped in its DistributedDataParallel.

    The state is shared out among the data- and context-parallel ranks, which all hold the same weights.
    Transformer Engine's fused Adam where it is installed, torch's AdamW elsewhere. Its checkpoints are those
    of ``hanji.training.checkpoint``, not Megatron's.
    """
    from megatron.core import parallel_state
    from megatron.core.optimizer import USING_PYTORCH_OPTIMIZER, Adam
    from megatron.core.optimizer.distrib_optimizer import DistributedOptimizer
    from megatron.core.optimizer.optimizer_config import OptimizerConfig

    config = OptimizerConfig(
        optimizer="adam",
        lr=peak_lr,
        weight_decay=settings.weight_decay / peak_lr,
        adam_beta1=settings.betas[0],
        adam_beta2=settings.betas[1],
        adam_eps=settings.eps,
        clip_grad=settings.clip,
        bf16=bf16,
        params_dtype=torch.bfloat16 if bf16 else torch.float32,
        use_distributed_optimizer=True,
    )
    groups = parameter_groups(chunks, config.weight_decay)
    common = {"lr": peak_lr, "betas": settings.betas, "eps": settings.eps}
    if USING_PYTORCH_OPTIMIZER:
        # One fused kernel for all parameters; also on the CPU.
        adam = Adam(groups, fused=True, **common)
    else:
        adam = Adam(groups, adam_w_mode=True, **common)
    optimizer = DistributedOptimizer(
        adam,
        config,
        None,
        _zero_state,
        model_chunks=list(chunks),
        per_model_buffers={index: chunk.buffers for index, chunk in enumerate(chunks)},
        data_parallel_group=parallel_state.get_data_parallel_group(with_context_parallel=True),
        data_parallel_group_gloo=parallel_state.get_data_parallel_group_gloo(with_context_parallel=True),
        data_parallel_group_idx=torch.distributed.get_rank(parallel_state.get_model_parallel_group()),
        distributed_optimizer_instance_id=0,
    )
    # Set from outside by Megatron's own factory too.
    optimizer.grad_stats_parallel_group = parallel_state.get_intra_distributed_optimizer_instance_group()
    optimizer.tp_group = parallel_state.get_tensor_model_parallel_group()
    return optimizer


def parameter_groups(chunks: Iterable[torch.nn.Module], weight_decay: float) -> list[dict[str, Any]]:
    """Two groups on every rank: matrices, decayed, and vectors (norms), not decayed.

    ``wd_mult`` and ``lr_mult`` are what Megatron tells groups apart by.
    """
    decayed: dict[str, Any] = {"params": [], "weight_decay": weight_decay, "wd_mult": 1.0}
    kept: dict[str, Any] = {"params": [], "weight_decay": 0.0, "wd_mult": 0.0}
    for model in chunks:
        for parameter in model.parameters():
            if parameter.requires_grad:
                (decayed if parameter.dim() > 1 else kept)["params"].append(parameter)
    shared = {"lr_mult": 1.0, "is_expert_parallel": False, "is_decoupled_lr": False}
    return [{**group, **shared} for group in (decayed, kept)]


def set_learning_rate(optimizer: Any, rate: float) -> None:
    """Give all parameter groups this rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def _zero_state(optimizer: Any, config: Any = None) -> None:
    """Moments of zero for parameters that have none yet, and the step where Adam keeps one for each."""
    by_parameter = isinstance(optimizer, torch.optim.AdamW)
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            state = optimizer.state[parameter]
            if not state:
                if by_parameter:
                    state["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
                state["exp_avg"] = torch.zeros_like(parameter.data)
                state["exp_avg_sq"] = torch.zeros_like(parameter.data)
