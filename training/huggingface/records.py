"""A committed checkpoint as a model: its record, its shape and its weights, without ranks.

Reading a record needs no torch; looking at the weights does.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hanji.errors import InputError, RecipeError
from hanji.training.checkpoint.record import COMMIT, Commit, find_checkpoint, read_commit
from hanji.training.huggingface.llama import stored_tensors
from hanji.training.model.shape import ModelShape

if TYPE_CHECKING:
    import torch

    from hanji.training.huggingface.stored import StoredTensors

CARRIED = "huggingface"
"""Directory within an imported checkpoint that keeps the folder's config and tokenizer files."""


@dataclass(frozen=True)
class StoredModel:
    """A checkpoint's record and the model that it describes."""

    directory: Path
    commit: Commit
    shape: ModelShape
    vocab_size: int

    @property
    def family(self) -> dict[str, Any]:
        return self.commit.family

    @cached_property
    def weights(self) -> StoredTensors:
        """The checkpoint's tensors. Raises InputError when one that the shape asks for is missing or differs."""
        from hanji.training.huggingface.stored import StoredTensors

        stored = StoredTensors(self.directory, self.commit)
        for tensor in stored_tensors(self.shape, self.vocab_size):
            if tensor.key not in stored.keys:
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


def open_checkpoint(path: Path) -> StoredModel:
    """The model of a checkpoint, or of the newest one of a run's directory.

    Raises InputError when there is none or its record does not describe a model, RunError when it is damaged.
    """
    directory = find_checkpoint(path)
    commit = read_commit(directory)
    try:
        described = dict(commit.family["model"])
        vocab_size = int(described.pop("vocab_size"))
        described.pop("parameters", None)
        shape = ModelShape.from_dict(described)
    except (ValueError, KeyError, TypeError, RecipeError) as error:
        raise InputError(f"{directory / COMMIT}: does not describe a model: {error}") from None
    return StoredModel(directory, commit, shape, vocab_size)
