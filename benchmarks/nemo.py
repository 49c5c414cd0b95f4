"""The counts of the preset nemo_en against NeMo Curator's own filters: numbers, verdicts and speed.

    make bench-peers; python -m benchmarks.nemo

The peer's filters run in its environment (benchmarks/peer_nemo.py), one document after another, on the English
documents of the development data and on documents made around each threshold (benchmarks/nemo_cases.py). Speed is
processor time over the same documents, the peer and we in turn; ours is decoding, all counts, ratios and verdicts.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import yaml

from benchmarks.harness import Row, cpu_seconds, data_directory, interleaved, median, report, rows, say
from benchmarks.nemo_cases import MAKERS, cases
from benchmarks.peers import python_of
from hanji.curation.signals import nemo, unicode
from hanji.curation.signals.nemo_ratios import RATIOS
from hanji.curation.signals.text import measure

BAR = 30.0
LEAST_FIRING = 50
JACCARD_BAR = 0.95
CASES = 240
COPIES = 10
SCRIPT = Path(__file__).with_name("peer_nemo.py")
FIELDS = {"dpo_hh_rlhf_harmless_test": "chosen", "neardup_mrpc": "a"}
PROSE = (
    *("en_docs_progit2", "en_docs_rust_book_editions", "en_docs_vue", "en_gov_18f_handbook"),
    *("en_gutenberg_books", "en_gutenberg_old_editions_neardup"),
)
OTHERS = (
    *("en_email_spamassassin", "en_tweets_hate_davidson", "bench_gsm8k", "bench_humaneval", "bench_ifeval"),
    *("dpo_hh_rlhf_harmless_test", "neardup_mrpc"),
)
# The peer's filters by the name of our rules; where two of ours judge one number, the peer has one filter.
PAIRS = {"words": ("min_words", "max_words"), "word_length": ("min_word_length", "max_word_length")}


@dataclass
class Overlap:
    """Of two sets of dropped documents."""

    left: int = 0
    right: int = 0
    both: int = 0

    def add(self, left: bool, right: bool) -> None:
        self.left, self.right, self.both = self.left + left, self.right + right, self.both + (left and right)

    @property
    def jaccard(self) -> float:
        either = self.left + self.right - self.both
        return self.both / either if either else 1.0


@dataclass
class Agreement:
    """Of one filter and ours on one set of documents: the peer's drops on the left."""

    difference: float = 0.0
    """largest, where several n-grams are equally frequent to the peer's formula for the one that we take"""
    errors: int = 0
    dropped: Overlap = field(default_factory=Overlap)
    without_ties: Overlap = field(default_factory=Overlap)
    with_itself: Overlap = field(default_factory=Overlap)
    """the peer in two runs"""
    long: Overlap = field(default_factory=Overlap)
    """of documents of 50 words, the least that the recipe keeps"""


def main() -> None:
    data_directory()
    interpreter = python_of("nemo-curator")
    if interpreter is None:
        say("skipped: no environment of nemo-curator; make bench-peers")
        return
    real = [text for name in PROSE + OTHERS for text in _texts(name)]
    say(f"{len(real)} documents, {sum(len(text.encode()) for text in real) / 1e6:.1f} MB")
    on_real = _agreements(interpreter, real)
    on_made = {name: _agreements(interpreter, list(cases(name, CASES)))[name] for name in MAKERS}
    on_characters = _agreements(interpreter, list(_every_character()))
    table = [_row(name, on_real[name], on_made[name]) for name in on_real]
    table.append(_characters_row(on_characters))
    errors = max(agreement.errors for agreement in on_real.values())
    note = f"Documents at which filters of the peer end with an error (no words, no lines): at most {errors}."
    report("NeMo Curator 1.4.0", [*_speed(interpreter), *table, *_ties(on_real)], [note])


def _texts(name: str) -> Iterator[str]:
    for row in rows(name):
        text = row[FIELDS.get(name, "text")]
        if isinstance(text, str):
            yield text.encode("utf-8", "replace").decode()


