"""Document ids in two forms: 32 hexadecimal digits in tables that people read, 16 bytes between tasks.

Both sort alike. Half as long and of one length, the packed form is sorted, compared and joined as two uint64.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from hanji.curation.columns import flat
from hanji.errors import RunError

PACKED = pa.binary(16)
_DIGITS = 32
_VALUES = np.full(256, 255, np.uint8)
_VALUES[np.frombuffer(b"0123456789abcdef", np.uint8)] = np.arange(16, dtype=np.uint8)
_NAMES = np.frombuffer(b"".join(b"%02x" % value for value in range(256)), np.uint8).reshape(256, 2)


def packed(ids: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Ids as 16 bytes each, from text. Raises RunError for a value that is not 32 hexadecimal digits."""
    values = _VALUES[_digits(ids)]
    if (values == 255).any():
        raise RunError("a document id is not made of the digits 0–9 and a–f")
    return from_bytes((values[:, 0::2] << 4) | values[:, 1::2])


def unpacked(ids: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Ids as text (large_string), from 16 bytes each."""
    return _as_text(_NAMES[as_bytes(ids)])


def _as_text(digits: np.ndarray) -> pa.Array:
    rows = len(digits)
    offsets = np.arange(rows + 1, dtype=np.int64) * _DIGITS
    data = np.ascontiguousarray(digits)
    return pa.Array.from_buffers(pa.large_string(), rows, [None, pa.py_buffer(offsets), pa.py_buffer(data)])


def from_bytes(rows: np.ndarray) -> pa.Array:
    """Packed ids of uint8[ids, 16]."""
    data = pa.py_buffer(np.ascontiguousarray(rows))
    return pa.Array.from_buffers(PACKED, len(rows), [None, data])


def as_bytes(ids: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Packed ids as uint8[ids, 16], without a copy where they lie in one piece."""
    array = flat_packed(ids)
    data = array.buffers()[1]
    if data is None or not len(array):
        return np.zeros((0, 16), np.uint8)
    return np.frombuffer(data, np.uint8).reshape(-1, 16)[array.offset : array.offset + len(array)]


def halves(ids: pa.Array | pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Upper and lower 64 bits of packed ids; uint64 each. They sort as the ids do."""
    both = np.ascontiguousarray(as_bytes(ids)).view(">u8").astype(np.uint64)
    return np.ascontiguousarray(both[:, 0]), np.ascontiguousarray(both[:, 1])


def from_halves(high: np.ndarray, low: np.ndarray) -> pa.Array:
    """Packed ids of their upper and lower 64 bits (uint64)."""
    return from_bytes(np.stack([high, low], axis=1).astype(">u8").view(np.uint8).reshape(-1, 16))


def heads(ids: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """The first 32 bits of ids of either form; int64."""
    if pa.types.is_fixed_size_binary(ids.type):
        first = np.ascontiguousarray(as_bytes(ids)[:, :4])
    else:
        values = _VALUES[_digits(ids)[:, :8]]
        if (values == 255).any():
            raise RunError("a document id is not made of the digits 0–9 and a–f")
        first = np.ascontiguousarray((values[:, 0::2] << 4) | values[:, 1::2])
    return first.view(">u4").reshape(-1).astype(np.int64)


def tails(ids: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """The last 32 bits of packed ids; int64. They say nothing of the order of ids."""
    last: np.ndarray = np.ascontiguousarray(as_bytes(ids)[:, 12:]).view(">u4").reshape(-1).astype(np.int64)
    return last


def codes(*columns: pa.Array | pa.ChunkedArray) -> tuple[pa.Array, list[np.ndarray]]:
    """(the distinct packed ids, sorted; for each column the places of its ids among them, int64)."""
    parts = [halves(column) for column in columns]
    high, low = (np.concatenate([part[place] for part in parts]) for place in (0, 1))
    order = order_of(high, low)
    high, low = high[order], low[order]
    new = np.ones(len(order), bool)
    new[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
    code = np.empty(len(order), np.int64)
    code[order] = np.cumsum(new) - 1
    cuts = np.cumsum([len(part[0]) for part in parts])[:-1]
    return from_halves(high[new], low[new]), np.split(code, cuts)


def order_of(high: np.ndarray, low: np.ndarray) -> np.ndarray:
    """The order of ids by their halves; int64. Equal ids stand in any order."""
    order = np.argsort(high)
    tied = high[order[1:]] == high[order[:-1]]
    if (tied & (low[order[1:]] != low[order[:-1]])).any():  # two ids with equal upper halves
        return np.lexsort((low, high))
    return order


def flat_packed(ids: pa.Array | pa.ChunkedArray) -> pa.Array:
    """A column of packed ids in one piece."""
    if isinstance(ids, pa.ChunkedArray):
        ids = ids.chunk(0) if ids.num_chunks == 1 else pa.concat_arrays([pa.array([], PACKED), *ids.chunks])
    return ids


def _digits(ids: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """The digits of ids in text form; uint8[ids, 32]. Raises RunError for one of another length or null."""
    array = flat(ids)
    rows = len(array)
    if not rows:
        return np.zeros((0, _DIGITS), np.uint8)
    _, offsets, data = array.buffers()
    bounds = np.frombuffer(offsets, np.int64)[array.offset : array.offset + rows + 1]
    if array.null_count or (np.diff(bounds) != _DIGITS).any():
        raise RunError(f"a document id does not have {_DIGITS} digits")
    return np.frombuffer(data, np.uint8)[bounds[0] : bounds[-1]].reshape(rows, _DIGITS)
