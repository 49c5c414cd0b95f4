"""hanji cost report: what models took to train, or will take."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from hanji.errors import RecipeError
from hanji.jobs.commands.cost_lines import comparison_lines, money_lines, table
from hanji.jobs.terminal import say

if TYPE_CHECKING:
    from hanji.training.cost.family import ComparisonResult
    from hanji.training.cost.ledger import Ledger
    from hanji.training.cost.prices import PriceList, Reckoning


def report(
    targets: Annotated[
        list[Path],
        typer.Argument(
            metavar="TARGET…",
            help="A family recipe (kind: family), or runs, checkpoints and exported folders, whose ancestors are "
            "reckoned too.",
            show_default=False,
        ),
    ],
    search: Annotated[
        list[Path] | None,
        typer.Option(
            "--in", metavar="DIR", help="Where the runs of ancestors may be, for the time that they took."
        ),
    ] = None,
    prices: Annotated[
        Path | None, typer.Option(help="Your price list (YAML): currency, date, per_gpu_hour by GPU.")
    ] = None,
    gpu: Annotated[
        str | None, typer.Option(help="For hours that were not measured: the GPU, as in 'H100 SXM'.")
    ] = None,
    mfu: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="With --gpu: the share of its dense BF16 peak, as in 0.4."),
    ] = None,
    by: Annotated[
        Literal["causal_attention", "full_attention", "six_nd"] | None,
        typer.Option(
            help="The convention that --mfu is counted by.  [default: causal_attention, or six_nd where a shape "
            "is not known]"
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """What models took to train: FLOPs by 6ND and both attention conventions, by stage and ancestor, hours, money.

    Of a family recipe it also gives the comparisons, with their derivation.
    """
    from hanji.recipe import load_recipe
    from hanji.training.cost.prices import PriceList

    price_list = None if prices is None else load_recipe(prices, PriceList)
    ledger, comparisons = _read(targets, search or [])
    reckoning = _reckoning(ledger, gpu, mfu, by)
    if as_json:
        data = _as_data(ledger, comparisons, reckoning, price_list)
        say(json.dumps(data, indent=1, ensure_ascii=False))
        return
    say(*table(ledger))
    for comparison in comparisons:
        say("", *comparison_lines(comparison))
    if lines := money_lines(ledger, reckoning, price_list):
        say("", *lines)


def _read(targets: list[Path], search: list[Path]) -> tuple[Ledger, tuple[ComparisonResult, ...]]:
    if any(target.is_dir() for target in targets):
        from hanji.training.cost.spent import ledger_of

        return ledger_of(targets, search), ()
    from hanji.recipe import parse_recipe, read_yaml
    from hanji.training.cost.family import FamilyRecipe, compare

    if len(targets) > 1:
        raise RecipeError("cost report: give one family recipe, or directories of runs and models")
    content = read_yaml(targets[0])
    if content.get("kind") != "family":
        raise RecipeError(
            f"{targets[0]}: not a family recipe (kind: family); what a training recipe will take is in "
            "`hanji train RECIPE --plan`"
        )
    recipe = parse_recipe(content, FamilyRecipe, origin=str(targets[0]))
    return recipe.ledger(), compare(recipe)


def _reckoning(ledger: Ledger, gpu: str | None, mfu: float | None, by: str | None) -> Reckoning | None:
    from hanji.training.cost.ledger import headline
    from hanji.training.cost.prices import Reckoning, known_peak

    if (gpu is None) != (mfu is None) or (gpu is None and by is not None):
        raise RecipeError("cost report: --gpu and --mfu go together: hours are FLOPs ÷ (peak × MFU)")
    if gpu is None or mfu is None:
        return None
    if not mfu:
        raise RecipeError("--mfu: 0 is not allowed: no work would ever be done")
    models = [model for model in ledger.models if model.known]
    convention = by or headline([model.flops for model in models])
    for model in models:
        if model.flops.by(convention) is None:
            raise RecipeError(
                f"--by {convention}: not known of {model.name}, whose shape is not; take six_nd"
            )
    return Reckoning(gpu, known_peak(gpu), mfu, convention)


def _as_data(
    ledger: Ledger,
    comparisons: Sequence[ComparisonResult],
    reckoning: Reckoning | None,
    prices: PriceList | None,
) -> dict[str, Any]:
    from hanji.training.cost.hours import hours_of
    from hanji.training.cost.rows import as_data

    rows, _ = hours_of(ledger, reckoning, prices)
    return {
        **as_data(ledger),
        "comparisons": [
            {
                "name": result.comparison.name,
                "spent": asdict(result.spent),
                "instead": asdict(result.instead),
                "figures": [
                    {
                        "name": one.figure.name,
                        "of": one.figure.of,
                        "shares": one.shares,
                        "printed": one.figure.printed,
                        "as_printed": one.as_printed,
                    }
                    for one in result.figures
                ],
            }
            for result in comparisons
        ],
        "hours": [
            {
                "model": row.model.key,
                "device": row.device,
                "hours": row.hours,
                "measured": row.measured,
                "cost": row.cost,
            }
            for row in rows
        ],
        "currency": None if prices is None else prices.currency,
        "prices_of": None if prices is None else prices.date.isoformat(),
    }
