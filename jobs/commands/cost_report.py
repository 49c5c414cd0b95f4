"""hanji cost report: what models took to train, or will take."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from hanji.errors import RecipeError
from hanji.jobs.commands.presets import short
from hanji.jobs.terminal import number, say

if TYPE_CHECKING:
    from hanji.training.cost.family import ComparisonResult
    from hanji.training.cost.ledger import Flops, Ledger, ModelCost
    from hanji.training.cost.prices import PriceList, Reckoning

NAME_WIDTH, SIZE_WIDTH = 50, 12


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
    say(*_table(ledger))
    for comparison in comparisons:
        say("", *_comparison(comparison))
    if lines := _money(ledger, reckoning, price_list):
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
    flops = [model.flops for model in ledger.models]
    convention = by or headline(flops)
    for model in ledger.models:
        if model.flops.by(convention) is None:
            raise RecipeError(
                f"--by {convention}: not known of {model.name}, whose shape is not; take six_nd"
            )
    return Reckoning(gpu, known_peak(gpu), mfu, convention)


def _table(ledger: Ledger) -> list[str]:
    from hanji.training.cost.ledger import total

    lines = [
        f"{ledger.name}: training FLOPs (forward and backward)",
        f"  {'':<{NAME_WIDTH}}{'parameters':>{SIZE_WIDTH}}{'tokens':>{SIZE_WIDTH}}{'6ND':>{SIZE_WIDTH}}"
        f"{'causal':>{SIZE_WIDTH}}{'full':>{SIZE_WIDTH}}",
    ]
    for model in ledger.models:
        parents = [parent.name for parent in ledger.ancestors(model.key) if parent.key in model.parents]
        origin = f", from {', '.join(parents)}" if parents else ""
        lines.append(
            _row(f"{model.name} ({model.kind}{origin})", model.flops, model.tokens, model.parameters)
        )
        if len(model.stages) > 1:
            lines += [_row(f"  {stage.name}", stage.flops, stage.tokens) for stage in model.stages]
        if model.teacher is not None:
            lines.append(_row("  forward passes of its teacher", model.teacher))
        if ancestors := ledger.ancestors(model.key):
            inherited = ledger.inherited(model.key)
            named = ", ".join(one.name for one in ancestors)
            lines.append(_row(f"  with ancestors ({named})", model.flops + inherited))
        if model.note:
            lines.append(f"    {model.note}")
    if len(ledger.models) > 1:
        lines.append(_row("all, each once", ledger.total()))
        if any(model.teacher for model in ledger.models):
            lines.append(_row("all, with teachers", ledger.total(teachers=True)))
    if total(model.flops for model in ledger.models).causal_attention is None:
        lines.append("  –: not known, for want of a shape")
    return lines


def _row(name: str, flops: Flops, tokens: int | None = None, parameters: float | None = None) -> str:
    cells = ["" if parameters is None else short(parameters), "" if tokens is None else short(tokens)]
    cells += [
        "–" if value is None else f"{value:.4g}"
        for value in (flops.six_nd, flops.causal_attention, flops.full_attention)
    ]
    return f"  {name:<{NAME_WIDTH}}" + "".join(f"{cell:>{SIZE_WIDTH}}" for cell in cells)


def _comparison(result: ComparisonResult) -> list[str]:
    spent, instead = result.spent.six_nd, result.instead.six_nd
    assert spent is not None and instead is not None
    lines = [
        f"{result.comparison.name}, by 6ND",
        f"  instead  {_terms(result.instead_terms)} = {instead / 6:.5g}; 6ND = {instead:.4g} FLOPs",
        f"  spent    {_terms(result.spent_terms)} = {spent / 6:.5g}; 6ND = {spent:.4g} FLOPs",
    ]
    for one in result.figures:
        figure = one.figure
        part = "instead − spent" if figure.what == "saved" else " + ".join(figure.what)
        share = one.shares["six_nd"]
        assert share is not None
        whole = instead if figure.of == "instead" else spent
        told = ""
        if figure.printed is not None:
            told = f"    printed {figure.printed}" + ("" if one.as_printed else ": differs")
        lines.append(
            f"  {figure.name}: ({part}) ÷ {figure.of} = {share * whole / 6:.4g} ÷ {whole / 6:.5g} = "
            f"{one.shown()}{told}"
        )
        exact = {name: one.shown(name) for name in ("causal_attention", "full_attention")}
        if all(one.shares[name] is not None for name in exact):
            lines.append("    exact: " + ", ".join(f"{value} by {name}" for name, value in exact.items()))
    if result.spent.causal_attention is None or result.instead.causal_attention is None:
        lines.append("  by exact counts: not known, for want of shapes")
    return lines


def _terms(terms: Sequence[tuple[int, int]]) -> str:
    """Parameters × tokens, summed: "9.80B·3.00T + …"."""
    return " + ".join(f"{short(parameters)}·{short(tokens)}" for parameters, tokens in terms)


@dataclass(frozen=True)
class Hours:
    """Device-hours of a model, what they cost (None without a price), and whether they were measured."""

    model: ModelCost
    device: str
    hours: float
    measured: bool
    cost: float | None


def hours_of(
    ledger: Ledger, reckoning: Reckoning | None, prices: PriceList | None
) -> tuple[list[Hours], list[str]]:
    """Hours of each model, measured where its run says so, else reckoned; and names of those that have none."""
    found, without = [], []
    for model in ledger.counted:
        if model.spent is not None:
            device, hours, measured = model.spent.device, model.spent.seconds / 3600, True
        elif reckoning is not None and (flops := _all_of(model).by(reckoning.convention)) is not None:
            device, hours, measured = reckoning.device, reckoning.hours(flops), False
        else:
            without.append(model.name)
            continue
        price = None if prices is None else prices.price(device)
        found.append(Hours(model, device, hours, measured, None if price is None else price * hours))
    return found, without


def _all_of(model: ModelCost) -> Flops:
    """A model's training with the forward passes of its teacher: both take time."""
    return model.flops if model.teacher is None else model.flops + model.teacher


