"""Process groups: which rank holds which part of the model and of the batch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist

from hanji.errors import RecipeError

if TYPE_CHECKING:
    from hanji.training.parallel import ParallelSettings

COLLECTIVE_TIMEOUT = timedelta(minutes=10)
"""After this long a collective that not every rank has joined fails, instead of hanging for ever. Where a watchdog
is at work it comes first, and says which rank is missing."""

ORDER = "tp-cp-ep-dp-pp"
"""Which axis has neighbouring ranks, from the nearest to the farthest. Tensor ranks exchange most and share a
machine's fast links; pipeline ranks exchange least. (There are no experts: ep is 1.)"""


@dataclass(frozen=True)
class Layout:
    """This rank's place. ``device`` is where its tensors live.

    ``first_stage`` and ``last_stage`` say whether the rank has the first or the last layers of the model: with
    several chunks of the model on each pipeline rank, that its first chunk or its last one does.
    """

    rank: int
    ranks: int
    tensor_rank: int
    tensor_ranks: int
    pipeline_rank: int
    pipeline_ranks: int
    chunks: int
    context_rank: int
    context_ranks: int
    data_rank: int
    data_ranks: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        return self.rank == 0

    @property
    def first_stage(self) -> bool:
        return self.pipeline_rank == 0

    @property
    def last_stage(self) -> bool:
        return self.pipeline_rank == self.pipeline_ranks - 1

    @property
    def stages(self) -> tuple[int | None, ...]:
        """Megatron's ``vp_stage`` of each of this rank's chunks: None where there is but one."""
        return (None,) if self.chunks == 1 else tuple(range(self.chunks))

    @property
    def micro_batch_group(self) -> int:
        """The number of micro-batches in a pass is a multiple of this: the interleaved schedule's rule."""
        return self.pipeline_ranks if self.chunks > 1 else 1


@contextmanager
def distributed(
    parallel: ParallelSettings, seed: int, timeout: timedelta = COLLECTIVE_TIMEOUT
) -> Iterator[Layout]:
    """Join the process group that torchrun describes, NCCL with CUDA and gloo without, and lay it out.

    Raises RecipeError when the number of ranks is not tensor × pipeline × context × data.
    """
    ranks, local_rank = int(os.environ["WORLD_SIZE"]), int(os.environ["LOCAL_RANK"])
    check_ranks(parallel, ranks)
    if parallel.tensor > 1 or parallel.context > 1:
        # Megatron starts a tensor-parallel collective just before the product that it is to overlap with, and
        # counts on the GPU to run kernels in the order of their launch. CUDA reads this when it starts.
        os.environ.setdefault("CUDA_DEVICE_MAX_CONNECTIONS", "1")
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(local_rank)
    device = torch.device("cuda", local_rank) if cuda else torch.device("cpu")
    dist.init_process_group("nccl" if cuda else "gloo", timeout=timeout)
    try:
        with laid_out(parallel, seed, device, timeout) as layout:
            yield layout
    finally:
        dist.destroy_process_group()


def check_ranks(parallel: ParallelSettings, ranks: int) -> None:
    """Raise RecipeError unless ``ranks`` is what the layout needs."""
    if ranks != parallel.ranks:
        raise RecipeError(
            "parallel: tensor × pipeline × context × data = "
            f"{parallel.tensor} × {parallel.pipeline} × {parallel.context} × {parallel.data} "
            f"needs {parallel.ranks} ranks, but {ranks} were started"
        )


@contextmanager
def laid_out(
    parallel: ParallelSettings, seed: int, device: torch.device, timeout: timedelta = COLLECTIVE_TIMEOUT
) -> Iterator[Layout]:
    """Make Megatron's groups inside the process group that this process has joined already."""
    from megatron.core import parallel_state, tensor_parallel

    check_ranks(parallel, dist.get_world_size())
    chunks = parallel.virtual_pipeline
    parallel_state.initialize_model_parallel(
        tensor_model_parallel_size=parallel.tensor,
        pipeline_model_parallel_size=parallel.pipeline,
        virtual_pipeline_model_parallel_size=chunks if chunks > 1 else None,
        context_parallel_size=parallel.context,
        order=ORDER,
        distributed_timeout_minutes=max(1, int(timeout.total_seconds()) // 60),
    )
    try:
        tensor_parallel.model_parallel_cuda_manual_seed(seed)
        yield Layout(
            rank=dist.get_rank(),
            ranks=dist.get_world_size(),
            tensor_rank=parallel_state.get_tensor_model_parallel_rank(),
            tensor_ranks=parallel.tensor,
            pipeline_rank=parallel_state.get_pipeline_model_parallel_rank(),
            pipeline_ranks=parallel.pipeline,
            chunks=chunks,
            context_rank=parallel_state.get_context_parallel_rank(),
            context_ranks=parallel.context,
            data_rank=parallel_state.get_data_parallel_rank(),
            data_ranks=parallel_state.get_data_parallel_world_size(),
            device=device,
        )
    finally:
        parallel_state.destroy_model_parallel()
