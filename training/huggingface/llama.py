"""Where each tensor of LlamaForCausalLM lies in a checkpoint: one table, read in both directions.

A checkpoint's tensors are Megatron-Core's: those of the layers are stacked along a leading layer axis; queries,
keys and values share a matrix, whose rows are, for each query group, the group's query heads, its key head and
its value head; gate and up projection share one, gate first. A Hugging Face tensor is therefore a list of row
ranges of one layer of one checkpoint tensor. Both compute rotary positions on halves of a head, so rows keep
their order within a head.
"""

from __future__ import annotations

from dataclasses import dataclass

from hanji.training.model.shape import ModelShape, padded_vocabulary

EMBEDDING = "embedding.word_embeddings.weight"
OUTPUT = "output_layer.weight"
HF_EMBEDDING = "model.embed_tokens.weight"
HF_OUTPUT = "lm_head.weight"


@dataclass(frozen=True)
class Stored:
    """A tensor of a checkpoint. ``layers`` is the length of its leading layer axis, None where it has none;
    ``shape`` is that of one layer."""

    key: str
    shape: tuple[int, ...]
    layers: int | None

    @property
    def whole_shape(self) -> tuple[int, ...]:
        return self.shape if self.layers is None else (self.layers, *self.shape)


@dataclass(frozen=True)
class Place:
    """A Hugging Face tensor: its name and shape, and the rows of ``key`` (in ``layer``) that it is made of."""

    name: str
    shape: tuple[int, ...]
    key: str
    layer: int | None
    rows: tuple[tuple[int, int], ...]


def stored_tensors(shape: ModelShape, vocab_size: int) -> list[Stored]:
    """All weights of a checkpoint of this shape, in the order of the model."""
    rows, hidden, width = padded_vocabulary(vocab_size), shape.hidden, shape.heads * shape.head_dim
    qkv = (shape.heads + 2 * shape.kv_heads) * shape.head_dim

    def layer(name: str, *size: int) -> Stored:
        return Stored(f"decoder.layers.{name}", size, shape.layers)

    tensors = [
        Stored(EMBEDDING, (rows, hidden), None),
        layer("self_attention.linear_qkv.layer_norm_weight", hidden),
        layer("self_attention.linear_qkv.weight", qkv, hidden),
        layer("self_attention.linear_proj.weight", hidden, width),
        layer("mlp.linear_fc1.layer_norm_weight", hidden),
        layer("mlp.linear_fc1.weight", 2 * shape.ffn, hidden),
        layer("mlp.linear_fc2.weight", hidden, shape.ffn),
        Stored("decoder.final_layernorm.weight", (hidden,), None),
    ]
    return tensors if shape.tied else [*tensors, Stored(OUTPUT, (rows, hidden), None)]


def places(shape: ModelShape, vocab_size: int) -> list[Place]:
    """All tensors of a LlamaForCausalLM of this shape, in the order of the model; the vocabulary unpadded.

    A tied model has no output layer of its own.
    """
    stored = {tensor.key: tensor for tensor in stored_tensors(shape, vocab_size)}

    def place(name: str, key: str, layer: int | None, rows: list[tuple[int, int]] | None = None) -> Place:
        tensor = stored[key if layer is None else f"decoder.layers.{key}"]
        rows = rows or [(0, tensor.shape[0])]
        size = (sum(stop - start for start, stop in rows), *tensor.shape[1:])
        return Place(name, size, tensor.key, layer, tuple(rows))

    words = [(0, vocab_size)]
    found = [place(HF_EMBEDDING, EMBEDDING, None, words)]
    for layer in range(shape.layers):
        prefix = f"model.layers.{layer}"
        qkv = "self_attention.linear_qkv.weight"
        fc1 = "mlp.linear_fc1.weight"
        found += [
            place(f"{prefix}.input_layernorm.weight", "self_attention.linear_qkv.layer_norm_weight", layer),
            *(
                place(f"{prefix}.self_attn.{part}_proj.weight", qkv, layer, _head_rows(shape, part))
                for part in "qkv"
            ),
            place(f"{prefix}.self_attn.o_proj.weight", "self_attention.linear_proj.weight", layer),
            place(f"{prefix}.post_attention_layernorm.weight", "mlp.linear_fc1.layer_norm_weight", layer),
            place(f"{prefix}.mlp.gate_proj.weight", fc1, layer, [(0, shape.ffn)]),
            place(f"{prefix}.mlp.up_proj.weight", fc1, layer, [(shape.ffn, 2 * shape.ffn)]),
            place(f"{prefix}.mlp.down_proj.weight", "mlp.linear_fc2.weight", layer),
        ]
    found.append(place("model.norm.weight", "decoder.final_layernorm.weight", None))
    return found if shape.tied else [*found, place(HF_OUTPUT, OUTPUT, None, words)]


def _head_rows(shape: ModelShape, part: str) -> list[tuple[int, int]]:
    """Rows of the queries ("q"), keys ("k") or values ("v") in the shared matrix, one range a query group."""
    queries = shape.heads // shape.kv_heads
    first, heads = {"q": (0, queries), "k": (queries, 1), "v": (queries + 1, 1)}[part]
    starts = [(group * (queries + 2) + first) * shape.head_dim for group in range(shape.kv_heads)]
    return [(start, start + heads * shape.head_dim) for start in starts]


@dataclass(frozen=True)
class Copy:
    """Rows of a Hugging Face tensor and where they lie in the checkpoint's."""

    source: slice
    target: slice


def copies(place: Place) -> list[Copy]:
    """The row ranges of a place as pairs: rows of the Hugging Face tensor, rows of the checkpoint's."""
    pairs, at = [], 0
    for start, stop in place.rows:
        pairs.append(Copy(slice(at, at + stop - start), slice(start, stop)))
        at += stop - start
    return pairs