def _money(ledger: Ledger, reckoning: Reckoning | None, prices: PriceList | None) -> list[str]:
    rows, without = hours_of(ledger, reckoning, prices)
    lines = []
    if rows:
        unit = "" if prices is None else prices.currency
        lines.append(
            f"  {'device-hours':<{NAME_WIDTH}}{'':>{SIZE_WIDTH}}{'hours':>{SIZE_WIDTH}}{unit:>{SIZE_WIDTH}}"
        )
        lines += [
            f"  {row.model.name:<{NAME_WIDTH}}{'measured' if row.measured else 'reckoned':>{SIZE_WIDTH}}"
            f"{_amount(row.hours):>{SIZE_WIDTH}}"
            + (f"{'–' if row.cost is None else _amount(row.cost):>{SIZE_WIDTH}}" if prices else "")
            + f"  {row.device}"
            for row in rows
        ]
        costs = [row.cost for row in rows if row.cost is not None]
        money = f"{_amount(sum(costs)):>{SIZE_WIDTH}}" if prices and len(costs) == len(rows) else ""
        lines.append(
            f"  {'together':<{NAME_WIDTH}}{'':>{SIZE_WIDTH}}{_amount(sum(row.hours for row in rows)):>{SIZE_WIDTH}}"
            + money
        )
        lines += [f"  {line}" for row in rows if (line := _mfu_line(row))]
        if reckoning is not None and not all(row.measured for row in rows):
            lines.append(
                f"  reckoned: FLOPs by {reckoning.convention} ÷ ({reckoning.peak.bf16 / 1e12:,.1f} TFLOP/s, dense "
                f"BF16 of {reckoning.peak.name} × {reckoning.mfu:.0%} MFU), teachers included"
            )
        if prices is not None:
            lines.append(f"  prices of {prices.date.isoformat()}, as given")
            missing = sorted({row.device for row in rows if row.cost is None})
            lines += [f"  the price list has no {device}" for device in missing]
    if without and (rows or reckoning is not None or prices is not None):
        lines.append(f"  no hours: {', '.join(without)} (nothing measured; give --gpu and --mfu)")
    return lines


def _mfu_line(row: Hours) -> str | None:
    """Measured MFU of the training steps, under each convention."""
    shares = measured_mfu(row.model)
    if not shares or not row.measured:
        return None
    told = ", ".join(f"{share:.1%} by {name}" for name, share in shares.items())
    return f"{row.model.name}: MFU of its steps {told}"


def measured_mfu(model: ModelCost) -> dict[str, float]:
    """Share of the dense BF16 peak that the training steps of a run reached, by convention; {} without a peak."""
    from hanji.training.cost.peaks import peak_of

    spent = model.spent
    peak = None if spent is None else peak_of(spent.device)
    if spent is None or peak is None or not spent.training:
        return {}
    flops = asdict(model.flops)
    return {name: value / spent.training / peak.bf16 for name, value in flops.items() if value is not None}


def _amount(value: float) -> str:
    return number(value) if value >= 1000 else f"{value:.3g}"


def _as_data(
    ledger: Ledger,
    comparisons: Sequence[ComparisonResult],
    reckoning: Reckoning | None,
    prices: PriceList | None,
) -> dict[str, Any]:
    rows, _ = hours_of(ledger, reckoning, prices)
    return {
        "name": ledger.name,
        "models": [
            {
                **asdict(model),
                "tokens": model.tokens,
                "flops": asdict(model.flops),
                "ancestors": [one.key for one in ledger.ancestors(model.key)],
                "inherited": asdict(ledger.inherited(model.key)),
                "mfu": measured_mfu(model),
            }
            for model in ledger.models
        ],
        "total": asdict(ledger.total()),
        "total_with_teachers": asdict(ledger.total(teachers=True)),
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
