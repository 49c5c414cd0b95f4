"""A seeded permutation of 0…n-1 whose values are computed one by one, without a table.

A balanced Feistel network over the smallest even number of bits that holds n is a bijection whatever its
round function; walking the cycle until the value falls below n (Black and Rogaway, "Ciphers with arbitrary
finite domains", CT-RSA 2002) makes it one of 0…n-1. The domain is at most four times n, so a walk takes
fewer than four rounds on average. Used to order windows: it shuffles, it does not hide.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

ROUNDS = 6
_MULTIPLIER_A = np.uint64(0xBF58476D1CE4E5B9)
_MULTIPLIER_B = np.uint64(0x94D049BB133111EB)


@dataclass(frozen=True)
class Permutation:
    """A bijection of 0…size-1 chosen by ``key`` (any string). Raises ValueError for size < 1."""

    size: int
    key: str

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"a permutation needs at least one element, not {self.size}")

    def __call__(self, positions: np.ndarray) -> np.ndarray:
        """Images (int64) of positions (integers in 0…size-1, any shape)."""
        half_bits = max(1, (int(self.size - 1).bit_length() + 1) // 2)
        keys = _round_keys(self.key)
        values = np.asarray(positions).astype(np.uint64).reshape(-1)
        if values.size and int(values.max()) >= self.size:
            raise ValueError(f"position {int(values.max())} is outside a permutation of {self.size}")
        result = _feistel(values, half_bits, keys)
        outside = np.flatnonzero(result >= self.size)
        while outside.size:
            result[outside] = _feistel(result[outside], half_bits, keys)
            outside = outside[result[outside] >= self.size]
        return result.astype(np.int64).reshape(np.shape(positions))


def _round_keys(key: str) -> np.ndarray:
    return np.frombuffer(hashlib.blake2b(key.encode(), digest_size=8 * ROUNDS).digest(), "<u8")


def _feistel(values: np.ndarray, half_bits: int, keys: np.ndarray) -> np.ndarray:
    shift, mask = np.uint64(half_bits), np.uint64((1 << half_bits) - 1)
    left, right = values >> shift, values & mask
    for key in keys:
        left, right = right, left ^ (_mix(right + key) & mask)
    return (left << shift) | right


def _mix(values: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014); wraps modulo 2^64."""
    values = (values ^ (values >> np.uint64(30))) * _MULTIPLIER_A
    values = (values ^ (values >> np.uint64(27))) * _MULTIPLIER_B
    mixed: np.ndarray = values ^ (values >> np.uint64(31))
    return mixed
