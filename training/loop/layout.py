"""Process groups: which rank holds which part of the model and of the batch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist

from hanji.errors import RecipeError
from hanji.training.recipe import ParallelSettings

COLLECTIVE_TIMEOUT = timedelta(minutes=10)
"""After this long a collective that not every rank has joined fails, instead of hanging for ever."""


@dataclass(frozen=True)
class Layout:
    """This rank's place. ``device`` is where its tensors live."""

    rank: int
    ranks: int
    tensor_rank: int
    data_rank: int
    data_ranks: int
    first_stage: bool
    last_stage: bool
    device: torch.device

    @property
    def is_main(self) -> bool:
        return self.rank == 0


@contextmanager
def distributed(parallel: ParallelSettings, seed: int) -> Iterator[Layout]:
    """Join the process group that torchrun describes, NCCL with CUDA and gloo without, and lay it out.

    Raises RecipeError when the number of ranks is not tensor × pipeline × data.
    """
    from megatron.core import parallel_state, tensor_parallel

    ranks, local_rank = int(os.environ["WORLD_SIZE"]), int(os.environ["LOCAL_RANK"])
    if ranks != parallel.ranks:
        raise RecipeError(
            f"parallel: tensor × pipeline × data = {parallel.tensor} × {parallel.pipeline} × {parallel.data} "
            f"needs {parallel.ranks} ranks, but {ranks} were started"
        )
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(local_rank)
    dist.init_process_group("nccl" if cuda else "gloo", timeout=COLLECTIVE_TIMEOUT)
    try:
        parallel_state.initialize_model_parallel(
            tensor_model_parallel_size=parallel.tensor, pipeline_model_parallel_size=parallel.pipeline
        )
        tensor_parallel.model_parallel_cuda_manual_seed(seed)
        yield Layout(
            rank=dist.get_rank(),
            ranks=ranks,
            tensor_rank=parallel_state.get_tensor_model_parallel_rank(),
            data_rank=parallel_state.get_data_parallel_rank(),
            data_ranks=parallel_state.get_data_parallel_world_size(),
            first_stage=parallel_state.is_pipeline_first_stage(),
            last_stage=parallel_state.is_pipeline_last_stage(),
            device=torch.device("cuda", local_rank) if cuda else torch.device("cpu"),
        )
    finally:
        parallel_state.destroy_model_parallel()
        dist.destroy_process_group()
