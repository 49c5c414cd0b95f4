"""How the ranks of a run share the model and the batch, and which layouts fit which model.

The axes are Megatron's. *Tensor* ranks share each matrix (Shoeybi et al., arXiv 1909.08053); with *sequence*
they also share what lies between the matrices, along the sequence (Korthikanti et al., arXiv 2205.05198).
*Pipeline* ranks share the layers, as 1F1B or, with several *virtual_pipeline* chunks a rank, interleaved
(Narayanan et al., arXiv 2104.04473). *Context* ranks share each sequence; *data* ranks share the samples. The
state of the optimizer is shared by data and context ranks together (Megatron's distributed optimizer).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from hanji.errors import RecipeError
from hanji.recipe import Settings

if TYPE_CHECKING:
    from hanji.training.model.shape import ModelShape


class ParallelSettings(Settings):
    """How ranks share the model."""

    tensor: int = Field(default=1, ge=1, description="ranks that share each matrix")
    sequence: bool = Field(
        default=False,
        description="share norms and the residual stream among the tensor ranks too, along the sequence: less "
        "memory, no more communication; needs tensor > 1",
    )
    pipeline: int = Field(default=1, ge=1, description="ranks that share the layers, one after another")
    virtual_pipeline: int = Field(
        default=1,
        ge=1,
        description="stretches of layers on each pipeline rank; more make the pipeline's idle time shorter and "
        "its messages more; needs pipeline > 1",
    )
    context: int = Field(default=1, ge=1, description="ranks that share each sequence")
    data: int = Field(default=1, ge=1, description="copies of the model, each with its part of the batch")

    @property
    def ranks(self) -> int:
        return self.tensor * self.pipeline * self.context * self.data

    @property
    def description(self) -> str:
        """The axes that have several ranks: ``tensor 2 + sequence × pipeline 2 (2 chunks)``."""
        parts = []
        for axis in ("tensor", "pipeline", "context", "data"):
            size, note = getattr(self, axis), ""
            if axis == "tensor" and self.sequence:
                note = " + sequence"
            if axis == "pipeline" and self.virtual_pipeline > 1:
                note = f" ({self.virtual_pipeline} chunks)"
            if size > 1:
                parts.append(f"{axis} {size}{note}")
        return " × ".join(parts) or "one rank"


def check_layout(
    parallel: ParallelSettings,
    shape: ModelShape,
    *,
    vocabulary_multiple: int,
    global_size: int,
    micro_size: int,
) -> None:
    """Raise RecipeError if these ranks cannot share a model of this shape and such a batch.

    ``vocabulary_multiple`` is what the vocabulary is padded to; ``global_size`` and ``micro_size`` are samples.
    """
    tensor, pipeline, chunks, context = (
        parallel.tensor,
        parallel.pipeline,
        parallel.virtual_pipeline,
        parallel.context,
    )
    for field, value in (
        ("model.heads", shape.heads),
        ("model.kv_heads", shape.kv_heads),
        ("model.ffn", shape.ffn),
        ("the padded vocabulary's multiple", vocabulary_multiple),
    ):
        if value % tensor:
            raise RecipeError(f"parallel.tensor: {tensor} ranks cannot share {field} = {value} evenly")
    if parallel.sequence:
        if tensor == 1:
            raise RecipeError(
                "parallel.sequence: there is nothing to share with parallel.tensor = 1; set it to 2 or more, or "
                "parallel.sequence to false"
            )
        if shape.seq_length % (tensor * context):
            raise RecipeError(
                f"parallel.sequence: parallel.tensor × parallel.context = {tensor} × {context} ranks cannot share "
                f"model.seq_length = {shape.seq_length} evenly"
            )
    if context > 1 and shape.seq_length % (2 * context):
        raise RecipeError(
            f"parallel.context: {context} ranks cut a sequence into {2 * context} chunks, two for each rank, and "
            f"model.seq_length = {shape.seq_length} is no multiple of that"
        )
    if chunks > 1 and pipeline == 1:
        raise RecipeError(
            f"parallel.virtual_pipeline: {chunks} stretches of layers on a rank need parallel.pipeline of 2 or more"
        )
    if shape.layers % (pipeline * chunks):
        by = f"{pipeline} ranks" if chunks == 1 else f"{pipeline} ranks × {chunks} stretches"
        field = "pipeline" if chunks == 1 else "virtual_pipeline"
        raise RecipeError(f"parallel.{field}: {by} cannot share model.layers = {shape.layers} evenly")
    if global_size % (micro_size * parallel.data):
        raise RecipeError(
            f"batch.global_size: {global_size} is not a multiple of batch.micro_size × parallel.data = "
            f"{micro_size} × {parallel.data}"
        )
    micro_batches = global_size // (micro_size * parallel.data)
    if chunks > 1 and micro_batches % pipeline:
        raise RecipeError(
            "batch.micro_size: with parallel.virtual_pipeline micro-batches run in groups of parallel.pipeline = "
            f"{pipeline}, and batch.global_size / (batch.micro_size × parallel.data) = {global_size} / "
            f"({micro_size} × {parallel.data}) = {micro_batches} is no multiple of that"
        )
