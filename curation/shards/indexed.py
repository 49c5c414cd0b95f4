"""Megatron's indexed dataset format, written and read with numpy alone.

Layout of the .idx (megatron/core/datasets/indexed_dataset.py): magic ``MMIDIDX\\0\\0``, version u64 = 1,
dtype code u8 (8 = uint16, 4 = int32), sequence count u64, document-index count u64 (documents + 1), int32
lengths, int64 byte pointers, int64 document indices. The .bin holds the tokens end to end. Here every
document is one sequence. curation does not depend on torch, so it does not use Megatron's own builder; the
tests and ``hanji shards verify`` read the files back through Megatron's own class.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from hanji.errors import InputError

MAGIC = b"MMIDIDX\x00\x00"
DTYPE_CODES = {"uint16": 8, "int32": 4}
# Megatron picks uint16 only below this size, to leave room for its own padding ids.
UINT16_LIMIT = 65_500


def dtype_for(vocab_size: int) -> str:
    """ "uint16" if every id fits, as Megatron decides it, else "int32"."""
    return "uint16" if vocab_size < UINT16_LIMIT else "int32"


def index_bytes(lengths: np.ndarray, dtype: str) -> bytes:
    """The .idx file of sequences with these lengths (tokens, one document each)."""
    item = np.dtype(dtype).itemsize
    ends = np.cumsum(lengths, dtype=np.int64)
    pointers = (ends - lengths) * item
    header = MAGIC + struct.pack("<QBQQ", 1, DTYPE_CODES[dtype], len(lengths), len(lengths) + 1)
    return b"".join(
        [
            header,
            lengths.astype("<i4").tobytes(),
            pointers.astype("<i8").tobytes(),
            np.arange(len(lengths) + 1, dtype="<i8").tobytes(),
        ]
    )


@dataclass(frozen=True)
class Index:
    """A parsed .idx: dtype name, sequence lengths (int32), byte pointers and document indices (int64)."""

    dtype: str
    lengths: np.ndarray
    pointers: np.ndarray
    documents: np.ndarray


def parse_index(data: bytes, name: str) -> Index:
    """Read a .idx. Raises InputError naming the file for anything that is not as it should be."""
    header = len(MAGIC) + struct.calcsize("<QBQQ")
    if len(data) < header or not data.startswith(MAGIC):
        raise InputError(f"{name}: not a Megatron index (it does not start with MMIDIDX)")
    version, code, sequences, documents = struct.unpack("<QBQQ", data[len(MAGIC) : header])
    names = {number: dtype for dtype, number in DTYPE_CODES.items()}
    if version != 1 or code not in names:
        raise InputError(f"{name}: version {version} or dtype code {code} is not one that Hanji writes")
    expected = header + sequences * 12 + documents * 8
    if len(data) != expected:
        raise InputError(f"{name}: has {len(data)} bytes where {sequences} sequences need {expected}")
    lengths = np.frombuffer(data, "<i4", sequences, header)
    pointers = np.frombuffer(data, "<i8", sequences, header + 4 * sequences)
    indices = np.frombuffer(data, "<i8", documents, header + 12 * sequences)
    return Index(names[code], lengths, pointers, indices)
