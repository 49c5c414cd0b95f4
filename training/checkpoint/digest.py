"""A hash of a tensor that its parts give by addition, so that it is the same however the tensor is shared out.

Each element counts as (its bits + 1) × an odd 64-bit weight that a fixed mixing function (in the manner of
SplitMix64, Steele et al., OOPSLA 2014) draws from its place in the whole tensor; the digest is the sum modulo
2^64. A change of one element always changes it, since an odd weight times a difference below 2^64 is not 0
modulo 2^64; any other damage goes unseen with a chance of about 2^-64. It tells damage and mix-ups, not an
adversary: files have SHA-256 for that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

MODULUS = 1 << 64
_BLOCK = 1 << 15
_FIRST = np.uint64(0x9E3779B97F4A7C15)
_SECOND = np.uint64(0xD6E8FEB86659FD93)
_HALF = np.uint64(32)
_ONE = np.uint64(1)
_UNSIGNED = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}
_VIEWS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def shard_digest(data: torch.Tensor, offset: Sequence[int], whole: Sequence[int]) -> int:
    """The share of a rectangular part in its tensor's digest, 0 … 2^64 − 1.

    ``data`` has as many axes as ``whole``, the shape of the tensor; ``offset`` is where it begins along each.
    Elements of at most 8 bytes, of any type and on any device.
    """
    if not data.numel():
        return 0
    bits = _bits(data)
    starts = _row_starts(bits.shape, offset, whole)
    columns = np.arange(bits.shape[-1], dtype=np.uint64)
    rows = bits.reshape(-1, bits.shape[-1])
    step = max(1, _BLOCK // bits.shape[-1])
    total = 0
    for first in range(0, len(rows), step):
        block = starts[first : first + step, None] + columns
        scratch = np.right_shift(_scaled(block, _FIRST), _HALF)
        block ^= scratch
        np.right_shift(_scaled(block, _SECOND), _HALF, out=scratch)
        block ^= scratch
        block |= _ONE
        np.add(rows[first : first + step], _ONE, out=scratch, casting="unsafe", dtype=np.uint64)
        block *= scratch
        total += int(block.sum(dtype=np.uint64))
    return total % MODULUS


def add(digests: Sequence[int]) -> str:
    """The digest of a whole tensor from those of its parts: 16 hexadecimal digits."""
    return f"{sum(digests) % MODULUS:016x}"


def _scaled(block: npt.NDArray[np.uint64], factor: np.uint64) -> npt.NDArray[np.uint64]:
    block *= factor
    return block


def _bits(data: torch.Tensor) -> npt.NDArray[np.unsignedinteger]:
    """The elements' bits as unsigned integers, of at least one axis."""
    size = data.element_size()
    flat = data.detach().to("cpu").contiguous().reshape(-1).view(_VIEWS[size]).numpy().view(_UNSIGNED[size])
    bits: npt.NDArray[np.unsignedinteger] = flat.reshape(tuple(data.shape) or (1,))
    return bits


def _row_starts(shape: Sequence[int], offset: Sequence[int], whole: Sequence[int]) -> npt.NDArray[np.uint64]:
    """Place in the flattened whole of the first element of each row (a run along the last axis)."""
    starts = np.zeros((1,), dtype=np.uint64)
    for axis, length in enumerate(shape):
        stride = math.prod(whole[axis + 1 :])
        begin = offset[axis] if offset else 0
        places = np.arange(begin, begin + (length if axis < len(shape) - 1 else 1), dtype=np.uint64)
        starts = (starts[:, None] + places[None, :] * np.uint64(stride)).reshape(-1)
    return starts
