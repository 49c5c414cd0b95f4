"""What a model on disk is, told from its headers: a Hugging Face folder or a checkpoint, in the same terms."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from hanji.training.checkpoint.record import FAMILY
from hanji.training.cost.flops import flops_per_token
from hanji.training.huggingface.config import CONFIG, read_json
from hanji.training.huggingface.folder import ModelFolder
from hanji.training.huggingface.llama import places, stored_tensors
from hanji.training.huggingface.records import open_checkpoint
from hanji.training.huggingface.safetensors import as_bytes
from hanji.training.model.shape import ModelShape, padded_vocabulary, parameter_count


@dataclass(frozen=True)
class Description:
    """A model on disk. ``bytes`` counts its weights as they are stored, without optimizer state.

    ``hashes`` are SHA-256 of the tensors by their Hugging Face names, unpadded, so that a checkpoint and an
    export of it can be compared; None unless they were asked for.
    """

    kind: Literal["huggingface", "checkpoint"]
    path: Path
    shape: ModelShape
    vocab_size: int
    dtype: str
    bytes: int
    files: int
    family: dict[str, Any] | None
    step: int | None
    stage: str | None
    hashes: dict[str, str] | None

    @property
    def parameters(self) -> int:
        return parameter_count(self.shape, self.vocab_size)

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``; FLOPs are those of training, forward and backward, at ``seq_length``."""
        cost = flops_per_token(self.shape, self.vocab_size)
        return {
            "kind": self.kind,
            "path": str(self.path),
            "model": self.shape.as_dict(),
            "vocab_size": self.vocab_size,
            "padded_vocab_size": padded_vocabulary(self.vocab_size),
            "parameters": self.parameters,
            "dtype": self.dtype,
            "bytes": self.bytes,
            "files": self.files,
            "flops_per_token": asdict(cost),
            "step": self.step,
            "stage": self.stage,
            "family": self.family,
            "hashes": self.hashes,
        }

    def model_settings(self) -> str:
        """The ``model`` field of a recipe that trains this model on."""
        fields = {k: v for k, v in self.shape.as_dict().items() if v is not None}
        if self.shape.rope_scaling is not None:
            scaling = asdict(self.shape.rope_scaling)
            fields["rope_scaling"] = "{" + ", ".join(f"{k}: {_plain(v)}" for k, v in scaling.items()) + "}"
        return "model: {" + ", ".join(f"{name}: {_plain(value)}" for name, value in fields.items()) + "}"


def inspect(path: Path, *, hashes: bool = False, seq_length: int | None = None) -> Description:
    """Describe a Hugging Face folder, a checkpoint or a run's newest checkpoint.

    ``seq_length`` replaces the model's own for the FLOPs. Raises InputError for what is neither, or damaged.
    """
    found = _folder(path, hashes) if (path / CONFIG).is_file() else _checkpoint(path, hashes)
    return found if seq_length is None else replace(found, shape=replace(found.shape, seq_length=seq_length))


def _folder(path: Path, hashes: bool) -> Description:
    with ModelFolder(path) as folder:
        shape, vocab_size = folder.config.shape, folder.config.vocab_size
        parts = places(shape, vocab_size)

        def digest(name: str) -> str:
            found = hashlib.sha256(folder.raw(name)).hexdigest()
            folder.forget(name)
            return found

        return Description(
            kind="huggingface",
            path=path,
            shape=shape,
            vocab_size=vocab_size,
            dtype=_name(folder.dtype),
            bytes=sum(folder.entry(place.name).bytes for place in parts),
            files=len(folder.files),
            family=read_json(path / FAMILY) if (path / FAMILY).is_file() else None,
            step=None,
            stage=None,
            hashes=_hashes([place.name for place in parts], digest) if hashes else None,
        )


def _checkpoint(path: Path, hashes: bool) -> Description:
    model = open_checkpoint(path)
    parts = {place.name: place for place in places(model.shape, model.vocab_size)}

    def digest(name: str) -> str:
        place = parts[name]
        tensor = model.weights.rows(place.key, place.layer, place.rows)
        return hashlib.sha256(as_bytes(tensor)).hexdigest()

    return Description(
        kind="checkpoint",
        path=model.directory,
        shape=model.shape,
        vocab_size=model.vocab_size,
        dtype=_name(model.dtype),
        bytes=sum(
            math.prod(tensor.whole_shape) * model.weights.dtype(tensor.key).itemsize
            for tensor in stored_tensors(model.shape, model.vocab_size)
        ),
        files=len(list(model.directory.glob("*.distcp"))),
        family=model.family,
        step=model.commit.step,
        stage=model.commit.stage,
        hashes=_hashes(list(parts), digest) if hashes else None,
    )


def _hashes(names: list[str], digest: Callable[[str], str]) -> dict[str, str]:
    return {name: digest(name) for name in names}


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
