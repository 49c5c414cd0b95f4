"""Micro-batches as arrays: tokens, labels, loss mask and positions, for training and for validation.

Training predicts every token, EOD too. Validation puts an EOD before each stream, so that every token is
predicted exactly once, and leaves EOD targets out of the sum, since bits per byte counts the bytes of text alone.

A sample is a window of a component's stream and holds parts of several documents. Attention runs across all of
them, or stays within each, which ``documents`` then tells apart. A document ends with its EOD, and the first
token of the next one is predicted at that EOD. Positions go on through the sample either way: rotary positions
are relative, so nothing within a document depends on where it starts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

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
    ends = tokens == eod
    numbers: np.ndarray = (np.cumsum(ends, axis=1) - ends).astype(np.int32)
    return numbers


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
    within_documents: int | None = None,
) -> Iterator[MicroBatch]:
    """The micro-batches of one optimizer step for one data-parallel rank.

    The samples of a step are dealt to the ranks in contiguous parts; which rank computes a sample changes
    nothing in the sum over the step. ``within_documents`` is the EOD that ends a document, where attention is to
    stay within each.
    """
    share = len(samples.component) // data_ranks
    mine = range(data_rank * share, (data_rank + 1) * share)
    for first in range(mine.start, mine.stop, micro_size):
        chosen = range(first, first + micro_size)
        rows = np.stack(
            [
                streams[samples.names[samples.component[i]]].read(
                    int(samples.window[i]) * seq_length, seq_length + 1
                )
                for i in chosen
            ]
        )
        shape = (micro_size, seq_length)
        yield MicroBatch(
            tokens=rows[:, :-1],
            labels=rows[:, 1:],
            mask=np.ones(shape, np.float32),
            positions=np.broadcast_to(np.arange(seq_length), shape),
            component=samples.component[chosen.start : chosen.stop],
            documents=None if within_documents is None else document_numbers(rows[:, :-1], within_documents),
        )


def validation_micro_batches(
    streams: Sequence[Stream],
    eod: int,
    seq_length: int,
    micro_size: int,
    data_rank: int,
    data_ranks: int,
    *,
    within_documents: bool = False,
    group: int = 1,
) -> list[MicroBatch]:
    """Micro-batches that predict every token of the streams once, dealt to the data-parallel ranks.

    Every rank gets the same number, a multiple of ``group``, padded with masked rows, because the ranks of a
    pipeline must run the same schedule. ``component`` is the index into ``streams``.
    """
    windows = [
        (index, start) for index, stream in enumerate(streams) for start in range(0, len(stream), seq_length)
    ]
    per_pass = micro_size * data_ranks
    passes = -(-len(windows) // (per_pass * group)) * group
    batches = []
    for number in range(passes):
        first = number * per_pass + data_rank * micro_size
        chosen = windows[first : first + micro_size]
        tokens = np.full((micro_size, seq_length), eod, np.int64)
        labels = np.full((micro_size, seq_length), eod, np.int64)
        mask = np.zeros((micro_size, seq_length), np.float32)
        component = np.full(micro_size, -1, np.int64)
        for row, (index, start) in enumerate(chosen):
            length = min(seq_length, len(streams[index]) - start)
            targets = streams[index].read(start, length)
            labels[row, :length] = targets
            tokens[row, 1:length] = targets[:-1]
            if start:
                tokens[row, 0] = streams[index].read(start - 1, 1)[0]
            mask[row, :length] = targets != eod
            component[row] = index
        positions = np.broadcast_to(np.arange(seq_length), (micro_size, seq_length))
        documents = document_numbers(tokens, eod) if within_documents else None
        batches.append(MicroBatch(tokens, labels, mask, positions, component, documents))
    return batches
