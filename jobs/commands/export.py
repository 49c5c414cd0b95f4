"""hanji export."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from hanji.jobs.commands.curate import RunPath
from hanji.jobs.terminal import number, progress, say


def export(
    run: RunPath,
    output: Annotated[
        str, typer.Option("--output", "-o", help="Directory to write to: a path or an fsspec URL.")
    ],
    form: Annotated[
        Literal["datatrove", "parquet"],
        typer.Option("--format", help="datatrove's JSON Lines, or Parquet with the same columns."),
    ] = "datatrove",
    language: Annotated[str | None, typer.Option(help="Only this language: ko, en.")] = None,
    domain: Annotated[str | None, typer.Option(help="Only this domain.")] = None,
    tier: Annotated[str | None, typer.Option(help="Only this tier.")] = None,
    split: Annotated[Literal["train", "valid"] | None, typer.Option(help="Only this split.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes to use.")] = 1,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Write the kept documents of a run, with their final text, for other tools.

    Files are OUTPUT/LANGUAGE/DOMAIN/TIER/NNNNN.jsonl.gz (or .parquet), one for each range of ids. Each document
    has `text`, `id` and `metadata`: source, URL, date, language, score, tier, cluster and more.
    """
    from hanji.curation.export import Selection
    from hanji.curation.export import export as write

    with progress(quiet) as shown:
        found = write(run, output, form, Selection(language, domain, tier, split), workers, shown)
    for component, documents in found.documents.items():
        size = found.text_bytes[component]
        say(f"  {component:<28} {number(documents):>12} documents {size / 1e6:>12,.1f} MB of text")
    say(
        f"{number(sum(found.documents.values()))} documents in {number(found.files)} files under {found.output}"
    )
