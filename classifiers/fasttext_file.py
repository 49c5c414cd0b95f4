"""fastText's model files, read without fastText: parameters, words, and the two matrices where they lie.

The layout is that of version 12 of the format (fastText 0.9): a header, twelve parameters, the dictionary, then
the input and the output matrix, each after a flag that says whether it is quantised. Matrices are mapped, not
read, so that a model of gigabytes costs no memory that its use does not touch.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hanji.compiled import pure_kernel
from hanji.errors import InputError

MAGIC = 793712314
VERSION = 12
SOFTMAX, SUPERVISED = 3, 3
_HEADER = struct.Struct("<2i12id")
_DICTIONARY = struct.Struct("<3i2q")
_SHAPE = struct.Struct("<2q")


@dataclass(frozen=True)
class Words:
    """Words, then labels: entry i is ``letters[starts[i] : ends[i]]`` (uint8[n]; int64[words + labels])."""

    letters: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    words: int

    def entry(self, place: int) -> str:
        return bytes(self.letters[self.starts[place] : self.ends[place]]).decode("utf-8", "replace")

    def labels(self) -> list[str]:
        """The labels, with their prefix, in the order of the output matrix's rows."""
        return [self.entry(place) for place in range(self.words, len(self.starts))]


@dataclass(frozen=True)
class ModelFile:
    """A model with plain matrices. ``inputs``: float32[words + buckets, dim]; ``outputs``: float32[labels, dim]."""

    word_ngrams: int
    buckets: int
    words: Words
    inputs: np.ndarray
    outputs: np.ndarray


def read_model(path: str | Path) -> ModelFile | None:
    """The model at a path; None for one of another make than a supervised softmax over whole words.

    None are: quantised and pruned models, character n-grams (minn, maxn), hierarchical softmax, one-versus-all,
    and older versions of the format: fastText itself has to predict with these. Raises InputError for a file that
    is no fastText model or ends too early.
    """
    target = Path(path)
    try:
        data = np.memmap(target, np.uint8, "r")
    except (OSError, ValueError) as error:
        raise InputError(f"{target}: not a fastText model: {error}") from None
    try:
        return _read(data, target)
    except (struct.error, ValueError, IndexError):
        raise InputError(f"{target}: not a fastText model: it ends too early") from None


def _read(data: np.ndarray, target: Path) -> ModelFile | None:
    magic, version, *rest = _HEADER.unpack(data[: _HEADER.size].tobytes())
    if magic != MAGIC:
        raise InputError(f"{target}: not a fastText model: it does not begin as one")
    dim, _, _, _, _, word_ngrams, loss, model, buckets, _, longest, _, _ = rest
    if version != VERSION or model != SUPERVISED or loss != SOFTMAX or longest > 0:
        return None
    at = _HEADER.size
    size, words, labels, _, pruned = _DICTIONARY.unpack(data[at : at + _DICTIONARY.size].tobytes())
    at += _DICTIONARY.size
    if pruned >= 0 or size != words + labels or min(words, labels) < 0:
        return None
    starts, ends = np.empty(size, np.int64), np.empty(size, np.int64)
    end = int(_entries(data, at, words, starts, ends))
    if end < 0:
        raise InputError(f"{target}: not a fastText model: its dictionary is not as it says")
    letters = np.array(data[at:end])
    letters.flags.writeable = False  # as texts are: kernels are compiled for one kind of bytes
    starts -= at
    ends -= at
    inputs, end = _matrix(data, end)
    if inputs is None:
        return None
    outputs, end = _matrix(data, end)
    if outputs is None:
        return None
    if inputs.shape != (words + buckets, dim) or outputs.shape != (labels, dim):
        raise InputError(f"{target}: not a fastText model: its matrices are not as its header says")
    return ModelFile(word_ngrams, buckets, Words(letters, starts, ends, words), inputs, outputs)


def _matrix(data: np.ndarray, at: int) -> tuple[np.ndarray | None, int]:
    """The matrix at a place and where it ends; None for a quantised one."""
    if data[at]:
        return None, at
    rows, columns = _SHAPE.unpack(data[at + 1 : at + 1 + _SHAPE.size].tobytes())
    start = at + 1 + _SHAPE.size
    end = start + rows * columns * 4
    if min(rows, columns) < 0 or end > len(data):
        raise ValueError("the file ends within a matrix")
    return np.frombuffer(data, "<f4", rows * columns, start).reshape(rows, columns), end


@pure_kernel
def _entries(data: np.ndarray, at: int, words: int, starts: np.ndarray, ends: np.ndarray) -> int:
    """Find the entries of the dictionary (text, 0, count in 8 bytes, kind in 1); returns its end, −1 if broken."""
    for entry in range(len(starts)):
        starts[entry] = at
        while at < len(data) and data[at] != 0:
            at += 1
        if at + 10 > len(data) or data[at + 9] != (0 if entry < words else 1):
            return -1
        ends[entry] = at
        at += 10
    return at
