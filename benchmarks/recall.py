"""Recall of near-duplicate search on copies made by documented edits, by true Jaccard and by kind of edit.

    make bench-peers; python -m benchmarks.recall [--no-peer] [--show]

The edits are described in benchmarks/edits.py; the Jaccard of a pair is that of the two full shingle sets of the
recipe (Korean 8-grams of syllables, English word 5-grams). A pair is a candidate when it shares a band; theory says
1 − (1 − s⁸)¹⁴ of them do, averaged over the pairs of a bin. Measured by the 112 permutations of a run, and by the
mean of 32 sets of 112, in which the draw of permutations averages out. A pair is found when it is a candidate that
verifies, or equal but for layout.

By kind, beside datatrove's MinHash with its defaults on the same pairs (a part of them; Korean with Kiwi), which
verifies nothing: what shares a bucket is a duplicate there.

From end to end: `curate` with the recipe's defaults and no rules on quality, over originals and copies; the pairs
of which one fell, beside what the pairs alone say. Paraphrases (MRPC, ParaKQC) as documents: how many are merged.
--show prints the sentences that were, to be judged.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import edits
from benchmarks.edits import Pair
from benchmarks.harness import Row, report, rows, say
from benchmarks.neardup_steps import recipe_of, remove_duplicates
from benchmarks.peers import python_of
from hanji.curation.dedup.banding import found
from hanji.curation.dedup.shingles import (
    alike,
    band_hashes,
    exact_hash,
    likeness,
    shingle_sets,
    signatures,
)
from hanji.curation.engines.local import LocalEngine
from hanji.curation.pipeline import curate
from hanji.curation.recipe import CurationRecipe, Floor, MinHash
from hanji.recipe import parse_recipe

SCRIPT = Path(__file__).with_name("peer_recall.py")
SETTINGS = MinHash()
PAIRS = 24_000
REPLICAS = 32
PEER_PAIRS = {"en": 6_400, "ko": 400}
UNION_PAIRS = 3_000
FLOOR = Floor().min_characters


class Measured:
    """Pairs of a language: their true likeness, which of them meet in a band, and which are found."""

    def __init__(self, language: str, pairs: Sequence[Pair]) -> None:
        self.pairs = pairs
        self.kinds = np.array([pair.kind for pair in pairs])
        shingles = SETTINGS.shingles[language]  # type: ignore[index]
        texts = pa.array([text for pair in pairs for text in (pair.original, pair.copy)], pa.large_string())
        left = np.arange(0, len(texts), 2)
        self.sets = shingle_sets(texts, shingles)
        self.jaccard, self.containment = likeness(self.sets, left, left + 1)
        bands = signatures(texts, shingles, SETTINGS).bands
        self.met = (bands[0::2] == bands[1::2]).any(axis=1)
        hashes = [exact_hash(text) for text in texts.to_pylist()]
        self.equal = np.array([one == other for one, other in zip(hashes[0::2], hashes[1::2], strict=True)])
        self.alike = alike(self.jaccard, self.containment, SETTINGS) | self.equal
        self.found = self.equal | (self.met & self.alike)
        self.theory = np.asarray(found(self.jaccard, SETTINGS.bands, SETTINGS.rows))

    def often(self) -> np.ndarray:
        """Share of REPLICAS sets of permutations by which each pair meets."""
        wide = band_hashes(self.sets, MinHash(bands=SETTINGS.bands * REPLICAS, rows=SETTINGS.rows))
        met = (wide[0::2] == wide[1::2]).reshape(-1, REPLICAS, SETTINGS.bands).any(axis=2)
        return np.asarray(met.mean(axis=1))


def by_jaccard(language: str, measured: Measured) -> list[Row]:
    """A row a bin of .05; pairs of Jaccard 1 apart."""
    often = measured.often()
    bins = np.minimum((measured.jaccard * 20 + 1e-9).astype(int), 19)
    bins[measured.jaccard == 1.0] = 20
    table = []
    for number in range(8, 21):
        here = bins == number
        if here.sum() < 50:
            continue
        expected, mean, run = (float(v[here].mean()) for v in (measured.theory, often, measured.met))
        error = float(np.sqrt((measured.theory * (1 - measured.theory))[here].sum())) / here.sum()
        what = f"Jaccard {number / 20:.2f} to {number / 20 + 0.05:.2f}" if number < 20 else "Jaccard 1"
        table.append(
            Row(
                f"{language}, {what} ({here.sum()})",
                f"theory {expected:.4f}",
                f"{run:.4f} ± {error:.4f}; 32 sets {mean:.4f}",
                f"{run - expected:+.4f}; {mean - expected:+.4f}",
                "theory − .01",
                run >= expected - 0.01 - 2 * error and mean >= expected - 0.01,
            )
        )
    return table


def by_kind(language: str, measured: Measured, peer: np.ndarray | None) -> list[Row]:
    """A row a kind: means over the pairs; datatrove's over those it was given, and ours on the same."""
    table = []
    for kind in edits.KINDS[language]:
        here = measured.kinds == kind
        theirs = ""
        if peer is not None:
            some = here[: len(peer)]
            same = measured.met[: len(peer)][some].mean()
            theirs = f"datatrove {peer[some].mean():.4f}, we {same:.4f} candidates of the same {some.sum()}"
        true = measured.found[here].sum() / max(1, measured.alike[here].sum())
        table.append(
            Row(
                f"{language}, {kind} ({here.sum()}), mean Jaccard {measured.jaccard[here].mean():.3f}",
                theirs,
                f"candidates {measured.met[here].mean():.4f} (theory {measured.theory[here].mean():.4f}), "
                f"found {measured.found[here].mean():.4f}, of those alike enough {true:.4f}",
            )
        )
    return table


