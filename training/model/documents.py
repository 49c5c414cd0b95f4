"""Which keys each query may see when a row holds several documents, or when a rank holds part of a row.

Variable-length attention wants runs: stretches of queries with the stretch of keys that goes with each, the last
query on the last key (a causal mask aligned bottom right). A run is a document, or the part of one that lies
in a chunk of queries, with the keys from the document's first token on. A dense mask says the same for
backends that have no such kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch


@dataclass(frozen=True)
class Runs:
    """Runs of queries and keys, rows after rows and within a row chunk after chunk.

    ``query_starts`` and ``key_starts`` are int32 [runs + 1] on the device; ``longest_*`` are in tokens.
    ``key_slices`` are (row, first key, end) of each row and chunk: the keys in the order of the runs.
    """

    query_starts: torch.Tensor
    key_starts: torch.Tensor
    longest_query: int
    longest_key: int
    key_slices: tuple[tuple[int, int, int], ...]


def find_runs(
    documents: np.ndarray | None, rows: int, chunks: Sequence[tuple[int, int]], device: torch.device
) -> Runs:
    """The runs of queries in ``chunks`` (first token, end) of each row.

    documents: [rows, s], the number of each token's document, which never falls; None: a row is a document.
    """
    queries: list[int] = []
    keys: list[int] = []
    slices: list[tuple[int, int, int]] = []
    for row in range(rows):
        for first, end in chunks:
            bounds = [first, end]
            start = 0
            if documents is not None:
                numbers = documents[row]
                inside = np.flatnonzero(np.diff(numbers[first:end])) + first + 1
                bounds = [first, *inside.tolist(), end]
                start = int(np.searchsorted(numbers, numbers[first]))
            lengths = np.diff(bounds).tolist()
            queries += lengths
            keys += [lengths[0] + first - start, *lengths[1:]]
            slices.append((row, start, end))

    def starts(lengths: list[int]) -> torch.Tensor:
        return torch.tensor(np.concatenate([[0], np.cumsum(lengths)]), dtype=torch.int32, device=device)

    return Runs(starts(queries), starts(keys), max(queries), max(keys), tuple(slices))


def runs_of(
    documents: torch.Tensor | None,
    rows: int,
    chunks: tuple[tuple[int, int], ...],
    device: torch.device,
) -> Runs:
    """:func:`find_runs` of a tensor, remembered on it: all layers ask, and each asking waits for the device."""
    if documents is None:
        return _runs_of_rows(rows, chunks, device)
    remembered: dict[tuple[tuple[int, int], ...], Runs] | None = getattr(documents, "_hanji_runs", None)
    if remembered is None:
        remembered = {}
        documents._hanji_runs = remembered
    if chunks not in remembered:
        remembered[chunks] = find_runs(documents.cpu().numpy(), rows, chunks, device)
    return remembered[chunks]


@lru_cache(maxsize=16)
def _runs_of_rows(rows: int, chunks: tuple[tuple[int, int], ...], device: torch.device) -> Runs:
    return find_runs(None, rows, chunks, device)


def dense_mask(
    documents: torch.Tensor | None, first: int, end: int, keys: int, device: torch.device
) -> torch.Tensor:
    """True where a query of first … end may see a key of 0 … keys: bool [b, 1, end - first, keys], or
    [1, 1, end - first, keys] without documents."""
    place = torch.arange(keys, device=device)
    causal = place[first:end, None] >= place[None, :]
    if documents is None:
        return causal[None, None]
    same = documents[:, first:end, None] == documents[:, None, :keys]
    return (same & causal)[:, None]
