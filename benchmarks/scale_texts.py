"""Short made-up documents in millions, with planted near-copies, as JSON lines.

The words are those of the development data, as often as they stand there, in an order of chance. A text is WORDS of
them. Of each file, a share COPIES are copies of one text in a cluster of 2 to LARGEST with another last word, and
the hot documents are copies of one text in the same way: all of them fall into one bucket of most bands.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.edits import originals

WORDS = 28
COPIES, LARGEST = 0.3, 8
A_FILE = 100_000


def vocabulary(language: str) -> np.ndarray:
    """Words of the development data, each as often as it stands there, in reach of a random choice."""
    texts = originals(language)
    return np.array([word for text in texts[:: max(1, len(texts) // 400)] for word in text.split()])


def write_texts(directory: Path, documents: int, hot: int) -> int:
    """JSON lines files of A_FILE documents each; returns bytes."""
    directory.mkdir(parents=True)
    rng = np.random.default_rng(2025)
    words = {language: vocabulary(language) for language in ("ko", "en")}
    hottest = rng.choice(words["en"], WORDS)
    size = 0
    for place, first in enumerate(range(0, documents, A_FILE)):
        count = min(A_FILE, documents - first)
        rows: list[dict[str, Any]] = []
        while len(rows) < count:
            language = "ko" if rng.random() < 0.5 else "en"
            here = words[language]
            some = rng.integers(0, len(here), (1000, WORDS))
            copies = np.where(rng.random(1000) < COPIES / 4, rng.integers(2, LARGEST, 1000), 1)
            lasts = rng.choice(here, int(copies.sum()))
            done = 0
            for text, times in zip(here[some], copies.tolist(), strict=True):
                head = " ".join(text[:-1])
                rows += [{"text": f"{head} {last}"} for last in lasts[done : done + times]]
                done += times
        rows = rows[:count]
        for row in range(hot * count // documents):
            rows[row] = {"text": f"{' '.join(hottest[:-1])} {first + row}"}
        path = directory / f"{place:05d}.jsonl"
        lines = (
            json.dumps({"id": str(first + row), **value}, ensure_ascii=False) + "\n"
            for row, value in enumerate(rows)
        )
        path.write_text("".join(lines), encoding="utf-8")
        size += path.stat().st_size
    return size
