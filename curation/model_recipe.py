"""Recipe types of models that judge texts beside the quality classifiers: perplexity and domains."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from hanji.recipe import Settings


class Perplexity(Settings):
    """A language model whose perplexity of a text is a signal (docs/classifiers.md)."""

    model: str = Field(description="KenLM model over pieces (.arpa.bin); CCNet's published ones will do")
    sentencepiece: str = Field(description="the SentencePiece model that makes the pieces (.sp.model)")


class Domains(Settings):
    """Classifiers of domains by language, and what is done with what they say (docs/classifiers.md)."""

    ko: str | None = Field(
        None, description="path of a model made by `hanji classifier train-domain`; null: none"
    )
    en: str | None = None
    apply: Literal["column", "component"] = Field(
        "column",
        description="column: predicted_domain stands beside the other facts, no more; component: it decides the "
        "component of the document in place of its source's domain",
    )
    min_probability: Annotated[float, Field(ge=0.0, le=1.0)] = Field(
        0.5, description="below this a document keeps its source's domain"
    )

    @model_validator(mode="after")
    def _some_model(self) -> Self:
        if not self.models():
            raise ValueError("give the model of a language: ko or en")
        return self

    def models(self) -> dict[str, str]:
        """The path of each language that has a model."""
        paths = {"en": self.en, "ko": self.ko}
        return {language: path for language, path in paths.items() if path is not None}
