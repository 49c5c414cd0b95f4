"""hanji curate, why, shards verify."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from hanji.errors import RecipeError, RunError
from hanji.jobs.terminal import duration, number, progress, say, screen

if TYPE_CHECKING:
    from hanji.curation.recipe import CurationRecipe
    from hanji.curation.summary import CurationSummary

RecipePath = Annotated[
    Path, typer.Argument(metavar="RECIPE", help="The recipe, a YAML file.", show_default=False)
]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[FIELD=VALUE]…",
        help="Fields to set differently, as in `floor.min_characters=200` or `sources.crawl.domain=news`.",
        show_default=False,
    ),
]
RunPath = Annotated[str, typer.Argument(metavar="RUN", help="Directory of a run.", show_default=False)]


def curate(
    recipe: RecipePath,
    overrides: Overrides = None,
    engine: Annotated[
        Literal["local", "ray", "spark"] | None,
        typer.Option(help="Where the work runs.  [default: the recipe's]"),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            help="Cluster to join: Ray's (`auto`, host:port) or Spark's master (spark://host:port, yarn); "
            "without it one is started here."
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes to use.  [default: one a core]")
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Only say what would be read and what is done already.")
    ] = False,
    sample: Annotated[
        float,
        typer.Option(
            help="Share of the documents to take, by hash of the id; the run gets its own directory."
        ),
    ] = 1.0,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify", help="Read what is done already and compare it with its hashes before going on."
        ),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Curate raw data into tiered token shards and a report.

    A run that was stopped, or whose recipe changed, goes on: only what is missing or depends on the change
    is done. The result is the same whatever the engine and the number of workers.
    """
    from hanji.curation import pipeline
    from hanji.curation.recipe import CurationRecipe
    from hanji.recipe import load_recipe

    if not 0 < sample <= 1:
        raise RecipeError(f"--sample: {sample:g} is not allowed: a share above 0, at most 1")
    given = {"engine.name": engine, "engine.address": address, "engine.workers": workers}
    changes = [*(overrides or []), *(f"{name}={value}" for name, value in given.items() if value is not None)]
    read = load_recipe(recipe, CurationRecipe, changes)
    if plan:
        say(*pipeline.plan(read, sample).lines())
        return
    with progress(quiet) as shown:
        summary = pipeline.curate(read, sample=sample, progress=shown, verify=verify)
    say(*outcome(read, summary))


def outcome(recipe: CurationRecipe, summary: CurationSummary) -> list[str]:
    """What a curation run came to, in a few lines."""
    lines = [
        f"{recipe.name}: {number(summary.records)} records, {number(summary.documents)} documents: "
        f"{number(summary.kept)} kept, {number(summary.dropped)} dropped, {number(summary.failed)} failed, "
        f"in {duration(summary.seconds)}",
    ]
    if summary.skipped:
        lines.append(f"  {number(summary.skipped)} of {number(summary.units)} units were done already")
    totals: dict[tuple[str, str], list[int]] = {}
    for name, (documents, tokens) in summary.components.items():
        language, _, tier, _ = name.split("/")
        total = totals.setdefault((language, tier), [0, 0])
        total[0] += documents
        total[1] += tokens
    order = {tier.name: place for place, tier in enumerate(recipe.tiers)}
    for (language, tier), (documents, tokens) in sorted(
        totals.items(), key=lambda item: (item[0][0], order.get(item[0][1], len(order)))
    ):
        lines.append(f"  {language} {tier:<8} {number(documents):>12} documents {number(tokens):>16} tokens")
    lines += [f"  warning: {warning}" for warning in summary.warnings]
    return [
        *lines,
        f"  report   {summary.report_path}",
        f"  shards   {summary.manifest_path}",
        f"  next     hanji why {summary.run} URL    or    hanji shards verify {summary.run}/shards",
    ]


def why(
    run: RunPath,
    document: Annotated[
        str,
        typer.Argument(
            help="Id (8 digits of it suffice), URL or path of a document, as the inputs have it.",
            show_default=False,
        ),
    ],
) -> None:
    """Tell the story of one document: where it came from, what was changed, judged and decided, where it is.

    Of a duplicate it shows the document that it fell to, and the two texts side by side.
    """
    from hanji.curation.report.kin import Style
    from hanji.curation.why import why as tell

    say(tell(run, document, Style(*screen())))


shards = typer.Typer(no_args_is_help=True, help="Token shards: check them.")


@shards.command("verify")
def verify(
    directory: Annotated[
        str,
        typer.Argument(help="Directory with manifest.json, as in RUN/shards.", show_default=False),
    ],
) -> None:
    """Read every shard back through Megatron's own reader and check tokens, counts and hashes."""
    from hanji.curation.shards.verify import verify_shards

    found = verify_shards(directory)
    say(
        f"{found.directory}: {number(found.shards)} shards, {number(found.documents)} documents, "
        f"{number(found.tokens)} tokens, read through {found.reader}"
    )
    if not found.ok:
        problems = "\n  ".join(found.problems)
        raise RunError(f"{len(found.problems)} things differ from the manifest:\n  {problems}")
    say("all tokens, counts and hashes are as the manifest says")


@shards.callback()
def _shards() -> None:
    """Token shards: check them."""
