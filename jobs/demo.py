"""The demo: from the sample corpus to a model trained in two stages, on this machine."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hanji.curation.pipeline import curate
from hanji.curation.recipe import CurationRecipe
from hanji.curation.shards.verify import VerifyReport, verify_shards
from hanji.curation.summary import CurationSummary
from hanji.errors import RecipeError, RunError
from hanji.jobs.commands.train import held_out_lines
from hanji.jobs.terminal import duration, number
from hanji.progress import Progress
from hanji.recipe import load_recipe
from hanji.training.launch import TrainingSummary

CURATION = Path("jobs/recipes/demo.yaml")
TRAINING = Path("jobs/recipes/demo-train.yaml")
SEEDS = Path("jobs/sample/seed")
EPOCHS = 60  # the seed is a few hundred short texts: the default would hardly move the weights
NEEDED = (CURATION, TRAINING, SEEDS / "ko.jsonl", SEEDS / "en.jsonl", Path("jobs/sample/corpus.warc.gz"))


def run(directory: Path, progress: Progress) -> list[str]:
    """Run everything in a checkout; returns the closing lines. What was done before is not done again.

    Raises RecipeError if the directory is no checkout, RunError if the shards do not read back.
    """
    for needed in NEEDED:
        if not (directory / needed).exists():
            raise RecipeError(
                f"{directory / needed}: not there; the demo runs in a checkout of the project, which carries "
                "the sample corpus (cd into it, or --directory)"
            )
    started = time.perf_counter()
    with _inside(directory):
        recipe = load_recipe(CURATION, CurationRecipe)
        _classifiers(recipe, progress)
        curation = curate(recipe, progress=progress)
        progress.step("read back", 1, 0)
        verified = verify_shards(f"{recipe.run}/shards")
        progress.advance()
        if not verified.ok:
            raise RunError("the shards do not read back:\n  " + "\n  ".join(verified.problems))
        from hanji.training.launch import train

        training = train(TRAINING, progress=progress)
    return _closing(recipe, curation, verified, training, time.perf_counter() - started)


@contextmanager
def _inside(directory: Path) -> Iterator[None]:
    """The recipes' paths are relative to the checkout."""
    before = Path.cwd()
    os.chdir(directory)
    try:
        yield
    finally:
        os.chdir(before)


def _classifiers(recipe: CurationRecipe, progress: Progress) -> None:
    from dataclasses import replace

    from hanji.classifiers.training import default_training, train

    progress.step("classifiers", len(recipe.quality), 0)
    for language, model in sorted(recipe.quality.items()):
        assert isinstance(model, str), "the demo's recipe has one model a language"
        Path(model).parent.mkdir(parents=True, exist_ok=True)
        settings = replace(default_training(language), epoch=EPOCHS)
        made = train([str(SEEDS / f"{language}.jsonl")], model, language, settings)
        progress.note(f"quality classifier {language}: AUC {made.auc:.3f} on {made.held_out} held-out texts")
        progress.advance()


def _closing(
    recipe: CurationRecipe,
    curation: CurationSummary,
    verified: VerifyReport,
    training: TrainingSummary,
    seconds: float,
) -> list[str]:
    return [
        "",
        f"Curated   {number(curation.records)} records of the sample corpus: {number(curation.kept)} kept, "
        f"{number(curation.dropped)} dropped, {number(curation.failed)} unreadable; in "
        f"{duration(curation.seconds)}",
        f"          {number(curation.tokens)} tokens in {verified.shards} shards, read back whole through "
        f"{verified.reader.rpartition('.')[2]}",
        f"Trained   {training.parameters / 1e6:.1f}M parameters, {number(training.total_steps)} steps in two "
        f"stages, tensor parallel 2, on the CPU; in {duration(training.seconds)}",
        *held_out_lines(training.held_out),
        "",
        f"Reports   {Path(curation.report_path).absolute()}",
        f"          {Path(training.run, 'report', 'index.html').absolute()}",
        f"Shards    {curation.manifest_path}",
        f"Model     {training.checkpoint}",
        f"All this took {duration(seconds)}.",
        "",
        "What to type next:",
        "  . .venv/bin/activate",
        f"  hanji why {recipe.run} {_EXAMPLE}",
        f"  hanji lineage step {os.path.relpath(training.run)} {training.total_steps}",
        "  hanji curate jobs/recipes/demo.yaml floor.min_characters=500",
        "  hanji curate --help",
    ]


# A copy of another page: the story that `why` tells of it has a duplicate in it.
_EXAMPLE = "https://edited.example/ko/010"
