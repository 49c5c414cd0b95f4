"""One pass of micro-batches through Megatron's pipeline schedule, with an objective."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from hanji.training.data.batches import MicroBatch, context_part
from hanji.training.loop.layout import Layout
from hanji.training.loop.objective import Batch, LossSums, Objective


def to_device(batch: MicroBatch, layout: Layout) -> Batch:
    """Copy a rank's part of a micro-batch to its device."""

    def copy(array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array.copy()).to(layout.device, non_blocking=True)

    def part(array: np.ndarray) -> torch.Tensor:
        return copy(context_part(array, layout.context_rank, layout.context_ranks))

    return Batch(
        tokens=part(batch.tokens),
        labels=part(batch.labels),
        mask=part(batch.mask),
        positions=part(batch.positions),
        component=copy(batch.component),
        documents=None if batch.documents is None else copy(batch.documents),
    )


def run_micro_batches(
    chunks: Sequence[Any],
    objective: Objective,
    batches: Sequence[MicroBatch],
    layout: Layout,
    *,
    forward_only: bool,
    look: Callable[[torch.Tensor, Batch], None] | None = None,
) -> list[dict[str, torch.Tensor]]:
    """Run the schedule; returns each micro-batch's sums ("tokens" and the metrics) on the last stage, else [].

    "row_component", "row_tokens" and "row_loss" [b] are of each of its rows.

    ``chunks`` are the model's parts on this rank in the order of their layers: one, or with the interleaved
    schedule several, and then the number of batches is a multiple of ``layout.micro_batch_group``. With context
    parallelism the sums are over this rank's part of each row. ``look`` sees the last stage's output and batch
    instead of the objective's loss (forward_only).
    """
    from megatron.core.pipeline_parallel import get_forward_backward_func

    def forward_step(batches: Iterator[MicroBatch], model: Any) -> tuple[torch.Tensor, Any]:
        batch = to_device(next(batches), layout)
        output = objective.forward(model, batch)

        def loss(output: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
            if look is not None:
                look(output, batch)
                return output.new_zeros(()), torch.ones((), dtype=torch.int32, device=layout.device), {}
            sums: LossSums = objective.loss(output, batch)
            rows = {
                "row_component": batch.component,
                "row_tokens": sums.row_tokens,
                "row_loss": sums.row_loss,
            }
            return sums.total, sums.tokens.clone(), {"tokens": sums.tokens, **sums.metrics, **rows}

        return output, loss

    results: list[dict[str, torch.Tensor]] = get_forward_backward_func()(
        forward_step_func=forward_step,
        # Each chunk runs every micro-batch, so each has an iterator of its own.
        data_iterator=[iter(batches) for _ in chunks],
        model=list(chunks),
        num_microbatches=len(batches),
        # Of the whole row: the schedule itself divides by the ranks that share it.
        seq_length=batches[0].tokens.shape[1],
        micro_batch_size=batches[0].tokens.shape[0],
        forward_only=forward_only,
    )
    return results


def sums_by_component(
    results: Sequence[dict[str, torch.Tensor]], components: int, device: torch.device
) -> torch.Tensor:
    """Tokens and loss by component of a rank's micro-batches: fp64 [2, components]."""
    sums = torch.zeros(2, components, dtype=torch.float64, device=device)
    if results:
        index = torch.cat([result["row_component"] for result in results])
        rows = [torch.cat([result[name] for result in results]) for name in ("row_tokens", "row_loss")]
        real = index >= 0
        sums.index_add_(1, index[real], torch.stack(rows)[:, real])
    return sums


def sum_over_ranks(values: torch.Tensor, layout: Layout) -> torch.Tensor:
    """Sum of a vector over the data- and context-parallel ranks, known to all ranks afterwards.

    The last pipeline stage has the values, and all ranks of a tensor-parallel group have the same, so one
    of each group gives them and the others give zeros.
    """
    if not (layout.last_stage and layout.tensor_rank == 0):
        values = torch.zeros_like(values)
    dist.all_reduce(values)
    return values
