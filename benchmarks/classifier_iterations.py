"""The educational filter's iterations, begun with 5 % of the good texts: do they find what they were not given?

The seeds are 5 % of the good texts and half of the others; the rest is the pool, whose labels are only told of.
Held out are whole sites; half of them choose what is added and the other half give the figures.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.classifier_corpus import Sample, corpus
from benchmarks.classifier_splits import final_sites
from benchmarks.harness import Row, say
from hanji.classifiers.educational import Iterating, train_educational
from hanji.classifiers.quality import HIGH, LOW
from hanji.classifiers.texts import TextFile

SEED_SHARE, OTHER_SHARE = 0.05, 0.5
QUOTA, ITERATIONS = 40, 6


@dataclass(frozen=True)
class Case:
    """``sites``: those held out; None for the final ones of the language."""

    name: str
    language: str
    sites: frozenset[str] | None


CASES = (
    Case("English, final sites", "en", None),
    Case("Korean, final sites", "ko", None),
    Case(
        "Korean, kinds that are known",
        "ko",
        frozenset({"ko_docs_rust_book_editions", "ko_docs_vue", "comments on news", "community posts"}),
    ),
    Case(
        "Korean, kinds that are not",
        "ko",
        frozenset({"ko_docs_vue", "ko.wikipedia.org", "hajinfam.github.io", "community posts"}),
    ),
)


def iterations() -> list[Row]:
    return [row for case in CASES for row in iterated(case)]


def iterated(case: Case, **how: float) -> list[Row]:
    """The iterations of a case, a row each; ``how`` is handed to Iterating."""
    aside = case.sites or final_sites(case.language)
    # In the order of hashes, so that a stretch of each kind and site is as good as drawn.
    samples = corpus(case.language)
    seeds, pool = [], []
    for mine in _by_site(sample for sample in samples if sample.site not in aside):
        share = SEED_SHARE if mine[0].good else OTHER_SHARE
        # One more than the share at most, so that small sites do not all give one.
        count = int(share * len(mine) + mine[0].hash()[0] / 256)
        seeds += mine[:count]
        pool += mine[count:]
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        made = train_educational(
            [_written(home / "seeds.jsonl", seeds)],
            [_written(home / "pool.jsonl", pool)],
            home / "out",
            language=case.language,
            held_out=[_written(home / "held_out.jsonl", [one for one in samples if one.site in aside])],
            how=Iterating(iterations=ITERATIONS, quota=QUOTA, least_change=0.0, **how),  # type: ignore[arg-type]
        )
    table = []
    for one in made.iterations:
        right = "" if one.added_right is None else f", {one.added_right:.1%} of them good"
        low = "" if one.added_low_right is None else f", {one.added_low_right:.1%} of them right"
        what = (
            f"{case.name}, iteration {one.number}: {one.high} good texts, largest site {one.largest_site:.2f}, "
            f"then {one.added} added{right}, and {one.added_low} others{low}"
        )
        figures = f"recall at precision .9 {one.recall:.3f}, AUC {one.auc:.3f}, macro-F1 {one.macro_f1:.3f}"
        drift = "" if one.drift is None else f"drift {one.drift:.2f}"
        table.append(
            Row(what, "", figures, drift, f"≤ {QUOTA} of a site", one.most_of_a_site <= QUOTA),
        )
        say(f"{what}: {figures}")
    first, last = made.iterations[0].recall, made.iterations[-1].recall
    best = made.iterations[made.best - 1]
    table.append(
        Row(
            f"{case.name}: recall at precision .9, first and last iteration; that of the model taken ({made.best})",
            f"{first:.3f}",
            f"{last:.3f}; {best.recall:.3f}",
            "",
            "rises",
            last > first,
        )
    )
    return table


def _by_site(samples: Iterable[Sample]) -> Iterable[list[Sample]]:
    groups: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        groups.setdefault((sample.kind, sample.site), []).append(sample)
    return groups.values()


def _written(path: Path, samples: Iterable[Sample]) -> TextFile:
    with path.open("w", encoding="utf-8") as file:
        for one in samples:
            row = {"label": HIGH if one.good else LOW, "source": one.site, "text": one.text}
            file.write(json.dumps(row) + "\n")
    return TextFile(str(path))
