"""config.json of LlamaForCausalLM: read into a model's shape, and written from one.

Both generations of the format are read and written: ``rope_theta`` with ``rope_scaling`` and ``torch_dtype``
(transformers 4) and ``rope_parameters`` with ``dtype`` (transformers 5). What our model cannot compute
(biases, other activations, other RoPE rules, quantised weights) is refused by name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hanji.errors import InputError, RecipeError
from hanji.training.model.shape import ModelShape, RopeScaling

CONFIG = "config.json"
ARCHITECTURE = "LlamaForCausalLM"
SCALING_FIELDS = ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings")


@dataclass(frozen=True)
class LlamaConfig:
    """What a config.json says. ``source`` is the file as it is read, ``dtype`` what it claims of the weights."""

    shape: ModelShape
    vocab_size: int
    dtype: str | None
    source: dict[str, Any]


def read_config(path: Path) -> LlamaConfig:
    """Read a config.json. Raises InputError naming the file, the field, its value and what is allowed."""
    source = read_json(path)
    architectures, model_type = source.get("architectures"), source.get("model_type")
    if architectures not in ([ARCHITECTURE], None) or model_type not in ("llama", None):
        raise InputError(
            f"{path}: architectures {architectures} of model_type {model_type!r}: only {ARCHITECTURE} "
            '(model_type "llama") can be imported'
        )
    if architectures is None and model_type is None:
        raise InputError(f"{path}: neither architectures nor model_type: it does not say what model it is")
    _refuse_what_differs(path, source)
    hidden, heads = _count(path, source, "hidden_size"), _count(path, source, "num_attention_heads")
    if source.get("head_dim") is None and hidden % heads:
        raise InputError(
            f"{path}: hidden_size {hidden} is not a multiple of num_attention_heads {heads}, "
            "and there is no head_dim"
        )
    theta, scaling = _rope(path, source)
    try:
        shape = ModelShape(
            layers=_count(path, source, "num_hidden_layers"),
            hidden=hidden,
            ffn=_count(path, source, "intermediate_size"),
            heads=heads,
            kv_heads=_count(path, source, "num_key_value_heads", heads),
            head_dim=_count(path, source, "head_dim", hidden // heads),
            tied=_flag(path, source, "tie_word_embeddings"),
            rope_theta=theta,
            rope_scaling=scaling,
            norm_eps=_number(path, source, "rms_norm_eps", 1e-6),
            init_std=_number(path, source, "initializer_range", 0.02),
            seq_length=_count(path, source, "max_position_embeddings", 2048),
        )
    except RecipeError as error:
        raise InputError(f"{path}: {error}") from None
    dtype = source.get("dtype", source.get("torch_dtype"))
    return LlamaConfig(shape, _count(path, source, "vocab_size"), dtype, source)


def make_config(
    shape: ModelShape,
    vocab_size: int,
    dtype: str,
    *,
    bos: int | None,
    eos: int | list[int] | None,
    base: LlamaConfig | None = None,
) -> dict[str, Any]:
    """The config.json of a model. ``base`` is that of the folder it was imported from.

    Of a base that describes the same model everything is kept, its fields unknown here included; only a dtype
    that is no longer true is changed.
    """
    if base is not None and (base.shape, base.vocab_size) == (shape, vocab_size):
        if base.dtype in (dtype, None):
            return dict(base.source)
        return {
            **base.source,
            **{name: dtype for name in ("dtype", "torch_dtype") if name in base.source},
        }
    scaling = shape.rope_scaling
    rule: dict[str, Any] = {"rope_type": "default"}
    if scaling is not None:
        rule = {"rope_type": "llama3", **{name: getattr(scaling, name) for name in SCALING_FIELDS}}
    return {
        "architectures": [ARCHITECTURE],
        "model_type": "llama",
        "vocab_size": vocab_size,
        "hidden_size": shape.hidden,
        "intermediate_size": shape.ffn,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_dim,
        "hidden_act": "silu",
        "max_position_embeddings": shape.seq_length,
        "initializer_range": shape.init_std,
        "rms_norm_eps": shape.norm_eps,
        "rope_theta": shape.rope_theta,
        "rope_scaling": None if scaling is None else rule,
        "rope_parameters": {**rule, "rope_theta": shape.rope_theta},
        "tie_word_embeddings": shape.tied,
        "attention_bias": False,
        "attention_dropout": 0.0,
        "mlp_bias": False,
        "bos_token_id": bos,
        "eos_token_id": eos,
        "torch_dtype": dtype,
        "dtype": dtype,
        "use_cache": True,
    }


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file that holds a mapping. Raises InputError with the file's name."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as JSON: {error}") from None
    if not isinstance(data, dict):
        raise InputError(f"{path}: holds {type(data).__name__}, not a mapping")
    return data


def _refuse_what_differs(path: Path, source: Mapping[str, Any]) -> None:
    allowed: dict[str, tuple[Any, ...]] = {
        "hidden_act": ("silu", "swish", None),
        "attention_bias": (False, None),
        "mlp_bias": (False, None),
        "sliding_window": (None,),
        "partial_rotary_factor": (None, 1, 1.0),
        "quantization_config": (None,),
    }
    for name, values in allowed.items():
        if name in source and source[name] not in values:
            shown = str(source[name])
            raise InputError(
                f"{path}: {name}: {shown[:80]}: this model has {' or '.join(map(str, values))} alone"
            )


def _rope(path: Path, source: Mapping[str, Any]) -> tuple[float, RopeScaling | None]:
    """Base and scaling, from whichever of the two forms is there. Forms that contradict each other are refused."""
    rules: list[RopeScaling | None] = []
    thetas = {source.get("rope_theta")}
    for name in ("rope_scaling", "rope_parameters"):
        value = source.get(name)
        if value is None:
            continue
        if not isinstance(value, Mapping):
            raise InputError(f"{path}: {name}: {value!r} is not a mapping")
        rules.append(_scaling(path, name, value))
        thetas.add(value.get("rope_theta"))
    thetas.discard(None)
    if len(set(rules)) > 1 or len(thetas) > 1:
        raise InputError(
            f"{path}: rope_theta, rope_scaling and rope_parameters contradict each other: "
            f"{source.get('rope_theta')}, {source.get('rope_scaling')}, {source.get('rope_parameters')}"
        )
    # 10,000 is what transformers takes where nothing is said.
    theta = _number(path, {"rope_theta": next(iter(thetas), None)}, "rope_theta", 10_000.0)
    return theta, rules[0] if rules else None


def _scaling(path: Path, name: str, value: Mapping[str, Any]) -> RopeScaling | None:
    kind = value.get("rope_type", value.get("type", "default"))
    if kind == "default":
        return None
    if kind != "llama3":
        raise InputError(f'{path}: {name}: rope_type {kind!r}: only "default" and "llama3" can be computed')
    if value.get("partial_rotary_factor") not in (None, 1, 1.0):
        raise InputError(f"{path}: {name}: partial_rotary_factor {value['partial_rotary_factor']}: only 1 is")
    missing = [field for field in SCALING_FIELDS if value.get(field) is None]
    if missing:
        raise InputError(f"{path}: {name}: a llama3 rule needs {', '.join(missing)}")
    try:
        return RopeScaling(
            factor=_number(path, value, "factor"),
            low_freq_factor=_number(path, value, "low_freq_factor"),
            high_freq_factor=_number(path, value, "high_freq_factor"),
            original_max_position_embeddings=_count(path, value, "original_max_position_embeddings"),
        )
    except RecipeError as error:
        raise InputError(f"{path}: {name}: {error}") from None


def _count(path: Path, source: Mapping[str, Any], name: str, default: int | None = None) -> int:
    value = source.get(name)
    value = default if value is None else value
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise InputError(f"{path}: {name}: {value!r} is not a whole number above 0")
    return value


def _number(path: Path, source: Mapping[str, Any], name: str, default: float | None = None) -> float:
    value = source.get(name)
    value = default if value is None else value
    if not isinstance(value, int | float) or isinstance(value, bool) or not value > 0:
        raise InputError(f"{path}: {name}: {value!r} is not a number above 0")
    return float(value)


def _flag(path: Path, source: Mapping[str, Any], name: str) -> bool:
    value = source.get(name)
    if value not in (True, False, None):
        raise InputError(f"{path}: {name}: {value!r} is neither true nor false")
    return bool(value)
