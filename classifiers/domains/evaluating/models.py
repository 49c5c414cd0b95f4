"""The domain models of an evaluation: opened with their cards, and told from models of another kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hanji.classifiers.domains.scoring import DomainScorer
from hanji.classifiers.evaluating.models import check_hash, comparable, language_of
from hanji.classifiers.evaluating.ngrams import Reader
from hanji.classifiers.linear import linear_model
from hanji.classifiers.quality import GOOD_LABELS, read_card
from hanji.classifiers.trained_on import TrainedOn, read_trained_on
from hanji.errors import InputError, RecipeError
from hanji.fingerprint import file_sha256

KIND = "domains"
_OTHER = "`hanji classifier evaluate` is for models of good texts and of perplexity"


@dataclass(frozen=True)
class DomainModel:
    """A domain model under evaluation. ``known``: what it was trained on, None where it does not say."""

    name: str
    path: Path
    card: dict[str, Any]
    language: str
    sha256: str
    scorer: DomainScorer
    known: TrainedOn | None

    def reader(self, label: str) -> Reader | None:
        """The model as a linear one that tells what it goes by; None if only fastText can predict with it."""
        status = self.path.stat()
        linear = linear_model(str(self.path), status.st_size, status.st_mtime_ns)
        known = linear is not None and label in linear.labels
        return Reader(linear, label, self.scorer.preparation) if linear is not None and known else None


def open_domain_models(paths: Sequence[str | Path], language: str | None = None) -> list[DomainModel]:
    """Open one domain model or two, of one language; ``language`` is needed for a model without a card.

    Raises InputError for a missing or broken model or a card of another model, and RecipeError for a model of
    another kind, and where languages differ or are not known.
    """
    found = []
    for given in paths:
        path = Path(given)
        if (path / "model.bin").is_file():
            raise RecipeError(f"{path}: a directory of train-edu, no domain model; {_OTHER}")
        if not path.is_file():
            raise InputError(f"{path}: no such model file")
        card = read_card(path)
        if card.get("kind", KIND) != KIND:
            raise RecipeError(
                f"{path}: its card says that it is a model of the kind {card['kind']!r}, not of domains; {_OTHER}"
            )
        scorer = DomainScorer(path)
        if not card and set(scorer.labels) & set(GOOD_LABELS) and len(scorer.labels) == 2:
            raise RecipeError(
                f"{path}: its labels are {' and '.join(scorer.labels)}, which are no domains; {_OTHER}"
            )
        sha256 = file_sha256(path)
        check_hash(path, card, path.name, sha256)
        found.append(
            DomainModel(
                path.name,
                path,
                card,
                language_of(path, card, language),
                sha256,
                scorer,
                read_trained_on(path),
            )
        )
    return comparable(found)
