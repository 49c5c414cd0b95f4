"""Micro-batches as arrays: tokens, labels, loss mask and positions, for training and for validation.

A sample is a window of a stream and holds parts of several documents. Attention runs across all of them, or stays
within each, which ``documents`` then tells apart; positions and the loss follow ``hanji.training.data.packing``.
Rotary positions are relative: with attention within documents it changes nothing where they begin.

Validation puts an EOD before each stream, so that every token is predicted exactly once, and leaves EOD and BOS out
of the sum, since bits per byte counts the bytes of text alone.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, overload

import numpy as np

from hanji.training.data.packing import Packing, documents_of

if TYPE_CHECKING:
    from hanji.training.data.order import SampleBatch
    from hanji.training.data.stream import Stream


@dataclass(frozen=True)
class MicroBatch:
    """One forward pass of a data-parallel rank. All arrays are [samples, seq_length].

    tokens, labels, positions: int64; mask: float32, 1 where the label counts. ``component`` [samples] is an
    index that the maker of the batch gives meaning to (-1: padding, with a mask of zeros). ``documents``: int32,
    the number of the document within its row, not falling; None where attention runs across documents.
    """

    tokens: np.ndarray
    labels: np.ndarray
    mask: np.ndarray
    positions: np.ndarray
    component: np.ndarray
    documents: np.ndarray | None = None


def document_numbers(tokens: np.ndarray, eod: int) -> np.ndarray:
    """Number of each token's document within its row, from 0; [b, s] int → [b, s] int32.

    An EOD belongs to the document that it ends.
    """
    return documents_of(Packing(eod).begins(tokens))


def context_part(array: np.ndarray, rank: int, ranks: int) -> np.ndarray:
    """A context-parallel rank's part of [b, s]: of 2·ranks equal chunks, number ``rank`` and its mirror image.

    With causal attention a late chunk has more to attend to than an early one; an early and a late one together
    are the same work on every rank (as in Megatron-Core and Llama 3, arXiv 2407.21783, section 3.3.2).
    Returns [b, s / ranks]. s is a multiple of 2·ranks.
    """
    if ranks == 1:
        return array
    chunks = array.reshape(array.shape[0], 2 * ranks, -1)
    return chunks[:, [rank, 2 * ranks - 1 - rank]].reshape(array.shape[0], -1)


def training_micro_batches(
    samples: SampleBatch,
    streams: Mapping[str, Stream],
    seq_length: int,
    micro_size: int,
    data_rank: int,
    data_ranks: int,
    packing: Packing,
) -> Iterator[MicroBatch]:
    """The micro-batches of one optimizer step for one data-parallel rank.

    The samples of a step are dealt to the ranks in contiguous parts; which rank computes a sample changes
    nothing in the sum over the step.
    """
    share = len(samples.component) // data_ranks
    mine = range(data_rank * share, (data_rank + 1) * share)
    for first in range(mine.start, mine.stop, micro_size):
        chosen = slice(first, first + micro_size)
        component = samples.component[chosen]
        rows = np.empty((micro_size, seq_length + 1), np.int64)
        # One call a sample, of thousands of tokens: samples of a step lie in as many places of as many files.
        for row, stream, window in zip(
            rows, component.tolist(), samples.window[chosen].tolist(), strict=True
        ):
            streams[samples.names[stream]].read_into(window * seq_length, row)
        yield packed(rows, component, packing)


def packed(rows: np.ndarray, component: np.ndarray, packing: Packing) -> MicroBatch:
    """A micro-batch of rows of tokens int64 [b, seq_length + 1], each predicting its own next token."""
    begins = packing.begins(rows)
    labels = np.ascontiguousarray(rows[:, 1:])
    return MicroBatch(
        tokens=np.ascontiguousarray(rows[:, :-1]),
        labels=labels,
        mask=packing.mask(begins[:, 1:], labels),
        positions=packing.positions(begins[:, :-1]),
        component=component,
        documents=documents_of(begins[:, :-1]) if packing.within else None,
    )


class ValidationBatches(Sequence[MicroBatch]):
    """Micro-batches that predict every token of some streams once, read when they are asked for.

    Each data-parallel rank gets the same number, a multiple of ``group``, padded with masked rows, because the
    ranks of a pipeline must run the same schedule. ``component`` is the index into ``streams``.
    """

    def __init__(
        self,
        streams: Sequence[Stream],
        eod: int,
        packing: Packing,
        seq_length: int,
        micro_size: int,
        data_rank: int,
        data_ranks: int,
        *,
        group: int = 1,
    ) -> None:
        self._streams, self._eod, self._packing = streams, eod, packing
        self._seq_length, self._micro_size = seq_length, micro_size
        self._data_rank, self._per_pass = data_rank, micro_size * data_ranks
        # Of each stream, the number of the first window.
        self._starts = [0, *accumulate(-(-len(stream) // seq_length) for stream in streams)]
        self._passes = -(-self._starts[-1] // (self._per_pass * group)) * group

    def __len__(self) -> int:
        return self._passes

    @overload
    def __getitem__(self, index: int) -> MicroBatch: ...
    @overload
    def __getitem__(self, index: slice) -> list[MicroBatch]: ...
    def __getitem__(self, index: int | slice) -> MicroBatch | list[MicroBatch]:
        numbers = range(self._passes)[index]
        return self._batch(numbers) if isinstance(numbers, int) else [self._batch(n) for n in numbers]

    def _batch(self, number: int) -> MicroBatch:
        shape = (self._micro_size, self._seq_length)
        tokens = np.full(shape, self._eod, np.int64)
        labels = np.full(shape, self._eod, np.int64)
        mask = np.zeros(shape, np.float32)
        component = np.full(self._micro_size, -1, np.int64)
        first = number * self._per_pass + self._data_rank * self._micro_size
        for row in range(min(self._micro_size, max(0, self._starts[-1] - first))):
            index = bisect_right(self._starts, first + row) - 1
            stream, start = self._streams[index], (first + row - self._starts[index]) * self._seq_length
            length = min(self._seq_length, len(stream) - start)
            targets = labels[row, :length]
            stream.read_into(start, targets)
            tokens[row, 1:length] = targets[:-1]
            if start:
                tokens[row, 0] = stream.read(start - 1, 1)[0]
            mask[row, :length] = targets != self._eod
            if self._packing.bos is not None:
                mask[row, :length] *= targets != self._packing.bos
            component[row] = index
        begins = self._packing.begins(tokens)
        documents = documents_of(begins) if self._packing.within else None
        return MicroBatch(tokens, labels, mask, self._packing.positions(begins), component, documents)
