"""Repeated lines: speed, what goes by source, and the method as published on the same texts.

    python -m benchmarks.repeated                     the tables
    python -m benchmarks.repeated --sample 200 SEED   removed lines with their surroundings, to be judged by reading
    python -m benchmarks.repeated --sample 200 SEED theirs   with the paper's threshold for English

Texts are those of the development data after extraction and line edits, read, counted and marked by the steps of
the pipeline. No peer has the method; its authors' code wants 50 GB of memory for one process, by its README. *As
published* is their patterns with nothing protected: single lines, headings and short lines go, and documents may be
emptied.
"""

from __future__ import annotations

import dataclasses
import random
import sys
import tempfile
import time
from collections import defaultdict
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.harness import Row, cpu_seconds, data_directory, median, report, say
from hanji.curation.context import Context
from hanji.curation.engines.local import LocalEngine
from hanji.curation.measuring import Measuring, split_units
from hanji.curation.recipe import CurationRecipe, RepeatedLines
from hanji.curation.records import apply_edits
from hanji.curation.repeated import kernels
from hanji.curation.repeated.scanning import scan
from hanji.curation.repeating import remove_repeated_lines
from hanji.curation.sources.splits import plan_splits
from hanji.curation.steps import edit
from hanji.curation.steps.texts import SplitWork, groups
from hanji.curation.versions import STEP_VERSIONS
from hanji.curation.work import Step, task_with
from hanji.progress import SilentProgress

WEB = (
    *(
        "html_ko_cheese10yun",
        "html_ko_d2fault",
        "html_ko_homoefficio",
        "html_raw_httpd_ko_euckr",
        "html_raw_httpd_en",
    ),
    *(
        "html_gold_goose3",
        "html_gold_mozilla_readability",
        "html_gold_scrapinghub_aeb",
        "en_email_spamassassin",
    ),
    *("ko_news_dps_fixture", "ko_petitions", "ko_comments_korean_hate_speech", "ko_nsmc_reviews"),
    "ko_seo_affiliate_products",
)
OTHER = (
    *("ko_statutes", "ko_court_precedents", "ko_docs_d2l", "ko_docs_progit2", "ko_docs_rust_book_editions"),
    *("ko_docs_vue", "en_docs_progit2", "en_docs_rust_book_editions", "en_docs_vue", "en_gov_18f_handbook"),
    *("en_gutenberg_books", "en_gutenberg_old_editions_neardup"),
)
MB_PER_SECOND = 100.0
PUBLISHED = {"keep_single": False, "keep_headings": False, "min_letters": 0, "max_share": 1.0}
THEIRS = {"thresholds": {"ko": {"green": 3, "red": 50}, "en": {"green": 1, "red": 1000}}}


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        base = Path(scratch)
        if sys.argv[1:2] == ["--sample"]:
            _sample(base, int(sys.argv[2]), sys.argv[3], THEIRS if sys.argv[4:] == ["theirs"] else {})
        else:
            _tables(base)


class Data:
    """The development data, read and edited once."""

    def __init__(self, base: Path, names: tuple[str, ...]) -> None:
        data = data_directory()
        sources = []
        for name in names:
            path = data / name
            pages = path.is_dir()
            fields = {"html": "html", "text": None} if name.startswith("html_") else {}
            file = path if pages else data / f"{name}.jsonl.gz"
            domain = "web" if name in WEB else "other"
            sources.append(
                {"name": name, "domain": domain, "format": "html" if pages else "jsonl", "paths": [str(file)]}
                | {"max_failed_share": 1.0, "fields": fields}
            )
        self.recipe = CurationRecipe.model_validate(
            {"name": "data", "run": str(base), "sources": sources, "partitions": 8}
        )
        self.engine = LocalEngine(1)
        context = self.context({})
        measuring = Measuring(context)
        works = [SplitWork(read=commit) for commit in measuring.read(plan_splits(self.recipe))]
        step = Step(
            "edit", STEP_VERSIONS["edit"], task_with(edit.edit_split, self.recipe.text), keeps_books=True
        )
        edits = context.runner.map(step, split_units(works))
        self.works = [dataclasses.replace(w, edit=e) for w, e in zip(works, edits, strict=True)]

    def context(self, lines: dict[str, Any]) -> Context:
        settings = RepeatedLines.model_validate({"enabled": True} | lines)
        dedup = self.recipe.dedup.model_copy(update={"lines": settings})
        recipe = self.recipe.model_copy(update={"dedup": dedup})
        return Context(recipe, self.engine, SilentProgress(), 1.0)

    def marked(self, lines: dict[str, Any]) -> list[SplitWork]:
        return remove_repeated_lines(self.context(lines), self.works, split_units(self.works))


