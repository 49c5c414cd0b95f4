"""What a recipe stands for once it is loaded: rules, models, blocks, and where the run works.

Everything that can be wrong with a recipe is found here, before the first task starts.
"""

from __future__ import annotations

import math
from typing import Any

from hanji import __version__
from hanji.classifiers.language import LanguageIdentifier
from hanji.classifiers.quality import QualityScorer
from hanji.curation.blocks.resolve import resolve
from hanji.curation.contamination import benchmarks
from hanji.curation.contamination.index import Lengths
from hanji.curation.decisions.rules import Rule, load_rules
from hanji.curation.engines.base import Engine
from hanji.curation.recipe import CurationRecipe, Language
from hanji.curation.scoring import Scoring, check_card
from hanji.curation.shards.tokenizer import tokenizer_facts
from hanji.curation.sources.urls import UrlRules
from hanji.curation.steps import morphemes
from hanji.curation.takedown.search import wanted
from hanji.curation.work import Commit, Runner
from hanji.errors import InputError, RecipeError
from hanji.fingerprint import library_versions
from hanji.progress import Progress
from hanji.storage import Storage

FEWEST_PARTITIONS, MOST_PARTITIONS = 16, 65_536
PARTITION_DOCUMENTS = 65_536
PARTITION_BYTES = 64 << 20
"""What one partition is to hold at most; bytes as they lie in documents/, compressed."""


class Context:
    """One run of a recipe: what it loads, and what its stages add up on the way (warnings, edits, leaks, losses).

    Raises RecipeError or InputError for whatever the recipe names that is not there or not what it should be.
    """

    def __init__(self, recipe: CurationRecipe, engine: Engine, progress: Progress, sample: float) -> None:
        self.recipe = recipe
        self.engine = engine
        self.progress = progress
        self.sample = sample
        self.run = Storage(recipe.run)
        self.runner = Runner(self.run, engine, progress, recipe.engine.task_memory_bytes)
        self.runner.keep_exchange = recipe.keep_exchange
        self.warnings: list[str] = []
        self.edits: dict[str, dict[str, int]] = {}
        self.contamination: dict[str, dict[str, Any]] = {}
        self.duplicates: dict[str, Any] = {}
        self.rules: dict[Language, list[Rule]] = load_rules(recipe.rules)
        self.morphemes = morphemes.are_needed(self.rules)
        self.url_identity = UrlRules(recipe.urls).identity()
        self.language_identity = LanguageIdentifier(recipe.language).identity()
        self.blocks = resolve(recipe.blocks, recipe.floor.languages, recipe.language.model)
        self.models = dict(recipe.quality)
        self.model_identities = {
            language: _model_identity(language, path)
            if isinstance(path, str)
            else {name: _model_identity(f"{language}.{name}", one) for name, one in sorted(path.items())}
            for language, path in sorted(self.models.items())
        }
        self.scoring = Scoring({**recipe.perplexity}, recipe.domains)
        self.scoring.check(self.rules)
        self.scoring_identities = self.scoring.identities()
        self.benchmarks: list[Any] = []
        if recipe.contamination is not None:
            for ngrams in recipe.contamination.ngrams.values():
                Lengths.of(ngrams)
            self.benchmarks = [benchmarks.identity(one) for one in recipe.contamination.benchmarks]
            self.benchmarks += [benchmarks.identity(one) for one in recipe.contamination.allow]
        self.takedown = wanted(recipe.takedown, self.run)
        if recipe.shards.tokenizer.file is not None:
            tokenizer_facts(recipe.shards.tokenizer.file, recipe.shards.tokenizer.eod_token)

    @property
    def partitions(self) -> int:
        """Parts of the id space, once the inputs are read."""
        assert self.recipe.partitions is not None, "asked for before the inputs were read"
        return self.recipe.partitions

    def settle_partitions(self, reads: list[Commit]) -> None:
        """Where the recipe leaves it open, choose how many: a power of two, so that a few more inputs keep it."""
        if self.recipe.partitions is not None:
            return
        documents = sum(commit.counts["in"] for commit in reads)
        size = sum(commit.files["documents"].bytes for commit in reads)
        wanted = max(documents / PARTITION_DOCUMENTS, size / PARTITION_BYTES, 1.0)
        partitions = min(MOST_PARTITIONS, max(FEWEST_PARTITIONS, 2 ** math.ceil(math.log2(wanted))))
        self.recipe = self.recipe.model_copy(update={"partitions": partitions})


def _model_identity(field: str, path: str) -> Any:
    """``field``: the language, and the name of the model where it has several."""
    try:
        scorer = QualityScorer(path)
        check_card(scorer.path, field.split(".")[0], scorer.sha256)
        return scorer.identity()
    except (InputError, RecipeError) as error:
        raise RecipeError(
            f"quality.{field}: {error}; `hanji classifier train` makes one from labelled texts"
        ) from None


def versions() -> dict[str, str]:
    """Versions of this project and of the libraries that a run stands on."""
    names = ("pyarrow", "numpy", "numba", "isal", "resiliparse", "trafilatura", "fasttext", "tokenizers")
    return {"hanji": __version__} | library_versions(*names, "gigatoken", "ray", "kiwipiepy")
