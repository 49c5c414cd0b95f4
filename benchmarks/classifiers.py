"""Quality classifiers: how they do on sources that they were not trained on, and how fast they score.

    python -m benchmarks.classifiers [english korean iterations speed]

Labels are by source: textbooks, documentation, encyclopaedia, books and edited articles against reviews, comments,
petitions, affiliate pages, tweets and mail. No person labelled a text. Five splits, one a seed; no site of a test
text is trained on (``splits``), and a test has as many good texts as others.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.harness import Row, cpu_seconds, interleaved, median, report, rows
from hanji.classifiers import fasttext_model
from hanji.classifiers.educational import Iterating, train_educational
from hanji.classifiers.fasttext_model import Training
from hanji.classifiers.figures import at_threshold, best_recall, roc_auc
from hanji.classifiers.preparing import DEFAULTS, prepare, training_line
from hanji.classifiers.quality import HIGH, LOW, QualityScorer
from hanji.classifiers.texts import TextFile, site_hash, site_of, text_hash
from hanji.classifiers.training import default_training

SEEDS = 5
OF_SOURCE, CHARACTERS = 400, 4000
"""Texts of a source at most, by hash, and characters of a text that training sees."""
DOCUMENTATION = ("en_docs_progit2", "en_docs_rust_book_editions", "en_docs_vue", "en_gov_18f_handbook")
BOOKS = tuple(
    f"en_gutenberg_books:GITenberg/{book}"
    for book in ("Frankenstein_84", "Pride-and-Prejudice_1342", "The-Devil-s-Dictionary_972")
)
# Articles of some 180 hosts, in three parts by host.
ARTICLES = tuple(f"html_gold_scrapinghub_aeb:{third}" for third in range(3))
GOOD: dict[str, tuple[str, ...]] = {
    "ko": (
        *("ko_docs_d2l", "ko_docs_progit2", "ko_docs_rust_book_editions", "ko_docs_vue"),
        "bench_korquad1_dev_wiki",
    ),
    "en": (*DOCUMENTATION, *BOOKS, *ARTICLES),
}
OTHER: dict[str, tuple[str, ...]] = {
    "ko": (
        *("ko_nsmc_reviews", "ko_comments_korean_hate_speech", "ko_petitions", "ko_seo_affiliate_products"),
        "ko_curse_detection",
    ),
    "en": ("en_tweets_hate_davidson", "en_email_spamassassin:spam", "en_email_spamassassin:ham"),
}
LEAST_AUC, LEAST_PRECISION, LEAST_RECALL = 0.97, 0.9, 0.8
MOST_LOST_SPACING, MOST_LOST_SHORT = 0.02, 0.05
LEAST_SPEED = {"en": 15.0, "ko": 5.0}
CLOSE = 1e-5
VARIANTS: dict[str, Callable[[str], str]] = {
    "as it is": lambda text: text,
    "spaces removed": lambda text: text.replace(" ", ""),
    "spaces doubled": lambda text: text.replace(" ", "  "),
    "first 300 characters": lambda text: text[:300],
}


@cache
def texts(source: str) -> list[str]:
    """Texts of a source (of one label, site or third of the hosts after a colon), the first OF_SOURCE by hash."""
    name, _, part = source.partition(":")
    found = set()
    for row in rows(name):
        parts = ("", row.get("label"), row.get("source"), str(site_hash(site_of(row))[0] % 3))
        text = row.get("text") or row.get("gold_text") or ""
        if part in parts and text.strip():
            found.add(text)
    return sorted(found, key=text_hash)[:OF_SOURCE]


def splits(language: str) -> Iterable[tuple[list[str], list[str], list[str], list[str]]]:
    """(good and other sources to train on, good and other sources to test on), by seed.

    Korean: one source of either kind is left out whole. English: a documentation, a book, the articles of a third
    of the hosts, and one of the three sources of others.
    """
    good, other = GOOD[language], OTHER[language]
    for seed in range(SEEDS):
        groups = (DOCUMENTATION, BOOKS, ARTICLES) if language == "en" else (good,)
        out = [group[seed % len(group)] for group in groups]
        out_other = [other[seed % len(other)]]
        yield (
            [name for name in good if name not in out],
            [name for name in other if name not in out_other],
            *(out, out_other),
        )


def trained(
    good: Sequence[str], other: Sequence[str], preparation: str, settings: Training, path: Path
) -> QualityScorer:
    """A model of some sources. The card beside it says how it sees texts."""
    pairs = [
        (label, text) for label, group in ((HIGH, good), (LOW, other)) for s in group for text in texts(s)
    ]
    pairs.sort(key=lambda pair: text_hash(pair[1]))
    lines = path.with_suffix(".txt")
    lines.write_text(
        "".join(training_line(label, text[:CHARACTERS], preparation) for label, text in pairs), "utf-8"
    )
    fasttext_model.train(lines, path, settings)
    return QualityScorer(path, HIGH, preparation)


def tested(
    scorer: QualityScorer, good: Sequence[str], other: Sequence[str], change: Callable[[str], str]
) -> Any:
    """(truth, scores) of as many texts of good sources as of others, changed."""
    groups = [[text for source in sources for text in texts(source)] for sources in (good, other)]
    count = min(map(len, groups))
    both = [sorted(group, key=text_hash)[:count] for group in groups]
    truth = np.repeat([True, False], count)
    return truth, scorer.score([change(text) for group in both for text in group])


def judged(language: str, preparation: str, **settings: Any) -> dict[str, list[float]]:
    """AUC of each variant, precision at a recall of .8 and recall at a precision of .9, by seed."""
    found: dict[str, list[float]] = {}
    for seed, (good, other, test_good, test_other) in enumerate(splits(language)):
        with tempfile.TemporaryDirectory() as scratch:
            how = replace(default_training(language, seed), **settings)
            scorer = trained(good, other, preparation, how, Path(scratch) / "model.bin")
            for name, change in VARIANTS.items():
                truth, scores = tested(scorer, test_good, test_other, change)
                found.setdefault(name, []).append(roc_auc(truth, scores))
            truth, scores = tested(scorer, test_good, test_other, VARIANTS["as it is"])
            threshold = float(np.quantile(scores[truth], 1 - LEAST_RECALL))
            found.setdefault("precision", []).append(at_threshold(truth, scores, threshold).precision)
            best = best_recall(truth, scores, LEAST_PRECISION)
            found.setdefault("recall", []).append(best.recall if best else 0.0)
    return found


def told(values: Sequence[float]) -> str:
    return f"{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f} (least {min(values):.3f})"


def judge(language: str) -> list[Row]:
    ours, peer = judged(language, DEFAULTS[language]), {}
    if language == "ko":
        peer = judged(language, "eojeol", word_ngrams=2)
    auc, others = statistics.mean(ours["as it is"]), {name: told(values) for name, values in peer.items()}
    table = [
        Row(
            "ROC-AUC",
            others.get("as it is", ""),
            told(ours["as it is"]),
            "",
            f"≥ {LEAST_AUC}",
            auc >= LEAST_AUC,
        ),
        Row(
            f"precision at recall {LEAST_RECALL}",
            others.get("precision", ""),
            told(ours["precision"]),
            "",
            f"≥ {LEAST_PRECISION}",
            statistics.mean(ours["precision"]) >= LEAST_PRECISION,
        ),
        Row(f"recall at precision {LEAST_PRECISION}", others.get("recall", ""), told(ours["recall"])),
    ]
    for name in [*VARIANTS][1:]:
        lost = auc - statistics.mean(ours[name])
        most = MOST_LOST_SHORT if "first" in name else MOST_LOST_SPACING
        bar = (f"loses ≤ {most}", lost <= most) if language == "ko" else ("", None)
        table.append(Row(f"ROC-AUC, {name}", others.get(name, ""), told(ours[name]), f"{-lost:+.3f}", *bar))
    return table


# Sources held out from the iterations: kinds that the first labels have too, and kinds that they lack.
HELD_OUT = {
    "kinds that are known": (
        ("ko_docs_rust_book_editions", "ko_docs_vue"),
        ("ko_comments_korean_hate_speech", "ko_curse_detection"),
    ),
    "kinds that are not": (
        ("ko_docs_vue", "bench_korquad1_dev_wiki"),
        ("ko_seo_affiliate_products", "ko_curse_detection"),
    ),
}


def iterations() -> list[Row]:
    return [row for name, aside in HELD_OUT.items() for row in iterated(name, *aside)]


def iterated(name: str, good_aside: Sequence[str], other_aside: Sequence[str]) -> list[Row]:
    """The educational filter from 5 % of the good texts and half of the others; the rest is the pool."""
    good = [source for source in GOOD["ko"] if source not in good_aside]
    other = [source for source in OTHER["ko"] if source not in other_aside]
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)

        def written(name: str, groups: Iterable[tuple[str, str, Sequence[str]]]) -> list[Any]:
            with (home / f"{name}.jsonl").open("w", encoding="utf-8") as file:
                for label, source, some in groups:
                    for text in some:
                        file.write(
                            json.dumps({"label": label, "source": source, "text": text[:CHARACTERS]}) + "\n"
                        )
            return [TextFile(str(home / f"{name}.jsonl"))]

        def cut(source: str, start: float, end: float) -> list[str]:
            mine = texts(source)
            return mine[round(start * len(mine)) : round(end * len(mine))]

        seeds = written(
            "seeds",
            [*((HIGH, s, cut(s, 0, 0.05)) for s in good), *((LOW, s, cut(s, 0, 0.5)) for s in other)],
        )
        pool = written(
            "pool",
            [*((HIGH, s, cut(s, 0.05, 1)) for s in good), *((LOW, s, cut(s, 0.5, 1)) for s in other)],
        )
        held_out = written(
            "held_out",
            [*((HIGH, s, texts(s)) for s in good_aside), *((LOW, s, texts(s)) for s in other_aside)],
        )
        quota = 40
        made = train_educational(
            seeds,
            pool,
            home / "out",
            held_out=held_out,
            how=Iterating(iterations=6, quota=quota, least_change=0.0),
        )
    table = []
    for one in made.iterations:
        held = one.most_of_a_site <= quota
        right = "" if one.added_right is None else f", {one.added_right:.1%} of them good"
        table.append(
            Row(
                f"{name}, iteration {one.number}: {one.high} good texts, largest site {one.largest_site:.2f}, then "
                f"{one.added} added{right}",
                "",
                f"recall at precision .9 {one.recall:.3f}, AUC {one.auc:.3f}, macro-F1 {one.macro_f1:.3f}",
                "" if one.drift is None else f"drift {one.drift:.2f}",
                f"≤ {quota} of a site",
                held,
            )
        )
    first, last = made.iterations[0].recall, made.iterations[-1].recall
    table.append(
        Row(
            f"{name}: recall, first and last iteration",
            f"{first:.3f}",
            f"{last:.3f}",
            "",
            "rises",
            last > first,
        )
    )
    return table


def speed() -> list[Row]:
    """MB of UTF-8 a second of processor, of one core, and the largest difference from fastText's score."""
    table = []
    for language in ("en", "ko"):
        good, other = GOOD[language], OTHER[language]
        with tempfile.TemporaryDirectory() as scratch:
            settings = replace(default_training(language), bucket=2_000_000, dim=100, epoch=2)
            scorer = trained(good, other, DEFAULTS[language], settings, Path(scratch) / "model.bin")
            model: Any = fasttext_model.load(scorer.path)._model.f
            every = [text for source in (*good, *other) for text in texts(source)]
            array = pa.array(every, pa.large_string())
            size = sum(len(text.encode()) for text in every) / 1e6

            def by_fasttext(
                every: list[str] = every, language: str = language, model: Any = model
            ) -> list[float]:
                scores = []
                for text in every:
                    line = prepare(text, DEFAULTS[language]) + "\n"
                    ((probability, label),) = model.predict(line, 1, 0.0, "strict")
                    scores.append(probability if label.endswith(HIGH) else 1 - probability)
                return scores

            difference = float(abs(scorer.score(array) - np.clip(by_fasttext(), 0, 1)).max())
            taken = interleaved(
                {
                    "fastText": lambda f=by_fasttext: cpu_seconds(f),  # type: ignore[misc]
                    "ours": lambda s=scorer, a=array: cpu_seconds(lambda: s.score(a)),  # type: ignore[misc]
                }
            )
        theirs, ours = (size / median(taken[name]) for name in ("fastText", "ours"))
        bar = LEAST_SPEED[language]
        table += [
            Row(
                f"{language}: scoring {size:.1f} MB, 100 dimensions, 2,000,000 buckets",
                f"{theirs:.1f} MB/s",
                f"{ours:.1f} MB/s",
                f"{ours / theirs:.1f}×",
                f"≥ {bar:g} MB/s",
                ours >= bar,
            ),
            Row(
                f"{language}: largest difference",
                "",
                f"{difference:.1e}",
                "",
                f"≤ {CLOSE:g}",
                difference <= CLOSE,
            ),
        ]
    return table


PARTS: dict[str, Callable[[], list[Row]]] = {
    "english": lambda: judge("en"),
    "korean": lambda: judge("ko"),
    "iterations": iterations,
    "speed": speed,
}


def main() -> None:
    missed = False
    for part in sys.argv[1:] or PARTS:
        try:
            report(f"Classifiers: {part}" + (" (peer: eojeol)" if part == "korean" else ""), PARTS[part]())
        except SystemExit as ended:
            missed |= bool(ended.code)
    raise SystemExit(missed)


if __name__ == "__main__":
    main()