def _tables(base: Path) -> None:
    data = Data(base, WEB + OTHER)
    variants: dict[str, dict[str, Any]] = {
        "default": {"domains": None},
        "en 1": {"domains": None} | THEIRS,
        "as published": {"domains": None} | THEIRS | PUBLISHED,
    }
    shares: dict[str, dict[str, tuple[float, int, int]]] = defaultdict(dict)
    counts: dict[str, list[float]] = defaultdict(lambda: [0, 0.0])
    for variant, lines in variants.items():
        totals: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
        for work in data.marked(lines):
            assert work.repeated is not None
            info, source = work.repeated.info, work.read.info["source"]
            values = (
                info["letters"],
                info["removed_letters"],
                info["left_alone"],
                work.repeated.counts["dropped"],
            )
            totals[source] = [a + b for a, b in zip(totals[source], values, strict=True)]
            if variant == "default":
                counts[source][0] += work.repeated.counts["in"]
                counts[source][1] += info["letters"] / 1e6
        for source, (letters, removed, left, dropped) in totals.items():
            shares[source][variant] = (removed / max(letters, 1), left, dropped)
    say(
        "\n| source | documents | M letters | removed | left alone | removed, en green 1 | as published | emptied |"
    )
    say("|---|---:|---:|---:|---:|---:|---:|---:|")
    for source, of in shares.items():
        one, theirs, published = (of[variant] for variant in variants)
        say(
            f"| {source} | {counts[source][0]} | {counts[source][1]:.2f} | {one[0]:.2%} | {one[1]} "
            f"| {theirs[0]:.2%} | {published[0]:.2%} | {published[2]} |"
        )
    _speed(data)


def _speed(data: Data) -> None:
    texts: dict[str, list[pa.Array]] = {"ko": [], "en": []}
    for work in data.works:
        for group in groups(data.context({}).run, work):
            for language, some in texts.items():
                some.append(group.texts.filter(pc.equal(group.languages, language)))
    table = []
    for language, some in texts.items():
        whole = pa.concat_arrays(some)
        languages = pa.array([language] * len(whole))
        megabytes = pc.sum(pc.binary_length(whole)).as_py() / 1e6
        lines = scan(whole, languages)
        _, times = np.unique(lines.hashes, return_counts=True)
        colours = np.random.default_rng(1).choice(4, len(lines), p=[0.8, 0.1, 0.05, 0.05]).astype(np.uint8)
        keep = np.empty(len(lines), np.bool_)

        def mark(
            whole: pa.Array = whole,
            languages: pa.Array = languages,
            colours: np.ndarray = colours,
            keep: np.ndarray = keep,
        ) -> None:
            lines = scan(whole, languages)
            kernels.keep_by_pattern(colours, lines.bounds, 3, True, keep)
            kernels.remove_lines(colours, lines.kinds, lines.letters, lines.bounds, True, 0.5, keep)

        mark()
        hashing = partial(scan, whole, languages)
        scanning, both = (megabytes / median([cpu_seconds(f) for _ in range(5)]) for f in (hashing, mark))
        table += [
            Row(
                f"{language}: {megabytes:.0f} MB, {len(lines)} lines, {len(times)} different; hashes of lines",
                "",
                f"{scanning:.0f} MB/s",
                bar=f"≥ {MB_PER_SECOND:.0f}",
                met=scanning >= MB_PER_SECOND,
            ),
            Row(
                f"{language}: text → hashes → what goes by pattern",
                "",
                f"{both:.0f} MB/s",
                bar=f"≥ {MB_PER_SECOND:.0f}",
                met=both >= MB_PER_SECOND,
            ),
        ]
    report("Repeated lines, one core", table)


def _sample(base: Path, number: int, seed: str, lines: dict[str, Any]) -> None:
    data = Data(base, WEB)
    found: list[tuple[str, str]] = []
    started = time.perf_counter()
    for work in data.marked(lines):
        if work.repeated is None:
            continue
        run = data.context({}).run
        before = dataclasses.replace(work, repeated=None)
        for group, old in zip(groups(run, work), groups(run, before), strict=True):
            place = {identity: row for row, identity in reversed(list(enumerate(old.ids.to_pylist())))}
            for identity, edits in group.edits.items():
                removed = [one for one in edits if one.step == "repeated"]
                for one in removed:
                    # The text as it was, the line in brackets: by the edits of earlier steps and this one alone.
                    marked = dataclasses.replace(one, replacement=" ⟦⟧ ")
                    text = old.texts[place[identity]].as_py()
                    others = [e for e in edits if e.step != "repeated"]
                    with_mark = apply_edits(
                        group.documents["text"][_row(group, identity)].as_py(), [*others, marked]
                    )
                    at = with_mark.find("⟦⟧")
                    gone = text[max(0, at - 1) : at - 1 + len(text) - len(with_mark) + 4]
                    around = with_mark[max(0, at - 120) : at], with_mark[at + 2 : at + 120]
                    context = f"{around[0]}⟦{gone.strip()[:200]}⟧{around[1]}"
                    found.append((f"{work.read.info['source']} {one.reason}", context.replace("\n", " ⏎ ")))
    by_source: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for label, context in random.Random(seed).sample(sorted(found), len(found)):
        by_source[label.partition(" ")[0]].append((label, context))
    # In turn from each source: one of them has most of the lines.
    turns = [
        one for turn in zip_longest(*(by_source[name] for name in sorted(by_source))) for one in turn if one
    ]
    for label, context in sorted(turns[:number]):
        say(f"{label}: {context}")
    say(f"{len(found)} removed lines, {time.perf_counter() - started:.0f} s")


def _row(group: Any, identity: str) -> int:
    return int(pc.index(group.documents["id"], identity).as_py())


if __name__ == "__main__":
    main()
