"""hanji classifier train-edu."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from hanji.jobs.terminal import progress, say


def train_edu(
    *,
    labelled: Annotated[
        list[str] | None,
        typer.Argument(
            help="JSONL or Parquet files of text and `label` (high, low); with --from-score, text and `score`.",
            show_default=False,
        ),
    ] = None,
    high: Annotated[
        list[str] | None,
        typer.Option(
            help="Educational texts: a file, or a run (RUN, RUN:SOURCE,SOURCE). May be given again."
        ),
    ] = None,
    low: Annotated[list[str] | None, typer.Option(help="Texts that are not; as --high.")] = None,
    pool: Annotated[
        list[str], typer.Option(help="Where to look for more: as --high; labels are not looked at.")
    ],
    held_out_high: Annotated[
        list[str] | None, typer.Option(help="Educational texts for the figures, of other sites; as --high.")
    ] = None,
    held_out_low: Annotated[list[str] | None, typer.Option(help="Others for the figures; as --high.")] = None,
    held_out: Annotated[
        list[str] | None,
        typer.Option(help="Labelled ones for the figures.  [default: a share of the sites of each label]"),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="A new directory for all that comes out.")],
    language: Annotated[Literal["ko", "en"], typer.Option(help="Language of the texts.")] = "ko",
    from_score: Annotated[
        int | None,
        typer.Option(min=1, max=5, help="Labelled files have a `score`: `high` from so many points on."),
    ] = None,
    iterations: Annotated[int, typer.Option(min=1, help="Models to train at most.")] = 5,
    quota: Annotated[int, typer.Option(min=1, help="Texts of a site that an iteration adds at most.")] = 100,
    growth: Annotated[
        float, typer.Option(help="Texts that it adds at most, as a share of the educational ones there are.")
    ] = 1.0,
    add_from: Annotated[float, typer.Option(help="Smallest score of a text that is added.")] = 0.5,
    add_precision: Annotated[
        float, typer.Option(help="Add where half of the held-out sites have so much precision; 0: wherever.")
    ] = 0.9,
    others_per_found: Annotated[
        float,
        typer.Option(min=0, help="For each text added, so many of those surest to be no educational ones."),
    ] = 1.0,
    keep: Annotated[float, typer.Option(help="Threshold that the figures are for.")] = 0.5,
    precision: Annotated[float, typer.Option(help="Precision at which recall is told.")] = 0.9,
    least_change: Annotated[
        float, typer.Option(help="Stop when a smaller share of the pool crosses the threshold.")
    ] = 0.001,
    held_out_share: Annotated[
        float, typer.Option(help="Share of the sites that is held out where no --held-out is given.")
    ] = 0.2,
    prepare: Annotated[
        Literal["dclm", "syllables", "eojeol"] | None, typer.Option(help="How texts are prepared.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the texts.  [default: 10]")] = None,
    rate: Annotated[float | None, typer.Option(min=0, help="Learning rate.  [default: 0.5]")] = None,
    dimensions: Annotated[int | None, typer.Option(min=1, help="Size of a row.  [default: 32]")] = None,
    buckets: Annotated[int | None, typer.Option(min=1, help="Rows for n-grams.  [default: 50000]")] = None,
    piece: Annotated[
        int, typer.Option(min=0, help="Train on pieces of so many characters; 0: on whole texts.")
    ] = 300,
    seed: Annotated[int, typer.Option(help="Seed of the training.")] = 0,
) -> None:
    """Train the educational filter by iterations: train, score a pool, add what was found, train again.

    Figures are on texts of sites that no iteration sees. The same texts give the same models, byte for byte.
    """
    from dataclasses import replace

    from hanji.classifiers.educational import Iterating, train_educational
    from hanji.classifiers.training import default_training
    from hanji.jobs.classifier_texts import text_sources

    given = {"epoch": epochs, "lr": rate, "dim": dimensions, "bucket": buckets}
    changed = {name: value for name, value in given.items() if value is not None}
    seeds = text_sources("LABELLED", labelled or [], language, label_scores=from_score)
    seeds += text_sources("--high", high or [], language, "high")
    seeds += text_sources("--low", low or [], language, "low")
    aside = text_sources("--held-out", held_out or [], language, label_scores=from_score)
    aside += text_sources("--held-out-high", held_out_high or [], language, "high")
    aside += text_sources("--held-out-low", held_out_low or [], language, "low")
    with progress() as bars:
        made = train_educational(
            seeds,
            text_sources("--pool", pool, language, labels=("high", "low")),
            output,
            language=language,
            held_out=aside,
            how=Iterating(
                iterations=iterations,
                quota=quota,
                growth=growth,
                add_from=add_from,
                add_precision=add_precision,
                others_per_found=others_per_found,
                keep=keep,
                precision=precision,
                least_change=least_change,
                held_out_share=held_out_share,
                piece=piece,
            ),
            settings=replace(default_training(language, seed), **changed),  # type: ignore[arg-type]
            preparation=prepare,
            progress=bars,
        )
    counts = ", ".join(f"{count} {label}" for label, count in sorted(made.held_out.items()))
    say(
        f"{made.model}: iteration {made.best} of {len(made.iterations)}; ended because {made.stopped}",
        f"  held out {counts}, of {len(made.held_out_sites)} sites",
        f"  {'':9}{'high':>7}{'low':>8}{'sites':>7}{'largest':>9}{'macro-F1':>10}{'precision':>11}"
        f"{'recall@' + format(precision, 'g'):>12}{'AUC':>7}{'drift':>7}{'added':>7}",
        *(
            f"  {one.number:<9}{one.high:>7}{one.low:>8}{one.sites:>7}{one.largest_site:>9.2f}{one.macro_f1:>10.3f}"
            f"{_figure(one.kept_precision):>11}{one.recall:>12.3f}{_figure(one.auc):>7}{_figure(one.drift, 2):>7}"
            f"{one.added:>7}"
            for one in made.iterations
        ),
        f"  card     {made.card}",
        *(f"  note     iteration {one.number}: {note}" for one in made.iterations for note in one.notes),
        f"  next     in a curation recipe:  quality: {{{language}: {made.model}}}",
    )


def _figure(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
