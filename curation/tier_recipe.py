"""Recipe types of tiers: conditions, quotas and ensembles of scores (docs/tiers.md)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from hanji.amounts import TokenAmount
from hanji.recipe import Settings
from hanji.stages import StagePlan, pattern_of

Language = Literal["ko", "en"]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Share = Annotated[float, Field(ge=0.0, le=1.0)]

SCOPE = ("languages", "domains", "sources")
CONDITIONS = (
    *("top_share", "min_score", "min_bucket", "best_perplexity_share", "max_perplexity"),
    *("min_cluster_size", "max_cluster_size", "min_occurrences", "tokens"),
)


class Tier(Settings):
    """One tier. Tiers are tried in order; the last one takes the rest and has no condition.

    A document is in the first tier all of whose conditions it meets. Languages, domains and sources are its scope:
    shares and quotas are counted over the kept documents of the scope. A name may stand several times, with
    scopes: then each is another way into that tier.
    """

    name: Name
    languages: list[Language] | None = Field(None, min_length=1, description="only these; null: all")
    domains: list[Name] | None = Field(None, min_length=1, description="only these; null: all")
    sources: list[Name] | None = Field(None, min_length=1, description="only these; null: all")
    per: Literal["language", "domain", "source"] = Field(
        "language",
        description="shares and quotas count for each language, for each domain of it, or for each source of it",
    )
    top_share: Share | None = Field(
        None, description="the best share of a language's kept documents, by score"
    )
    min_score: float | None = Field(
        None, ge=0, le=1, allow_inf_nan=False, description="all with at least this score"
    )
    min_bucket: int | None = Field(
        None, ge=0, description="all whose ensemble of scores is at least in this bucket"
    )
    best_perplexity_share: Share | None = Field(
        None, description="the share of a language's kept documents that has the lowest perplexity"
    )
    max_perplexity: float | None = Field(None, gt=0, description="all with at most this perplexity")
    min_cluster_size: int | None = Field(
        None, ge=1, description="all whose cluster of duplicates has at least as many documents"
    )
    max_cluster_size: int | None = Field(None, ge=1, description="or at most as many")
    min_occurrences: int | None = Field(
        None, ge=1, description="all of whose cluster at least as many records were found"
    )
    tokens: TokenAmount | None = Field(
        None, description="as many tokens of the best documents that no tier before took: 300B"
    )
    best_by: Literal["score", "perplexity"] = Field("score", description="which are the best, for tokens")

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.tokens is None and self.best_by != "score":
            raise ValueError("best_by says which documents tokens takes: give tokens too")
        shares = (self.top_share, self.best_perplexity_share, self.tokens)
        if self.per != "language" and all(one is None for one in shares):
            raise ValueError(
                f"per: {self.per} says how shares and quotas are counted: give top_share, best_perplexity_share "
                "or tokens"
            )
        low, high = self.min_cluster_size, self.max_cluster_size
        if low is not None and high is not None and low > high:
            raise ValueError(f"min_cluster_size {low} is above max_cluster_size {high}")
        for field in SCOPE:
            names = getattr(self, field) or []
            if len(set(names)) != len(names):
                raise ValueError(f"{field}: each name may stand once")
        return self

    def scope(self) -> dict[str, list[str]]:
        """Names by column, of what it is restricted to."""
        columns = zip(SCOPE, ("language", "domain", "source"), strict=True)
        return {column: getattr(self, field) for field, column in columns if getattr(self, field) is not None}

    def conditions(self) -> dict[str, Any]:
        """Its conditions that are given, without the scope."""
        return {field: getattr(self, field) for field in CONDITIONS if getattr(self, field) is not None}


class Ensemble(Settings):
    """How the scores of several models become one: by rank, as Nemotron-CC does (Su et al. 2024).

    Each model's scores are cut into buckets of equally many kept documents of the language, from 0 to the number
    of buckets less one; documents of equal score share the bucket of the best of them.
    """

    method: Literal["max", "mean"] = Field(
        "max", description="the highest bucket, or the weighted mean of all"
    )
    buckets: int = Field(20, ge=2, le=1000)
    weights: dict[Name, Annotated[float, Field(ge=0, allow_inf_nan=False)]] | None = Field(
        None, description="weight by model for the mean; null: all alike"
    )

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.weights is not None and self.method == "max":
            raise ValueError("weights belong to method: mean; a maximum has none")
        if self.weights is not None and sum(self.weights.values()) <= 0:
            raise ValueError("weights: at least one is above 0")
        return self


def as_models(value: Any) -> Any:
    """A list of models, each with name and path, as a mapping; anything else as it is."""
    if not isinstance(value, list):
        return value
    found: dict[Any, Any] = {}
    for one in value:
        if not isinstance(one, dict) or set(one) != {"name", "path"}:
            raise ValueError("each model of a list has a name and a path")
        if one["name"] in found:
            raise ValueError(f"each name may stand once: {one['name']}")
        found[one["name"]] = one["path"]
    return found


def check_tiers(
    tiers: list[Tier],
    quality: dict[Language, Any],
    ensembles: dict[Language, Ensemble],
    names: Mapping[str, set[str] | None],
    perplexity: Collection[Language],
) -> None:
    """Raises ValueError for tiers that cannot be meant.

    ``names`` by column (language, domain, source): those that documents of the recipe may have, None where they are
    not known. ``quality`` is the recipe's: a language has several models where it is a mapping. ``perplexity``: the
    languages that have one.
    """
    last = tiers[-1]
    if last.conditions() or last.scope():
        raise ValueError(f"tiers.{last.name}: the last tier takes the rest and has no condition")
    for language, models in quality.items():
        if not models:
            raise ValueError(
                f"quality.{language}: names no model; leave the language out where there is none"
            )
    several = {language: models for language, models in quality.items() if isinstance(models, dict)}
    for tier in tiers[:-1]:
        if not tier.conditions() and not tier.scope():
            raise ValueError(
                f"tiers.{tier.name}: needs top_share, min_score or another condition; only the last tier takes "
                "the rest"
            )
        for column, wanted in tier.scope().items():
            known = names[column]
            unknown = [] if known is None else [name for name in wanted if name not in known]
            if known is not None and unknown:
                raise ValueError(
                    f"tiers.{tier.name}.{column}s: the recipe has no {column} {unknown[0]!r}; "
                    f"there are: {', '.join(sorted(known))}"
                )
        if tier.min_bucket is not None:
            _check_bucket(tier, several, ensembles)
        by_perplexity = tier.best_perplexity_share is not None or tier.max_perplexity is not None
        if by_perplexity or tier.best_by == "perplexity":
            if not perplexity:
                raise ValueError(
                    f"tiers.{tier.name}: the recipe asks for no perplexity: give perplexity a model"
                )
            if tier.languages is not None and not set(tier.languages) & set(perplexity):
                raise ValueError(
                    f"tiers.{tier.name}: perplexity has no model of its languages; "
                    f"there are models of: {', '.join(sorted(perplexity))}"
                )
    for name in sorted({tier.name for tier in tiers}):
        same = [tier for tier in tiers if tier.name == name]
        if len(same) > 1 and any(not tier.scope() for tier in same if tier is not last):
            raise ValueError(
                f"tiers: each name may stand once; {name} stands several times, and then each has languages, "
                "domains or sources"
            )
    for language, ensemble in ensembles.items():
        if language not in several:
            raise ValueError(f"ensembles.{language}: quality.{language} has no several models with names")
        unknown = sorted(set(ensemble.weights or {}) - set(several[language]))
        if unknown:
            raise ValueError(
                f"ensembles.{language}.weights: no model {unknown[0]!r}; there are: {', '.join(several[language])}"
            )


def _check_bucket(tier: Tier, several: dict[Language, Any], ensembles: dict[Language, Ensemble]) -> None:
    mine = [language for language in several if tier.languages is None or language in tier.languages]
    if not mine:
        raise ValueError(
            f"tiers.{tier.name}.min_bucket: buckets are of several models of a language, and quality gives none "
            "of its languages several, with names: quality: {ko: {edu: PATH, web: PATH}}"
        )
    for language in mine:
        buckets = ensembles.get(language, Ensemble()).buckets
        assert tier.min_bucket is not None
        if tier.min_bucket >= buckets:
            raise ValueError(
                f"tiers.{tier.name}.min_bucket: {tier.min_bucket} is none of the buckets of {language}, "
                f"0 to {buckets - 1}"
            )


def check_patterns(plan: StagePlan, names: Mapping[str, set[str] | None], tiers: list[Tier]) -> None:
    """Raises ValueError for patterns of a stage that no component of the recipe can match, or one in two ways."""
    parts = (names["language"], names["domain"], {tier.name for tier in tiers})
    for stage in plan.stages:
        for pattern in stage.blend:
            for part, known, what in zip(
                pattern.split("/"), parts, ("language", "domain", "tier"), strict=True
            ):
                if known is not None and not any(fnmatchcase(name, part) for name in known):
                    raise ValueError(
                        f"stages.{stage.name}: {pattern!r} matches nothing: the recipe has no {what} {part!r}; "
                        f"there are: {', '.join(sorted(known))}"
                    )
        for component in _components(names, tiers, stage.blend):
            try:
                pattern_of(component, stage.blend)
            except ValueError as error:
                raise ValueError(f"stages.{stage.name}: {error}") from None


def _components(
    names: Mapping[str, set[str] | None], tiers: list[Tier], patterns: Collection[str]
) -> list[str]:
    """Components that the recipe can have; where domains are not known, those that patterns name."""
    domains = names["domain"] or {part for pattern in patterns if "*" not in (part := pattern.split("/")[1])}
    return sorted(
        {
            f"{language}/{domain}/{tier.name}"
            for tier in tiers
            for language in sorted(names["language"] or set())
            for domain in domains
            if (tier.languages is None or language in tier.languages)
            and (tier.domains is None or domain in tier.domains)
        }
    )
