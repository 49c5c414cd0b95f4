"""hanji model import|export|inspect."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from hanji.errors import MissingExtraError, RecipeError
from hanji.jobs.terminal import number, progress, say

if TYPE_CHECKING:
    from hanji.training.huggingface.inspecting import Description

app = typer.Typer(
    no_args_is_help=True,
    help="Models on disk: import from Hugging Face, export to it, say what one is.",
)
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
_UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


@app.command("import")
def import_(
    folder: Annotated[
        Path, typer.Argument(help="Folder of a LlamaForCausalLM: config.json and safetensors files.")
    ],
    output: Annotated[Path, typer.Argument(help="Directory of the checkpoint; it must not exist yet.")],
    name: Annotated[
        str | None, typer.Option(help="The model's name in the family; default: the folder's.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Turn a Hugging Face folder into a checkpoint that training in any layout can start from.

    The folder is checked from its headers first; nothing is written for one that cannot be imported.
    """
    _needs_torch()
    from hanji.training.huggingface.importing import import_folder
    from hanji.training.huggingface.inspecting import inspect

    with progress(quiet) as shown:
        made = import_folder(folder, output, name=name, progress=shown)
    found = inspect(made.checkpoint)
    say(
        f"{made.checkpoint}: {found.parameters / 1e6:,.1f}M parameters in {found.dtype}, "
        f"{number(len(made.family['source']['tensors']))} tensors",
        f"  family    {made.family['hash']}",
        "  next      in a recipe for `hanji train`, with shards of this model's tokenizer:",
        f"            init_from: {made.checkpoint.absolute()}",
        f"            {found.model_settings()}",
    )


@app.command("export")
def export(
    checkpoint: Annotated[
        Path, typer.Argument(help="A checkpoint, or a run's directory for its newest checkpoint.")
    ],
    output: Annotated[Path, typer.Argument(help="Folder to write; it must not exist yet.")],
    dtype: Annotated[
        Literal["float32", "bfloat16", "float16"] | None,
        typer.Option(help="Of the weights; default: as they are stored."),
    ] = None,
    shard_size: Annotated[
        str, typer.Option(help="Largest safetensors file, for example 5GB or 500MB.")
    ] = "5GB",
    tokenizer: Annotated[
        Path | None,
        typer.Option(
            help="Directory of shards, or a tokenizer.json; default: the run's or the imported one."
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Write a checkpoint, whatever layout it was trained in, as a Hugging Face LlamaForCausalLM.

    Weights are streamed: neither a rank nor the whole model is needed in memory.
    """
    _needs_torch()
    from hanji.training.huggingface.exporting import export_checkpoint

    limit = _bytes(shard_size)
    with progress(quiet) as shown:
        made = export_checkpoint(
            checkpoint, output, dtype=dtype, shard_bytes=limit, tokenizer=tokenizer, progress=shown
        )
    say(
        f"{made.folder}: {made.bytes / 1e6:,.1f} MB of {made.dtype} in {len(made.files)} safetensors files, "
        f"from {made.model.directory}",
        *(f"  note      {note}" for note in made.notes),
    )


@app.command("inspect")
def inspect_(
    path: Annotated[Path, typer.Argument(help="A Hugging Face folder, a checkpoint, or a run's directory.")],
    hashes: Annotated[
        bool, typer.Option("--hashes", help="Also SHA-256 of every tensor, by Hugging Face names.")
    ] = False,
    sequence: Annotated[
        int | None, typer.Option(min=1, help="Sequence length to count FLOPs at; default: the model's.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Say what a model is: shape, parameters, dtype, RoPE, family, FLOPs per token."""
    _needs_torch()
    from hanji.training.huggingface.inspecting import inspect

    found = inspect(path, hashes=hashes, seq_length=sequence)
    if as_json:
        say(json.dumps(found.as_dict(), indent=1, ensure_ascii=False))
        return
    say(*_lines(found))


def _lines(found: Description) -> list[str]:
    shape, family = found.shape, found.family
    cost = found.as_dict()["flops_per_token"]
    scaling = "no scaling"
    if shape.rope_scaling is not None:
        scaling = "llama3 scaling " + ", ".join(f"{k} {v:g}" for k, v in asdict(shape.rope_scaling).items())
    kind = "Hugging Face folder" if found.kind == "huggingface" else f"checkpoint of step {found.step}"
    lines = [
        f"{found.path}: {kind}",
        f"  parameters  {found.parameters / 1e6:,.1f}M in {found.dtype}, {found.bytes / 1e6:,.1f} MB "
        f"in {found.files} files",
        f"  layers      {shape.layers} of hidden {shape.hidden}, ffn {shape.ffn}, {shape.heads} heads and "
        f"{shape.kv_heads} key-value heads of {shape.head_dim}",
        f"  vocabulary  {found.vocab_size:,}, embeddings {'tied' if shape.tied else 'untied'}",
        f"  RoPE        base {shape.rope_theta:g}, {scaling}",
        f"  norm        epsilon {shape.norm_eps:g}",
        f"  FLOPs       a token at {shape.seq_length:,}: {cost['causal_attention']:.4g} (causal attention), "
        f"{cost['full_attention']:.4g} (full), {cost['six_n']:.4g} (6N)",
        f"  recipe      {found.model_settings()}",
    ]
    if family is not None:
        parents = ", ".join(f"{p.get('name')} {p.get('hash')}" for p in family["parents"]) or "none"
        lines.append(
            f"  family      {family['name']} ({family['kind']}) {family['hash']}; parents: {parents}"
        )
        tokens = family.get("tokens", {}).get("total")
        if tokens is not None:
            lines.append(f"  trained on  {tokens:,} tokens, {family['flops']['causal_attention']:.4g} FLOPs")
    if found.hashes is not None:
        lines += [f"  {digest}  {name}" for name, digest in found.hashes.items()]
    return lines


def _bytes(text: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG]i?B)?", text, re.IGNORECASE)
    value = float(match[1]) * _UNITS.get((match[2] or "").upper(), 1) if match else 0
    if value < 1:
        raise RecipeError(f"--shard-size: {text!r} is not a size; write for example 5GB, 500MB or 2GiB")
    return int(value)


def _needs_torch() -> None:
    from importlib.util import find_spec

    if find_spec("torch") is None:
        raise MissingExtraError("hanji model", "train")
