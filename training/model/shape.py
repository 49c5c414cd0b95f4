"""The shape of a Llama-style model and what follows from it: parameters and padded vocabulary.

Architecture (Kanana paper A.3, that of Llama 3): pre-norm RMSNorm, SwiGLU, grouped-query attention, rotary
positions, no biases, input and output embedding tied or not.
"""

from __future__ import annotations

from pydantic import Field, model_validator

from hanji.errors import RecipeError
from hanji.recipe import Settings

VOCABULARY_MULTIPLE = 128
"""Embeddings are padded to this multiple whatever the layout, so that a checkpoint fits every layout."""


class ModelShape(Settings):
    """Sizes of a model. The vocabulary is not here: it comes from the shards' tokenizer."""

    layers: int = Field(gt=0)
    hidden: int = Field(gt=0)
    ffn: int = Field(gt=0, description="width of the gate and of the up projection")
    heads: int = Field(gt=0, description="query heads")
    kv_heads: int = Field(gt=0, description="key and value heads; query heads are shared among them evenly")
    head_dim: int = Field(gt=0)
    tied: bool = Field(description="whether the output layer is the input embedding")
    rope_theta: float = Field(default=500_000.0, gt=0)
    norm_eps: float = Field(default=1e-5, gt=0)
    init_std: float = Field(
        default=0.02, gt=0, description="of all weights; residual outputs get it divided by sqrt(2·layers)"
    )
    seq_length: int = Field(default=8192, gt=0, description="tokens in a training sample")

    @model_validator(mode="after")
    def _sizes_fit(self) -> ModelShape:
        if self.heads % self.kv_heads:
            raise RecipeError(
                f"model.kv_heads: {self.kv_heads} does not divide the {self.heads} query heads (model.heads)"
            )
        if self.head_dim % 2:
            raise RecipeError(f"model.head_dim: {self.head_dim} is odd; rotary positions turn pairs")
        return self


def padded_vocabulary(vocab_size: int) -> int:
    """Rows of the embedding: the vocabulary rounded up to a multiple of 128."""
    return -(-vocab_size // VOCABULARY_MULTIPLE) * VOCABULARY_MULTIPLE


def layer_parameters(shape: ModelShape) -> int:
    """Parameters of one layer: attention, feed-forward and its two norms."""
    attention = shape.hidden * shape.head_dim * (2 * shape.heads + 2 * shape.kv_heads)
    return attention + 3 * shape.hidden * shape.ffn + 2 * shape.hidden


def embedding_parameters(shape: ModelShape, vocab_size: int) -> int:
    """Parameters of the input embedding and, when untied, of the output layer; no padding."""
    return vocab_size * shape.hidden * (1 if shape.tied else 2)


def parameter_count(shape: ModelShape, vocab_size: int) -> int:
    """All parameters, embeddings included, without padding rows."""
    return shape.layers * layer_parameters(shape) + shape.hidden + embedding_parameters(shape, vocab_size)
