"""The models of an evaluation: opened with their cards, checked against each other and against the data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from hanji.classifiers.card_data import data_rows
from hanji.classifiers.evaluating.material import Split
from hanji.classifiers.evaluating.measure import PERPLEXITIES, SCORES, Kind, Measure
from hanji.classifiers.evaluating.ngrams import Reader
from hanji.classifiers.evaluating.perplexity import TurnedPerplexity, perplexity_model
from hanji.classifiers.linear import linear_model
from hanji.classifiers.quality import QualityScorer, card_path, read_card
from hanji.classifiers.texts import TextSource
from hanji.classifiers.trained_on import TrainedOn, read_trained_on
from hanji.errors import InputError, RecipeError

LANGUAGES = ("ko", "en")
KEEP = 0.5


@dataclass(frozen=True)
class Model:
    """A model under evaluation.

    ``known``: what it was trained on, None where it does not say. ``threshold``: as it is told; NaN for a
    perplexity model before there are texts that say it (``perplexity_figures.settle``).
    """

    name: str
    path: Path
    card: dict[str, Any]
    language: str
    scorer: QualityScorer | TurnedPerplexity
    threshold: float
    known: TrainedOn | None
    measure: Measure = SCORES

    def reader(self) -> Reader | None:
        """The model as a linear one, which tells what it goes by; None if only fastText can predict with it."""
        if self.measure is not SCORES:
            return None
        status = self.path.stat()
        linear = linear_model(str(self.path), status.st_size, status.st_mtime_ns)
        return Reader(linear, self.scorer.label, self.scorer.preparation) if linear is not None else None


def open_models(
    paths: Sequence[str | Path], language: str | None = None, threshold: float | None = None
) -> list[Model]:
    """Open one model or two, of one language.

    A directory stands for the ``model.bin`` in it; a perplexity model is named by either of its files, its card or
    what these begin with. ``language`` is needed for a model without a card. A threshold of up to 1 is one of
    scores, above 1 one of perplexities; one of scores that is not given is the one that the card's figures are for,
    else a half. Raises InputError for a missing or broken model or a card of another model, and RecipeError where
    languages differ or are not known, and where KenLM is needed and not installed.
    """
    pairs = [find_model(Path(given)) for given in paths]
    if threshold is not None:
        _check_number("--threshold", threshold, {measure.kind for _, measure in pairs})
    found = []
    for path, measure in pairs:
        card = read_card(path)
        if card.get("kind") == "domains":
            raise RecipeError(
                f"{path}: a classifier of domains, as its card says; use `hanji classifier evaluate-domain`"
            )
        scorer: QualityScorer | TurnedPerplexity
        try:
            scorer = QualityScorer(path) if measure is SCORES else TurnedPerplexity(path)
        except InputError as error:
            if card or measure is not SCORES:
                raise
            raise InputError(f"{error} (for domains: `hanji classifier evaluate-domain`)") from None
        for key, file, sha256 in scorer.files():
            check_hash(path, card, file, sha256, key)
        chosen = language_of(path, card, language)
        keep = math.nan if measure is PERPLEXITIES else (card.get("iterating") or {}).get("keep", KEEP)
        if threshold is not None and measure.is_threshold(threshold):
            keep = threshold
        known = read_trained_on(path)
        found.append(Model(path.name, path, card, chosen, scorer, float(keep), known, measure))
    return comparable(found)


class Opened(Protocol):
    """A model of an evaluation."""

    @property
    def name(self) -> str: ...
    @property
    def path(self) -> Path: ...
    @property
    def language(self) -> str: ...


M = TypeVar("M", bound=Opened)


def comparable(models: list[M]) -> list[M]:
    """The models, under their paths if their names are one. Raises RecipeError for models of two languages."""
    if len({model.language for model in models}) > 1:
        told = ", ".join(f"{model.path} is for {model.language}" for model in models)
        raise RecipeError(f"MODEL2: models of one language can be compared; {told}")
    if len({model.name for model in models}) < len(models):
        return [replace(model, name=str(model.path)) for model in models]  # type: ignore[type-var]
    return models


def check_hash(path: Path, card: Mapping[str, Any], file: str, sha256: str, key: str = "sha256") -> None:
    """Raise InputError where a model's card has another hash of one of its files; a card may have none."""
    if card.get(key, sha256) != sha256:
        raise InputError(
            f"{card_path(path)}: the card of another model: its {key} is {card[key]}, that of {file} is {sha256}"
        )


def language_of(path: Path, card: Mapping[str, Any], given: str | None) -> str:
    """The language of a model: its card's, else the one given. Raises RecipeError for none, another, or both."""
    of_card = card.get("language")
    if given is not None and of_card is not None and given != of_card:
        raise RecipeError(f"--language: {given!r}: {path} is a model for {of_card!r}, as its card says")
    chosen = of_card or given
    if chosen is None:
        raise RecipeError(f"{path}: has no card that names its language; give --language ko or en")
    if chosen not in LANGUAGES:
        raise RecipeError(f"{path}: language {chosen!r} is not allowed: {' or '.join(LANGUAGES)}")
    return str(chosen)


def find_model(given: Path) -> tuple[Path, Measure]:
    """The file of a model that a person names, and what it measures. Raises InputError where there is none."""
    path = given / "model.bin" if given.is_dir() else given
    if (perplexity := perplexity_model(path)) is not None:
        return perplexity, PERPLEXITIES
    if not path.is_file():
        raise InputError(f"{path}: no such model file")
    return path, SCORES


def check_values(models: Sequence[Model], values: Sequence[float]) -> None:
    """Raises RecipeError for a value of ``--at`` that is one of no model's."""
    for value in values:
        _check_number("--at", value, {model.measure.kind for model in models})


def _check_number(option: str, value: float, kinds: set[Kind]) -> None:
    if any(measure.kind in kinds and measure.is_threshold(value) for measure in (SCORES, PERPLEXITIES)):
        return
    allowed = {"quality": "a score, 0 to 1", "perplexity": "a perplexity, above 1"}
    said = " or ".join(allowed[kind] for kind in sorted(kinds, reverse=True))
    raise RecipeError(f"{option}: {value:g} is not allowed: {said}")


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