def peer_met(language: str, pairs: Sequence[Pair]) -> np.ndarray | None:
    """Which of the pairs datatrove brings together; None without its environment."""
    interpreter = python_of("minhash")
    if interpreter is None:
        say(f"{language}: no environment of datatrove; make bench-peers")
        return None
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "pairs.jsonl"
        path.write_text("".join(json.dumps([p.original, p.copy]) + "\n" for p in pairs), "utf-8")
        done = subprocess.run([interpreter, SCRIPT, path, language], capture_output=True, check=True)
    return np.array(json.loads(done.stdout.splitlines()[-1]), bool)


# -- from end to end ------------------------------------------------------------------------------------------


def union(language: str, pairs: Sequence[Pair], measured: Measured) -> list[Row]:
    """Curate originals and copies together: of how many pairs does one fall?"""
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "documents.jsonl"
        with file.open("w", encoding="utf-8") as target:
            for number, pair in enumerate(pairs):
                for side, text in (("a", pair.original), ("b", pair.copy)):
                    target.write(
                        json.dumps({"id": f"{side}{number}", "text": text}, ensure_ascii=False) + "\n"
                    )
        recipe = {
            "name": "union",
            "run": f"{scratch}/run",
            "sources": [{"name": "documents", "format": "jsonl", "paths": [str(file)]}],
            "rules": {"presets": {"ko": [], "en": []}},
            "floor": {"languages": ["ko", "en"], "min_language_score": 0.0},
            "tiers": [{"name": "all"}],
            "partitions": 2,
            "shards": {"tokenizer": {"vocab_size": 300, "train_bytes": 1000}},
            "engine": {"name": "local", "workers": 2},
        }
        curate(parse_recipe(recipe, CurationRecipe))
        run = Path(scratch) / "run"
        keys = dict(_columns(run, "gathered/facts", ["id", "key"]))
        fate = {
            keys[i]: (verdict, step)
            for i, verdict, step in _columns(run, "ledger", ["id", "verdict", "step"])
        }
    both, fell = np.zeros(len(pairs), bool), np.zeros(len(pairs), bool)
    for number in range(len(pairs)):
        fates = [fate[f"{side}{number}"] for side in "ab"]
        both[number] = all(verdict == "kept" or step == "duplicates" for verdict, step in fates)
        fell[number] = any(step == "duplicates" for _, step in fates)
    expected, seen = measured.found[both], fell[both]
    agree = (expected == seen).mean()
    return [
        Row(
            f"{language}, curate: pairs of which one fell, of {both.sum()} that no floor stopped",
            f"pairs alone {expected.mean():.4f}",
            f"{seen.mean():.4f}; the same verdict on {agree:.4f}; more {(seen & ~expected).sum()}, "
            f"fewer {(expected & ~seen).sum()}",
        )
    ]


