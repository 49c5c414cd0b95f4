"""hanji classifier evaluate-domain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from hanji.errors import RecipeError
from hanji.jobs.commands.classifier_evaluate import deliver
from hanji.jobs.terminal import progress


def evaluate_domain(
    *,
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A model of train-domain, or a fastText model of domains.")
    ],
    model2: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL2", help="A second one, to compare on the same texts.", show_default=False
        ),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            help="news=FILE: a file (JSONL, plain or .gz, or Parquet), all of that domain, or a finished run: "
            "news=RUN or news=RUN:SOURCE,SOURCE. Given again and again."
        ),
    ] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option(help='Files of {"text": …, "label": …}, labelled as the model does.'),
    ] = None,
    pool: Annotated[
        list[str] | None,
        typer.Option(
            help="Texts that are to be placed, files or runs as for --label: what the model makes of their "
            "documents, bytes and tokens; labels are not looked at."
        ),
    ] = None,
    language: Annotated[
        Literal["ko", "en"] | None, typer.Option(help="For a model whose card does not say it.")
    ] = None,
    split: Annotated[
        Literal["sites", "texts", "none"],
        typer.Option(
            help="Leave out labelled texts of sites that the model was trained on, those texts alone, or none."
        ),
    ] = "sites",
    min_probability: Annotated[
        float,
        typer.Option(help="That of the recipe's domains: below it a document keeps its source's domain."),
    ] = 0.5,
    at: Annotated[
        list[float] | None,
        typer.Option(
            help="Least probability to tell of, 0 to 1.  [default: .3 to .9 by tenths, .95, .99, and "
            "--min-probability]"
        ),
    ] = None,
    by: Annotated[
        Literal["source", "site"], typer.Option(help="Groups of the confusion: files, or hosts.")
    ] = "source",
    most: Annotated[
        int | None, typer.Option(min=1, help="At most so many texts of each label and of the pool, by hash.")
    ] = None,
    tokenizer: Annotated[
        str | None,
        typer.Option(
            help="A tokenizer.json, or a run that has one, to count tokens by.  [default: that of the pool's runs; "
            "for files bytes alone are told]"
        ),
    ] = None,
    ngrams: Annotated[int, typer.Option(min=0, help="n-grams to show of each label.")] = 10,
    ngram_texts: Annotated[int, typer.Option(min=1, help="Look for them in so many texts, by hash.")] = 500,
    samples: Annotated[
        int,
        typer.Option(min=0, help="Texts to show of each label's mistakes, and of differences; 0: no text."),
    ] = 5,
    report: Annotated[
        Path | None, typer.Option(help="Write all of it as a page to this file.", show_default=False)
    ] = None,
    json_file: Annotated[
        str | None,
        typer.Option("--json", metavar="FILE", help="Write all of it as JSON; - for stdout alone."),
    ] = None,
    card: Annotated[
        bool, typer.Option("--card/--no-card", help="Put the figures on the model's card (MODEL.json, .md).")
    ] = True,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Say how far a classifier of domains can be trusted: on labelled texts, on a pool, beside another model.

    F1 by label with intervals over sites, confusion, what each value of a recipe's domains.min_probability places
    and how much of that is right, calibration, short and differently spaced texts. Texts of sites that the model
    was trained on are left out, where its card knows them.
    """
    from hanji.classifiers.domains.evaluating.asked import VALUES, Asked
    from hanji.classifiers.domains.evaluating.card import write_evaluation
    from hanji.classifiers.domains.evaluating.evaluate import evaluate_domains
    from hanji.classifiers.domains.evaluating.models import open_domain_models
    from hanji.classifiers.domains.evaluating.page import render
    from hanji.jobs.classifier_texts import text_sources
    from hanji.jobs.classifier_tokens import pool_tokens
    from hanji.jobs.commands.classifier_domains import sources_of_labels
    from hanji.jobs.commands.classifier_evaluate_domain_lines import lines

    if tokenizer is not None and not pool:
        raise RecipeError("--tokenizer: tokens are counted in a pool; give --pool")
    asked = Asked(
        split=split,
        min_probability=min_probability,
        values=tuple(at) if at else VALUES,
        most=most,
        by=by,
        ngrams=ngrams,
        ngram_texts=ngram_texts,
        samples=samples,
    )
    models = open_domain_models([one for one in (model, model2) if one is not None], language)
    of = models[0].language
    labelled = [*text_sources("--labels", labels or [], of), *sources_of_labels(label or [], of)]
    # One label for all of it, so that rows' own labels, whatever they are, are not looked at.
    chosen = text_sources("--pool", pool or [], of, "pool")
    with progress(quiet) as bars:
        account = evaluate_domains(
            models, labelled, chosen, asked, tokens=pool_tokens(tokenizer, chosen), progress=bars
        )
    deliver(account, models, write_evaluation, render, lines, json_file, report, card)
