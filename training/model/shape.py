"""The shape of a Llama-style model and what follows from it: parameters and padded vocabulary.

Architecture (Kanana paper A.3, that of Llama 3): pre-norm RMSNorm, SwiGLU, grouped-query attention, rotary
positions, no biases, input and output embedding tied or not. Plain dataclasses, so that whatever needs only
torch and Megatron-Core can use them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any

from hanji.errors import RecipeError

VOCABULARY_MULTIPLE = 128
"""Embeddings are padded to this multiple whatever the layout, so that a checkpoint fits every layout."""


@dataclass(frozen=True)
class RopeScaling:
    """Llama 3's rule for rotary positions beyond the length that a model was trained at.

    Wavelengths shorter than ``original_max_position_embeddings / high_freq_factor`` tokens stay, those longer
    than ``original_max_position_embeddings / low_freq_factor`` get ``factor`` times longer, and between the
    two the frequency is interpolated. Names and meaning are those of the Hugging Face configuration.
    """

    factor: float = 8.0
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    original_max_position_embeddings: int = 8192

    def __post_init__(self) -> None:
        for name in ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"):
            _positive(f"model.rope_scaling.{name}", getattr(self, name))
        if self.factor < 1:
            raise RecipeError(f"model.rope_scaling.factor: {self.factor} is less than 1")
        if self.high_freq_factor <= self.low_freq_factor:
            raise RecipeError(
                f"model.rope_scaling.high_freq_factor: {self.high_freq_factor} is not greater than "
                f"model.rope_scaling.low_freq_factor = {self.low_freq_factor}"
            )


@dataclass(frozen=True)
class ModelShape:
    """Sizes of a model. The vocabulary is not here: it comes from the shards' tokenizer.

    ``ffn`` is the width of the gate and of the up projection; ``heads`` are query heads, shared evenly among
    ``kv_heads``; ``tied`` says whether the output layer is the input embedding; ``init_std`` is of all
    weights, divided by sqrt(2·layers) for outputs into the residual stream; ``seq_length`` is the tokens of a
    training sample. Raises RecipeError for sizes that do not fit.
    """

    layers: int
    hidden: int
    ffn: int
    heads: int
    kv_heads: int
    head_dim: int
    tied: bool
    rope_theta: float = 500_000.0
    rope_scaling: RopeScaling | None = None
    norm_eps: float = 1e-5
    init_std: float = 0.02
    seq_length: int = 8192

    def __post_init__(self) -> None:
        for name in ("layers", "hidden", "ffn", "heads", "kv_heads", "head_dim", "seq_length"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int):
                raise RecipeError(f"model.{name}: {value!r} is not a whole number")
            _positive(f"model.{name}", value)
        for name in ("rope_theta", "norm_eps", "init_std"):
            _positive(f"model.{name}", getattr(self, name))
        if not isinstance(self.tied, bool):
            raise RecipeError(f"model.tied: {self.tied!r} is neither true nor false")
        if self.heads % self.kv_heads:
            raise RecipeError(
                f"model.kv_heads: {self.kv_heads} does not divide the {self.heads} query heads (model.heads)"
            )
        if self.head_dim % 2:
            raise RecipeError(f"model.head_dim: {self.head_dim} is odd; rotary positions turn pairs")

    def as_dict(self) -> dict[str, Any]:
        """The sizes as JSON holds them; :meth:`from_dict` reads them back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, sizes: Mapping[str, Any]) -> ModelShape:
        """A shape from :meth:`as_dict`. Raises RecipeError for unknown and missing fields."""
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(sizes) - known)
        if unknown:
            raise RecipeError(
                f"model: unknown fields {', '.join(unknown)}; allowed: {', '.join(sorted(known))}"
            )
        missing = [name for name in cls.required() if name not in sizes]
        if missing:
            raise RecipeError(f"model: these fields are required: {', '.join(missing)}")
        scaling = sizes.get("rope_scaling")
        if isinstance(scaling, Mapping):
            try:
                scaling = RopeScaling(**scaling)
            except TypeError as error:
                raise RecipeError(f"model.rope_scaling: {error}") from None
        return cls(**{**sizes, "rope_scaling": scaling})

    @classmethod
    def required(cls) -> tuple[str, ...]:
        """Fields without a default."""
        return tuple(field.name for field in fields(cls) if field.default is MISSING)


def _positive(field: str, value: Any) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value <= 0:
        raise RecipeError(f"{field}: {value!r} is not allowed: it must be a number greater than 0")


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
