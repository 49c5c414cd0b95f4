"""How documents share rows: ends and beginnings, positions, loss masks, best-fit packing; and batches."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hanji.errors import RecipeError
from hanji.manifest import TokenizerFacts
from hanji.training.data.batches import packed, training_micro_batches
from hanji.training.data.best_fit import best_fit, packed_rows
from hanji.training.data.packing import Packing, packing_of
from hanji.training.data.plan import plan_data
from hanji.training.model.rope import RotaryEmbedding, rotate
from hanji.training.model.shape import ModelShape
from hanji.training.recipe import TrainingRecipe

EOD, BOS = 9, 8
ROW = np.array([[1, 9, 8, 2, 3, 9, 8, 9, 8]])
"""A rest of a document, then two that begin with BOS and end with EOD."""


def test_a_document_begins_after_an_eod_or_at_a_bos() -> None:
    expected = [[0, 0, 1, 0, 0, 0, 1, 0, 1]]
    for packing in (Packing(EOD), Packing(None, BOS), Packing(EOD, BOS)):
        assert packing.begins(ROW).astype(int).tolist() == expected
    assert not Packing(EOD).begins(np.array([[BOS, 1]])).any()


def test_positions_go_through_the_row_or_begin_in_each_document() -> None:
    begins = Packing(EOD).begins(ROW)
    assert Packing(EOD).positions(begins).tolist() == [list(range(9))]
    assert Packing(EOD, reset=True).positions(begins).tolist() == [[0, 1, 0, 1, 2, 3, 0, 1, 0]]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [1, 1, 1, 1, 1, 1, 1, 1]),
        ({"predict_eod": False}, [0, 1, 1, 1, 0, 1, 0, 1]),
        ({"predict_first": False}, [1, 0, 1, 1, 1, 0, 1, 0]),
        ({"predict_eod": False, "predict_first": False}, [0, 0, 1, 1, 0, 0, 0, 0]),
    ],
)
def test_the_loss_leaves_out_what_the_recipe_says(options: dict[str, bool], expected: list[int]) -> None:
    batch = packed(ROW, np.zeros(1, np.int64), Packing(EOD, BOS, within=True, **options))
    assert batch.labels.tolist() == [[9, 8, 2, 3, 9, 8, 9, 8]]
    assert batch.mask.dtype == np.float32 and batch.mask.tolist() == [expected]
    assert batch.documents is not None and batch.documents.tolist() == [[0, 0, 1, 1, 1, 1, 2, 2]]


@given(st.lists(st.lists(st.integers(0, 6), max_size=9), min_size=1, max_size=12), st.booleans())
@settings(max_examples=40, deadline=None)
def test_packed_rows_are_what_a_walk_through_their_tokens_gives(
    documents: list[list[int]], predict_first: bool
) -> None:
    tokens = [token for document in documents for token in [*document, EOD]]
    rows = np.array([tokens])
    batch = packed(
        rows, np.zeros(1, np.int64), Packing(EOD, within=True, reset=True, predict_first=predict_first)
    )
    numbers = [n for n, document in enumerate(documents) for _ in range(len(document) + 1)]
    positions = [place for document in documents for place in range(len(document) + 1)]
    assert batch.documents is not None
    assert batch.documents[0].tolist() == numbers[:-1]
    assert batch.positions[0].tolist() == positions[:-1]
    inside = [1.0 if predict_first or a == b else 0.0 for a, b in pairwise(numbers)]
    assert batch.mask[0].tolist() == inside


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"attention": "within"}, "attention: within has to tell documents apart"),
        ({"packing": {"positions": "reset"}}, "packing.positions: reset has to tell documents apart"),
        ({"packing": {"predict_first": False}}, "packing.predict_first: false has to tell documents apart"),
        (
            {"packing": {"predict_eod": False}},
            "packing.predict_eod: false leaves the EOD out of the loss, but",
        ),
    ],
)
def test_documents_without_eod_and_bos_cannot_be_told_apart(
    recipe_data: Callable[..., dict[str, Any]], changes: dict[str, Any], message: str
) -> None:
    facts = {"file": "t", "sha256": "0", "vocab_size": 10, "eod_id": EOD, "eod_token": "<e>"}
    tokenizer = TokenizerFacts.model_validate({**facts, "append_eod": False})
    with pytest.raises(RecipeError, match=message):
        packing_of(TrainingRecipe.model_validate(recipe_data(**changes)), tokenizer)
    assert packing_of(TrainingRecipe.model_validate(recipe_data()), tokenizer) == Packing(None)


def test_rotary_positions_of_a_batch_are_those_of_its_documents() -> None:
    class Alone:
        def size(self) -> int:
            return 1

        def rank(self) -> int:
            return 0

    shape = ModelShape(
        layers=1, hidden=16, ffn=16, heads=2, kv_heads=2, head_dim=8, tied=True, rope_theta=1000.0,
        init_std=0.1, seq_length=8,
    )  # fmt: skip
    rotary = RotaryEmbedding(shape, Alone(), torch.device("cpu"))
    heads = torch.randn(8, 2, 3, 8)
    of_row = rotary(8)
    rotary.positions = torch.arange(8).expand(2, 8)
    same = rotary(8)
    assert torch.equal(rotate(heads, of_row[0], of_row[1]), rotate(heads, same[0], same[1]))
    rotary.positions = torch.tensor([[0, 1, 2, 3, 4, 5, 6, 7], [0, 1, 2, 0, 1, 2, 3, 0]])
    table = rotary(8)
    turned = rotate(heads, table[0], table[1])
    assert torch.equal(turned[:, 0], rotate(heads, of_row[0], of_row[1])[:, 0])
    # The second document of the second row is turned as if it stood at its beginning.
    assert torch.equal(turned[3:7, 1], rotate(heads[3:7], of_row[0][:4], of_row[1][:4])[:, 1])


@given(st.lists(st.integers(0, 70), max_size=60), st.integers(1, 64))
@settings(max_examples=40, deadline=None)
def test_best_fit_cuts_no_document_that_fits_and_puts_each_token_once(
    lengths: list[int], capacity: int
) -> None:
    packs = best_fit(np.array(lengths, np.int64), capacity)
    pieces = list(
        zip(
            *(getattr(packs, n).tolist() for n in ("document", "start", "length", "row", "offset")),
            strict=True,
        )
    )
    for number, length in enumerate(lengths):
        mine = sorted(piece[1:3] for piece in pieces if piece[0] == number)
        assert len(mine) == -(-length // capacity)
        assert [start for start, _ in mine] == [n * capacity for n in range(len(mine))]
        assert sum(size for _, size in mine) == length
    for row in range(packs.rows):
        inside = sorted((offset, size) for *_, size, at, offset in pieces if at == row)
        assert inside and sum(size for _, size in inside) <= capacity
        assert [offset for offset, _ in inside] == [
            sum(size for _, size in inside[:n]) for n in range(len(inside))
        ]
    # Best-fit decreasing of the pieces, each into the fullest row that has room, by a plain search.
    free: list[int] = []
    for size in sorted((piece[2] for piece in pieces), reverse=True):
        room = [left for left in free if left >= size]
        if room:
            free[free.index(min(room))] -= size
        else:
            free.append(capacity - size)
    filled = sorted(capacity - left for left in free)
    assert sorted(np.bincount(packs.row, packs.length, packs.rows).astype(int).tolist()) == filled


def test_best_fit_fills_rows_of_real_lengths_and_is_the_same_each_time() -> None:
    lengths = np.random.default_rng(5).lognormal(5.5, 1.0, 20_000).astype(np.int64) + 2
    packs = best_fit(lengths, 2048)
    assert packs.filled > 0.999
    again = best_fit(lengths, 2048)
    assert all(np.array_equal(getattr(packs, n), getattr(again, n)) for n in ("document", "row", "offset"))
    with pytest.raises(ValueError, match="cannot be packed"):
        best_fit(lengths, 0)


def test_packed_instructions_see_and_predict_nothing_of_each_other() -> None:
    documents = [[1, 2, 3, EOD], [4, EOD], [5, 6, 7, 8, 1, 2, EOD], [3]]
    lengths = np.array([len(document) for document in documents])
    tokens = np.concatenate([np.array(document) for document in documents])
    offsets = np.cumsum(lengths) - lengths
    answers = tokens != 5
    packs = best_fit(lengths, 6)
    batch = packed_rows(packs, np.arange(packs.rows), tokens, offsets, answers, pad=0)
    seen: dict[tuple[int, int], list[tuple[int, int, int, float]]] = {}
    assert batch.documents is not None
    for piece in range(len(packs.row)):
        row, first, size = (int(a[piece]) for a in (packs.row, packs.offset, packs.length))
        place = slice(first, first + size)
        document, start = int(packs.document[piece]), int(packs.start[piece])
        expected = documents[document][start : start + size]
        assert batch.tokens[row, place].tolist() == expected
        assert batch.labels[row, first : first + size - 1].tolist() == expected[1:]
        assert batch.positions[row, place].tolist() == list(range(start, start + size))
        assert batch.mask[row, place].tolist() == [float(t != 5) for t in expected[1:]] + [0.0]
        assert len(set(batch.documents[row, place].tolist())) == 1
        seen[row, int(batch.documents[row, first])] = []
    assert len(seen) == len(packs.row)
    assert all(np.all(np.diff(row) >= 0) for row in batch.documents)
    # What no document fills is padding, apart from the others, and counts nothing.
    filled = np.bincount(packs.row, packs.length, packs.rows).astype(int)
    for row, size in enumerate(filled):
        assert (batch.tokens[row, size:] == 0).all() and not batch.mask[row, size:].any()
        assert not set(batch.documents[row, size:]) & set(batch.documents[row, :size])


def test_the_batches_of_all_ranks_are_the_samples_of_the_step_whatever_the_micro_batch(
    recipe_data: Callable[..., dict[str, Any]], shards: Path
) -> None:
    recipe = TrainingRecipe.model_validate(recipe_data(batch={"global_size": 12, "micro_size": 1}))
    data = plan_data(recipe)
    samples = data.order.batch(12, 12)
    streams, length = data.streams(), recipe.shape.seq_length
    whole = {name: streams[name].read(0, len(streams[name])) for name in data.order.names}
    expected = [
        whole[samples.names[c]][w * length : (w + 1) * length + 1]
        for c, w in zip(samples.component, samples.window, strict=True)
    ]
    for ranks, micro in ((1, 12), (1, 3), (2, 2), (3, 4), (4, 1), (6, 2)):
        batches = [
            batch
            for rank in range(ranks)
            for batch in training_micro_batches(samples, streams, length, micro, rank, ranks, data.packing)
        ]
        assert all(batch.tokens.shape == (micro, length) for batch in batches)
        tokens = np.concatenate([batch.tokens for batch in batches])
        labels = np.concatenate([batch.labels for batch in batches])
        assert np.array_equal(np.concatenate([tokens, labels[:, -1:]], axis=1), np.stack(expected))
