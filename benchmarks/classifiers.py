"""Quality classifiers: how they do on sites and kinds of text that they were not trained on, and how fast they are.

    python -m benchmarks.classifiers [english korean korean-one-site-out korean-more-kinds unseen iterations speed
                                     | development]

Which texts are good and which are not, and which sites train and test, is written down in ``classifier_corpus`` and
``classifier_splits``; no person labelled a text. Settings were chosen by ``development`` alone: it prints what was
tried on splits of the other sites. The other parts test the final sites, by models of five seeds.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.classifier_corpus import KINDS, Sample, described
from benchmarks.classifier_iterations import iterations
from benchmarks.classifier_speed import speed
from benchmarks.classifier_splits import Split, development, each_site_out, final, one_site_out, unseen
from benchmarks.harness import Row, report, say
from hanji.classifiers import fasttext_model
from hanji.classifiers.figures import at_threshold, best_recall, roc_auc
from hanji.classifiers.preparing import DEFAULTS
from hanji.classifiers.quality import HIGH, LOW, QualityScorer
from hanji.classifiers.texts import Text
from hanji.classifiers.training import PIECE, default_training, write_lines

LEAST_AUC, LEAST_PRECISION, LEAST_RECALL = 0.97, 0.9, 0.8
MOST_LOST_SPACING, MOST_LOST_SHORT = 0.02, 0.05
VARIANTS: dict[str, Callable[[str], str]] = {
    "spaces removed": lambda text: text.replace(" ", ""),
    "spaces doubled": lambda text: text.replace(" ", "  "),
    "first 300 characters": lambda text: text[:300],
}
# What was tried on the development sites: pieces of so many characters (0: whole texts), and fastText's settings.
TRIED: dict[str, dict[str, dict[str, Any]]] = {
    "en": {
        "whole texts": {"piece": 0},
        "whole texts, rate 0.1": {"piece": 0, "lr": 0.1},
        "whole texts, 25 epochs": {"piece": 0, "epoch": 25},
        "whole texts, words alone": {"piece": 0, "word_ngrams": 1},
        "whole texts, 500,000 buckets": {"piece": 0, "bucket": 500_000},
        "pieces of 1,000": {"piece": 1000},
        "pieces of 300": {"piece": 300},
        "pieces of 300, rate 0.2": {"piece": 300, "lr": 0.2},
        "pieces of 300, words alone": {"piece": 300, "word_ngrams": 1},
        "pieces of 150": {"piece": 150},
    },
    "ko": {
        "whole texts": {"piece": 0},
        "pieces of 1,000": {"piece": 1000},
        "pieces of 300": {"piece": 300},
        "pieces of 100": {"piece": 100},
    },
}


def trained(
    train: Iterable[Sample], path: Path, language: str, seed: int, how: dict[str, Any]
) -> QualityScorer:
    """A model of some samples; ``how`` may have ``piece``, ``preparation`` and fastText's settings."""
    given = {name: value for name, value in how.items() if name not in ("piece", "preparation")}
    preparation = how.get("preparation", DEFAULTS[language])
    lines = path.with_suffix(".txt")
    texts = (
        (HIGH if one.good else LOW, Text(one.text, None, one.site)) for one in sorted(train, key=Sample.hash)
    )
    write_lines(lines, texts, preparation, how.get("piece", PIECE))
    fasttext_model.train(lines, path, replace(default_training(language, seed), **given))
    return QualityScorer(path, HIGH, preparation)


@dataclass
class Figures:
    """Of each split: AUC, precision at a recall of .8, recall at a precision of .9, AUC of variants and kinds."""

    auc: list[float] = field(default_factory=list)
    precision: list[float] = field(default_factory=list)
    recall: list[float] = field(default_factory=list)
    of_variant: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    of_kind: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


def judged(language: str, splits: Iterable[Split], **how: Any) -> Figures:
    """Train and test on each split. The AUC of a kind is that of its texts against all of the other label."""
    found = Figures()
    for split in splits:
        with tempfile.TemporaryDirectory() as scratch:
            scorer = trained(split.train, Path(scratch) / "model.bin", language, split.seed, how)
        texts = [sample.text for sample in split.test]
        truth = np.array([sample.good for sample in split.test])
        kinds = np.array([sample.kind for sample in split.test])
        scores = scorer.score(texts)
        found.auc.append(roc_auc(truth, scores))
        threshold = float(np.quantile(scores[truth], 1 - LEAST_RECALL))
        found.precision.append(at_threshold(truth, scores, threshold).precision)
        best = best_recall(truth, scores, LEAST_PRECISION)
        found.recall.append(best.recall if best else 0.0)
        for name, change in VARIANTS.items():
            found.of_variant[name].append(roc_auc(truth, scorer.score([change(text) for text in texts])))
        for kind in sorted(set(kinds)):
            mine = (kinds == kind) | (truth != KINDS[language][kind][0])
            found.of_kind[kind].append(roc_auc(truth[mine], scores[mine]))
    return found


