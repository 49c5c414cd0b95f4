"""Quality classifiers: fastText models of "high" against "low", trained from labelled texts.

English follows DCLM (Li et al. 2024): words and word bigrams of the text with line ends as spaces. Korean
is cut into syllables without spaces, and their n-grams up to 3, so that spacing, which Koreans vary freely,
moves no score.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hanji.classifiers import fasttext_model
from hanji.classifiers.fasttext_model import LABEL, Training, one_line
from hanji.errors import InputError, RecipeError
from hanji.fingerprint import file_sha256, library_versions

HIGH = "high"
# Enough buckets for the n-grams of some ten thousand texts, in a model of a few megabytes.
BUCKETS = 50_000
LANGUAGES = ("ko", "en")
_SYLLABLES = re.compile(r"[가-힣ㄱ-ㅎㅏ-ㅣ一-鿿]|[a-z0-9]+|[^\s\w]", re.IGNORECASE)


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


def preprocess(text: str, language: str) -> str:
    """The line that fastText sees. Korean: syllables, each a word; English: the text on one line."""
    if language == "ko":
        return " ".join(_SYLLABLES.findall(text.lower()))
    return " ".join(one_line(text).split())


def default_training(language: str, seed: int = 0) -> Training:
    """DCLM's settings for English; for Korean syllable trigrams, since a syllable says less than a word."""
    return Training(word_ngrams=3 if language == "ko" else 2, bucket=BUCKETS, dim=32, epoch=10, seed=seed)


