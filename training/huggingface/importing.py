"""A Hugging Face folder becomes a checkpoint that any layout can start from.

Everything is checked from headers before a byte is written. Then the checkpoint's tensors are made one after
another, a layer at a time, from views of the mapped files; the record comes last, and only a whole checkpoint
stands under its name.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from hanji.errors import InputError, RecipeError
from hanji.fingerprint import fingerprint
from hanji.progress import Progress, SilentProgress
from hanji.training.huggingface.config import CONFIG, read_json
from hanji.training.huggingface.folder import FAMILY, ModelFolder
from hanji.training.huggingface.llama import Place, Stored, copies, places, stored_tensors
from hanji.training.huggingface.records import CARRIED, COMMIT, parent_of
from hanji.training.huggingface.torch_dist import write_torch_dist
from hanji.training.loop.checkpoint import Commit
from hanji.training.model.shape import parameter_count

CARRIED_FILES = (
    CONFIG,
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
)


@dataclass(frozen=True)
class Imported:
    """What an import made."""

    checkpoint: Path
    family: dict[str, Any]
    dtype: torch.dtype


def import_folder(
    folder: Path, output: Path, *, name: str | None = None, progress: Progress | None = None
) -> Imported:
    """Write the folder's model as a checkpoint to ``output``, in the folder's dtype.

    ``name`` is the model's name in the family (default: the folder's). Raises InputError for a folder that
    cannot be imported, RecipeError when ``output`` is there already; nothing is written then.
    """
    progress = progress or SilentProgress()
    refuse_occupied(output)
    with ModelFolder(folder) as source:
        shape, vocab_size = source.config.shape, source.config.vocab_size
        partial = fresh_partial(output)
        by_tensor: dict[tuple[str, int | None], list[Place]] = {}
        for place in places(shape, vocab_size):
            by_tensor.setdefault((place.key, place.layer), []).append(place)
        hashes: dict[str, str] = {}
        progress.step("import", sum(len(parts) for parts in by_tensor.values()), 0)

        def produce(tensor: Stored, layer: int | None) -> torch.Tensor:
            # Rows of the padded vocabulary that no token has stay zero.
            made = torch.zeros(tensor.shape, dtype=source.dtype)
            for place in by_tensor[tensor.key, layer]:
                hashes[place.name] = hashlib.sha256(source.raw(place.name)).hexdigest()
                whole = source.tensor(place.name)
                for copy in copies(place):
                    made[copy.target] = whole[copy.source]
                del whole
                source.forget(place.name)
                progress.advance()
            return made

        write_torch_dist(partial, stored_tensors(shape, vocab_size), source.dtype, produce)
        carry(folder, partial / CARRIED)
        family = _family(source, name or folder.resolve().name, hashes)
        record = json.dumps(asdict(_commit(family)), indent=1, ensure_ascii=False) + "\n"
        (partial / COMMIT).write_text(record, encoding="utf-8")
        finish(partial, output)
        return Imported(output, family, source.dtype)


def _commit(family: dict[str, Any]) -> Commit:
    """The record of a checkpoint that no run has written: step 0, no data seen."""
    return Commit(
        step=0,
        stage="import",
        stage_step=0,
        stage_end=True,
        consumed={},
        recipe="",
        identity={"import": family["hash"]},
        manifest_sha256="",
        ranks=0,
        family=family,
    )


def _family(source: ModelFolder, name: str, hashes: dict[str, str]) -> dict[str, Any]:
    """The family node: the folder's name and the hash of each of its tensors, and what it came from if it says."""
    shape, vocab_size = source.config.shape, source.config.vocab_size
    parents: list[dict[str, Any]] = []
    if (source.path / FAMILY).is_file():
        parents = [parent_of(read_json(source.path / FAMILY))]
    layers = [
        {"parent": 0 if parents else None, "layer": n if parents else None} for n in range(shape.layers)
    ]
    node = {
        "format": "hanji-family/1",
        "kind": "import",
        "name": name,
        "parents": parents,
        "layer_map": layers,
        "step": 0,
        "model": {
            **shape.as_dict(),
            "vocab_size": vocab_size,
            "parameters": parameter_count(shape, vocab_size),
        },
        "source": {
            "format": "huggingface",
            "name": name,
            "config": fingerprint(source.config.source),
            "tensors": dict(sorted(hashes.items())),
        },
    }
    return {**node, "hash": fingerprint(node)}


def carry(folder: Path, target: Path) -> list[str]:
    """Copy config and tokenizer files, those that are there; returns their names."""
    target.mkdir(exist_ok=True)
    present = [name for name in CARRIED_FILES if (folder / name).is_file()]
    for name in present:
        shutil.copyfile(folder / name, target / name)
    return present


def refuse_occupied(output: Path) -> None:
    """Raise RecipeError when something is at ``output`` that a write would disturb."""
    if output.exists() and not (output.is_dir() and not any(output.iterdir())):
        raise RecipeError(
            f"output: {output} is there already; name a directory that does not exist or is empty"
        )


def fresh_partial(output: Path) -> Path:
    """An empty directory beside ``output``, which a cut-off write leaves behind and the next one removes."""
    partial = output.absolute().with_name(f".{output.absolute().name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
    except OSError as error:
        raise InputError(f"{output}: cannot be written to: {error.strerror}") from None
    return partial


def finish(partial: Path, output: Path) -> None:
    """Give a whole directory its name, after what lies in it is on disk."""
    for directory in (partial, partial.parent):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    # Replaces an empty directory of that name.
    partial.replace(output)
