"""Answers of a language model, kept in SQLite: a text is paid for once, whatever happens to the process.

An answer's key is the model with its settings, the prompt's version and the hash of the text. Each answer is
committed as it comes. The API key is no part of any of it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from hanji.errors import InputError

_TABLES = """
CREATE TABLE IF NOT EXISTS answers (
    model TEXT, prompt TEXT, text_hash BLOB, score INTEGER, answer TEXT, failure TEXT,
    input_tokens INTEGER, output_tokens INTEGER, tries INTEGER,
    PRIMARY KEY (model, prompt, text_hash)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS spending (model TEXT, cost REAL);
"""


@dataclass(frozen=True)
class Kept:
    """An answer: its score, or why there is none."""

    score: int | None
    answer: str | None
    failure: str | None
    input_tokens: int = 0
    output_tokens: int = 0
    tries: int = 1


class AnswerCache:
    """The answers in a file. One thread writes. Raises InputError for a file that is no such cache."""

    def __init__(self, path: str | Path, model: str, prompt: str) -> None:
        self._path = Path(path)
        self._key = (model, prompt)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._database = sqlite3.connect(self._path, timeout=30)
            self._database.executescript(_TABLES)
        except sqlite3.Error as error:
            raise InputError(f"{path}: not a cache of answers: {error}") from None

    def __enter__(self) -> AnswerCache:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def get(self, text_hash: bytes) -> Kept | None:
        """The answer for a text, if there is one."""
        with self._named():
            row = self._database.execute(
                "SELECT score, answer, failure, input_tokens, output_tokens, tries FROM answers "
                "WHERE model = ? AND prompt = ? AND text_hash = ?",
                (*self._key, text_hash),
            ).fetchone()
        return None if row is None else Kept(*row)

    def put(self, text_hash: bytes, kept: Kept, cost: float) -> None:
        """Keep an answer and what it cost, durably, in the place of an earlier one."""
        with self._named(), self._database:
            self._database.execute(
                "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(*self._key, text_hash, kept.score, kept.answer, kept.failure),
                    *(kept.input_tokens, kept.output_tokens, kept.tries),
                ),
            )
            self._database.execute("INSERT INTO spending VALUES (?, ?)", (self._key[0], cost))

    def spent(self) -> float:
        """What all answers in this file cost, with the prices of the time."""
        with self._named():
            return float(self._database.execute("SELECT COALESCE(SUM(cost), 0) FROM spending").fetchone()[0])

    @contextmanager
    def _named(self) -> Iterator[None]:
        """What SQLite says with the file's name: it is another's, damaged, locked for long, or the disk is full."""
        try:
            yield
        except sqlite3.Error as error:
            raise InputError(f"{self._path}: the cache of answers: {error}") from None
