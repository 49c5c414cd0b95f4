"""A checkpoint becomes a Hugging Face folder, whatever layout wrote it.

No rank, process group or model is made: each tensor is read from the checkpoint's files by the rows that it
needs, and written to its safetensors file before the next is read.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from hanji.errors import HanjiError, InputError
from hanji.fingerprint import file_sha256
from hanji.manifest import TokenizerFacts, read_manifest
from hanji.progress import Progress, SilentProgress
from hanji.training.checkpoint.record import FAMILY
from hanji.training.checkpoint.state import MAIN_WEIGHTS, OPTIMIZER
from hanji.training.huggingface.config import CONFIG, LlamaConfig, make_config, read_config
from hanji.training.huggingface.folder import INDEX, SINGLE
from hanji.training.huggingface.importing import carry
from hanji.training.huggingface.llama import Place, places, stored_tensors
from hanji.training.huggingface.output import refuse_occupied, whole_directory
from hanji.training.huggingface.records import CARRIED, StoredModel, open_checkpoint
from hanji.training.huggingface.safetensors import Planned, write_safetensors

SHARD_BYTES = 5_000_000_000
"""Largest safetensors file, as huggingface_hub has it; a larger tensor has a file of its own."""
DTYPE_NAMES = {torch.float32: "float32", torch.bfloat16: "bfloat16", torch.float16: "float16"}
DTYPES = {name: dtype for dtype, name in DTYPE_NAMES.items()}


@dataclass(frozen=True)
class Exported:
    """What an export wrote. ``bytes`` counts the weights; ``notes`` are for the person who asked for it."""

    folder: Path
    model: StoredModel
    files: tuple[str, ...]
    bytes: int
    dtype: str
    notes: tuple[str, ...]


def export_checkpoint(
    checkpoint: Path,
    output: Path,
    *,
    dtype: str | None = None,
    shard_bytes: int = SHARD_BYTES,
    tokenizer: Path | None = None,
    progress: Progress | None = None,
) -> Exported:
    """Write ``checkpoint`` (or a run's newest) as LlamaForCausalLM to the folder ``output``.

    ``dtype`` is "float32", "bfloat16" or "float16" (default: as stored). ``tokenizer`` is a shards' directory
    or a tokenizer.json, where the checkpoint's own is not known. In float32, weights are the optimizer's where it
    has them more precisely than the model. Raises a HanjiError, and then nothing stands at ``output``.
    """
    progress = progress or SilentProgress()
    refuse_occupied(output)
    model = open_checkpoint(checkpoint)
    target = model.dtype if dtype is None else DTYPES[dtype]
    if target not in DTYPE_NAMES:
        raise InputError(
            f"{model.directory}: weights of {target} cannot be exported as they are; name a dtype"
        )
    words = _tokenizer(model, tokenizer)
    files = _split(places(model.shape, model.vocab_size), target, shard_bytes)
    with whole_directory(output) as folder:
        names = _write_weights(model, files, folder, target, progress)
        _describe(model, folder, DTYPE_NAMES[target], words)
    size = sum(planned.bytes for file in files for planned, _ in file)
    return Exported(output, model, tuple(names), size, DTYPE_NAMES[target], _notes(model, words))


def _write_weights(
    model: StoredModel,
    files: list[list[tuple[Planned, Place]]],
    folder: Path,
    dtype: torch.dtype,
    progress: Progress,
) -> list[str]:
    """Write the safetensors files and their index; returns the files' names.

    Raises RunError when what was read is not what the checkpoint's manifest vouches for, InputError for weights
    that are too large for float16.
    """
    by_name = {planned.name: place for file in files for planned, place in file}
    precise = _precise_keys(model, dtype)
    progress.step("export", len(by_name), 0)

    def produce(planned: Planned) -> torch.Tensor:
        place = by_name[planned.name]
        progress.advance()
        key = precise.get(place.key, place.key)
        rows = model.weights.rows(key, place.layer, place.rows)
        exported = rows.to(dtype)
        if dtype == torch.float16 and bool((exported.isinf() & rows.isfinite()).any()):
            raise InputError(
                f"{model.directory}: {planned.name} holds {rows.abs().max().item():.6g}, more than float16 can; "
                "export it in bfloat16 or float32"
            )
        return exported

    names = [SINGLE] if len(files) == 1 else [_file_name(n, len(files)) for n in range(1, len(files) + 1)]
    weight_map = {}
    for name, file in zip(names, files, strict=True):
        planned_here = [planned for planned, _ in file]
        write_safetensors(folder / name, planned_here, produce, {"format": "pt"})
        weight_map.update({planned.name: name for planned in planned_here})
    for key in dict.fromkeys(place.key for place in by_name.values()):
        model.weights.check(precise.get(key, key))
    if len(files) > 1:
        size = sum(planned.bytes for file in files for planned, _ in file)
        _write_json(folder / INDEX, {"metadata": {"total_size": size}, "weight_map": weight_map})
    return names


def _precise_keys(model: StoredModel, target: torch.dtype) -> dict[str, str]:
    """The optimizer's fp32 weights by key, for an fp32 export of a model that was trained in a narrower type."""
    if target != torch.float32:
        return {}
    stored = stored_tensors(model.shape, model.vocab_size)
    main = {tensor.key: f"{OPTIMIZER}.{MAIN_WEIGHTS}.{tensor.key}" for tensor in stored}
    return {key: precise for key, precise in main.items() if precise in model.weights.keys}


def _split(
    all_places: list[Place], dtype: torch.dtype, shard_bytes: int
) -> list[list[tuple[Planned, Place]]]:
    """Tensors in the order of the model, cut into files of at most ``shard_bytes``."""
    files: list[list[tuple[Planned, Place]]] = [[]]
    room = shard_bytes
    for place in all_places:
        planned = Planned(place.name, dtype, place.shape)
        if planned.bytes > room and files[-1]:
            files.append([])
            room = shard_bytes
        files[-1].append((planned, place))
        room -= planned.bytes
    return files


def _file_name(number: int, of: int) -> str:
    return f"model-{number:05d}-of-{of:05d}.safetensors"


@dataclass(frozen=True)
class _Tokenizer:
    """Where a tokenizer lies and what is known of it; ``facts`` None for a bare file or an imported folder's."""

    file: Path | None
    facts: TokenizerFacts | None
    carried: Path | None
    base: LlamaConfig | None
    note: str | None = None


def _tokenizer(model: StoredModel, named: Path | None) -> _Tokenizer:
    """The tokenizer that was asked for, else the imported folder's, else that of the run's shards."""
    carried = model.directory / CARRIED
    base = read_config(carried / CONFIG) if (carried / CONFIG).is_file() else None
    if named is not None:
        if named.is_file():
            return _Tokenizer(named, None, None, base)
        return replace(_of_shards(named), base=base)
    if base is not None:
        return _Tokenizer(None, None, carried, base)
    recipe = model.run / "recipe.json" if model.run else None
    if recipe is None or not recipe.is_file():
        return _Tokenizer(None, None, None, None, "the run's recipe.json is not beside the checkpoint")
    try:
        found = _of_shards(Path(json.loads(recipe.read_bytes())["shards"]))
    except (HanjiError, OSError, ValueError, KeyError) as error:
        return _Tokenizer(None, None, None, None, str(error))
    expected = model.family.get("shards", {}).get("tokenizer_sha256")
    assert found.file is not None
    if file_sha256(found.file) != expected:
        note = f"{found.file} is not the tokenizer that the model was trained with"
        return _Tokenizer(None, None, None, None, note)
    return found


def _of_shards(directory: Path) -> _Tokenizer:
    manifest, storage = read_manifest(str(directory))
    file = Path(storage.describe(manifest.tokenizer.file))
    if not file.is_file():
        raise InputError(f"{file}: the manifest's tokenizer is not there")
    return _Tokenizer(file, manifest.tokenizer, None, None)


def _describe(model: StoredModel, folder: Path, dtype: str, words: _Tokenizer) -> None:
    """Write everything but the weights: config, generation config, tokenizer, family node."""
    if words.carried is not None:
        carry(words.carried, folder)
    bos = words.facts.bos_id if words.facts else None
    eos: Any = words.facts.eod_id if words.facts else None
    if words.facts is None and words.base is not None:
        bos, eos = words.base.source.get("bos_token_id"), words.base.source.get("eos_token_id")
    config = make_config(model.shape, model.vocab_size, dtype, bos=bos, eos=eos, base=words.base)
    if words.base is None or config != words.base.source or words.carried is None:
        _write_json(folder / CONFIG, config)
    if words.file is not None:
        shutil.copyfile(words.file, folder / "tokenizer.json")
    if words.facts is not None:
        settings = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": words.facts.eod_token,
            "model_max_length": model.shape.seq_length,
            "clean_up_tokenization_spaces": False,
        }
        _write_json(folder / "tokenizer_config.json", settings)
    if not (folder / "generation_config.json").exists():
        _write_json(folder / "generation_config.json", {"bos_token_id": bos, "eos_token_id": eos})
    _write_json(folder / FAMILY, model.family)


def _notes(model: StoredModel, words: _Tokenizer) -> tuple[str, ...]:
    notes = []
    if words.file is None and (words.carried is None or not (words.carried / "tokenizer.json").is_file()):
        reason = f" ({words.note})" if words.note else ""
        notes.append(f"no tokenizer was copied{reason}; name one with --tokenizer")
    if model.shape.hidden % model.shape.heads:
        notes.append(
            f"hidden size {model.shape.hidden} is not a multiple of {model.shape.heads} heads: transformers 5 "
            "refuses such a config although head_dim is given; transformers 4 reads it"
        )
    return tuple(notes)


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
