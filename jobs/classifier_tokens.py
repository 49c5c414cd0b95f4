"""How the tokens of a pool are counted: by a tokenizer that is named, else by that of the pool's own runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hanji.classifiers.evaluating.asked import Tokens
from hanji.classifiers.texts import TextSource
from hanji.curation.calibrating.runs import is_run
from hanji.curation.shards.tokenizer import cached_encoder
from hanji.errors import InputError, RecipeError
from hanji.fingerprint import file_sha256
from hanji.jobs.classifier_texts import KeptDocuments
from hanji.manifest import read_manifest


def pool_tokens(named: str | None, pool: Sequence[TextSource]) -> Tokens | None:
    """The counter of a tokenizer.json or of a run (``named``), else that of the runs in the pool; None without any.

    Raises RecipeError where the pool's runs have different tokenizers, and InputError for what is no tokenizer.
    """
    if named is not None:
        if Path(named).is_dir():
            if not is_run(named):
                raise RecipeError(f"--tokenizer: {named}: neither a tokenizer.json nor a run")
            return _counter(*_of_run(named), f"the tokenizer of {named}")
        if not Path(named).is_file():
            raise InputError(f"--tokenizer: {named}: no such file")
        return _counter(named, file_sha256(named), 1, named)
    runs = sorted({source.path for source in pool if isinstance(source, KeptDocuments)})
    found = {path: _of_run(path) for path in runs}
    if not found:
        return None
    if len({sha256 for _, sha256, _ in found.values()}) > 1:
        raise RecipeError(f"--pool: {', '.join(runs)} have different tokenizers; name one with --tokenizer")
    return _counter(*found[runs[0]], f"the tokenizer of {runs[0]}")


def _of_run(path: str) -> tuple[str, str, int]:
    """The tokenizer file of a run's shards, its SHA-256, and tokens that end a document."""
    manifest, storage = read_manifest(f"{path}/shards")
    facts = manifest.tokenizer
    return storage.describe(facts.file), facts.sha256, int(facts.append_eod)


def _counter(path: str, sha256: str, more: int, said: str) -> Tokens:
    try:
        encoder = cached_encoder(path, sha256)
    except Exception as error:  # the library raises bare Exception for anything wrong with the file
        raise InputError(f"{path}: not a tokenizer.json that the tokenizers library reads: {error}") from None

    def count(texts: list[str]) -> np.ndarray:
        return np.diff(encoder.encode(texts).bounds) + more

    return Tokens(
        count, f"{said}, SHA-256 {sha256[:16]}…" + (", with the end of each document" if more else "")
    )
