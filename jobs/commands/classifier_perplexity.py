"""hanji classifier train-perplexity, perplexity-cutoffs, build-lmplz."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

import typer

from hanji.errors import RecipeError
from hanji.jobs.terminal import number, say


def train_perplexity(
    files: Annotated[
        list[str],
        typer.Argument(
            help='Good prose: JSONL (plain or .gz) or Parquet files of {"text": …}, or finished runs: RUN or '
            "RUN:SOURCE,SOURCE."
        ),
    ],
    *,
    language: Annotated[Literal["ko", "en"], typer.Option(help="Language of the texts.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Writes OUTPUT.arpa.bin, OUTPUT.sp.model and OUTPUT.json.")
    ],
    vocabulary: Annotated[
        int, typer.Option(min=16, help="Pieces of SentencePiece; CCNet has as many as the default.")
    ] = 65_536,
    order: Annotated[int, typer.Option(min=2, max=6, help="Longest n-gram.")] = 5,
    most: Annotated[
        int | None, typer.Option(min=1, help="Use at most so many texts, chosen by hash.")
    ] = None,
    memory: Annotated[str, typer.Option(help="Memory of lmplz while it sorts: 2G, 500M, 50%.")] = "2G",
    vocabulary_bytes: Annotated[
        int,
        typer.Option(
            min=1000, help="Text that SentencePiece learns from, held in memory several times over."
        ),
    ] = 100_000_000,
) -> None:
    """Train a language model whose perplexity of a text is a signal, as CCNet does: SentencePiece and KenLM.

    Needs hanji[perplexity] and KenLM's lmplz (`hanji classifier build-lmplz`). A tenth of the texts, by hash, is
    held out: the card has the percentiles of their perplexity. The same texts give the same models.
    """
    from hanji.classifiers.perplexity.training import PerplexitySettings
    from hanji.classifiers.perplexity.training import train_perplexity as train
    from hanji.jobs.classifier_texts import text_sources

    settings = PerplexitySettings(vocabulary, order, memory, vocabulary_bytes)
    made = train(
        text_sources("FILES", files, language),
        output,
        language,
        settings,
        most=most,
        told=lambda stage: typer.echo(f"  {stage}", err=True),
    )
    lines = [
        f"{made.model}, {made.sentencepiece}: trained on {number(made.texts)} texts, {number(made.pieces)} pieces"
    ]
    if made.held_out:
        lines.append(
            f"  held out {number(made.held_out)}: 30 % of them below {made.head:.1f}, 60 % below {made.middle:.1f}"
        )
    say(
        *lines,
        f"  card     {made.card}",
        f"  next     in a curation recipe:  perplexity: {{{language}: {{model: {made.model}, "
        f"sentencepiece: {made.sentencepiece}}}}}",
    )


def perplexity_cutoffs(
    run: Annotated[str, typer.Argument(help="A run whose recipe has `perplexity`.")],
    *,
    head: Annotated[float, typer.Option(min=0, max=1, help="Share of the head.")] = 0.3,
    middle: Annotated[float, typer.Option(min=0, max=1, help="Share of head and middle.")] = 0.6,
    kept: Annotated[
        bool, typer.Option("--kept/--all", help="Of the documents that the run kept, or of all that it read.")
    ] = True,
) -> None:
    """Tell the exact percentiles of a run's perplexities: the cut-offs of head, middle and tail by language."""
    from hanji.classifiers.perplexity.cutoffs import CCNET
    from hanji.curation.perplexities import run_cutoffs

    if head > middle:
        raise RecipeError(f"--head: {head:g} is more than --middle, {middle:g}")
    for language, found in run_cutoffs(run, (head, middle), kept=kept).items():
        if math.isnan(found.cuts[0]):
            say(f"{language}: no document has a perplexity")
            continue
        first, second = found.cuts
        lines = [
            f"{language}: {number(found.documents)} documents",
            f"  head     {head:.0%} of them below {first:.6g}",
            f"  middle   {middle:.0%} of them below {second:.6g}",
            f'  a rule   {{name: tail, signal: perplexity, keep: "< {second!r}", why: "unlike good prose"}}',
        ]
        if language in CCNET:
            ccnet = CCNET[language]
            lines.append(f"  CCNet's  {ccnet.head:g} and {ccnet.middle:g}, with its published model alone")
        say(*lines)


def build_lmplz(
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Directory of the programs.  [default: that of the running Python]"
        ),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            help="A kenlm-….tar.gz that is there.  [default: pip downloads kenlm 0.3.0, checked by hash]"
        ),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Compilers that run at a time.")] = 2,
) -> None:
    """Build KenLM's lmplz and build_binary from its source distribution; needs cmake, a C++ compiler and Boost."""
    from hanji.classifiers.perplexity.programs import build

    say(*(str(path) for path in build(output, source, jobs)))