def _every_character() -> Iterator[str]:
    """Each character of Unicode 14 at the edges of words and lines, and inside them."""
    points = [
        chr(point)
        for point in range(sys.maxunicode + 1)
        if unicodedata.category(chr(point)) not in ("Cn", "Cs")
    ]
    for start in range(0, len(points), 32):
        yield "\n".join(f"{c} a{c}b c{c} {c}{c}\n{c}d" for c in points[start : start + 32])


def _row(name: str, real: Agreement, made: Agreement) -> Row:
    sets = (
        real.without_ties
        if min(real.without_ties.left, real.without_ties.right) >= LEAST_FIRING
        else made.dropped
    )
    difference = max(real.difference, made.difference)
    return Row(
        f"{name}: largest difference; dropped",
        f"{real.without_ties.left} real, {made.dropped.left} made",
        f"{difference:.1g}; {real.without_ties.right} real, {made.dropped.right} made",
        f"J {real.without_ties.jaccard:.4f}, {made.dropped.jaccard:.4f}",
        f"≤ 1e-6; J ≥ {JACCARD_BAR}",
        sets.jaccard >= JACCARD_BAR and difference <= 1e-6,
    )


def _characters_row(found: Mapping[str, Agreement]) -> Row:
    difference = max(agreement.difference for agreement in found.values())
    same = all(agreement.without_ties.jaccard == 1 for agreement in found.values())
    return Row(
        "all filters, every character of Unicode 14: largest difference",
        "",
        f"{difference:.1g}",
        "" if same else "verdicts differ",
        "≤ 1e-6",
        difference <= 1e-6 and same,
    )


def _ties(found: Mapping[str, Agreement]) -> Iterator[Row]:
    """Where several n-grams are equally frequent, the peer's number changes from run to run."""
    for name, agreement in found.items():
        if agreement.with_itself.left:
            yield Row(
                f"{name}, ties included: dropped; with ours, with itself run again",
                f"{agreement.dropped.left}, {agreement.with_itself.right}",
                f"{agreement.dropped.right}",
                f"J {agreement.dropped.jaccard:.3f}, {agreement.with_itself.jaccard:.3f}",
            )
            yield Row(
                f"{name}, the same of documents of 50 words: dropped",
                f"{agreement.long.left}",
                f"{agreement.long.right}",
                f"J {agreement.long.jaccard:.3f}",
            )


def _agreements(interpreter: Path, texts: Sequence[str]) -> dict[str, Agreement]:
    numbers, kept = ours(texts)
    found: dict[str, Agreement] = {}
    first, again = _peer(interpreter, "scores", texts, 1), _peer(interpreter, "tops", texts, 2)
    for place, (scores, repeated) in enumerate(zip(first, again, strict=True)):
        ties = scores.pop("ties")
        for name, (score, keeps) in scores.items():
            agreement = found.setdefault(name, Agreement())
            if score is None:
                agreement.errors += 1
                continue
            count, expected = ties.get(name, (1, score))
            expected = score if count <= 1 else expected
            agreement.difference = max(agreement.difference, abs(numbers[name][place] - expected))
            dropped = not kept[name][place]
            agreement.dropped.add(not keeps, dropped)
            if count <= 1:
                agreement.without_ties.add(not keeps, dropped)
            if numbers["words"][place] >= 50:
                agreement.long.add(not keeps, dropped)
            if name in repeated:
                agreement.with_itself.add(not keeps, not repeated[name])
    return found


def _peer(interpreter: Path, what: str, texts: Sequence[str], seed: int) -> Iterator[dict[str, Any]]:
    """What the peer says of each document, in a process with this seed for the order of its sets."""
    with tempfile.TemporaryDirectory() as scratch:
        documents, results = _write(Path(scratch), texts), Path(scratch) / "results"
        environment = os.environ | {"PYTHONHASHSEED": str(seed)}
        subprocess.run([interpreter, SCRIPT, what, documents, results], check=True, env=environment)
        with results.open() as file:
            yield from map(json.loads, file)