def train(
    files: Sequence[str | Path],
    output: str | Path,
    language: str,
    settings: Training | None = None,
    *,
    by_label: Mapping[str, Sequence[str | Path]] | None = None,
    most: int | None = None,
) -> Report:
    """Train from JSONL files of {"text", "label"} (plain or .gz) and write MODEL.bin and its card.

    ``by_label`` gives files whose rows need no label because all of them have the same. Of each label at most
    ``most`` texts are used, chosen by hash, so that a large negative set does not drown a small positive one.
    A tenth, by hash of the text, is held out for the figures of the card. The same files give the same
    model, byte for byte. Raises InputError naming file and line for a row that is not as it should be, and
    RecipeError if a label is missing altogether.
    """
    if language not in LANGUAGES:
        raise RecipeError(f"language: {language!r} is not allowed: {' or '.join(LANGUAGES)}")
    settings = settings or default_training(language)
    sources: list[tuple[str | None, str | Path]] = [(None, file) for file in files]
    sources += [(label, file) for label, named in (by_label or {}).items() for file in named]
    rows = _at_most(most, {row for label, file in sources for row in read_labelled(file, label)})
    counts = {label: sum(name == label for name, _ in rows) for label in {name for name, _ in rows}}
    if HIGH not in counts or len(counts) < 2:
        found = ", ".join(f"{label} × {count}" for label, count in sorted(counts.items())) or "none"
        raise RecipeError(f"labels: a classifier needs texts labelled {HIGH!r} and others; found: {found}")
    held_out = [row for row in rows if _held_out(row[1])]
    training = [row for row in rows if not _held_out(row[1])]
    # By hash: fastText sees neither one label after the other nor the order of the files.
    training.sort(key=_hash)
    output = Path(output)
    with tempfile.TemporaryDirectory() as scratch:
        lines = Path(scratch) / "lines.txt"
        with lines.open("w", encoding="utf-8", errors="replace") as file:
            for label, text in training:
                file.write(f"{LABEL}{label} {preprocess(text, language)}\n")
        rate, notes = fasttext_model.train(lines, output, settings)
    card_path = output.with_suffix(".json")
    card: dict[str, Any] = {
        "kind": "quality",
        "language": language,
        "model": output.name,
        "sha256": file_sha256(output),
        "labels": dict(sorted(counts.items())),
        "training": fasttext_model.training_facts(settings) | {"lr": rate},
        "most_of_a_label": most,
        "data": {Path(file).name: file_sha256(file) for _, file in sources},
        "versions": library_versions("fasttext"),
        "notes": notes,
    }
    card_path.write_text(json.dumps(card, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    truth = np.array([label == HIGH for label, _ in held_out], bool)
    scores = QualityScorer(output).score([text for _, text in held_out])
    auc, precision, recall = _figures(truth, scores)
    card["held_out"] = {"texts": len(held_out), "auc": auc, "precision": precision, "recall": recall}
    card_path.write_text(json.dumps(card, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return Report(str(output), str(card_path), counts, len(held_out), auc, precision, recall, notes)


def read_labelled(path: str | Path, given: str | None = None) -> Iterator[tuple[str, str]]:
    """(label, text) of every row; ``given`` stands for the rows'.

    Raises InputError naming the file and the line.
    """
    target = Path(path)
    try:
        file = gzip.open(target, "rb") if target.suffix == ".gz" else target.open("rb")  # noqa: SIM115
    except OSError as error:
        raise InputError(f"{target}: {error.strerror or error}") from None
    with file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                label, text = given or row["label"], row["text"]
            except (ValueError, KeyError, TypeError) as error:
                what = f"no field {error}" if isinstance(error, KeyError) else f"not a JSON object: {error}"
                raise InputError(f"{target}:{number}: {what}") from None
            if not isinstance(label, str) or not isinstance(text, str) or not re.fullmatch(r"\S+", label):
                raise InputError(f"{target}:{number}: label and text are text, and a label has no spaces")
            yield label, text


class QualityScorer:
    """Scores texts with a classifier made by :func:`train` (or any fastText model with a label "high")."""

    def __init__(self, path: str | Path) -> None:
        self._model = fasttext_model.load(path)
        labels = self._model.labels()
        if HIGH not in labels:
            raise InputError(f"{path}: has no label {HIGH!r}; its labels are: {', '.join(labels)}")
        self._language = self._read_language(Path(path))

    def _read_language(self, path: Path) -> str:
        """The language of the card beside the model; a model without one sees text as English does."""
        card = path.with_suffix(".json")
        if not card.is_file():
            return "en"
        try:
            return str(json.loads(card.read_text(encoding="utf-8"))["language"])
        except (ValueError, KeyError):
            raise InputError(f"{card}: not a model card of `hanji classifier train`") from None

    def identity(self) -> str:
        """What scores depend on: the model's SHA-256 and how text is prepared for it."""
        return f"{self._model.sha256}-{self._language}"

    def score(self, texts: Sequence[str]) -> np.ndarray:
        """P("high") of each text, float64 in [0, 1]."""
        lines = [preprocess(text, self._language) for text in texts]
        return np.array(self._model.probability(lines, HIGH), np.float64)


def _at_most(most: int | None, rows: set[tuple[str, str]]) -> list[tuple[str, str]]:
    """The rows in order; of each label the first ``most`` by hash of the text."""
    if most is None:
        return sorted(rows)
    taken: list[tuple[str, str]] = []
    for label in sorted({label for label, _ in rows}):
        taken += sorted((row for row in rows if row[0] == label), key=_hash)[:most]
    return sorted(taken)


def _hash(row: tuple[str, str]) -> bytes:
    return hashlib.blake2b(row[1].encode("utf-8", "surrogatepass")).digest()


def _held_out(text: str) -> bool:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=2).digest()[0] < 26


def _figures(truth: np.ndarray, scores: np.ndarray) -> tuple[float, float, float]:
    """(ROC-AUC, precision, recall at 0.5); NaN where the held-out texts do not tell."""
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if not positives or not negatives:
        return float("nan"), float("nan"), float("nan")
    order = scores.argsort(kind="stable")
    ranks = np.empty(len(scores))
    ranks[order] = np.arange(1, len(scores) + 1)
    for value in np.unique(scores):  # ties share their mean rank
        ranks[scores == value] = ranks[scores == value].mean()
    auc = (ranks[truth].sum() - positives * (positives + 1) / 2) / (positives * negatives)
    kept = scores >= 0.5
    hits = int((kept & truth).sum())
    return float(auc), hits / max(int(kept.sum()), 1), hits / positives
