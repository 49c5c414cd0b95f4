"""The models of an evaluation: opened with their cards, checked against each other and against the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from hanji.classifiers.card_data import data_rows
from hanji.classifiers.evaluating.material import Split
from hanji.classifiers.evaluating.ngrams import Reader
from hanji.classifiers.linear import linear_model
from hanji.classifiers.quality import QualityScorer, read_card
from hanji.classifiers.texts import TextSource
from hanji.classifiers.trained_on import TrainedOn, read_trained_on
from hanji.errors import InputError, RecipeError

LANGUAGES = ("ko", "en")
KEEP = 0.5


@dataclass(frozen=True)
class Model:
    """A model under evaluation. ``known``: what it was trained on, None where it does not say."""

    name: str
    path: Path
    card: dict[str, Any]
    language: str
    scorer: QualityScorer
    threshold: float
    known: TrainedOn | None

    def reader(self) -> Reader | None:
        """The model as a linear one, which tells what it goes by; None if only fastText can predict with it."""
        status = self.path.stat()
        linear = linear_model(str(self.path), status.st_size, status.st_mtime_ns)
        return Reader(linear, self.scorer.label, self.scorer.preparation) if linear is not None else None


def open_models(
    paths: Sequence[str | Path], language: str | None = None, threshold: float | None = None
) -> list[Model]:
    """Open one model or two, of one language.

    A directory stands for the ``model.bin`` in it. ``language`` is needed for a model without a card. A threshold
    that is not given is the one that the card's figures are for, else a half. Raises InputError for a missing or
    broken model or a card of another model, and RecipeError where languages differ or are not known.
    """
    if threshold is not None and not 0 <= threshold <= 1:
        raise RecipeError(f"--threshold: {threshold:g} is not allowed: 0 to 1")
    found = []
    for given in paths:
        path = Path(given) / "model.bin" if Path(given).is_dir() else Path(given)
        if not path.is_file():
            raise InputError(f"{path}: no such model file")
        card = read_card(path)
        if card.get("kind") == "domains":
            raise RecipeError(
                f"{path}: a classifier of domains, as its card says; use `hanji classifier evaluate-domain`"
            )
        scorer = QualityScorer(path)
        if card.get("sha256", scorer.sha256) != scorer.sha256:
            raise InputError(
                f"{path.with_suffix('.json')}: the card of another model: its sha256 is {card['sha256']}, that of "
                f"{path.name} is {scorer.sha256}"
            )
        of_card = card.get("language")
        if language is not None and of_card is not None and language != of_card:
            raise RecipeError(
                f"--language: {language!r}: {path} is a model for {of_card!r}, as its card says"
            )
        chosen = of_card or language
        if chosen is None:
            raise RecipeError(f"{path}: has no card that names its language; give --language ko or en")
        if chosen not in LANGUAGES:
            raise RecipeError(f"{path}: language {chosen!r} is not allowed: {' or '.join(LANGUAGES)}")
        keep = (card.get("iterating") or {}).get("keep", KEEP) if threshold is None else threshold
        known = read_trained_on(path)
        found.append(Model(path.name, path, card, chosen, scorer, float(keep), known))
    if len({model.language for model in found}) > 1:
        told = ", ".join(f"{model.path} is for {model.language}" for model in found)
        raise RecipeError(f"MODEL2: models of one language can be compared; {told}")
    if len({model.name for model in found}) < len(found):
        found = [
            Model(str(m.path), m.path, m.card, m.language, m.scorer, m.threshold, m.known) for m in found
        ]
    return found


class Trained(Protocol):
    """A model of any kind that has a card, and what it was trained on."""

    @property
    def name(self) -> str: ...
    @property
    def path(self) -> Path: ...
    @property
    def card(self) -> dict[str, Any]: ...
    @property
    def known(self) -> TrainedOn | None: ...


def check_data(models: Sequence[Trained], sources: Sequence[TextSource], split: Split) -> list[str]:
    """Warnings of what cannot be told about the training of models.

    Raises RecipeError where a model without hashes of its sites was trained on what it is to be evaluated on.
    """
    warnings = []
    for model in models:
        if model.known is not None:
            continue
        trained_on = {row["hash"] for row in data_rows(model.card.get("data"))}
        same = [source.name for source in sources if trained_on and source.identity() in trained_on]
        if same and split != "none":
            raise RecipeError(
                f"{model.path}: was trained on {', '.join(same)} (the hashes are the same) and has no list of its "
                f"sites ({model.path.with_suffix('.trained-on.parquet').name}), so what it saw cannot be left out. "
                "Give other texts, train it again, or --split none"
            )
        warnings.append(
            f"{model.name} does not say which texts it was trained on: these may be among them"
            + (f", and {', '.join(same)} are" if same else "")
        )
    return warnings
