"""A table of millions of hosts or URLs in 9 to 10 bytes each: sorted 64-bit hashes, and the category of each.

blake2b-64 of an entry stands for it. With 5 million entries, a URL that is in no list is taken for an entry
with a probability below 2e-12, and the same one in every process.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

_BUCKET_BITS = 16


def digest(entry: bytes) -> bytes:
    """8 bytes that stand for an entry."""
    return hashlib.blake2b(entry, digest_size=8).digest()


def digests(entries: Iterable[bytes]) -> npt.NDArray[np.uint64]:
    """The hashes of entries, uint64 [n]."""
    blake2b = hashlib.blake2b
    joined = b"".join([blake2b(entry, digest_size=8).digest() for entry in entries])
    return np.frombuffer(joined, dtype="<u8").astype(np.uint64, copy=False)


class Table:
    """Entries by hash. ``parts`` are (category, uint64 hashes [n]); of two categories the earlier one counts."""

    def __init__(
        self, categories: Sequence[str], parts: Sequence[tuple[int, npt.NDArray[np.uint64]]]
    ) -> None:
        self.categories = tuple(categories)
        kind = np.uint8 if len(categories) <= 256 else np.uint16 if len(categories) <= 65_536 else np.uint32
        parts = sorted(parts, key=lambda part: part[0])
        hashes = np.concatenate([part for _, part in parts]) if parts else np.zeros(0, np.uint64)
        # Stable: equal hashes stay in the order of their categories, and np.unique keeps the first.
        order = np.argsort(hashes, kind="stable")
        hashes = hashes[order]
        first = np.ones(len(hashes), bool)
        first[1:] = hashes[1:] != hashes[:-1]
        owners = np.concatenate([np.full(len(part), owner, kind) for owner, part in parts]) if parts else None
        self._hashes = hashes[first]
        self._owners = owners[order][first] if owners is not None else np.zeros(0, kind)
        bounds = np.arange(2**_BUCKET_BITS + 1, dtype=np.float64) * 2.0 ** (64 - _BUCKET_BITS)
        starts = np.searchsorted(self._hashes, bounds[:-1].astype(np.uint64))
        self._starts = np.append(starts, len(self._hashes)).astype(np.uint32)
        # Indexing a memoryview gives Python integers at a third of the cost of numpy scalars.
        self._view, self._bucket = self._hashes.data, self._starts.data

    def __len__(self) -> int:
        return len(self._hashes)

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the table holds."""
        return int(self._hashes.nbytes + self._owners.nbytes + self._starts.nbytes)

    def category(self, entry: bytes) -> str | None:
        """The category that has the entry, or None."""
        value = int.from_bytes(digest(entry), "little")
        bucket = value >> (64 - _BUCKET_BITS)
        end = self._bucket[bucket + 1]
        at = bisect_left(self._view, value, self._bucket[bucket], end)
        if at < end and self._view[at] == value:
            return self.categories[int(self._owners[at])]
        return None
