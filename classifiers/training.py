"""Training a quality classifier: labelled texts in, a fastText model and its card out."""

from __future__ import annotations

import dataclasses
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hanji.classifiers import fasttext_model
from hanji.classifiers.card_data import data_facts
from hanji.classifiers.cards import check_place, write_card
from hanji.classifiers.fasttext_model import Training
from hanji.classifiers.figures import at_threshold, roc_auc
from hanji.classifiers.preparing import DEFAULTS, known, pieces, training_line
from hanji.classifiers.quality import HIGH, QualityScorer
from hanji.classifiers.texts import HashedTexts, Text, TextFile, TextSource, held_out_byte, site_hash
from hanji.classifiers.trained_on import write_trained_on
from hanji.errors import RecipeError
from hanji.fingerprint import file_sha256, library_versions

# Enough buckets for the n-grams of some ten thousand texts, in a model of a few megabytes.
BUCKETS = 50_000
LANGUAGES = ("ko", "en")
SCORED_AT_ONCE = 1024
PIECE = 300
"""Characters of the pieces that texts are trained on by default."""
HELD_OUT_BYTES = 26
"""Texts and sites with a byte of their hash below this are held out: a tenth."""


@dataclass(frozen=True)
class Report:
    """What training made: model and card paths, texts by label, and how it does on the held-out tenth."""

    model: str
    card: str
    counts: dict[str, int]
    held_out: int
    auc: float
    precision: float
    recall: float
    notes: list[str]


def default_training(language: str, seed: int = 0) -> Training:
    """DCLM's n-grams for English; for Korean syllable trigrams, since a syllable says less than a word.

    fastText makes one step a text: with some thousands of them its own rate of 0.1 leaves a model half trained.
    """
    ngrams = 3 if language == "ko" else 2
    return Training(lr=0.5, word_ngrams=ngrams, bucket=BUCKETS, dim=32, epoch=10, seed=seed)


def train(
    files: Sequence[str | Path],
    output: str | Path,
    language: str,
    settings: Training | None = None,
    *,
    by_label: Mapping[str, Sequence[str | Path]] | None = None,
    sources: Sequence[TextSource] = (),
    most: int | None = None,
    high: str = HIGH,
    preparation: str | None = None,
    hold_out: Literal["texts", "sites"] = "texts",
    piece: int = PIECE,
) -> Report:
    """Train from labelled texts and write MODEL.bin and its card.

    ``files`` are JSONL (plain or .gz) or Parquet with text and label; ``by_label`` gives files whose rows need no
    label because all of them have the same; ``sources`` are others, such as runs. ``high`` is the label of good
    texts. Of each label at most ``most`` texts are used, chosen by hash, so that a large negative set does not
    drown a small positive one. A tenth is held out for the figures of the card, by hash of the text or of its site.
    Texts are trained on in pieces of ``piece`` characters (0: whole, as DCLM does) and always scored whole.
    The same texts give the same model, byte for byte, whatever the files' order. Raises InputError naming file and
    line for a row that is not as it should be, and RecipeError if a label is missing altogether.
    """
    if language not in LANGUAGES:
        raise RecipeError(f"language: {language!r} is not allowed: {' or '.join(LANGUAGES)}")
    preparation = preparation or DEFAULTS[language]
    known(preparation)
    settings = settings or default_training(language)
    every: list[TextSource] = [TextFile(str(file)) for file in files]
    every += [TextFile(str(file), label) for label, named in (by_label or {}).items() for file in named]
    every += sources
    output = Path(output)
    check_place(output, "quality")
    with tempfile.TemporaryDirectory() as scratch:
        texts = HashedTexts(scratch)
        texts.fill(every)
        counts: Counter[str] = Counter()
        lines = Path(scratch) / "lines.txt"
        for label, _ in texts.texts(most):
            counts[label] += 1
        check_labels(counts, high)
        trained_on = (pair for pair in texts.texts(most) if not _held_out(pair[1], hold_out))
        write_lines(lines, trained_on, preparation, piece)
        rate, notes = fasttext_model.train(lines, output, settings)
        write_trained_on(output, (text for _, text in texts.texts(most) if not _held_out(text, hold_out)))
        card: dict[str, Any] = {
            "kind": "quality",
            "language": language,
            "model": output.name,
            "sha256": file_sha256(output),
            "high": high,
            "preparation": preparation,
            "labels": dict(sorted(counts.items())),
            "training": dataclasses.asdict(settings) | {"lr": rate, "piece_characters": piece},
            "most_of_a_label": most,
            "data": data_facts(every),
            "versions": library_versions("fasttext", "hanji"),
            "notes": notes,
            "limits": "Labels come with the data and are only as good as it; scores order texts of one language "
            "and are no probabilities of quality; a threshold holds for this model alone.",
        }
        card_path = write_card(output, card)
        held_out = (pair for pair in texts.texts(most) if _held_out(pair[1], hold_out))
        truth, scores = scored(QualityScorer(output), held_out, high)
    auc, kept = roc_auc(truth, scores), at_threshold(truth, scores, 0.5)
    tells = bool(truth.any() and not truth.all())
    # As before any text was kept: no precision is 0 here, so that the card is valid JSON.
    precision, recall = (_or_zero(kept.precision), _or_zero(kept.recall)) if tells else (auc, auc)
    card["held_out"] = {
        "by": hold_out,
        "texts": len(truth),
        "auc": _or_none(auc),
        "precision": _or_none(precision),
        "recall": _or_none(recall),
    }
    write_card(output, card)
    return Report(str(output), card_path, dict(counts), len(truth), auc, precision, recall, notes)


