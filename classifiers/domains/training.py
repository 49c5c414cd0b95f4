"""Training a classifier of domains: labelled texts in, a fastText model of many labels and its card out."""

from __future__ import annotations

import dataclasses
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hanji.classifiers import fasttext_model
from hanji.classifiers.card_data import data_facts
from hanji.classifiers.cards import check_place, write_card
from hanji.classifiers.domains.figures import confusion, macro_f1, of_labels
from hanji.classifiers.domains.scoring import DomainScorer
from hanji.classifiers.fasttext_model import Training
from hanji.classifiers.preparing import DEFAULTS, known, training_line
from hanji.classifiers.texts import HashedTexts, Text, TextSource, held_out_byte, site_hash
from hanji.classifiers.trained_on import write_trained_on
from hanji.classifiers.training import HELD_OUT_BYTES, LANGUAGES, batches, default_training
from hanji.errors import RecipeError
from hanji.fingerprint import file_sha256, library_versions

HoldOut = Literal["texts", "sites", "nothing"]


@dataclass(frozen=True)
class DomainReport:
    """What training made, and how it does on what was held out.

    ``table[i][j]``: held-out texts of label i that were taken for label j (``labels``, at last none).
    ``macro_f1``: mean of the F1 of those labels that the held-out texts have, NaN where there are none.
    """

    model: str
    card: str
    counts: dict[str, int]
    labels: list[str]
    held_out: int
    macro_f1: float
    table: list[list[int]]
    notes: list[str]


def train_domains(
    sources: Sequence[TextSource],
    output: str | Path,
    language: str,
    settings: Training | None = None,
    *,
    most: int | None = None,
    preparation: str | None = None,
    hold_out: HoldOut = "sites",
) -> DomainReport:
    """Train from texts that have a label each and write MODEL.bin and its card.

    Of each label at most ``most`` texts are used, chosen by hash. A tenth is held out for the figures, by hash of
    the text or of its site, or nothing; texts of one site in training and test make figures that are too good. The
    same texts give the same model, byte for byte, whatever the files' order. Raises RecipeError where there are not
    two labels.
    """
    if language not in LANGUAGES:
        raise RecipeError(f"language: {language!r} is not allowed: {' or '.join(LANGUAGES)}")
    preparation = preparation or DEFAULTS[language]
    known(preparation)
    settings = settings or default_training(language)
    output = Path(output)
    check_place(output, "domains")
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        texts = HashedTexts(scratch)
        texts.fill(sources)
        counts: Counter[str] = Counter()
        lines = Path(scratch) / "lines.txt"
        with lines.open("w", encoding="utf-8") as file:
            for label, text in texts.texts(most):
                counts[label] += 1
                if not _held_out(text, hold_out):
                    file.write(training_line(label, text.text, preparation))
        if len(counts) < 2:
            raise RecipeError(f"labels: a classifier needs two or more; found: {', '.join(counts) or 'none'}")
        rate, notes = fasttext_model.train(lines, output, settings)
        write_trained_on(output, (text for _, text in texts.texts(most) if not _held_out(text, hold_out)))
        scorer = DomainScorer(output)
        truth: list[str] = []
        told: list[str] = []
        for batch in batches(pair for pair in texts.texts(most) if _held_out(pair[1], hold_out)):
            truth += [label for label, _ in batch]
            told += scorer.predict([text.text for _, text in batch])[0].fill_null("").to_pylist()
    missing = sorted(set(counts) - set(scorer.labels))
    notes += [f"label {label}: all its texts are held out, the model does not know it" for label in missing]
    labels = sorted(counts)
    table = confusion(truth, told, labels)
    figure = macro_f1(table)
    card: dict[str, Any] = {
        "kind": "domains",
        "language": language,
        "model": output.name,
        "sha256": file_sha256(output),
        "preparation": preparation,
        "labels": {label: counts[label] for label in labels},
        "training": dataclasses.asdict(settings) | {"lr": rate},
        "most_of_a_label": most,
        "data": data_facts(sources),
        "versions": library_versions("fasttext", "hanji"),
        "notes": notes,
        "held_out": {
            "by": hold_out,
            "texts": len(truth),
            "macro_f1": None if np.isnan(figure) else figure,
            "labels": of_labels(table, labels),
            "confusion": {
                "rows": "label",
                "columns": "predicted, at last none of them",
                "labels": labels,
                "texts": table.tolist(),
            },
        },
        "limits": "Labels say what kind of source a text is from; a text of a kind that no label stands for is "
        "given the nearest one, so look at its probability.",
    }
    card_path = write_card(output, card)
    return DomainReport(
        str(output), card_path, dict(counts), labels, len(truth), figure, table.tolist(), notes
    )


def _held_out(text: Text, by: str) -> bool:
    if by == "nothing":
        return False
    byte = site_hash(text.site)[0] if by == "sites" else held_out_byte(text)
    return byte < HELD_OUT_BYTES
