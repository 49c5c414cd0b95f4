"""The perplexity of documents, as CCNet computes it: normal form, SentencePiece, a KenLM model of the pieces.

A document is one line (normal.py says why), so its perplexity is 10^(−s/n): s the sum of log10 probabilities of
its pieces and of the end of the line, n the number of pieces and one. Low is like the texts of the training.

KenLM maps its files: what a model of gigabytes takes is shared by all workers of a node, and read as it is needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from hanji.classifiers.perplexity import normal
from hanji.classifiers.preparing import without_surrogates
from hanji.errors import InputError, RecipeError
from hanji.fingerprint import file_sha256_once

LIBRARIES = ("kenlm", "sentencepiece")
MODEL, PIECES = ".arpa.bin", ".sp.model"
"""What the names of the two files of a model end with, as CCNet's do."""
INSTALL = (
    "pip install 'hanji[perplexity]' (KenLM is under the LGPL and is compiled when it is installed, "
    "which needs cmake and a C++ compiler)"
)
_BATCH = 1 << 20


class PerplexityScorer:
    """Scores documents with a KenLM model and its SentencePiece model: of `hanji classifier train-perplexity`, or
    CCNet's published ``LANGUAGE.arpa.bin`` and ``LANGUAGE.sp.model``.

    Models are loaded once a process. Raises RecipeError where the libraries are not installed, InputError for a
    file that is missing or no such model.
    """

    def __init__(self, model: str | Path, sentencepiece: str | Path) -> None:
        self.model, self.sentencepiece = Path(model), Path(sentencepiece)
        self._files = [_status(path) for path in (self.model, self.sentencepiece)]
        self._language_model = _kenlm(*self._files[0])
        self._pieces = piece_model(*self._files[1])

    def identity(self) -> str:
        """What perplexities depend on: SHA-256 of both models, and the normal form."""
        return "-".join([*(file_sha256_once(*file) for file in self._files), normal.identity()])

    def score(self, texts: Sequence[str] | pa.Array) -> np.ndarray:
        """The perplexity of each text, float64; NaN for one of which the normal form leaves nothing.

        CCNet writes it rounded to one decimal; here it is as computed.
        """
        found: list[float] = []
        for batch in _batches(texts):
            lines = [normal.normalise(without_surrogates(text)) for text in batch]
            for line in encoded(self._pieces, lines):
                pieces = len(line.split())
                log = self._language_model.score(line) if pieces else 0.0
                found.append(10.0 ** (-log / (pieces + 1)) if pieces else np.nan)
        return np.array(found, np.float64)


def encoded(model: Any, lines: Sequence[str]) -> list[str]:
    """The pieces of each line, with spaces between them: what KenLM reads."""
    return [" ".join(pieces) for pieces in model.encode(lines, out_type=str, num_threads=1)]


def _batches(texts: Sequence[str] | pa.Array) -> Iterator[list[str]]:
    """Texts of some 2^20 characters at a time: pieces take many times the room of their text."""
    batch: list[str] = []
    size = 0
    for text in texts.to_pylist() if isinstance(texts, pa.Array) else texts:
        batch.append(text)
        size += len(text)
        if size >= _BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _status(path: Path) -> tuple[str, int, int]:
    try:
        status = path.stat()
    except OSError:
        raise InputError(f"{path}: no such model file") from None
    return str(path), status.st_size, status.st_mtime_ns


@lru_cache(maxsize=4)
def _kenlm(path: str, size: int, modified: int) -> Any:
    try:
        import kenlm
    except ImportError:
        raise RecipeError(f"perplexity needs KenLM, which is not installed: {INSTALL}") from None
    config = kenlm.Config()
    config.load_method = kenlm.LoadMethod.LAZY
    config.show_progress = False
    config.arpa_complain = kenlm.ARPALoadComplain.NONE
    try:
        return kenlm.Model(path, config)
    except (OSError, RuntimeError) as error:
        raise InputError(f"{path}: not a KenLM model: {str(error).splitlines()[0]}") from None


@lru_cache(maxsize=4)
def piece_model(path: str, size: int, modified: int) -> Any:
    """A SentencePiece model, once a process."""
    try:
        import sentencepiece
    except ImportError:
        raise RecipeError(f"perplexity needs SentencePiece, which is not installed: {INSTALL}") from None
    try:
        return sentencepiece.SentencePieceProcessor(model_file=path)
    except (OSError, RuntimeError) as error:
        raise InputError(f"{path}: not a SentencePiece model: {str(error).splitlines()[0]}") from None