def told(values: Sequence[float]) -> str:
    """Mean ± standard deviation, and the least."""
    if len(values) < 2:
        return f"{values[0]:.3f}" if values else "—"
    return f"{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f} (least {min(values):.3f})"


def judge(language: str, splits: Callable[[str], Iterable[Split]] = final) -> list[Row]:
    """The final sites, by models of five seeds; Korean beside eojeol and their bigrams."""
    ours = judged(language, splits(language))
    peer = (
        judged(language, splits(language), preparation="eojeol", word_ngrams=2) if language == "ko" else None
    )
    auc, precision = statistics.mean(ours.auc), statistics.mean(ours.precision)
    name = f"precision at recall {LEAST_RECALL}"
    table = [
        Row(
            "ROC-AUC", told(peer.auc) if peer else "", told(ours.auc), "", f"≥ {LEAST_AUC}", auc >= LEAST_AUC
        ),
        Row(
            *(name, told(peer.precision) if peer else "", told(ours.precision), "", f"≥ {LEAST_PRECISION}"),
            precision >= LEAST_PRECISION,
        ),
        Row(f"recall at precision {LEAST_PRECISION}", told(peer.recall) if peer else "", told(ours.recall)),
    ]
    for name, values in ours.of_variant.items():
        lost = auc - statistics.mean(values)
        most = MOST_LOST_SHORT if "first" in name else MOST_LOST_SPACING
        bar = (f"loses ≤ {most}", lost <= most) if language == "ko" else ("", None)
        others = told(peer.of_variant[name]) if peer else ""
        table.append(Row(f"ROC-AUC, {name}", others, told(values), f"{-lost:+.3f}", *bar))
    for kind, values in ours.of_kind.items():
        table.append(Row(f"ROC-AUC of {kind}", told(peer.of_kind[kind]) if peer else "", told(values)))
    return table


def judge_more_kinds() -> list[Row]:
    """Each Korean site left out with one of the other label: trained on eight kinds, and on twelve."""
    splits = [list(each_site_out("ko", more)) for more in (False, True)]
    eight, twelve = (judged("ko", mine) for mine in splits)
    table = [
        Row(
            f"{split.name}: ROC-AUC; precision at recall {LEAST_RECALL}",
            f"{eight.auc[place]:.3f}; {eight.precision[place]:.3f}",
            f"{twelve.auc[place]:.3f}; {twelve.precision[place]:.3f}",
        )
        for place, split in enumerate(splits[0])
    ]
    for name, of in (("ROC-AUC", "auc"), (f"precision at recall {LEAST_RECALL}", "precision")):
        table.append(Row(f"all, {name}", told(getattr(eight, of)), told(getattr(twelve, of))))
    for name, values in twelve.of_variant.items():
        table.append(Row(f"all, ROC-AUC, {name}", told(eight.of_variant[name]), told(values)))
    return table


def judge_unseen() -> list[Row]:
    """Kinds of which no text was trained on: no bar, and harder than what the bars are for."""
    table = []
    for language in KINDS:
        found = []
        for split in unseen(language):
            figures = judged(language, [split])
            found.append(figures)
            row = f"{language}: {split.name}: ROC-AUC; precision at recall {LEAST_RECALL}"
            table.append(Row(row, "", f"{figures.auc[0]:.3f}; {figures.precision[0]:.3f}"))
        mean = told([one.auc[0] for one in found])
        table.append(Row(f"{language}: all kinds, ROC-AUC", "", mean))
    return table


def chosen() -> list[Row]:
    """What was tried on the development sites; one row at a time, for it takes a while."""
    table = []
    for language, tried in TRIED.items():
        for name, how in tried.items():
            found = judged(language, development(language), **how)
            short = told(found.of_variant["first 300 characters"])
            table.append(
                Row(
                    f"{language}: {name}",
                    "",
                    told(found.auc),
                    f"precision {told(found.precision)}",
                    f"short {short}",
                )
            )
            say(f"{table[-1].what}: {table[-1].ours}; {table[-1].ratio}; {table[-1].bar}")
    return table


PARTS: dict[str, Callable[[], list[Row]]] = {
    "english": lambda: judge("en"),
    "korean": lambda: judge("ko"),
    "korean-one-site-out": lambda: judge("ko", one_site_out),
    "korean-more-kinds": judge_more_kinds,
    "unseen": judge_unseen,
    "iterations": iterations,
    "speed": speed,
}

PEERS = {
    "korean": " (peer: eojeol)",
    "korean-one-site-out": " (peer: eojeol)",
    "korean-more-kinds": " (peer: eight kinds; ours: twelve)",
}


def main() -> None:
    missed = False
    for language in KINDS:
        for kind, good, texts, sites, length in described(language):
            what = "good" if good else "other"
            say(f"{language} {kind}: {what}, {texts} texts of {sites} sites, median {length} characters")
    for part in sys.argv[1:] or PARTS:
        try:
            work = chosen if part == "development" else PARTS[part]
            report(f"Classifiers: {part}{PEERS.get(part, '')}", work())
        except SystemExit as ended:
            missed |= bool(ended.code)
    raise SystemExit(missed)


if __name__ == "__main__":
    main()
