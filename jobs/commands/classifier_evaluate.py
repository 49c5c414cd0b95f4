"""hanji classifier evaluate."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from hanji.errors import InputError, RecipeError
from hanji.jobs.terminal import progress, say


def evaluate(
    *,
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A fastText model, a directory of train-edu, or a perplexity model (NAME.arpa.bin beside "
            "NAME.sp.model, or its card, NAME.json).",
        ),
    ],
    model2: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL2", help="A second one, to compare on the same texts.", show_default=False
        ),
    ] = None,
    high: Annotated[
        list[str] | None,
        typer.Option(
            help="Good texts: a JSONL (plain or .gz) or Parquet file, or a finished run (RUN, RUN:SOURCE,SOURCE). "
            "May be given again."
        ),
    ] = None,
    low: Annotated[list[str] | None, typer.Option(help="Texts that are not; as --high.")] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option(
            help='Files of {"text": …, "label": …}, labelled as the model does or `high` and `low`; with '
            "--from-score, of text and `score`."
        ),
    ] = None,
    from_score: Annotated[
        int | None,
        typer.Option(
            min=1, max=5, help="Labels have a `score` of `annotate`: `high` from so many points on."
        ),
    ] = None,
    pool: Annotated[
        list[str] | None,
        typer.Option(
            help="Texts that a threshold is to choose from, as --high: what it keeps of their documents, bytes and "
            "tokens; labels are not looked at."
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
    threshold: Annotated[
        float | None,
        typer.Option(
            help="Score (0 to 1) or perplexity (above 1) that figures at a threshold are for.  [default: scores: "
            "the card's, else 0.5; perplexities: what keeps 60 % of the pool, else the card's or CCNet's cut-off "
            "of the tail]"
        ),
    ] = None,
    share: Annotated[
        list[float] | None,
        typer.Option(help="Top share to tell of, 0 to 1.  [default: .01, .05, .1, .2, .3, .5]"),
    ] = None,
    at: Annotated[
        list[float] | None,
        typer.Option(
            help="Score to tell of, 0 to 1, or perplexity, above 1.  [default: scores of .1, .3, .5, .7, .9, .95, "
            ".99; and --threshold]"
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
    ngrams: Annotated[int, typer.Option(min=0, help="n-grams to show of each kind.")] = 20,
    ngram_texts: Annotated[
        int, typer.Option(min=1, help="Look for them in so many texts, by hash.")
    ] = 10_000,
    samples: Annotated[
        int, typer.Option(min=0, help="Texts to show of each kind of mistake or difference; 0: no text.")
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
    """Say how far a classifier or a perplexity model can be trusted: on labelled texts, on a pool, side by side.

    Curves and areas are exact, intervals are over sites. Texts of sites that the model was trained on are left out,
    where its card knows them. What it goes by, what short and differently spaced texts do, what a threshold keeps.
    """
    from hanji.classifiers.evaluating.asked import Asked
    from hanji.classifiers.evaluating.card import write_evaluation
    from hanji.classifiers.evaluating.evaluate import evaluate as run
    from hanji.classifiers.evaluating.models import open_models
    from hanji.classifiers.evaluating.page import render
    from hanji.classifiers.evaluating.thresholds import SHARES
    from hanji.jobs.classifier_texts import text_sources
    from hanji.jobs.classifier_tokens import pool_tokens
    from hanji.jobs.commands.classifier_evaluate_lines import lines

    asked = Asked(
        split=split,
        shares=tuple(share) if share else SHARES,
        values=tuple(at) if at else None,
        most=most,
        by=by,
        ngrams=ngrams,
        ngram_texts=ngram_texts,
        samples=samples,
    )
    models = open_models([one for one in (model, model2) if one is not None], language, threshold)
    language = "ko" if models[0].language == "ko" else "en"
    labelled = text_sources("--labels", labels or [], language, label_scores=from_score)
    labelled += text_sources("--high", high or [], language, "high")
    labelled += text_sources("--low", low or [], language, "low")
    # One label for all of it, so that rows' own labels, whatever they are, are not looked at.
    chosen = text_sources("--pool", pool or [], language, "pool")
    if from_score is not None and not labels:
        raise RecipeError("--from-score: says how the scores of --labels are read; give --labels")
    with progress(quiet) as bars:
        account = run(models, labelled, chosen, asked, tokens=pool_tokens(tokenizer, chosen), progress=bars)
    deliver(account, models, write_evaluation, render, lines, json_file, report, card)


def deliver(
    account: dict[str, Any],
    models: Sequence[Any],
    write_evaluation: Callable[[Any, dict[str, Any], int], str],
    render: Callable[[dict[str, Any]], Any],
    lines: Callable[[dict[str, Any]], Iterable[str]],
    json_file: str | None,
    report: Path | None,
    card: bool,
) -> None:
    """Put an evaluation where it was asked for: JSON, page, the models' cards, and the terminal.

    A card that cannot be written is told of and does not take the rest along. Raises InputError for JSON or a page
    that cannot be written.
    """
    if json_file is not None:
        write_file(json_file, json.dumps(account, ensure_ascii=False, indent=1, allow_nan=False) + "\n")
    if report is not None:
        write_file(str(report), str(render(account)))
    said = [f"  page     {report}"] if report is not None else []
    for place, model in enumerate(models if card else ()):
        try:
            path = write_evaluation(model, account, place)
        except OSError as error:
            path = f"not written: {error.filename}: {error.strerror} (--no-card leaves it)"
        said.append(f"  card     {path}")
    if json_file != "-":
        say(*lines(account), *said)


def write_file(path: str, text: str) -> None:
    """Write a file as a person named it, "-" for stdout. Raises InputError where it cannot be written."""
    if path == "-":
        print(text, end="")
        return
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None
