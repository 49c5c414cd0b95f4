"""How documents share a row: where each begins, its positions, and what of it counts in the loss.

Documents lie end to end. The manifest says how they are told apart: each ends with EOD, begins with BOS, or both.
Rows are cut without regard to documents, so the first document of a row may be the rest of one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hanji.errors import RecipeError

if TYPE_CHECKING:
    from hanji.manifest import TokenizerFacts
    from hanji.training.recipe import TrainingRecipe


@dataclass(frozen=True)
class Packing:
    """``eod`` ends and ``bos`` begins every document; None where none does.

    ``within``: attention stays within documents. ``reset``: positions begin at 0 in each. ``predict_eod``: the EOD
    counts in the loss. ``predict_first``: so does the first token of a document, predicted at the end of the one
    before.
    """

    eod: int | None
    bos: int | None = None
    within: bool = False
    reset: bool = False
    predict_eod: bool = True
    predict_first: bool = True

    def begins(self, rows: np.ndarray) -> np.ndarray:
        """Where a document begins within its row, whose first place is no beginning; int [b, s] → bool [b, s]."""
        found = np.zeros(rows.shape, bool)
        if self.eod is not None:
            np.equal(rows[:, :-1], self.eod, out=found[:, 1:])
        if self.bos is not None:
            found[:, 1:] |= rows[:, 1:] == self.bos
        return found

    def mask(self, begins: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """1 where a label counts in the loss, float32 [b, s]. begins: of the labels."""
        if self.predict_eod and self.predict_first:
            return np.ones(labels.shape, np.float32)
        counts = np.ones(labels.shape, bool)
        if not self.predict_first:
            counts &= ~begins
        if not self.predict_eod and self.eod is not None:
            counts &= labels != self.eod
        return counts.astype(np.float32)

    def positions(self, begins: np.ndarray) -> np.ndarray:
        """Positions int64 [b, s], from 0 in each row, or with ``reset`` in each document."""
        return positions_of(begins) if self.reset else _counting(begins.shape)


def packing_of(recipe: TrainingRecipe, tokenizer: TokenizerFacts) -> Packing:
    """What a recipe asks for, with the manifest's ends and beginnings of documents.

    Raises RecipeError where documents would have to be told apart and cannot be.
    """
    settings, within = recipe.packing, recipe.attention == "within"
    packing = Packing(
        eod=tokenizer.eod_id if tokenizer.append_eod else None,
        bos=tokenizer.bos_id if tokenizer.prepend_bos else None,
        within=within,
        reset=settings.positions == "reset",
        predict_eod=settings.predict_eod,
        predict_first=settings.predict_first,
    )
    if packing.eod is None and packing.bos is None:
        for field, value, asked in (
            ("attention", "within", within),
            ("packing.positions", "reset", packing.reset),
            ("packing.predict_first", "false", not packing.predict_first),
        ):
            if asked:
                raise RecipeError(
                    f"{field}: {value} has to tell documents apart, but those of {recipe.shards} neither end with "
                    "EOD nor begin with BOS (append_eod and prepend_bos of its manifest)"
                )
    if packing.eod is None and not packing.predict_eod:
        raise RecipeError(
            f"packing.predict_eod: false leaves the EOD out of the loss, but documents of {recipe.shards} end with "
            "none (append_eod of its manifest)"
        )
    return packing


def documents_of(begins: np.ndarray) -> np.ndarray:
    """Number of each token's document within its row, from 0; bool [b, s] → int32 [b, s]."""
    first, lengths = _runs(begins)
    row = first // begins.shape[1]
    numbers = np.arange(len(first)) - np.searchsorted(row, np.arange(len(begins)))[row]
    found: np.ndarray = np.repeat(numbers.astype(np.int32), lengths).reshape(begins.shape)
    return found


def positions_of(begins: np.ndarray) -> np.ndarray:
    """Positions from 0 in each document; bool [b, s] → int64 [b, s]."""
    first, lengths = _runs(begins)
    found: np.ndarray = (np.arange(begins.size) - np.repeat(first, lengths)).reshape(begins.shape)
    return found


def _runs(begins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First tokens and lengths of the documents' parts in all rows, counted through them end to end; int64 [parts].

    Repeating a number for each part costs a third of a running sum over all tokens.
    """
    starts = begins.copy()
    starts[:, :1] = True
    first = np.flatnonzero(starts)
    return first, np.diff(first, append=begins.size)


def _counting(shape: tuple[int, ...]) -> np.ndarray:
    counting = np.empty(shape, np.int64)
    counting[:] = np.arange(shape[1])
    return counting
