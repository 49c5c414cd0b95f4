"""A committed checkpoint as a model: its record, its shape and its weights, without ranks.

Reading a record needs no torch; looking at the weights does.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hanji.errors import InputError, RecipeError
from hanji.training.huggingface.llama import stored_tensors
from hanji.training.model.shape import ModelShape

if TYPE_CHECKING:
    import torch

    from hanji.training.huggingface.torch_dist import StoredTensors

COMMIT = "commit.json"
"""The record that makes a checkpoint whole (hanji.training.loop.checkpoint)."""
CARRIED = "huggingface"
"""Directory within an imported checkpoint that keeps the folder's config and tokenizer files."""
_STEP = re.compile(r"step-\d{8}")


@dataclass(frozen=True)
class StoredModel:
    """A checkpoint's record and the model that it describes."""

    directory: Path
    commit: dict[str, Any]
    shape: ModelShape
    vocab_size: int

    @property
    def family(self) -> dict[str, Any]:
        node: dict[str, Any] = self.commit["family"]
        return node

    @cached_property
    def weights(self) -> StoredTensors:
        """The checkpoint's tensors. Raises InputError when one that the shape asks for is missing or differs."""
        from hanji.training.huggingface.torch_dist import StoredTensors

        stored = StoredTensors(self.directory)
        for tensor in stored_tensors(self.shape, self.vocab_size):
            if tensor.key not in stored.tensors:
                raise InputError(f"{self.directory}: tensor {tensor.key} is missing from the checkpoint")
            if stored.shape(tensor.key) != tensor.whole_shape:
                raise InputError(
                    f"{self.directory}: {tensor.key} has shape {list(stored.shape(tensor.key))}, the record's "
                    f"model asks for {list(tensor.whole_shape)}"
                )
        return stored

    @property
    def dtype(self) -> torch.dtype:
        """That of the matrices."""
        return self.weights.dtype("decoder.layers.mlp.linear_fc1.weight")

    @property
    def run(self) -> Path | None:
        """The run's directory, where the checkpoint lies in one."""
        parent = self.directory.absolute().parent
        return parent.parent if parent.name == "checkpoints" else None


def find_checkpoint(path: Path) -> Path:
    """The checkpoint that a path means: itself, or the newest whole one of a run's directory.

    Raises InputError when there is none.
    """
    if (path / COMMIT).is_file():
        return path
    if _STEP.fullmatch(path.name) and path.is_dir():
        raise InputError(f"{path}: has no {COMMIT}: this save was cut off before it was whole")
    inside = path / "checkpoints" if (path / "checkpoints").is_dir() else path
    whole = sorted(p.parent for p in inside.glob(f"step-*/{COMMIT}") if _STEP.fullmatch(p.parent.name))
    if not whole:
        raise InputError(f"{path}: no checkpoint here: name a run's directory or a directory with {COMMIT}")
    return whole[-1]


def open_checkpoint(path: Path) -> StoredModel:
    """Read a checkpoint's record. Raises InputError when there is none or it does not describe a model."""
    directory = find_checkpoint(path)
    record = directory / COMMIT
    try:
        commit = json.loads(record.read_bytes())
        described = dict(commit["family"]["model"])
        vocab_size = int(described.pop("vocab_size"))
        described.pop("parameters", None)
        shape = ModelShape.from_dict(described)
    except (OSError, ValueError, KeyError, TypeError, RecipeError) as error:
        raise InputError(f"{record}: does not describe a model: {error}") from None
    return StoredModel(directory, commit, shape, vocab_size)


def parent_of(family: dict[str, Any]) -> dict[str, Any]:
    """How a family node names a parent."""
    return {name: family.get(name) for name in ("hash", "name", "kind", "step")}
