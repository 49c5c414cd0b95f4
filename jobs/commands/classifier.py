"""hanji classifier train."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from hanji.jobs.terminal import number, say

app = typer.Typer(no_args_is_help=True, help="Quality classifiers: train one.")


@app.callback()
def _group() -> None:
    """Quality classifiers: train one."""


@app.command("train")
def train(
    *,
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            help='JSONL files (plain or .gz) of {"text": …, "label": …}; the good ones are labelled `high`.',
            show_default=False,
        ),
    ] = None,
    high: Annotated[
        list[Path] | None,
        typer.Option(help='A JSONL file of {"text": …}, all of it good. May be given again.'),
    ] = None,
    low: Annotated[
        list[Path] | None,
        typer.Option(help="The same for texts that are not. May be given again."),
    ] = None,
    most: Annotated[
        int | None, typer.Option(min=1, help="Use at most so many texts of each label, chosen by hash.")
    ] = None,
    language: Annotated[Literal["ko", "en"], typer.Option(help="Language of the texts.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The model to write, a .bin file.")],
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the texts.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the training.")] = 0,
    threads: Annotated[
        int, typer.Option(min=1, help="More than one is faster and gives another model every time.")
    ] = 1,
) -> None:
    """Train a fastText quality classifier; its score (probability of `high`) is what tiers go by.

    A tenth of the texts, by hash, is held out for the figures. With one thread the same files give the
    same model, byte for byte. A card (MODEL.json) with data, settings and figures is written beside it.
    """
    from dataclasses import replace

    from hanji.classifiers.training import default_training
    from hanji.classifiers.training import train as train_classifier

    settings = replace(default_training(language, seed), threads=threads)
    if epochs is not None:
        settings = replace(settings, epoch=epochs)
    output.parent.mkdir(parents=True, exist_ok=True)
    by_label = {label: [str(file) for file in named or []] for label, named in (("high", high), ("low", low))}
    made = train_classifier(
        [str(file) for file in files or []], output, language, settings, by_label=by_label, most=most
    )
    counts = ", ".join(f"{number(count)} {label}" for label, count in sorted(made.counts.items()))
    say(
        f"{made.model}: trained on {counts} texts",
        f"  held out {number(made.held_out)}: AUC {made.auc:.3f}, precision {made.precision:.3f}, "
        f"recall {made.recall:.3f}",
        f"  card     {made.card}",
        *(f"  note     {note}" for note in made.notes),
        f"  next     in a curation recipe:  quality: {{{language}: {made.model}}}",
    )
