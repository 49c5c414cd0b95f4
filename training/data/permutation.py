"""A seeded permutation of 0…n-1 whose values are computed one by one, without a table, in both directions.

A balanced Feistel network over the smallest even number of bits that holds n is a bijection whatever its
round function; walking the cycle until the value falls below n (Black and Rogaway, "Ciphers with arbitrary
finite domains", CT-RSA 2002) makes it one of 0…n-1. The domain is at most four times n, so a walk takes
fewer than four rounds on average. The inverse runs the rounds backwards and walks the same cycle the other way.
Used to order windows: it shuffles, it does not hide.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache

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
        return self._walk(positions, backwards=False)

    def inverse(self, images: np.ndarray) -> np.ndarray:
        """Positions (int64) whose images these are: ``inverse(permutation(x)) == x``."""
        return self._walk(images, backwards=True)

    def _walk(self, values: np.ndarray, *, backwards: bool) -> np.ndarray:
        flat = np.asarray(values).astype(np.int64).reshape(-1)
        sizes = np.full(flat.shape, self.size, np.int64)
        keys = np.repeat(round_keys(self.key)[:, None], len(flat), axis=1)
        return permute(flat, sizes, keys, backwards=backwards).reshape(np.shape(values))


def permute(
    values: np.ndarray, sizes: np.ndarray, keys: np.ndarray, *, backwards: bool = False
) -> np.ndarray:
    """Images of many values at once, each under a permutation of its own; or with ``backwards`` their preimages.

    values, sizes: int64 [n], 0 <= value < size. keys: uint64 [ROUNDS, n], columns of :func:`round_keys`. Returns
    int64 [n]. Raises ValueError for a value outside its permutation.
    """
    outside = np.flatnonzero((values < 0) | (values >= sizes))
    if outside.size:
        first = outside[0]
        raise ValueError(f"position {values[first]} is outside a permutation of {sizes[first]}")
    half_bits = np.maximum(1, (_bit_length(sizes - 1) + 1) // 2).astype(np.uint64)
    limits = sizes.astype(np.uint64)
    result = _feistel(values.astype(np.uint64), half_bits, keys, backwards)
    walking = np.flatnonzero(result >= limits)
    while walking.size:
        moved = _feistel(result[walking], half_bits[walking], keys[:, walking], backwards)
        result[walking] = moved
        walking = walking[moved >= limits[walking]]
    return result.astype(np.int64)


@lru_cache(maxsize=4096)
def round_keys(key: str) -> np.ndarray:
    """Keys of the rounds, uint64 [ROUNDS]."""
    return np.frombuffer(hashlib.blake2b(key.encode(), digest_size=8 * ROUNDS).digest(), "<u8")


def _bit_length(values: np.ndarray) -> np.ndarray:
    """Bits of non-negative integers below 2^62; of the two parts because a float holds no more than 53."""
    high = values >> 31
    parts = np.frexp(np.where(high > 0, high, values).astype(np.float64))[1]
    bits: np.ndarray = parts + np.where(high > 0, 31, 0)
    return bits


def _feistel(values: np.ndarray, half_bits: np.ndarray, keys: np.ndarray, backwards: bool) -> np.ndarray:
    mask = (np.uint64(1) << half_bits) - np.uint64(1)
    left, right = values >> half_bits, values & mask
    if backwards:
        for key in keys[::-1]:
            left, right = right ^ (_mix(left + key) & mask), left
    else:
        for key in keys:
            left, right = right, left ^ (_mix(right + key) & mask)
    together: np.ndarray = (left << half_bits) | right
    return together


def _mix(values: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014); wraps modulo 2^64."""
    values = (values ^ (values >> np.uint64(30))) * _MULTIPLIER_A
    values = (values ^ (values >> np.uint64(27))) * _MULTIPLIER_B
    mixed: np.ndarray = values ^ (values >> np.uint64(31))
    return mixed
