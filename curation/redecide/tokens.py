"""Tokens of documents that are in no shard of the run: estimated, or counted with the run's tokenizer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hanji.curation.redecide.decided import Decisions, Documents
from hanji.errors import InputError
from hanji.manifest import read_manifest
from hanji.storage import Written


def tokens(documents: Documents, after: Decisions, exact: bool) -> tuple[np.ndarray, int]:
    """Tokens of each document kept before or after, float64, and how many of them are estimated.

    A document of the run's shards has those that its shard holds. One that is gained has as many a byte as
    its language has in its source; or in all sources, where the run kept none of this one; or as all kept
    documents have. With ``exact`` its text is encoded. Raises InputError with ``exact`` if the run's tokenizer
    is gone.
    """
    counted = documents.tokens
    found = np.maximum(counted, 0).astype(np.float64)
    gained = np.flatnonzero(after.kept() & (counted < 0))
    if exact and len(gained):
        _count(documents, gained, found)
        return found, 0
    found[gained] = documents.bytes[gained] * _per_byte(documents, counted)[gained]
    return found, len(gained)


def _per_byte(documents: Documents, counted: np.ndarray) -> np.ndarray:
    """Tokens per byte for each document, of the kept ones most like it; 0 if the run kept none at all."""
    held = counted >= 0
    rates = np.zeros(len(documents))
    pairs = documents.source * (len(documents.languages) + 1) + documents.language + 1
    # From the most general to the most particular, each where it knows something.
    for codes in (np.zeros(len(documents), np.int64), documents.language + 1, pairs):
        size = int(codes.max(initial=0)) + 1
        weights: Sequence[np.ndarray] = (
            counted[held].astype(np.float64),
            documents.bytes[held].astype(np.float64),
        )
        total, length = (np.bincount(codes[held], weights=w, minlength=size) for w in weights)
        rate = np.divide(total, length, out=np.full(size, np.nan), where=length > 0)[codes]
        rates = np.where(np.isnan(rate), rates, rate)
    return rates


def _count(documents: Documents, rows: np.ndarray, found: np.ndarray) -> None:
    # Here, not above: the writing step knows of all that reads pages, and importing that takes a second.
    from hanji.curation.shards.tokenizer import cached_encoder
    from hanji.curation.steps.write import fetch

    manifest, shards = read_manifest(documents.run.describe("shards"))
    facts = manifest.tokenizer
    if not shards.exists(facts.file):
        raise InputError(f"{shards.describe(facts.file)}: the run's tokenizer is gone; leave out --exact")
    path = fetch(shards, Written(facts.file, 0, facts.sha256))
    encoder = cached_encoder(str(path), facts.sha256)
    for some, texts in documents.texts(rows):
        found[some] = np.diff(encoder.encode(texts).bounds) + int(facts.append_eod)
