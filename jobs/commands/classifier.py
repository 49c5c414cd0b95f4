"""hanji classifier train, annotate; the other commands of its group have modules of their own."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from hanji.errors import RecipeError
from hanji.jobs.commands import (
    classifier_domains,
    classifier_edu,
    classifier_evaluate,
    classifier_evaluate_domain,
    classifier_perplexity,
)
from hanji.jobs.terminal import number, progress, say

if TYPE_CHECKING:
    from hanji.classifiers.annotating.annotate import Annotated as Made
    from hanji.classifiers.training import Report

app = typer.Typer(
    no_args_is_help=True,
    help="Classifiers that choose the tiers: annotate texts, train from labels or by iterations, evaluate.",
)
app.command("train-edu")(classifier_edu.train_edu)
app.command("evaluate")(classifier_evaluate.evaluate)
app.command("train-domain")(classifier_domains.train_domain)
app.command("evaluate-domain")(classifier_evaluate_domain.evaluate_domain)
app.command("train-perplexity")(classifier_perplexity.train_perplexity)
app.command("perplexity-cutoffs")(classifier_perplexity.perplexity_cutoffs)
app.command("build-lmplz")(classifier_perplexity.build_lmplz)


@app.callback()
def _group() -> None:
    """Classifiers that choose the tiers: annotate texts, train from labels or by iterations, evaluate."""


@app.command("train")
def train(
    *,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            help='JSONL (plain or .gz) or Parquet files of {"text": …, "label": …}; the good ones are labelled '
            "`high`.",
            show_default=False,
        ),
    ] = None,
    high: Annotated[
        list[str] | None,
        typer.Option(
            help='A file of {"text": …}, all of it good, or a finished run: RUN or RUN:SOURCE,SOURCE. May be '
            "given again."
        ),
    ] = None,
    low: Annotated[
        list[str] | None,
        typer.Option(
            help="The same for texts that are not, such as random ones of the web. May be given again."
        ),
    ] = None,
    high_label: Annotated[
        str, typer.Option(help="The label of good texts, in files and model; DCLM's is `hq`.")
    ] = "high",
    low_label: Annotated[str, typer.Option(help="The label that --low gives; DCLM's is `cc`.")] = "low",
    from_score: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=5,
            help="Files have a `score` of `annotate`: `high` from so many points on, else `low`.",
        ),
    ] = None,
    most: Annotated[
        int | None, typer.Option(min=1, help="Use at most so many texts of each label, chosen by hash.")
    ] = None,
    language: Annotated[Literal["ko", "en"], typer.Option(help="Language of the texts.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", dir_okay=False, help="The model to write, a .bin file.")
    ],
    prepare: Annotated[
        Literal["dclm", "syllables", "eojeol"] | None,
        typer.Option(help="How texts are prepared.  [default: dclm for English, syllables for Korean]"),
    ] = None,
    hold_out: Annotated[
        Literal["texts", "sites"], typer.Option(help="Hold out a tenth of the texts, or of the sites.")
    ] = "texts",
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the texts.  [default: 10]")] = None,
    rate: Annotated[
        float | None,
        typer.Option(min=0, help="Learning rate; with hundreds of thousands of texts 0.1.  [default: 0.5]"),
    ] = None,
    dimensions: Annotated[int | None, typer.Option(min=1, help="Size of a row.  [default: 32]")] = None,
    buckets: Annotated[
        int | None,
        typer.Option(min=1, help="Rows for n-grams; 2000000 for millions of texts.  [default: 50000]"),
    ] = None,
    ngrams: Annotated[
        int | None, typer.Option(min=1, help="Longest n-gram.  [default: 2 for English, 3 for Korean]")
    ] = None,
    piece: Annotated[
        int,
        typer.Option(min=0, help="Train on pieces of so many characters; 0: on whole texts, as DCLM does."),
    ] = 300,
    seed: Annotated[int, typer.Option(help="Seed of the training.")] = 0,
    threads: Annotated[
        int, typer.Option(min=1, help="More than one is faster and gives another model every time.")
    ] = 1,
) -> None:
    """Train a fastText quality classifier; its score (probability of `high`) is what tiers go by.

    A tenth of the texts, by hash, is held out for the figures. With one thread the same texts give the
    same model, byte for byte. A card (MODEL.json) with data, settings and figures is written beside it.
    """
    from dataclasses import replace

    from hanji.classifiers.training import default_training
    from hanji.classifiers.training import train as train_classifier
    from hanji.jobs.classifier_texts import text_sources

    given = {"epoch": epochs, "lr": rate, "dim": dimensions, "bucket": buckets, "word_ngrams": ngrams}
    changed = {name: value for name, value in given.items() if value is not None}
    settings = replace(default_training(language, seed), threads=threads, **changed)  # type: ignore[arg-type]
    sources = text_sources("FILES", files or [], language, label_scores=from_score)
    sources += text_sources("--high", high or [], language, high_label)
    sources += text_sources("--low", low or [], language, low_label)
    made = train_classifier(
        [],
        output,
        language,
        settings,
        sources=sources,
        most=most,
        high=high_label,
        preparation=prepare,
        hold_out=hold_out,
        piece=piece,
    )
    counts = ", ".join(f"{number(count)} {label}" for label, count in sorted(made.counts.items()))
    say(
        f"{made.model}: made from {counts} texts",
        f"  held out {number(made.held_out)} of them: " + _held_out(made),
        f"  card     {made.card}",
        *(f"  note     {note}" for note in made.notes),
        f"  next     in a curation recipe:  quality: {{{language}: {made.model}}}",
    )


def _held_out(made: Report) -> str:
    if math.isnan(made.auc):
        return "no figures: among these are not both good texts and others"
    return f"AUC {made.auc:.3f}, precision {made.precision:.3f}, recall {made.recall:.3f}"


@app.command("annotate")
def annotate(
    *,
    texts: Annotated[
        list[str] | None,
        typer.Argument(
            help="JSONL or Parquet files with a `text`, or finished runs (RUN, RUN:SOURCE,SOURCE).",
            show_default=False,
        ),
    ] = None,
    endpoint: Annotated[
        str, typer.Option(help="Base URL of an OpenAI-compatible endpoint: https://api.example.com/v1.")
    ],
    model: Annotated[str, typer.Option(help="Name of the model, as the endpoint knows it.")],
    language: Annotated[Literal["ko", "en"], typer.Option(help="Language of the prompt and the texts.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", dir_okay=False, help="The labels to write, a JSONL file.")
    ],
    cache: Annotated[
        Path | None, typer.Option(help="SQLite file of the answers.  [default: OUTPUT.cache.sqlite]")
    ] = None,
    key_variable: Annotated[
        str, typer.Option(help="Environment variable with the API key; no key is sent if it is not set.")
    ] = "OPENAI_API_KEY",
    most: Annotated[int | None, typer.Option(min=1, help="Annotate at most so many texts, by hash.")] = None,
    per_site: Annotated[
        int | None, typer.Option(min=1, help="At most so many texts of a site (host, or `source`).")
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=512, help="Requests in flight.")] = 8,
    requests_per_minute: Annotated[float | None, typer.Option(help="Send no more requests a minute.")] = None,
    tokens_per_minute: Annotated[
        float | None, typer.Option(help="Send and ask for no more tokens a minute.")
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(help="Stop before the answers in the cache cost more than this, at the prices given."),
    ] = None,
    input_price: Annotated[float, typer.Option(help="Price of a million tokens that are sent.")] = 0.0,
    output_price: Annotated[float, typer.Option(help="Price of a million tokens that are answered.")] = 0.0,
    characters: Annotated[int, typer.Option(min=1, help="Show the model so much of a text.")] = 4000,
    answer_tokens: Annotated[int, typer.Option(min=1, help="Longest answer.")] = 400,
    tokens_field: Annotated[
        Literal["max_tokens", "max_completion_tokens"], typer.Option(help="What the endpoint calls that.")
    ] = "max_tokens",
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for an answer.")] = 60.0,
    tries: Annotated[int, typer.Option(min=1, help="Requests for a text before it is given up.")] = 6,
    prompt_file: Annotated[
        Path | None, typer.Option(help="Another prompt, with {text} for the text.")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Ask again where an answer had no score.")] = False,
    compare: Annotated[
        Path | None,
        typer.Option(help='JSONL of {"text": …, "score": 0–5} by a person: annotated too, and compared.'),
    ] = None,
) -> None:
    """Have a language model label texts 0 to 5 by how educational they are.

    Every answer is kept as it comes: a run that is stopped goes on where it was, and no text is paid for twice.
    Texts go in the order of their hash, so labels of a run that a budget stopped are those of a random sample.
    """
    from hanji.classifiers.annotating.annotate import annotate as run
    from hanji.classifiers.annotating.asking import Limits
    from hanji.classifiers.annotating.endpoint import Endpoint
    from hanji.classifiers.annotating.pace import Prices
    from hanji.classifiers.annotating.prompts import prompt
    from hanji.jobs.classifier_texts import text_sources

    if not texts and compare is None:
        raise RecipeError("FILES: name texts to annotate, or labels to compare with (--compare)")
    try:
        template = None if prompt_file is None else prompt_file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"--prompt-file: {prompt_file}: {error}") from None
    key = os.environ.get(key_variable) or None
    with progress() as bars:
        made = run(
            text_sources("FILES", texts or [], language),
            output,
            cache or Path(f"{output}.cache.sqlite"),
            Endpoint(
                endpoint,
                model,
                key,
                max_tokens=answer_tokens,
                tokens_field=tokens_field,
                timeout=timeout,
            ),
            prompt(language, characters, template),
            Limits(
                concurrency,
                requests_per_minute,
                tokens_per_minute,
                budget,
                Prices(input_price, output_price),
                tries,
            ),
            most=most,
            per_site=per_site,
            again=again,
            compare=compare,
            progress=bars,
        )
    say(*_annotated(made, bool(input_price or output_price)))


def _annotated(made: Made, priced: bool) -> list[str]:
    lines = [
        f"{made.output}: {number(sum(made.scores.values()))} of {number(made.texts)} texts have a score "
        f"({number(made.asked)} asked now, {number(made.cached)} answered before)",
        "  scores   " + (", ".join(f"{score} × {number(n)}" for score, n in made.scores.items()) or "none"),
    ]
    if made.failed:
        lines.append(f"  failed   {number(made.failed)} without a score; why: {made.failures}")
    if made.left:
        why = f" ({made.trouble})" if made.trouble else ""
        lines.append(f"  left     {number(made.left)} without an answer{why}; the same command asks for them")
    if made.stopped:
        lines.append(f"  stopped  {made.stopped}")
    if priced:
        lines.append(f"  cost     {made.spent:.4f}")
    if (a := made.agreement) is not None:
        lines += [
            f"  agreement with the labels compared, {number(a.texts)} texts: exact {_known(a.exact)}, within one "
            f"{_known(a.within_one)}, quadratic kappa {_known(a.quadratic_kappa)}; at {a.threshold} points and "
            f"more: precision {_known(a.precision)}, recall {_known(a.recall)}",
            f"           confusion in {made.output}.agreement.json",
        ]
    return lines


def _known(value: float) -> str:
    """A figure; a dash where the texts do not give it."""
    return "–" if math.isnan(value) else f"{value:.3f}"
