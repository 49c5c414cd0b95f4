"""A Hugging Face folder becomes a checkpoint that any layout can start from.

Everything is checked from headers before a byte is written. Then the checkpoint's tensors are made one after
another, a layer at a time, from views of the mapped files; the record comes last, and only a whole checkpoint
stands under its name.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hanji.fingerprint import fingerprint
from hanji.progress import Progress, SilentProgress
from hanji.training.checkpoint.files import WrittenFile, write_shards
from hanji.training.checkpoint.record import FAMILY, Commit, parent_of
from hanji.training.checkpoint.shards import Shard
from hanji.training.checkpoint.store import seal
from hanji.training.huggingface.config import CONFIG, read_json
from hanji.training.huggingface.folder import ModelFolder
from hanji.training.huggingface.llama import Place, Stored, copies, places, stored_tensors
from hanji.training.huggingface.output import refuse_occupied, whole_directory
from hanji.training.huggingface.records import CARRIED
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
        by_tensor: dict[tuple[str, int | None], list[Place]] = {}
        for place in places(shape, vocab_size):
            by_tensor.setdefault((place.key, place.layer), []).append(place)
        hashes: dict[str, str] = {}
        progress.step("import", sum(len(parts) for parts in by_tensor.values()), 0)

        def part(tensor: Stored, layer: int | None) -> Shard:
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
            offset = (0,) * len(tensor.shape)
            if layer is None:
                return Shard(tensor.key, made, offset, tensor.whole_shape, main=True)
            return Shard(tensor.key, made[None], (layer, *offset), tensor.whole_shape, main=True)

        with whole_directory(output) as directory:
            files = list(_write(directory, stored_tensors(shape, vocab_size), shape.layers, part))
            carry(folder, directory / CARRIED)
            family = _family(source, name or folder.resolve().name, hashes)
            seal(directory, _commit(family), files)
        return Imported(output, family, source.dtype)


def _write(
    directory: Path, tensors: list[Stored], layers: int, part: Callable[[Stored, int | None], Shard]
) -> Iterator[WrittenFile]:
    """Write a file for each layer and one for the rest, as that of a rank each: ranks that load share them out."""
    for number, layer in enumerate([None, *range(layers)]):
        mine = [tensor for tensor in tensors if (tensor.layers is None) == (layer is None)]
        yield write_shards(directory / f"__{number}_0.distcp", (part(tensor, layer) for tensor in mine), [])


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
        origin = read_json(source.path / FAMILY)
        parents = [parent_of(origin)]
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
