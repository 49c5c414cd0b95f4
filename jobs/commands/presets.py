"""hanji cost presets."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer

from hanji.jobs.terminal import number, say

LLAMA_VOCABULARY = 128_256


def presets(
    vocabulary: Annotated[
        int, typer.Option(min=1, help="Ids of the tokenizer.  [default: Llama 3's, the paper's]")
    ] = LLAMA_VOCABULARY,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Sizes, parameters and FLOPs per token of the model presets, and where their numbers come from."""
    from hanji.training.cost import flops_per_token
    from hanji.training.cost.scaling import budget_of
    from hanji.training.model.shape import parameter_count
    from hanji.training.presets import BASIS, PRESETS

    rows: list[dict[str, Any]] = [
        {
            "preset": name,
            **shape.as_dict(),
            "parameters": parameter_count(shape, vocabulary),
            "parameters_without_embeddings": budget_of(shape, 1).parameters,
            "flops_per_token": asdict(flops_per_token(shape, vocabulary)),
            "basis": BASIS[name],
        }
        for name, shape in PRESETS.items()
    ]
    if as_json:
        say(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    width = max(map(len, PRESETS)) + 2
    say(
        f"with a vocabulary of {number(vocabulary)}; FLOPs of training on a token, causal attention",
        f"  {'':<{width}}{'layers':>7}{'hidden':>8}{'ffn':>8}{'heads':>7}{'kv':>4}{'tied':>6}{'sequence':>10}"
        f"{'parameters':>12}{'no embed.':>11}{'FLOPs':>11}",
    )
    for row in rows:
        shape = PRESETS[row["preset"]]
        say(
            f"  {row['preset']:<{width}}{shape.layers:>7}{shape.hidden:>8}{shape.ffn:>8}{shape.heads:>7}"
            f"{shape.kv_heads:>4}{'yes' if shape.tied else 'no':>6}{shape.seq_length:>10}"
            f"{short(row['parameters']):>12}{short(row['parameters_without_embeddings']):>11}"
            f"{row['flops_per_token']['causal_attention']:>11.3g}"
        )
    say("", *(f"  {row['preset']:<{width}}{row['basis']}" for row in rows))


def short(value: float) -> str:
    """A count with three digits and its unit: 3.00T, 11.2M, 850."""
    for unit, size in (("T", 1e12), ("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            scaled = value / size
            return f"{scaled:.{2 if scaled < 10 else 1 if scaled < 100 else 0}f}{unit}"
    return f"{value:.0f}"