def write_lines(path: Path, texts: Iterable[tuple[str, Text]], preparation: str, piece: int) -> None:
    """Write the lines that fastText is trained on, in the order of the hash of texts or pieces.

    By hash, so that fastText sees neither one label after the other, nor a text's pieces one after the other, nor
    the order of the files. Pieces show it texts as short as those that it will score, and give a long text as
    many steps as its length is worth: fastText makes one step a line. ``texts`` come in the order of their hash.
    """
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        if piece:
            cut = HashedTexts(scratch)
            cut.add(
                (label, replace(text, text=part))
                for label, text in texts
                for part in pieces(text.text, piece)
            )
            texts = cut.texts()
        with path.open("w", encoding="utf-8") as file:
            for label, text in texts:
                file.write(training_line(label, text.text, preparation))


def check_labels(counts: Mapping[str, int], high: str) -> None:
    """Raise RecipeError if there are no good texts or no others."""
    if high not in counts or len(counts) < 2:
        found = ", ".join(f"{label} × {count}" for label, count in sorted(counts.items())) or "none"
        raise RecipeError(f"labels: a classifier needs texts labelled {high!r} and others; found: {found}")


def scored(
    scorer: QualityScorer, texts: Iterable[tuple[str, Text]], high: str
) -> tuple[np.ndarray, np.ndarray]:
    """(whether each text's label is the good one, bool[n]; its score, float64[n]), scored in batches."""
    truth: list[bool] = []
    scores: list[np.ndarray] = []
    for batch in batches(texts):
        truth += [label == high for label, _ in batch]
        scores.append(scorer.score([text.text for _, text in batch]))
    return np.array(truth, bool), np.concatenate([np.zeros(0), *scores])


def batches(texts: Iterable[tuple[str, Text]]) -> Iterator[list[tuple[str, Text]]]:
    """Texts in lists that are scored at once."""
    batch: list[tuple[str, Text]] = []
    for pair in texts:
        batch.append(pair)
        if len(batch) == SCORED_AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def _held_out(text: Text, by: str) -> bool:
    byte = site_hash(text.site)[0] if by == "sites" else held_out_byte(text)
    return byte < HELD_OUT_BYTES


def _or_zero(value: float) -> float:
    return 0.0 if np.isnan(value) else value


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else value