def _write(directory: Path, texts: Sequence[str]) -> Path:
    path = directory / "documents"
    path.write_text("".join(json.dumps(text) + "\n" for text in texts), "utf-8")
    return path


def ours(texts: Sequence[str]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """(number, kept) for each of the peer's filters."""
    return judged(counts(pa.array(texts, pa.large_string())))


def counts(texts: pa.Array) -> dict[str, np.ndarray]:
    """The columns of nemo.py, and ``characters``."""
    _, offsets, data = texts.buffers()
    bounds = np.frombuffer(offsets, np.int64)[: len(texts) + 1]
    measured = nemo.nemo_table(
        np.frombuffer(data, np.uint8), bounds, unicode.table(), nemo.tables(), len(nemo.COLUMNS)
    )
    columns = {name: measured[:, place] for place, name in enumerate(nemo.COLUMNS)}
    return columns | {"characters": pc.utf8_length(texts).to_numpy()}


def judged(columns: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """(number, kept) for each of the peer's filters, by the rules of the preset."""
    numbers: dict[str, np.ndarray] = {}
    kept: dict[str, np.ndarray] = {}
    filter_of = {rule: name for name, pair in PAIRS.items() for rule in pair}
    for rule in _rules():
        name = filter_of.get(rule["name"], rule["name"])
        signal = rule["signal"]
        numbers[name] = RATIOS[signal][1](columns) if signal in RATIOS else columns[signal]
        op, threshold = rule["keep"].split()
        limit = float(threshold)
        keep = numbers[name] >= limit if op == ">=" else numbers[name] <= limit
        kept[name] = kept.get(name, True) & keep
    # The peer stops counting at the second.
    numbers["common_words"] = np.minimum(numbers["common_words"], 2)
    numbers["pornographic_urls"] = np.minimum(columns["nemo_pornographic_urls"], 1)
    kept["pornographic_urls"] = columns["nemo_pornographic_urls"] == 0
    return numbers, kept


def _rules() -> list[dict[str, str]]:
    preset = (
        resources.files("hanji.curation.decisions").joinpath("presets", "nemo_en.yaml").read_text("utf-8")
    )
    return yaml.safe_load(preset)["rules"]  # type: ignore[no-any-return]


def _speed(interpreter: Path) -> list[Row]:
    texts = [
        text for name in PROSE for place, text in enumerate(_texts(name)) if place % 3 == 0 and text.split()
    ]
    array = pa.array(texts, pa.large_string())
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    copies = pa.concat_arrays([array] * COPIES)  # for a time that can be measured
    english = pa.array(["en"] * len(texts))
    judged(counts(array))  # compiled, or from the cache
    measure(array, english)
    with tempfile.TemporaryDirectory() as scratch:
        documents = _write(Path(scratch), texts)
        cascades: list[float] = []

        def peer() -> float:
            answer = subprocess.run(
                [interpreter, SCRIPT, "seconds", documents], check=True, capture_output=True
            )
            facts = json.loads(answer.stdout)
            cascades.append(facts["cascade"])
            return float(facts["all"])

        def we() -> float:
            return cpu_seconds(lambda: judged(counts(copies))) / COPIES

        def all_of_ours() -> float:
            return cpu_seconds(lambda: measure(array, english))

        taken = interleaved({"peer": peer, "ours": we, "all of ours": all_of_ours})
    mine = megabytes / median(taken["ours"])
    whole = megabytes / median(taken["all of ours"])
    lines = [Row("all signals of hanji at once, MB/s", "", f"{whole:.1f}")]
    for what, seconds in (("all filters", taken["peer"]), ("stopping at the first that drops", cascades)):
        theirs = megabytes / median(seconds)
        lines.append(
            Row(
                f"{what}, MB/s ({megabytes:.1f} MB of prose)",
                f"{theirs:.2f}",
                f"{mine:.1f}",
                f"{mine / theirs:.0f}×",
                f"≥ {BAR:g}×",
                mine / theirs >= BAR,
            )
        )
    return lines


if __name__ == "__main__":
    main()