def _columns(run: Path, table: str, names: list[str]) -> list[tuple[Any, ...]]:
    files = sorted((run / table).glob("*.parquet"))
    found = pa.concat_tables([pq.read_table(file, columns=names) for file in files])
    return list(zip(*(found[name].to_pylist() for name in names), strict=True))


# -- paraphrases ------------------------------------------------------------------------------------------------


def paraphrases(show: bool) -> list[Row]:
    """Sentences as documents; relations between the two of a pair, and between any two."""
    mrpc = [
        (side + row["id"], row[side], row["id"], row["label"])
        for row in rows("neardup_mrpc")
        for side in "ab"
    ]
    kqc = [(row["id"], row["text"], str(row["cluster"]), "1") for row in rows("neardup_parakqc")]
    table = []
    for name, language, sentences in (("MRPC", "en", mrpc), ("ParaKQC", "ko", kqc)):
        texts = {identity: text for identity, text, _, _ in sentences}
        group = {identity: cluster for identity, _, cluster, _ in sentences}
        label = {identity: value for identity, _, _, value in sentences}
        with tempfile.TemporaryDirectory() as scratch:
            file = Path(scratch) / "sentences.jsonl"
            with file.open("w", encoding="utf-8") as target:
                for identity, text in texts.items():
                    row = {"id": identity, "lang": language, "text": text}
                    target.write(json.dumps(row, ensure_ascii=False) + "\n")
            engine = LocalEngine(1)
            done = remove_duplicates(recipe_of(Path(scratch) / "run", 2), [file], engine)
            fallen = [row for row in done.ledger().to_pylist() if row["verdict"] == "dropped"]
            names = done.names()
        kinds: Counter[str] = Counter()
        long = 0
        for row in fallen:
            one, other = names[row["id"]], names[row["duplicate_of"]]
            twins = (
                "its own paraphrase"
                if group[one] == group[other] and label[one] != "0"
                else "another sentence"
            )
            kinds[f"{row['rule'].removeprefix('duplicates.')}, {twins}"] += 1
            long += min(len(texts[one]), len(texts[other])) >= FLOOR and row["rule"] != "duplicates.exact"
            if show and row["rule"] != "duplicates.exact":
                say(f"{name} {row['rule']} {row['jaccard']:.2f} {row['containment']:.2f} {twins}")
                say(f"  - {texts[one]}\n  + {texts[other]}")
        told = "; ".join(f"{kind}: {count}" for kind, count in sorted(kinds.items())) or "none"
        told += f"; not exact and of {FLOOR} characters or more: {long}"
        table.append(Row(f"{name}, {len(texts)} sentences, removed", "", told))
    return table


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--no-union", action="store_true")
    parser.add_argument("--show", action="store_true", help="print the paraphrases that were merged")
    arguments = parser.parse_args()
    bins, kinds, ends = [], [], []
    for language in ("en", "ko"):
        pairs = edits.pairs(language, PAIRS)
        measured = Measured(language, pairs)
        peer = None if arguments.no_peer else peer_met(language, pairs[: PEER_PAIRS[language]])
        bins += by_jaccard(language, measured)
        kinds += by_kind(language, measured, peer)
        if not arguments.no_union:
            # Each original once: the first pairs go through the documents in turn.
            some = pairs[:UNION_PAIRS]
            ends += union(language, some, Measured(language, some))
    report("Recall of near-duplicates", [*bins, *kinds, *ends, *paraphrases(arguments.show)])


if __name__ == "__main__":
    main()
