"""A Hugging Face model folder: its config, its index and which file holds which tensor.

Opening a folder reads headers alone and checks everything that can be known from them, so that a folder which
cannot be imported is refused before anything is written.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import torch

from hanji.errors import InputError
from hanji.training.huggingface.config import CONFIG, LlamaConfig, read_config, read_json
from hanji.training.huggingface.llama import HF_EMBEDDING, HF_OUTPUT, places
from hanji.training.huggingface.safetensors import DTYPES, Entry, SafetensorsFile

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
WEIGHT_DTYPES = ("F32", "BF16", "F16")
IGNORED_SUFFIX = ".rotary_emb.inv_freq"
"""Frequencies that old versions of transformers saved; they follow from the config."""
_SHOWN = 5


class ModelFolder:
    """An open folder; a context manager that closes its files.

    Raises InputError for a missing or damaged file, an architecture that is not LlamaForCausalLM, tensors that
    are missing, unexpected or of another shape than config.json asks for, and dtypes that are not one of F32,
    BF16, F16, the same for all.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_dir():
            raise InputError(f"{path}: there is no such folder")
        self.config: LlamaConfig = read_config(path / CONFIG)
        self._stack = ExitStack()
        try:
            self._files = self._open()
            self.dtype = self._checked()
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> ModelFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def files(self) -> list[Path]:
        return sorted({file.path for file in self._files.values()})

    def entry(self, name: str) -> Entry:
        return self._files[name].entries[name]

    def tensor(self, name: str) -> torch.Tensor:
        """A tensor as a view of its file's memory map."""
        return self._files[name].tensor(name)

    def raw(self, name: str) -> memoryview:
        return self._files[name].raw(name)

    def forget(self, name: str) -> None:
        self._files[name].forget(name)

    def _open(self) -> dict[str, SafetensorsFile]:
        """File by tensor. The index names files of this folder alone: no path leads out of it."""
        index = self.path / INDEX
        if not index.exists():
            if not (self.path / SINGLE).exists():
                pickled = any(self.path.glob("*.bin"))
                raise InputError(
                    f"{self.path}: neither {SINGLE} nor {INDEX}"
                    + (
                        "; pickled .bin weights are not read, save the model as safetensors"
                        if pickled
                        else ""
                    )
                )
            file = self._stack.enter_context(SafetensorsFile(self.path / SINGLE))
            return dict.fromkeys(file.entries, file)
        weights = read_json(index).get("weight_map")
        if not isinstance(weights, dict) or not weights:
            raise InputError(f"{index}: has no weight_map of tensors to files")
        opened: dict[str, SafetensorsFile] = {}
        for name in sorted({str(value) for value in weights.values()}):
            # A link is followed: the files of a hub cache are links to blobs beside the snapshot.
            if Path(name).name != name or "\\" in name or not name.endswith(".safetensors"):
                raise InputError(
                    f"{index}: weight_map names the file {name!r}; a plain name ending in .safetensors is "
                    "allowed, no path"
                )
            opened[name] = self._stack.enter_context(SafetensorsFile(self.path / name))
        for tensor, name in weights.items():
            if tensor not in opened[name].entries:
                raise InputError(f"{index}: tensor {tensor} should be in {name}, which does not hold it")
        for name, file in opened.items():
            strays = [tensor for tensor in file.entries if weights.get(tensor) != name]
            if strays:
                raise InputError(f"{self.path / name}: holds {_some(strays)}, which {INDEX} does not say")
        return {tensor: opened[name] for tensor, name in weights.items()}

    def _checked(self) -> torch.dtype:
        shape, vocab_size = self.config.shape, self.config.vocab_size
        wanted = {place.name: place.shape for place in places(shape, vocab_size)}
        found = {name for name in self._files if not name.endswith(IGNORED_SUFFIX)}
        if shape.tied and HF_OUTPUT in found:
            self._same_as_embedding()
            found.discard(HF_OUTPUT)
        missing = sorted(set(wanted) - found)
        if missing:
            raise InputError(
                f"{self.path}: missing {_some(missing)}, which a LlamaForCausalLM of {shape.layers} layers"
                f"{'' if shape.tied else ' with an output layer of its own'} has"
            )
        unexpected = sorted(found - set(wanted))
        if unexpected:
            raise InputError(
                f"{self.path}: unexpected {_some(unexpected)}: a LlamaForCausalLM of {shape.layers} layers "
                "without biases has no such tensor"
            )
        for name, size in wanted.items():
            if self.entry(name).shape != size:
                raise InputError(
                    f"{self._files[name].path}: {name} has shape {list(self.entry(name).shape)}, {CONFIG} asks "
                    f"for {list(size)}"
                )
        return self._one_dtype(wanted)

    def _one_dtype(self, names: Iterable[str]) -> torch.dtype:
        first: Entry | None = None
        for name in names:
            entry = self.entry(name)
            first = first or entry
            if entry.dtype not in WEIGHT_DTYPES:
                raise InputError(
                    f"{self._files[name].path}: {name} has dtype {entry.dtype}; weights are "
                    f"{', '.join(WEIGHT_DTYPES)}, not quantised"
                )
            if entry.dtype != first.dtype:
                raise InputError(
                    f"{self._files[name].path}: {name} has dtype {entry.dtype}, {first.name} has {first.dtype}; "
                    "one dtype for all weights is needed"
                )
        assert first is not None
        return DTYPES[first.dtype]

    def _same_as_embedding(self) -> None:
        if HF_EMBEDDING in self._files:
            same = self.entry(HF_OUTPUT).shape == self.entry(HF_EMBEDDING).shape and torch.equal(
                self.tensor(HF_OUTPUT), self.tensor(HF_EMBEDDING)
            )
            self.forget(HF_OUTPUT)
            self.forget(HF_EMBEDDING)
            if not same:
                raise InputError(
                    f"{self.path}: {CONFIG} says tie_word_embeddings, but {HF_OUTPUT} differs from {HF_EMBEDDING}"
                )


def _some(names: list[str]) -> str:
    """A few names and how many more there are."""
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
