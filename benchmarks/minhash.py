"""MinHash: processor time from text to signature against rensa, datasketch and datatrove, and how good it is.

    make bench-peers; python -m benchmarks.minhash [--quality | --speed]

Speed: 112 permutations (14 bands of 8 rows), everyone's own shingling included, and from ready-made shingles apart;
Korean and English apart; the median of five rounds, peers and we in turn. The peers run in an environment of their
own (benchmarks/peer_minhash.py). datatrove takes a part of the documents, for time, and English alone: Korean needs
a morphological analyser there.

Quality: pairs of a paragraph or more of the development data and an edit of it (spacing, typing errors, sentences
in another order, cut, added to, mixed with another text). The estimate of their Jaccard is compared with the exact
one, beside datasketch's on the same shingles; and the share of pairs that meet in a band with what theory says,
1 − (1 − s^8)^14, in bins of .05: by the 112 permutations of a run, and by the mean of 32 sets of 112.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pyarrow as pa
from datasketch import MinHash as Datasketch

from benchmarks.harness import Row, cpu_seconds, data_directory, interleaved, median, report, rows, say
from benchmarks.peers import python_of
from hanji.curation.dedup.banding import found
from hanji.curation.dedup.shingles import ShingleSets, band_hashes, likeness, shingle_sets, signatures
from hanji.curation.recipe import MinHash

SCRIPT = Path(__file__).with_name("peer_minhash.py")
PEERS = ("rensa", "rensa_bulk", "datasketch", "datatrove")
BARS = {"rensa": 4.0, "rensa_bulk": 4.0, "datasketch": 25.0, "datatrove": 400.0}
SOURCES = {
    "en": (
        "en_docs_progit2",
        "en_docs_rust_book_editions",
        "en_docs_vue",
        "en_gov_18f_handbook",
        "en_gutenberg_books",
    ),
    "ko": ("ko_petitions", "ko_court_precedents", "ko_docs_d2l", "ko_news_dps_fixture", "ko_statutes"),
}
# Further ones for pairs: the English sources above are few documents, much like each other.
MORE = {
    "en": ("en_email_spamassassin", "en_gutenberg_old_editions_neardup"),
    "ko": ("ko_docs_vue", "ko_docs_progit2", "bench_korquad1_dev_wiki"),
}
A_SOURCE = 150
DATATROVE_BYTES = 400_000
COPIES = 4
SETTINGS = MinHash()
PAIRS = 10_000
REPLICAS = 32
ESTIMATED = 2_000


def texts(language: str, most: int = A_SOURCE, more: tuple[str, ...] = ()) -> list[str]:
    """The first documents of each source, in NFC as a run has them; one above 50,000 characters is cut there."""
    return [
        normalize("NFC", text[:50_000].encode("utf-8", "replace").decode())
        for name in SOURCES[language] + more
        for text in islice((row["text"] for row in rows(name) if isinstance(row.get("text"), str)), most)
    ]


# -- speed ------------------------------------------------------------------------------------------------


@contextmanager
def _peer(interpreter: Path, documents: list[str], language: str) -> Iterator[Callable[[str, str], float]]:
    """A process in the peers' environment that measures on request."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "documents.jsonl"
        path.write_text("".join(json.dumps(text) + "\n" for text in documents), "utf-8")
        with subprocess.Popen(
            [interpreter, SCRIPT, path, language], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdin and process.stdout

            def ask(name: str, kind: str) -> float:
                assert process.stdin and process.stdout
                process.stdin.write(f"{name} {kind}\n")
                process.stdin.flush()
                return float(process.stdout.readline())

            yield ask
            process.stdin.close()


def _size(documents: list[str]) -> float:
    return sum(len(text.encode()) for text in documents) / 1e6


def _part(documents: list[str], most: int) -> list[str]:
    """Every so many documents, that they be about ``most`` bytes."""
    return documents[:: max(1, round(_size(documents) * 1e6 / most))]


def speed(language: str, interpreter: Path) -> list[Row]:
    documents = texts(language)
    shingles = SETTINGS.shingles[language]  # type: ignore[index]
    column = pa.array(documents * COPIES, pa.large_string())
    sets = shingle_sets(column, shingles)
    signatures(column.slice(0, 1), shingles, SETTINGS)
    band_hashes(ShingleSets(sets.hashes, sets.bounds[:2]), SETTINGS)
    ours = {
        "text": lambda: cpu_seconds(lambda: signatures(column, shingles, SETTINGS)) / COPIES,
        "ready": lambda: cpu_seconds(lambda: band_hashes(sets, SETTINGS)) / COPIES,
    }
    names = [name for name in PEERS if language == "en" or name != "datatrove"]
    part = _part(documents, DATATROVE_BYTES)
    size = {name: _size(part if name == "datatrove" else documents) for name in names}
    table = []
    with ExitStack() as stack:
        ask = {
            name: stack.enter_context(
                _peer(interpreter, part if name == "datatrove" else documents, language)
            )
            for name in names
        }
        for kind, what in (("text", "from text"), ("ready", "from ready-made shingles")):
            contestants: dict[str, Callable[[], float]] = {"hanji": ours[kind]}
            for name in names:
                contestants[name] = partial(ask[name], name, kind)
                contestants[name]()
            taken = interleaved(contestants)
            hanji = _size(documents) / median(taken["hanji"])
            for name in names:
                theirs = size[name] / median(taken[name])
                bar = BARS[name] if kind == "text" else None
                met = None if bar is None else hanji / theirs >= bar
                table.append(
                    Row(
                        f"{language}, {what}, {name}",
                        f"{theirs:.3g} MB/s",
                        f"{hanji:.0f} MB/s",
                        f"{hanji / theirs:.1f}×",
                        f"{bar:.0f}×" if bar else "",
                        met,
                    )
                )
    say(f"{language}: {len(documents)} documents, {_size(documents):.1f} MB")
    if "datatrove" in names:
        say(f"datatrove: {len(part)} of them, {_size(part):.2f} MB")
    return table


# -- quality ----------------------------------------------------------------------------------------------


def edited_pairs(language: str, number: int, seed: int = 5) -> Iterator[tuple[str, str]]:
    """(text, edit of it), stretches of 300 to 3,000 characters of the development data."""
    rng = random.Random(seed)
    pool = [text for text in texts(language, 400, MORE[language]) if len(text) > 400]
    edits = (_spacing, _typing, _order, _cut, _added, _mixed)
    for _ in range(number):
        text = rng.choice(pool)
        length = rng.randrange(300, 3000)
        start = rng.randrange(max(1, len(text) - length))
        stretch = text[start : start + length]
        edit = rng.choice(edits)
        yield stretch, edit(stretch, rng.random(), rng, rng.choice(pool))


def _spacing(text: str, strength: float, rng: random.Random, other: str) -> str:
    """Spaces taken out and put in."""
    return "".join(
        "" if c == " " and rng.random() < strength / 4 else c + " " * (rng.random() < strength / 40)
        for c in text
    )


def _typing(text: str, strength: float, rng: random.Random, other: str) -> str:
    """Characters replaced by others of the text."""
    share = strength / 20
    return "".join(rng.choice(text) if rng.random() < share else c for c in text)


def _order(text: str, strength: float, rng: random.Random, other: str) -> str:
    """Neighbouring sentences or lines exchanged."""
    parts = text.replace("\n", ". ").split(". ")
    for i in range(len(parts) - 1):
        if rng.random() < strength:
            parts[i], parts[i + 1] = parts[i + 1], parts[i]
    return ". ".join(parts)


def _cut(text: str, strength: float, rng: random.Random, other: str) -> str:
    return text[: len(text) - int(len(text) * strength * 0.7)]


def _added(text: str, strength: float, rng: random.Random, other: str) -> str:
    return text + other[: int(len(text) * strength)]


def _mixed(text: str, strength: float, rng: random.Random, other: str) -> str:
    """Words replaced by those of another text."""
    others = other.split()
    return " ".join(rng.choice(others) if rng.random() < strength / 8 else word for word in text.split(" "))


def quality(language: str) -> list[Row]:
    shingles = SETTINGS.shingles[language]  # type: ignore[index]
    pairs = list(edited_pairs(language, PAIRS))
    sets = shingle_sets(pa.array([text for pair in pairs for text in pair], pa.large_string()), shingles)
    left = np.arange(0, 2 * PAIRS, 2)
    exact, _ = likeness(sets, left, left + 1)
    own = band_hashes(sets, SETTINGS)
    met = (own[0::2] == own[1::2]).any(axis=1)
    wide = band_hashes(sets, MinHash(bands=14 * REPLICAS, rows=8))
    often = (wide[0::2] == wide[1::2]).reshape(PAIRS, REPLICAS, 14).any(axis=2).mean(axis=1)
    theory = np.asarray(found(exact, 14, 8))
    table = [_estimates(language, sets, exact)]
    bins = np.minimum((exact * 20).astype(int), 19)
    for number in range(20):
        here = bins == number
        if here.sum() < 50:
            continue
        expected, mean, run = (float(values[here].mean()) for values in (theory, often, met))
        error = float(np.sqrt(max(expected * (1 - expected), 1e-9) / here.sum()))
        table.append(
            Row(
                f"{language}, pairs of Jaccard {number / 20:.2f} to {(number + 1) / 20:.2f} found ({here.sum()})",
                f"theory {expected:.4f}",
                f"{mean:.4f}; a run's {run:.4f} ± {error:.4f}",
                f"{mean - expected:+.4f}",
                "theory − .01",
                mean >= expected - 0.01 and run >= expected - 0.01 - 3 * error,
            )
        )
    return table


def _estimates(language: str, sets: ShingleSets, exact: np.ndarray) -> Row:
    """Bias and root mean square error of the estimated Jaccard, ours and datasketch's on the same shingles."""
    some = slice(0, 2 * ESTIMATED)
    signature = band_hashes(
        ShingleSets(sets.hashes, sets.bounds[: 2 * ESTIMATED + 1]), MinHash(bands=112, rows=1)
    )
    ours = (signature[0::2] == signature[1::2]).mean(axis=1) - exact[:ESTIMATED]
    sketches = []
    for i in range(some.stop):
        sketch = Datasketch(num_perm=112)
        sketch.update_batch([h.tobytes() for h in sets.hashes[sets.bounds[i] : sets.bounds[i + 1]]])
        sketches.append(sketch)
    theirs = [one.jaccard(other) for one, other in zip(sketches[0::2], sketches[1::2], strict=True)]
    theirs = np.array(theirs) - exact[:ESTIMATED]
    ideal = float(np.sqrt(np.mean(exact[:ESTIMATED] * (1 - exact[:ESTIMATED]) / 112)))
    errors = [(float(values.mean()), float(np.sqrt(np.mean(values**2)))) for values in (theirs, ours)]
    # All pairs share the permutations, so that the mean over pairs still varies with the draw of these.
    bias_bar = 0.01
    return Row(
        f"{language}, estimated Jaccard of {ESTIMATED} pairs: bias, root mean square error",
        f"datasketch {errors[0][0]:+.4f}, {errors[0][1]:.4f}",
        f"{errors[1][0]:+.4f}, {errors[1][1]:.4f}",
        f"{errors[1][1] / errors[0][1]:.2f}",
        f"bias ≤ {bias_bar}; error ≤ 1.1 of the ideal {ideal:.4f}",
        abs(errors[1][0]) <= bias_bar and errors[1][1] <= 1.1 * ideal,
    )


def main() -> None:
    data_directory()
    interpreter = python_of("minhash")
    table = []
    if "--quality" not in sys.argv:
        if interpreter is None:
            say("speed skipped: no environment of the peers; make bench-peers")
        else:
            table += speed("en", interpreter) + speed("ko", interpreter)
    if "--speed" not in sys.argv:
        table += quality("en") + quality("ko")
    report("MinHash", table)


if __name__ == "__main__":
    main()
