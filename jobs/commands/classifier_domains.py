"""hanji classifier train-domain."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from hanji.errors import RecipeError
from hanji.jobs.terminal import number, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hanji.classifiers.texts import TextSource


def train_domain(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            help='JSONL (plain or .gz) or Parquet files of {"text": …, "label": …}.', show_default=False
        ),
    ] = None,
    *,
    label: Annotated[
        list[str] | None,
        typer.Option(
            help='news=FILE: a file of {"text": …}, all of that domain, or a finished run: news=RUN or '
            "news=RUN:SOURCE,SOURCE. Given again and again."
        ),
    ] = None,
    language: Annotated[Literal["ko", "en"], typer.Option(help="Language of the texts.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The model to write, a .bin file.")],
    most: Annotated[
        int | None, typer.Option(min=1, help="Use at most so many texts of each label, chosen by hash.")
    ] = None,
    prepare: Annotated[
        Literal["dclm", "syllables", "eojeol"] | None,
        typer.Option(help="How texts are prepared.  [default: dclm for English, syllables for Korean]"),
    ] = None,
    hold_out: Annotated[
        Literal["texts", "sites", "nothing"],
        typer.Option(help="Hold out a tenth of the texts or of the sites for the figures, or train on all."),
    ] = "sites",
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the texts.  [default: 10]")] = None,
    rate: Annotated[float | None, typer.Option(min=0, help="Learning rate.  [default: 0.5]")] = None,
    dimensions: Annotated[int | None, typer.Option(min=1, help="Size of a row.  [default: 32]")] = None,
    buckets: Annotated[int | None, typer.Option(min=1, help="Rows for n-grams.  [default: 50000]")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the training.")] = 0,
) -> None:
    """Train a fastText classifier of domains: news, legal, literature and so on; `web` for the rest.

    A tenth of the sites is held out for the figures. One thread: the same texts give the same model, byte for byte.
    A card (MODEL.json) with data, settings and figures is written beside it.
    """
    from dataclasses import replace

    from hanji.classifiers.domains.training import train_domains
    from hanji.classifiers.training import default_training
    from hanji.jobs.classifier_texts import text_sources

    given = {"epoch": epochs, "lr": rate, "dim": dimensions, "bucket": buckets}
    changed = {name: value for name, value in given.items() if value is not None}
    settings = replace(default_training(language, seed), **changed)  # type: ignore[arg-type]
    sources = text_sources("FILES", files or [], language)
    sources += sources_of_labels(label or [], language)
    made = train_domains(
        sources, output, language, settings, most=most, preparation=prepare, hold_out=hold_out
    )
    counts = ", ".join(f"{number(count)} {name}" for name, count in sorted(made.counts.items()))
    figure = "no figures" if math.isnan(made.macro_f1) else f"macro-F1 {made.macro_f1:.3f}"
    say(
        f"{made.model}: trained on {counts}",
        f"  held out {number(made.held_out)} texts: {figure}",
        f"  card     {made.card}",
        f"  next     in a curation recipe:  domains: {{{language}: {made.model}}}",
        f"  check    hanji classifier evaluate-domain {made.model} --label DOMAIN=FILE … --pool RUN",
        *(f"  note     {note}" for note in made.notes),
    )


def sources_of_labels(asked: Sequence[str], language: str) -> list[TextSource]:
    """The texts of options ``--label DOMAIN=FILE`` or ``--label DOMAIN=RUN``, each with that label.

    Raises RecipeError for what is written otherwise.
    """
    from hanji.jobs.classifier_texts import text_sources

    found: list[TextSource] = []
    for one in asked:
        name, separator, path = (part.strip() for part in one.partition("="))
        if not separator or not path or not name or len(name.split()) > 1:
            raise RecipeError(f"--label: {one!r}: write DOMAIN=FILE or DOMAIN=RUN, DOMAIN without spaces")
        found += text_sources("--label", [path], language, name)
    return found
