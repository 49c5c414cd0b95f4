"""What training costs, in floating-point operations: the usual estimate and an exact count.

Two conventions for attention are in use, and published figures differ by them: *full* counts the whole
seq × seq score matrix (Megatron-LM's older formula), *causal* only the half that is not masked. Both are
given. A backward pass counts twice a forward pass; element-wise work is not counted.
"""

from __future__ import annotations

from dataclasses import dataclass

from hanji.training.model.shape import ModelShape, parameter_count


@dataclass(frozen=True)
class FlopsPerToken:
    """Training FLOPs (forward and backward) per token under both conventions, and the 6N estimate."""

    full_attention: float
    causal_attention: float
    six_n: float


def six_nd(parameters: float, tokens: float) -> float:
    """The estimate C = 6·N·D (Kaplan et al. 2020, arXiv 2001.08361), the paper's own for its figure 1."""
    return 6.0 * parameters * tokens


def flops_per_token(shape: ModelShape, vocab_size: int) -> FlopsPerToken:
    """Exact matrix-product FLOPs per token at the model's sequence length.

    Per layer: query, key, value and output projections, scores and their product with the values, and the
    three feed-forward matrices; then the output layer, without padding rows. ``six_n`` takes all parameters.
    """
    width = shape.heads * shape.head_dim
    projections = 2 * shape.hidden * shape.head_dim * (2 * shape.heads + 2 * shape.kv_heads)
    feed_forward = 2 * 3 * shape.hidden * shape.ffn
    output = 2 * shape.hidden * vocab_size

    def total(context: float) -> float:
        attention = 2 * 2 * width * context
        return 3.0 * (shape.layers * (projections + attention + feed_forward) + output)

    return FlopsPerToken(
        full_attention=total(shape.seq_length),
        causal_attention=total((shape.seq_length + 1) / 2),
        six_n=six_nd(parameter_count(shape, vocab_size), 1),
    )
