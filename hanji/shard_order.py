"""The order of documents in shards, a function of their ids alone: part of the manifest's contract.

Shard k of N of a component holds the documents whose order hash lies in the k-th of N equal ranges, sorted by
that hash and then by id. So whoever knows an id knows its shard, and about where it stands in it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def order_hash(ids: Sequence[str]) -> np.ndarray:
    """uint64[documents]: splitmix64 of the first 64 bits of each id (hexadecimal)."""
    value = np.array([int(identity[:16], 16) for identity in ids], np.uint64)
    with np.errstate(over="ignore"):
        value = value + np.uint64(0x9E3779B97F4A7C15)
        value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


def shard_number(order: np.ndarray, shards: int) -> np.ndarray:
    """Number (int64) of the shard, of ``shards`` in a component, that holds each order hash."""
    number: np.ndarray = (order >> np.uint64(32)).astype(np.int64) * shards >> 32
    return number


def expected_place(order: np.ndarray, shards: int) -> np.ndarray:
    """How far into its shard each order hash is expected, from 0 to 1 (float64): hashes are spread evenly."""
    within: np.ndarray = order.astype(np.float64) / 2.0**64 * shards
    share: np.ndarray = np.clip(within - shard_number(order, shards), 0.0, 1.0)
    return share
