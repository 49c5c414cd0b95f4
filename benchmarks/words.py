"""English words and sentences against spaCy's blank English pipeline: differing tokens, and the speed.

    python -m benchmarks.words [--all]

Every source of the development data goes through both, Korean ones, pages extracted by Hanji and the Universal
Declaration of Human Rights in 500 languages too: 300 rows of each, with ``--all`` all of them. Compared are the
spans of all tokens but white space, the number of sentences in a document, and that in each of its lines. Speed
is that of the tokens alone, from code points and their properties in memory; spaCy's is that of its tokenizer
with a warm cache.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from importlib.metadata import version
from itertools import islice
from typing import Any

import numpy as np
import spacy

from benchmarks.harness import Row, cpu_seconds, data_directory, interleaved, median, report, rows
from hanji.curation.signals import english, unicode
from hanji.curation.text.extract import extract

PROSE = (
    "en_gutenberg_books",
    "en_gov_18f_handbook",
    "en_docs_rust_book_editions",
    "dpo_hh_rlhf_harmless_test",
)
SAMPLE, SPEED_BAR, LEAST_MEGABYTES = 300, 60.0, 1.0
PIPELINE = spacy.blank("en")
PIPELINE.add_pipe("sentencizer")
PIPELINE.max_length = 1 << 30

Spans = list[tuple[int, int]]


class Ours:
    """The kernels with room for a text of any length."""

    def __init__(self, text: str) -> None:
        self.points = np.frombuffer(text.encode("utf-32-le", "replace"), np.int32)
        self.properties = np.empty(len(self.points), np.uint32)
        unicode.look_up(self.points, len(self.points), unicode.table(), self.properties)
        self.starts, self.ends = np.empty(len(text), np.int32), np.empty(len(text), np.int32)

    def words(self) -> int:
        """How many; their spans are in ``starts`` and ``ends``."""
        arguments = (self.points, self.properties, 0, len(self.points), english.tables())
        return english.english_words(*arguments, self.starts, self.ends)

    def spans_and_sentences(self) -> tuple[Spans, int]:
        count = self.words()
        spans = list(zip(self.starts[:count].tolist(), self.ends[:count].tolist(), strict=True))
        begin, end = 0, len(self.points)
        stretch = (self.points, self.properties, begin, end, self.starts, self.ends)
        return spans, english.english_sentences(*stretch, 0, count)


def spans_and_sentences(text: str) -> tuple[Spans, int]:
    """The same by spaCy; an empty text counts as one sentence, as in datatrove."""
    document = PIPELINE(text)
    spans = [(token.idx, token.idx + len(token)) for token in document if not token.text.isspace()]
    return spans, max(1, sum(1 for _ in document.sents)) if len(document) else 1


def strings(row: dict[str, Any]) -> Iterator[str]:
    """The texts of a row: a page's is what is extracted from it."""
    if "html" in row:
        yield extract(row["html"], "hanji").text
        return
    for name, value in row.items():
        if isinstance(value, str) and name not in ("id", "url", "source", "lang"):
            yield value


def compared(names: list[str], number: int | None) -> list[Row]:
    """How many tokens and sentences differ, by source."""
    table = []
    for name in names:
        tokens = different = lines = miscounted = 0
        for row in islice(rows(name), number):
            for text in strings(row):
                ours, theirs = Ours(text).spans_and_sentences(), spans_and_sentences(text)
                tokens += len(theirs[0])
                different += len(set(ours[0]) ^ set(theirs[0]))
                miscounted += ours[1] != theirs[1]
                for line in text.splitlines():
                    lines += 1
                    miscounted += Ours(line).spans_and_sentences()[1] != spans_and_sentences(line)[1]
        what = f"{name}: tokens and lines that differ"
        ours_differ = f"{different} tokens, {miscounted} lines"
        table.append(
            Row(what, f"{tokens:,} and {lines:,}", ours_differ, "", "0", different == miscounted == 0)
        )
    return table


def speed(name: str) -> Row:
    """Megabytes of UTF-8 a second of CPU time."""
    texts = [text for row in rows(name) for text in strings(row)]
    # In one piece, as one call for each text from Python would cost more than a short text itself.
    together = Ours("\n\n".join(texts))
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    repeats = max(1, round(10 * LEAST_MEGABYTES / megabytes))

    def ours() -> float:
        work = cpu_seconds(lambda: [together.words() for _ in range(repeats)])
        return megabytes * repeats / work

    def theirs() -> float:
        return megabytes / cpu_seconds(lambda: [PIPELINE.tokenizer(text) for text in texts])

    taken = interleaved({"ours": ours, "theirs": theirs})
    rate, peer = median(taken["ours"]), median(taken["theirs"])
    what = f"{name}: MB of text a second of CPU, {megabytes:.1f} MB"
    return Row(
        what, f"{peer:.2f}", f"{rate:.1f}", f"{rate / peer:.0f} x", f">= {SPEED_BAR:.0f}", rate >= SPEED_BAR
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="compare all rows of every source")
    number = None if parser.parse_args().all else SAMPLE
    Ours("warm").spans_and_sentences()
    names = sorted(path.name.removesuffix(".jsonl.gz") for path in data_directory().glob("*.jsonl.gz"))
    table = [speed(name) for name in PROSE] + compared(names, number)
    report(f"English words (peer: spaCy {version('spacy')})", table)


if __name__ == "__main__":
    main()
