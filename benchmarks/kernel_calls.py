"""Calls of every kernel that Python calls, each by the function that a run calls it by, on the smallest input.

``python -m benchmarks.kernel_calls`` makes them all and prints what it took, as JSON: ``cpu``, seconds of processor
time of the whole process; ``measured``, seconds from the start of Python until documents could be measured;
``all``, until all calls were made; ``took``, processor time by call; ``kernels``, how many there are; ``missed``,
those that no call led to.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa

from benchmarks.kernel_sources import read_sources

TEXTS = pa.array(
    ["The paper is made from bark, in winter.", "한지는 닥나무 껍질로 만든다. 겨울에 만든다."],
    pa.large_string(),
)
LANGUAGES = pa.array(["en", "ko"])


def measuring() -> None:
    from hanji.curation.signals.text import measure

    measure(TEXTS, LANGUAGES)


def morphemes() -> None:
    from hanji.curation.signals.morphemes import counts

    starts, ends = (np.array(places, np.int32) for places in ([0, 4], [3, 8]))
    counts(TEXTS.to_pylist()[:1], [(starts, ends)])


def deduplication() -> None:
    from hanji.curation.dedup.plain import plain_texts
    from hanji.curation.dedup.shingles import band_hashes, likeness, shingle_sets, signatures
    from hanji.curation.dedup.unions import smallest_of_component
    from hanji.curation.recipe import MinHash, Shingles

    for shingles in (Shingles(unit="word", n=2), Shingles(unit="syllable", n=3)):
        sets = shingle_sets(TEXTS, shingles)
        band_hashes(sets, MinHash())
        signatures(TEXTS, shingles, MinHash())
        likeness(sets, np.array([0]), np.array([1]))
    plain_texts(TEXTS)
    smallest_of_component(2, np.array([0]), np.array([1]))


def survivors() -> None:
    from hanji.curation.decisions import survivors, walking
    from hanji.curation.dedup.stored import StoredSets
    from hanji.curation.recipe import MinHash, Shingles

    members = survivors.Members(np.array([0, 2]), np.zeros(2, np.int64))
    none = np.zeros(0, np.int64)
    edges = survivors.Edges(none, none, pa.array([], pa.string()), np.zeros(0), np.zeros(0))
    survivors.undecided(members, edges)
    with StoredSets(2) as sets:
        sets.add(np.arange(2), np.zeros(2, np.int64), TEXTS, [Shingles(unit="word", n=2)])
        survivors.walk(members, edges, sets, MinHash())
        # Only a cluster of which very many stay is looked up.
        hashes, ends = sets.hashes(), np.empty(2, np.int64)
        size = walking.sample_ends(hashes, sets.begin, sets.end, np.uint64(1 << 63), 8, ends)
        walking.copy_samples(hashes, sets.begin, ends, np.empty(3, np.int64), np.empty(size, np.uint64))


def pages() -> None:
    from hanji.curation.text.extract import extract
    from hanji.curation.text.guess import guess_page
    from hanji.curation.text.lines import boilerplate_edits
    from hanji.curation.text.normalise import normalise

    page = "<html><body><p>한지는 닥나무 껍질로 만드는 우리 종이다.</p><ul><li>하나</li></ul></body></html>"
    extract(page, "hanji")
    guess_page(page.encode("cp949"))
    boilerplate_edits("홍길동 기자 a@b.co\nⓒ 한지", "ko")
    for text in ("bark", "닥나무", "paper \N{SCROLL}"):
        normalise(text)


def repeated_lines() -> None:
    from hanji.curation.repeated import kernels
    from hanji.curation.repeated.scanning import scan

    lines = scan(TEXTS, LANGUAGES)
    lines.longest()
    colours, keep = np.zeros(len(lines), np.uint8), np.ones(len(lines), np.bool_)
    kernels.keep_by_pattern(colours, lines.bounds, 3, True, keep)
    kernels.remove_lines(colours, lines.kinds, lines.letters, lines.bounds, True, 0.5, keep)


def contamination() -> None:
    from hanji.curation.contamination.benchmarks import Item
    from hanji.curation.contamination.index import BenchmarkIndex, build_index
    from hanji.curation.recipe import Language, Shingles

    ngrams: dict[Language, Shingles] = {
        "en": Shingles(unit="word", n=5),
        "ko": Shingles(unit="syllable", n=8),
    }
    items = [Item("b", str(place), text) for place, text in enumerate(TEXTS.to_pylist())]
    index = BenchmarkIndex.from_bytes(build_index(items, ngrams, [TEXTS]).to_bytes())
    for part in index.parts:
        list(part.search(TEXTS))


def scoring() -> None:
    import struct

    from hanji.classifiers.fasttext_file import MAGIC, SOFTMAX, SUPERVISED, VERSION, read_model
    from hanji.classifiers.linear import LinearModel

    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "model.bin"
        words, buckets, width = (b"bark", b"__label__a", b"__label__b"), 10, 2
        entries = b"".join(
            word + b"\0" + struct.pack("<qb", 1, word.startswith(b"__label__")) for word in words
        )
        inputs, outputs = np.zeros((1 + buckets, width), "<f4"), np.zeros((2, width), "<f4")
        path.write_bytes(
            # fastText's own format, as hanji.classifiers.fasttext_file reads it: a model of bigrams, softmax.
            struct.pack(
                "<2i12id", MAGIC, VERSION, width, 5, 1, 1, 5, 2, SOFTMAX, SUPERVISED, buckets, 0, 0, 100, 0
            )
            + struct.pack("<3i2q", 3, 1, 2, 1, -1)
            + entries
            + b"".join(struct.pack("<?2q", False, *one.shape) + one.tobytes() for one in (inputs, outputs))
        )
        found = read_model(path)
        assert found is not None
        model = LinearModel(found)
        for preparation in ("dclm", "syllables"):
            model.probabilities(TEXTS, preparation)
            model.features(TEXTS, preparation)


def packing() -> None:
    from hanji.training.data.best_fit import best_fit

    best_fit(np.array([3, 5, 2]), 8)


CALLS: tuple[Callable[[], None], ...] = (
    measuring, morphemes, deduplication, survivors, pages, repeated_lines, contamination, scoring, packing,
)  # fmt: skip
"""What a worker needs first comes first."""
TOOLS = {
    "hanji.curation.signals.characters.character_class": "writes the table of characters that is in the sources",
    "hanji.curation.signals.nemo._fill": "counts for the tests and benchmarks of NeMo's filters alone",
}
"""Kernels that Python calls, but no run does."""


def main() -> None:
    started = psutil.Process().create_time()
    took = {}
    for call in CALLS:
        before = time.process_time()
        call()
        took[call.__name__] = time.process_time() - before
        if call is measuring:
            measured = time.time() - started
    everything, cpu = time.time() - started, time.process_time()
    figures = {"cpu": cpu, "measured": measured, "all": everything, "took": took}
    print(json.dumps(figures | {"kernels": len(read_sources().kernels), "missed": missed()}))


def missed() -> list[str]:
    """Kernels that Python calls and this process has not, but for ``TOOLS``."""
    return sorted({str(one) for one in read_sources().entries if not one.compiled} - TOOLS.keys())


if __name__ == "__main__":
    main()
