"""Best-fit packing: documents that fit into a row are never cut (Ding et al., "Fewer Truncations Improve Language
Modeling", arXiv 2404.10830).

Rows that are cut from a stream of documents cut most of them somewhere. For instruction data, where an answer
without its question teaches nothing, documents are put into rows whole: the longest first, each into the row that
it fills best. That is best-fit decreasing, which wastes little more than the least possible; rows are found in a
tree over their free places, so that n documents take O(n log n + n log capacity). A document that is longer than a
row is cut into full rows, and its rest is packed like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hanji.compiled import pure_kernel
from hanji.training.data.batches import MicroBatch


@dataclass(frozen=True)
class Packs:
    """Pieces of documents by row, and within a row in the order of their documents; int64 [pieces] each.

    ``document``, ``start`` and ``length`` say which tokens a piece is, ``row`` and ``offset`` where it lies.
    """

    rows: int
    capacity: int
    document: np.ndarray
    start: np.ndarray
    length: np.ndarray
    row: np.ndarray
    offset: np.ndarray

    @property
    def filled(self) -> float:
        """Share of the rows' places that hold a token."""
        return float(self.length.sum()) / (self.rows * self.capacity) if self.rows else 1.0


def best_fit(lengths: np.ndarray, capacity: int) -> Packs:
    """Pack documents of these lengths (integers [n], none negative) into rows of ``capacity`` tokens.

    Documents of equal length keep their order, so the same lengths give the same packs. Documents without a token
    are left out. Raises ValueError for a negative length or a capacity below 1.
    """
    lengths = np.asarray(lengths, np.int64)
    if capacity < 1 or (len(lengths) and lengths.min() < 0):
        raise ValueError(
            f"a capacity of {capacity} and lengths from {lengths.min(initial=0)} cannot be packed"
        )
    counts = -(-lengths // capacity)
    document = np.repeat(np.arange(len(lengths), dtype=np.int64), counts)
    first = np.cumsum(counts) - counts
    start = (np.arange(len(document)) - first[document]) * capacity
    length = np.minimum(lengths[document] - start, capacity)
    order = np.argsort(-length, kind="stable")
    leaves = 1 << capacity.bit_length()
    rows = np.empty(len(length), np.int64)
    by_order = np.empty(len(length), np.int64)
    total = _pack(
        length[order],
        capacity,
        np.zeros(2 * leaves, np.int64),
        np.full(leaves, -1, np.int64),
        np.full(max(1, len(length)), -1, np.int64),
        by_order,
    )
    rows[order] = by_order
    place = np.lexsort((start, document, rows))
    document, start, length, rows = document[place], start[place], length[place], rows[place]
    ahead = np.cumsum(length) - length
    begins = np.searchsorted(rows, np.arange(total))
    offset = ahead - ahead[begins][rows] if len(rows) else ahead
    return Packs(int(total), capacity, document, start, length, rows, offset)


@pure_kernel
def _pack(
    lengths: np.ndarray, capacity: int, tree: np.ndarray, top: np.ndarray, below: np.ndarray, rows: np.ndarray
) -> int:
    """Row of each length (falling), into ``rows``; returns how many rows there are.

    ``tree``: of each node, the number of rows whose free places lie below it; leaf f is leaves + f. Rows with f
    free places are a stack: ``top[f]`` is its last row, ``below[row]`` the one under a row.
    """
    leaves = len(top)
    count = 0
    for index in range(len(lengths)):
        length = lengths[index]
        # The first leaf from `length` on that has a row: up while there is none to the right, then down.
        node = leaves + length
        if tree[node] == 0:
            while node > 1 and (node & 1 or tree[node + 1] == 0):
                node >>= 1
            if node > 1:
                node += 1
                while node < leaves:
                    node <<= 1
                    if tree[node] == 0:
                        node += 1
        if node > 1:
            free = node - leaves
            row = top[free]
            top[free] = below[row]
            while node:
                tree[node] -= 1
                node >>= 1
        else:
            free = capacity
            row = count
            count += 1
        rows[index] = row
        free -= length
        if free:
            below[row] = top[free]
            top[free] = row
            node = leaves + free
            while node:
                tree[node] += 1
                node >>= 1
    return count


def packed_rows(
    packs: Packs,
    rows: Sequence[int] | np.ndarray,
    tokens: np.ndarray,
    offsets: np.ndarray,
    counts: np.ndarray | None,
    pad: int,
) -> MicroBatch:
    """Rows of packs as a micro-batch [len(rows), capacity] in which no document sees or predicts another.

    tokens: of all documents, end to end; ``offsets`` int64 [n] says where each begins. ``counts`` (bool, of all
    tokens) marks those that count in the loss when they are predicted, in SFT those of the answers; None: all.
    Positions begin at 0 in each document, whose first token is never predicted. A piece of a document that was cut
    goes on with its positions, and its first token is predicted in no row. Places without a token hold ``pad``, are
    a document of their own and count nothing. ``component`` is the number of the row.
    """
    rows = np.asarray(rows, np.int64)
    shape = (len(rows), packs.capacity)
    result = {
        "tokens": np.full(shape, pad, np.int64),
        "labels": np.full(shape, pad, np.int64),
        "positions": np.zeros(shape, np.int64),
    }
    mask = np.zeros(shape, np.float32)
    documents = np.zeros(shape, np.int32)
    low, high = np.searchsorted(packs.row, rows), np.searchsorted(packs.row, rows, side="right")
    pieces = np.repeat(low - np.cumsum(high - low) + (high - low), high - low) + np.arange((high - low).sum())
    where = np.repeat(np.arange(len(rows)), high - low)
    length = packs.length[pieces]
    ahead = np.cumsum(length) - length
    within = np.arange(length.sum()) - np.repeat(ahead, length)
    place = (
        np.repeat(where, length),
        np.repeat(packs.offset[pieces], length) + within,
    )
    source = np.repeat(offsets[packs.document[pieces]] + packs.start[pieces], length) + within
    result["tokens"][place] = tokens[source]
    result["positions"][place] = np.repeat(packs.start[pieces], length) + within
    # The number of a piece within its row; what is left of the row comes after the last.
    numbers = np.arange(len(pieces)) - (np.cumsum(high - low) - (high - low))[where]
    documents[:] = (high - low)[:, None]
    documents[place] = np.repeat(numbers, length)
    last = within == np.repeat(length, length) - 1
    inner = ~last
    target = source[inner] + 1
    inner_place = (place[0][inner], place[1][inner])
    result["labels"][inner_place] = tokens[target]
    mask[inner_place] = 1.0 if counts is None else counts[target]
    return MicroBatch(mask=mask, component=rows, documents=documents, **result)
