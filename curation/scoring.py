"""What models say of a document beside its quality, as a recipe asks for it: perplexity and domain.

Columns of signals/quality and of the facts that are there only in runs whose recipe asks for them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hanji.classifiers.domains.scoring import DomainScorer
from hanji.classifiers.perplexity.scoring import LIBRARIES, PerplexityScorer
from hanji.classifiers.quality import card_path, read_card
from hanji.curation.decisions.rules import Rule, columns_of
from hanji.curation.model_recipe import Domains, Perplexity
from hanji.curation.records import TEXT
from hanji.curation.signals.ratios import MODEL_COLUMNS
from hanji.errors import HanjiError, InputError, RecipeError

PERPLEXITY = "perplexity"
"""float64, null where the language has no model, and for a text that has no perplexity."""
PREDICTED, PROBABILITY = "predicted_domain", "domain_probability"
"""Text and float64, null where the language has no model, and for a text of which it knows nothing."""
_DOMAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def score_field(name: str) -> pa.Field:
    """A column of signals/quality: all are numbers but the name of a domain."""
    return pa.field(name, TEXT if name == PREDICTED else pa.float64())


@dataclass(frozen=True)
class Scoring:
    """The models of a recipe that are no quality classifiers."""

    perplexity: Mapping[Any, Perplexity]
    domains: Domains | None

    def __bool__(self) -> bool:
        return bool(self.columns())

    def columns(self) -> list[str]:
        """The columns that these models make."""
        of_domains = [PREDICTED, PROBABILITY] if self.domains is not None else []
        return [*([PERPLEXITY] if self.perplexity else []), *of_domains]

    def libraries(self) -> tuple[str, ...]:
        """Libraries whose versions these columns depend on, beside fastText."""
        return LIBRARIES if self.perplexity else ()

    def domain_models(self) -> dict[str, str]:
        """Paths of the domain classifiers by language."""
        return {} if self.domains is None else self.domains.models()

    def placed(self) -> Domains | None:
        """The domains, where they decide the component."""
        return self.domains if self.domains is not None and self.domains.apply == "component" else None

    def identities(self) -> dict[str, Any]:
        """What the columns depend on. Raises RecipeError for a model that cannot be used."""
        found: dict[str, dict[str, str]] = {}
        for language, pair in sorted(self.perplexity.items()):
            try:
                identity = PerplexityScorer(pair.model, pair.sentencepiece).identity()
            except HanjiError as error:
                raise RecipeError(f"perplexity.{language}: {error}") from None
            found.setdefault("perplexity", {})[language] = identity
        for language, path in self.domain_models().items():
            try:
                scorer = DomainScorer(path)
                check_card(scorer.path, language, scorer.identity().partition("-")[0])
            except HanjiError as error:
                hint = "`hanji classifier train-domain` makes one from labelled texts"
                raise RecipeError(f"domains.{language}: {error}; {hint}") from None
            for label in scorer.labels:
                if not _DOMAIN_NAME.fullmatch(label):
                    raise RecipeError(
                        f"domains.{language}: {path}: its label {label!r} cannot be the name of a domain: letters "
                        "and digits of ASCII, then also _ . -"
                    )
            found.setdefault("domains", {})[language] = scorer.identity()
        return found

    def check(self, rules: Mapping[Any, Sequence[Rule]]) -> None:
        """Raises RecipeError for a rule over what no model of its language makes."""
        there = {PERPLEXITY: set(self.perplexity), PROBABILITY: set(self.domain_models())}
        fields = {PERPLEXITY: "perplexity", PROBABILITY: "domains"}
        for language, some in sorted(rules.items()):
            for rule in some:
                for column in sorted(columns_of(rule.signal) & set(MODEL_COLUMNS)):
                    if language not in there[column]:
                        raise RecipeError(
                            f"rules: {rule.name} (for {language}) judges {column}, which needs a model: "
                            f"{fields[column]}.{language} (docs/classifiers.md)"
                        )

    def score(self, languages: pa.Array, texts: pa.Array) -> dict[str, pa.Array]:
        """The columns, a row a text."""
        made: dict[str, pa.Array] = {}
        if self.perplexity:
            values = np.full(len(texts), np.nan)
            for language, pair in sorted(self.perplexity.items()):
                rows = _rows(languages, language)
                if len(rows):
                    scorer = PerplexityScorer(pair.model, pair.sentencepiece)
                    values[rows] = scorer.score(texts.take(pa.array(rows)))
            made[PERPLEXITY] = pa.array(values, mask=np.isnan(values))
        if self.domains is not None:
            names: Any = pa.nulls(len(texts), TEXT)
            values = np.full(len(texts), np.nan)
            for language, path in self.domain_models().items():
                rows = _rows(languages, language)
                if len(rows):
                    found, values[rows] = DomainScorer(path).predict(texts.take(pa.array(rows)))
                    place = np.full(len(texts), -1, np.int64)
                    place[rows] = np.arange(len(rows))
                    names = pc.coalesce(found.take(pa.array(place, mask=place < 0)), names)
            made |= {PREDICTED: names, PROBABILITY: pa.array(values, mask=np.isnan(values))}
        return made


def check_card(model: Path, language: str, sha256: str) -> None:
    """Raises InputError for a model whose card, if it has one, is that of another model or of another language."""
    card = read_card(model)
    if card.get("sha256", sha256) != sha256:
        raise InputError(
            f"{card_path(model)}: the card of another model (its sha256 is {card['sha256']}, {model.name} has "
            f"{sha256}), so that it does not say how texts are prepared for this one"
        )
    if card.get("language", language) != language:
        raise InputError(f"{model}: a model for {card['language']}, as its card says, and not for {language}")


def chosen_domain(own: Any, scores: pa.Table, domains: Domains) -> Any:
    """The domain of each document: the predicted one where that is probable enough, else its source's ``own``."""
    sure = pc.fill_null(pc.greater_equal(scores[PROBABILITY], domains.min_probability), False)
    return pc.if_else(sure, scores[PREDICTED], own)


def _rows(languages: pa.Array, language: str) -> np.ndarray:
    return np.flatnonzero(pc.equal(languages, language).to_numpy(zero_copy_only=False))
