"""Speed of the structure and RefinedWeb counts on Korean and English text, in processor time.

    python -m benchmarks.structure

There is no peer that counts these things: the bar is 150 MB/s of UTF-8 for both parts together, decoded and looked
up already (the text pass does that once for all parts).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate

import numba
import numpy as np

from benchmarks.harness import Row, cpu_seconds, interleaved, median, report, rows
from hanji.curation.signals import refinedweb, structure, unicode
from hanji.curation.signals.refinedweb import refinedweb_counts
from hanji.curation.signals.spaced import spaced_words
from hanji.curation.signals.structure import structure_counts

SOURCES = {
    "Korean": (
        *("ko_docs_d2l", "ko_court_precedents", "ko_news_dps_fixture", "ko_petitions"),
        *("ko_nsmc_reviews", "ko_comments_korean_hate_speech"),
    ),
    "English": ("en_docs_vue", "en_gutenberg_books", "en_gov_18f_handbook", "en_email_spamassassin"),
}
BYTES_A_SOURCE = 3_000_000
MB_PER_SECOND = 150.0


def texts(names: Sequence[str]) -> list[str]:
    """The first texts of each source, about BYTES_A_SOURCE of them."""
    taken: list[str] = []
    for name in names:
        size = 0
        for row in rows(name):
            taken.append(row["text"])
            size += len(row["text"].encode("utf-8", "surrogatepass"))
            if size > BYTES_A_SOURCE:
                break
    return taken


class Looked:
    """Texts as kernels get them: code points, their properties, where each text begins, and room for words."""

    def __init__(self, documents: Sequence[str]) -> None:
        self.bytes = sum(len(text.encode("utf-8", "surrogatepass")) for text in documents)
        joined = "".join(documents).encode("utf-32-le", "surrogatepass")
        self.points = np.frombuffer(joined, np.int32).copy()
        self.properties = np.zeros(len(self.points), np.uint32)
        unicode.look_up(self.points, len(self.points), unicode.table(), self.properties)
        self.bounds = np.array([0, *accumulate(map(len, documents))], np.int64)
        self.words = np.empty((int(np.diff(self.bounds).max()) // 2 + 1, 4), np.int64)


@numba.njit(nogil=True)  # not cached: the cache knows only the sources of hanji itself
def count_words(points: np.ndarray, properties: np.ndarray, bounds: np.ndarray, words: np.ndarray) -> int:
    """Find the words of each text, which both parts need."""
    found = 0
    for i in range(len(bounds) - 1):
        start, end = bounds[i], bounds[i + 1]
        found += spaced_words(points[start:end], properties[start:end], end - start, words)
    return found


@numba.njit(nogil=True)
def count_both(
    points: np.ndarray, properties: np.ndarray, bounds: np.ndarray, words: np.ndarray, row: np.ndarray
) -> None:
    """Find the words of each text and make the counts of both parts."""
    for i in range(len(bounds) - 1):
        start, end = bounds[i], bounds[i + 1]
        its_points, its_properties, count = points[start:end], properties[start:end], end - start
        number = spaced_words(its_points, its_properties, count, words)
        structure_counts(its_points, its_properties, words, number, count, row)
        refinedweb_counts(its_points, its_properties, words, number, count, row)


@numba.njit(nogil=True)
def count_structure(
    points: np.ndarray, properties: np.ndarray, bounds: np.ndarray, words: np.ndarray, row: np.ndarray
) -> None:
    """The words and the structure counts alone."""
    for i in range(len(bounds) - 1):
        start, end = bounds[i], bounds[i + 1]
        its_points, its_properties, count = points[start:end], properties[start:end], end - start
        number = spaced_words(its_points, its_properties, count, words)
        structure_counts(its_points, its_properties, words, number, count, row)


def main() -> None:
    table = []
    row = np.zeros(max(len(structure.COLUMNS), len(refinedweb.COLUMNS)), np.int64)
    for language, names in SOURCES.items():
        it = Looked(texts(names))
        work: dict[str, Callable[[], object]] = {
            "words": lambda it=it: count_words(it.points, it.properties, it.bounds, it.words),  # type: ignore[misc]
            "words and structure": lambda it=it: count_structure(  # type: ignore[misc]
                it.points, it.properties, it.bounds, it.words, row
            ),
            "words, structure and RefinedWeb": lambda it=it: count_both(  # type: ignore[misc]
                it.points, it.properties, it.bounds, it.words, row
            ),
        }
        for part in work.values():
            part()  # compiles
        taken = interleaved({name: partial(cpu_seconds, part) for name, part in work.items()})
        for name, values in taken.items():
            speed = it.bytes / median(values) / 1e6
            last = name == "words, structure and RefinedWeb"
            bar, met = (f">= {MB_PER_SECOND:.0f} MB/s", speed >= MB_PER_SECOND) if last else ("", None)
            table.append(Row(f"{language}: {name}", "", f"{speed:.0f} MB/s", bar=bar, met=met))
    report("Structure and RefinedWeb counts", table)


if __name__ == "__main__":
    main()
